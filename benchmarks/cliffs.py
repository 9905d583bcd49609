"""No cliffs: is any shape far slower, for what it asks, than its regular neighbour?

    python benchmarks/cliffs.py                                # every tier, 500 shapes each
    python benchmarks/cliffs.py --tier avx2 --threads 2 --slice 1/2

The promise is that an odd channel count, stride, padding, dilation or group count runs at no less
than half of the rate, relative to the roofline, of its regular neighbour. For each drawn shape
(benchmarks/drawn.py) and its neighbour the engine's time, the neighbour's and the FMA peak are
taken by turns of a millisecond; then

    roofline  = fixed + max(flops / peak, bytes / bandwidth(bytes))
    attained  = roofline / time                     1 would be perfect
    ratio     = attained / attained of the neighbour, at least 0.5

**The neighbour** computes a map of the same size with the same kernel, at stride 1, dilation 1 and
'same' padding, from input and output channels rounded up to multiples of 16 in each group; the
number of groups stays. Depthwise (one input channel in each of several groups) stays depthwise,
with the number of groups rounded up: 16 channels in each would be another operation. The size kept
is that of the result, since it decides how many pixels share a weight and fill a tile; a neighbour
of the same input would do up to nine times the work, and the ratio would tell of its size instead
of the stride.

**bytes** are input, weights and result, each once. bandwidth(bytes) is that of copying as many in
memory, since a second call finds its data in whichever cache holds them.

**fixed** is the time of a 1x1x1x1 convolution with a 1x1x1x1 weight, on as many threads: what the
engine takes to look at its arguments and start. It is part of the model so that tiny shapes need
not be left out. Without it, every call of a few hundred nanoseconds of work would seem to attain
little, its larger neighbour more, and the ratio would again tell of their sizes; with it, what
still counts against a tiny shape is the time that it takes beyond the least that any call does. A
cliff that is the fixed cost itself (were it 1 ms) would not show here; that is what its own target
is for (F.conv2d on 1x1x5x5).

Both are computed with precision 'strict': a neighbour that Winograd's transforms take beyond the
peak is no cliff of the others. Weights are packed by every call, as F.conv2d does. Ratios below 0.6
are taken once more with more rounds, and the second one counts.
"""

import argparse
import bisect
import concurrent.futures
import dataclasses
import math
import statistics
import sys
import threading
import time

import drawn
import numpy as np
from corpus import Layer

from fastconv import _core
from fastconv.turns import by_turns

PROMISE = 0.5
DOUBTFUL = 0.6
GRID = 16
FOOTPRINTS = [2**power for power in range(16, 28)]  # 64 KiB to 128 MiB


def neighbour(shape: drawn.Drawn) -> drawn.Drawn:
    """The nearest shape on the grid; see above."""
    layer = shape.layer
    groups, inputs, outputs = layer.g, layer.ic // layer.g, layer.oc // layer.g
    if inputs == 1 and groups > 1:
        groups = _up(groups)
    else:
        inputs, outputs = _up(inputs), _up(outputs)
    oh, ow = layer.output_size
    regular = Layer(
        kind="conv", mb=layer.mb, ic=groups * inputs, ih=oh, iw=ow, oc=groups * outputs, g=groups,
        kh=layer.kh, kw=layer.kw, ph=(layer.kh - 1) // 2, phe=layer.kh // 2,
        pw=(layer.kw - 1) // 2, pwe=layer.kw // 2,
    )  # fmt: skip
    if regular.ph == regular.phe and regular.pw == regular.pwe:
        regular = dataclasses.replace(regular, phe=None, pwe=None)
    return drawn.Drawn(regular, shape.dtype)


