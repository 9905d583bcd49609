"""Why an operation that moves pixels refused its arguments."""

from typing import NoReturn

import numpy as np

from fastconv import _core
from fastconv.geometry import INT64_MAX, integer

from .arrays import Pair, fits_memory, float_array, images, output_array, unexplained, windows


def pad_sides(op: str, input: object, pad: object, mode: str, name: str = "input") -> list[Pair]:
    """(before, after) of each axis from PyTorch's list, which begins with the last axis."""
    float_array(op, name, input)
    if not isinstance(pad, (tuple, list)):
        raise TypeError(
            f"{op}: pad must be a tuple, not {type(pad).__name__} {pad!r}; "
            f"give (left, right, top, bottom, ...)"
        )
    if not 1 <= input.ndim <= _core.MAX_PAD_RANK:
        raise ValueError(
            f"{op}: {name} has {input.ndim} dimensions {input.shape}, expected 1 to "
            f"{_core.MAX_PAD_RANK}; use reshape to join axes"
        )
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise ValueError(
            f"{op}: pad has {len(pad)} values {pad!r}, expected two for each axis, at most "
            f"{2 * input.ndim}; give (left, right, top, bottom, ...)"
        )
    axes = len(pad) // 2
    if mode != "constant" and not (1 <= axes <= 3 and input.ndim in (axes + 1, axes + 2)):
        raise ValueError(
            f"{op}: pad has {len(pad)} values but {name} {input.ndim} dimensions {input.shape}; "
            f"mode={mode!r} pads all axes but channels and batch: give 2 values for (N, C, L), 4 "
            f"for (N, C, H, W)"
        )
    numbers = [integer(op, "pad", value, -INT64_MAX) for value in pad]
    given = list(zip(numbers[::2], numbers[1::2], strict=True))[::-1]
    return [(0, 0)] * (input.ndim - axes) + given


def check_sides(op: str, sizes: tuple[int, ...], sides: list[Pair], mode: str) -> None:
    """Raise for a border that an array of `sizes` cannot have."""
    for axis, (size, ends) in enumerate(zip(sizes, sides, strict=True)):
        if size + sum(ends) < 0:
            raise ValueError(
                f"{op}: pad crops {ends} from axis {axis} of {size}; crop no more than there is"
            )
        if mode == "constant" or ends == (0, 0):
            continue
        least = {"reflect": max(ends) + 1, "circular": max(ends)}.get(mode, 1)
        if min(ends) < 0 or size < max(least, 1):
            raise ValueError(
                f"{op}: pad is {ends} on axis {axis} of {size}, but mode={mode!r} shows what there "
                f"is: 0 to {size - 1 if mode == 'reflect' else size} (any number for 'replicate'); "
                f"give others"
            )
    if max(max(ends) for ends in sides) > INT64_MAX // 4:
        raise ValueError(f"{op}: pad is {sides}, which is too large; give smaller numbers")


def pad(input: np.ndarray, out: object, sides: list[Pair], mode: str) -> NoReturn:
    """Raise for what is wrong with a padding, by sides of each axis."""
    op = "pad"
    check_sides(op, input.shape, sides, mode)
    shape = tuple(n + sum(ends) for n, ends in zip(input.shape, sides, strict=True))
    fits_memory(op, shape, input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, sides, mode, out)


def unfold(
    input: object, out: object, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> NoReturn:
    """Raise for what is wrong with an unfolding."""
    op = "unfold"
    images(op, input)
    oh, ow = _windows(op, input.shape[-2:], kernel, stride, padding, dilation)
    depth = input.shape[-3] * kernel[0] * kernel[1]
    shape = (*input.shape[:-3], depth, oh * ow)
    fits_memory(op, shape, input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, out, kernel, stride, padding, dilation)


def fold(
    input: object,
    out: object,
    size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
) -> NoReturn:
    """Raise for what is wrong with a folding."""
    op = "fold"
    float_array(op, "input", input)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise ValueError(
            f"{op}: input has shape {input.shape}, expected (N, C*KH*KW, L) or (C*KH*KW, L), where "
            f"only N may be 0; use reshape to add or join axes"
        )
    oh, ow = _windows(op, size, kernel, stride, padding, dilation)
    taps = kernel[0] * kernel[1]
    if input.shape[-2] % taps:
        raise ValueError(
            f"{op}: input has {input.shape[-2]} rows {input.shape}, expected a multiple of "
            f"kernel_size's {taps} pixels; give the kernel_size that input was unfolded with"
        )
    if input.shape[-1] != oh * ow:
        raise ValueError(
            f"{op}: input has {input.shape[-1]} blocks {input.shape}, but output_size {size} has "
            f"{oh} times {ow}; give the sizes that input was unfolded with"
        )
    shape = (*input.shape[:-2], input.shape[-2] // taps, *size)
    fits_memory(op, shape, input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, out, size, kernel, stride, padding, dilation)


def _windows(
    op: str, size: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Pair:
    oh, ow = (
        windows(
            op,
            "kernel_size",
            direction,
            size[axis],
            (padding[axis],) * 2,
            kernel[axis],
            stride[axis],
            dilation[axis],
        )
        for axis, direction in enumerate(("height", "width"))
    )
    return oh, ow


def resized(op: str, input: object, mode: str, name: str = "input") -> int:
    """Require (N, C, L), if the mode takes it, or (N, C, H, W); the number of axes of an image."""
    float_array(op, name, input)
    ranks = {"linear": (3,), "bilinear": (4,)}.get(mode, (3, 4))
    if input.ndim not in ranks:
        raise ValueError(
            f"{op}: {name} has {input.ndim} dimensions {input.shape}, expected "
            f"{' or '.join(map(str, ranks))} for mode={mode!r}: (N, C, L) or (N, C, H, W); "
            f"use reshape to add axes"
        )
    if 0 in input.shape[1:]:
        raise ValueError(
            f"{op}: {name} has shape {input.shape}, expected at least one channel and pixel; "
            f"check how {name} was made, only N may be 0"
        )
    return input.ndim - 2


def interpolate(op: str, input: np.ndarray, out: object, size: tuple[int, ...]) -> NoReturn:
    """Raise for what is wrong with an interpolation of checked images."""
    shape = (*input.shape[:2], *size)
    fits_memory(op, shape, input.itemsize)
    output_array(op, out, shape, input)
    unexplained(op, input, out, size)
