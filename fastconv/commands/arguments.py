"""The command line of every command. It imports nothing that a command might not need."""

import argparse

__all__ = ["parser"]


def parser(description: str, version: str) -> argparse.ArgumentParser:
    """The parser of ``python -m fastconv``; the namespace has the command's name as 'command'."""
    result = argparse.ArgumentParser(prog="python -m fastconv", description=description)
    result.add_argument("--version", action="version", version=f"fastconv {version}")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _demo(commands.add_parser(
        "demo", help="edge maps of a photograph, what is on it, a short training"
    ))  # fmt: skip
    classify = commands.add_parser("classify", help="say what is on photographs")
    classify.add_argument("photos", nargs="+", metavar="PHOTO")
    classify.add_argument(
        "--top", type=_from_to(1, 1000), default=5, metavar="N", help="how many names (%(default)s)"
    )
    _train(commands.add_parser("train", help="train a network on the digits that fastconv brings"))
    _evaluate(commands.add_parser("evaluate", help="score a checkpoint on a pair of IDX files"))
    _predict(commands.add_parser("predict", help="say which digits are on photographs"))
    commands.add_parser("models", help="the networks: name, size, cost, input, reference")
    summary = commands.add_parser("summary", help="the layers of a network, and what each costs")
    summary.add_argument("network", metavar="NAME", help="as models lists it")
    summary.add_argument(
        "--batch", type=_from_to(1, 1024), default=1, metavar="N", help="images (%(default)s)"
    )
    _bench(commands.add_parser(
        "bench", help="time a network, also compiled, and in PyTorch where that is installed"
    ))  # fmt: skip
    commands.add_parser("info", help="the engine, its instruction sets, threads, caches, memory")
    return result


def _demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "--output",
        default="demo-output",
        metavar="DIR",
        help="where the pictures go (%(default)s)",
    )
    demo.add_argument("--photo", metavar="FILE", help="your own photograph instead of ours")


def _train(train: argparse.ArgumentParser) -> None:
    train.add_argument("network", choices=["lenet5"], help="which network")
    train.add_argument(
        "--output", default="lenet5-output", metavar="DIR",
        help="where checkpoint and pictures go (%(default)s)",
    )  # fmt: skip
    train.add_argument(
        "--epochs", type=_from_to(1, 10_000), default=30, metavar="N", help="(%(default)s)"
    )
    train.add_argument(
        "--batch-size", type=_from_to(1, 1000), default=64, metavar="N", help="(%(default)s)"
    )
    train.add_argument(
        "--learning-rate", type=_positive, default=0.08, metavar="X",
        help="at the start; it falls to 0 (%(default)s)",
    )  # fmt: skip
    train.add_argument(
        "--seed", type=_from_to(0, 2**63), default=0, metavar="N",
        help="of the split, the initial weights and the order (%(default)s)",
    )  # fmt: skip
    train.add_argument(
        "--activation", choices=["tanh", "relu"], default="tanh", help="(%(default)s)"
    )
    train.add_argument(
        "--pooling", choices=["average", "max"], default="average", help="(%(default)s)"
    )
    train.add_argument(
        "--connections", choices=["dense", "table"], default="dense",
        help="of S2 with C3: all, or those of the paper's table (%(default)s)",
    )  # fmt: skip
    train.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in the output folder"
    )


def _evaluate(evaluate: argparse.ArgumentParser) -> None:
    evaluate.add_argument("checkpoint", metavar="CHECKPOINT", help="a file that train has written")
    evaluate.add_argument(
        "--images", required=True, metavar="FILE", help="IDX file of images, gzipped or not"
    )
    evaluate.add_argument("--labels", required=True, metavar="FILE", help="IDX file of labels")
    evaluate.add_argument("--picture", metavar="FILE", help="draw the confusion matrix, as PNG")


def _predict(predict: argparse.ArgumentParser) -> None:
    predict.add_argument("checkpoint", metavar="CHECKPOINT", help="a file that train has written")
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="a digit, dark or light")
    predict.add_argument(
        "--show", action="store_true", help="also print what the network sees, in characters"
    )


def _bench(bench: argparse.ArgumentParser) -> None:
    bench.add_argument("network", metavar="NAME", help="as models lists it")
    bench.add_argument(
        "--batch", type=_from_to(1, 1024), default=1, metavar="N", help="images (%(default)s)"
    )
    bench.add_argument(
        "--threads", type=_from_to(1, 1024), metavar="T", help="default: as info tells"
    )


def _from_to(low: int, high: int):
    def whole(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not in {low} … {high}")
        return value

    return whole


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value
