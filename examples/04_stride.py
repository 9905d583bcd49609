"""Stride: the kernel moves on by s pixels at a time, and the result is s times smaller.

Of n pixels and a border of p on both sides, a kernel of f has floor((n + 2p - f)/s) + 1 places: a
last window that would hang over the edge is left out. The numbers are those that stride 1 gives,
with all but every s-th row and column left out; the work for those is never done.
"""

import course
import numpy as np

import fastconv
import fastconv.functional as F
from fastconv.data import images
from fastconv.pictures import panels

PICTURE = np.array(
    [[2, 3, 7, 4, 6, 2, 9], [6, 6, 9, 8, 7, 4, 3], [3, 4, 8, 3, 8, 9, 7], [7, 8, 3, 6, 6, 3, 4],
     [4, 2, 1, 8, 3, 4, 6], [3, 2, 4, 1, 9, 8, 3], [0, 1, 3, 9, 2, 1, 4]], np.float32,
)  # fmt: skip
KERNEL = np.array([[3, 4, 4], [1, 0, 2], [-1, 0, 3]], np.float32)
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)


def cost(n, f, p, s):
    """(side of the result, multiplications) of one kernel on one channel, as the engine has it."""
    ones, kernel = np.ones((1, n, n), np.float32), np.ones((1, 1, f, f), np.float32)
    side = F.conv2d(ones, kernel, padding=p, stride=s).shape[1]
    told = fastconv.explain("conv2d", ones, kernel, padding=p, stride=s)
    return side, told.flops // 2  # a FLOP is a multiplication or an addition


def main(lesson):
    dense = F.conv2d(PICTURE[None], KERNEL[None, None])[0]
    strided = F.conv2d(PICTURE[None], KERNEL[None, None], stride=2)[0]
    lesson.picture("seven", panels.draw(
        [[panels.Numbers(PICTURE, "picture", "7 × 7"), panels.Sign("*"),
          panels.Numbers(KERNEL, "kernel", "3 × 3, stride 2"), panels.Sign("="),
          panels.Numbers(strided, "result", "3 × 3", strong=200)],
         [panels.Numbers(PICTURE, "picture", "7 × 7"), panels.Sign("*"),
          panels.Numbers(KERNEL, "kernel", "3 × 3, stride 1"), panels.Sign("="),
          panels.Numbers(dense, "result", "5 × 5", strong=200)]],
        "A kernel that moves by two pixels, and by one",
        "Every second row and column of the second result is the first.",
    ))  # fmt: skip

    asked = [(7, 3, 0, 1), (7, 3, 0, 2), (7, 3, 0, 3), (7, 3, 1, 2), (6, 3, 0, 2), (39, 3, 0, 1),
             (37, 5, 0, 2), (17, 5, 0, 2), (227, 11, 0, 4), (224, 7, 3, 2)]  # fmt: skip
    costs = {given: cost(*given) for given in asked}
    lesson.table(
        "sizes",
        ["n", "f", "p", "s", "(n + 2p - f)/s + 1", "result", "multiplications"],
        [[n, f, p, s, f"{(n + 2 * p - f) / s + 1:.2f}", f"{side} × {side}", products]
         for (n, f, p, s), (side, products) in costs.items()],
    )  # fmt: skip

    grey = images.luminance(images.resize(images.read(images.SAMPLE), 240, 160))[None]
    kernels = np.stack([SOBEL, SOBEL.T])[:, None]
    steep = {s: np.hypot(*F.conv2d(grey, kernels, padding=1, stride=s)) for s in (1, 2, 4)}
    lesson.picture("photograph", panels.draw(
        [[panels.Picture(panels.grey(-edges, -2.5, 0), f"stride {s}", f"{240 // s} × {160 // s}")
          for s, edges in steep.items()]],
        "Edges of a photograph at three strides",
    ))  # fmt: skip
    return {"dense": dense, "strided": strided, "costs": costs, "steep": steep}


if __name__ == "__main__":
    course.run(__file__, main)
