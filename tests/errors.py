"""How exact convolution is, by algorithm, channels and data: the table of docs/numerics.md.

    python tests/errors.py

Three measures, against float64:

    relative    the Euclidean norm of the error / that of the result
    worst       the greatest error of an element, in units of u times its own sum of |x||w|
    tile        the same in units of u times its tile's magnitude (tests/transforms.py), which is
                what the error of a transform is in proportion to whatever the data
"""

import sys

import numpy as np
import transforms

import fastconv.functional as F
from fastconv import reference

CHANNELS = (16, 64, 256, 1024)
OUT_CHANNELS = 24
IMAGE = (23, 26)  # cuts tiles of 2, 4 and 6 at both edges


def _photograph(rng, channels):
    """0 to 255: a brightness that varies slowly, edges, and a little noise."""
    h, w = IMAGE
    y, x = np.mgrid[0:h, 0:w]
    phase = rng.uniform(0, 2 * np.pi, (2, channels, 1, 1))
    slow = 128 + 70 * np.sin(y / 7 + phase[0]) * np.cos(x / 9 + phase[1])
    edge = 60 * (x > rng.integers(0, w, (channels, 1, 1)))
    return np.clip(np.round(slow + edge + rng.normal(0, 3, (channels, h, w))), 0, 255)


def _normal(rng, channels):
    return rng.standard_normal((channels, *IMAGE))


def _outliers(rng, channels):
    """One input of a thousand is a thousand times as large."""
    x = _normal(rng, channels)
    return np.where(rng.random(x.shape) < 1e-3, 1000 * x, x)


def _weights(rng, channels, k):
    return rng.standard_normal((OUT_CHANNELS, channels, k, k)) / np.sqrt(channels * k * k)


def _sobel(rng, channels, k):
    """Derivatives, whose sums cancel on smooth images."""
    across = np.convolve([1, 0, -1], [1, 2, 1] if k == 5 else [1])
    along = np.convolve([1, 2, 1], [1, 2, 1] if k == 5 else [1])
    filters = np.stack([np.outer(along, across), np.outer(across, along)])
    scale = rng.standard_normal((OUT_CHANNELS, channels, 1, 1))
    return filters[rng.integers(0, 2, (OUT_CHANNELS, channels))] * scale


# data → (x by (generator, channels), weights by (generator, channels, kernel))
DATA = {
    "Gaussian": (_normal, _weights),
    "after ReLU": (lambda rng, c: np.maximum(_normal(rng, c), 0), _weights),
    "photograph, 0 to 255": (_photograph, _weights),
    "one of 1000 inputs 1000 times as large": (_outliers, _weights),
    "Gaussian, 1e20": (lambda rng, c: 1e20 * _normal(rng, c), _weights),
    "Gaussian, 1e-20": (lambda rng, c: 1e-20 * _normal(rng, c), _weights),
    "photograph, Sobel filters": (_photograph, _sobel),
}


def problem(data, channels, k, dtype=np.float32):
    """x (1, C, H, W) and weights, rounded to `dtype`."""
    rng = np.random.default_rng([channels, k, list(DATA).index(data)])
    make_x, make_w = DATA[data]
    return (
        make_x(rng, channels)[np.newaxis].astype(dtype),
        make_w(rng, channels, k).astype(dtype),
    )


def measures(result, x, w, algorithm, padding):
    """(relative, worst, tile) of a result."""
    exact = reference.conv2d(x, w, padding=padding)
    error = np.abs(result.astype(np.float64) - exact)
    u = float(np.finfo(result.dtype).eps) / 2
    magnitude = reference.conv2d(np.abs(x), np.abs(w), padding=padding)
    tile = magnitude
    if algorithm in transforms.TILE:
        tile, _ = transforms.magnitude(x, w, algorithm, padding)
    return (
        float(np.linalg.norm(error) / np.linalg.norm(exact)),
        float((error / (u * magnitude)).max()),
        float((error / (u * tile)).max()),
    )


def main() -> int:
    algorithms = ("direct", *transforms.TILE)
    for k in (3, 5):
        for data in DATA:
            print(f"\n{k}x{k}, {data}")
            for channels in CHANNELS:
                x, w = problem(data, channels, k)
                cells = [f"{channels:5}"]
                for algorithm in algorithms:
                    if (algorithm, k) == ("winograd_f6", 5):
                        continue
                    result = F.conv2d(x, w, padding=k // 2, algorithm=algorithm)
                    relative, worst, tile = measures(result, x, w, algorithm, k // 2)
                    cells.append(f"{algorithm} {relative:.1e} {worst:8.3g} {tile:6.3g}")
                print(" | ".join(cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
