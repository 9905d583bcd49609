"""A block of timed calls."""

import gc
import math
import time
from collections.abc import Callable

import numpy as np

# Seconds after which the caches are the engine's own again; and, where it has slept, its threads
# are awake and the system has given each a processor of its own, which takes ticks of its clock.
WARM_UP = 1e-3
WARM_UP_THREADS = 12e-3
SAMPLE = 50e-6  # what is shorter is timed several calls at once
FLUSH_BYTES = 64 << 20


class Flush:
    """Write 64 MB, which drives everything else from the caches."""

    def __init__(self) -> None:
        self._buffer = np.zeros(FLUSH_BYTES // 8, np.int64)

    def __call__(self) -> None:
        self._buffer += 1


def block(
    call: Callable[[], object],
    seconds: float,
    least: int,
    warm_up: float = WARM_UP,
    flush: Callable[[], None] | None = None,
) -> dict:
    """Times of single calls in seconds, at least so many, for about so long.

    Returns:
        samples; spent: seconds of all the calls that they stand for; cpu: processor seconds of this
        process for each second of the clock.
    """
    gc.disable()
    try:
        call()
        start = time.perf_counter()
        count = 0
        while True:
            call()
            count += 1
            warm = time.perf_counter() - start
            if warm >= warm_up:
                break
        inner = 1 if flush else max(1, math.ceil(SAMPLE / (warm / count)))
        samples: list[float] = []
        spent = 0.0
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        while spent < seconds or len(samples) < least:
            if flush:
                flush()
            start = time.perf_counter()
            for _ in range(inner):
                call()
            elapsed = time.perf_counter() - start
            samples.append(elapsed / inner)
            spent += elapsed
        cpu = (time.process_time() - cpu_start) / (time.perf_counter() - wall_start)
    finally:
        gc.enable()
    return {"samples": samples, "spent": spent, "cpu": cpu}
