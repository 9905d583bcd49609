"""What operations' arrays and sizes have in common, each rule raising when it is broken."""

from typing import NoReturn

import numpy as np

from fastconv import _core
from fastconv.geometry import INT64_MAX, integer

_FLOATS = (np.float16, np.float32, np.float64)

Pair = tuple[int, int]


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


def companion(
    op: str, name: str, value: object, other: np.ndarray, other_name: str = "input"
) -> None:
    """Require an array of the dtype of another one, in either byte order."""
    float_array(op, name, value)
    if value.dtype.type is not other.dtype.type:
        raise TypeError(
            f"{op}: {name} has dtype {value.dtype} but {other_name} has dtype {other.dtype}; "
            f"convert one of them with astype"
        )


def images(op: str, input: object, rank: int = 2, name: str = "input") -> None:
    """Require (N, C, H, W) or (C, H, W), of rank 1 (N, C, L) or (C, L), where only N may be 0."""
    float_array(op, name, input)
    axes = {1: "C, L", 2: "C, H, W"}[rank]
    if input.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"{op}: {name} has {input.ndim} dimensions {input.shape}, expected {rank + 2} "
            f"(N, {axes}) or {rank + 1} ({axes}); use reshape to add or join axes"
        )
    if 0 in input.shape[-rank - 1 :]:
        lengths = {1: "channel and pixel", 2: "channel, row and column"}[rank]
        raise ValueError(
            f"{op}: {name} has shape {input.shape}, expected at least one {lengths}; "
            f"check how {name} was made, only N may be 0"
        )


def bias_vector(
    op: str, bias: object, other: np.ndarray, rows: int, other_name: str = "input"
) -> None:
    if bias is None:
        return
    companion(op, "bias", bias, other, other_name)
    if bias.shape != (rows,):
        raise ValueError(
            f"{op}: bias has shape {bias.shape}, expected ({rows},), one value for each of "
            f"weight's {rows} outputs; reshape it or give the bias that belongs to this weight"
        )


def fits_memory(op: str, shape: tuple[int, ...], itemsize: int) -> None:
    """Require that the bytes of a result can be counted; float16 is computed in float32."""
    size = max(itemsize, 4)
    for length in shape:
        size *= max(length, 1)
    if size > INT64_MAX:
        raise ValueError(
            f"{op}: the result of shape {shape} is too large: it takes {size} bytes, and at most "
            f"2**63 - 1 can be addressed; work on smaller pieces"
        )


def output_array(
    op: str, out: object, shape: tuple[int, ...], input: np.ndarray, /, **others: object
) -> None:
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


def unexplained(op: str, *arrays: object) -> NoReturn:
    """The rules here and in _core have come apart."""
    given = ", ".join(
        f"{a.dtype} {a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in arrays
    )
    raise RuntimeError(
        f"{op}: arguments refused without a reason ({given}); this is a defect of fastconv, "
        f"please report it"
    )


def at_least(op: str, name: str, values: tuple[int, ...], minimum: int) -> None:
    """Require a range of ints. Equal ones are named as one, as which they were likely given."""
    if len(set(values)) == 1:
        integer(op, name, values[0], minimum)
    for index, value in enumerate(values):
        integer(op, f"{name}[{index}]", value, minimum)


def windows(
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
