"""Parts of a batch on a thread each, against all threads at one layer after another.

    python benchmarks/side_by_side.py --threads 2 --batch 16 --network resnet18

For each network: medians of calls in turns, in milliseconds, the median of their ratios, and what
a call of either borrows. Both read the same weights and must give the same bits.
"""

import argparse
import pathlib
import statistics
import sys
import time
from unittest import mock

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from racing import inference, tables  # noqa: E402

import fastconv  # noqa: E402
from fastconv.graph import lower  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=list(inference.NETWORKS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each network")
    options = parser.parse_args()
    lines = [measure(network, options) for network in options.network or inference.NETWORKS]
    head = ("network", "in order ms", "beside ms", "ratio", "in order MB", "beside MB", "turns")
    print(tables.table(head, lines), end="")


def measure(network: str, options: argparse.Namespace) -> list[str]:
    """A line of the table."""
    x = inference.images(network, options.batch)
    model = inference.build(network)
    beside = fastconv.compile(model, x, threads=options.threads)
    with mock.patch.object(lower._Part, "beside", False):
        in_order = fastconv.compile(model, x, threads=options.threads)
    nets = in_order, beside
    np.testing.assert_array_equal(in_order(x), beside(x))
    times: tuple[list[int], list[int]] = ([], [])
    end = time.perf_counter() + options.seconds
    while time.perf_counter() < end or len(times[0]) < 3:
        for net, own in zip(nets, times, strict=True):
            start = time.perf_counter_ns()
            net(x)
            own.append(time.perf_counter_ns() - start)
    ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    programs = [net._plans.of((x.shape,)).lowered.program for net in nets]
    return [
        network,
        *(f"{statistics.median(own) * 1e-6:.2f}" for own in times),
        f"{ratio:.3f}",
        *(f"{program.memory_bytes(options.threads) * 1e-6:.1f}" for program in programs),
        str(len(times[0])),
    ]


if __name__ == "__main__":
    main()
