"""``python -m fastconv predict``: which digit is on a photograph."""

import sys
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.data import images

from . import handwriting, networks

__all__ = ["run"]

_SHADES = " .:-=+*#%@"


def run(arguments: Any) -> int:
    """Print class and probability of each image; the exit status: 1 if any could not be read.

    An image that cannot be read costs a line on standard error, and the next has its turn.

    Raises:
        CheckpointError, OSError: the checkpoint cannot be read.
        MissingPillow: Pillow is not installed.
    """
    images.load_pillow()
    network = networks.load(arguments.checkpoint)
    failures = 0
    for path in arguments.images:
        try:
            digit = handwriting.as_digit(images.read(path))
        except images.ImageError as error:
            failures += 1
            text = images.printable(error)
            if not text.startswith(images.printable(path)):
                text = f"{images.printable(path)}: {text}"
            print(f"fastconv: error: {text}", file=sys.stderr)
            continue
        probabilities = F.softmax(network.scores(digit[np.newaxis]), 1)[0]
        first, second = np.argsort(-probabilities, kind="stable")[:2]
        print(
            f"{images.printable(path)}: {first}  {100 * probabilities[first]:.1f} %"
            f"   (then {second}, {100 * probabilities[second]:.1f} %)",
            flush=True,
        )
        if arguments.show:
            for row in digit // 26:
                print("  " + "".join(_SHADES[level] * 2 for level in row))
    return 1 if failures else 0
