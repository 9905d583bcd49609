"""Random search: try hyperparameters that are drawn at random, and compare them on the dev set."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv import random

from .fit import fit
from .history import History
from .nonfinite import NonFinite

__all__ = ["Choice", "LogUniform", "SearchResult", "Trial", "Uniform", "random_search"]


@dataclass(frozen=True)
class Uniform:
    """Numbers from low to high, all alike; of two ints, ints, high included."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self, self.low < self.high)

    def draw(self, u: float) -> float:
        """The number at the place u, 0 ≤ u < 1."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return self.low + math.floor(u * (self.high - self.low + 1))
        return self.low + u * (self.high - self.low)


@dataclass(frozen=True)
class LogUniform:
    """Numbers from low to high whose logarithms are uniform: for what acts by orders of magnitude,
    such as learning rates. Of two ints, ints.

    >>> round(LogUniform(1e-4, 1.0).draw(0.5), 6)
    0.01
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_range(self, 0 < self.low < self.high)

    def draw(self, u: float) -> float:
        """The number at the place u, 0 ≤ u < 1."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        low, high = (self.low - 0.5, self.high + 0.5) if whole else (self.low, self.high)
        value = math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
        value = round(value) if whole else value
        return min(max(value, self.low), self.high)  # exp(log(low)) may be a little less


@dataclass(frozen=True)
class Choice:
    """One of some values, all alike."""

    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not len(self.values):
            raise ValueError("Choice: there is nothing to choose from")

    def draw(self, u: float) -> Any:
        """The value at the place u, 0 ≤ u < 1."""
        return self.values[math.floor(u * len(self.values))]


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: which, from 0.
        parameters: what was drawn.
        score: the monitored number of its best epoch; None if it failed.
        epoch: that epoch.
        seconds: how long it took.
        history: the whole course.
        failure: why there is no score: where the training met a NaN.
    """

    number: int
    parameters: dict[str, Any]
    score: float | None
    epoch: int | None
    seconds: float
    history: History
    failure: str | None = None


class SearchResult:
    """The trials of a search, the best first; ``print`` shows them as a table."""

    def __init__(self, trials: Sequence[Trial], monitor: str) -> None:
        sign = 1 if monitor.endswith("loss") else -1
        self.monitor = monitor
        self.trials = sorted(
            trials, key=lambda t: (t.score is None, sign * (t.score or 0.0), t.number)
        )

    @property
    def best(self) -> Trial:
        """The best trial. ValueError: all failed."""
        if self.trials[0].score is None:
            raise ValueError("random_search: every trial failed; draw smaller learning rates")
        return self.trials[0]

    def __str__(self) -> str:
        names = list(self.trials[0].parameters)
        rows = [["trial", *names, self.monitor, "epoch", "seconds"]]
        for trial in self.trials:
            drawn = [_shown(trial.parameters[name]) for name in names]
            found = [_shown(trial.score), _shown(trial.epoch), f"{trial.seconds:.1f}"]
            rows.append([str(trial.number), *drawn, *found])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
        failed = [f"trial {t.number}: {t.failure}" for t in self.trials if t.failure]
        return "\n".join(lines + failed)

    __repr__ = __str__


def random_search(
    build: Callable[..., Mapping[str, Any]],
    space: Mapping[str, Any],
    trials: int,
    seed: int,
    *,
    monitor: str = "dev_loss",
    report: Callable[[Trial], Any] | None = None,
    **options: Any,
) -> SearchResult:
    """Train with hyperparameters drawn at random, and rank them by the dev set.

    Args:
        build: called with what was drawn, by names; returns arguments of ``fit``: 'model',
            'optimizer' and whatever else depends on what was drawn.
        space: name → Uniform, LogUniform, Choice, or a value that stays.
        trials: how many.
        seed: of everything. Trial k draws the same whatever the number of trials, and starts
            ``fastconv.random`` anew, so that it can be repeated alone; the generator is put back
            afterwards.
        monitor: the column of ``History.epochs`` that ranks.
        report: called with each trial when it is complete.
        **options: arguments of ``fit`` that all trials share: train (a Dataset or pair: a loader
            would be at another epoch in each trial; build may make one), dev, loss, epochs, …

    A training that meets a NaN or an infinite loss is a failed trial, and the search goes on.

    Raises:
        TypeError, ValueError: arguments do not fit; what build and fit raise.

    Source:
        J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13 (2012).

    >>> from fastconv import functional as F, nn, optim
    >>> x = np.eye(4, dtype=np.float32)
    >>> def build(lr):
    ...     model = nn.Linear(4, 4)
    ...     return {"model": model, "optimizer": optim.SGD(model.parameters(), lr=lr)}
    >>> found = random_search(build, {"lr": LogUniform(1e-3, 1.0)}, 3, seed=0, loss=F.cross_entropy,
    ...                       train=(x, np.arange(4)), dev=(x, np.arange(4)), epochs=2)
    >>> print(str(found).splitlines()[0])
    trial      lr  dev_loss  epoch  seconds
    >>> found.best.score == min(trial.score for trial in found.trials)
    True
    """
    if not callable(build):
        raise TypeError(f"random_search: build must be a function, not {type(build).__name__}")
    if trials < 1:
        raise ValueError(f"random_search: trials is {trials}, expected at least 1")
    if seed < 0:
        raise ValueError(f"random_search: seed is {seed}, expected at least 0")
    if hasattr(options.get("train"), "state_dict"):
        raise TypeError(
            "random_search: train is a loader, which would go on from trial to trial; give a "
            "Dataset, or let build make a loader"
        )
    options = {"progress": False} | options
    before = random.get_rng_state()
    done = []
    try:
        for number in range(trials):
            done.append(_trial(build, space, number, seed, monitor, options))
            if report is not None:
                report(done[-1])
    finally:
        random.set_rng_state(before)
    return SearchResult(done, monitor)


def _trial(
    build: Callable[..., Mapping[str, Any]],
    space: Mapping[str, Any],
    number: int,
    seed: int,
    monitor: str,
    options: dict[str, Any],
) -> Trial:
    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    # Raw numbers of PCG64 stay what they are in all versions of NumPy (NEP 19); one for each name.
    raw = np.random.PCG64(sequence).random_raw(len(space) + 1)
    places = (raw >> np.uint64(11)) * 2.0**-53
    drawn = {
        name: where.draw(u) if hasattr(where, "draw") else where
        for (name, where), u in zip(space.items(), places.tolist(), strict=False)
    }
    random.manual_seed(int(raw[-1]))
    begun = time.perf_counter()
    failure = None
    try:
        history = fit(**(options | {"monitor": monitor} | dict(build(**drawn))))
    except NonFinite as error:
        history, failure = error.history, str(error)
    score = epoch = None
    if failure is None:
        epoch = history.best_epoch
        score = None if epoch is None else history.epochs[monitor][epoch - 1]
        failure = None if epoch else f"{monitor} was never a number"
    return Trial(number, drawn, score, epoch, time.perf_counter() - begun, history, failure)


def _check_range(of: Any, fits: bool) -> None:
    if not fits or not all(math.isfinite(end) for end in (of.low, of.high)):
        kind = type(of).__name__
        rule = "0 < low < high" if kind == "LogUniform" else "low < high"
        raise ValueError(
            f"{kind}: low is {of.low} and high {of.high}, expected {rule}, both finite"
        )


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
