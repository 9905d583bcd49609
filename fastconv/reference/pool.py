"""Max and average pooling over windows and over whole planes."""

import numpy as np

from . import checks


def max_pool2d(
    input: np.ndarray,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
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
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        result, indices: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        kernel_size, stride, dilation: int or (h, w), at least 1; in pixels. stride None is
            kernel_size.
        padding: int or (h, w), from 0 to half the kernel.
        ceil_mode: let a last window hang over the end.
        return_indices: return (result, indices).

    Returns:
        float64 array, or (float64 array, int64 array).

    Raises:
        TypeError: input is not an ndarray of float16, float32 or float64; a number is not an int
            (bool is refused too); a flag is not a bool.
        ValueError: input has a wrong rank, or zero channels, rows or columns; a number is out of
            range; padding exceeds half the kernel; the result would be empty.

    Source:
        torch.nn.functional.max_pool2d.

    >>> image = np.array([[[1.0, 5.0, 2.0], [7.0, 3.0, 7.0]]])
    >>> max_pool2d(image, 2, stride=1, return_indices=True)
    (array([[[7., 7.]]]), array([[[3, 5]]]))
    """
    op = "max_pool2d"
    checks.images(op, input)
    kernel = checks.pair(op, "kernel_size", kernel_size, minimum=1)
    strides = kernel if stride is None else checks.pair(op, "stride", stride, minimum=1)
    border = _pool_padding(op, padding, kernel)
    dilations = checks.pair(op, "dilation", dilation, minimum=1)
    ceil_mode = checks.flag(op, "ceil_mode", ceil_mode)
    return_indices = checks.flag(op, "return_indices", return_indices)
    oh, ow = _output_sizes(op, input.shape[-2:], kernel, strides, border, dilations, ceil_mode)

    x = checks.as_batch(input)
    n, c, _, w = x.shape
    largest = np.full((n, c, oh, ow), -np.inf)
    where = np.full((n, c, oh, ow), -1, dtype=np.int64)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            row, column = _tap((oh, ow), strides, border, (i * dilations[0], j * dilations[1]))
            value, inside = _pixels(x, row, column)
            nothing_yet = where == -1
            better = inside & (nothing_yet | (value > largest) | np.isnan(value))
            largest = np.where(better, value, largest)
            where = np.where(better, row * w + column, where)
    shape = (*input.shape[:-2], oh, ow)
    if return_indices:
        return largest.reshape(shape), where.reshape(shape)
    return largest.reshape(shape)


def avg_pool2d(
    input: np.ndarray,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Average of each window.

    Formula:
        result[n, c, y, x] = (sum over the window's pixels that lie in the input) / divisor
        The window has rows y*sh - ph to y*sh - ph + KH - 1, and columns likewise. The divisor is
        divisor_override if given; else, with count_include_pad, the number of the window's pixels
        in the input or its padding, rows -ph to H + ph - 1 (where ceil_mode lets a window hang
        over even the padding, what hangs over is not counted); else the number in the input.

        OH = (H + 2*ph - KH + r) // sh + 1, and OW likewise, with r = 0, or r = sh - 1 if ceil_mode;
        then, with ceil_mode, one less if (OH - 1)*sh >= H + ph.

    Shapes:
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        result: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        kernel_size, stride: int or (h, w), at least 1; in pixels. stride None is kernel_size.
        padding: int or (h, w), from 0 to half the kernel.
        ceil_mode: let a last window hang over the end.
        count_include_pad: count the padding's zeros as pixels.
        divisor_override: divide by this int, not 0, in place of the count.

    Returns:
        float64 array.

    Raises:
        TypeError: input is not an ndarray of float16, float32 or float64; a number is not an int
            (bool is refused too); a flag is not a bool.
        ValueError: input has a wrong rank, or zero channels, rows or columns; a number is out of
            range; padding exceeds half the kernel; the result would be empty.

    Source:
        torch.nn.functional.avg_pool2d.

    >>> image = np.array([[[2.0, 4.0, 6.0]]])
    >>> avg_pool2d(image, (1, 2), padding=(0, 1))
    array([[[1., 5.]]])
    >>> avg_pool2d(image, (1, 2), padding=(0, 1), count_include_pad=False)
    array([[[2., 5.]]])
    """
    op = "avg_pool2d"
    checks.images(op, input)
    kernel = checks.pair(op, "kernel_size", kernel_size, minimum=1)
    strides = kernel if stride is None else checks.pair(op, "stride", stride, minimum=1)
    border = _pool_padding(op, padding, kernel)
    ceil_mode = checks.flag(op, "ceil_mode", ceil_mode)
    count_include_pad = checks.flag(op, "count_include_pad", count_include_pad)
    divisor = None if divisor_override is None else _divisor(op, divisor_override)
    oh, ow = _output_sizes(op, input.shape[-2:], kernel, strides, border, (1, 1), ceil_mode)

    x = checks.as_batch(input)
    n, c, h, w = x.shape
    ph, pw = border
    total = np.zeros((n, c, oh, ow))
    count = np.zeros((oh, ow))
    with np.errstate(invalid="ignore", over="ignore"):  # Inf and NaN go where IEEE 754 sends them
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                row, column = _tap((oh, ow), strides, border, (i, j))
                value, inside = _pixels(x, row, column)
                total += np.where(inside, value, 0.0)
                in_padded = (row < h + ph) & (column < w + pw)
                count += in_padded if count_include_pad else inside
        result = total / (count if divisor is None else divisor)
    return result.reshape(*input.shape[:-2], oh, ow)


def global_avg_pool2d(input: np.ndarray) -> np.ndarray:
    """Average of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = (sum over h, w of input[n, c, h, w]) / (H * W)

    Shapes:
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Returns:
        float64 array.

    Raises:
        TypeError: input is not an ndarray of float16, float32 or float64.
        ValueError: input has a wrong rank, or zero channels, rows or columns.

    Source:
        M. Lin, Q. Chen, S. Yan, "Network In Network", arXiv:1312.4400;
        torch.nn.functional.adaptive_avg_pool2d with output size 1.

    >>> global_avg_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[3.]]])
    """
    x = checks.as_float64(checks.images("global_avg_pool2d", input))
    with np.errstate(invalid="ignore", over="ignore"):  # Inf and NaN go where IEEE 754 sends them
        return x.sum(axis=(-2, -1), keepdims=True) / (x.shape[-2] * x.shape[-1])


def global_max_pool2d(input: np.ndarray) -> np.ndarray:
    """Largest value of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = max over h, w of input[n, c, h, w], and NaN if any of them is NaN

    Shapes:
        input: (N, C, H, W), N may be 0, or unbatched (C, H, W)
        result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Returns:
        float64 array.

    Raises:
        TypeError: input is not an ndarray of float16, float32 or float64.
        ValueError: input has a wrong rank, or zero channels, rows or columns.

    Source:
        torch.nn.functional.adaptive_max_pool2d with output size 1.

    >>> global_max_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[6.]]])
    """
    x = checks.as_float64(checks.images("global_max_pool2d", input))
    return x.max(axis=(-2, -1), keepdims=True)


def _tap(
    output: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    offset: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the input row (OH, 1) and column (1, OW) that one tap meets at each output pixel.

    They may lie outside the input: below 0 in the padding before it, or past its end.
    """
    row, column = (
        np.arange(output[axis]) * stride[axis] - padding[axis] + offset[axis] for axis in (0, 1)
    )
    return row[:, np.newaxis], column[np.newaxis, :]


def _pixels(x: np.ndarray, row: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels x[:, :, row, column] and where these lie inside x.

    Outside of it the pixel is an arbitrary one that the caller must not use.
    """
    h, w = x.shape[2:]
    inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
    return x[:, :, row.clip(0, h - 1), column.clip(0, w - 1)], inside


def _pool_padding(op: str, padding: object, kernel: tuple[int, int]) -> tuple[int, int]:
    """Check pooling's padding: from 0 to half the kernel in each direction."""
    border = checks.pair(op, "padding", padding, minimum=0)
    if 2 * border[0] > kernel[0] or 2 * border[1] > kernel[1]:
        raise ValueError(
            f"{op}: padding is {border} but kernel_size is {kernel}; padding must be at most half "
            f"of kernel_size, here {kernel[0] // 2, kernel[1] // 2}"
        )
    return border


def _divisor(op: str, value: object) -> int:
    """Check divisor_override: any int64 but 0."""
    number = checks.integer(op, "divisor_override", value, minimum=-(2**63))
    if number == 0:
        raise ValueError(
            f"{op}: divisor_override is 0, expected another int; give None to divide by the "
            f"number of pixels"
        )
    return number


def _output_sizes(
    op: str,
    sizes: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    ceil_mode: bool,
) -> tuple[int, int]:
    """Return the output's height and width, which must be at least 1."""
    outputs = []
    for axis, direction in enumerate(("height", "width")):
        size = sizes[axis]
        span = dilation[axis] * (kernel[axis] - 1) + 1
        room = size + 2 * padding[axis] - span + (stride[axis] - 1 if ceil_mode else 0)
        output = room // stride[axis] + 1
        if ceil_mode and (output - 1) * stride[axis] >= size + padding[axis]:
            output -= 1
        if output < 1:
            raise ValueError(
                f"{op}: kernel_size spans {span} pixels of {direction} (kernel {kernel[axis]}, "
                f"dilation {dilation[axis]}) but input has {size + 2 * padding[axis]} ({size} and "
                f"{2 * padding[axis]} of padding), so the result would be empty; enlarge input or "
                f"take a smaller kernel_size or dilation"
            )
        outputs.append(output)
    return outputs[0], outputs[1]
