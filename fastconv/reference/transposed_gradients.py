"""Gradients of transposed convolutions, tap by tap, in float64.

Names and meanings are those of ``fastconv.ops``; ``grad`` is the gradient by the result.
"""

import numpy as np

from . import checks
from .conv import padding_sides
from .conv_transpose import conv_transpose1d, conv_transpose2d
from .convolution_gradients import result_shape


def _operands(
    op, rank, grad, other, input_size, weight_size, stride, padding, output_padding, groups,
    dilation,
):  # fmt: skip
    """grad as (N, groups, OC/groups, ...) with what padding cut off as zeros around it, the other
    array in float64, and for each tap the pixels of grad that it made."""
    checks.float_array(op, "grad", grad)
    checks.companion_array(op, "input" if "weight" in op else "weight", other, grad)
    forward = conv_transpose1d if rank == 1 else conv_transpose2d
    shape = result_shape(
        op, forward, input_size, weight_size, stride=stride, padding=padding,
        output_padding=output_padding, groups=groups, dilation=dilation,
    )  # fmt: skip
    if grad.shape != shape:
        raise ValueError(f"{op}: grad has shape {grad.shape}, expected {shape}, the result's")
    ends = padding_sides(op, padding, rank)
    batch = input_size[0] if len(input_size) == rank + 2 else 1
    g = checks.as_float64(grad).reshape(batch, groups, weight_size[1], *shape[-rank:])
    g = np.pad(g, ((0, 0), (0, 0), (0, 0), *ends))
    strides = checks.numbers(op, "stride", stride, 1, rank)
    dilations = checks.numbers(op, "dilation", dilation, 1, rank)
    taps = [
        (
            tap,
            tuple(
                slice(t * d, t * d + (n - 1) * s + 1, s)
                for t, d, n, s in zip(tap, dilations, input_size[-rank:], strides, strict=True)
            ),
        )
        for tap in np.ndindex(*weight_size[2:])
    ]
    return g, checks.as_float64(other), taps


def _input_gradient(
    op, rank, grad, weight, input_size, stride, padding, output_padding, groups, dilation
):
    shape = getattr(weight, "shape", ())
    g, w, taps = _operands(
        op, rank, grad, weight, input_size, shape, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip
    w = w.reshape(groups, shape[0] // groups, *shape[1:])
    result = np.zeros((len(g), groups, shape[0] // groups, *input_size[-rank:]))
    for tap, pixels in taps:
        result += np.einsum("gco,ngo...->ngc...", w[(..., *tap)], g[(..., *pixels)])
    return result.reshape(input_size)


def _weight_gradient(
    op, rank, grad, input, weight_size, stride, padding, output_padding, groups, dilation
):
    shape = getattr(input, "shape", ())
    g, x, taps = _operands(
        op, rank, grad, input, shape, weight_size, stride, padding, output_padding, groups,
        dilation,
    )  # fmt: skip
    each = weight_size[0] // groups
    x = x.reshape(len(g), groups, each, int(np.prod(shape[-rank:])))
    result = np.zeros((groups, each, *weight_size[1:]))
    for tap, pixels in taps:
        made = g[(..., *pixels)].reshape(len(g), groups, weight_size[1], x.shape[-1])
        result[(..., *tap)] = np.einsum("ngcp,ngop->gco", x, made)
    return result.reshape(weight_size)


def conv_transpose2d_input_gradient(
    grad, weight, input_size, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Each pixel of grad times the weight that carried the input there, summed up."""
    return _input_gradient(
        "conv_transpose2d_input_gradient", 2, grad, weight, input_size, stride, padding,
        output_padding, groups, dilation,
    )  # fmt: skip


def conv_transpose2d_weight_gradient(
    grad, input, weight_size, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Each pixel of grad times the input that the weight carried there, summed up."""
    return _weight_gradient(
        "conv_transpose2d_weight_gradient", 2, grad, input, weight_size, stride, padding,
        output_padding, groups, dilation,
    )  # fmt: skip


def conv_transpose1d_input_gradient(
    grad, weight, input_size, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """As conv_transpose2d_input_gradient, with one axis."""
    return _input_gradient(
        "conv_transpose1d_input_gradient", 1, grad, weight, input_size, stride, padding,
        output_padding, groups, dilation,
    )  # fmt: skip


def conv_transpose1d_weight_gradient(
    grad, input, weight_size, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """As conv_transpose2d_weight_gradient, with one axis."""
    return _weight_gradient(
        "conv_transpose1d_weight_gradient", 1, grad, input, weight_size, stride, padding,
        output_padding, groups, dilation,
    )  # fmt: skip
