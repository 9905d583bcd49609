"""Who runs when within a row: fastconv, a peer, fastconv, the next peer, and so on, in rounds."""

import dataclasses
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured. Of a cold row every call is preceded by 64 MB: it counts runs alone."""

    runs: int = 20
    seconds: float = 0.04  # in which so many runs are too few to believe
    limit: float = 2.0  # after which fewer have to do
    block_seconds: float = 0.015
    block_runs: int = 4
    alone: bool = True

    def for_cold(self) -> "Effort":
        return dataclasses.replace(
            self, seconds=0.0, block_seconds=0.0, block_runs=max(2, self.runs // 3), alone=False
        )


QUICK = Effort(runs=5, seconds=0.005, limit=0.5, block_seconds=0.002, block_runs=3, alone=False)
# After the first round only those go on that may still be their engine's best figure.
HOPELESS = 1.25

Entry = tuple[str, str]  # competitor, entry
Measure = Callable[[Entry, float, int], Mapping[str, Any]]


@dataclasses.dataclass
class Times:
    """What was measured of one entry so far."""

    samples: list[float] = dataclasses.field(default_factory=list)
    spent: float = 0.0
    cpu: list[float] = dataclasses.field(default_factory=list)
    alone: float | None = None
    retired: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def add(self, block: Mapping[str, Any]) -> None:
        self.samples += block["samples"]
        self.spent += block["spent"]
        self.cpu.append(block["cpu"])

    def enough(self, effort: Effort) -> bool:
        enough = len(self.samples) >= effort.runs and self.spent >= effort.seconds
        return enough or self.spent >= effort.limit

    def summary(self) -> dict[str, float]:
        """Milliseconds: the median and the quartiles; runs; processors in use."""
        one = [self.samples[0]] * 3
        q1, middle, q3 = statistics.quantiles(self.samples, n=4) if len(self.samples) > 1 else one
        told = {"ms": middle, "q1": q1, "q3": q3}
        if self.alone is not None:
            told["alone"] = self.alone
        told = {key: _digits(1e3 * value) for key, value in told.items()}
        return told | {"runs": len(self.samples), "cpu": _digits(statistics.median(self.cpu), 3)}


def _digits(value: float, digits: int = 5) -> float:
    return float(f"{value:.{digits}g}")


def hold(
    forms: Sequence[Entry],
    rivals: Sequence[tuple[Entry, Entry, str]],
    measure: Measure,
    effort: Effort,
    each_round: Callable[[], None] = lambda: None,
) -> dict[Entry, Times]:
    """Let rivals, each with the form of ours that it runs against and its engine's name, compete.

    A round is form, rival, form, rival … of those that have not run enough yet.
    """
    times = {entry: Times() for entry in [*forms, *(rival for rival, _, _ in rivals)]}

    def run(entry: Entry) -> None:
        times[entry].add(measure(entry, effort.block_seconds, effort.block_runs))

    def busy(entry: Entry) -> bool:
        return not times[entry].retired and not times[entry].enough(effort)

    while any(map(busy, times)):
        each_round()
        met = set()
        for rival, form, _ in rivals:
            if busy(rival):
                run(form)
                run(rival)
                met.add(form)
        for form in forms:
            if form not in met and busy(form):
                run(form)
        retire(times, rivals)
    if effort.alone:
        for rival, _, _ in rivals:
            if not times[rival].retired:
                least = min(effort.runs, max(3, int(effort.limit / times[rival].median)))
                block = measure(rival, effort.seconds, least)
                times[rival].alone = statistics.median(block["samples"])
    return times


def retire(times: Mapping[Entry, Times], rivals: Sequence[tuple[Entry, Entry, str]]) -> None:
    """Spare those that their own engine has clearly done better than."""
    best: dict[str, float] = {}
    for rival, _, engine in rivals:
        best[engine] = min(best.get(engine, float("inf")), times[rival].median)
    for rival, _, engine in rivals:
        if times[rival].median > HOPELESS * best[engine]:
            times[rival].retired = True
