"""``python -m fastconv``: a demonstration, networks to train, use and time, facts on the engine."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import fastconv
from fastconv.commands.arguments import parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status.

    0: done. 1: a photograph could not be read, Pillow is missing, or the output could not be
    written (standard error has a line for each), or the engine and the reference disagree.
    2: wrong usage. 130: interrupted. Of bench 1: another engine computes something else.
    """
    arguments = parser(fastconv.__doc__, fastconv.__version__).parse_args(argv)
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


def _run(arguments: Any) -> int:
    """Run one command. What it needs is imported here: most commands need little."""
    if arguments.command == "info":
        fastconv.show_runtime()
        return 0
    if arguments.command in ("models", "summary", "bench"):
        return _catalogue_command(arguments)
    from fastconv.data import DataError, images

    try:
        if arguments.command == "demo":
            from fastconv.demo import tour

            return tour.run(arguments.output, arguments.photo)
        if arguments.command == "classify":
            from fastconv.demo import classify

            return classify.run(arguments.photos, arguments.top)
        return _network_command(arguments)
    except BrokenPipeError:
        raise
    except (images.ImageError, images.MissingPillow, DataError, OSError) as error:
        print(f"fastconv: error: {images.printable(error)}", file=sys.stderr)
        return 1


def _catalogue_command(arguments: Any) -> int:
    from fastconv import models
    from fastconv.commands import bench, catalogue

    commands = {
        "models": catalogue.run_models, "summary": catalogue.run_summary, "bench": bench.run,
    }  # fmt: skip
    try:
        if arguments.command != "models":
            models.entry(arguments.network)
    except ValueError as error:
        print(f"fastconv: error: {error}", file=sys.stderr)
        return 2
    return commands[arguments.command](arguments)


def _network_command(arguments: Any) -> int:
    from fastconv.commands import evaluate, predict, train
    from fastconv.training import CheckpointError, Interrupted, NonFinite

    commands = {"train": train.run, "evaluate": evaluate.run, "predict": predict.run}
    try:
        return commands[arguments.command](arguments)
    except Interrupted as error:
        print(f"\nfastconv: {error}", file=sys.stderr)
        return 130
    except (CheckpointError, NonFinite) as error:
        print(f"fastconv: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
