"""What the gradients of convolutions and linear layers require of their arguments."""

import numpy as np

from fastconv.geometry import INT64_MAX, integer

from .arrays import Pair, companion, float_array, output_array

_AXES = {1: ("length",), 2: ("height", "width")}


def gradient_arrays(op: str, grad: object, name: str = "", other: object = None) -> None:
    """Require grad, and another array of its dtype, in a precision that gradients are "
    "computed in."""
    float_array(op, "grad", grad)
    if grad.dtype.type is np.float16:
        raise TypeError(
            f"{op}: grad has dtype float16, expected float32 or float64: gradients are not "
            f"computed in "
            f"half precision; convert the arrays with astype(numpy.float32)"
        )
    if name:
        companion(op, name, other, grad, "grad")


def gradient_out(
    op: str, out: object, size: tuple[int, ...], grad: np.ndarray, **others: object
) -> None:
    """Require an `out` that can take the gradient."""
    if out is not None:
        output_array(op, out, size, np.empty(0, grad.dtype), grad=grad, **others)


def _bounded(op: str, *shapes: tuple[int, ...]) -> None:
    for shape in shapes:
        total = 8
        for length in shape:
            total *= max(length, 1)
        if total > INT64_MAX:
            raise ValueError(
                f"{op}: an array of shape {shape} is too large: beyond 2**63 - 1 bytes; work "
                f"on smaller "
                f"pieces"
            )


def _channels(op: str, channels: int, weight: tuple[int, ...], groups: int, who: str) -> None:
    if channels % groups or weight[0] % groups or channels // groups != weight[1]:
        raise ValueError(
            f"{op}: groups={groups} does not go with {channels} channels of {who} and a weight "
            f"of shape "
            f"{weight}; weight is (OC, C/groups, ...), and groups divides C and OC"
        )


def _expect(op: str, grad: np.ndarray, shape: tuple[int, ...], what: str) -> None:
    if grad.shape != shape:
        raise ValueError(
            f"{op}: grad has shape {grad.shape} but {what} has shape {shape}; grad is the "
            f"gradient by "
            f"the result and must have its shape"
        )


def convolution_gradient(
    op: str,
    grad: np.ndarray,
    input_size: tuple[int, ...],
    weight_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    padding_mode: str,
    dilation: tuple[int, ...],
    groups: int,
    who: str = "input_size",
) -> None:
    """Require the geometry of a convolution, and a grad of the shape of its result."""
    rank = len(stride)
    if len(weight_size) != rank + 2 or 0 in weight_size:
        raise ValueError(
            f"{op}: weight has shape {weight_size}, expected {rank + 2} sizes, none of them 0"
        )
    if len(input_size) not in (rank + 1, rank + 2) or 0 in input_size[-rank - 1 :]:
        raise ValueError(
            f"{op}: input has shape {input_size}, expected {rank + 2} sizes (N, C, ...) or "
            f"{rank + 1}, "
            f"of which only N may be 0"
        )
    _channels(op, input_size[-rank - 1], weight_size, groups, who)
    sizes = []
    for axis, direction in enumerate(_AXES[rank]):
        length, (before, after) = input_size[axis - rank], padding[axis]
        most = {"reflect": length - 1, "circular": length}.get(padding_mode, max(before, after))
        if max(before, after) > most:
            raise ValueError(
                f"{op}: padding is {padding} but input has {length} pixels of {direction}; with "
                f"padding_mode={padding_mode!r} it must be at most {most} there: give less padding"
            )
        span = dilation[axis] * (weight_size[axis + 2] - 1) + 1
        room = length + before + after - span
        if room < 0:
            raise ValueError(
                f"{op}: weight spans {span} pixels of {direction} but input has "
                f"{length + before + after} with its padding; take a smaller kernel, or "
                f"enlarge input"
            )
        if length + before + after > INT64_MAX:
            raise ValueError(
                f"{op}: {direction} with padding is beyond 2**63 - 1; give less padding"
            )
        sizes.append(room // stride[axis] + 1)
    shape = (*input_size[: -rank - 1], weight_size[0], *sizes)
    _bounded(op, shape, input_size, weight_size)
    _expect(op, grad, shape, "the convolution's result")


def transposed_gradient(
    op: str,
    grad: np.ndarray,
    input_size: tuple[int, ...],
    weight_size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    output_padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> None:
    """Require the geometry of a transposed convolution, and a grad of the shape of its result."""
    rank = len(stride)
    if len(weight_size) != rank + 2 or 0 in weight_size:
        raise ValueError(
            f"{op}: weight has shape {weight_size}, expected {rank + 2} sizes, none of them 0"
        )
    if len(input_size) not in (rank + 1, rank + 2) or 0 in input_size[-rank - 1 :]:
        raise ValueError(
            f"{op}: input has shape {input_size}, expected {rank + 2} sizes (N, C, ...) or "
            f"{rank + 1}, "
            f"of which only N may be 0"
        )
    if input_size[-rank - 1] != weight_size[0] or weight_size[0] % groups:
        raise ValueError(
            f"{op}: groups={groups} does not go with {input_size[-rank - 1]} channels of input "
            f"and a "
            f"weight of shape {weight_size}; weight is (C, OC/groups, ...), and groups divides C"
        )
    sizes = []
    for axis, direction in enumerate(_AXES[rank]):
        most = max(stride[axis], dilation[axis]) - 1
        if output_padding[axis] > most:
            raise ValueError(
                f"{op}: output_padding is {output_padding} but must be smaller than stride or "
                f"dilation, "
                f"here at most {most} of {direction}"
            )
        sizes.append(
            (input_size[axis - rank] - 1) * stride[axis]
            - sum(padding[axis])
            + dilation[axis] * (weight_size[axis + 2] - 1)
            + 1
            + output_padding[axis]
        )
        if sizes[-1] < 1:
            raise ValueError(
                f"{op}: the result would have {sizes[-1]} pixels of {direction}; give less padding"
            )
    shape = (*input_size[: -rank - 1], weight_size[1] * groups, *sizes)
    _bounded(op, shape, input_size, weight_size)
    _expect(op, grad, shape, "the transposed convolution's result")


def linear_gradient(
    op: str, grad: np.ndarray, weight_size: tuple[int, ...], input_size: tuple[int, ...]
) -> None:
    """Require what a linear layer of such sizes gives."""
    if len(weight_size) != 2 or 0 in weight_size or not input_size:
        raise ValueError(
            f"{op}: weight has shape {weight_size} and input {input_size}; expected (out, in), "
            f"both at "
            f"least 1, and (..., in)"
        )
    _bounded(op, grad.shape, input_size, weight_size)
    _expect(op, grad, (*input_size[:-1], weight_size[0]), "the linear layer's result")


def channel_axis(op: str, grad: np.ndarray, axis: object) -> int:
    """The axis, counted from the first, which must not be empty."""
    number = integer(op, "axis", axis, -grad.ndim)
    if number >= grad.ndim:
        raise ValueError(
            f"{op}: grad has {grad.ndim} dimensions {grad.shape} and no axis {axis}; give the "
            f"axis of "
            f"the channels"
        )
    number %= grad.ndim
    if grad.shape[number] == 0:
        raise ValueError(f"{op}: grad has shape {grad.shape}, expected at least one channel")
    return number
