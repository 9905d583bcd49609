"""The curves of a History."""

from typing import Any

import numpy as np

from fastconv.pictures import canvas, charts

from .history import History

__all__ = ["draw_gradients", "draw_history"]

# Where the axis is logarithmic: largest over least, of losses and of learning rates.
_SPREAD, _RATE_SPREAD = 20, 1000
_MOST_POINTS = 2000  # of a line: more than there are pixels
_MOST_NAMED = 8


def draw_history(history: History, title: str) -> Any:
    """Loss, metrics and learning rate; see ``History.plot``."""
    if not history.steps.get("loss"):
        raise ValueError("plot: the history has no step yet")
    epochs = history.epochs
    ends = np.array(epochs.get("step", ()), float)
    numbers = np.array(epochs.get("epoch", ()), float)
    at = _places(history)
    best = history.best_epoch
    mark = (float(best), f"best epoch: {best}") if best is not None and len(ends) > 1 else None

    loss = np.array(history.steps["loss"], float)
    steps = charts.Line(
        "each step", *_thinned(at, loss), canvas.blend(canvas.BLUE, canvas.PAPER, 0.7), 1
    )
    # Steps scatter: those of a tenth of a percent need not be in the picture.
    shown = [epochs[name] for name in ("loss", "dev_loss") if epochs.get(name)]
    spread = np.concatenate([np.array(values, float) for values in [*shown, loss]])
    spread = spread[np.isfinite(spread) & (spread > 0)]
    logarithmic = bool(len(spread)) and np.ptp(np.log(spread)) > np.log(_SPREAD)
    span = 0.0, max(1.0, float(np.ceil(at[-1])))
    lines = [steps, *_pair(epochs, "loss", numbers)]
    panels = [charts.Panel("Loss", lines, "epoch", logarithmic, mark, x_range=span)]
    if mark is not None:  # its text is in the first one
        mark = mark[0], ""
    rest = ("epoch", "step", "loss", "lr", "seconds")
    for name in epochs:
        if name in rest or name.startswith("dev_"):
            continue
        values = np.array(epochs[name] + epochs.get(f"dev_{name}", []), float)
        percent = bool(((values >= 0) & (values <= 1)).all())
        lines = _pair(epochs, name, numbers)
        shown_name = name.replace("_", " ").capitalize()
        panels.append(charts.Panel(shown_name, lines, "epoch", False, mark, percent, span))
    rates = np.array(history.steps["lr"], float)
    if np.ptp(rates) > 0:
        positive = rates[rates > 0]
        wide = len(positive) == len(rates) and rates.max() / rates.min() > _RATE_SPREAD
        line = charts.Line("", *_thinned(at, rates), canvas.INK, 2)
        panels.append(charts.Panel("Learning rate", [line], "epoch", wide, x_range=span))
    told = f"{len(loss):,} steps in {len(ends):,} epochs"
    if history.stopped == "patience":
        told += ", stopped early: the dev set was no better for a while"
    return charts.draw(panels, title, told)


def draw_gradients(history: History, title: str) -> Any:
    """The norm of each weight's gradient; see ``History.plot_gradients``."""
    if not history.layers:
        raise ValueError("plot_gradients: there are no norms; give fit gradient_norms=True")
    weights = [name for name in history.layers if not name.endswith("bias")] or [*history.layers]
    colours = canvas.ramp(len(weights))
    x = np.arange(1, len(history.layers[weights[0]]) + 1, dtype=float)
    # More names than fit into the legend: the first and the last ones, where it matters.
    named = weights if len(weights) <= _MOST_NAMED else [weights[0], weights[-1]]
    lines = [
        charts.Line(
            name.removesuffix(".weight") if name in named else "",
            *_thinned(x, _smooth(np.array(history.layers[name], float))), colour, 1.8,
        )
        for name, colour in zip(weights, colours, strict=True)
    ]  # fmt: skip
    panel = charts.Panel("Norm of the gradient of each weight", lines, "step", logarithmic=True)
    told = (
        "from the first layer (dark) to the last (light); running means of a hundredth of the steps"
    )
    return charts.draw([panel], title, told)


def _places(history: History) -> np.ndarray:
    """Where each step is on an axis of epochs: the last of the first epoch at 1."""
    of = np.array(history.steps["epoch"], int)
    counts = np.bincount(of)
    full = int(counts.max())
    within = np.concatenate([np.arange(1, count + 1) for count in counts if count])
    # An epoch that is running, or was cut off, is as long as the others.
    last = np.where(of == of[-1], max(full, counts[of[-1]]), counts[of])
    return of - 1 + within / last


def _pair(epochs: dict[str, list[float]], name: str, numbers: np.ndarray) -> list[charts.Line]:
    lines = []
    for column, label, colour in (
        (name, "train", canvas.BLUE),
        (f"dev_{name}", "dev", canvas.ORANGE),
    ):
        if epochs.get(column):
            values = np.array(epochs[column], float)
            lines.append(charts.Line(label, numbers, values, colour, 2.2, len(values) <= 40))
    return lines


def _thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most _MOST_POINTS points; of each run that does not fit, least and largest."""
    if len(x) <= _MOST_POINTS:
        return x, y
    runs = np.array_split(np.arange(len(x)), _MOST_POINTS // 2)
    ends = [(run[np.argmin(y[run])], run[np.argmax(y[run])]) for run in runs]
    kept = np.unique(np.concatenate(ends))
    return x[kept], y[kept]


def _smooth(values: np.ndarray) -> np.ndarray:
    """The mean over a hundredth of the values around each."""
    half = len(values) // 200
    if not half:
        return values
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)
