"""Random numbers of an image in an epoch, whatever batch it is in and whoever asks first."""

import numpy as np

from .dataset import checked_seed

__all__ = ["Draws"]

# Odd, and the golden ratio's fraction: steps by it visit all 64-bit numbers.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Draws:
    """Random numbers for the images of a batch: one for each image whenever a transform asks.

    Formula:
        the numbers of the k-th request are mix(mix(key + step · index) + step · k), where key is of
        (seed, epoch), index is the image's place in the dataset, and mix the finaliser of
        SplitMix64. So they depend on (seed, epoch, index, k) alone: not on the batch, the thread
        or the order of the images.

    Args:
        seed, epoch: ints, none negative.
        indices: (N,) the images' places in the dataset.

    Source:
        G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    >>> batch, other = Draws(0, 3, np.array([4, 5, 6])), Draws(0, 3, np.array([6]))
    >>> bool(batch.uniform()[2] == other.uniform()[0])
    True
    """

    def __init__(self, seed: int, epoch: int, indices: np.ndarray) -> None:
        seed = checked_seed(seed, "Draws")
        key = np.random.SeedSequence(seed, spawn_key=(1, epoch)).generate_state(1, np.uint64)[0]
        self._of_image = _mix(key + np.asarray(indices).astype(np.uint64) * _STEP)
        self._asked = 0

    def __len__(self) -> int:
        return len(self._of_image)

    def bits(self) -> np.ndarray:
        """(N,) uint64, the next number of each image."""
        self._asked += 1
        return _mix(self._of_image + np.array([self._asked], np.uint64) * _STEP)

    def uniform(self) -> np.ndarray:
        """(N,) float64 in 0 ≤ u < 1: the next number of each image."""
        return (self.bits() >> np.uint64(11)) * 2.0**-53

    def integers(self, low: int, high: int) -> np.ndarray:
        """(N,) int64 in low ≤ i ≤ high: the next number of each image.

        By scaling: for a range of r numbers their chances differ by no more than r / 2**53.
        """
        return low + np.floor(self.uniform() * (high - low + 1)).astype(np.int64)


def _mix(z: np.ndarray) -> np.ndarray:
    # Arrays of unsigned integers wrap around, as is meant, and without a warning.
    z = (z ^ (z >> np.uint64(30))) * _FACTORS[0]
    z = (z ^ (z >> np.uint64(27))) * _FACTORS[1]
    return z ^ (z >> np.uint64(31))
