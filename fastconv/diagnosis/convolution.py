"""Why a convolution, transposed or not, or a linear layer refused its arguments."""

from typing import NoReturn

import numpy as np

from fastconv.geometry import integer

from .arrays import (
    Pair,
    at_least,
    bias_vector,
    companion,
    fits_memory,
    float_array,
    images,
    output_array,
    unexplained,
    windows,
)

_AXES = {1: ("length",), 2: ("height", "width")}
_KERNEL = {1: "KL", 2: "KH, KW"}


def convolution_arrays(op: str, input: object, weight: object, rank: int) -> None:
    """Require input and weight that convolution could take with some groups."""
    _arrays(op, input, weight, rank, f"OC, C/groups, {_KERNEL[rank]}")


def _arrays(op: str, input: object, weight: object, rank: int, layout: str) -> None:
    images(op, input, rank)
    companion(op, "weight", weight, input)
    _weight_axes(op, weight, rank, layout)


def _weight_axes(op: str, weight: np.ndarray, rank: int, layout: str) -> None:
    if weight.ndim != rank + 2:
        raise ValueError(
            f"{op}: weight has {weight.ndim} dimensions {weight.shape}, expected {rank + 2} "
            f"({layout}); reshape it"
        )
    if 0 in weight.shape:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected ({layout}) with every "
            f"size at least 1; check how weight was made"
        )


def convolution_weights(op: str, weight: object, bias: object, groups: int) -> None:
    """Require what some input could be convolved with, in two dimensions."""
    float_array(op, "weight", weight)
    _weight_axes(op, weight, 2, f"OC, C/groups, {_KERNEL[2]}")
    oc = weight.shape[0]
    if oc % groups:
        raise ValueError(
            f"{op}: groups={groups} does not divide weight's {oc} output channels; "
            f"give a divisor of {oc}"
        )
    bias_vector(op, bias, weight, oc, "weight")


def _groups(op: str, input: np.ndarray, weight: np.ndarray, groups: int, rank: int) -> None:
    channels, (oc, per_group) = input.shape[-rank - 1], weight.shape[:2]
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


def _paddings(op: str, padding: tuple[Pair, ...]) -> None:
    if len(set(padding)) == 1:
        at_least(op, "padding", padding[0], 0)
    for axis, ends in enumerate(padding):
        at_least(op, f"padding[{axis}]", ends, 0)


def _border(op: str, input: np.ndarray, padding: tuple[Pair, ...], mode: str) -> None:
    """Require an input large enough for what the border shows of it."""
    for name, size, ends in zip(
        _AXES[len(padding)], input.shape[-len(padding) :], padding, strict=True
    ):
        most = {"reflect": size - 1, "circular": size}.get(mode, max(ends))
        if max(ends) > most:
            raise ValueError(
                f"{op}: padding is {padding} but input has {size} pixels of {name}; with "
                f"padding_mode={mode!r} it must be at most {most} there: give less padding"
            )


def convolution(
    op: str,
    input: object,
    weight: object,
    bias: object,
    residual: object,
    out: object,
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    padding_mode: str,
    dilation: tuple[int, ...],
    groups: int,
) -> NoReturn:
    """Raise for what is wrong with a convolution of as many axes as `stride` has numbers."""
    rank = len(stride)
    convolution_arrays(op, input, weight, rank)
    at_least(op, "stride", stride, 1)
    at_least(op, "dilation", dilation, 1)
    _paddings(op, padding)
    _groups(op, input, weight, integer(op, "groups", groups, 1), rank)
    _border(op, input, padding, padding_mode)
    sizes = tuple(
        windows(
            op,
            "weight",
            direction,
            input.shape[axis - rank],
            padding[axis],
            weight.shape[axis - rank],
            stride[axis],
            dilation[axis],
        )
        for axis, direction in enumerate(_AXES[rank])
    )
    shape = (*input.shape[: -rank - 1], weight.shape[0], *sizes)
    fits_memory(op, shape, input.itemsize)
    bias_vector(op, bias, input, weight.shape[0])
    if residual is not None:
        companion(op, "residual", residual, input)
        if residual.shape != shape:
            raise ValueError(
                f"{op}: residual has shape {residual.shape} but the result has {shape}; "
                f"residual is added to the result and must have its shape"
            )
    output_array(op, out, shape, input, weight=weight, bias=bias, residual=residual)
    unexplained(op, input, weight, bias, residual, out, stride, padding, dilation, groups)


def transposed_convolution(
    op: str,
    input: object,
    weight: object,
    bias: object,
    out: object,
    stride: tuple[int, ...],
    padding: tuple[Pair, ...],
    output_padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> NoReturn:
    """Raise for what is wrong with a transposed convolution of as many axes as `stride`."""
    rank = len(stride)
    _arrays(op, input, weight, rank, f"C, OC/groups, {_KERNEL[rank]}")
    at_least(op, "stride", stride, 1)
    at_least(op, "dilation", dilation, 1)
    _paddings(op, padding)
    at_least(op, "output_padding", output_padding, 0)
    channels = input.shape[-rank - 1]
    if weight.shape[0] != channels:
        raise ValueError(
            f"{op}: weight is for {weight.shape[0]} input channels {weight.shape} but input has "
            f"{channels}; weight is (C, OC/groups, {_KERNEL[rank]}): transpose it if its first two "
            f"axes are the other way round"
        )
    if channels % integer(op, "groups", groups, 1):
        raise ValueError(
            f"{op}: groups={groups} does not divide input's {channels} channels; "
            f"give a divisor of {channels}"
        )
    sizes = []
    for axis, direction in enumerate(_AXES[rank]):
        most = max(stride[axis], dilation[axis]) - 1
        if output_padding[axis] > most:
            raise ValueError(
                f"{op}: output_padding is {output_padding} but stride is {stride} and dilation "
                f"{dilation}; it must be smaller than one of them, here at most {most} of "
                f"{direction}"
            )
        size = (
            (input.shape[axis - rank] - 1) * stride[axis]
            - sum(padding[axis])
            + dilation[axis] * (weight.shape[axis - rank] - 1)
            + 1
            + output_padding[axis]
        )
        if size < 1:
            raise ValueError(
                f"{op}: the result would have {size} pixels of {direction}: padding "
                f"{padding[axis]} takes away more than there is; give less padding"
            )
        sizes.append(size)
    shape = (*input.shape[: -rank - 1], weight.shape[1] * groups, *sizes)
    fits_memory(op, shape, input.itemsize)
    bias_vector(op, bias, input, shape[-rank - 1])
    output_array(op, out, shape, input, weight=weight, bias=bias)
    unexplained(op, input, weight, bias, out, stride, padding, output_padding, dilation, groups)


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
    fits_memory(op, shape, input.itemsize)
    bias_vector(op, bias, input, weight.shape[0])
    output_array(op, out, shape, input, weight=weight, bias=bias)
    unexplained(op, input, weight, bias, out)
