"""Convolution and cross-correlation: networks do not flip the kernel, mathematics does.

What a layer computes is cross-correlation: the kernel lies on the picture as it is. In mathematics
it is turned by 180 degrees first. For that, convolution is associative, (a*b)*c = a*(b*c): two
kernels can be made one before any picture is seen. A network learns its kernels, and learns them
turned if they need to be; nothing is lost without the flip.
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv.data import images
from fastconv.pictures import panels

PICTURE = np.array(
    [[2, 3, 7, 4, 6, 2], [6, 6, 9, 8, 7, 4], [3, 4, 8, 3, 8, 9],
     [7, 8, 3, 6, 6, 3], [4, 2, 1, 8, 3, 4], [3, 2, 4, 1, 9, 8]], np.float32,
)  # fmt: skip
KERNEL = np.array([[3, 4, 5], [1, 0, 2], [-1, 9, 7]], np.float32)
BLUR = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float32) / 16
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)


def valid(operation, a, b):
    """Only where the kernel lies on the picture as a whole."""
    return operation(a[None], b[None, None])[0]


def full(operation, a, b):
    """Wherever the two overlap at all: (H, W) and (h, w) make (H+h-1, W+w-1)."""
    h, w = b.shape
    return operation(a[None], b[None, None], padding=(h - 1, w - 1))[0]


def main(lesson):
    found = {
        "correlation": valid(F.conv2d, PICTURE, KERNEL),
        "convolution": valid(F.convolve2d, PICTURE, KERNEL),
        "flipped": valid(F.conv2d, PICTURE, np.flip(KERNEL)),
    }
    lesson.picture("flip", panels.draw(
        [[panels.Numbers(PICTURE, "picture"), panels.Sign("*"),
          panels.Numbers(kernel, name), panels.Sign("="),
          panels.Numbers(result, told, strong=250)]
         for kernel, name, result, told in (
             (KERNEL, "as it is", found["correlation"], "F.conv2d: cross-correlation"),
             (np.flip(KERNEL), "flipped twice", found["flipped"], "F.convolve2d: convolution"))],
        "A kernel, and the same kernel flipped",
    ))  # fmt: skip

    # Numbers from -3 to 3: their sums are exact, so that "equal" means equal.
    a, b, c = (lesson.rng.integers(-3, 4, (n, n)).astype(np.float32) for n in (8, 3, 3))
    found["differences"] = {}
    for name, operation in (("convolution", F.convolve2d), ("cross-correlation", F.conv2d)):
        one_by_one = full(operation, full(operation, a, b), c)
        joined = full(operation, a, full(operation, b, c))
        found["differences"][name] = float(np.abs(one_by_one - joined).max())
    lesson.table(
        "associative",
        ["operation", "(a∗b)∗c and a∗(b∗c) differ by at most"],
        [[name, f"{difference:.0f}"] for name, difference in found["differences"].items()],
    )

    # What it is good for: blur, then look for edges; or do both at once with one kernel of 5×5.
    both = full(F.convolve2d, BLUR, SOBEL)
    cat = images.luminance(images.resize(images.read(images.SAMPLE), 210, 140))
    twice = valid(F.convolve2d, valid(F.convolve2d, cat, BLUR), SOBEL)
    once = valid(F.convolve2d, cat, both)
    found["kernel"], found["once"], found["twice"] = both, once, twice
    lesson.picture("kernels", panels.draw(
        [[panels.Numbers(BLUR * 16, "blur × 16"), panels.Sign("*"), panels.Numbers(SOBEL, "Sobel"),
          panels.Sign("="), panels.Numbers(both * 16, "both × 16")]],
        "Two kernels made one",
    ))  # fmt: skip
    lesson.picture("photograph", panels.draw(
        [[panels.Picture(panels.signed(twice, 1.2), "blurred, then Sobel", "two kernels of 3 × 3"),
          panels.Picture(panels.signed(once, 1.2), "both at once", "one kernel of 5 × 5"),
          panels.Picture(panels.signed(valid(F.convolve2d, cat, SOBEL), 2.0), "not blurred")]],
        "The same edges by two kernels and by one",
    ))  # fmt: skip
    return found


if __name__ == "__main__":
    course.run(__file__, main)
