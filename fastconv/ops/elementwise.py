"""Activations on plain arrays."""

from fastconv import _core, diagnosis
from fastconv.runtime import thread_count, threads_in_force

_ACTIVATIONS = _core.ACTIVATION_CODES


def _unary(op, input, out, threads, probe):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.unary(op, _ACTIVATIONS[op], input, out, threads, probe)
    if result is None:
        diagnosis.unary(op, input, out)
    return result


def relu(input, out, threads, probe=None):
    """functional.relu on arrays."""
    return _unary("relu", input, out, threads, probe)


def relu6(input, out, threads, probe=None):
    """functional.relu6 on arrays."""
    return _unary("relu6", input, out, threads, probe)


def sigmoid(input, out, threads, probe=None):
    """functional.sigmoid on arrays."""
    return _unary("sigmoid", input, out, threads, probe)


def tanh(input, out, threads, probe=None):
    """functional.tanh on arrays."""
    return _unary("tanh", input, out, threads, probe)
