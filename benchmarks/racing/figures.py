"""What the rows say: the best figure of each engine, ratios, means, targets."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import corpus
import numpy as np

from racing import work
from racing.engines import COMPETITORS, ENGINES, FORM, FUNCTIONAL, OWN, PREPARED

Row = dict[str, Any]
FORMS = (FUNCTIONAL, PREPARED)


@dataclasses.dataclass(frozen=True)
class Target:
    """Ratios to the best peer: of every layer, and their geometric mean."""

    each: float
    mean: float


TARGETS = {
    work.WINDOWS: Target(1.4, 2.0),
    work.POINTWISE: Target(0.97, 1.05),
    work.UNUSUAL: Target(1.1, 2.0),
}
COPY_TARGET = 80  # per cent of a plain copy of the same footprint
FIXED_COST_TARGET = 3.0  # microseconds
SCALING_TARGET = 1.85
SCALING_FROM = 1.0  # milliseconds on one thread
# Of the peers' dense layers, per cent of the FMA peak on one thread, give or take 15 %.
PLAUSIBLE = {"onnxruntime": (85, 92), "openvino": (85, 92)}
LIKE = 0.15
CPU_SLACK = 0.3  # processors beyond the threads of a row: a tick of the clock here and there


def layer_of(row: Row) -> corpus.Layer:
    return corpus.parse_line(row["layer"])


def milliseconds(entry: Row) -> float | None:
    """An entry's better figure, by turns or alone; None if it did not race."""
    if "ms" not in entry or "wrong" in entry:
        return None
    return min(entry["ms"], entry.get("alone", math.inf))


def own(row: Row, form: str) -> float:
    return row["entries"][f"{OWN}/{form}"]["ms"]


def best(row: Row, engine: str) -> float | None:
    """An engine's best figure over its processes and entries."""
    found = [
        milliseconds(entry)
        for name, entry in row["entries"].items()
        if COMPETITORS[name.partition("/")[0]].engine == engine
    ]
    return min((ms for ms in found if ms is not None), default=None)


def peers(form: str | None) -> list[str]:
    """The engines that race against a form; None: all."""
    return [engine for engine in ENGINES if form is None or FORM[engine] == form]


def best_peer(row: Row, engines: Iterable[str]) -> tuple[str, float] | None:
    """(name, ms) of the fastest of these engines."""
    found = [(engine, best(row, engine)) for engine in engines]
    raced = [(engine, ms) for engine, ms in found if ms is not None]
    return min(raced, key=lambda pair: pair[1], default=None)


def ratio(row: Row, form: str, engines: Iterable[str]) -> float | None:
    """How many times as fast as the best of these engines; None if none of them raced."""
    peer = best_peer(row, engines)
    return None if peer is None else peer[1] / own(row, form)


def geometric_mean(values: Iterable[float]) -> float | None:
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms)) if logarithms else None


@dataclasses.dataclass(frozen=True)
class Summary:
    """Ratios of several rows: how many, their geometric mean, the least and its layer."""

    count: int
    mean: float
    least: float
    layer: str


def summarize(rows: Iterable[Row], form: str, engines: Iterable[str]) -> Summary | None:
    """None when no row has a ratio."""
    engines = list(engines)
    found = [(ratio(row, form, engines), row["layer"]) for row in rows]
    ratios = [pair for pair in found if pair[0] is not None]
    if not ratios:
        return None
    least, layer = min(ratios)
    return Summary(len(ratios), geometric_mean(value for value, _ in ratios), least, layer)


def grouped(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by class, in the order of work.CLASSES; empty classes too."""
    groups: dict[str, list[Row]] = {name: [] for name in work.CLASSES}
    for row in rows:
        groups[work.classify(layer_of(row))].append(row)
    return groups


def select(rows: Iterable[Row], dtype: str, threads: int, cold: bool) -> list[Row]:
    return [
        row for row in rows if (row["dtype"], row["threads"], row["cold"]) == (dtype, threads, cold)
    ]


def copies(sessions: Iterable[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """threads -> cache -> GB/s of a plain copy, each as measured last."""
    found: dict[str, dict[str, float]] = {}
    for session in sessions:
        found |= session["copy GB/s"]
    return dict(sorted(found.items()))


def gflops(row: Row, ms: float) -> float:
    return work.flops(layer_of(row)) / ms * 1e-6


def percent_of_peak(row: Row, ms: float) -> float | None:
    speed = gflops(row, ms)
    return 100 * speed / row["peak"] if speed else None


def percent_of_copy(row: Row, ms: float) -> float | None:
    """The time of a plain copy of the layer's footprint, in per cent of the layer's."""
    if "copy" not in row:
        return None
    size = work.footprint(layer_of(row), np.dtype(row["dtype"]).itemsize)
    return 100 * (size / row["copy"] * 1e-6) / ms


def intensity(row: Row) -> float:
    """Nominal flops for each byte of input, weights and result."""
    layer = layer_of(row)
    return work.flops(layer) / work.footprint(layer, np.dtype(row["dtype"]).itemsize)


def scaling(rows: Iterable[Row], form: str, few: int, many: int) -> list[tuple[float, str]]:
    """(time on few threads / time on many, layer) of compute-bound layers, the least first."""
    times: dict[str, dict[int, float]] = {}
    for row in rows:
        layer = layer_of(row)
        counts = layer.kind == "conv" and not work.is_memory_bound(layer)
        if counts and row["dtype"] == "float32" and not row["cold"]:
            times.setdefault(row["layer"], {})[row["threads"]] = own(row, form)
    return sorted(
        (found[few] / found[many], layer)
        for layer, found in times.items()
        if few in found and many in found and found[few] >= SCALING_FROM
    )


def plausibility(rows: Iterable[Row]) -> list[tuple[str, int, float | None, bool]]:
    """(engine, rows, median % of peak, as expected) of the peers' dense layers on one thread.

    Padding is not counted here, as these engines skip it: on a 7×7 map a fifth of the work.
    """
    dense = [row for row in select(rows, "float32", 1, False) if is_dense(layer_of(row))]
    told = []
    for engine, (low, high) in PLAUSIBLE.items():
        shares = [
            percent_of_peak(row, ms) * work.share_inside(layer_of(row))
            for row in dense
            if (ms := best(row, engine)) is not None
        ]
        middle = float(np.median(shares)) if shares else None
        fits = middle is not None and low * (1 - LIKE) <= middle <= high * (1 + LIKE)
        told.append((engine, len(shares), middle, fits))
    return told


def is_dense(layer: corpus.Layer) -> bool:
    """A layer on which every engine is at its best: 3×3, many channels, much work."""
    return (
        work.classify(layer) == work.WINDOWS
        and layer.kernel == (3, 3)
        and min(layer.ic, layer.oc) >= 64
        and layer.macs >= 50_000_000
    )
