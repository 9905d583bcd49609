"""The process that one engine lives in: reads a request a line, answers in a line, both JSON.

    python -m racing.worker NAME        # a name of racing.engines.COMPETITORS

Between requests it is blocked on its input, so that the others have the machine.
"""

import faulthandler
import gc
import importlib
import json
import os
import pathlib
import sys
from typing import Any

import corpus
import numpy as np

from racing.arrays import aligned
from racing.engines import COMPETITORS, OWN, Entry, StepTask, Task, Unsupported
from racing.process import forget_peak, resident
from racing.timing import WARM_UP, WARM_UP_THREADS, Flush, block
from racing.whole import INPUT, NetworkTask
from racing.work import Data

ARRAYS = ("x", "weight", "bias", "grad")
CHECKED_STEPS = 4


class Worker:
    def __init__(self, name: str) -> None:
        self.name = name
        self.engine = importlib.import_module(f"racing.engines.{COMPETITORS[name].module}")
        self.entries: dict[str, Any] = {}
        self.threads = 1
        self.flush: Flush | None = None

    def hello(self) -> dict:
        told = {"versions": self.engine.versions()}
        if self.name == OWN:
            told["prepared"] = self.engine.has_prepared()
        return told

    def prepare(
        self, folder: str, layer: str, dtype: str, threads: int, entries: str = "entries"
    ) -> dict:
        """Make each entry of the layer whose arrays are in a folder, and put its result there.

        entries: the function of the engine's module that has them.
        """
        self.entries, self.threads = {}, threads
        arrays = {}
        for key in ARRAYS:
            path = pathlib.Path(folder) / f"{key}.npy"
            arrays[key] = aligned(np.load(path)) if path.exists() else None
        task = Task(corpus.parse_line(layer), Data(**arrays), dtype, threads, folder)
        told: dict[str, Any] = {"entries": {}}
        try:
            makers = getattr(self.engine, entries)(task)
        except Unsupported as why:
            return {"entries": {"-": {"refused": str(why)}}}
        for entry, make in makers.items():
            try:
                made = make()
                result = np.ascontiguousarray(made.result())
            except Unsupported as why:
                told["entries"][entry] = {"refused": str(why)}
            except Exception as error:
                first = str(error).strip().splitlines() or [""]
                told["entries"][entry] = {"refused": f"{type(error).__name__}: {first[0][:160]}"}
            else:
                path = pathlib.Path(folder) / f"{self.name}.{entry.replace(' ', '-')}.npy"
                np.save(path, result)
                self.entries[entry] = made
                told["entries"][entry] = {"result": str(path)}
        if self.name == OWN:
            told["engine"] = self.engine.describe(task)
        return told

    def prepare_steps(self, file: str, network: str, threads: int) -> dict:
        """Make each way of training the network, and take the first steps with it."""
        self.entries, self.threads = {}, threads
        told: dict[str, Any] = {}
        for entry, make in self.engine.steps(_read_steps(file, network, threads)).items():
            step = make()
            told[entry] = [step() for _ in range(CHECKED_STEPS)]
            self.entries[entry] = Entry(step, np.zeros(0).copy)
        return {"losses": told}

    def prepare_network(self, folder: str, batch: int, threads: int) -> dict:
        """Make each way of running the network whose files are in a folder; leave its results."""
        self.entries, self.threads = {}, threads
        engine = importlib.import_module(f"racing.whole.{COMPETITORS[self.name].module}")
        x = aligned(np.load(pathlib.Path(folder) / INPUT)[:batch])
        told: dict[str, Any] = {}
        for entry, make in engine.networks(NetworkTask(folder, x, threads)).items():
            try:
                made = make()
                result = np.ascontiguousarray(made.result())
            except Exception as error:
                first = str(error).strip().splitlines() or [""]
                told[entry] = {"refused": f"{type(error).__name__}: {first[0][:160]}"}
                continue
            path = pathlib.Path(folder) / f"{self.name}.{entry.replace(' ', '-')}.npy"
            np.save(path, result)
            self.entries[entry] = made
            told[entry] = {"result": str(path)}
            if made.weights is not None:
                told[entry]["weights"] = made.weights
        return {"entries": told}

    def memory(self, file: str, network: str, threads: int, entry: str) -> dict:
        """MB that the process holds at most in training steps, beyond what it held before.

        In a process that has done nothing else: what an earlier network left would be used again.
        """
        task = _read_steps(file, network, threads)
        before = resident("VmRSS")
        forget_peak()
        step = self.engine.steps(task)[entry]()
        for _ in range(CHECKED_STEPS):
            step()
        return {"MB": (resident("VmHWM") - before) / 1024}

    def time(self, entry: str, seconds: float, least: int, cold: bool) -> dict:
        if cold and self.flush is None:
            self.flush = Flush()
        warm_up = WARM_UP if self.threads == 1 else WARM_UP_THREADS
        return block(
            self.entries[entry].call, seconds, least, warm_up, self.flush if cold else None
        )

    def peak(self, dtype: str, threads: int) -> dict:
        return {"rate": self.engine.peak(dtype, threads)}

    def copy(self, size: int, threads: int) -> dict:
        return {"rate": self.engine.copy_rate(size, threads)}

    def fixed(self, threads: int) -> dict:
        return self.engine.fixed_cost(threads)

    def forget(self) -> dict:
        self.entries = {}
        gc.collect()
        return {}


def _read_steps(file: str, network: str, threads: int) -> StepTask:
    with np.load(file) as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    return StepTask(network, weights, weights.pop("x"), weights.pop("labels"), threads)


def main() -> None:
    # Engines print what they like; their standard output goes the way of standard error.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    faulthandler.enable()
    try:
        worker = Worker(sys.argv[1])
        first = worker.hello()
    except Exception as error:
        first = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(first), file=answers, flush=True)
    if "failed" in first:
        return
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
