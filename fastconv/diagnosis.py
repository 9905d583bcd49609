"""Why an operation refused its arguments.

_core accepts or refuses in a few comparisons; these functions run after a refusal, go through the
same rules one by one, and raise for the first that is broken. Each message names the operation and
the argument, says what was given and what was expected, and how to mend it.
"""

from typing import NoReturn

import numpy as np

from fastconv import _core
from fastconv.geometry import INT64_MAX, integer

_FLOATS = (np.float16, np.float32, np.float64)

Pair = tuple[int, int]


# ---- arrays -------------------------------------------------------------------------------------


def float_array(op: str, name: str, value: object) -> None:
    """Require a float16, float32 or float64 ndarray of any byte order."""
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{op}: {name} must be a numpy.ndarray, not {type(value).__name__}; "
            f"convert it with numpy.asarray"
        )
    # The scalar type is the same for both byte orders, and longdouble's is another one even where
    # it has 64 bits.
    if value.dtype.type not in _FLOATS:
        raise TypeError(
            f"{op}: {name} has dtype {value.dtype}, expected float16, float32 or float64; "
            f"convert it with {name}.astype(numpy.float32)"
        )


def companion(op: str, name: str, value: object, input: np.ndarray) -> None:
    """Require an array of the dtype of `input`, in either byte order."""
    float_array(op, name, value)
    if value.dtype.type is not input.dtype.type:
        raise TypeError(
            f"{op}: {name} has dtype {value.dtype} but input has dtype {input.dtype}; "
            f"convert one of them with astype"
        )


def images(op: str, input: object) -> None:
    """Require (N, C, H, W) or (C, H, W), where only N may be 0."""
    float_array(op, "input", input)
    if input.ndim not in (3, 4):
        raise ValueError(
            f"{op}: input has {input.ndim} dimensions {input.shape}, expected 4 (N, C, H, W) or 3 "
            f"(C, H, W); use reshape to add or join axes"
        )
    if 0 in input.shape[-3:]:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected at least one channel, row and column; "
            f"check how input was made, only N may be 0"
        )


def _bias(op: str, bias: object, input: np.ndarray, rows: int) -> None:
    if bias is None:
        return
    companion(op, "bias", bias, input)
    if bias.shape != (rows,):
        raise ValueError(
            f"{op}: bias has shape {bias.shape}, expected ({rows},), one value for each of "
            f"weight's {rows} outputs; reshape it or give the bias that belongs to this weight"
        )


