"""A photograph of one digit made into an image as MNIST has them.

MNIST's digits were scaled, with their proportions kept, into a box of 20 × 20 pixels, and laid into
28 × 28 so that their centre of mass is in the middle; ink is bright on 0. A network that has
learned those reads others when they have gone through the same:

    1. grey levels; the background is the median of the outermost pixels
    2. ink is what differs from the background: where it is light, what is darker, and the other way
       round; stretched so that the strongest is 255, and less than a fifth of that is taken for
       paper
    3. the box around all ink, scaled so that its longer side is 20 pixels
    4. laid into 28 × 28 with its centre of mass in the middle, as far as it fits

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
"""

import numpy as np

from fastconv.data.images import ImageError, load_pillow, luminance

__all__ = ["as_digit"]

_SIDE, _BOX = 28, 20
_PAPER = 0.2  # of the strongest ink: less is paper
_FAINTEST = 0.1  # of the whole range from black to white: less is no ink


def as_digit(rgb: np.ndarray) -> np.ndarray:
    """The digit as MNIST would have it.

    Args:
        rgb: (H, W, 3) uint8, as ``images.read`` gives.

    Returns:
        (28, 28) uint8, ink bright on 0.

    Raises:
        ImageError: all of it has one brightness.
        MissingPillow: Pillow is not installed.

    >>> page = np.full((60, 40, 3), 250, np.uint8)
    >>> page[10:50, 18:22] = 30
    >>> digit = as_digit(page)
    >>> np.argwhere(digit > 127).min(axis=0).tolist(), np.argwhere(digit > 127).max(axis=0).tolist()
    ([4, 13], [23, 14])
    """
    grey = luminance(rgb)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = float(np.median(edge))
    ink = np.maximum(paper - grey if paper > 0.5 else grey - paper, 0)
    # A few glaring pixels shall not make all others pale.
    strongest = float(np.quantile(ink[ink > _FAINTEST], 0.95)) if (ink > _FAINTEST).any() else 0.0
    if not strongest:
        raise ImageError("there is no ink on it: all of it has nearly the same brightness")
    ink = np.minimum(ink / strongest, 1)
    ink[ink < _PAPER] = 0
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centred(_scaled(ink))


def _scaled(ink: np.ndarray) -> np.ndarray:
    """So that the longer side is 20 pixels."""
    image_module, _ = load_pillow()
    height, width = ink.shape
    scale = _BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = image_module.fromarray(np.rint(255 * ink).astype(np.uint8))
    return np.asarray(image.resize(size, image_module.Resampling.BILINEAR))


def _centred(ink: np.ndarray) -> np.ndarray:
    """In 28 × 28, the centre of mass in the middle."""
    result = np.zeros((_SIDE, _SIDE), np.uint8)
    weight = ink.astype(float)
    corner = []
    for axis, size in enumerate(ink.shape):
        mass = weight.sum(axis=1 - axis)
        centre = float((np.arange(size) + 0.5) @ mass / mass.sum())
        corner.append(min(max(round(_SIDE / 2 - centre), 0), _SIDE - size))
    top, left = corner
    result[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return result
