"""docs/transforms.png: how far Winograd's transforms take convolution beyond the FMA peak.

    python benchmarks/transforms_map.py        # six minutes; wants matplotlib

For square layers, as many channels out as in, of the 3×3 and 5×5 windows that networks have:
nominal flops in the time of ``fastconv.Conv2d`` at the default precision, on one thread, as a
multiple of the FMA peak that is measured by turns with it (``fastconv.explain(measure=True)``).
Above 1 is what no algorithm without transforms can reach.
"""

import argparse
import pathlib
import statistics
import sys

import matplotlib
import numpy as np

import fastconv

matplotlib.use("Agg")
from matplotlib import pyplot as plt

CHANNELS = (16, 32, 64, 128, 256, 512)
SIZES = (7, 14, 28, 56, 112)
WINDOWS = (3, 5)
LARGEST = 6_000_000  # elements of a map: 512 channels of 112×112 are beyond what networks have
REPEATS = 5
PICTURE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "transforms.png"


def multiple_of_peak(channels: int, size: int, window: int) -> tuple[float, str]:
    """Of the FMA peak, and the algorithm: the median of some measurements."""
    rng = np.random.default_rng(channels * size * window)
    x = rng.standard_normal((1, channels, size, size), np.float32)
    w = rng.standard_normal((channels, channels, window, window), np.float32)
    conv = fastconv.Conv2d(w, padding="same")
    told = [fastconv.explain(conv, x, threads=1, measure=True) for _ in range(REPEATS)]
    return statistics.median(t.percent_of_peak for t in told) / 100, told[0].algorithm


def measure() -> dict[int, list[list[tuple[float, str] | None]]]:
    """Of each window: a row for each size, a column for each number of channels."""
    found: dict[int, list[list[tuple[float, str] | None]]] = {}
    for window in WINDOWS:
        found[window] = []
        for size in SIZES:
            row = [
                multiple_of_peak(channels, size, window)
                if channels * size * size <= LARGEST
                else None
                for channels in CHANNELS
            ]
            found[window].append(row)
            cells = " ".join(f"{cell[0]:5.2f}" if cell else "    -" for cell in row)
            print(f"{window}x{window} at {size:3}: {cells}", flush=True)
    return found


def draw(found: dict[int, list[list[tuple[float, str] | None]]], path: pathlib.Path) -> None:
    """A map of cells for each window, with the multiple and the algorithm in each."""
    figure, axes = plt.subplots(1, len(found), figsize=(7.2 * len(found), 4.6), squeeze=False)
    for axis, (window, rows) in zip(axes[0], found.items(), strict=True):
        values = np.array([[cell[0] if cell else np.nan for cell in row] for row in rows])
        image = axis.imshow(values, cmap="viridis", vmin=0.5, vmax=4.5, aspect="auto")
        for (y, x), value in np.ndenumerate(values):
            if np.isfinite(value):
                name = rows[y][x][1].removeprefix("winograd_").replace("f", "F")
                name = f"{name[0]}({name[1]})" if name[0] == "F" else name
                colour = "black" if value > 3 else "white"
                axis.text(x, y, f"{value:.2f}\n{name}", ha="center", va="center", color=colour)
        axis.set_xticks(range(len(CHANNELS)), CHANNELS)
        axis.set_yticks(range(len(SIZES)), [f"{size}×{size}" for size in SIZES])
        axis.set_xlabel("channels, in and out")
        axis.set_title(f"{window}×{window}, nominal speed as a multiple of the FMA peak")
        figure.colorbar(image, ax=axis)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picture", type=pathlib.Path, default=PICTURE)
    options = parser.parse_args()
    draw(measure(), options.picture)
    print(f"wrote {options.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
