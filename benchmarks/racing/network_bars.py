"""docs/networks.png: how fast everybody runs each network, in the speed of its best peer."""

import pathlib

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from racing import figures, network_report
from racing.engines import ENGINES
from racing.figures import Row
from racing.inference import COMPILED, EAGER
from racing.roofline import OWN_COLOUR, PEER_COLOURS

EAGER_COLOUR = "#e9a3a5"
WIDTH = 0.82  # of a network's bars together, its place being 1
LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}  # over the aims


def draw(rows: list[Row], path: pathlib.Path) -> None:
    """A panel for each batch and number of threads, a group of bars for each network."""
    groups: dict[tuple[int, int], list[Row]] = {}
    for row in network_report.in_order(rows):
        groups.setdefault((row["batch"], row["threads"]), []).append(row)
    figure, axes = plt.subplots(
        len(groups), 1, figsize=(12, 3.4 * len(groups) + 0.6), squeeze=False
    )
    for axis, ((batch, threads), members) in zip(axes[:, 0], groups.items(), strict=True):
        _panel(axis, members)
        count = "1 thread" if threads == 1 else f"{threads} threads"
        axis.set_title(f"batch {batch}, {count}", loc="left", fontsize=11)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.35 / figure.get_figheight()))
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _panel(axis, rows: list[Row]) -> None:
    engines = network_report.raced(rows)
    bars = [("fastconv, compiled", OWN_COLOUR), ("fastconv, eager", EAGER_COLOUR)]
    bars += [(engine, PEER_COLOURS[engine]) for engine in engines]
    width = WIDTH / len(bars)
    for k, (label, colour) in enumerate(bars):
        places, heights = [], []
        for place, row in enumerate(rows):
            peer = figures.best_peer(row, ENGINES)
            ms = _milliseconds(row, label)
            if peer and ms:
                places.append(place + (k - (len(bars) - 1) / 2) * width)
                heights.append(peer[1] / ms)
        drawn = axis.bar(places, heights, width, color=colour, label=label)
        if k == 0:
            axis.bar_label(drawn, fmt="%.2f", fontsize=8, padding=2, bbox=LABEL)
    aims = [(place, network_report.target(row)) for place, row in enumerate(rows)]
    aims = [(place, aim) for place, aim in aims if aim]
    half = WIDTH / 2
    axis.hlines(
        [aim for _, aim in aims],
        [place - half for place, _ in aims],
        [place + half for place, _ in aims],
        color="black",
        linewidth=1.2,
        linestyle=(0, (3, 2)),
        label="target of the compiled one",
    )
    axis.axhline(1, color="0.4", linewidth=0.8)
    axis.set_xticks(range(len(rows)), [network_report.title(row) for row in rows])
    axis.set_ylabel("speed, best peer = 1")
    axis.grid(True, axis="y", color="0.9")
    axis.set_axisbelow(True)
    axis.margins(y=0.12)
    axis.set_xlim(-0.5, len(rows) - 0.5)


def _milliseconds(row: Row, label: str) -> float | None:
    own = {"fastconv, compiled": COMPILED, "fastconv, eager": EAGER}
    return figures.own(row, own[label]) if label in own else figures.best(row, label)
