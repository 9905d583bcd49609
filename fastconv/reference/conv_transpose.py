"""Transposed convolution, in one and two dimensions."""

import itertools
import math

import numpy as np

from . import checks
from .conv import padding_sides
from .elementwise import activate, check_activation


def conv_transpose2d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]] = 0,
    output_padding: int | tuple[int, int] = 0,
    groups: int = 1,
    dilation: int | tuple[int, int] = 1,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """Transposed convolution: each pixel of the input spreads over a window of the result.

    Formula:
        every input[n, c, r, s] * weight[c, o, i, j] is added to result[n, g * OC/groups + o, y, x]
        with y = r*sh + i*dh - top, x = s*sw + j*dw - left and g the group of channel c, if there is
        such a pixel; bias and activation come last.

        OH = (H-1)*sh - top - bottom + dh*(KH-1) + 1 + output_padding, and OW likewise

    Shapes:
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        weight: (C, OC/groups, KH, KW); bias: (OC,) or None
        result: (N, OC, OH, OW), or unbatched (OC, OH, OW)

    Args:
        stride, dilation: int or (h, w), at least 1.
        padding: rows and columns cut off the result: int, (h, w), ((top, bottom), (left, right)).
        output_padding: int or (h, w), rows and columns at the end that are not cut off; smaller
            than the stride or the dilation.
        groups: a divisor of C. activation: as for ``conv2d``.

    Returns:
        float64 array.

    Raises:
        TypeError: an array or its dtype is wrong; a number is not an int.
        ValueError: shapes do not fit together, a number is out of range, the result is empty.

    Source:
        V. Dumoulin, F. Visin, arXiv:1603.07285, chapter 4; torch.nn.functional.conv_transpose2d.

    >>> conv_transpose2d(np.array([[[1.0, 10.0]]]), np.ones((1, 1, 1, 3)), stride=2)
    array([[[ 1.,  1., 11., 10., 10.]]])
    """
    return _conv_transpose(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups,
        dilation, activation,
    )  # fmt: skip


def conv_transpose1d(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    stride: int | tuple[int] = 1,
    padding: int | tuple[int] | tuple[tuple[int, int]] = 0,
    output_padding: int | tuple[int] = 0,
    groups: int = 1,
    dilation: int | tuple[int] = 1,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """``conv_transpose2d`` with one axis: input (N, C, L) or (C, L), weight (C, OC/groups, KL).

    Returns, Raises:
        as ``conv_transpose2d``.

    Source:
        torch.nn.functional.conv_transpose1d.

    >>> conv_transpose1d(np.array([[1.0, 10.0]]), np.array([[[1.0, 2.0]]]), stride=2)
    array([[ 1.,  2., 10., 20.]])
    """
    return _conv_transpose(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups,
        dilation, activation,
    )  # fmt: skip


def _conv_transpose(
    op, rank, input, weight, bias, stride, padding, output_padding, groups, dilation, activation
):
    checks.images(op, input, rank)
    checks.companion_array(op, "weight", weight, input)
    strides = checks.numbers(op, "stride", stride, 1, rank)
    dilations = checks.numbers(op, "dilation", dilation, 1, rank)
    extras = checks.numbers(op, "output_padding", output_padding, 0, rank)
    sides = padding_sides(op, padding, rank)
    groups = checks.integer(op, "groups", groups, minimum=1)
    channels, size = input.shape[-rank - 1], input.shape[-rank:]
    if weight.ndim != rank + 2 or 0 in weight.shape or weight.shape[0] != channels:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected ({channels}, OC/groups and {rank} of "
            f"the kernel), none of them 0; reshape or transpose it"
        )
    if channels % groups:
        raise ValueError(
            f"{op}: groups={groups} does not divide the {channels} channels of input; "
            f"give a groups that divides them"
        )
    kernel, oc = weight.shape[2:], weight.shape[1] * groups
    # The whole of what is spread, before padding is cut off and the extra rows are put on.
    full, outputs = [], []
    for length, taps, s, d, ends, extra in zip(
        size, kernel, strides, dilations, sides, extras, strict=True
    ):
        if extra >= max(s, d):
            raise ValueError(
                f"{op}: output_padding is {extra} where stride is {s} and dilation {d}; it must be "
                f"smaller than one of them"
            )
        full.append((length - 1) * s + d * (taps - 1) + 1 + extra)
        outputs.append(full[-1] - sum(ends))
        if outputs[-1] < 1:
            raise ValueError(
                f"{op}: padding {ends} leaves nothing of {full[-1]} pixels; give less padding"
            )
    offset = None if bias is None else checks.bias_vector(op, bias, input, oc)
    activation = check_activation(op, activation)

    batch = input.shape[0] if input.ndim == rank + 2 else 1
    x = checks.as_float64(input).reshape(batch, groups, channels // groups, math.prod(size))
    w = checks.as_float64(weight).reshape(groups, channels // groups, oc // groups, *kernel)
    result = np.zeros((batch, groups, oc // groups, *full))
    with np.errstate(invalid="ignore", over="ignore"):
        for tap in itertools.product(*map(range, kernel)):
            spread = np.einsum("gco,ngcp->ngop", w[(..., *tap)], x)
            place = tuple(
                slice(t * d, t * d + (length - 1) * s + 1, s)
                for t, d, length, s in zip(tap, dilations, size, strides, strict=True)
            )
            result[(..., *place)] += spread.reshape(batch, groups, oc // groups, *size)
        kept = tuple(
            slice(before, before + length)
            for (before, _), length in zip(sides, outputs, strict=True)
        )
        result = result[(..., *kept)].reshape(batch, oc, *outputs)
        if offset is not None:
            result = result + offset.reshape(oc, *(1,) * rank)
    return activate(result.reshape(*input.shape[: -rank - 1], oc, *outputs), activation)
