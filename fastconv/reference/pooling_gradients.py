"""Gradients of pooling and unpooling, window by window, in float64.

Names and meanings are those of ``fastconv.ops``; ``grad`` is the gradient by the result.
"""

import math

import numpy as np

from . import checks
from .pool import _divisor, _output_sizes, _pool_padding
from .pool_variants import _norm, _windows


def _by_indices(op, rank, unpooling, grad, indices, size):
    checks.images(op, grad, rank, "grad")
    if not isinstance(indices, np.ndarray) or indices.dtype != np.int64:
        raise TypeError(f"{op}: indices must be an ndarray of int64; give those of max pooling")
    same = slice(-rank) if unpooling else slice(None)
    if (
        indices.ndim != grad.ndim
        or indices.shape[same] != grad.shape[same]
        or 0 in indices.shape[-rank:]
    ):
        raise ValueError(
            f"{op}: indices has shape {indices.shape} but grad has {grad.shape}; give those that "
            f"belong to it"
        )
    plane, least = math.prod(size), 0 if unpooling else -1
    if indices.size and (indices.min() < least or indices.max() >= plane):
        raise ValueError(f"{op}: indices go beyond planes of {size}; give those that belong to it")
    g = checks.as_float64(grad)
    result = np.zeros(indices.shape if unpooling else (*grad.shape[:-rank], plane))
    for at in np.ndindex(*indices.shape):
        lead, place = at[:-rank], int(indices[at])
        if unpooling:
            result[at] = g[lead].reshape(-1)[place]
        elif place >= 0:
            result[(*lead, place)] += g[at]
    return result if unpooling else result.reshape(*grad.shape[:-rank], *size)


def max_pool2d_gradient(
    grad: np.ndarray, indices: np.ndarray, input_size: int | tuple[int, int]
) -> np.ndarray:
    """Each element of grad, added where its maximum was found; index -1 is nowhere.

    >>> max_pool2d_gradient(np.array([[[5.0, 7.0]]]), np.array([[[2, 2]]]), (1, 4))
    array([[[ 0.,  0., 12.,  0.]]])
    """
    op = "max_pool2d_gradient"
    size = checks.pair(op, "input_size", input_size, 1)
    return _by_indices(op, 2, False, grad, indices, size)


def max_pool1d_gradient(
    grad: np.ndarray, indices: np.ndarray, input_size: int | tuple[int]
) -> np.ndarray:
    """As ``max_pool2d_gradient``, with one axis."""
    op = "max_pool1d_gradient"
    size = checks.numbers(op, "input_size", input_size, 1, 1)
    return _by_indices(op, 1, False, grad, indices, size)


