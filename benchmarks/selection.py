"""Is the algorithm that the engine chooses the fastest of those that take the shape?

    python benchmarks/selection.py                               # every tier, 300 shapes each
    python benchmarks/selection.py --tier avx512 --slice 2/4     # a quarter of them

Each shape (benchmarks/drawn.py) is computed by the algorithm that is chosen for it and by every
other one that takes it when forced, by turns of a millisecond in one process; an algorithm that is
four times slower than the best after the first turn is not asked again. What counts is the median
over the rounds of chosen / best. Where that is above 1.1 it is taken once more, with more rounds:
the best of several equal candidates is the one that luck favoured, so the second ratio counts, with
the candidate that the first one found.

Weights are packed by every call, as F.conv2d does. The target is at most 1.15 for each.
"""

import argparse
import statistics
import sys

import drawn

from fastconv.turns import by_turns, ratio

TARGET = 1.15
DOUBTFUL = 1.1
HOPELESS = 4.0


def measure(shape: drawn.Drawn, threads: int) -> dict:
    """The row of one shape: ratio of the chosen algorithm's time to the best one's."""
    call = shape.call(threads)
    chosen = call.probe().algorithm
    row = {"shape": str(shape), "chosen": chosen, "best": chosen, "ratio": 1.0}
    others = [name for name in call.takers() if name != chosen]
    timers = {name: call.timer(name) for name in [chosen, *others]}
    row["us"] = {name: timer() * 1e6 for name, timer in timers.items()}
    hopeless = HOPELESS * min(row["us"].values())
    running = [name for name in timers if name == chosen or row["us"][name] <= hopeless]
    if len(running) == 1:
        return row
    times = dict(zip(running, by_turns([timers[n] for n in running], 0.02), strict=True))
    row["us"] |= {name: statistics.median(taken) * 1e6 for name, taken in times.items()}
    best = min(running, key=lambda name: row["us"][name])
    if best == chosen:
        return row
    found = ratio(times[chosen], times[best])
    if found > DOUBTFUL:
        found = ratio(*by_turns([timers[chosen], timers[best]], 0.08, least=15))
    return row | {"best": best, "ratio": found}


def summary(rows: list[dict]) -> dict:
    """What the rows come to."""
    ratios = [row["ratio"] for row in rows]
    return {
        "target": TARGET,
        "within_target": sum(found <= TARGET for found in ratios) / len(rows),
        "geometric_mean": statistics.geometric_mean(max(1.0, found) for found in ratios),
        "worst": max(ratios),
    }


def report(rows: list[dict]) -> None:
    """Print the share on target, the worst ten, and which preferences are wrong how often."""
    figures = summary(rows)
    print(
        f"chosen within {TARGET} of the best: {figures['within_target']:.1%} of {len(rows)} shapes;"
        f" geometric mean of chosen / best {figures['geometric_mean']:.3f}"
    )
    worst = sorted(rows, key=lambda row: -row["ratio"])[:10]
    drawn.table(
        ("the worst ten", "chosen", "us", "best", "us", "ratio"),
        [
            (
                row["shape"],
                row["chosen"],
                f"{row['us'][row['chosen']]:.1f}",
                row["best"],
                f"{row['us'][row['best']]:.1f}",
                f"{row['ratio']:.2f}",
            )
            for row in worst
        ],
    )
    wrong: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row["ratio"] > TARGET:
            wrong.setdefault((row["chosen"], row["best"]), []).append(row["ratio"])
    for (chosen, best), found in sorted(wrong.items(), key=lambda item: -len(item[1])):
        print(f"{chosen} where {best} is faster: {len(found)} shapes, up to {max(found):.2f}")


def main(options: argparse.Namespace, tier: str) -> None:
    shapes = drawn.slice_of(options)
    print(f"{tier}: {len(shapes)} shapes of seed {options.seed}, {options.threads} thread(s)")
    rows = [measure(shape, options.threads) for shape in shapes]
    report(drawn.save("selection", options, tier, rows, summary))


if __name__ == "__main__":
    sys.exit(drawn.run(drawn.parser(__doc__, 300).parse_args(), main))
