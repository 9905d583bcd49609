"""One row of the race: everybody gets the same arrays, is checked, and then timed by turns."""

import datetime
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import corpus
import numpy as np

from racing.children import Child, ChildDied
from racing.contest import Effort, Entry, Measure, Times, hold
from racing.engines import COMPETITORS, FORM, FUNCTIONAL, OWN, PREPARED
from racing.work import Data, Exact, Row, footprint, is_memory_bound, make_data, make_exact
from racing.worker import ARRAYS

COPY_BYTES = {"L2": 512 << 10, "L3": 8 << 20, "DRAM": 512 << 20}


class Referee:
    entries = "entries"  # what the engines' modules are asked for
    forms = (FUNCTIONAL, PREPARED)  # fastconv's

    def __init__(self, children: dict[str, Child], effort: Effort) -> None:
        self.children = children
        self.effort = effort
        self._folder = tempfile.TemporaryDirectory(prefix="race-")
        self._held: tuple[tuple[corpus.Layer, str], Exact] | None = None

    def close(self) -> None:
        self._folder.cleanup()

    def race(self, row: Row) -> dict[str, Any]:
        """The row as it is kept; ChildDied only if fastconv's process has."""
        exact = self._lay_out(row)
        told: dict[str, Any] = {
            "layer": str(row.layer.shape_key),
            "dtype": row.dtype,
            "threads": row.threads,
            "cold": row.cold,
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "entries": {},
        }
        entries: dict[str, dict[str, Any]] = told["entries"]
        competing: list[Entry] = []
        for name, child in self.children.items():
            if row.dtype not in COMPETITORS[name].dtypes:
                continue
            verdicts = self._prepare(child, row, exact)
            if name == OWN:
                told |= verdicts.pop("engine")
            for entry, verdict in verdicts.items():
                if verdict:
                    entries[f"{name}/{entry}"] = verdict
                else:
                    competing.append((name, entry))
        self._time(row, competing, told)
        for child in self.children.values():
            _ask(child, "forget")
        return told

    def _lay_out(self, row: Row) -> Exact:
        """Put the layer's arrays where everybody reads them; rows of a layer follow each other."""
        key = row.layer.shape_key, row.dtype
        if self._held is None or self._held[0] != key:
            folder = pathlib.Path(self._folder.name)
            for file in folder.iterdir():
                file.unlink()
            data, exact = self.compute(row)
            for name in ARRAYS:
                array = getattr(data, name)
                if array is not None:
                    np.save(folder / f"{name}.npy", array)
            self._held = key, exact
        return self._held[1]

    def compute(self, row: Row) -> tuple[Data, Exact]:
        """What everybody gets, and what has to come out."""
        data = make_data(row.layer, row.dtype)
        return data, make_exact(row.layer, data, row.dtype)

    def _prepare(self, child: Child, row: Row, exact: Exact) -> dict[str, Any]:
        """entry -> {}, or why it does not race."""
        try:
            answer = child.ask(
                "prepare",
                folder=self._folder.name,
                layer=str(row.layer.shape_key),
                dtype=row.dtype,
                threads=row.threads,
                entries=self.entries,
            )
        except ChildDied as why:
            if child.name == OWN:
                raise
            return {"-": {"refused": str(why)}}
        child.rest()
        verdicts: dict[str, Any] = {}
        for entry, verdict in answer["entries"].items():
            if "refused" in verdict:
                verdicts[entry] = verdict
                continue
            path = pathlib.Path(verdict["result"])
            complaint = exact.complaint(np.load(path))
            path.unlink()
            verdicts[entry] = {"wrong": complaint} if complaint else {}
        if child.name == OWN:
            faults = {entry: verdict for entry, verdict in verdicts.items() if verdict}
            if faults:
                raise ChildDied(f"fastconv does not compute {row}: {faults}")
            verdicts["engine"] = answer["engine"]
        return verdicts

    def _time(self, row: Row, competing: list[Entry], told: dict[str, Any]) -> None:
        effort = self.effort.for_cold() if row.cold else self.effort
        forms = [(OWN, form) for form in self.forms]
        rivals = [
            (entry, (OWN, FORM[self.children[entry[0]].engine]), self.children[entry[0]].engine)
            for entry in competing
            if entry[0] != OWN
        ]
        copied = None
        if is_memory_bound(row.layer) and not row.cold:
            copied = footprint(row.layer, np.dtype(row.dtype).itemsize)
        compete(self.children, forms, rivals, effort, told, copied)


def compete(
    children: dict[str, Child],
    forms: Sequence[Entry],
    rivals: Sequence[tuple[Entry, Entry, str]],
    effort: Effort,
    told: dict[str, Any],
    copied: int | None = None,
) -> None:
    """Time forms and rivals by turns, and the machine in each round; who dies, is left out.

    told: the row, with its dtype, threads and whether it is cold; it is given what was found, and
        the peak. copied: bytes of a plain copy that is timed, too, or None.
    """
    own = children[OWN]
    peaks: list[float] = []
    copies: list[float] = []

    def measure(entry: Entry, seconds: float, least: int) -> dict[str, Any]:
        child = children[entry[0]]
        block = child.ask("time", entry=entry[1], seconds=seconds, least=least, cold=told["cold"])
        child.rest()
        return block

    def roofs() -> None:
        peaks.append(own.ask("peak", dtype=told["dtype"], threads=told["threads"])["rate"])
        if copied is not None:
            copies.append(own.ask("copy", size=copied, threads=told["threads"])["rate"])
        own.rest()

    times, dead = _hold_without_dead(
        forms, rivals, measure, effort, roofs, lambda name: children[name].alive
    )
    for (name, entry), found in times.items():
        told["entries"][f"{name}/{entry}"] = found.summary()
    for name, why in dead.items():
        told["entries"][f"{name}/-"] = {"refused": why}
    told["peak"] = round(statistics.median(peaks) * 1e-9, 2)
    if copies:
        told["copy"] = round(statistics.median(copies) * 1e-9, 2)


def _hold_without_dead(
    forms: Sequence[Entry],
    rivals: Sequence[tuple[Entry, Entry, str]],
    measure: Measure,
    effort: Effort,
    each_round: Callable[[], None],
    alive: Callable[[str], bool],
) -> tuple[dict[Entry, Times], dict[str, str]]:
    """`hold`, begun anew without those whose processes die: times, and why which process died."""
    dead: dict[str, str] = {}
    while True:
        standing = [rival for rival in rivals if rival[0][0] not in dead]
        try:
            return hold(forms, standing, measure, effort, each_round), dead
        except ChildDied as why:
            # Whoever died is the one that runs no longer.
            gone = [name for (name, _), _, _ in standing if not alive(name)]
            if not gone:
                raise
            dead |= dict.fromkeys(gone, str(why))


def _ask(child: Child, do: str) -> None:
    """A request whose failure shows in the next row, if there is one."""
    try:
        child.ask(do)
    except ChildDied:
        return
    child.rest()


def machine(own: Child, threads: list[int]) -> dict[str, Any]:
    """Of fastconv's process: bytes a second of a plain copy, and the fixed cost of a call."""
    copies = {
        str(n): {
            name: round(own.ask("copy", size=size, threads=n)["rate"] * 1e-9, 1)
            for name, size in COPY_BYTES.items()
        }
        for n in threads
    }
    cost = own.ask("fixed", threads=1)
    fixed = {key: round(value * 1e6, 3) for key, value in cost.items()}
    return {"copy GB/s": copies, "fixed cost us": fixed}
