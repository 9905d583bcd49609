"""Arrays that begin with a cache line."""

import math

import numpy as np

CACHE_LINE = 64


def aligned_empty(shape: tuple[int, ...], dtype) -> np.ndarray:
    """An array that begins with a cache line, as what engines allocate does; NumPy's need not."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    memory = np.empty(size + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins with a cache line."""
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy
