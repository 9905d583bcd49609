"""Normalisation on plain arrays."""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.geometry import choice, flag, integer, real
from fastconv.runtime import thread_count, threads_in_force

from .normalization_gradients import WINDOWS, batch_norm_train

_ACTIVATIONS = _core.ACTIVATION_CODES


def softmax(input, dim, out, threads, probe=None):
    """functional.softmax on arrays."""
    return _softmax("softmax", False, input, dim, out, threads, probe)


def log_softmax(input, dim, out, threads, probe=None):
    """functional.log_softmax on arrays."""
    return _softmax("log_softmax", True, input, dim, out, threads, probe)


def _softmax(op, logarithm, input, dim, out, threads, probe):
    if type(dim) is not int:
        dim = integer(op, "dim", dim, -(2**63))
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    try:
        result = _core.softmax(op, logarithm, input, dim, out, threads, probe)
    except OverflowError:  # a number beyond int64
        result = None
    if result is None:
        diagnosis.softmax(op, input, dim, out)
    return result


def batch_norm(
    input,
    running_mean,
    running_var,
    weight,
    bias,
    training,
    momentum,
    eps,
    activation,
    out,
    threads,
    probe=None,
):
    """functional.batch_norm on arrays."""
    op = "batch_norm"
    if flag(op, "training", training):
        return batch_norm_train(
            input, running_mean, running_var, weight, bias, momentum, eps, activation, out, threads
        )[0]
    real(op, "momentum", momentum)
    eps = real(op, "eps", eps)
    act = 0 if activation is None else choice(op, "activation", activation, _ACTIVATIONS)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.channelwise(
        op, _core.NORM, input, weight, bias, running_mean, running_var, out, eps, act, threads,
        probe,
    )  # fmt: skip
    if result is None:
        diagnosis.batch_norm(input, running_mean, running_var, weight, bias, out)
    return result


def multiplied_out(weight, bias, mean, var, norm_weight, norm_bias, eps):
    """Weight and bias of an operation that batch normalisation follows, so that it need not.

    Formula:
        (w * x + b - mean) / sqrt(var + eps) * gamma + beta
            = (w f) * x + (b - mean) f + beta,    f = gamma / sqrt(var + eps)
        The products are made in float64 and rounded once.

    Args:
        weight: (C, ...), the channels that are normalised first. bias, norm_weight, norm_bias: (C,)
            or None.
    """
    mean, var = mean.astype(np.float64), var.astype(np.float64)
    factor = 1 / np.sqrt(var + eps)
    if norm_weight is not None:
        factor *= norm_weight
    shift = ((0.0 if bias is None else bias) - mean) * factor
    if norm_bias is not None:
        shift += norm_bias
    scaled = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    return scaled.astype(weight.dtype), shift.astype(weight.dtype)


def local_response_norm(input, size, alpha, beta, k, window, out, threads, probe=None):
    """functional.local_response_norm on arrays."""
    op = "local_response_norm"
    size = integer(op, "size", size, 1)
    alpha, beta, k = real(op, "alpha", alpha), real(op, "beta", beta), real(op, "k", k)
    before = choice(op, "window", window, WINDOWS, optional=False)(size)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.local_response_norm(input, size, before, alpha, beta, k, out, threads, probe)
    if result is None:
        diagnosis.local_response_norm(input, out)
    return result
