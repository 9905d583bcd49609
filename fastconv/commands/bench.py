"""``python -m fastconv bench``: how long a network takes, and how long where else it can run."""

import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import fastconv
from fastconv import models, random
from fastconv.nn import Module

__all__ = ["run"]

_RUNS, _SECONDS, _LIMIT = 10, 1.0, 20.0  # of each: at least, and at most where that takes long
_BLOCK_SECONDS, _BLOCK_RUNS = 0.1, 2
_REST = 0.02  # seconds, in which the threads of one engine stop waiting for work
# By which results may differ, of the largest of them: dozens of layers, each summed in another
# order or by another algorithm.
_TOLERANCE = 1e-3

Call = Callable[[], Any]


@dataclass
class _Times:
    samples: list[float] = field(default_factory=list)

    @property
    def enough(self) -> bool:
        spent = sum(self.samples)
        return (len(self.samples) >= _RUNS and spent >= _SECONDS) or spent >= _LIMIT

    @property
    def ms(self) -> float:
        return 1e3 * statistics.median(self.samples)

    def take(self, call: Call) -> None:
        """A block of calls, after one that does not count."""
        time.sleep(_REST)
        call()
        begun = time.perf_counter()
        count = 0
        while count < _BLOCK_RUNS or time.perf_counter() - begun < _BLOCK_SECONDS:
            start = time.perf_counter()
            call()
            self.samples.append(time.perf_counter() - start)
            count += 1


def run(arguments: Any) -> int:
    """Print median milliseconds of a forward pass; the exit status: 1 if a peer computes otherwise.

    It is ``model(x)`` within ``no_grad``, in eval mode, with initial weights and random input. What
    it is compared with, its compiled form and torch, runs by turns with it, after the result was
    found to be the same.

    Raises:
        ValueError: there is no network of that name.
    """
    entry = models.entry(arguments.network)
    threads = arguments.threads or fastconv.get_num_threads()
    random.manual_seed(0)
    model = models.create(entry.name).eval()
    shape = (arguments.batch, *entry.input_shape)
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    gflop = 2e-9 * arguments.batch * entry.multiply_adds
    print(f"{entry.name}, input {shape}, {'1 thread' if threads == 1 else f'{threads} threads'}")

    def call() -> np.ndarray:
        return np.asarray(model(x))

    ours = _Times()
    theirs: dict[str, _Times] = {}
    remarks: list[tuple[str, str]] = []
    status = 0
    with fastconv.no_grad(), fastconv.num_threads(threads):
        expected = call()
        for name, peer in _PEERS.items():
            if importlib.util.find_spec(name) is None:
                remarks.append((name, "is not installed"))
                continue
            for label, rival in peer(model, x, threads):
                difference = np.abs(rival() - expected).max() / np.abs(expected).max()
                if not difference <= _TOLERANCE:  # so that NaN counts, too
                    remarks.append((label, f"computes something else: off by {difference:.1e}"))
                    status = 1
                    continue
                times = theirs[label] = _Times()
                while not times.enough:
                    ours.take(call)
                    times.take(rival)
        while not ours.enough:
            ours.take(call)
    print(_row("fastconv", ours.ms, gflop))
    for label, times in theirs.items():
        print(f"{_row(label, times.ms, gflop)}  ({times.ms / ours.ms:.2f} × as long)")
    for label, remark in remarks:
        print(f"  {label:<24} {remark}")
    return status


def _row(label: str, ms: float, gflop: float) -> str:
    return f"  {label:<24} {ms:>9.3f} ms  {gflop / ms * 1e3:>7.1f} GFLOP/s"


def _compiled(model: Module, x: np.ndarray, threads: int) -> Iterator[tuple[str, Call]]:
    """The same network as one program."""
    yield "fastconv, compiled", partial(fastconv.compile(model, x), x)


def _torch(model: Module, x: np.ndarray, threads: int) -> Iterator[tuple[str, Call]]:
    """PyTorch, eager, in both layouts."""
    import torch

    from .torch_twin import twin

    torch.set_num_threads(threads)
    theirs = twin(model)

    def call(given: Any) -> np.ndarray:
        with torch.inference_mode():
            return theirs(given).numpy()

    for layout in ("contiguous_format", "channels_last"):
        form = getattr(torch, layout)
        theirs.to(memory_format=form)
        given = torch.from_numpy(x).to(memory_format=form)
        yield f"torch {layout.removesuffix('_format')}", partial(call, given)


# By the package that must be installed.
_PEERS: dict[str, Callable[[Module, np.ndarray, int], Iterator[tuple[str, Call]]]] = {
    "fastconv": _compiled,
    "torch": _torch,
}
