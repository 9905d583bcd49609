"""Edges: a 3×3 kernel that answers where a picture changes in its direction.

A kernel slides over the picture; at each place the nine pixels below it are multiplied by its nine
weights and added up. Where the weights are 1 on the left and -1 on the right, equal pixels cancel,
and only what gets darker (positive) or brighter (negative) from left to right is left.
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv.data import images
from fastconv.pictures import panels

VERTICAL = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]], np.float32)
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)
SCHARR = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]], np.float32)

FIRST = np.array([[3, 0, 1, 2, 7, 4], [1, 5, 8, 9, 3, 1], [2, 7, 2, 5, 1, 3],
                  [0, 1, 3, 1, 7, 8], [4, 2, 1, 6, 2, 8], [2, 4, 5, 2, 3, 9]],
                 np.float32)  # fmt: skip
BRIGHT_TO_DARK = np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0).astype(np.float32)
CORNERS = np.block([[np.full((3, 3), 10), np.zeros((3, 3))],
                    [np.zeros((3, 3)), np.full((3, 3), 10)]]).astype(np.float32)  # fmt: skip


def convolve(picture, kernel):
    """One channel in, one out: (H, W) becomes (H-2, W-2)."""
    return F.conv2d(picture[None], kernel[None, None])[0]


def slanted(angle, kernel):
    """The kernel for edges whose bright side lies at this angle to the left side, counterclockwise:
    cos of what sees vertical edges and sin of what sees horizontal ones, bright below."""
    radians = np.deg2rad(angle)
    return (np.cos(radians) * kernel - np.sin(radians) * kernel.T).astype(np.float32)


def half_plane(angle, size=33):
    """A smooth edge through the middle: bright on the left, turned counterclockwise by angle."""
    y, x = np.mgrid[:size, :size] - size // 2
    radians = np.deg2rad(angle)
    across = -np.cos(radians) * x + np.sin(radians) * y
    return (1 / (1 + np.exp(-across))).astype(np.float32)


def direction(picture, kernel):
    """Where the kernel and its transpose together see the bright side, at the middle; degrees."""
    horizontal, vertical = (
        convolve(picture, k)[picture.shape[0] // 2 - 1, picture.shape[1] // 2 - 1]
        for k in (kernel, -kernel.T)
    )
    return float(np.rad2deg(np.arctan2(vertical, horizontal)))


def by_hand(lesson):
    """The lecture's examples: vertical edges of one kind and the other, horizontal ones."""
    examples = {
        "any numbers": (FIRST, VERTICAL),
        "bright, then dark": (BRIGHT_TO_DARK, VERTICAL),
        "dark, then bright": (BRIGHT_TO_DARK[:, ::-1], VERTICAL),
        "edges of both directions": (CORNERS, VERTICAL.T),
    }
    found = {name: convolve(*example) for name, example in examples.items()}
    lesson.picture("six", panels.draw(
        [[panels.Numbers(picture, name, "6 × 6"), panels.Sign("*"),
          panels.Numbers(kernel, "kernel", "3 × 3"), panels.Sign("="),
          panels.Numbers(found[name], "result", "4 × 4", strong=30)]
         for name, (picture, kernel) in examples.items()],
        "A kernel on a picture of 6 × 6 pixels",
        "Rows 1 to 3: vertical edges. Row 4: horizontal ones.",
    ))  # fmt: skip
    return found


def turned(lesson):
    """Which kernel answers most to which edge? The one that is turned as the edge is."""
    angles = (0, 45, 70, 90)
    answers = np.array(
        [[convolve(half_plane(edge), slanted(angle, SCHARR)).max() for angle in angles]
         for edge in angles]
    )  # fmt: skip
    answers /= answers.max(axis=1, keepdims=True)
    lesson.table(
        "slanted",
        ["edge at", *(f"kernel for {angle}°" for angle in angles)],
        [[f"{edge}°", *(f"{answer:.2f}" for answer in row)]
         for edge, row in zip(angles, answers, strict=True)],
    )  # fmt: skip
    # Two kernels together tell the direction. Scharr chose his weights so that it comes out right.
    angles = np.arange(0, 91, 15)
    directions = {
        name: np.array([direction(half_plane(angle), kernel) for angle in angles])
        for name, kernel in (("1, 1, 1", VERTICAL), ("Sobel", SOBEL), ("Scharr", SCHARR))
    }
    lesson.table(
        "direction",
        ["edge at", *directions],
        [[f"{angle}°", *(f"{seen[i]:.1f}°" for seen in directions.values())]
         for i, angle in enumerate(angles)],
    )  # fmt: skip
    return {"answers": answers, "direction": directions}


def photograph(lesson):
    """Signed maps of three directions, and how steep it is in any."""
    rgb = images.resize(images.read(images.SAMPLE), 210, 140)
    cat = images.luminance(rgb)
    maps = {
        "vertical edges": convolve(cat, SOBEL),
        "horizontal edges": convolve(cat, SOBEL.T),
        "edges at 45 degrees": convolve(cat, slanted(45, SOBEL)),
    }
    steep = {
        name: np.hypot(convolve(cat, kernel), convolve(cat, kernel.T)) / kernel.clip(0).sum()
        for name, kernel in (("Sobel", SOBEL), ("Scharr", SCHARR))
    }
    lesson.picture("photograph", panels.draw(
        [[panels.Picture(rgb, "photograph"),
          *(panels.Picture(panels.grey(-values, -0.6, 0), f"{name}: how steep it is")
            for name, values in steep.items())],
         [panels.Picture(panels.signed(values, 2.0), name) for name, values in maps.items()]],
        "Edges of a photograph",
        "Below, Sobel's kernels: red where it gets darker to the right or downwards, blue where "
        "brighter.",
    ))  # fmt: skip
    return {"steep": steep}


def main(lesson):
    return by_hand(lesson) | turned(lesson) | photograph(lesson)


if __name__ == "__main__":
    course.run(__file__, main)
