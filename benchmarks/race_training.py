"""Race fastconv's forward and backward of a layer against torch's.

    python benchmarks/race_training.py                        # every layer, 1 and 2 threads
    python benchmarks/race_training.py --network resnet18 --threads 1 --quick

Rows go into a file of benchmarks/results at once, and a race that was cut short goes on where it
was; at the end it writes docs/training.md.
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
import corpus  # isort: skip
from racing import store, training
from racing.contest import QUICK, Effort
from racing.work import Row


def main() -> int:
    parser = common_options(__doc__, corpus.networks())
    parser.add_argument(
        "--document",
        type=pathlib.Path,
        default=RESULTS.parent.parent / "docs/training.md",
        help="the file of tables",
    )
    options = parser.parse_args()
    day = datetime.date.today().isoformat()
    name = f"training-{store.file_name(cpu_name(), cores(), day)}"
    path = options.results or RESULTS / "training" / name
    wanted = [
        Row(layer, "float32", threads, False)
        for layer in training.layers(options.network or corpus.networks())
        for threads in options.threads or default_threads()
    ]
    run(options, store.missing(wanted, *store.load(path), commit(), options.quick), path)
    sessions, rows = store.load(path)
    if not rows:
        print(f"{path}: nothing was measured", file=sys.stderr)
        return 1
    text = training.document(sessions, rows, store.source(path, RESULTS))
    options.document.write_text(text, encoding="utf-8")
    print(f"wrote {options.document}")
    return 0


def run(options: argparse.Namespace, rows: list[Row], path: pathlib.Path) -> None:
    """Measure the rows and keep them in the file."""
    print(f"{len(rows)} rows to go into {path}")
    if not rows:
        return
    with tempfile.TemporaryDirectory(prefix="race-logs-") as logs:
        children = start_children(["torch"], pathlib.Path(logs))
        referee = training.TrainingReferee(children, QUICK if options.quick else Effort())
        measure(rows, path, referee, lambda: session(children, options), training.one_line)


if __name__ == "__main__":
    sys.exit(main())
