"""Bars below one another, coloured by what they are of: where the time of a network goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .canvas import FAINT, GRID, INK, Canvas, Colour, text_width
from .charts import ticks

__all__ = ["Bar", "draw"]

_MARGIN, _GAP = 24, 10
_TITLE, _SUBTITLE, _LEGEND, _AXIS = 46, 24, 34, 40
_ROW, _THICK = 21, 14
_TEXT = 12.5
_LONGEST = 36  # characters of a name
_FEW = 24  # rows, above which lines are written closer

# Told apart by people with any vision of colours: the palette of Okabe and Ito, without black.
_COLOURS: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (230, 159, 0),
    (86, 180, 233),
    (204, 121, 167),
    (240, 228, 66),
)
_OTHER: Colour = (150, 156, 163)


@dataclass(frozen=True)
class Bar:
    """A row: its name and what kind it is of, a length, and a text behind the bar.

    Attributes:
        name: before it; a long one loses its middle.
        detail: behind the name, fainter.
        length: of the bar, not negative.
        kind: what it is coloured by; '' for what has none.
        text: behind the bar.
    """

    name: str
    detail: str
    length: float
    kind: str
    text: str


def draw(bars: Sequence[Bar], title: str, subtitle: str, unit: str, width: int = 1000) -> Any:
    """Draw the bars below one another; a PIL.Image.Image.

    The kinds that make up most have colours of their own, and all others one.

    Raises:
        ValueError: there is no bar.
        MissingPillow: Pillow is not installed.

    >>> draw([Bar("a", "", 2.0, "direct", "2 ms"), Bar("b", "", 1.0, "", "")], "", "", "ms").width
    1000
    """
    if not bars:
        raise ValueError("draw: there is nothing to draw")
    row = _ROW if len(bars) <= _FEW else _ROW - 4
    colours = _coloured(bars)
    top = _TITLE + _SUBTITLE + _LEGEND
    canvas = Canvas(width, top + row * len(bars) + _AXIS)
    canvas.text((_MARGIN, 16), title, 20, bold=True)
    canvas.text((_MARGIN, _TITLE), subtitle, 13, FAINT)
    others = any(bar.kind not in colours for bar in bars)
    _legend(canvas, colours | ({"others": _OTHER} if others else {}), _TITLE + _SUBTITLE)
    names = max(text_width(_short(bar.name), _TEXT) for bar in bars)
    details = max(text_width(bar.detail, _TEXT) for bar in bars)
    left = _MARGIN + names + _GAP + details + _GAP
    room = width - _MARGIN - left - max(text_width(bar.text, _TEXT) for bar in bars) - _GAP
    longest = max(bar.length for bar in bars) or 1.0
    _axis(canvas, left, top, room, row * len(bars), longest, unit)
    for number, bar in enumerate(bars):
        middle = top + row * (number + 0.5)
        long = bar.length / longest * room
        canvas.text((_MARGIN, middle), _short(bar.name), _TEXT, INK, "lm")
        canvas.text((left - _GAP, middle), bar.detail, _TEXT, FAINT, "rm")
        thick = min(_THICK, row - 4)
        colour = colours.get(bar.kind, _OTHER)
        canvas.box((left, middle - thick / 2), (max(long, 1), thick), colour)
        canvas.text((left + long + 6, middle), bar.text, _TEXT, INK, "lm")
    return canvas.finish()


def _coloured(bars: Sequence[Bar]) -> dict[str, Colour]:
    """A colour for each kind of which there is most; the others have none of their own."""
    total: dict[str, float] = {}
    for bar in bars:
        if bar.kind:
            total[bar.kind] = total.get(bar.kind, 0.0) + bar.length
    kinds = sorted(total, key=lambda kind: -total[kind])
    return dict(zip(kinds, _COLOURS, strict=False))


def _legend(canvas: Canvas, colours: dict[str, Colour], top: float) -> None:
    x = float(_MARGIN)
    for kind, colour in colours.items():
        canvas.box((x, top + 3), (12, 12), colour)
        canvas.text((x + 18, top + 9), kind, 13, INK, "lm")
        x += 18 + text_width(kind, 13) + 22


def _axis(
    canvas: Canvas, left: float, top: float, room: float, height: float, longest: float, unit: str
) -> None:
    for tick in ticks(0.0, longest, 6):
        x = left + tick / longest * room
        canvas.line([(x, top), (x, top + height)], GRID)
        canvas.text((x, top + height + 5), f"{tick:g} {unit}", _TEXT, FAINT, "ma")
    canvas.line([(left, top), (left, top + height)], FAINT)


def _short(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    half = (_LONGEST - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
