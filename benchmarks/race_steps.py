"""Race training steps of whole networks against torch: forward, backward, momentum SGD.

    python benchmarks/race_steps.py                       # every network, 1 and 2 threads
    python benchmarks/race_steps.py --network lenet5 --threads 1 --quick

Rows go into a file of benchmarks/results/steps at once, and a race that was cut short goes on where
it was; at the end it writes docs/training_steps.md.
"""

import argparse
import datetime
import pathlib
import sys
import tempfile

from race import (
    RESULTS,
    commit,
    common_options,
    cores,
    cpu_name,
    default_threads,
    measure,
    session,
    start_children,
)

# The import above has put the folders of the corpora and of the race on the path.
from racing import steps, store  # isort: skip
from racing.networks import STEPS


def main() -> int:
    parser = common_options(__doc__, STEPS)
    parser.add_argument(
        "--document",
        type=pathlib.Path,
        default=RESULTS.parent.parent / "docs/training_steps.md",
        help="the file of tables",
    )
    options = parser.parse_args()
    name = store.file_name(cpu_name(), cores(), datetime.date.today().isoformat())
    path = options.results or RESULTS / "steps" / name
    wanted = [
        steps.Wanted(network, threads)
        for network in options.network or STEPS
        for threads in options.threads or default_threads()
    ]
    run(options, store.missing(wanted, *store.load(path), commit(), options.quick), path)
    sessions, rows = store.load(path)
    if not rows:
        print(f"{path}: nothing was measured", file=sys.stderr)
        return 1
    text = steps.document(sessions, rows, store.source(path, RESULTS))
    options.document.write_text(text, encoding="utf-8")
    print(f"wrote {options.document}")
    return 0


def run(options: argparse.Namespace, rows: list[steps.Wanted], path: pathlib.Path) -> None:
    """Measure the rows and keep them in the file."""
    print(f"{len(rows)} rows to go into {path}")
    if not rows:
        return
    with tempfile.TemporaryDirectory(prefix="race-logs-") as logs:
        children = start_children(["torch"], pathlib.Path(logs))
        referee = steps.StepReferee(children, steps.QUICK if options.quick else steps.EFFORT)
        measure(rows, path, referee, lambda: session(children, options), steps.one_line)


if __name__ == "__main__":
    sys.exit(main())
