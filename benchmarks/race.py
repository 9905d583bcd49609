"""Race fastconv against torch, onnxruntime, OpenVINO, ncnn and MNN, layer by layer.

    python benchmarks/race.py                        # every layer, 1 and 2 threads, warm
    python benchmarks/race.py --network resnet18     # the layers of one network
    python benchmarks/race.py --layer 'ic64 .* kh3'  # those whose line matches
    python benchmarks/race.py --cold                 # with the caches flushed before each call
    python benchmarks/race.py --dtype float64        # against torch alone
    python benchmarks/race.py --render               # the documents again, from what was measured

Each row is added to a file in benchmarks/results at once: a race that was cut short goes on where
it was, with the rows that this commit of the engine lacks (--again: with all). At the end it writes
docs/benchmarks.md and docs/roofline.png.
"""

import argparse
import datetime
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent
sys.path[:0] = [str(HERE), str(PROJECT / "tests")]

import corpus  # noqa: E402
from racing import report, store  # noqa: E402
from racing.children import Child, ChildDied, missing_packages  # noqa: E402
from racing.contest import QUICK, Effort  # noqa: E402
from racing.engines import COMPETITORS, OWN  # noqa: E402
from racing.referee import Referee, machine  # noqa: E402
from racing.work import Row  # noqa: E402

RESULTS = HERE / "results"


def main() -> int:
    options = read_options()
    path = options.results
    if path is None and options.render:
        path = store.latest(RESULTS)
    elif path is not None:
        path = path.resolve()
    if path is None:
        day = datetime.date.today().isoformat()
        path = RESULTS / store.file_name(cpu_name(), cores(), day)
    if not options.render:
        run(options, path)
    sessions, rows = store.load(path)
    if not rows:
        print(f"{path}: nothing was measured", file=sys.stderr)
        return 1
    if options.document:
        write_documents(sessions, rows, path, options.document)
    for line in report.self_check(rows):
        print(line)
    return 0


def read_options() -> argparse.Namespace:
    parser = common_options(__doc__, corpus.networks())
    peer_options(parser)
    parser.add_argument("--layer", help="regular expression on the layer's line or name")
    parser.add_argument("--dtype", action="append", choices=("float32", "float64"))
    parser.add_argument("--cold", action="store_true", help="flush the caches before each call")
    parser.add_argument(
        "--document",
        type=lambda text: pathlib.Path(text) if text else None,
        default=PROJECT / "docs",
        help="the folder for the documents; '' for none",
    )
    return parser.parse_args()


def common_options(text: str, networks: Iterable[str]) -> argparse.ArgumentParser:
    """A parser of what all races have; `text` describes the race."""
    parser = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=list(networks))
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--quick", action="store_true", help="few runs: to see that it works")
    parser.add_argument("--results", type=pathlib.Path, help="the file of rows")
    return parser


def peer_options(parser: argparse.ArgumentParser) -> None:
    """What races against all engines have, too."""
    parser.add_argument(
        "--peer", action="append", help="only these engines; default: all installed"
    )
    parser.add_argument("--again", action="store_true", help="measure also what has been measured")
    parser.add_argument("--render", action="store_true", help="only write what is to be read")


def wanted_rows(options: argparse.Namespace) -> list[Row]:
    layers: dict[corpus.Layer, None] = {}
    for network in options.network or corpus.networks():
        for layer in corpus.load(network):
            if options.layer is None or re.search(options.layer, f"{layer.shape_key} {layer.n}"):
                layers.setdefault(layer.shape_key)
    threads = options.threads or default_threads()
    return [
        Row(layer, dtype, n, options.cold)
        for layer in layers
        for dtype in options.dtype or ["float32"]
        for n in threads
    ]


