"""Why a gradient of pooling, or of what moves pixels, refused its arguments."""

import math
from typing import NoReturn

import numpy as np

from fastconv.geometry import integer

from .arrays import Pair, companion, fits_memory, float_array, images, output_array, unexplained
from .pooling import pooled_sizes
from .resampling import check_sides, pad_sides


def gradient_by_indices(
    op: str, unpooling: bool, grad: object, indices: object, out: object, size: tuple[int, ...]
) -> NoReturn:
    """Raise for what is wrong with a gradient by indices into planes of `size`."""
    rank = len(size)
    images(op, grad, rank, "grad")
    if not isinstance(indices, np.ndarray) or indices.dtype != np.int64:
        what = (
            f"dtype {indices.dtype}" if isinstance(indices, np.ndarray) else type(indices).__name__
        )
        raise TypeError(
            f"{op}: indices must be a numpy.ndarray of int64, not {what}; "
            f"give those that max pooling returned"
        )
    same = slice(-rank) if unpooling else slice(None)
    if indices.ndim != grad.ndim or indices.shape[same] != grad.shape[same]:
        raise ValueError(
            f"{op}: indices has shape {indices.shape} but grad has {grad.shape}; "
            f"give those that belong to the operation whose gradient this is"
        )
    if 0 in indices.shape[-rank:]:
        raise ValueError(f"{op}: indices has shape {indices.shape}; give at least one a plane")
    shape = indices.shape if unpooling else (*grad.shape[:-rank], *size)
    fits_memory(op, shape, grad.itemsize)
    output_array(op, out, shape, grad, indices=indices)
    plane, least = math.prod(size), 0 if unpooling else -1
    if indices.size and (indices.min() < least or indices.max() >= plane):
        wrong = indices[(indices < least) | (indices >= plane)].flat[0]
        raise ValueError(
            f"{op}: indices has {wrong}, expected {least} to {plane - 1} for planes of {size}; "
            f"give the indices and the size that belong together"
        )
    unexplained(op, grad, indices, out, size)


def pool_gradient(
    op: str,
    grad: object,
    input: object,
    result: object,
    out: object,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    ceil_mode: bool,
) -> NoReturn:
    """Raise for what is wrong with the gradient of an average or, given input and result, a
    norm."""
    rank = len(kernel)
    images(op, grad, rank, "grad")
    expected = pooled_sizes(op, size, kernel, stride, padding, (1,) * rank, ceil_mode)
    if grad.shape[-rank:] != expected:
        raise ValueError(
            f"{op}: grad has shape {grad.shape}, but pooling {size} pixels gives {expected}; "
            f"give the gradient by the pooling's result and the parameters that it had"
        )
    shape = (*grad.shape[:-rank], *size)
    if input is not None:
        companion(op, "input", input, grad, "grad")
        companion(op, "result", result, grad, "grad")
        for name, value, wanted in (("input", input, shape), ("result", result, grad.shape)):
            if value.shape != wanted:
                raise ValueError(
                    f"{op}: {name} has shape {value.shape}, expected {wanted} for grad of shape "
                    f"{grad.shape}; give what the pooling took and gave"
                )
    fits_memory(op, shape, grad.itemsize)
    output_array(op, out, shape, grad, saved=input, result=result)
    unexplained(op, grad, input, result, out, size, kernel, stride, padding, ceil_mode)


def adaptive_gradient(op: str, grad: object, out: object, size: tuple[int, ...]) -> NoReturn:
    """Raise for what is wrong with the gradient of adaptive pooling."""
    images(op, grad, len(size), "grad")
    shape = (*grad.shape[: -len(size)], *size)
    fits_memory(op, shape, grad.itemsize)
    output_array(op, out, shape, grad)
    unexplained(op, grad, out, size)


def pad_gradient_sides(
    op: str, grad: object, input_size: object, pad: object, mode: str
) -> tuple[tuple[int, ...], list[Pair]]:
    """The sizes of each axis of the input, and (before, after)."""
    float_array(op, "grad", grad)
    sides = pad_sides(op, grad, pad, mode, "grad")
    if not isinstance(input_size, (tuple, list)):
        raise TypeError(
            f"{op}: input_size must be a tuple, not {type(input_size).__name__} {input_size!r}; "
            f"give the shape of pad's input"
        )
    sizes = tuple(integer(op, "input_size", n, 0) for n in input_size)
    if len(sizes) != grad.ndim:
        raise ValueError(
            f"{op}: input_size has {len(sizes)} values {sizes} but grad {grad.ndim} dimensions "
            f"{grad.shape}; give the whole shape of pad's input"
        )
    return sizes, sides


def pad_gradient(
    op: str, grad: np.ndarray, out: object, sizes: tuple[int, ...], sides: list[Pair], mode: str
) -> NoReturn:
    """Raise for what is wrong with the gradient of a padding, by sides of each axis."""
    check_sides(op, sizes, sides, mode)
    expected = tuple(n + sum(ends) for n, ends in zip(sizes, sides, strict=True))
    if grad.shape != expected:
        raise ValueError(
            f"{op}: grad has shape {grad.shape}, but padding {sizes} by {sides} gives {expected}; "
            f"give the gradient by pad's result and the parameters that it had"
        )
    fits_memory(op, sizes, grad.itemsize)
    output_array(op, out, sizes, grad)
    unexplained(op, grad, out, sizes, sides, mode)


def resized_by(
    op: str, sizes: tuple[int, ...], given: tuple[int, ...], factors: tuple[float | None, ...]
) -> None:
    """Require that the factors, where they are given, make `given` of `sizes`."""
    for n, m, factor in zip(sizes, given, factors, strict=True):
        if factor is None:
            continue
        if not (0 < factor < math.inf and math.floor(min(n * factor, 2.0**62)) == m):
            raise ValueError(
                f"{op}: scale_factor {factors} does not make {given} of {sizes} pixels; "
                f"give the forward's, or None if it was given a size"
            )


def interpolate_gradient(
    op: str, grad: np.ndarray, out: object, sizes: tuple[int, ...]
) -> NoReturn:
    """Raise for what is wrong with the gradient of an interpolation of checked images."""
    shape = (*grad.shape[:2], *sizes)
    fits_memory(op, shape, grad.itemsize)
    output_array(op, out, shape, grad)
    unexplained(op, grad, out, sizes)
