"""Weights and images by a formula in integers: the same numbers in every library, everywhere.

Two libraries that are given them can be compared although only one is installed: what the other
made of them is kept as text (tests/torchvision.txt).
"""

import math

import numpy as np

_PRIME = 1_000_003


def _numbers():
    """As good as uniform from -0.5 to 0.5: a quadratic sequence modulo a prime."""
    k = np.arange(_PRIME, dtype=np.int64)
    return (k * k % _PRIME * 7919 + k * 104_729) % _PRIME / _PRIME - 0.5


_NUMBERS = np.tile(_numbers(), 2)


def values(index, shape):
    """Number `index` of as many arrays as one likes, uniform from -0.5 to 0.5, float64."""
    begin = index * 611_953 % _PRIME
    return np.resize(_NUMBERS[begin : begin + min(math.prod(shape), _PRIME)], shape)


def state(shapes):
    """A state for names and shapes: weights that keep the variance through ReLU, statistics and
    scales near those of standardised data."""
    result = {}
    for i, (name, shape) in enumerate(shapes.items()):
        shape = tuple(shape)
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":
            result[name] = np.zeros(shape, np.int64)
        elif kind == "weight" and len(shape) > 1:
            result[name] = values(i, shape) * math.sqrt(24 / math.prod(shape[1:]))
        else:
            spread = 0.4 * values(i, shape)
            result[name] = spread + 1 if kind in ("weight", "running_var") else spread
    return result


def images(shape):
    """Images for it."""
    return 3 * values(1_000_000, shape)
