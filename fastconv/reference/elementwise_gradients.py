"""Gradients of activations, in float64. Names and meanings are those of ``fastconv.ops``."""

import math

import numpy as np

from . import checks
from .elementwise import ACTIVATIONS, _normal_distribution

_PARAMETERS = {"leaky_relu": (0.01, 0.0), "elu": (1.0, 0.0), "softplus": (1.0, 20.0)}


def _derivative(activation, v, alpha, beta):
    """By the input, from the result for relu, relu6, sigmoid, tanh and hardsigmoid, else from the
    input."""
    match activation:
        case "relu":
            return np.where(v <= 0, 0.0, 1.0)
        case "relu6":
            return np.where((v > 0) & (v < 6), 1.0, 0.0)
        case "hardsigmoid":
            return np.where((v > 0) & (v < 1), 1 / 6, 0.0)
        case "sigmoid":
            return v * (1 - v)
        case "tanh":
            return 1 - v * v
        case "silu":
            s = 1 / (1 + np.exp(-v))
            return s * (1 + v * (1 - s))
        case "hardswish":
            middle = (2 * v + 3) / 6
            return np.where(v <= -3, 0.0, np.where(v >= 3, 1.0, middle))
        case "gelu":
            density = np.exp(-v * v / 2) / math.sqrt(2 * math.pi)
            return _normal_distribution(v) + v * density
        case "gelu_tanh":
            c = math.sqrt(2 / math.pi)
            t = np.tanh(c * (v + 0.044715 * v**3))
            return (1 + t) / 2 + v * (1 - t * t) / 2 * c * (1 + 3 * 0.044715 * v * v)
        case "leaky_relu":
            return np.where(v > 0, 1.0, np.where(np.isnan(v), np.nan, alpha))
        case "elu":
            return np.where(v > 0, 1.0, alpha * np.exp(np.minimum(v, 0)))
        case "softplus":
            return np.where(v * alpha > beta, 1.0, 1 / (1 + np.exp(-v * alpha)))


def activation_gradient(
    activation: str,
    grad: np.ndarray,
    saved: np.ndarray,
    alpha: float | None = None,
    beta: float | None = None,
) -> np.ndarray:
    """grad times the activation's derivative, from its result or its input.

    >>> activation_gradient("relu", np.array([5.0, 7.0]), np.array([0.0, 3.0]))
    array([0., 7.])
    >>> activation_gradient("sigmoid", np.array([8.0]), np.array([0.5]))
    array([2.])
    """
    op = "activation_gradient"
    checks.choice(op, "activation", activation, (*ACTIVATIONS, *_PARAMETERS))
    first, second = _PARAMETERS.get(activation, (0.0, 0.0))
    if activation in _PARAMETERS and alpha is not None:
        first = checks.real(op, "alpha", alpha)
    if activation == "softplus":
        second = second if beta is None else checks.real(op, "beta", beta)
        if first == 0:
            raise ValueError(f"{op}: alpha is 0, by which is divided; give another number")
    g, v = same_shape(op, grad, "saved", saved)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(g * _derivative(activation, v, first, second))


def same_shape(op: str, grad: object, name: str, value: object) -> tuple[np.ndarray, np.ndarray]:
    """Check grad and what goes with it element by element; both in float64."""
    checks.float_array(op, "grad", grad)
    checks.companion_array(op, name, value, grad)
    if value.shape != grad.shape:
        raise ValueError(
            f"{op}: {name} has shape {value.shape} but grad has {grad.shape}; give those that "
            f"belong together"
        )
    return checks.as_float64(grad), checks.as_float64(value)


def prelu_gradient(
    grad: np.ndarray, input: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients by input, grad or weight times it, and by weight, channel by channel.

    >>> prelu_gradient(np.array([1.0, 2.0]), np.array([5.0, -3.0]), np.array([0.5]))
    (array([1., 1.]), array([-6.]))
    """
    op = "prelu_gradient"
    g, x = same_shape(op, grad, "input", input)
    checks.companion_array(op, "weight", weight, input)
    channels = x.shape[1] if x.ndim >= 2 else 1
    if weight.ndim != 1 or weight.size not in (1, channels) or weight.size == 0:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected (1,) or ({channels},); reshape it"
        )
    w = checks.as_float64(weight)
    result, sums = np.array(g), np.zeros(w.size)
    for at in np.ndindex(*x.shape):
        channel = at[1] if w.size > 1 else 0
        if not x[at] > 0:
            result[at] = w[channel] * g[at]
            sums[channel] += g[at] * x[at]
    return result, sums
