"""``python -m fastconv evaluate``: a checkpoint on a pair of IDX files."""

from typing import Any

import numpy as np

from fastconv import data, metrics
from fastconv.data.images import printable

from . import networks

__all__ = ["run"]


def run(arguments: Any) -> int:
    """Print accuracy, precision, recall and F1 of each class, and the confusion matrix; 0.

    Raises:
        CheckpointError, OSError: a file cannot be read.
        DataError: so, too, or images and labels do not belong together, or do not fit the network.
        MissingPillow: a picture was asked for, and Pillow is not installed.
    """
    if arguments.picture:
        from fastconv.data.images import load_pillow

        load_pillow()
    network = networks.load(arguments.checkpoint)
    images, labels = data.read_idx(arguments.images), data.read_idx(arguments.labels)
    if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
        raise data.DataError(
            f"{arguments.images}: has shape {images.shape} and dtype {images.dtype}, expected "
            f"(N, 28, 28) of uint8"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu" or not len(labels):
        raise data.DataError(
            f"{arguments.labels}: has shape {labels.shape} and dtype {labels.dtype}, expected "
            f"({len(images)},) of integers: a label for each image"
        )
    scores = network.scores(images)
    if not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise data.DataError(
            f"{arguments.labels}: labels go from {labels.min()} to {labels.max()}, the network's "
            f"from 0 to {scores.shape[1] - 1}"
        )
    labels = labels.astype(np.int64)
    matrix = metrics.confusion_matrix(scores, labels)
    share = metrics.accuracy(scores, labels)
    print(f"{printable(arguments.checkpoint)} ({network.name}) on {len(labels):,} images")
    print(f"accuracy {100 * share:.2f} %, error {100 * (1 - share):.2f} %\n")
    print(metrics.classification_report(scores, labels))
    print("\nrows: the class; columns: what it was taken for")
    for line in _table(matrix):
        print(line)
    if arguments.picture:
        from fastconv.pictures.matrix import confusion

        told = f"{len(labels):,} images, {100 * share:.2f} % right"
        confusion(matrix, "What was taken for what", told).save(arguments.picture, "PNG")
        print(f"  {printable(arguments.picture)}")
    return 0


def _table(matrix: np.ndarray) -> list[str]:
    width = max(4, len(f"{matrix.max():,}") + 1)
    lines = ["    " + "".join(f"{j:>{width}}" for j in range(len(matrix)))]
    for i, row in enumerate(matrix.tolist()):
        lines.append(f"{i:>4}" + "".join(f"{n or '·':>{width}}" for n in row))
    return lines
