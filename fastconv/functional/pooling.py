"""Pooling."""

from typing import Literal, overload

import numpy as np

from fastconv import ops

from .types import IntOrPair


@overload
def max_pool2d(
    input: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: Literal[False] = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray: ...


@overload
def max_pool2d(
    input: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    *,
    return_indices: Literal[True],
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray]: ...


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
    return ops.max_pool2d(
        input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, out, threads
    )


def avg_pool2d(
    input: np.ndarray,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> np.ndarray:
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
    return ops.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, out,
        threads,
    )  # fmt: skip


def global_avg_pool2d(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Average of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = (sum over h, w of input[n, c, h, w]) / (H * W)

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: input has a wrong rank, or no channels, rows or columns; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        M. Lin, Q. Chen, S. Yan, "Network In Network", arXiv:1312.4400;
        torch.nn.functional.adaptive_avg_pool2d with output size 1.

    >>> import numpy as np
    >>> global_avg_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[3.]]])
    """
    return ops.global_avg_pool2d(input, out, threads)


def global_max_pool2d(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
    """Largest value of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = max over h, w of input[n, c, h, w], and NaN if any of them is NaN

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: input has a wrong rank, or no channels, rows or columns; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.adaptive_max_pool2d with output size 1.

    >>> import numpy as np
    >>> global_max_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[6.]]])
    """
    return ops.global_max_pool2d(input, out, threads)