def max_unpool2d_gradient(grad: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """What grad has where each element was put.

    >>> max_unpool2d_gradient(np.array([[[5.0, 7.0, 9.0]]]), np.array([[[2, 0]]]))
    array([[[9., 5.]]])
    """
    op = "max_unpool2d_gradient"
    checks.images(op, grad, 2, "grad")
    return _by_indices(op, 2, True, grad, indices, grad.shape[-2:])


def max_unpool1d_gradient(grad: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """As ``max_unpool2d_gradient``, with one axis."""
    op = "max_unpool1d_gradient"
    checks.images(op, grad, 1, "grad")
    return _by_indices(op, 1, True, grad, indices, grad.shape[-1:])


def _inside(size, kernel, stride, padding, output):
    """Row and column of each output pixel, the rows and columns of its window that lie in the
    image, and how many pixels of the image with its padding it holds."""
    for at in np.ndindex(*output):
        held, counted = [], 1
        for i, n, k, s, p in zip(at, size, kernel, stride, padding, strict=True):
            first = i * s - p
            held.append(slice(max(first, 0), min(first + k, n)))
            counted *= min(first + k, n + p) - first
        yield at, tuple(held), counted


def _grad_of_windows(op, grad, size, kernel, stride, padding, ceil_mode):
    """The windows of _inside, with grad checked."""
    checks.images(op, grad, 2, "grad")
    ceil_mode = checks.flag(op, "ceil_mode", ceil_mode)
    output = _output_sizes(op, size, kernel, stride, padding, (1, 1), ceil_mode)
    if grad.shape[-2:] != output:
        raise ValueError(
            f"{op}: grad has shape {grad.shape}, but pooling {size} gives {output}; give the "
            f"gradient by that"
        )
    return _inside(size, kernel, stride, padding, output)


def avg_pool2d_gradient(
    grad: np.ndarray,
    input_size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> np.ndarray:
    """Each element of grad, divided by its window's divisor, added to all pixels of the window.

    >>> avg_pool2d_gradient(np.array([[[4.0, 6.0]]]), (1, 3), (1, 2), 1)
    array([[[2., 5., 3.]]])
    """
    op = "avg_pool2d_gradient"
    return _averages(
        op, grad, checks.pair(op, "input_size", input_size, 1),
        checks.pair(op, "kernel_size", kernel_size, 1),
        None if stride is None else checks.pair(op, "stride", stride, 1), padding, ceil_mode,
        count_include_pad, divisor_override,
    )  # fmt: skip


def avg_pool1d_gradient(
    grad: np.ndarray,
    input_size: int | tuple[int],
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    padding: int | tuple[int] = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> np.ndarray:
    """``avg_pool2d_gradient`` of a single row."""
    op = "avg_pool1d_gradient"
    row = checks.images(op, grad, 1, "grad")[..., np.newaxis, :]
    return _averages(
        op, row, (1, *checks.numbers(op, "input_size", input_size, 1, 1)),
        (1, *checks.numbers(op, "kernel_size", kernel_size, 1, 1)),
        None if stride is None else (1, *checks.numbers(op, "stride", stride, 1, 1)),
        (0, *checks.numbers(op, "padding", padding, 0, 1)), ceil_mode, count_include_pad, None,
    )[..., 0, :]  # fmt: skip


def _averages(op, grad, size, kernel, stride, padding, ceil_mode, include, override):
    stride = kernel if stride is None else stride
    padding = _pool_padding(op, padding, kernel)
    include = checks.flag(op, "count_include_pad", include)
    divisor = None if override is None else _divisor(op, override)
    windows = _grad_of_windows(op, grad, size, kernel, stride, padding, ceil_mode)
    g = checks.as_float64(grad)
    result = np.zeros((*grad.shape[:-2], *size))
    for at, held, counted in windows:
        pixels = result[(..., *held)]
        count = counted if include else math.prod(pixels.shape[-2:])
        if pixels.size:
            pixels += (g[(..., *at)] / (count if divisor is None else divisor))[..., None, None]
    return result


def lp_pool2d_gradient(
    grad: np.ndarray,
    input: np.ndarray,
    result: np.ndarray,
    norm_type: float,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    ceil_mode: bool = False,
) -> np.ndarray:
    """For each window, grad * (input / result)**(p - 1), as much more as it hangs over the end; a
    window whose result is 0 passes nothing on.

    >>> lp_pool2d_gradient(np.ones((1, 1, 1)), np.array([[[3.0, 4.0]]]), np.full((1, 1, 1), 5.0),
    ...     2, (1, 2))
    array([[[0.6, 0.8]]])
    """
    op = "lp_pool2d_gradient"
    kernel = checks.pair(op, "kernel_size", kernel_size, 1)
    stride = kernel if stride is None else checks.pair(op, "stride", stride, 1)
    checks.images(op, input)
    return _norms(op, grad, input, result, norm_type, kernel, stride, ceil_mode)


def lp_pool1d_gradient(
    grad: np.ndarray,
    input: np.ndarray,
    result: np.ndarray,
    norm_type: float,
    kernel_size: int | tuple[int],
    stride: int | tuple[int] | None = None,
    ceil_mode: bool = False,
) -> np.ndarray:
    """``lp_pool2d_gradient`` of a single row."""
    op = "lp_pool1d_gradient"
    (kernel,) = checks.numbers(op, "kernel_size", kernel_size, 1, 1)
    step = kernel if stride is None else checks.numbers(op, "stride", stride, 1, 1)[0]
    rows = []
    for name, value in (("grad", grad), ("input", input), ("result", result)):
        checks.float_array(op, name, value)
        if value.ndim not in (2, 3):
            raise ValueError(f"{op}: {name} has shape {value.shape}, expected (N, C, L); reshape")
        rows.append(value[..., np.newaxis, :])
    return _norms(op, *rows, norm_type, (1, kernel), (1, step), ceil_mode)[..., 0, :]


def _norms(op, grad, input, result, norm_type, kernel, stride, ceil_mode):
    norm, size = _norm(op, norm_type), input.shape[-2:]
    windows = _grad_of_windows(op, grad, size, kernel, stride, (0, 0), ceil_mode)
    for name, value, shape in (
        ("input", input, (*grad.shape[:-2], *size)),
        ("result", result, grad.shape),
    ):
        checks.companion_array(op, name, value, grad)
        if value.shape != shape:
            raise ValueError(f"{op}: {name} has shape {value.shape}, expected {shape}; reshape it")
    g, x, y = (checks.as_float64(array) for array in (grad, input, result))
    gradient = np.zeros(x.shape)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        for at, held, counted in windows:
            whole = math.prod(kernel) / counted
            root = y[(..., *at)][..., None, None]
            share = g[(..., *at)][..., None, None] * (x[(..., *held)] / root) ** (norm - 1) * whole
            gradient[(..., *held)] += np.where(root == 0, 0.0, share)
    return gradient


def adaptive_avg_pool2d_gradient(grad: np.ndarray, input_size: int | tuple[int, int]) -> np.ndarray:
    """Each element of grad, shared out evenly to the pixels of its window.

    >>> adaptive_avg_pool2d_gradient(np.array([[[2.0, 4.0]]]), (1, 3))
    array([[[1., 3., 2.]]])
    """
    op = "adaptive_avg_pool2d_gradient"
    checks.images(op, grad, 2, "grad")
    size = checks.pair(op, "input_size", input_size, 1)
    g = checks.as_float64(grad)
    result = np.zeros((*grad.shape[:-2], *size))
    for y, x, rows, columns in _windows(size, grad.shape[-2:]):
        pixels = result[..., rows, columns]
        pixels += g[..., y : y + 1, x : x + 1] / math.prod(pixels.shape[-2:])
    return result


def adaptive_avg_pool1d_gradient(grad: np.ndarray, input_size: int | tuple[int]) -> np.ndarray:
    """``adaptive_avg_pool2d_gradient`` of a single row."""
    op = "adaptive_avg_pool1d_gradient"
    row = checks.images(op, grad, 1, "grad")[..., np.newaxis, :]
    (size,) = checks.numbers(op, "input_size", input_size, 1, 1)
    return adaptive_avg_pool2d_gradient(row, (1, size))[..., 0, :]


def global_avg_pool2d_gradient(grad: np.ndarray, input_size: int | tuple[int, int]) -> np.ndarray:
    """The one element of grad of each channel, divided by H * W, at each pixel.

    >>> global_avg_pool2d_gradient(np.array([[[6.0]]]), (1, 3))
    array([[[2., 2., 2.]]])
    """
    op = "global_avg_pool2d_gradient"
    checks.images(op, grad, 2, "grad")
    size = checks.pair(op, "input_size", input_size, 1)
    if grad.shape[-2:] != (1, 1):
        raise ValueError(f"{op}: grad has shape {grad.shape}, expected (N, C, 1, 1); reshape it")
    return checks.as_float64(grad) / math.prod(size) * np.ones(size)