def _up(count: int) -> int:
    return -(-count // GRID) * GRID


class Roof:
    """What this machine would need for a shape; the peak comes with each measurement."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.bandwidths = [_bandwidth(bytes, threads) for bytes in FOOTPRINTS]
        one = drawn.Drawn(Layer(kind="conv", ic=1, ih=1, iw=1, oc=1, kh=1, kw=1), "float32")
        self.fixed = statistics.median(by_turns([one.call(threads).timer()], 0.05)[0])

    def seconds(self, shape: drawn.Drawn, peak: float) -> float:
        at = bisect.bisect_left(FOOTPRINTS, shape.bytes)
        bandwidth = self.bandwidths[min(at, len(FOOTPRINTS) - 1)]
        return self.fixed + max(shape.flops / peak, shape.bytes / bandwidth)


def _bandwidth(footprint: int, threads: int) -> float:
    """Bytes a second, read and written, of copies that touch so many bytes in all."""
    size = footprint // 2 // threads
    copies = max(1, int(2e8) // footprint)
    start_line = threading.Barrier(threads)

    def work(_: int) -> float:
        source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
        np.copyto(target, source)
        best = math.inf
        for _ in range(3):
            start_line.wait()
            start = time.perf_counter()
            for _ in range(copies):
                np.copyto(target, source)
            best = min(best, time.perf_counter() - start)
        return best

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return 2 * size * threads * copies / max(pool.map(work, range(threads)))


def measure(shape: drawn.Drawn, roof: Roof) -> dict:
    """The row of one shape."""
    regular = neighbour(shape)
    calls = [which.call(roof.threads, "strict") for which in (shape, regular)]
    timers = [call.timer() for call in calls]
    timers.append(lambda: _core.measure_peak(shape.dtype, roof.threads))
    figures = _attained(by_turns(timers, 0.015), shape, regular, roof)
    if figures["ratio"] < DOUBTFUL:
        figures = _attained(by_turns(timers, 0.06, least=15), shape, regular, roof)
    return {
        "shape": str(shape),
        "algorithm": calls[0].probe().algorithm,
        "neighbour": str(regular),
        "neighbour_algorithm": calls[1].probe().algorithm,
    } | figures


def _attained(
    rounds: list[list[float]], shape: drawn.Drawn, regular: drawn.Drawn, roof: Roof
) -> dict:
    """Medians over the rounds, each round with its own peak."""
    attained, attained_regular = (
        [roof.seconds(which, peak) / taken for taken, peak in zip(times, rounds[2], strict=True)]
        for which, times in ((shape, rounds[0]), (regular, rounds[1]))
    )
    return {
        "us": statistics.median(rounds[0]) * 1e6,
        "attained": statistics.median(attained),
        "neighbour_us": statistics.median(rounds[1]) * 1e6,
        "neighbour_attained": statistics.median(attained_regular),
        "gflops": shape.flops / statistics.median(rounds[0]) * 1e-9,
        "ratio": statistics.median(
            a / b for a, b in zip(attained, attained_regular, strict=True)
        ),
    }  # fmt: skip


def summary(rows: list[dict]) -> dict:
    """What the rows come to."""
    ratios = sorted(row["ratio"] for row in rows)
    return {
        "promise": PROMISE,
        "cliffs": sum(found < PROMISE for found in ratios),
        "worst": ratios[0],
        "median": statistics.median(ratios),
    }


def report(rows: list[dict]) -> None:
    """Print how many break the promise, by algorithm, and the worst ten."""
    figures = summary(rows)
    print(
        f"below {PROMISE} of the regular neighbour: {figures['cliffs']} of {len(rows)} shapes; "
        f"median ratio {figures['median']:.2f}, worst {figures['worst']:.2f}"
    )
    worst = sorted(rows, key=lambda row: row["ratio"])[:10]
    drawn.table(
        ("the worst ten", "algorithm", "us", "of roof", "regular", "us", "of roof", "ratio"),
        [
            (
                row["shape"],
                row["algorithm"],
                f"{row['us']:.1f}",
                f"{row['attained']:.0%}",
                row["neighbour_algorithm"],
                f"{row['neighbour_us']:.1f}",
                f"{row['neighbour_attained']:.0%}",
                f"{row['ratio']:.2f}",
            )
            for row in worst
        ],
    )
    by_algorithm: dict[str, list[float]] = {}
    for row in rows:
        by_algorithm.setdefault(row["algorithm"], []).append(row["ratio"])
    for algorithm, ratios in sorted(by_algorithm.items()):
        cliffs = sum(found < PROMISE for found in ratios)
        print(f"{algorithm}: {cliffs} of {len(ratios)} below, worst {min(ratios):.2f}")


def main(options: argparse.Namespace, tier: str) -> None:
    shapes = drawn.slice_of(options)
    roof = Roof(options.threads)
    print(
        f"{tier}: {len(shapes)} shapes of seed {options.seed}, {options.threads} thread(s), fixed "
        f"{roof.fixed * 1e9:.0f} ns, copies {roof.bandwidths[0] * 1e-9:.0f} GB/s at 64 KiB, "
        f"{roof.bandwidths[-1] * 1e-9:.0f} at 128 MiB"
    )
    rows = [measure(shape, roof) for shape in shapes]
    report(drawn.save("cliffs", options, tier, rows, summary))


if __name__ == "__main__":
    sys.exit(drawn.run(drawn.parser(__doc__, 500).parse_args(), main))
