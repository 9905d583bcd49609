"""The race of training steps: whole networks, forward, backward and momentum SGD, against torch."""

import dataclasses
import datetime
import pathlib
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from racing import figures
from racing.children import Child
from racing.contest import Effort, Entry
from racing.engines import COMPETITORS, FUNCTIONAL, LEARNING_RATE, MOMENTUM, OWN
from racing.figures import Row
from racing.networks import STEPS, build
from racing.referee import compete
from racing.tables import number, table

EFFORT = Effort(runs=20, seconds=0.5, limit=12.0, block_seconds=0.1, block_runs=2, alone=False)
QUICK = Effort(runs=3, seconds=0.05, limit=2.0, block_seconds=0.02, block_runs=1, alone=False)
# Losses of the first steps: engines sum in other orders, and each step carries that on.
TOLERANCE = 1e-4
# SPEED of a step to torch's, on one and on two threads.
TARGETS = {
    "lenet5": (4.0, 3.0),
    "resnet20": (2.0, 1.8),
    "alexnet": (2.0, 1.8),
    "resnet18": (1.9, 1.65),
    "vgg16": (2.1, 1.9),
}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One line of the race."""

    network: str
    threads: int

    @property
    def key(self) -> tuple[str, str, int, bool]:
        return self.network, "float32", self.threads, False


class StepReferee:
    """Everybody begins with the same weights and images, and has to have the same losses."""

    def __init__(self, children: dict[str, Child], effort: Effort) -> None:
        self.children = children
        self.effort = effort
        self._folder = tempfile.TemporaryDirectory(prefix="race-")
        self._held = ""

    def close(self) -> None:
        self._folder.cleanup()

    def race(self, row: Wanted) -> Row:
        """The row as it is kept."""
        file = self._lay_out(row.network)
        how = {"file": file, "network": row.network, "threads": row.threads}
        losses: dict[Entry, list[float]] = {}
        for name, child in self.children.items():
            for entry, found in child.ask("prepare_steps", **how)["losses"].items():
                losses[name, entry] = found
            child.rest()
        expected = losses[OWN, FUNCTIONAL]
        for entry, found in losses.items():
            if not np.allclose(found, expected, rtol=TOLERANCE, atol=0):
                raise ValueError(f"{row.network}: losses of {entry} are {found}, ours {expected}")
        told: Row = {
            "layer": row.network,
            "dtype": "float32",
            "threads": row.threads,
            "cold": False,
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "losses": expected,
            "entries": {},
        }
        form = (OWN, FUNCTIONAL)
        rivals = [
            (entry, form, self.children[entry[0]].engine) for entry in losses if entry != form
        ]
        compete(self.children, [form], rivals, self.effort, told)
        for child in self.children.values():
            child.ask("forget")
        told["MB"] = self._memory(list(losses), how)
        return told

    def _lay_out(self, network: str) -> str:
        """A file of the network's weights, images and labels."""
        from fastconv import nn

        path = pathlib.Path(self._folder.name) / "step.npz"
        if self._held != network:
            what = STEPS[network]
            rng = np.random.default_rng(0)
            weights = {name: np.asarray(a) for name, a in build(network, nn).state_dict().items()}
            np.savez(
                path,
                x=rng.standard_normal((what.batch, *what.shape), np.float32),
                labels=rng.integers(what.classes, size=what.batch),
                **weights,
            )
            self._held = network
        return str(path)

    def _memory(self, entries: list[Entry], how: dict[str, Any]) -> dict[str, float]:
        """MB of each engine, at most: of several ways the leanest one."""
        found: dict[str, float] = {}
        for name, entry in entries:
            if COMPETITORS[name].environment:
                continue  # told to keep what it freed
            with tempfile.TemporaryDirectory(prefix="race-") as logs:
                child = Child(name, pathlib.Path(logs))
                try:
                    megabytes = child.ask("memory", entry=entry, **how)["MB"]
                finally:
                    child.stop()
            engine = self.children[name].engine
            found[engine] = round(min(found.get(engine, float("inf")), megabytes), 1)
        return found


def one_line(row: Row) -> str:
    """A row for who watches the race."""
    own, torch = figures.own(row, FUNCTIONAL), figures.best(row, "torch")
    memory = ", ".join(f"{name} {number(size)} MB" for name, size in row["MB"].items())
    told = f"{row['layer']} {row['threads']}T  {own:.4g} ms  torch {number(torch)}  {memory}"
    return told if torch is None else f"{told}  ×{torch / own:.2f}"


def document(sessions: list[dict[str, Any]], rows: list[Row], source: str) -> str:
    """docs/training_steps.md, all of it."""
    last = sessions[max(row["session"] for row in rows)]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(last["versions"].items()))
    text = f"""# Training steps

Generated by `python benchmarks/race_steps.py` from `benchmarks/results/{source}`, on
{last["cpu"]}, {last["cores"]} cores; {versions}; fastconv at commit {last["commit"]}.

A step is zeroed gradients, forward, cross-entropy, backward and SGD (rate {LEARNING_RATE},
momentum {MOMENTUM}), float32, of networks that `benchmarks/racing/networks.py` builds from
`fastconv.nn` and from `torch.nn`. All begin with the same weights and must have the same losses in
the first steps. torch runs in both layouts, with the better settings of glibc and its fused
optimiser; its best figure counts. Memory is what a fresh process comes to hold at most, beyond what
it held when the network was not yet built.

"""
    if any(sessions[row["session"]]["quick"] for row in rows):
        text += "**Some rows were measured with `--quick`**: few runs.\n\n"
    head = ("network", "batch", "threads", "ms", "torch", "ratio", "aim", "MB", "torch's MB")
    return text + table(head, (_line(row) for row in _in_order(rows)))


def _in_order(rows: Iterable[Row]) -> list[Row]:
    names = list(STEPS)
    return sorted(rows, key=lambda row: (names.index(row["layer"]), row["threads"]))


def _line(row: Row) -> tuple[str, ...]:
    name, threads = row["layer"], row["threads"]
    own, torch = figures.own(row, FUNCTIONAL), figures.best(row, "torch")
    aims = TARGETS[name]
    return (
        name,
        str(STEPS[name].batch),
        str(threads),
        number(own),
        number(torch),
        number(torch / own) if torch else "",
        number(aims[threads - 1]) if threads <= len(aims) else "",
        number(row["MB"][OWN]),
        number(row["MB"].get("torch")),
    )
