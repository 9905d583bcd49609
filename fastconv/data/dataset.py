"""Examples with their labels, and the orders that a seed puts them in."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Dataset", "as_dataset", "checked_seed", "permutation"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Arrays of examples and labels that belong together.

    Attributes:
        x: (N, …) examples; images are (N, C, H, W).
        y: (N,) labels, integers.
        indices: (N,) int64, for each example its place in the arrays that it was taken from; None
            if it was not taken from any.
        source: (N,) int8, where examples come from two datasets: 0 for those of the first, 1 for
            those of the second; else None.

    Raises:
        TypeError: x or y is no array of numbers, y is not of integers.
        ValueError: the lengths differ, y is not one-dimensional.

    >>> len(Dataset(np.zeros((3, 1, 8, 8)), np.array([0, 1, 0])))
    3
    """

    x: np.ndarray
    y: np.ndarray
    indices: np.ndarray | None = None
    source: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name, array in (("x", self.x), ("y", self.y)):
            if not isinstance(array, np.ndarray):
                raise TypeError(
                    f"Dataset: {name} must be a NumPy array, not {type(array).__name__}: "
                    f"np.asarray makes one of a list"
                )
        if self.x.dtype.kind not in "biuf":
            raise TypeError(f"Dataset: x must be of numbers, not {self.x.dtype}")
        if self.y.dtype.kind not in "iu":
            raise TypeError(
                f"Dataset: y must be of integers (numbers of classes), not {self.y.dtype}; "
                f"np.unique(…, return_inverse=True) numbers names"
            )
        if self.y.ndim != 1 or self.x.ndim < 1 or len(self.x) != len(self.y):
            raise ValueError(
                f"Dataset: x has shape {self.x.shape} and y {self.y.shape}; "
                f"expected (N, …) and (N,): a label for each example"
            )
        for name, array in (("indices", self.indices), ("source", self.source)):
            if array is not None and array.shape != self.y.shape:
                raise ValueError(f"Dataset: {name} has shape {array.shape}, y {self.y.shape}")

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"Dataset(x={self.x.shape} {self.x.dtype}, y={self.y.shape} {self.y.dtype})"


def as_dataset(value: object, who: str) -> Dataset:
    """A Dataset, or a pair (x, y) made one.

    Raises:
        TypeError, ValueError: it is neither, or the pair is not fit.
    """
    if isinstance(value, Dataset):
        return value
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return Dataset(*value)
    raise TypeError(f"{who} must be a Dataset or a pair (x, y), not {type(value).__name__}")


def checked_seed(seed: object, who: str) -> int:
    """The seed as an int.

    Raises:
        TypeError: it is no integer. ValueError: it is negative or has more than 128 bits.
    """
    if isinstance(seed, (bool, np.bool_)) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"{who}: seed must be an int, not {type(seed).__name__}")
    if not 0 <= seed < 2**128:
        raise ValueError(f"{who}: seed must be in 0 … 2**128 - 1, not {seed}")
    return int(seed)


def permutation(count: int, seed: int, *stream: int) -> np.ndarray:
    """The numbers below count in an order that depends on the arguments alone.

    It is that in which the first ``count`` raw 64-bit numbers of NumPy's PCG64 are ascending; PCG64
    is seeded by ``SeedSequence(seed, spawn_key=stream)``. NumPy promises that raw numbers and
    SeedSequence stay as they are (NEP 19), which it does not of ``Generator.permutation``. So a
    seed gives the same order on every machine and with every version.

    >>> permutation(5, seed=0).tolist()
    [3, 2, 1, 0, 4]
    """
    generator = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=stream))
    return np.argsort(generator.random_raw(count), kind="stable")
