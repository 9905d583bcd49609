"""Pooling by windows."""

from typing import Literal, overload

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of
from .types import IntOrOne, IntOrPair, Values


@overload
def max_pool2d(
    input: Values,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values: ...


@overload
def max_pool2d(
    input: Values,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[Values, Values]: ...


def max_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
    *,
    out=None,
    threads=None,
):
    """Largest value in each window, and on request where it is.

    Formula:
        result[n, c, y, x] = max over i < KH, j < KW of input[n, c, y*sh - ph + i*dh,
            x*sw - pw + j*dw], over those of these pixels that lie in the input
        (padding counts as -inf). A NaN in the window makes the result NaN.

        OH = (H + 2*ph - dh*(KH-1) - 1 + r) // sh + 1, and OW likewise, with r = 0, or r = sh - 1
        if ceil_mode; then, with ceil_mode, one less if the last window would start beyond the
        input: if (OH - 1)*sh >= H + ph.

        Index: h*W + w of the largest value in the input's plane (without padding); of equal ones
        the first in row-major order, but of NaNs the last. A window wholly on padding, which only
        dilation makes possible, gives -inf and index -1.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result, indices: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        kernel_size, stride, dilation: int or (h, w), at least 1, in pixels; stride None is
            kernel_size.
        padding: int or (h, w), from 0 to half the kernel.
        ceil_mode: let a last window hang over the end.
        return_indices: return (result, indices) with int64 indices.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is not an int; a flag is not
            a bool.
        ValueError: input has a wrong rank or no channels; a number is out of range; padding exceeds
            half the kernel; the result would be empty; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.max_pool2d.

    >>> import numpy as np
    >>> image = np.array([[[1.0, 5.0, 2.0], [7.0, 3.0, 7.0]]])
    >>> max_pool2d(image, 2, stride=1, return_indices=True)
    (array([[[7., 7.]]]), array([[[3, 5]]]))
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.max_pool2d(
        input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
    )


def avg_pool2d(
    input: Values,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Average of each window.

    Formula:
        result[n, c, y, x] = (sum over the window's pixels that lie in the input) / divisor
        The divisor is divisor_override if given; else, with count_include_pad, the number of the
        window's pixels in the input or its padding, rows -ph to H + ph - 1 (where ceil_mode lets a
        window hang over even the padding, what hangs over is not counted); else the number in the
        input.

        OH = (H + 2*ph - KH + r) // sh + 1, and OW likewise, with r = 0, or r = sh - 1 if ceil_mode;
        then, with ceil_mode, one less if (OH - 1)*sh >= H + ph.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        kernel_size, stride: int or (h, w), at least 1, in pixels; stride None is kernel_size.
        padding: int or (h, w), from 0 to half the kernel.
        ceil_mode: let a last window hang over the end.
        count_include_pad: count the padding's zeros as pixels.
        divisor_override: divide by this int, not 0, in place of the count.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is not an int; a flag is not
            a bool.
        ValueError: input has a wrong rank or no channels; a number is out of range; padding exceeds
            half the kernel; the result would be empty; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.avg_pool2d.

    >>> import numpy as np
    >>> image = np.array([[[2.0, 4.0, 6.0]]])
    >>> avg_pool2d(image, (1, 2), padding=(0, 1))
    array([[[1., 5.]]])
    >>> avg_pool2d(image, (1, 2), padding=(0, 1), count_include_pad=False)
    array([[[2., 5.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out,
        threads,
    )  # fmt: skip


@overload
def max_pool1d(
    input: Values,
    kernel_size: IntOrOne,
    stride: IntOrOne | None = None,
    padding: IntOrOne = 0,
    dilation: IntOrOne = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values: ...
@overload
def max_pool1d(
    input: Values,
    kernel_size: IntOrOne,
    stride: IntOrOne | None = None,
    padding: IntOrOne = 0,
    dilation: IntOrOne = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[Values, Values]: ...


def max_pool1d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    return_indices=False,
    *,
    out=None,
    threads=None,
):
    """Largest value in each window of a signal, and on request where it is.

    Formula:
        as ``max_pool2d`` with one axis

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        out, result, indices: (N, C, OL), or unbatched (C, OL)

    Args:
        kernel_size, stride, padding, dilation: int or (n,); the others as for ``max_pool2d``.

    Raises:
        as ``max_pool2d``.

    Source:
        torch.nn.functional.max_pool1d.

    >>> import numpy as np
    >>> max_pool1d(np.array([[1.0, 5.0, 2.0, 7.0]]), 2, return_indices=True)
    (array([[5., 7.]]), array([[1, 3]]))
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.max_pool1d(
        input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
    )


def avg_pool1d(
    input: Values,
    kernel_size: IntOrOne,
    stride: IntOrOne | None = None,
    padding: IntOrOne = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Average of each window of a signal.

    Formula:
        as ``avg_pool2d`` with one axis

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        out, result: (N, C, OL), or unbatched (C, OL)

    Args:
        kernel_size, stride, padding: int or (n,); the others as for ``avg_pool2d``.

    Raises:
        as ``avg_pool2d``.

    Source:
        torch.nn.functional.avg_pool1d.

    >>> import numpy as np
    >>> avg_pool1d(np.array([[1.0, 5.0, 2.0, 6.0]]), 2)
    array([[3., 4.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.avg_pool1d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, out, threads
    )


def lp_pool2d(
    input: Values,
    norm_type: float,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    ceil_mode: bool = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Norm of each window: its root of the sum of powers.

    Formula:
        result[n, c, y, x] = (KH * KW * mean over the window of input**p)**(1/p)

        Of a window that ceil_mode lets hang over the end, the mean is over the pixels in the input:
        as in PyTorch it counts like a whole one. There is no absolute value either: an odd norm of
        a window whose sum is negative is NaN.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, OH, OW), or unbatched (C, OH, OW), as for ``avg_pool2d``

    Args:
        norm_type: p, a finite number other than 0; 1 is the sum, 2 the Euclidean norm.
        kernel_size, stride: int or (h, w), at least 1; stride None is kernel_size.
        ceil_mode: let a last window hang over the end.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a number is none; ceil_mode is not a
            bool.
        ValueError: input has a wrong rank or no channels; a number is out of range; the result
            would be empty; out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.lp_pool2d.

    >>> import numpy as np
    >>> lp_pool2d(np.array([[[3.0, 4.0]]]), 2, (1, 2))
    array([[[5.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.lp_pool2d(input, norm_type, kernel_size, stride, ceil_mode, out, threads)


def lp_pool1d(
    input: Values,
    norm_type: float,
    kernel_size: IntOrOne,
    stride: IntOrOne | None = None,
    ceil_mode: bool = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Norm of each window of a signal.

    Formula, Args, Raises:
        as ``lp_pool2d`` with one axis

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        out, result: (N, C, OL), or unbatched (C, OL)

    Source:
        torch.nn.functional.lp_pool1d.

    >>> import numpy as np
    >>> lp_pool1d(np.array([[3.0, 4.0]]), 2, 2)
    array([[5.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.lp_pool1d(input, norm_type, kernel_size, stride, ceil_mode, out, threads)
