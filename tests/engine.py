"""The engine's test hooks, and the pool's memory made unfit to be read."""

import contextlib

import numpy as np

import fastconv.functional as F
from fastconv import _core

# Results from here on live in the engine's pool, smaller ones in NumPy's memory.
POOLED_BYTES = 32 * 1024
_POISONED_SIZES = [POOLED_BYTES << shift for shift in range(6)]  # to 1 MiB


@contextlib.contextmanager
def trace():
    """Collect (op, algorithm, tier, threads) of every execution inside the with block."""
    executions: list[tuple] = []
    _core._trace(executions)
    try:
        yield executions
    finally:
        _core._trace(None)


def poison_pool() -> None:
    """Leave bytes of ones, NaN in every float type, in blocks of the pool that come next.

    Results and scratch are taken from it: what reads before it writes finds NaN.
    """
    # On one thread: waking another for so little costs more than the work.
    blocks = [F.relu(np.ones(size // 4, np.float32), threads=1) for size in _POISONED_SIZES]
    for block in blocks:
        block.view(np.uint8).fill(0xFF)


def poisoned(shape, dtype) -> np.ndarray:
    """An array of NaN."""
    return np.full(shape, np.nan, dtype)
