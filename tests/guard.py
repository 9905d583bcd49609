"""Arrays that lie against memory which nobody may touch.

An array ends at the very byte where a page without any access begins, or begins where one ends: a
kernel that reads or writes one element too far dies of SIGSEGV. So what uses this runs in a child
process, and prints what it is about to do.
"""

import ctypes
import math
import mmap

import numpy as np

_PROT_NONE = 0
_LIBC = ctypes.CDLL(None, use_errno=True)


class Guarded:
    """Copies of arrays with a forbidden page before and behind each; keeps their memory alive."""

    def __init__(self) -> None:
        self._maps: list[mmap.mmap] = []

    def empty(self, shape, dtype, *, at_end: bool) -> np.ndarray:
        """An array filled with NaN, flush with the page behind it or the one before it."""
        dtype = np.dtype(dtype)
        count = math.prod(shape)
        size = count * dtype.itemsize
        page = mmap.PAGESIZE
        room = max(-(-size // page), 1) * page
        memory = mmap.mmap(-1, page + room + page)
        self._maps.append(memory)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for forbidden in (address, address + page + room):
            if _LIBC.mprotect(ctypes.c_void_p(forbidden), ctypes.c_size_t(page), _PROT_NONE):
                raise OSError(ctypes.get_errno(), "mprotect failed")
        offset = page + (room - size if at_end else 0)
        array = np.frombuffer(memory, dtype, count, offset).reshape(shape)
        array.view(np.uint8).fill(0xFF)  # NaN, or -1
        return array

    def copy(self, array: np.ndarray | None, *, at_end: bool) -> np.ndarray | None:
        """A guarded copy of an array, C-contiguous; None stays None."""
        if array is None:
            return None
        guarded = self.empty(array.shape, array.dtype, at_end=at_end)
        guarded[...] = array
        return guarded
