"""Activations on plain arrays, and their sum."""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.geometry import choice, real
from fastconv.runtime import thread_count, threads_in_force

_ACTIVATIONS = _core.ACTIVATION_CODES | _core.PARAMETERISED_CODES
_LARGE = 1 << 15  # bytes: smaller arrays are NumPy's own
_APPROXIMATIONS = {name: _ACTIVATIONS[of] for name, of in (("none", "gelu"), ("tanh", "gelu_tanh"))}


def _unary(op, input, out, threads, probe, alpha=0.0, beta=0.0, code=None):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    if code is None:
        code = _ACTIVATIONS[op]
    result = _core.unary(op, code, alpha, beta, input, out, threads, probe)
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


def silu(input, out, threads, probe=None):
    """functional.silu on arrays."""
    return _unary("silu", input, out, threads, probe)


def hardsigmoid(input, out, threads, probe=None):
    """functional.hardsigmoid on arrays."""
    return _unary("hardsigmoid", input, out, threads, probe)


def hardswish(input, out, threads, probe=None):
    """functional.hardswish on arrays."""
    return _unary("hardswish", input, out, threads, probe)


def gelu(input, approximate, out, threads, probe=None):
    """functional.gelu on arrays."""
    code = choice("gelu", "approximate", approximate, _APPROXIMATIONS, optional=False)
    return _unary("gelu", input, out, threads, probe, code=code)


def leaky_relu(input, negative_slope, out, threads, probe=None):
    """functional.leaky_relu on arrays."""
    slope = real("leaky_relu", "negative_slope", negative_slope)
    return _unary("leaky_relu", input, out, threads, probe, slope)


def elu(input, alpha, out, threads, probe=None):
    """functional.elu on arrays."""
    return _unary("elu", input, out, threads, probe, real("elu", "alpha", alpha))


def softplus(input, beta, threshold, out, threads, probe=None):
    """functional.softplus on arrays."""
    beta, threshold = real("softplus", "beta", beta), real("softplus", "threshold", threshold)
    if beta == 0:
        raise ValueError("softplus: beta is 0, by which is divided; give any other number")
    return _unary("softplus", input, out, threads, probe, beta, threshold)


def prelu(input, weight, out, threads, probe=None):
    """functional.prelu on arrays."""
    threads = threads_in_force() if threads is None else thread_count("prelu", "threads", threads)
    result = _core.channelwise(
        "prelu", _core.PRELU, input, weight, None, None, None, out, 0.0, 0, threads, probe
    )
    if result is None:
        diagnosis.prelu(input, weight, out)
    return result


def add(x, y, out=None):
    """x + y, as NumPy has it; large arrays alike in shape and dtype by the engine, on its threads
    and into memory that is at hand. out may be x or y. float32 subnormals then count as zero.
    """
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.nbytes >= _LARGE:
        result = _core.add("add", x, y, out, threads_in_force())
        if result is not None:
            return result
    return np.add(x, y, out=out)
