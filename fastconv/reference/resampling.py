"""Moving pixels: pad, unfold, fold, interpolate."""

import math

import numpy as np

from . import checks

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def pad(
    input: np.ndarray, pad: tuple[int, ...], mode: str = "constant", value: float | None = None
) -> np.ndarray:
    """A border around the last axes, whose sides `pad` names from the last axis on.

    Shapes:
        input: any of rank 1 to 8; result: each axis longer by its two numbers

    Raises:
        TypeError, ValueError: an argument of a wrong type, or that does not fit input.

    Source:
        torch.nn.functional.pad.

    >>> pad(np.array([1.0, 2.0, 3.0]), (1, 2))
    array([0., 1., 2., 3., 0., 0.])
    """
    op = "pad"
    x = checks.as_float64(checks.float_array(op, "input", input))
    checks.choice(op, "mode", mode, tuple(_MODES))
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"{op}: pad must be a tuple, not {type(pad).__name__}; give a tuple")
    axes = len(pad) // 2
    fits = mode == "constant" or (1 <= axes <= 3 and x.ndim in (axes + 1, axes + 2))
    if not 1 <= x.ndim <= 8 or len(pad) % 2 or axes > x.ndim or not fits:
        raise ValueError(f"{op}: pad has {len(pad)} values for {x.shape}; give two for each axis")
    numbers = [checks.integer(op, "pad", n, -checks.INT64_MAX) for n in pad]
    if value is not None and mode != "constant":
        raise ValueError(f"{op}: value is for mode 'constant' alone; leave it out")
    filler = 0.0 if value is None else checks.real(op, "value", value)
    sides = [(0, 0)] * (x.ndim - axes) + list(zip(numbers[::2], numbers[1::2], strict=True))[::-1]
    cropped = []
    for size, (before, after) in zip(x.shape, sides, strict=True):
        least = {"reflect": max(before, after) + 1, "circular": max(before, after)}.get(mode, 1)
        shown = mode == "constant" or (before, after) == (0, 0)
        if size + before + after < 0 or max(before, after) > 2**60:
            raise ValueError(f"{op}: pad {before, after} on an axis of {size}; give others")
        if not shown and (min(before, after) < 0 or size < max(least, 1)):
            raise ValueError(f"{op}: pad {before, after} on an axis of {size} for {mode}")
        cropped.append((max(before, 0), max(after, 0)))
    more = {"constant_values": filler} if mode == "constant" else {}
    if 8 * math.prod(n + sum(ends) for n, ends in zip(x.shape, sides, strict=True)) > 2**62:
        raise ValueError(f"{op}: the result is too large; work on smaller pieces")
    padded = np.pad(x, cropped, mode=_MODES[mode], **more)
    return padded[
        tuple(
            slice(max(-before, 0), n - max(-after, 0))
            for n, (before, after) in zip(padded.shape, sides, strict=True)
        )
    ]


