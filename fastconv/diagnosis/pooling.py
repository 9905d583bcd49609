"""Why a pooling refused its arguments."""

import math
from typing import NoReturn

import numpy as np

from fastconv.geometry import INT64_MAX, integer

from .arrays import at_least, fits_memory, images, output_array, unexplained, windows

_AXES = {1: ("length",), 2: ("height", "width")}


def pool(
    op: str,
    input: object,
    out: object,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
    with_indices: bool,
) -> NoReturn:
    """Raise for what is wrong with a pooling of as many axes as `kernel` has numbers."""
    rank = len(kernel)
    images(op, input, rank)
    sizes = pooled_sizes(op, input.shape[-rank:], kernel, stride, padding, dilation, ceil_mode)
    shape = (*input.shape[:-rank], *sizes)
    fits_memory(op, shape, 8 if with_indices else input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, out, kernel, stride, padding, dilation, ceil_mode)


def pooled_sizes(
    op: str,
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> tuple[int, ...]:
    """The sizes of a pooling's result; raises for what is wrong with its numbers."""
    at_least(op, "kernel_size", kernel, 1)
    at_least(op, "stride", stride, 1)
    at_least(op, "padding", padding, 0)
    at_least(op, "dilation", dilation, 1)
    most = tuple(taps // 2 for taps in kernel)
    if any(border > limit for border, limit in zip(padding, most, strict=True)):
        raise ValueError(
            f"{op}: padding is {padding} but kernel_size is {kernel}; padding must be at most half "
            f"of kernel_size, here {most}"
        )
    return tuple(
        windows(
            op,
            "kernel_size",
            direction,
            size[axis],
            (padding[axis],) * 2,
            kernel[axis],
            stride[axis],
            dilation[axis],
            ceil_mode,
        )
        for axis, direction in enumerate(_AXES[len(size)])
    )


def adaptive_pool(
    op: str, input: np.ndarray, out: object, size: tuple[int, ...], with_indices: bool
) -> NoReturn:
    """Raise for what is wrong with an adaptive pooling of checked images."""
    shape = (*input.shape[: -len(size)], *size)
    fits_memory(op, shape, 8 if with_indices else input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, out, size)


def unpooled_size(
    op: str,
    input: np.ndarray,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    wanted: object,
) -> tuple[int, ...]:
    """The size before pooling of checked images: the smallest that there may have been, or the
    `wanted` one, by less than a stride apart from it; of that also the whole shape will do."""
    rank = len(kernel)
    usual = tuple(
        (size - 1) * s + k - 2 * p
        for size, s, k, p in zip(input.shape[-rank:], stride, kernel, padding, strict=True)
    )
    if wanted is None:
        size = usual
    else:
        if not isinstance(wanted, (tuple, list)):
            raise TypeError(
                f"{op}: output_size must be a tuple or None, not {type(wanted).__name__} "
                f"{wanted!r}; give the size of each axis"
            )
        if len(wanted) not in (rank, rank + 2):
            raise ValueError(
                f"{op}: output_size has {len(wanted)} values {wanted!r}, expected {rank}, or "
                f"{rank + 2} with batch and channels; give the size of each axis"
            )
        size = tuple(integer(op, "output_size", value, 1) for value in wanted[-rank:])
        if any(abs(a - b) >= s for a, b, s in zip(size, usual, stride, strict=True)):
            raise ValueError(
                f"{op}: output_size is {size}, but pooling gives input's size only from sizes less "
                f"than the stride {stride} apart from {usual}; give one of them"
            )
    if min(size) < 1 or max(size) > INT64_MAX:
        raise ValueError(
            f"{op}: the result would have the size {size}; give another kernel_size, stride or "
            f"padding"
        )
    return size


def unpool(
    op: str, input: np.ndarray, indices: object, out: object, size: tuple[int, ...]
) -> NoReturn:
    """Raise for what is wrong with an unpooling of checked images."""
    if not isinstance(indices, np.ndarray) or indices.dtype != np.int64:
        what = (
            f"dtype {indices.dtype}" if isinstance(indices, np.ndarray) else type(indices).__name__
        )
        raise TypeError(
            f"{op}: indices must be a numpy.ndarray of int64, not {what}; "
            f"give those that max pooling returned"
        )
    if indices.shape != input.shape:
        raise ValueError(
            f"{op}: indices has shape {indices.shape} but input has {input.shape}; "
            f"give those that max pooling returned"
        )
    shape = (*input.shape[: -len(size)], *size)
    fits_memory(op, shape, input.itemsize)
    output_array(op, out, shape, input, indices=indices)
    plane = math.prod(size)
    if indices.size and (indices.min() < 0 or indices.max() >= plane):
        wrong = indices[(indices < 0) | (indices >= plane)].flat[0]
        raise ValueError(
            f"{op}: indices has {wrong}, expected 0 to {plane - 1} for planes of {size}; "
            f"give another output_size or the indices that belong to it"
        )
    unexplained(op, input, indices, out, size)


def global_pool2d(op: str, input: object, out: object) -> NoReturn:
    """Raise for what is wrong with a global pooling."""
    images(op, input)
    output_array(op, out, (*input.shape[:-2], 1, 1), input)
    unexplained(op, input, out)
