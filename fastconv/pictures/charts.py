"""Curves: panels below one another, each with its axes, lines and legend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .canvas import FAINT, GRID, INK, Canvas, Colour, text_width

__all__ = ["Line", "Panel", "draw", "ticks"]

_LEFT, _RIGHT = 74, 26  # pixels beside a panel's frame
_ABOVE, _BELOW = 52, 46
_HEADER = 68
_TICK_TEXT = 12.5


@dataclass(frozen=True)
class Line:
    """One curve: y over x; what is not finite, or not positive on a logarithmic axis, is a gap."""

    name: str  # '' for none in the legend
    x: np.ndarray
    y: np.ndarray
    colour: Colour
    width: float = 2.0
    dots: bool = False


@dataclass(frozen=True)
class Panel:
    """One chart.

    Attributes:
        title: above it.
        lines: drawn in this order.
        x_label: below it.
        logarithmic: whether the vertical axis is.
        mark: (x, text) of a dashed vertical line, or None.
        percent: whether 1 is shown as 100 %.
        x_range: the ends of the horizontal axis; None: those of the lines.
    """

    title: str
    lines: Sequence[Line]
    x_label: str = "epoch"
    logarithmic: bool = False
    mark: tuple[float, str] | None = None
    percent: bool = False
    x_range: tuple[float, float] | None = None


def draw(panels: Sequence[Panel], title: str, subtitle: str = "", width: int = 900) -> Any:
    """Draw panels below one another; a PIL.Image.Image.

    Raises:
        ValueError: there is no panel, or one has no point to show.
        MissingPillow: Pillow is not installed.
    """
    if not panels:
        raise ValueError("draw: there is nothing to draw")
    heights = [300 if number == 0 else 230 for number in range(len(panels))]
    canvas = Canvas(width, _HEADER + sum(heights) + len(panels) * (_ABOVE + _BELOW))
    canvas.text((24, 20), title, 22, bold=True)
    canvas.text((24, 48), subtitle, 13, FAINT)
    top = _HEADER
    for panel, height in zip(panels, heights, strict=True):
        frame = _LEFT, top + _ABOVE, width - _LEFT - _RIGHT, height
        _panel(canvas, panel, *frame)
        top += _ABOVE + height + _BELOW
    return canvas.finish()


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from low to high, at most so many: steps of 1, 2 or 5 times a power of ten.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(i * step, digits) for i in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    if len(powers) > 8:
        powers = powers[:: -(-len(powers) // 8)]
    for factors in ((1,), (1, 3), (1, 2, 5)):
        found = [f * 10.0**p for p in powers for f in factors]
        found = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
        if len(found) >= 3:
            return found
    return ticks(low, high)  # so narrow that it is nearly linear


def _panel(
    canvas: Canvas, panel: Panel, left: int, top: int, width: int, height: int
) -> None:  # fmt: skip
    lines = [_Points(line, panel.logarithmic) for line in panel.lines]
    x_low, x_high, y_low, y_high = _ranges(lines, panel)

    def place(x: float, y: float) -> tuple[float, float]:
        if panel.logarithmic:
            share = (math.log(y) - math.log(y_low)) / (math.log(y_high) - math.log(y_low))
        else:
            share = (y - y_low) / (y_high - y_low)
        return left + (x - x_low) / (x_high - x_low) * width, top + (1 - share) * height

    canvas.text((left, top - 40), panel.title, 16, bold=True)
    _legend(canvas, panel, left, top, width)
    y_ticks = _log_ticks(y_low, y_high) if panel.logarithmic else ticks(y_low, y_high, 8)
    for tick in y_ticks:
        y = place(x_low, tick)[1]
        canvas.line([(left, y), (left + width, y)], GRID)
        canvas.text((left - 8, y), _number(tick, panel.percent), _TICK_TEXT, FAINT, "rm")
    for tick in ticks(x_low, x_high, 10):
        if tick != int(tick):  # of epochs and steps there are whole ones
            continue
        x = place(tick, y_low)[0]
        canvas.line([(x, top + height), (x, top + height + 4)], FAINT)
        canvas.text((x, top + height + 8), f"{tick:,g}", _TICK_TEXT, FAINT, "ma")
    canvas.text((left + width / 2, top + height + 24), panel.x_label, 13, FAINT, "ma")
    if panel.mark is not None:
        x = place(panel.mark[0], y_low)[0]
        canvas.dashes((x, top), (x, top + height), FAINT)
        at_right = x > left + width / 2
        canvas.text(
            (x + (-6 if at_right else 6), top + 4), panel.mark[1], 12, FAINT,
            "ra" if at_right else "la",
        )  # fmt: skip
    for points in lines:
        for piece in points.pieces():
            placed = [place(x, y) for x, y in piece]
            canvas.line(placed, points.line.colour, points.line.width)
            if points.line.dots:
                for dot in placed:
                    canvas.dot(dot, points.line.colour, points.line.width + 0.8)
    canvas.line([(left, top + height), (left + width, top + height)], FAINT)


class _Points:
    """A line's points, with what cannot be shown marked."""

    def __init__(self, line: Line, logarithmic: bool) -> None:
        self.line = line
        self.x, self.y = np.asarray(line.x, float), np.asarray(line.y, float)
        self.good = np.isfinite(self.y) & ((self.y > 0) | (not logarithmic))

    def pieces(self) -> list[list[tuple[float, float]]]:
        """Runs of points without a gap."""
        edges = np.flatnonzero(np.diff(self.good)) + 1
        return [
            list(zip(self.x[run].tolist(), self.y[run].tolist(), strict=True))
            for run in np.split(np.arange(len(self.x)), edges)
            if len(run) and self.good[run[0]]
        ]


def _ranges(lines: list[_Points], panel: Panel) -> tuple[float, float, float, float]:
    """(x_low, x_high, y_low, y_high), none of them equal."""
    y = np.concatenate([points.y[points.good] for points in lines])
    x = np.concatenate([points.x[points.good] for points in lines])
    if not len(y):
        raise ValueError(f"draw: {panel.title} has no finite number to show")
    x_low, x_high = panel.x_range or (float(x.min()), float(x.max()))
    y_low, y_high = float(y.min()), float(y.max())
    if x_low == x_high:
        x_low, x_high = x_low - 0.5, x_high + 0.5
    if panel.logarithmic:
        room = max(0.04 * (math.log(y_high) - math.log(y_low)), 0.02)
        ends = math.exp(math.log(y_low) - room), math.exp(math.log(y_high) + room)
        return x_low, x_high, *ends
    room = 0.05 * (y_high - y_low) or 0.05 * abs(y_high) or 1.0
    low, high = y_low - room, y_high + room
    if panel.percent and y_high <= 1.0:
        high = min(high, 1.0) if y_high < 1.0 else 1.0 + 0.01 * (1.0 - low)
    if y_low >= 0 > low:
        low = 0.0
    return x_low, x_high, low, high


def _legend(canvas: Canvas, panel: Panel, left: int, top: int, width: int) -> None:
    """Names with their colours, from the right of the row above the frame: beside the title, or
    below it where they do not fit."""
    named = [line for line in panel.lines if line.name]
    needed = sum(text_width(line.name, 13) + 46 for line in named)
    y = top - 31 if needed + text_width(panel.title, 16) <= width else top - 19
    x = left + width
    for line in reversed(named):
        x -= text_width(line.name, 13)
        canvas.text((x, y), line.name, 13, INK, "la")
        canvas.line([(x - 26, y + 8), (x - 7, y + 8)], line.colour, max(line.width, 2))
        x -= 46


def _number(value: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.4g} %"
    if value and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return f"{value:.6g}"
