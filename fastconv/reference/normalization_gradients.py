"""Batch normalisation while training, and gradients of normalisations, in float64.

Names and meanings are those of ``fastconv.ops``; ``grad`` is the gradient by the result.
"""

import numpy as np

from . import checks
from .elementwise import activate, check_activation
from .elementwise_gradients import same_shape


def _by_channel(op, name, array, input, default=None):
    """One number for each channel, so that it goes with `input`; or the default."""
    if array is None and default is not None:
        return default
    checks.companion_array(op, name, array, input)
    if array.shape != input.shape[1:2]:
        raise ValueError(
            f"{op}: {name} has shape {array.shape}, expected {input.shape[1:2]}; reshape it"
        )
    return checks.as_float64(array).reshape(-1, *(1,) * (input.ndim - 2))


def _check_channels(op, input):
    checks.float_array(op, "input", input)
    if input.ndim < 2 or input.shape[1] == 0:
        raise ValueError(f"{op}: input has shape {input.shape}, expected (N, C, ...); reshape it")
    return (0, *range(2, input.ndim))


def batch_norm_train(
    input: np.ndarray,
    running_mean: np.ndarray | None = None,
    running_var: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: str | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batch normalisation with the batch's own mean and variance; running estimates are updated in
    place. Returns (result, mean, 1 / sqrt(variance + eps)).

    >>> result, mean, inverse_std = batch_norm_train(np.array([[1.0], [5.0]]), eps=0.0)
    >>> (result.ravel(), mean, inverse_std)
    (array([-1.,  1.]), array([3.]), array([0.5]))
    """
    op = "batch_norm"
    momentum, eps = checks.real(op, "momentum", momentum), checks.real(op, "eps", eps)
    check_activation(op, activation)
    axes = _check_channels(op, input)
    if input.size == input.shape[1]:
        raise ValueError(f"{op}: input has one value for each channel; give more when training")
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{op}: only one of running_mean and running_var; give both or neither")
    for name, running in (("running_mean", running_mean), ("running_var", running_var)):
        if running is not None:
            _by_channel(op, name, running, input)
    w = _by_channel(op, "weight", weight, input, 1.0)
    b = _by_channel(op, "bias", bias, input, 0.0)
    x = checks.as_float64(input)
    count = x.size // x.shape[1]
    if count == 0:
        return x, np.zeros(x.shape[1]), np.zeros(x.shape[1])
    mean = x.mean(axes, keepdims=True)
    variance = np.square(x - mean).mean(axes, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / np.sqrt(variance + eps)
        result = activate((x - mean) * inverse * w + b, activation)
    if running_mean is not None:
        fresh = variance.ravel() * count / (count - 1)
        running_mean[...] = (1 - momentum) * running_mean + momentum * mean.ravel()
        running_var[...] = (1 - momentum) * running_var + momentum * fresh
    return result, mean.ravel(), inverse.ravel()


def batch_norm_gradient(
    grad: np.ndarray,
    input: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    inverse_std: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of batch_norm_train by input, weight and bias: what is left of grad when its mean
    and its part along the normalised input are taken away.

    >>> grad, x = np.array([[3.0], [5.0], [0.0]]), np.array([[-1.0], [1.0], [0.0]])
    >>> by_input, by_weight, by_bias = batch_norm_gradient(grad, x, None, np.zeros(1), np.ones(1))
    >>> (by_weight, by_bias)
    (array([2.]), array([8.]))
    """
    op = "batch_norm_gradient"
    axes, g, d, w, s = _norm_operands(
        op, grad, input, weight, ("mean", mean), ("inverse_std", inverse_std)
    )
    hat = d * s
    by_bias, by_weight = g.sum(axes), (g * hat).sum(axes)
    if not g.size:
        return g, by_weight, by_bias
    rest = g - g.mean(axes, keepdims=True) - hat * (g * hat).mean(axes, keepdims=True)
    return w * s * rest, by_weight, by_bias


def batch_norm_inference_gradient(
    grad: np.ndarray,
    input: np.ndarray,
    weight: np.ndarray | None,
    running_mean: np.ndarray,
    running_var: np.ndarray,
    eps: float = 1e-5,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of batch_norm with known statistics by input, weight and bias.

    >>> batch_norm_inference_gradient(np.array([[6.0]]), np.array([[5.0]]), None, np.ones(1),
    ...     np.full(1, 4.0), 0.0)
    (array([[3.]]), array([12.]), array([6.]))
    """
    op = "batch_norm_inference_gradient"
    eps = checks.real(op, "eps", eps)
    axes, g, d, w, variance = _norm_operands(
        op, grad, input, weight, ("running_mean", running_mean), ("running_var", running_var)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        s = 1 / np.sqrt(variance + eps)
        return w * s * g, (g * d * s).sum(axes), g.sum(axes)


def _norm_operands(op, grad, input, weight, mean, spread):
    axes = _check_channels(op, input)
    g, x = same_shape(op, grad, "input", input)
    w = _by_channel(op, "weight", weight, input, 1.0)
    # float16's statistics are kept in float32
    like = input
    if op == "batch_norm_gradient" and input.dtype.itemsize == 2:
        like = np.broadcast_to(np.float32(0), input.shape)
    centre, other = (_by_channel(op, name, value, like) for name, value in (mean, spread))
    return axes, g, x - centre, w, other


def local_response_norm_gradient(
    grad: np.ndarray,
    input: np.ndarray,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    window: str = "pytorch",
) -> np.ndarray:
    """Through each channel's own numerator, and through the denominators of all channels whose
    window it is in.

    >>> local_response_norm_gradient(np.ones((1, 1, 1)), np.full((1, 1, 1), 2.0), 1, 1.0, 1.0, 0.0)
    array([[[-0.25]]])
    """
    op = "local_response_norm_gradient"
    size = checks.integer(op, "size", size, 1)
    alpha, beta, k = (
        checks.real(op, name, value) for name, value in (("alpha", alpha), ("beta", beta), ("k", k))
    )
    checks.choice(op, "window", window, ("pytorch", "onnx"))
    g, x = same_shape(op, grad, "input", input)
    if x.ndim < 3 or x.shape[1] == 0:
        raise ValueError(f"{op}: input has shape {x.shape}, expected (N, C, ...); reshape it")
    before = size // 2 if window == "pytorch" else (size - 1) // 2
    result = np.zeros_like(x)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for c in range(x.shape[1]):
            near = range(max(c - before, 0), min(c - before + size, x.shape[1]))
            d = k + alpha / size * sum(np.square(x[:, j]) for j in near)
            result[:, c] += g[:, c] * d**-beta
            for j in near:
                slope = -beta * d ** (-beta - 1) * alpha / size * 2 * x[:, j]
                result[:, j] += g[:, c] * x[:, c] * slope
    return result


def softmax_gradient(grad: np.ndarray, result: np.ndarray, dim: int) -> np.ndarray:
    """result * (grad - its mean by the weights of result).

    >>> softmax_gradient(np.array([4.0, 0.0]), np.array([0.5, 0.5]), 0)
    array([ 1., -1.])
    """
    g, y, axis = _softmax_operands("softmax_gradient", grad, result, dim)
    return y * (g - (g * y).sum(axis, keepdims=True))


def log_softmax_gradient(grad: np.ndarray, result: np.ndarray, dim: int) -> np.ndarray:
    """grad - exp(result) times the sum of grad.

    >>> log_softmax_gradient(np.array([4.0, 2.0]), np.array([0.0, -np.inf]), 0)
    array([-2.,  2.])
    """
    g, y, axis = _softmax_operands("log_softmax_gradient", grad, result, dim)
    return g - np.exp(y) * g.sum(axis, keepdims=True)


def _softmax_operands(op, grad, result, dim):
    axis = checks.integer(op, "dim", dim, -(2**63))
    g, y = same_shape(op, grad, "result", result)
    if not -g.ndim <= axis < g.ndim:
        raise ValueError(
            f"{op}: dim is {axis} but grad has {g.ndim} dimensions {g.shape}; give the forward's"
        )
    return g, y, axis
