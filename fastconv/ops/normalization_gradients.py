"""Batch normalisation while training, and gradients of normalisations, on plain arrays."""

import numpy as np

from fastconv import _core, diagnosis
from fastconv.geometry import choice, integer, real
from fastconv.runtime import thread_count, threads_in_force

_ACTIVATIONS = _core.ACTIVATION_CODES
# Of `size` channels those before the window's own: where the others cannot be dealt evenly, PyTorch
# takes one more before it, and ONNX one more after.
WINDOWS = {"pytorch": lambda size: size // 2, "onnx": lambda size: (size - 1) // 2}


def batch_norm_train(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    momentum=0.1,
    eps=1e-5,
    activation=None,
    out=None,
    threads=None,
):
    """Batch normalisation with the statistics of the batch.

    Formula, for each channel, over its M = N * ... elements:
        mean = sum of input / M, var = sum of (input - mean)**2 / M
        result = act((input - mean) * inverse_std * weight + bias), inverse_std = 1/sqrt(var + eps)
        running_mean = (1 - momentum) * running_mean + momentum * mean, in place
        running_var = (1 - momentum) * running_var + momentum * var * M / (M - 1), in place

    Shapes:
        input, out, result: (N, C, ...); all others (C,)

    Args:
        running_mean, running_var: arrays to update, or both None.
        momentum: a number; who wants the cumulative average gives 1 / (batches so far).

    Returns:
        (result, mean, inverse_std). The last two, which batch_norm_gradient wants, are float32 for
        float16 input.

    The statistics come from two passes over pieces of at most 2048 elements, whose means and
    squared distances are combined in float64 in an order that does not depend on threads.
    Relative to the
    standard deviation, the mean's error is some units of 2**-24 (2**-53), before it is rounded, and
    so is the variance's relative error, however large the mean is; the result is computed from the
    mean before rounding.

    Raises:
        ValueError: a channel has one element only; otherwise as batch_norm.
    """
    op = "batch_norm"
    momentum, eps = real(op, "momentum", momentum), real(op, "eps", eps)
    act = 0 if activation is None else choice(op, "activation", activation, _ACTIVATIONS)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.batch_norm_training(input, running_mean, running_var, weight, bias, out)
    found = _core.channel_gradient(
        op, _core.BATCH_NORM, None, input, weight, bias, None, None, eps, act, out, threads
    )
    if found is None:
        diagnosis.batch_norm_refused(input, weight, bias, out)
    result, mean, inverse_std, variance = found
    count = input.size // input.shape[1]
    if count and running_mean is not None:
        _update(running_mean, mean, momentum, 1.0)
    if count and running_var is not None:
        _update(running_var, variance, momentum, count / (count - 1))
    return result, mean, inverse_std


def _update(running, statistic, momentum, factor):
    with np.errstate(all="ignore"):
        new = (1 - momentum) * running.astype(np.float64)
        running[...] = new + momentum * factor * statistic.astype(np.float64)


def batch_norm_gradient(grad, input, weight, mean, inverse_std, out=None, threads=None):
    """Gradients of batch_norm_train by input, weight and bias; of one without activation.

    Formula, for each channel, with d = input - mean, s = inverse_std, M elements:
        by bias:   b = sum of grad
        by weight: w = s * sum of grad * d
        by input:  weight * s * (grad - b / M - d * s * w / M)

    Shapes:
        grad, input, out: (N, C, ...); weight (None: 1), mean, inverse_std: (C,)

    Args:
        mean, inverse_std: what batch_norm_train returned.

    Returns:
        (by input, by weight, by bias)

    Sums are as in prelu_gradient.
    """
    return _norm_gradient(
        "batch_norm_gradient", _core.BATCH_NORM_GRADIENT, grad, input, weight,
        ("mean", mean), ("inverse_std", inverse_std), 0.0, out, threads,
    )  # fmt: skip


def batch_norm_inference_gradient(
    grad, input, weight, running_mean, running_var, eps=1e-5, out=None, threads=None
):
    """Gradients of batch_norm with known statistics by input, weight and bias.

    Formula, for each channel, with s = 1 / sqrt(running_var + eps):
        by input: weight * s * grad
        by weight: s * sum of grad * (input - running_mean)
        by bias: sum of grad

    Shapes, Returns: as for batch_norm_gradient
    """
    op = "batch_norm_inference_gradient"
    eps = real(op, "eps", eps)
    return _norm_gradient(
        op, _core.NORM_GRADIENT, grad, input, weight,
        ("running_mean", running_mean), ("running_var", running_var), eps, out, threads,
    )  # fmt: skip


def _norm_gradient(op, kernel, grad, input, weight, mean, variance, eps, out, threads):
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    found = _core.channel_gradient(
        op, kernel, grad, input, weight, None, mean[1], variance[1], eps, 0, out, threads
    )
    if found is None:
        computed = kernel == _core.BATCH_NORM_GRADIENT
        diagnosis.norm_gradient(op, grad, input, weight, mean, variance, computed, out)
    dtype = input.dtype.newbyteorder("=")
    return found[0], found[1].astype(dtype, copy=False), found[2].astype(dtype, copy=False)


def local_response_norm_gradient(
    grad, input, size, alpha=1e-4, beta=0.75, k=1.0, window="pytorch", out=None, threads=None
):
    """Gradient of local_response_norm by input.

    Formula:
        d[c] = k + alpha/size * sum of input[j]**2 over the window of c
        result[c] = grad[c] * d[c]**-beta - 2 * alpha/size * beta * input[c] *
                    sum of grad[j] * input[j] * d[j]**(-beta - 1) over all j whose window has c

    Shapes:
        grad, input, out, result: the same, (N, C, ...) of rank at least 3
    """
    op = "local_response_norm_gradient"
    size = integer(op, "size", size, 1)
    alpha, beta, k = real(op, "alpha", alpha), real(op, "beta", beta), real(op, "k", k)
    before = choice(op, "window", window, WINDOWS, optional=False)(size)
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.local_response_norm_gradient(
        grad, input, size, before, alpha, beta, k, out, threads
    )
    if result is None:
        diagnosis.local_response_norm_gradient(op, grad, input, out)
    return result


def softmax_gradient(grad, result, dim, out=None, threads=None):
    """Gradient of softmax by its input: result * (grad - sum over dim of grad * result)."""
    return _softmax_gradient("softmax_gradient", False, grad, result, dim, out, threads)


def log_softmax_gradient(grad, result, dim, out=None, threads=None):
    """Gradient of log_softmax by its input: grad - exp(result) * sum over dim of grad."""
    return _softmax_gradient("log_softmax_gradient", True, grad, result, dim, out, threads)


def _softmax_gradient(op, logarithm, grad, result, dim, out, threads):
    if type(dim) is not int:
        dim = integer(op, "dim", dim, -(2**63))
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    try:
        found = _core.softmax_gradient(op, logarithm, grad, result, dim, out, threads)
    except OverflowError:  # a number beyond int64
        found = None
    if found is None:
        diagnosis.softmax_gradient(op, grad, result, dim, out)
    return found
