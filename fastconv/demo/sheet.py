"""One picture of a photograph and its edge maps, each with a caption and its kernels."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.data.images import load_pillow, printable, resize

from .edges import EdgeMap

__all__ = ["draw"]

_PAPER = (250, 250, 248)
_INK = (28, 32, 38)
_FAINT = (104, 112, 122)
_LINE = (205, 208, 212)
_MARGIN = 32  # all measures in pixels
_GAP = 28
_PANEL = 460  # the longer side of a photograph on the sheet, at most
_CAPTION = 92
_HEADER = 92
_CELL = 24
_COLUMNS = 3

# Where a signed map rises, where it is flat, where it falls.
_RISE = np.array([178, 24, 43], np.float64)
_FLAT = np.array([255, 255, 255], np.float64)
_FALL = np.array([33, 102, 172], np.float64)


def draw(rgb: np.ndarray, title: str, maps: Sequence[tuple[EdgeMap, np.ndarray]]) -> Any:
    """Draw the sheet.

    Args:
        rgb: the photograph, (H, W, 3) uint8.
        title: its name.
        maps: edge maps and what they made of the photograph, (OH, OW) each.

    Returns:
        a PIL.Image.Image.

    Raises:
        MissingPillow: Pillow is not installed.
    """
    image_module, _ = load_pillow()
    from PIL import ImageDraw

    height, width, _ = rgb.shape
    scale = min(1.0, _PANEL / max(height, width))
    frame = (max(1, round(width * scale)), max(1, round(height * scale)))
    column = max(frame[0], 300)  # room for the caption of a narrow photograph
    row_height = frame[1] + _CAPTION
    rows = -(-(len(maps) + 1) // _COLUMNS)
    sheet = image_module.new(
        "RGB",
        (
            2 * _MARGIN + _COLUMNS * column + (_COLUMNS - 1) * _GAP,
            _HEADER + rows * row_height + (rows - 1) * _GAP + _MARGIN,
        ),
        _PAPER,
    )
    pen = ImageDraw.Draw(sheet)
    _write(pen, (_MARGIN, 24), "Edges of a photograph", 28, bold=True)
    _write(
        pen,
        (_MARGIN, 60),
        f"{printable(title)}, {width} x {height} pixels.  Above, signed: red where it gets "
        "brighter to the right or downwards, blue where darker.  Below: how steep it is.",
        15,
        _FAINT,
    )
    panels = [("Photograph", f"{width} x {height}", rgb, ())]
    for edge_map, values in maps:
        detail = f"{edge_map.padding} padding: {values.shape[1]} x {values.shape[0]}"
        if edge_map.padding == "same":
            detail += "\nframe: the border of zeros"
        panels.append((edge_map.title, detail, _colour(edge_map, values), edge_map.kernels))
    for index, (name, detail, picture, kernels) in enumerate(panels):
        left = _MARGIN + index % _COLUMNS * (column + _GAP)
        top = _HEADER + index // _COLUMNS * (row_height + _GAP)
        _panel(sheet, pen, (left, top), frame, column, scale, name, detail, picture, kernels)
    return sheet


def _panel(
    sheet: Any,
    pen: Any,
    corner: tuple[int, int],
    frame: tuple[int, int],
    column: int,
    scale: float,
    name: str,
    detail: str,
    picture: np.ndarray,
    kernels: tuple[np.ndarray, ...],
) -> None:
    """A picture with its caption below: name, detail, and the kernels at the right."""
    image_module, _ = load_pillow()
    left, top = corner
    height, width, _ = picture.shape
    shown = (max(1, round(width * scale)), max(1, round(height * scale)))
    if shown != (width, height):
        picture = resize(picture, *shown)
    # A map that is smaller (valid padding, stride) is shown at its own size, in the photograph's
    # frame, so that the sizes can be compared.
    place = (left + (frame[0] - shown[0]) // 2, top + (frame[1] - shown[1]) // 2)
    sheet.paste(image_module.fromarray(picture), place)
    pen.rectangle((left - 1, top - 1, left + frame[0], top + frame[1]), outline=_LINE)
    below = top + frame[1] + 12
    _write(pen, (left, below), name, 20, bold=True)
    _write(pen, (left, below + 30), detail, 15, _FAINT)
    right = left + column
    for kernel in reversed(kernels):
        right -= _CELL * kernel.shape[1]
        _kernel(pen, (right, below), kernel)
        right -= 12


def _kernel(pen: Any, corner: tuple[int, int], kernel: np.ndarray) -> None:
    """The kernel's numbers in a grid, coloured by sign."""
    largest = np.abs(kernel).max()
    for (row, column), value in np.ndenumerate(kernel):
        left, top = corner[0] + column * _CELL, corner[1] + row * _CELL
        pale = _blend(np.array(0.55 * value / largest))
        box = (left, top, left + _CELL, top + _CELL)
        pen.rectangle(box, fill=tuple(pale.tolist()), outline=_LINE)
        middle = (left + _CELL // 2 + 1, top + _CELL // 2 + 1)
        _write(pen, middle, f"{value:.0f}", 12, anchor="mm")


def _colour(edge_map: EdgeMap, values: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: signed maps blue, white, red; magnitudes black on white.

    The strongest half a percent saturates: a few bright whiskers would else fade all the rest. So
    would the outermost pixels, which with padding see the border as the steepest edge of all.
    """
    inside = values[1:-1, 1:-1] if min(values.shape) > 2 else values
    strong = max(float(np.quantile(np.abs(inside), 0.995)), np.finfo(np.float32).tiny)
    level = np.clip(values.astype(np.float64) / strong, -1, 1)
    if edge_map.signed:
        return _blend(np.sign(level) * np.abs(level) ** 0.8)
    grey = np.rint(255 * (1 - level**0.8)).astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def _blend(level: np.ndarray) -> np.ndarray:
    """Colours (…, 3), uint8, for levels in -1 … 1."""
    amount = np.abs(level)[..., np.newaxis]
    end = np.where(level[..., np.newaxis] > 0, _RISE, _FALL)
    return np.rint(_FLAT + (end - _FLAT) * amount).astype(np.uint8)


def _write(
    pen: Any,
    place: tuple[int, int],
    text: str,
    size: int,
    colour: tuple[int, int, int] = _INK,
    *,
    bold: bool = False,
    anchor: str = "la",
) -> None:
    from PIL import ImageFont

    # Pillow's own typeface: no font file has to be found. It has hardly more than ASCII, and one
    # weight; written twice, half a pixel apart, it makes a heading.
    font = ImageFont.load_default(size)
    text = text.encode("ascii", "replace").decode()
    for shift in (0, 0.5) if bold else (0,):
        pen.text((place[0] + shift, place[1]), text, colour, font, anchor, spacing=6)
