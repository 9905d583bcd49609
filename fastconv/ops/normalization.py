"""Normalisation on plain arrays."""

from fastconv import _core, diagnosis
from fastconv.geometry import integer
from fastconv.runtime import thread_count, threads_in_force


def softmax(input, dim, out, threads, probe=None):
    """functional.softmax on arrays."""
    if type(dim) is not int:
        dim = integer("softmax", "dim", dim, -(2**63))
    threads = threads_in_force() if threads is None else thread_count("softmax", "threads", threads)
    try:
        result = _core.softmax(input, dim, out, threads, probe)
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.softmax(input, dim, out)
    return result
