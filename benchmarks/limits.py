"""The table of docs/speed.md: how near to the machine's limit single layers are.

    python benchmarks/limits.py        # eight minutes

Percent of the FMA peak, which ``fastconv.explain(measure=True)`` measures by turns with the layer:
of strict sums, per call and prepared, and prepared at the default precision. float32, batch 1,
plain NCHW in and out, nominal flops; the median of some measurements.
"""

import statistics
import sys

import numpy as np

import fastconv

REPEATS = 3
THREADS = (1, 2)
# name: input and output channels, rows and columns, window, stride, padding, groups
LAYERS = {
    "3×3, 64→64 at 56×56": (64, 64, 56, 3, 1, 1, 1),
    "3×3, 128→128 at 28×28": (128, 128, 28, 3, 1, 1, 1),
    "3×3, 256→256 at 14×14": (256, 256, 14, 3, 1, 1, 1),
    "3×3, 512→512 at 7×7": (512, 512, 7, 3, 1, 1, 1),
    "3×3, 64→64 at 224×224": (64, 64, 224, 3, 1, 1, 1),
    "5×5, 64→64 at 28×28": (64, 64, 28, 5, 1, 2, 1),
    "3×3, 61→67 at 56×56": (61, 67, 56, 3, 1, 1, 1),
    "3×3, 40→24 at 28×28": (40, 24, 28, 3, 1, 1, 1),
    "3×3 stride 2, 128→128 at 56×56": (128, 128, 56, 3, 2, 1, 1),
    "3×3 stride 2, 256→512 at 14×14": (256, 512, 14, 3, 2, 1, 1),
    "stem 7×7 stride 2, 3→64 at 224×224": (3, 64, 224, 7, 2, 3, 1),
    "stem 11×11 stride 4, 3→96 at 227×227": (3, 96, 227, 11, 4, 0, 1),
    "stem 4×4 stride 4, 3→96 at 224×224": (3, 96, 224, 4, 4, 0, 1),
    "stem 3×3 stride 2, 3→32 at 224×224": (3, 32, 224, 3, 2, 1, 1),
    "3×3, 3→64 at 224×224": (3, 64, 224, 3, 1, 1, 1),
    "1×1, 64→256 at 56×56": (64, 256, 56, 1, 1, 0, 1),
    "1×1, 256→64 at 56×56": (256, 64, 56, 1, 1, 0, 1),
    "1×1, 1024→256 at 14×14": (1024, 256, 14, 1, 1, 0, 1),
    "1×1 stride 2, 256→512 at 56×56": (256, 512, 56, 1, 2, 0, 1),
    "3×3, 26 groups of 8 at 28×28": (208, 208, 28, 3, 1, 1, 26),
    "3×3, 32 groups of 4 at 28×28": (128, 128, 28, 3, 1, 1, 32),
}


def percent(*call, **how) -> tuple[int, str]:
    """Of the peak, and the algorithm."""
    told = [fastconv.explain(*call, **how, measure=True) for _ in range(REPEATS)]
    return round(statistics.median(t.percent_of_peak for t in told)), told[0].algorithm


def row(name: str) -> list[str]:
    """The cells of a layer."""
    ic, oc, size, window, stride, padding, groups = LAYERS[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, ic, size, size), np.float32)
    w = rng.standard_normal((oc, ic // groups, window, window), np.float32)
    how = {"stride": stride, "padding": padding, "groups": groups}
    sums, transforms = (fastconv.Conv2d(w, **how, precision=p) for p in ("strict", "default"))
    cells = [name]
    for call in (("conv2d", x, w), (sums, x), (transforms, x)):
        options = how | {"precision": "strict"} if call[0] == "conv2d" else {}
        found = [percent(*call, **options, threads=threads) for threads in THREADS]
        cells += [found[0][1], *(str(value) for value, _ in found)]
    return cells


def main() -> int:
    heads = [f"{form}, {n}T" for form in ("`F.conv2d`", "`Conv2d`", "`Conv2d`") for n in THREADS]
    for at, head in ((0, "strict"), (3, "strict"), (6, "default")):
        heads.insert(at, head)
    print("| layer | " + " | ".join(heads) + " |")
    print("|---|" + "---|--:|--:|" * 3)
    for name in LAYERS:
        print("| " + " | ".join(row(name)) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
