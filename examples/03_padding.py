"""Padding: a border around the picture, so that the result is as large, and corners count as much.

A kernel of f×f pixels has (n-f+1)² places in a picture of n×n; with a border of p pixels on each
side, (n+2p-f+1)². The result is as large as the picture if p = (f-1)/2, which takes an odd f.
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv.data import images
from fastconv.pictures import panels

MODES = ("zeros", "reflect", "replicate", "circular")
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)


def size(n, f, padding):
    """The side of a result, as the engine has it."""
    ones = np.ones((1, n, n), np.float32)
    return F.conv2d(ones, np.ones((1, 1, f, f), np.float32), padding=padding).shape[1]


def uses(n, f, padding):
    """How many windows see each pixel: every window hands its one back to all that it saw."""
    windows = np.ones((1, size(n, f, padding), size(n, f, padding)), np.float32)
    return F.conv_transpose2d(windows, np.ones((1, 1, f, f), np.float32), padding=padding)[0]


def bordered(picture, p, mode):
    """The picture with the border that a convolution with this padding_mode would see."""
    return F.pad(picture[None], (p, p, p, p), "constant" if mode == "zeros" else mode)[0]


def false_edges(grey, mode):
    """How steep the outermost pixels seem, as a multiple of how steep the others are."""
    x, y = F.conv2d(grey[None], np.stack([SOBEL, SOBEL.T])[:, None], padding=1, padding_mode=mode)
    steep = np.hypot(x, y)
    border = np.ones(steep.shape, bool)
    border[1:-1, 1:-1] = False
    return float(steep[border].mean() / steep[~border].mean())


def shift(f, padding, times=8):
    """By how many pixels a dot in the middle has moved after so many averages over f×f pixels."""
    picture = np.zeros((1, 65, 65), np.float32)
    picture[0, 32, 32] = 1
    for _ in range(times):
        picture = F.conv2d(picture, np.full((1, 1, f, f), 1 / f**2, np.float32), padding=padding)
    middle = (picture[0].sum(axis=0) * np.arange(65)).sum() / picture.sum()
    return float(middle - 32)


def sizes(lesson):
    """n + 2p - f + 1, and how many windows see a corner."""
    asked = [(6, 3, 0), (6, 3, 1), (6, 5, 2), (28, 5, 0), (32, 5, 0), (224, 3, 1), (224, 7, 3)]
    sides = {(n, f, p): size(n, f, p) for n, f, p in asked}
    lesson.table(
        "sizes",
        ["n", "f", "p", "n + 2p - f + 1", "the engine's result", "p is (f - 1)/2"],
        [[n, f, p, n + 2 * p - f + 1, f"{side} × {side}", "yes: same" if 2 * p == f - 1 else "no"]
         for (n, f, p), side in sides.items()],
    )  # fmt: skip
    counts = {"valid": uses(6, 3, 0), "same": uses(6, 3, 1)}
    lesson.picture("uses", panels.draw(
        [[panels.Numbers(count, f"padding {p} ({name})", f"result {4 + 2 * p} × {4 + 2 * p}")
          for p, (name, count) in enumerate(counts.items())]],
        "How many windows of 3 × 3 see each pixel",
    ))  # fmt: skip
    return {"sizes": sides, "uses": counts}


def borders(lesson):
    """What the border can hold, and what that does to a photograph."""
    numbers = np.arange(1, 17, dtype=np.float32).reshape(4, 4)
    around = {mode: bordered(numbers, 2, mode) for mode in MODES}
    lesson.picture("borders", panels.draw(
        [[panels.Numbers(border, mode, cell=28) for mode, border in around.items()]],
        "What a border of 2 holds around the numbers 1 to 16",
    ))  # fmt: skip
    rgb = images.resize(images.read(images.SAMPLE), 180, 120)
    channels = rgb.transpose(2, 0, 1).astype(np.float32)
    blur = np.full((3, 1, 21, 21), 1 / 21**2, np.float32)
    blurred = {
        mode: F.conv2d(channels, blur, padding=10, groups=3, padding_mode=mode) for mode in MODES
    }
    lesson.picture("blurred", panels.draw(
        [[panels.Picture(np.rint(picture).astype(np.uint8).transpose(1, 2, 0), mode)
          for mode, picture in blurred.items()]],
        "A photograph, averaged over 21 × 21 pixels",
        "Zeros darken the border; a circular border lets the other side shine in.",
    ))  # fmt: skip
    grey = images.luminance(rgb)
    seen = {mode: false_edges(grey, mode) for mode in MODES}
    lesson.table(
        "false_edges",
        ["border", "steepness of the outermost pixels, others = 1"],
        [[mode, f"{times:.1f}"] for mode, times in seen.items()],
    )
    return {"borders": around, "false edges": seen}


def odd_and_even(lesson):
    """Kernels without a pixel in their middle move the picture."""
    moves = {(f, p): shift(f, p) for f in (3, 2, 4) for p in ("same", "same_lower")}
    lesson.table(
        "shift",
        ["f", "padding", "moved by, after 8 convolutions"],
        [[f, f"`{padding!r}`", f"{round(moved, 1) + 0.0:.1f} pixels"]
         for (f, padding), moved in moves.items()],
    )  # fmt: skip
    return {"shift": moves}


def main(lesson):
    return sizes(lesson) | borders(lesson) | odd_and_even(lesson)


if __name__ == "__main__":
    course.run(__file__, main)