def run(options: argparse.Namespace, path: pathlib.Path) -> None:
    rows = wanted_rows(options)
    if not options.again:
        rows = store.missing(rows, *store.load(path), commit(), options.quick)
    print(f"{len(rows)} rows to go into {path}")
    if not rows:
        return
    with tempfile.TemporaryDirectory(prefix="race-logs-") as logs:
        children = start_children(options.peer, pathlib.Path(logs))
        referee = Referee(children, QUICK if options.quick else Effort())
        measure(rows, path, referee, lambda: session(children, options), report.one_line)


def measure(
    rows: list[Any],
    path: pathlib.Path,
    referee: Any,
    opening: Callable[[], dict],
    one_line: Callable[[dict], str],
) -> None:
    """Race the rows, under the session that `opening` makes, each kept in the file and told.
    The referee and the processes of the engines end with them."""
    try:
        store.append(path, {"session": opening()})
        for number, row in enumerate(rows, 1):
            start = time.monotonic()
            found = referee.race(row)
            store.append(path, found)
            seconds = time.monotonic() - start
            print(f"{number}/{len(rows)} {one_line(found)}  ({seconds:.1f} s)", flush=True)
    finally:
        referee.close()
        for child in referee.children.values():
            child.stop()


def start_children(peers: list[str] | None, logs: pathlib.Path) -> dict[str, Child]:
    """Everybody that is installed and wanted; the others are said not to be there."""
    children = {}
    for name, competitor in COMPETITORS.items():
        if name != OWN and peers and competitor.engine not in peers:
            continue
        lacking = missing_packages(name)
        if lacking:
            print(f"{name} does not race: {', '.join(lacking)} not installed")
            continue
        try:
            children[name] = Child(name, logs)
        except ChildDied as why:
            if name == OWN:
                raise
            print(f"{name} does not race: {why}")
    if not children[OWN].told["prepared"]:
        print("this fastconv has no Conv2d: in its place the function runs, with a bound result")
    return children


def session(children: dict[str, Child], options: argparse.Namespace) -> dict:
    """What the rows that follow were measured with."""
    versions = {}
    for child in children.values():
        versions |= child.told["versions"]
    return {
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": cores(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "commit": commit(),
        "versions": versions,
        "prepared": children[OWN].told["prepared"],
        "quick": options.quick,
        **machine(children[OWN], options.threads or default_threads()),
    }


def write_documents(
    sessions: list[dict], rows: list[dict], path: pathlib.Path, folder: pathlib.Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = report.document(sessions, rows, store.source(path, RESULTS))
    (folder / "benchmarks.md").write_text(text, encoding="utf-8")
    print(f"wrote {folder / 'benchmarks.md'}")
    try:
        from racing import roofline
    except ImportError as why:
        print(f"no picture of the roofline: {why}")
        return
    if roofline.draw(sessions, rows, folder / "roofline.png"):
        print(f"wrote {folder / 'roofline.png'}")


def cores() -> int:
    import fastconv

    return fastconv.runtime_info()["cores"]


def default_threads() -> list[int]:
    return [1, 2] if cores() > 1 else [1]


def cpu_name() -> str:
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = {
        key: match[1].strip()
        for key in ("model name", "cpu family", "model")
        if (match := re.search(rf"^{key}\s*:(.*)$", text, re.M))
    }
    if not found:
        return platform.machine()
    name = found.get("model name", platform.machine())
    return f"{name} family {found.get('cpu family', '?')} model {found.get('model', '?')}"


def commit() -> str:
    """The last commit that changed the engine; a + when its files differ from it."""
    how = {"cwd": PROJECT, "capture_output": True, "text": True, "check": False}
    engine = ("--", "csrc", "fastconv")
    try:
        last = subprocess.run(["git", "log", "-1", "--format=%h", *engine], **how)
        changed = subprocess.run(["git", "status", "--porcelain", "-uno", *engine], **how)
    except OSError:
        return "unknown"
    if last.returncode or not last.stdout:
        return "unknown"
    return last.stdout.strip() + ("+" if changed.stdout.strip() else "")


if __name__ == "__main__":
    sys.exit(main())
