"""Softmax, and normalisation by each channel's numbers and across channels."""

import numpy as np

from . import checks
from .elementwise import activate, check_activation


def softmax(input: np.ndarray, dim: int) -> np.ndarray:
    """Softmax along one axis: positive numbers that add up to 1.

    Formula:
        result[i] = exp(input[i] - m) / sum over j of exp(input[j] - m)
        i and j run along axis `dim`; m is the largest input along it, which cancels, and keeps exp
        from overflowing. A NaN or +inf anywhere on a line, or -inf all along it, makes the whole
        line NaN.

    Shapes:
        input: any shape of rank >= 1, also empty; result: the same

    Args:
        dim: the axis, from -rank to rank - 1; it has no default.

    Returns:
        float64 array.

    Raises:
        TypeError: input is not an ndarray of float16, float32 or float64; dim is not an int.
        ValueError: input has rank 0; dim is out of range.

    Source:
        J. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs",
        1990; torch.nn.functional.softmax.

    >>> softmax(np.array([[0.0, 0.0], [1000.0, 1000.0]]), dim=1)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    values, axis = _checked("softmax", input, dim)
    if values.size == 0:
        return values
    # inf - inf is the documented NaN; a difference that overflows to -inf has exp 0, rightly.
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(values - values.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)


def log_softmax(input: np.ndarray, dim: int) -> np.ndarray:
    """Logarithm of the softmax along one axis.

    Formula:
        result[i] = input[i] - m - log(sum over j of exp(input[j] - m)), m the largest input

    Shapes, Args, Returns, Raises:
        as for `softmax`.

    Source:
        torch.nn.functional.log_softmax.

    >>> log_softmax(np.array([0.0, -1000.0]), dim=0)
    array([    0., -1000.])
    """
    values, axis = _checked("log_softmax", input, dim)
    if values.size == 0:
        return values
    with np.errstate(invalid="ignore", over="ignore"):
        rest = values - values.max(axis=axis, keepdims=True)
        return rest - np.log(np.exp(rest).sum(axis=axis, keepdims=True))


def _checked(op: str, input: object, dim: object) -> tuple[np.ndarray, int]:
    values = checks.as_float64(checks.float_array(op, "input", input))
    if values.ndim == 0:
        raise ValueError(
            f"{op}: input has 0 dimensions, expected at least 1; give it an axis with reshape(1)"
        )
    axis = checks.integer(op, "dim", dim, minimum=-values.ndim)
    if axis >= values.ndim:
        raise ValueError(
            f"{op}: dim is {axis} but input has {values.ndim} dimensions {values.shape}; "
            f"give a dim from {-values.ndim} to {values.ndim - 1}"
        )
    return values, axis


def batch_norm(
    input: np.ndarray,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """Batch normalisation with known statistics.

    Formula:
        result = act((input - running_mean[c]) / sqrt(running_var[c] + eps) * weight[c] + bias[c])

    Shapes:
        input: (N, C, ...) of rank >= 2; the others: (C,); result: as input

    Returns:
        float64 array.

    Raises:
        TypeError, ValueError: arrays of a wrong type, dtype or shape; training is not False.

    Source:
        S. Ioffe, C. Szegedy, arXiv:1502.03167; torch.nn.functional.batch_norm.

    >>> x = np.array([[10.0, 10.0], [30.0, 10.0]])
    >>> batch_norm(x, np.array([20.0, 0.0]), np.array([25.0, 4.0]), eps=0.0)
    array([[-2.,  5.],
           [ 2.,  5.]])
    """
    op = "batch_norm"
    values = checks.as_float64(checks.float_array(op, "input", input))
    if checks.flag(op, "training", training):
        raise ValueError(f"{op}: training is True; give training=False")
    checks.real(op, "momentum", momentum)
    eps = checks.real(op, "eps", eps)
    activation = check_activation(op, activation)
    if values.ndim < 2 or values.shape[1] == 0:
        raise ValueError(f"{op}: input has shape {values.shape}, expected (N, C, ...); reshape it")

    def by_channel(name, array, default):
        if array is None and default is not None:
            return default
        checks.companion_array(op, name, array, input)
        if array.shape != (values.shape[1],):
            raise ValueError(
                f"{op}: {name} has shape {array.shape}, expected ({values.shape[1]},); reshape it"
            )
        return checks.as_float64(array).reshape(-1, *(1,) * (values.ndim - 2))

    mean = by_channel("running_mean", running_mean, None)
    variance = by_channel("running_var", running_var, None)
    weight, bias = by_channel("weight", weight, 1.0), by_channel("bias", bias, 0.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return activate((values - mean) / np.sqrt(variance + eps) * weight + bias, activation)


def local_response_norm(
    input: np.ndarray,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    window: str = "pytorch",
) -> np.ndarray:
    """Local response normalisation across neighbouring channels.

    Formula:
        result[n, c] = input[n, c] * (k + alpha/size * sum over j of input[n, j]**2)**-beta
        j from c - size//2 to c + (size-1)//2, or for window='onnx' from c - (size-1)//2 to
        c + size//2, over those channels that exist.

    Shapes:
        input: (N, C, ...) of rank >= 3; result: the same

    Returns:
        float64 array.

    Raises:
        TypeError, ValueError: an argument of a wrong type, shape or value.

    Source:
        A. Krizhevsky, I. Sutskever, G. Hinton, NIPS 2012;
        torch.nn.functional.local_response_norm; the ONNX operator LRN.

    >>> local_response_norm(np.array([[[1.0], [2.0], [4.0]]]), 2, alpha=2.0, beta=1.0, k=0.0)
    array([[[1. ],
            [0.4],
            [0.2]]])
    """
    op = "local_response_norm"
    values = checks.as_float64(checks.float_array(op, "input", input))
    size = checks.integer(op, "size", size, minimum=1)
    alpha, beta, k = (
        checks.real(op, name, value) for name, value in (("alpha", alpha), ("beta", beta), ("k", k))
    )
    checks.choice(op, "window", window, ("pytorch", "onnx"))
    if values.ndim < 3 or values.shape[1] == 0:
        raise ValueError(f"{op}: input has shape {values.shape}, expected (N, C, ...); reshape it")
    before = size // 2 if window == "pytorch" else (size - 1) // 2
    sums = np.empty_like(values)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for c in range(values.shape[1]):
            neighbours = values[:, max(0, c - before) : c - before + size]
            sums[:, c] = np.square(neighbours).sum(axis=1)
        return values * (k + alpha / size * sums) ** -beta