def unfold(
    input: np.ndarray,
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> np.ndarray:
    """The windows of an image as columns.

    Formula:
        result[n, (c*KH + i)*KW + j, y*OW + x] = padded[n, c, y*sh + i*dh, x*sw + j*dw]

    Shapes:
        input: (N, C, H, W) or (C, H, W); result: (N, C*KH*KW, OH*OW) or (C*KH*KW, OH*OW)

    Raises:
        TypeError, ValueError: an argument of a wrong type or out of range.

    Source:
        torch.nn.functional.unfold.

    >>> unfold(np.array([[[1.0, 2.0, 3.0]]]), (1, 2))
    array([[1., 2.],
           [2., 3.]])
    """
    op = "unfold"
    checks.images(op, input)
    kernel, step, border, spread = _window(op, kernel_size, stride, padding, dilation)
    oh, ow = _counts(op, input.shape[-2:], kernel, step, border, spread)
    x = checks.as_batch(input)
    padded = np.pad(x, ((0, 0), (0, 0), (border[0],) * 2, (border[1],) * 2))
    columns = np.zeros((*x.shape[:2], *kernel, oh, ow))
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            columns[:, :, i, j] = padded[
                :,
                :,
                i * spread[0] : i * spread[0] + (oh - 1) * step[0] + 1 : step[0],
                j * spread[1] : j * spread[1] + (ow - 1) * step[1] + 1 : step[1],
            ]
    return columns.reshape(*input.shape[:-3], x.shape[1] * math.prod(kernel), oh * ow)


def fold(
    input: np.ndarray,
    output_size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> np.ndarray:
    """Columns added back into the windows that `unfold` takes them from.

    Shapes:
        input: (N, C*KH*KW, OH*OW) or (C*KH*KW, OH*OW); result: (N, C, H, W) or (C, H, W)

    Raises:
        TypeError, ValueError: an argument of a wrong type, or shapes that do not fit.

    Source:
        torch.nn.functional.fold.

    >>> fold(np.array([[1.0, 2.0], [2.0, 3.0]]), (1, 3), (1, 2))
    array([[[1., 4., 3.]]])
    """
    op = "fold"
    x = checks.as_float64(checks.float_array(op, "input", input))
    size = checks.pair(op, "output_size", output_size, 1)
    kernel, step, border, spread = _window(op, kernel_size, stride, padding, dilation)
    if x.ndim not in (2, 3) or 0 in x.shape[-2:]:
        raise ValueError(f"{op}: input has shape {x.shape}, expected (N, C*KH*KW, L); reshape it")
    oh, ow = _counts(op, size, kernel, step, border, spread)
    taps = math.prod(kernel)
    if x.shape[-2] % taps or x.shape[-1] != oh * ow:
        raise ValueError(f"{op}: input has shape {x.shape}, expected (..., {taps}*C, {oh * ow})")
    channels = x.shape[-2] // taps
    batch = x.shape[0] if x.ndim == 3 else 1
    blocks = x.reshape(batch, channels, *kernel, oh, ow)
    padded = np.zeros((batch, channels, size[0] + 2 * border[0], size[1] + 2 * border[1]))
    with np.errstate(invalid="ignore", over="ignore"):
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                padded[
                    :,
                    :,
                    i * spread[0] : i * spread[0] + (oh - 1) * step[0] + 1 : step[0],
                    j * spread[1] : j * spread[1] + (ow - 1) * step[1] + 1 : step[1],
                ] += blocks[:, :, i, j]
    inner = padded[:, :, border[0] : border[0] + size[0], border[1] : border[1] + size[1]]
    return inner.reshape(*x.shape[:-2], channels, *size)


def _window(op, kernel_size, stride, padding, dilation):
    return (
        checks.pair(op, "kernel_size", kernel_size, 1),
        checks.pair(op, "stride", stride, 1),
        checks.pair(op, "padding", padding, 0),
        checks.pair(op, "dilation", dilation, 1),
    )


def _counts(op, size, kernel, stride, padding, dilation):
    """Windows in both directions, at least 1."""
    rooms = [
        n + 2 * p - d * (k - 1) - 1
        for n, k, p, d in zip(size, kernel, padding, dilation, strict=True)
    ]
    if min(rooms) < 0:
        raise ValueError(f"{op}: kernel_size {kernel} spans more than {size}; take a smaller one")
    return tuple(room // s + 1 for room, s in zip(rooms, stride, strict=True))


def interpolate(
    input: np.ndarray,
    size: int | tuple[int, ...] | None = None,
    scale_factor: float | tuple[float, ...] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> np.ndarray:
    """Images of another size, (N, C, H, W) or (N, C, L), axis by axis.

    Formula:
        'nearest': pixel floor(i * s); 'nearest-exact': floor((i + 1/2) * s), both in float32;
        'linear', 'bilinear': between the pixels around max((i + 1/2) * s - 1/2, 0), or
        i * (size - 1) / (new size - 1) with align_corners, in the input's precision

    Raises:
        TypeError, ValueError: an argument of a wrong type or out of range.

    Source:
        torch.nn.functional.interpolate.

    >>> interpolate(np.array([[[1.0, 3.0]]]), scale_factor=2)
    array([[[1., 1., 3., 3.]]])
    """
    op = "interpolate"
    x = checks.as_float64(checks.float_array(op, "input", input))
    checks.choice(op, "mode", mode, ("nearest", "nearest-exact", "linear", "bilinear"))
    if align_corners is not None:
        checks.flag(op, "align_corners", align_corners)
        if mode not in ("linear", "bilinear"):
            raise ValueError(f"{op}: align_corners is not for mode={mode!r}; leave it out")
    ranks = {"linear": (3,), "bilinear": (4,)}.get(mode, (3, 4))
    if x.ndim not in ranks or 0 in x.shape[1:]:
        raise ValueError(f"{op}: input has shape {x.shape}, expected rank {ranks}; reshape it")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{op}: give size or scale_factor, one of them")
    rank = x.ndim - 2
    given = scale_factor if size is None else size
    values = given if isinstance(given, (tuple, list)) else (given,) * rank
    if len(values) != rank:
        raise ValueError(f"{op}: {given} has not {rank} values; give one for each axis")
    precision = np.float64 if input.dtype.itemsize == 8 else np.float32
    for axis, number in enumerate(values, 2):
        n = x.shape[axis]
        if size is None:
            factor = checks.real(op, "scale_factor", number)
            if not 0 < factor < math.inf or not 1 <= n * factor < 2**58:
                raise ValueError(f"{op}: scale_factor is {factor}; give another")
            new, scale = math.floor(n * factor), 1 / factor
        else:
            new = checks.integer(op, "size", number, 1)
            scale = n / new
        if new > 2**40:
            raise ValueError(f"{op}: {new} pixels are too many; give a smaller size")
        if mode in ("linear", "bilinear"):
            low, high, part = _between(n, new, scale, align_corners, precision)
            shape = (-1, *(1,) * (x.ndim - axis - 1))
            with np.errstate(invalid="ignore", over="ignore"):
                x = (1 - part).reshape(shape) * x.take(low, axis) + part.reshape(shape) * x.take(
                    high, axis
                )
        else:
            places = _nearest(n, new, scale, mode, doubling=rank == 2 and mode == "nearest")
            x = x.take(places, axis)
    return x


def _nearest(n, new, scale, mode, *, doubling):
    if doubling and new in (n, 2 * n):
        return np.arange(new) // (new // n)
    offset = np.float32(0.5 if mode == "nearest-exact" else 0)
    places = np.floor((np.arange(new, dtype=np.float32) + offset) * np.float32(scale))
    return np.minimum(places.astype(np.int64), n - 1)


def _between(n, new, scale, align_corners, precision):
    """The pixels before and behind each new one, and how far it is on the way."""
    places = np.arange(new).astype(precision)
    if align_corners:
        at = places * precision((n - 1) / (new - 1) if new > 1 else 0)
    else:
        at = np.maximum(precision(scale) * (places + precision(0.5)) - precision(0.5), 0)
    low = np.minimum(at.astype(np.int64), n - 1)
    part = np.minimum(at - low.astype(precision), 1).astype(np.float64)
    return low, np.minimum(low + 1, n - 1), part
