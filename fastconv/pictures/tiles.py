"""Small images side by side: a layer's kernels, digits with what they were taken for."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import FAINT, GRID, INK, Canvas

__all__ = ["digits", "diverging", "kernels"]

_MARGIN, _HEADER, _GAP = 24, 84, 12
_MANY = 24  # kernels: of more each is shown smaller

# Where a weight is positive, zero, negative.
_RED = np.array([178, 24, 43], float)
_WHITE = np.array([255, 255, 255], float)
_BLUE = np.array([33, 102, 172], float)


def diverging(values: np.ndarray) -> np.ndarray:
    """Colours (…, 3) uint8 of values in -1 … 1: blue, white, red.

    >>> diverging(np.array([0.0, 1.0])).tolist()
    [[255, 255, 255], [178, 24, 43]]
    """
    amount = np.clip(np.abs(values), 0, 1)[..., np.newaxis]
    end = np.where(values[..., np.newaxis] > 0, _RED, _BLUE)
    return np.rint(_WHITE + (end - _WHITE) * amount).astype(np.uint8)


def kernels(weight: np.ndarray, title: str) -> Any:
    """A convolution's kernels, one tile for each map of the result: blue below 0, red above.

    Args:
        weight: (OC, IC, KH, KW); of several IC, 3 are shown as red, green and blue, otherwise the
            mean.

    Returns:
        PIL.Image.Image.
    """
    if weight.ndim != 4 or not weight.size:
        raise ValueError(f"kernels: weight has shape {weight.shape}, expected (OC, IC, KH, KW)")
    largest = float(np.abs(weight).max()) or 1.0
    if weight.shape[1] == 3:
        tiles = np.rint(127.5 * (1 + weight.transpose(0, 2, 3, 1) / largest)).astype(np.uint8)
        told = "red, green and blue by the channel; grey is 0"
    else:
        tiles = diverging(weight.mean(axis=1) / float(np.abs(weight.mean(axis=1)).max() or 1.0))
        told = f"blue is negative, white 0, red positive, up to {largest:.2g}"
    count, height, width = tiles.shape[:3]
    side = 120 if count <= _MANY else 66
    size = max(4, side // max(height, width))
    columns = min(count, max(1, 860 // (width * size + _GAP)))
    rows = math.ceil(count / columns)
    canvas = Canvas(
        max(2 * _MARGIN + columns * (width * size + _GAP) - _GAP, 520),
        _HEADER + rows * (height * size + _GAP + 20) + _MARGIN - _GAP,
    )
    canvas.text((_MARGIN, 18), title, 20, bold=True)
    canvas.text((_MARGIN, 48), told, 13, FAINT)
    for number, tile in enumerate(tiles):
        left = _MARGIN + number % columns * (width * size + _GAP)
        top = _HEADER + number // columns * (height * size + _GAP + 20)
        canvas.paste((left, top), tile, size)
        canvas.box((left, top), (width * size, height * size), None, FAINT)
        canvas.text(
            (left + width * size / 2, top + height * size + 4), str(number + 1), 12, FAINT, "ma"
        )
    return canvas.finish()


def digits(
    images: np.ndarray,
    captions: Sequence[tuple[str, str]],
    title: str,
    subtitle: str = "",
    columns: int = 8,
) -> Any:
    """Grey images, dark on white, with two lines of text below each.

    Args:
        images: (N, H, W) uint8, ink bright on 0.
        captions: for each image its two lines.

    Returns:
        PIL.Image.Image; without images, one that says so in its subtitle alone.
    """
    size = max(1, 84 // images.shape[1]) if len(images) else 1
    height, width = (images.shape[1] * size, images.shape[2] * size) if len(images) else (0, 96)
    columns = max(1, min(columns, len(images)))
    rows = math.ceil(len(images) / columns)
    cell, row = width + 2 * _GAP, height + 46
    canvas = Canvas(
        max(2 * _MARGIN + columns * cell - 2 * _GAP, 640), _HEADER + rows * row + _MARGIN
    )
    canvas.text((_MARGIN, 18), title, 20, bold=True)
    canvas.text((_MARGIN, 48), subtitle, 13, FAINT)
    for number, (image, (first, second)) in enumerate(zip(images, captions, strict=True)):
        left = _MARGIN + number % columns * cell
        top = _HEADER + number // columns * row
        canvas.paste((left, top), np.repeat(255 - image[:, :, np.newaxis], 3, axis=2), size)
        canvas.box((left, top), (width, height), None, GRID)
        canvas.text((left + width / 2, top + height + 3), first, 13, INK, "ma")
        canvas.text((left + width / 2, top + height + 19), second, 11, FAINT, "ma")
    return canvas.finish()
