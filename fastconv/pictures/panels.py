"""Rows of panels: photographs, maps, and arrays with their numbers written out, with signs between.

What a lesson on convolution puts on the blackboard: an array, a star, a kernel, an equals sign, the
result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .canvas import FAINT, GRID, INK, Canvas, text_width
from .tiles import diverging

__all__ = ["Numbers", "Panel", "Picture", "Sign", "draw", "grey", "signed"]

_MARGIN, _GAP, _CAPTION = 24, 16, 42
_TITLE, _SUBTITLE = 58, 26
_CAPTION_TEXT, _DETAIL_TEXT = 13.5, 12


def grey(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Colours (H, W, 3) uint8 of a map (H, W): black at low and below, white at high and above.

    >>> grey(np.array([[0.0, 0.5, 2.0]]))[0, :, 0].tolist()
    [0, 128, 255]
    """
    level = np.clip((np.asarray(values, float) - low) / (high - low), 0, 1)
    return np.repeat(np.rint(255 * level).astype(np.uint8)[:, :, np.newaxis], 3, axis=2)


def signed(values: np.ndarray, strong: float | None = None) -> np.ndarray:
    """Colours (H, W, 3) uint8 of a map (H, W): blue below 0, white at 0, red above.

    Args:
        strong: the absolute value that is shown in full colour; None: the one that half a percent
            of the map exceeds, as a few extremes would else fade all the rest.

    >>> signed(np.array([[-2.0, 0.0, 2.0]]), 2.0)[0].tolist()
    [[33, 102, 172], [255, 255, 255], [178, 24, 43]]
    """
    if strong is None:
        strong = float(np.quantile(np.abs(values), 0.995))
    return diverging(np.asarray(values, float) / (strong or 1.0))


class Panel(Protocol):
    """What stands in a row: its size in pixels, and how it is drawn, its top left corner given."""

    @property
    def size(self) -> tuple[int, int]: ...

    def paint(self, canvas: Canvas, left: float, top: float) -> None: ...


@dataclass(frozen=True)
class Picture:
    """Pixels in a thin frame, with a caption below.

    Attributes:
        pixels: (H, W, 3) uint8.
        caption, detail: two lines of text.
        scale: pixels of the picture for each of its own, along each side.
    """

    pixels: np.ndarray
    caption: str = ""
    detail: str = ""
    scale: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), caption included."""
        height, width = (round(side * self.scale) for side in self.pixels.shape[:2])
        return _with_caption(width, height, self.caption, self.detail)

    def paint(self, canvas: Canvas, left: float, top: float) -> None:
        """Draw it there."""
        height, width = (round(side * self.scale) for side in self.pixels.shape[:2])
        left += (self.size[0] - width) / 2
        canvas.paste((left, top), self.pixels, self.scale)
        canvas.box((left, top), (width, height), None, FAINT)
        _caption(canvas, left + width / 2, top + height, self.caption, self.detail)


@dataclass(frozen=True)
class Numbers:
    """An array with its numbers in coloured cells: blue below 0, red above.

    Attributes:
        values: (H, W).
        caption, detail: two lines of text below it.
        digits: after the point.
        cell: pixels of a cell's side.
        strong: the absolute value of the deepest colour; None: the largest in the array.
    """

    values: np.ndarray
    caption: str = ""
    detail: str = ""
    digits: int = 0
    cell: int = 32
    strong: float | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), caption included."""
        height, width = (side * self.cell for side in np.shape(self.values))
        return _with_caption(width, height, self.caption, self.detail)

    def paint(self, canvas: Canvas, left: float, top: float) -> None:
        """Draw it there."""
        values = np.asarray(self.values, float)
        rows, columns = values.shape
        left += (self.size[0] - columns * self.cell) / 2
        strong = self.strong or float(np.abs(values).max(initial=0.0)) or 1.0
        colours = diverging(0.55 * np.clip(values / strong, -1, 1))
        for (row, column), value in np.ndenumerate(values):
            corner = left + column * self.cell, top + row * self.cell
            fill = tuple(map(int, colours[row, column]))
            canvas.box(corner, (self.cell, self.cell), fill, GRID)
            middle = corner[0] + self.cell / 2, corner[1] + self.cell / 2
            # No "-0", which rounding makes.
            text = f"{round(value, self.digits) + 0.0:.{self.digits}f}"
            canvas.text(middle, text, 0.4 * self.cell, INK, "mm")
        canvas.box((left, top), (columns * self.cell, rows * self.cell), None, FAINT)
        place = left + columns * self.cell / 2, top + rows * self.cell
        _caption(canvas, *place, self.caption, self.detail)


@dataclass(frozen=True)
class Sign:
    """A sign between two panels: '*', '=', '→'."""

    text: str

    @property
    def size(self) -> tuple[int, int]:
        """(width, height); as if there were a caption, so that it is level with its neighbours."""
        return round(text_width(self.text, 26)) + 4, 30 + _CAPTION

    def paint(self, canvas: Canvas, left: float, top: float) -> None:
        """Draw it there."""
        canvas.text((left + self.size[0] / 2, top + 15), self.text, 26, INK, "mm")


def draw(rows: Sequence[Sequence[Panel]], title: str, subtitle: str = "") -> Any:
    """Draw rows of panels below one another, each row's panels level in the middle.

    Returns:
        PIL.Image.Image.

    Raises:
        ValueError: there is no panel.
        MissingPillow: Pillow is not installed.

    >>> draw([[Numbers(np.eye(2)), Sign("="), Numbers(np.eye(2))]], "One").width
    520
    """
    if not any(rows):
        raise ValueError("draw: there is nothing to draw")
    widths = [sum(panel.size[0] + _GAP for panel in row) - _GAP for row in rows]
    heights = [max((panel.size[1] for panel in row), default=0) for row in rows]
    header = _TITLE + (_SUBTITLE if subtitle else 0)
    told = max(text_width(title, 20), text_width(subtitle, 13))
    canvas = Canvas(
        2 * _MARGIN + max(*widths, int(told) + 1, 520 - 2 * _MARGIN),
        header + sum(heights) + _GAP * (len(rows) - 1) + _MARGIN,
    )
    canvas.text((_MARGIN, 18), title, 20, bold=True)
    canvas.text((_MARGIN, 48), subtitle, 13, FAINT)
    top = header
    for row, height in zip(rows, heights, strict=True):
        left = _MARGIN
        for panel in row:
            width, own_height = panel.size
            panel.paint(canvas, left, top + (height - own_height) / 2)
            left += width + _GAP
        top += height + _GAP
    return canvas.finish()


def _with_caption(width: int, height: int, caption: str, detail: str) -> tuple[int, int]:
    text = max(text_width(caption, _CAPTION_TEXT), text_width(detail, _DETAIL_TEXT))
    return max(width, round(text + 0.5)), height + _CAPTION


def _caption(canvas: Canvas, middle: float, top: float, caption: str, detail: str) -> None:
    canvas.text((middle, top + 5), caption, _CAPTION_TEXT, INK, "ma")
    canvas.text((middle, top + 24), detail, _DETAIL_TEXT, FAINT, "ma")
