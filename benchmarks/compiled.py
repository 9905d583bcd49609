"""What compiling costs, and whether the steps of a compiled network account for its time.

    python benchmarks/compiled.py                          # the eight networks of the race
    python benchmarks/compiled.py --network resnet18 --threads 1 --batch 1 --table

For each network: milliseconds from the module to the program, MB of weights in the forms it keeps,
the sum of its steps' medians against the median of whole calls measured in the same turns, what of
a call lies outside of the steps, and how long making the profile's table takes. It fails where sum
and call differ by more than 5 % and by more than 5 microseconds, which a call from Python may cost
whatever it does. --table shows the profile itself. --cold also times each convolution, pooling and
linear layer of the module by itself, as users call it, with caches full of something else before
each call: what their sum is of the network's time.
"""

import argparse
import pathlib
import statistics
import sys
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from racing import inference, tables  # noqa: E402

import fastconv  # noqa: E402
from fastconv import Tensor, nn  # noqa: E402

SLACK = 0.05  # of a call
FIXED = 5e-3  # milliseconds of any call
FLUSH = 64 << 20  # bytes, more than the caches hold
COLD_RUNS = 7
LAYERS = (nn.Conv2d, nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=list(inference.NETWORKS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20, help="runs of either kind")
    parser.add_argument("--table", action="store_true", help="show each profile")
    parser.add_argument("--cold", action="store_true", help="layers by themselves, too")
    options = parser.parse_args()
    lines, wrong = [], []
    for network in options.network or inference.NETWORKS:
        line, fits, profile = measure(network, options)
        lines.append(line)
        if not fits:
            wrong.append(network)
        if options.table:
            print(f"{network}\n{profile}\n")
    head = ("network", "compile ms", "MB", "steps", "sum ms", "call ms", "sum/call", "outside µs")
    head += ("table ms",)
    if options.cold:
        head += ("cold layers ms", "cold/call")
    print(tables.table(head, lines), end="")
    if wrong:
        print(f"the steps do not account for a call of {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


def measure(network: str, options: argparse.Namespace) -> tuple[list[str], bool, str]:
    """A line of the table, whether sum and call agree, and the profile."""
    model = inference.build(network)
    x = inference.images(network, options.batch)
    start = time.perf_counter()
    compiled = fastconv.compile(model, x, threads=options.threads)
    compiling = time.perf_counter() - start
    profile = compiled.profile(x, repeats=options.repeats)
    start = time.perf_counter()
    table = str(profile)
    printing = time.perf_counter() - start
    total = sum(step.milliseconds for step in profile.steps)
    off = abs(total - profile.milliseconds)
    fits = off <= max(SLACK * profile.milliseconds, FIXED)
    figures = (
        1e3 * compiling,
        compiled.weight_bytes / 2**20,
        len(profile.steps),
        total,
        profile.milliseconds,
        total / profile.milliseconds,
        1e3 * (profile.milliseconds - total),
        1e3 * printing,
    )
    if options.cold:
        cold = alone(model, x, options.threads)
        figures += cold, cold / profile.milliseconds
    return [inference.NETWORKS[network].title, *map(tables.number, figures)], fits, table


def alone(model: nn.Module, x: np.ndarray, threads: int) -> float:
    """Milliseconds of all layers that compute, each by itself and cold: the sum of medians."""
    inputs: dict[nn.Module, tuple[int, ...]] = {}

    def note(layer: nn.Module, given: tuple, _result: object) -> None:
        inputs[layer] = given[0].shape

    handles = [
        layer.register_forward_hook(note) for layer in model.modules() if isinstance(layer, LAYERS)
    ]
    model.eval()
    caches = np.zeros(FLUSH // 4, np.float32)
    random = np.random.default_rng(0)
    total = 0.0
    with fastconv.no_grad(), fastconv.num_threads(threads):
        model(Tensor(x))
        for handle in handles:
            handle.remove()
        for layer, shape in inputs.items():
            given = Tensor(random.standard_normal(shape, np.float32))
            layer(given)  # packs its weights
            times = []
            for _ in range(COLD_RUNS):
                caches += 1
                start = time.perf_counter()
                layer(given)
                times.append(time.perf_counter() - start)
            total += statistics.median(times)
    return 1e3 * total


if __name__ == "__main__":
    sys.exit(main())
