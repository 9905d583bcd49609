"""Why a convolution or linear layer refused its arguments."""

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
    at_least(op, "stride", stride, 1)
    at_least(op, "dilation", dilation, 1)
    if padding[0] == padding[1]:
        at_least(op, "padding", padding[0], 0)
    at_least(op, "padding[0]", padding[0], 0)
    at_least(op, "padding[1]", padding[1], 0)
    _groups(input, weight, integer(op, "groups", groups, 1))
    sizes = tuple(
        windows(
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
