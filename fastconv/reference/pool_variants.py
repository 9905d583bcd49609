"""Pooling of signals, adaptive, by norms, and back: window by window."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from . import checks
from .pool import avg_pool2d, max_pool2d


def max_pool1d(
    input: np.ndarray,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    dilation: int | tuple[int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """``max_pool2d`` of a single row: (N, C, L) or (C, L).

    >>> max_pool1d(np.array([[1.0, 5.0, 2.0, 7.0]]), 2)
    array([[5., 7.]])
    """
    op = "max_pool1d"
    row, sizes = _row(op, input, kernel_size, stride, padding)
    (dilation,) = checks.numbers(op, "dilation", dilation, 1, 1)
    found = max_pool2d(row, *sizes, (1, dilation), ceil_mode, return_indices)
    return tuple(part[..., 0, :] for part in found) if return_indices else found[..., 0, :]


def avg_pool1d(
    input: np.ndarray,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> np.ndarray:
    """``avg_pool2d`` of a single row: (N, C, L) or (C, L).

    >>> avg_pool1d(np.array([[1.0, 5.0, 2.0, 6.0]]), 2)
    array([[3., 4.]])
    """
    row, sizes = _row("avg_pool1d", input, kernel_size, stride, padding)
    return avg_pool2d(row, *sizes, ceil_mode, count_include_pad)[..., 0, :]


def _row(op, input, kernel_size, stride, padding):
    """The signal as images of one row; kernel, stride and padding of two axes."""
    row = checks.images(op, input, 1)[..., np.newaxis, :]
    (kernel,) = checks.numbers(op, "kernel_size", kernel_size, 1, 1)
    step = kernel if stride is None else checks.numbers(op, "stride", stride, 1, 1)[0]
    (border,) = checks.numbers(op, "padding", padding, 0, 1)
    return row, ((1, kernel), (1, step), (0, border))


def lp_pool2d(
    input: np.ndarray,
    norm_type: float,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    ceil_mode: bool = False,
) -> np.ndarray:
    """Root of the sum of powers in each window.

    Formula:
        result = (KH * KW * mean over the window's pixels of input**p)**(1/p); a window that hangs
        over the end counts like a whole one.

    Shapes, Raises:
        as for ``avg_pool2d``; norm_type 0 or not finite is a ValueError.

    Source:
        torch.nn.functional.lp_pool2d.

    >>> lp_pool2d(np.array([[[3.0, 4.0]]]), 2, (1, 2))
    array([[[5.]]])
    """
    op = "lp_pool2d"
    x = checks.as_float64(checks.images(op, input))
    norm = _norm(op, norm_type)
    kernel = checks.pair(op, "kernel_size", kernel_size, 1)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        mean = avg_pool2d(x**norm, kernel, stride, 0, ceil_mode)
        return (math.prod(kernel) * mean) ** (1 / norm)


def lp_pool1d(
    input: np.ndarray,
    norm_type: float,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    ceil_mode: bool = False,
) -> np.ndarray:
    """``lp_pool2d`` of a single row: (N, C, L) or (C, L).

    >>> lp_pool1d(np.array([[3.0, 4.0]]), 2, 2)
    array([[5.]])
    """
    _norm("lp_pool1d", norm_type)
    row, (kernel, step, _) = _row("lp_pool1d", input, kernel_size, stride, 0)
    return lp_pool2d(row, norm_type, kernel, step, ceil_mode)[..., 0, :]


def _norm(op: str, value: object) -> float:
    norm = checks.real(op, "norm_type", value)
    if norm == 0 or not math.isfinite(norm):
        raise ValueError(
            f"{op}: norm_type is {value}, expected a finite number but 0; give another"
        )
    return norm


def adaptive_avg_pool2d(
    input: np.ndarray, output_size: int | tuple[int | None, int | None]
) -> np.ndarray:
    """Mean of windows that cover the input.

    Formula:
        result[..., y, x] = mean of input[..., y*H//OH : ceil((y+1)*H/OH), likewise for x]

    Shapes:
        input: (N, C, H, W) or (C, H, W); result: the same with OH, OW

    Raises:
        TypeError, ValueError: as ``avg_pool2d``; a size is not an int or below 1.

    Source:
        torch.nn.functional.adaptive_avg_pool2d.

    >>> adaptive_avg_pool2d(np.array([[[1.0, 2.0, 6.0]]]), (1, 2))
    array([[[1.5, 4. ]]])
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return _adaptive(
            "adaptive_avg_pool2d", input, output_size, lambda window: window.mean(axis=(-2, -1))
        )


def adaptive_max_pool2d(
    input: np.ndarray,
    output_size: int | tuple[int | None, int | None],
    return_indices: bool = False,
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """Largest value in windows that cover the input; indices as for ``max_pool2d``.

    Source:
        torch.nn.functional.adaptive_max_pool2d.

    >>> adaptive_max_pool2d(np.array([[[1.0, 2.0, 6.0]]]), (1, 2))
    array([[[2., 6.]]])
    """
    op = "adaptive_max_pool2d"
    wanted = checks.flag(op, "return_indices", return_indices)
    result = _adaptive(op, input, output_size, lambda window: window.max(axis=(-2, -1)))
    if not wanted:
        return result
    x = checks.as_float64(input)
    w = x.shape[-1]
    indices = np.zeros(result.shape, np.int64)
    for y, x0, rows, columns in _windows(x.shape[-2:], result.shape[-2:]):
        part = x[..., rows, columns]
        window = part.reshape(*x.shape[:-2], math.prod(part.shape[-2:]))
        nan = np.isnan(window)
        last_nan = nan.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
        place = np.where(nan.any(-1), last_nan, window.argmax(-1))
        width = columns.stop - columns.start
        indices[..., y, x0] = (rows.start + place // width) * w + columns.start + place % width
    return result, indices


def _adaptive(
    op: str, input: np.ndarray, output_size: object, reduce: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    x = checks.as_float64(checks.images(op, input))
    both = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 2
    if len(both) == 2:
        both = [n if size is None else size for size, n in zip(both, x.shape[-2:], strict=True)]
    size = checks.pair(op, "output_size", both, 1)
    result = np.zeros((*x.shape[:-2], *size))
    for y, column, rows, columns in _windows(x.shape[-2:], size):
        result[..., y, column] = reduce(x[..., rows, columns])
    return result


def _windows(
    size: tuple[int, int], output: tuple[int, int]
) -> Iterator[tuple[int, int, slice, slice]]:
    """Row and column of each output pixel, and the rows and columns of its window."""
    for y in range(output[0]):
        rows = slice(y * size[0] // output[0], -(-(y + 1) * size[0] // output[0]))
        for x in range(output[1]):
            yield y, x, rows, slice(x * size[1] // output[1], -(-(x + 1) * size[1] // output[1]))


def adaptive_avg_pool1d(input: np.ndarray, output_size: int | tuple[int]) -> np.ndarray:
    """``adaptive_avg_pool2d`` of a single row: (N, C, L) or (C, L).

    >>> adaptive_avg_pool1d(np.array([[1.0, 2.0, 6.0]]), 2)
    array([[1.5, 4. ]])
    """
    row = checks.images("adaptive_avg_pool1d", input, 1)[..., np.newaxis, :]
    (size,) = checks.numbers("adaptive_avg_pool1d", "output_size", output_size, 1, 1)
    return adaptive_avg_pool2d(row, (1, size))[..., 0, :]


def adaptive_max_pool1d(
    input: np.ndarray, output_size: int | tuple[int], return_indices: bool = False
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """``adaptive_max_pool2d`` of a single row: (N, C, L) or (C, L).

    >>> adaptive_max_pool1d(np.array([[1.0, 2.0, 6.0]]), 2)
    array([[2., 6.]])
    """
    row = checks.images("adaptive_max_pool1d", input, 1)[..., np.newaxis, :]
    (size,) = checks.numbers("adaptive_max_pool1d", "output_size", output_size, 1, 1)
    found = adaptive_max_pool2d(row, (1, size), return_indices)
    return tuple(part[..., 0, :] for part in found) if return_indices else found[..., 0, :]


def max_unpool2d(
    input: np.ndarray,
    indices: np.ndarray,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    output_size: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Maxima put back to where they were, among zeros.

    Formula:
        result[n, c].flat[indices[n, c, y, x]] = input[n, c, y, x]; the last of equal ones counts.

    Shapes:
        input, indices: (N, C, H, W) or (C, H, W); result: the same with OH, OW

    Raises:
        TypeError, ValueError: arrays or numbers of a wrong type or shape; an index or output_size
            out of range.

    Source:
        torch.nn.functional.max_unpool2d.

    >>> max_unpool2d(np.array([[[5.0, 7.0]]]), np.array([[[1, 3]]]), (1, 2))
    array([[[0., 5., 0., 7.]]])
    """
    op = "max_unpool2d"
    x = checks.as_float64(checks.images(op, input))
    kernel = checks.pair(op, "kernel_size", kernel_size, 1)
    step = kernel if stride is None else checks.pair(op, "stride", stride, 1)
    border = checks.pair(op, "padding", padding, 0)
    return _unpool(op, x, indices, kernel, step, border, output_size)


def max_unpool1d(
    input: np.ndarray,
    indices: np.ndarray,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    output_size: tuple[int, ...] | None = None,
) -> np.ndarray:
    """``max_unpool2d`` with one axis: (N, C, L) or (C, L).

    >>> max_unpool1d(np.array([[5.0, 7.0]]), np.array([[1, 3]]), 2)
    array([[0., 5., 0., 7.]])
    """
    op = "max_unpool1d"
    x = checks.as_float64(checks.images(op, input, 1))
    kernel = checks.numbers(op, "kernel_size", kernel_size, 1, 1)
    step = kernel if stride is None else checks.numbers(op, "stride", stride, 1, 1)
    border = checks.numbers(op, "padding", padding, 0, 1)
    return _unpool(op, x, indices, kernel, step, border, output_size)


def _unpool(op, x, indices, kernel, stride, padding, wanted):
    rank = len(kernel)
    if not isinstance(indices, np.ndarray) or indices.dtype != np.int64:
        raise TypeError(f"{op}: indices must be an ndarray of int64; give those of max pooling")
    if indices.shape != x.shape:
        raise ValueError(
            f"{op}: indices has shape {indices.shape}, expected {x.shape}; give max pooling's"
        )
    size = tuple(
        (n - 1) * s + k - 2 * p
        for n, s, k, p in zip(x.shape[-rank:], stride, kernel, padding, strict=True)
    )
    if wanted is not None:
        if not isinstance(wanted, (tuple, list)):
            raise TypeError(f"{op}: output_size must be a tuple; give the size of each axis")
        if len(wanted) not in (rank, rank + 2):
            raise ValueError(f"{op}: output_size has {len(wanted)} values; give {rank}")
        asked = tuple(checks.integer(op, "output_size", n, 1) for n in wanted[-rank:])
        if any(abs(a - b) >= s for a, b, s in zip(asked, size, stride, strict=True)):
            raise ValueError(
                f"{op}: output_size {asked} is not within a stride {stride} of {size}; give another"
            )
        size = asked
    if min(size) < 1 or max(size) > checks.INT64_MAX:
        raise ValueError(f"{op}: the result would have the size {size}; give other numbers")
    plane = math.prod(size)
    if indices.size and (indices.min() < 0 or indices.max() >= plane):
        raise ValueError(f"{op}: indices go beyond a plane of {size}; give those that belong to it")
    lead = x.shape[:-rank]
    result = np.zeros((math.prod(lead), plane))
    places = indices.reshape(len(result), math.prod(x.shape[-rank:]))
    values = x.reshape(places.shape)
    for plane_result, place, value in zip(result, places, values, strict=True):
        for i, v in zip(place, value, strict=True):
            plane_result[i] = v
    return result.reshape(*lead, *size)
