"""Race whole networks, forward: fastconv against torch, onnxruntime, OpenVINO, ncnn and MNN.

    python benchmarks/race_networks.py            # all, batches 1, 16, 1 and 2 threads
    python benchmarks/race_networks.py --network lenet5 --batch 1 --threads 1 --quick
    python benchmarks/race_networks.py --render   # the document from what was measured

Rows go into a file of benchmarks/results/networks at once, and a race that was cut short goes on
where it was (--again: anew); at the end it writes docs/networks.md and docs/networks.png.
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
    peer_options,
    session,
    start_children,
)

# The import above has put the folders of the corpora and of the race on the path.
from racing import inference, network_report, store  # isort: skip

FOLDER = RESULTS / "networks"


def main() -> int:
    options = read_options()
    path = options.results
    if path is None and options.render:
        path = store.latest(FOLDER)
    if path is None:
        name = store.file_name(cpu_name(), cores(), datetime.date.today().isoformat())
        path = FOLDER / name
    path = path.resolve()
    if not options.render:
        run(options, path)
    sessions, rows = store.load(path)
    if not rows:
        print(f"{path}: nothing was measured", file=sys.stderr)
        return 1
    write(sessions, rows, path, options.document)
    return 0


def read_options() -> argparse.Namespace:
    parser = common_options(__doc__, inference.NETWORKS)
    peer_options(parser)
    parser.add_argument("--batch", type=int, action="append", choices=inference.BATCHES)
    parser.add_argument(
        "--document",
        type=pathlib.Path,
        default=RESULTS.parent.parent / "docs",
        help="the folder for the document and the picture",
    )
    return parser.parse_args()


def run(options: argparse.Namespace, path: pathlib.Path) -> None:
    """Measure the rows that are missing and keep them in the file."""
    rows = [
        inference.Wanted(network, batch, threads)
        for network in options.network or inference.NETWORKS
        for batch in options.batch or inference.BATCHES
        for threads in options.threads or default_threads()
    ]
    if not options.again:
        rows = store.missing(rows, *store.load(path), commit(), options.quick)
    print(f"{len(rows)} rows to go into {path}")
    if not rows:
        return
    effort, starts = inference.EFFORT, inference.STARTS
    if options.quick:
        effort, starts = inference.QUICK, 1
    with tempfile.TemporaryDirectory(prefix="race-logs-") as logs:
        children = start_children(options.peer, pathlib.Path(logs))
        referee = inference.NetworkReferee(children, effort, starts)
        measure(rows, path, referee, lambda: session(children, options), network_report.one_line)


def write(sessions: list[dict], rows: list[dict], path: pathlib.Path, folder: pathlib.Path) -> None:
    """The document and, where matplotlib is, the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    text = network_report.document(sessions, rows, store.source(path, RESULTS))
    (folder / "networks.md").write_text(text, encoding="utf-8")
    print(f"wrote {folder / 'networks.md'}")
    try:
        from racing import network_bars
    except ImportError as why:
        print(f"no picture: {why}")
        return
    network_bars.draw(rows, folder / "networks.png")
    print(f"wrote {folder / 'networks.png'}")


if __name__ == "__main__":
    sys.exit(main())
