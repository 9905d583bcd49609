"""``python -m fastconv``: a demonstration, a classifier of photographs, facts about the engine."""

import argparse
import os
import sys
from collections.abc import Sequence

import fastconv


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    0: done. 1: a photograph could not be read, Pillow is missing, or the output could not be
    written (standard error has a line for each), or the engine and the reference disagree.
    2: wrong usage. 130: interrupted.
    """
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        # A terminal or a pipe of a narrow encoding shows '?' for what it has no character for.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has had enough (python -m fastconv … | head). What is left in the
        # buffer must go somewhere when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nfastconv: interrupted", file=sys.stderr)
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fastconv", description=fastconv.__doc__)
    parser.add_argument("--version", action="version", version=f"fastconv {fastconv.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo", help="edge maps of a photograph, what is on it, and how fast that was"
    )
    demo.add_argument(
        "--output",
        default="demo-output",
        metavar="DIR",
        help="where the picture goes (%(default)s)",
    )
    demo.add_argument("--photo", metavar="FILE", help="your own photograph instead of ours")
    classify = commands.add_parser("classify", help="say what is on photographs")
    classify.add_argument("photos", nargs="+", metavar="PHOTO")
    classify.add_argument(
        "--top", type=_count, default=5, metavar="N", help="how many names (%(default)s)"
    )
    commands.add_parser("info", help="the engine, its instruction sets, threads, caches, memory")
    return parser


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{value} is not in 1 … 1000")
    return value


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == "info":
        fastconv.show_runtime()
        return 0
    from fastconv.data import images
    from fastconv.demo import classify, tour

    try:
        if arguments.command == "classify":
            return classify.run(arguments.photos, arguments.top)
        return tour.run(arguments.output, arguments.photo)
    except BrokenPipeError:
        raise
    except (images.ImageError, images.MissingPillow, OSError) as error:
        print(f"fastconv: error: {images.printable(error)}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
