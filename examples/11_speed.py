"""Speed: one convolution as six loops, as matrix products by NumPy, and as fastconv.

All four compute the same sums. The loops say most clearly what a convolution is; the others are
about having them sooner. A matrix product for each of the kernel's nine places takes four loops out
of Python; one for each row of the result needs nine copies of each pixel; the engine copies none,
or makes do with fewer multiplications (Winograd).
"""

import time

import course
import numpy as np

import fastconv
import fastconv.functional as F
from fastconv import reference, tuning_file


def loops(picture, kernels):
    """(maps, height, width): for each number of the result, the products of one window."""
    channels, height, width = picture.shape
    maps, _, f, _ = kernels.shape
    pixels, weights = picture.tolist(), kernels.tolist()
    result = []
    for o in range(maps):
        rows = []
        for y in range(height - f + 1):
            row = []
            for x in range(width - f + 1):
                total = 0.0
                for c in range(channels):
                    for i in range(f):
                        for j in range(f):
                            total += weights[o][c][i][j] * pixels[c][y + i][x + j]
                row.append(total)
            rows.append(row)
        result.append(rows)
    return np.array(result)


def unfolded(picture, kernels):
    """Each kernel becomes a row of one matrix, each window a column of another (im2col)."""
    maps, channels, f, _ = kernels.shape
    windows = np.lib.stride_tricks.sliding_window_view(picture, (f, f), axis=(1, 2))
    weights = kernels.reshape(maps, -1)
    rows = [weights @ row.transpose(0, 2, 3, 1).reshape(channels * f * f, -1)
            for row in windows.swapaxes(0, 1)]  # fmt: skip
    return np.stack(rows, axis=1)


WAYS = {
    "loops in Python": loops,
    "NumPy, a product for each place": reference.conv2d,
    "NumPy, a product for each row": unfolded,
    "fastconv": F.conv2d,
}


def seconds(call, least):
    """The shortest of at least three calls, and of so many that they take so long together: of the
    CPU, so that what else the machine does counts little."""
    times = []
    while len(times) < 3 or sum(times) < least:
        begun = time.thread_time()
        call()
        times.append(time.thread_time() - begun)
    return min(times)


def main(lesson):
    channels, maps, side = (4, 4, 18) if lesson.quick else (16, 16, 34)
    picture = lesson.rng.normal(size=(channels, side, side)).astype(np.float32)
    kernels = lesson.rng.normal(size=(maps, channels, 3, 3)).astype(np.float32)
    products = maps * (side - 2) ** 2 * channels * 9
    exact = loops(picture, kernels)
    results = {name: way(picture, kernels) for name, way in WAYS.items()}
    scale = np.abs(exact).max()
    differences = {
        name: float(np.abs(result - exact).max() / scale) for name, result in results.items()
    }
    least = 0.02 if lesson.quick else 1.5
    with fastconv.num_threads(1):
        times = {name: seconds(lambda way=way: way(picture, kernels), least)
                 for name, way in WAYS.items()}  # fmt: skip
    slowest = times["loops in Python"]
    for name, took in times.items():
        lesson.say(f"{name:<34} {1e3 * took:10.3f} ms {slowest / took:10,.0f}×")
    lesson.say(f"fastconv: {2 * products / times['fastconv'] / 1e9:.1f} GFLOP/s on one thread")
    # To a power of ten, so that the page is the same after each run.
    lesson.table(
        "times",
        ["way", "agrees with the loops", "times as fast, about"],
        [[name, "to 5 digits" if differences[name] < 1e-5 else "no",
          f"{10 ** round(np.log10(slowest / took)):,}×"] for name, took in times.items()],
        within=np.inf,
    )  # fmt: skip
    machine = tuning_file.machine()
    told = (f"{channels}×{side}×{side}, {maps} kernels of 3×3: {products:,} multiplications",
            f"{machine['cpu']}, {machine['tier']}, fastconv on one thread")  # fmt: skip
    lesson.text("machine", "\n".join(told), within=np.inf)
    return {"differences": differences, "times": times, "shape": exact.shape}


if __name__ == "__main__":
    course.run(__file__, main)
