"""Gradients of what moves pixels, in float64: pad, unfold, fold, interpolate.

Names and meanings are those of ``fastconv.ops``; ``grad`` is the gradient by the result.
"""

import math

import numpy as np

from . import checks
from .resampling import _MODES, _between, _nearest, fold, pad, unfold

_forward_pad = pad


def pad_gradient(
    grad: np.ndarray, input_size: tuple[int, ...], pad: tuple[int, ...], mode: str = "constant"
) -> np.ndarray:
    """Each element of grad, added to the element of the input that pad copied there, if any.

    >>> pad_gradient(np.array([1.0, 2.0, 4.0, 8.0]), (2,), (1, 1), "constant")
    array([2., 4.])
    >>> pad_gradient(np.array([[[1.0, 2.0, 4.0, 8.0]]]), (1, 1, 2), (1, 1), "replicate")
    array([[[ 3., 12.]]])
    """
    op = "pad_gradient"
    checks.float_array(op, "grad", grad)
    checks.choice(op, "mode", mode, tuple(_MODES))
    if not isinstance(input_size, (tuple, list)):
        raise TypeError(f"{op}: input_size must be a tuple; give the shape of pad's input")
    size = tuple(checks.integer(op, "input_size", n, 0) for n in input_size)
    if len(size) != grad.ndim:
        raise ValueError(f"{op}: input_size is {size} but grad has shape {grad.shape}; give all")
    numbered = np.arange(1.0, math.prod(size) + 1).reshape(size)
    try:  # 0: copied from nowhere
        source = _forward_pad(numbered, pad, mode).astype(np.int64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{op}: {error}") from None
    if source.shape != grad.shape:
        raise ValueError(
            f"{op}: grad has shape {grad.shape}, but padding {size} gives {source.shape}; give the "
            f"gradient by that"
        )
    g = checks.as_float64(grad)
    result = np.zeros(math.prod(size) + 1)
    for at in np.ndindex(*grad.shape):
        result[source[at]] += g[at]
    return result[1:].reshape(size)


def unfold_gradient(
    grad: np.ndarray,
    input_size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Columns added back to where unfold took them from: ``fold``, which tells errors."""
    return fold(grad, input_size, kernel_size, dilation, padding, stride)


def fold_gradient(
    grad: np.ndarray,
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> np.ndarray:
    """What grad has where fold added each element: ``unfold``, which tells errors."""
    return unfold(grad, kernel_size, dilation, padding, stride)


def interpolate_gradient(
    grad: np.ndarray,
    input_size: int | tuple[int, ...],
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> np.ndarray:
    """Each element of grad, added with the forward's weights to the pixels that it lies between,
    axis by axis.

    >>> interpolate_gradient(np.array([[[1.0, 2.0, 4.0, 8.0]]]), 2)
    array([[[ 3., 12.]]])
    """
    op = "interpolate_gradient"
    checks.choice(op, "mode", mode, ("nearest", "nearest-exact", "linear", "bilinear"))
    if align_corners is not None:
        checks.flag(op, "align_corners", align_corners)
        if mode not in ("linear", "bilinear"):
            raise ValueError(f"{op}: align_corners is not for mode={mode!r}; leave it out")
    g = checks.as_float64(checks.float_array(op, "grad", grad))
    ranks = {"linear": (3,), "bilinear": (4,)}.get(mode, (3, 4))
    if g.ndim not in ranks or 0 in g.shape[1:]:
        raise ValueError(f"{op}: grad has shape {g.shape}, expected rank {ranks}; reshape it")
    rank = g.ndim - 2
    size = checks.numbers(op, "input_size", input_size, 1, rank)
    factors = scale_factor if isinstance(scale_factor, (tuple, list)) else (scale_factor,) * rank
    if len(factors) != rank:
        raise ValueError(f"{op}: {factors} has not {rank} values; give one for each axis")
    precision = np.float64 if grad.dtype.itemsize == 8 else np.float32
    for axis, (n, factor) in enumerate(zip(size, factors, strict=True), 2):
        new, scale = g.shape[axis], n / g.shape[axis]
        if scale_factor is not None:
            factor = checks.real(op, "scale_factor", factor)
            if not 0 < factor < math.inf or math.floor(min(n * factor, 2.0**62)) != new:
                raise ValueError(
                    f"{op}: scale_factor {factor} does not make {new} of {n}; give the forward's"
                )
            scale = 1 / factor
        if mode in ("linear", "bilinear"):
            low, high, part = _between(n, new, scale, align_corners, precision)
        else:
            low = high = _nearest(n, new, scale, mode, doubling=rank == 2 and mode == "nearest")
            part = np.zeros(new)
        given = np.moveaxis(g, axis, 0)
        taken = np.zeros((n, *given.shape[1:]))
        for i in range(new):
            taken[low[i]] += (1 - part[i]) * given[i]
            taken[high[i]] += part[i] * given[i]
        g = np.moveaxis(taken, 0, axis)
    return g
