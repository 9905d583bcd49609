"""Moving pixels: pad, unfold, fold, interpolate."""

from typing import Literal

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of
from .types import IntOrPair, Values


def pad(
    input: Values,
    pad: tuple[int, ...],
    mode: Literal["constant", "reflect", "replicate", "circular"] = "constant",
    value: float | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """A border around the last axes.

    Formula:
        result[..., y, x] = input[..., y - top, x - left] inside of the input, and beyond it, for
        'constant' value; 'reflect' the input mirrored at its outermost elements, which are not
        repeated; 'replicate' the outermost element; 'circular' the input from its other end.

    Shapes:
        input: any of rank 1 to 8; for modes other than 'constant' (N, C, L) or (N, C, H, W) or
            (N, C, D, H, W), or unbatched
        out, result: each axis longer by its two numbers

    Args:
        pad: (left, right, top, bottom, ...): two numbers for each axis, from the last one on.
            For 'constant' negative numbers crop. For 'reflect' they are smaller than the axis is
            long, for 'circular' no larger.
        mode: 'constant', 'reflect', 'replicate' or 'circular'.
        value: of 'constant'; None is 0.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; pad is not a tuple of ints; value is no
            number; mode is not a str.
        ValueError: pad does not fit input; an unknown mode; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.pad. (numpy.pad's 'reflect' is this 'reflect'; scipy.ndimage's 'reflect'
        is numpy's 'symmetric', which is not here, and its 'mirror' is this 'reflect'.)

    >>> import numpy as np
    >>> pad(np.array([1.0, 2.0, 3.0]), (1, 2))
    array([0., 1., 2., 3., 0., 0.])
    >>> pad(np.array([[1.0, 2.0, 3.0]]), (1, 2), "reflect")
    array([[2., 1., 2., 3., 2., 1.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.pad(input, pad, mode, value, out, threads)


def unfold(
    input: Values,
    kernel_size: IntOrPair,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """The windows of an image as columns: the im2col matrix.

    Formula:
        result[n, (c*KH + i)*KW + j, y*OW + x] = padded[n, c, y*sh + i*dh, x*sw + j*dw]
        with padded the input with a border of zeros, and OH, OW as for ``conv2d``; a convolution is
        weight.reshape(OC, -1) @ result.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C*KH*KW, OH*OW), or unbatched

    Args:
        kernel_size, dilation, stride: int or (h, w), at least 1; padding: int or (h, w).
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is not an int.
        ValueError: input has a wrong rank or no channels; a number is out of range; the kernel is
            larger than the padded input; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.unfold.

    >>> import numpy as np
    >>> unfold(np.array([[[1.0, 2.0, 3.0]]]), (1, 2))
    array([[1., 2.],
           [2., 3.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.unfold(input, kernel_size, dilation, padding, stride, out, threads)


def fold(
    input: Values,
    output_size: IntOrPair,
    kernel_size: IntOrPair,
    dilation: IntOrPair = 1,
    padding: IntOrPair = 0,
    stride: IntOrPair = 1,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Columns added back into the windows that ``unfold`` takes them from.

    Formula:
        result[n, c, h, w] = sum of input[n, (c*KH + i)*KW + j, y*OW + x] over those i, j, y, x for
        which h = y*sh + i*dh - ph and w = x*sw + j*dw - pw, in the order of i, then j.
        It is the adjoint of unfold, not its inverse: where windows overlap, they add.

    Shapes:
        input: (N, C*KH*KW, OH*OW), where N may be 0, or unbatched
        out, result: (N, C, H, W), or unbatched (C, H, W)

    Args:
        output_size: (H, W), or an int for both.
        kernel_size, dilation, padding, stride: as for ``unfold``.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is not an int.
        ValueError: input's shape does not fit the numbers; a number is out of range; out is unfit
            or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.fold.

    >>> import numpy as np
    >>> fold(np.array([[1.0, 2.0], [2.0, 3.0]]), (1, 3), (1, 2))
    array([[[1., 4., 3.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.fold(input, output_size, kernel_size, dilation, padding, stride, out, threads)


def interpolate(
    input: Values,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: Literal["nearest", "nearest-exact", "linear", "bilinear"] = "nearest",
    align_corners: bool | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Images of another size.

    Formula:
        With s the input's pixels for one of the result, size / new size or 1 / scale_factor, pixel
        i of the result is
        'nearest': pixel floor(i * s); for twice the size i // 2 whatever the factor
        'nearest-exact': pixel floor((i + 1/2) * s)
        'linear', 'bilinear': between the pixels around p = max((i + 1/2) * s - 1/2, 0), or with
            align_corners p = i * (size - 1) / (new size - 1), by distance; first between rows.

        As in PyTorch, nearest neighbours are found in float32: where i * s is a whole number but
        for rounding, the pixel before may be taken.

    Shapes:
        input: (N, C, H, W), where N may be 0, or, but for 'bilinear', (N, C, L)
        out, result: (N, C, new H, new W) or (N, C, new L)

    Args:
        size: the new size, of each axis or of all.
        scale_factor: or how many times the size, rounded down; exactly one of the two is given.
        mode: 'nearest', 'nearest-exact', 'bilinear' (four axes) or 'linear' (three).
        align_corners: for 'linear' and 'bilinear': the outermost pixels stay where they are.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; an argument has a wrong type.
        ValueError: input has a wrong rank or no pixels; none or both of size and scale_factor are
            given or are out of range; an unknown mode, or one without use for align_corners; out is
            unfit or overlaps input.
        MemoryError: the result or the scratch memory does not fit.

    Source:
        torch.nn.functional.interpolate.

    >>> import numpy as np
    >>> interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2)
    array([[[1., 1., 3., 3.]]])
    >>> interpolate(np.array([[[1.0, 3.0]]]), 4, mode="linear")
    array([[[1. , 1.5, 2.5, 3. ]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.interpolate(input, size, scale_factor, mode, align_corners, out, threads)
