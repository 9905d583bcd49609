"""What a fresh process takes from an engine's import to its first answer: time and memory.

    python -m racing.first_answer MODULE ENTRY FOLDER BATCH THREADS

MODULE is one of racing.whole, ENTRY one of its entries, FOLDER has the network's files. Whatever
does not belong to the engine is imported before the clock starts: Python's own modules and NumPy.
"""

import importlib
import json
import os
import sys
import time

import numpy as np

from racing.arrays import aligned
from racing.process import forget_peak, resident
from racing.whole import INPUT, NetworkTask


def main() -> None:
    module, entry, folder, batch, threads = sys.argv[1:]
    # Engines print what they like; their standard output goes the way of standard error.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    x = aligned(np.load(os.path.join(folder, INPUT))[: int(batch)])
    forget_peak()
    before = resident("VmRSS")
    start = time.perf_counter()
    engine = importlib.import_module(f"racing.whole.{module}")
    call = engine.networks(NetworkTask(folder, x, int(threads)))[entry]()
    call.result()
    seconds = time.perf_counter() - start
    told = {
        "ms": seconds * 1e3,
        "MB": (resident("VmHWM") - before) / 1024,
        "MB held": (resident("VmRSS") - before) / 1024,
    }
    print(json.dumps(told), file=answer, flush=True)


if __name__ == "__main__":
    main()
