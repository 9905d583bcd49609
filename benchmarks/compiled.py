"""What compiling costs, and whether the steps of a compiled network account for its time.

    python benchmarks/compiled.py                          # the eight networks of the race
    python benchmarks/compiled.py --network resnet18 --threads 1 --batch 1 --table

For each network: milliseconds from the module to the program, MB of weights in the forms it keeps,
the sum of its steps' medians against the median of whole calls measured in the same turns, what of
a call lies outside of the steps, and how long making the profile's table takes. It fails where sum
and call differ by more than 5 % and by more than 5 microseconds, which a call from Python may cost
whatever it does. --table shows the profile itself.
"""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

from racing import inference, tables  # noqa: E402

import fastconv  # noqa: E402

SLACK = 0.05  # of a call
FIXED = 5e-3  # milliseconds of any call


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=list(inference.NETWORKS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=20, help="runs of either kind")
    parser.add_argument("--table", action="store_true", help="show each profile")
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
    return [inference.NETWORKS[network].title, *map(tables.number, figures)], fits, table


if __name__ == "__main__":
    sys.exit(main())