def _fits_memory(op: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Require that the bytes of a result can be counted; float16 is computed in float32."""
    size = max(itemsize, 4)
    for length in shape:
        size *= max(length, 1)
    if size > INT64_MAX:
        raise ValueError(
            f"{op}: the result of shape {shape} is too large: it takes {size} bytes, and at most "
            f"2**63 - 1 can be addressed; work on smaller pieces"
        )


def _out(op: str, out: object, shape: tuple[int, ...], input: np.ndarray, **others: object) -> None:
    """Require an `out` that can take the result; `others` are the arrays it must not touch."""
    if out is None:
        return
    if not isinstance(out, np.ndarray):
        raise TypeError(
            f"{op}: out must be a numpy.ndarray, not {type(out).__name__}; "
            f"leave it out to get a new array"
        )
    expected = input.dtype.newbyteorder("=")
    if out.dtype != expected:
        raise TypeError(
            f"{op}: out has dtype {out.dtype.str}, expected {expected.name} in this machine's byte "
            f"order; make it with numpy.empty({shape}, numpy.{expected.name})"
        )
    if out.shape != shape:
        raise ValueError(
            f"{op}: out has shape {out.shape}, but the result has {shape}; "
            f"make it with numpy.empty({shape}, numpy.{expected.name})"
        )
    if not out.flags.writeable:
        raise ValueError(f"{op}: out is read-only; give an array that can be written")
    strided = zip(shape, out.strides, strict=True)
    if out.size and any(length > 1 and stride == 0 for length, stride in strided):
        raise ValueError(
            f"{op}: out has strides {out.strides}: its elements share memory as in a broadcast "
            f"array; give an array with an element for each value"
        )
    for name, other in {"input": input, **others}.items():
        if other is not None and _core.overlap(out, other):
            raise ValueError(
                f"{op}: out shares memory with {name}, which would be overwritten while it is "
                f"read; give an array of its own, or none"
            )


def _unexplained(op: str, *arrays: object) -> NoReturn:
    """The rules here and in _core have come apart."""
    given = ", ".join(
        f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in arrays
    )
    raise RuntimeError(
        f"{op}: arguments refused without a reason ({given}); this is a defect of fastconv, "
        f"please report it"
    )


def _at_least(op: str, name: str, values: tuple[int, ...], minimum: int) -> None:
    """Require a range of ints. Equal ones are named as one, as which they were likely given."""
    if len(set(values)) == 1:
        integer(op, name, values[0], minimum)
    for index, value in enumerate(values):
        integer(op, f"{name}[{index}]", value, minimum)


# ---- sizes --------------------------------------------------------------------------------------


def _windows(
    op: str,
    who: str,
    direction: str,
    size: int,
    padding: Pair,
    kernel: int,
    stride: int,
    dilation: int,
    ceil_mode: bool = False,
) -> int:
    """Number of windows along one axis, at least 1. `who` has the kernel: weight, kernel_size."""
    padded = size + sum(padding)
    span = dilation * (kernel - 1) + 1
    slack = stride - 1 if ceil_mode else 0
    if padded - span + slack < 0:
        raise ValueError(
            f"{op}: {who} spans {span} pixels of {direction} (kernel {kernel}, dilation "
            f"{dilation}) but input has {padded} ({size} and {sum(padding)} of padding), so the "
            f"result would be empty; enlarge input or padding, or take a smaller kernel"
        )
    if max(padded, span, padded - span + slack) > INT64_MAX:
        raise ValueError(
            f"{op}: {direction} is too large: input has {padded} pixels of it with padding "
            f"{padding} and {who} spans {span} at stride {stride}, beyond 2**63 - 1; give less "
            f"padding, dilation or stride"
        )
    count = (padded - span + slack) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + padding[0]:
        count -= 1
    return count


# ---- operations ---------------------------------------------------------------------------------


def conv2d_arrays(input: object, weight: object) -> None:
    """Require input and weight that convolution could take with some groups."""
    op = "conv2d"
    images(op, input)
    companion(op, "weight", weight, input)
    if weight.ndim != 4:
        raise ValueError(
            f"{op}: weight has {weight.ndim} dimensions {weight.shape}, expected 4 "
            f"(OC, C/groups, KH, KW); reshape it"
        )
    if 0 in weight.shape:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected (OC, C/groups, KH, KW) with every "
            f"size at least 1; check how weight was made"
        )


def _groups(input: np.ndarray, weight: np.ndarray, groups: int) -> None:
    op = "conv2d"
    channels, (oc, per_group) = input.shape[-3], weight.shape[:2]
    if channels % groups:
        raise ValueError(
            f"{op}: groups={groups} does not divide input's {channels} channels; "
            f"give a divisor of {channels}"
        )
    if channels // groups != per_group:
        if channels % per_group == 0 and oc % (channels // per_group) == 0:
            mend = f"give groups={channels // per_group}, or weight of shape "
        else:
            mend = "give weight of shape "
        raise ValueError(
            f"{op}: weight has {per_group} input channels per group but input has {channels} "
            f"channels and groups={groups}; {mend}{(oc, channels // groups, *weight.shape[2:])}"
        )
    if oc % groups:
        raise ValueError(
            f"{op}: groups={groups} does not divide weight's {oc} output channels; "
            f"give a divisor of {oc} and {channels}"
        )


def conv2d(
    input: object,
    weight: object,
    bias: object,
    residual: object,
    out: object,
    stride: Pair,
    padding: tuple[Pair, Pair],
    dilation: Pair,
    groups: int,
) -> NoReturn:
    """Raise for what is wrong with a convolution."""
    op = "conv2d"
    conv2d_arrays(input, weight)
    _at_least(op, "stride", stride, 1)
    _at_least(op, "dilation", dilation, 1)
    if padding[0] == padding[1]:
        _at_least(op, "padding", padding[0], 0)
    _at_least(op, "padding[0]", padding[0], 0)
    _at_least(op, "padding[1]", padding[1], 0)
    _groups(input, weight, integer(op, "groups", groups, 1))
    sizes = tuple(
        _windows(
            op,
            "weight",
            direction,
            input.shape[axis - 2],
            padding[axis],
            weight.shape[axis - 2],
            stride[axis],
            dilation[axis],
        )
        for axis, direction in enumerate(("height", "width"))
    )
    shape = (*input.shape[:-3], weight.shape[0], *sizes)
    _fits_memory(op, shape, input.itemsize)
    _bias(op, bias, input, weight.shape[0])
    if residual is not None:
        companion(op, "residual", residual, input)
        if residual.shape != shape:
            raise ValueError(
                f"{op}: residual has shape {residual.shape} but the result has {shape}; "
                f"residual is added to the result and must have its shape"
            )
    _out(op, out, shape, input, weight=weight, bias=bias, residual=residual)
    _unexplained(op, input, weight, bias, residual, out, stride, padding, dilation, groups)


def pool2d(
    op: str,
    input: object,
    out: object,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    ceil_mode: bool,
    with_indices: bool,
) -> NoReturn:
    """Raise for what is wrong with a pooling."""
    images(op, input)
    _at_least(op, "kernel_size", kernel, 1)
    _at_least(op, "stride", stride, 1)
    _at_least(op, "padding", padding, 0)
    _at_least(op, "dilation", dilation, 1)
    most = tuple(size // 2 for size in kernel)
    if padding[0] > most[0] or padding[1] > most[1]:
        raise ValueError(
            f"{op}: padding is {padding} but kernel_size is {kernel}; padding must be at most half "
            f"of kernel_size, here {most}"
        )
    sizes = tuple(
        _windows(
            op,
            "kernel_size",
            direction,
            input.shape[axis - 2],
            (padding[axis],) * 2,
            kernel[axis],
            stride[axis],
            dilation[axis],
            ceil_mode,
        )
        for axis, direction in enumerate(("height", "width"))
    )
    shape = (*input.shape[:-2], *sizes)
    _fits_memory(op, shape, 8 if with_indices else input.itemsize)
    _out(op, out, shape, input)
    _unexplained(op, input, out, kernel, stride, padding, dilation, ceil_mode)


def global_pool2d(op: str, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with a global pooling."""
    images(op, input)
    _out(op, out, (*input.shape[:-2], 1, 1), input)
    _unexplained(op, input, out)


def linear(input: object, weight: object, bias: object, out: object) -> NoReturn:
    """Raise for what is wrong with a linear layer."""
    op = "linear"
    float_array(op, "input", input)
    companion(op, "weight", weight, input)
    if input.ndim == 0:
        raise ValueError(
            f"{op}: input has 0 dimensions, expected (..., in); give it an axis with reshape(1)"
        )
    if weight.ndim != 2:
        raise ValueError(
            f"{op}: weight has {weight.ndim} dimensions {weight.shape}, expected 2 (out, in); "
            f"reshape it"
        )
    if 0 in weight.shape:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected (out, in) with both at least 1; "
            f"check how weight was made"
        )
    if input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"{op}: input has {input.shape[-1]} features {input.shape} but weight takes "
            f"{weight.shape[1]} {weight.shape}; the last axes must agree: "
            f"transpose weight if it is (in, out)"
        )
    shape = (*input.shape[:-1], weight.shape[0])
    _fits_memory(op, shape, input.itemsize)
    _bias(op, bias, input, weight.shape[0])
    _out(op, out, shape, input, weight=weight, bias=bias)
    _unexplained(op, input, weight, bias, out)


def unary(op: str, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with an operation on each element."""
    float_array(op, "input", input)
    _out(op, out, input.shape, input)
    _unexplained(op, input, out)


def softmax(input: object, dim: int, out: object) -> NoReturn:
    """Raise for what is wrong with a softmax."""
    op = "softmax"
    float_array(op, "input", input)
    if input.ndim == 0:
        raise ValueError(
            f"{op}: input has 0 dimensions, expected at least 1; give it an axis with reshape(1)"
        )
    if not -input.ndim <= dim < input.ndim:
        raise ValueError(
            f"{op}: dim is {dim} but input has {input.ndim} dimensions {input.shape}; "
            f"give a dim from {-input.ndim} to {input.ndim - 1}"
        )
    _out(op, out, input.shape, input)
    _unexplained(op, input, dim, out)
