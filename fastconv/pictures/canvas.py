"""A picture that is drawn on in fractions of pixels, without jagged edges."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.data.images import load_pillow

__all__ = ["BLUE", "FAINT", "GRID", "INK", "ORANGE", "PAPER", "Canvas", "blend", "ramp"]

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 32, 38)
FAINT: Colour = (104, 112, 122)
GRID: Colour = (228, 231, 235)
BLUE: Colour = (33, 102, 172)
ORANGE: Colour = (214, 96, 20)

_FINER = 3  # drawn so many times larger, and averaged down

# Dark violet over blue and green to yellow, of even steps in lightness.
_RAMP = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (233, 199, 38)], float)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """So much of b in a.

    >>> blend((0, 0, 0), (100, 200, 50), 0.5)
    (50, 100, 25)
    """
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def ramp(count: int) -> list[Colour]:
    """So many colours from dark to light, for things that have an order.

    >>> len(ramp(3))
    3
    """
    places = np.linspace(0, len(_RAMP) - 1, count) if count > 1 else np.zeros(1)
    channels = [np.interp(places, np.arange(len(_RAMP)), channel) for channel in _RAMP.T]
    return [tuple(map(int, np.rint(colour))) for colour in np.stack(channels, axis=1)]


class Canvas:
    """A picture of width × height pixels, to be drawn on from the top left.

    Raises:
        MissingPillow: Pillow is not installed.

    >>> canvas = Canvas(20, 10)
    >>> canvas.line([(2, 5), (18, 5)], INK, 2)
    >>> canvas.finish().size
    (20, 10)
    """

    def __init__(self, width: int, height: int) -> None:
        image_module, _ = load_pillow()
        from PIL import ImageDraw

        self.width, self.height = int(width), int(height)
        self._image_module = image_module
        size = self.width * _FINER, self.height * _FINER
        self._image = image_module.new("RGB", size, PAPER)
        self._pen = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[tuple[float, float]], colour: Colour, width: float = 1) -> None:
        """A line through the points; a dot, where there is one alone."""
        scaled = [(x * _FINER, y * _FINER) for x, y in points]
        if len(scaled) > 1:
            self._pen.line(scaled, colour, max(1, round(width * _FINER)), joint="curve")
        elif scaled:
            self.dot(points[0], colour, width)

    def dashes(self, a: tuple[float, float], b: tuple[float, float], colour: Colour) -> None:
        """A dashed line from a to b."""
        length = max(abs(b[0] - a[0]), abs(b[1] - a[1]))
        count = max(int(length // 8), 1)
        at = [tuple(p + (q - p) * i / count for p, q in zip(a, b, strict=True))
              for i in range(count + 1)]  # fmt: skip
        for begin, end in itertools.pairwise(at):
            middle = tuple((p + q) / 2 for p, q in zip(begin, end, strict=True))
            self.line([begin, middle], colour, 1.2)

    def dot(self, place: tuple[float, float], colour: Colour, radius: float) -> None:
        """A filled circle."""
        x, y, r = place[0] * _FINER, place[1] * _FINER, radius * _FINER
        self._pen.ellipse((x - r, y - r, x + r, y + r), colour)

    def box(
        self, corner: tuple[float, float], size: tuple[float, float], fill: Colour | None,
        outline: Colour | None = None,
    ) -> None:  # fmt: skip
        """A rectangle."""
        left, top = (round(c * _FINER) for c in corner)
        right, bottom = (round((c + s) * _FINER) - 1 for c, s in zip(corner, size, strict=True))
        self._pen.rectangle((left, top, right, bottom), fill, outline, _FINER)

    def text(
        self, place: tuple[float, float], text: str, size: float = 13, colour: Colour = INK,
        anchor: str = "la", *, bold: bool = False,
    ) -> None:  # fmt: skip
        """Text in Pillow's own typeface, which has little more than ASCII; other signs become '?'.

        anchor: Pillow's: 'la' begins at the place, with the top there; 'mm' has its middle there.
        """
        font = _font(size * _FINER)
        # It has one weight: written twice, a little apart, it makes a heading.
        for shift in (0, 0.4) if bold else (0,):
            at = (place[0] + shift) * _FINER, place[1] * _FINER
            self._pen.text(at, _plain(text), colour, font, anchor)

    def paste(self, corner: tuple[float, float], pixels: np.ndarray, size: float) -> None:
        """Pixels (H, W, 3) uint8, each a square of ``size`` pixels with sharp edges."""
        height, width, _ = pixels.shape
        image = self._image_module.fromarray(np.ascontiguousarray(pixels))
        image = image.resize(
            (round(width * size * _FINER), round(height * size * _FINER)),
            self._image_module.Resampling.NEAREST,
        )
        self._image.paste(image, tuple(round(c * _FINER) for c in corner))

    def finish(self) -> Any:
        """The picture as a PIL.Image.Image."""
        box = self._image_module.Resampling.BOX
        return self._image.resize((self.width, self.height), box)


def text_width(text: str, size: float = 13) -> float:
    """How many pixels a text takes."""
    return _font(size * _FINER).getlength(_plain(text)) / _FINER


def _font(size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _plain(text: str) -> str:
    for sign, plain in (("×", "x"), ("–", "-"), ("…", "..."), ("→", "->")):
        text = text.replace(sign, plain)
    return text.encode("ascii", "replace").decode()
