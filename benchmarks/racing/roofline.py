"""docs/roofline.png: speed against flops for each byte, under the roofs of the machine."""

import math
import pathlib
import statistics
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib import ticker

from racing import figures
from racing.engines import PREPARED
from racing.figures import Row

OWN_COLOUR = "#c1272d"
PEER_COLOURS = {
    "torch": "#7f7f7f",
    "onnxruntime": "#1f77b4",
    "openvino": "#2ca02c",
    "ncnn": "#9467bd",
    "mnn": "#ff7f0e",
}


def draw(sessions: list[dict[str, Any]], rows: list[Row], path: pathlib.Path) -> bool:
    """Draw warm float32 rows that have flops, a panel for each number of threads.

    Returns:
        False if there are none, and then nothing is drawn.
    """
    warm = [row for row in rows if row["dtype"] == "float32" and not row["cold"]]
    warm = [row for row in warm if figures.intensity(row) > 0]
    threads = sorted({row["threads"] for row in warm})
    if not threads:
        return False
    figure, axes = plt.subplots(
        1, len(threads), figsize=(8 * len(threads), 6.6), sharey=True, squeeze=False
    )
    for axis, count in zip(axes[0], threads, strict=True):
        _panel(axis, [row for row in warm if row["threads"] == count], count, sessions)
    axes[0][0].set_ylabel("GFLOP/s (nominal)")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
    return True


def _panel(axis, rows: list[Row], threads: int, sessions: list[dict[str, Any]]) -> None:
    points = [(figures.intensity(row), row) for row in rows]
    low = min(x for x, _ in points) / 2
    high = max(x for x, _ in points) * 2
    peak = statistics.median(row["peak"] for row in rows)

    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(low, high)
    _roofs(axis, low, high, peak, figures.copies(sessions).get(str(threads), {}))

    drawn = set()
    axis.scatter([], [], s=22, color=OWN_COLOUR, label="fastconv, prepared")
    for x, row in points:
        peer = figures.best_peer(row, figures.peers(None))
        ours = figures.gflops(row, figures.own(row, PREPARED))
        if peer:
            engine, ms = peer
            theirs = figures.gflops(row, ms)
            axis.plot([x, x], [theirs, ours], color="0.8", linewidth=0.8, zorder=1)
            label = None if engine in drawn else f"{engine}, where it is the best peer"
            drawn.add(engine)
            axis.scatter(
                x, theirs, s=26, facecolors="none", edgecolors=PEER_COLOURS[engine],
                linewidths=1.3, label=label, zorder=2,
            )  # fmt: skip
        axis.scatter(x, ours, s=22, color=OWN_COLOUR, zorder=3)

    for line in (axis.xaxis, axis.yaxis):
        line.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        line.set_minor_formatter(ticker.NullFormatter())
    axis.set_xlabel("flops for each byte of input, weights and result")
    axis.set_title(f"float32, warm, {threads} thread{'s' if threads > 1 else ''}")
    axis.grid(True, which="major", color="0.9")
    axis.set_axisbelow(True)
    axis.legend(loc="lower right", fontsize=9, framealpha=0.9)


def _roofs(axis, low: float, high: float, peak: float, copies: dict[str, float]) -> None:
    """Lines of a plain copy's bandwidth up to the FMA peak, and the peak."""
    axis.axhline(peak, color="black", linewidth=1.4)
    axis.annotate(
        f"FMA peak {peak:.0f} GFLOP/s; points above it save work", (low, peak),
        xytext=(6, 5), textcoords="offset points", fontsize=9,
    )  # fmt: skip
    # Caches may be equally fast: names stand at other places of their lines.
    for (name, rate), style, place in zip(
        copies.items(), (":", "--", "-"), (0.3, 0.72, 0.5), strict=False
    ):
        knee = peak / rate
        start = max(low, 1e-2 / rate)
        if start >= knee:
            continue
        axis.plot([start, knee], [start * rate, peak], color="black", linewidth=1, linestyle=style)
        at = start * (knee / start) ** place
        axis.text(
            at, at * rate * 1.08, f"copy in {name}, {rate:.0f} GB/s", fontsize=7,
            ha="center", va="bottom", rotation=math.degrees(math.atan(rate)),
            rotation_mode="anchor", transform_rotates_text=True,
        )  # fmt: skip
