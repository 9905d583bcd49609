"""What is on a photograph, by SqueezeNet 1.1."""

import os
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from fastconv import models
from fastconv.data import images
from fastconv.models.squeezenet import INPUT_SIZE

__all__ = ["Classifier", "best", "chart", "run"]

_BAR = 24  # characters that stand for probability 1


class Classifier:
    """SqueezeNet 1.1 with its weights and its classes' names, read once for any number of photos.

    >>> from fastconv.data import images
    >>> classifier = Classifier()
    >>> probabilities = classifier(images.read(images.SAMPLE))
    >>> classifier.top(probabilities, 1)[0][0]
    'Egyptian cat'
    """

    def __init__(self) -> None:
        self.params = models.load_squeezenet1_1()
        self.names = models.imagenet_classes()

    def prepare(self, rgb: np.ndarray) -> np.ndarray:
        """The photograph, (H, W, 3) uint8, as the network wants it: (1, 3, 227, 227) float32.

        The whole of it is squeezed into the square, as the network's own evaluation did.
        """
        return models.preprocess_caffe(images.resize(rgb, INPUT_SIZE, INPUT_SIZE))

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """The 1000 probabilities, (1000,) float32, of a photograph (H, W, 3) uint8."""
        return models.squeezenet1_1_caffe(self.params, self.prepare(rgb))[0]

    def top(self, probabilities: np.ndarray, count: int) -> list[tuple[str, float]]:
        """The count likeliest (name, probability), likeliest first."""
        return [(self.names[i], float(probabilities[i])) for i in best(probabilities, count)]


def best(probabilities: np.ndarray, count: int) -> list[int]:
    """The indices of the count largest, largest first; of equals the first.

    >>> best(np.array([0.1, 0.6, 0.3]), 2)
    [1, 2]
    """
    return np.argsort(-probabilities, kind="stable")[:count].tolist()


def chart(entries: Sequence[tuple[str, float]]) -> Iterator[str]:
    """A line with name, percentage and bar for each (name, probability).

    >>> list(chart([("tabby", 0.5)]))
    ['   50.0 %  ████████████              tabby']
    """
    for name, probability in entries:
        yield f"  {100 * probability:5.1f} %  {_bar(probability):<{_BAR}}  {name}"


def run(paths: Sequence[str | os.PathLike[str]], count: int) -> int:
    """Print what is on each photograph; the exit status: 1 if any could not be read, else 0.

    A photograph that cannot be read costs a line on standard error, and the next has its turn.

    Raises:
        MissingPillow: Pillow is not installed.
    """
    images.load_pillow()
    classifier = Classifier()
    failures = 0
    for path in paths:
        try:
            rgb = images.read(path)
        except images.ImageError as error:
            failures += 1
            print(f"fastconv: error: {error}", file=sys.stderr)
            continue
        height, width, _ = rgb.shape
        print(f"{images.printable(path)} ({width} × {height} pixels)")
        for line in chart(classifier.top(classifier(rgb), count)):
            print(line, flush=True)
    return 1 if failures else 0


def _bar(probability: float) -> str:
    eighths = round(probability * _BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
