"""Activations, also those that convolution and linear apply to their results."""

import math

import numpy as np

from . import checks

ACTIVATIONS = (
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "silu",
    "hardsigmoid",
    "hardswish",
    "gelu",
    "gelu_tanh",
)
_normal_distribution = np.vectorize(lambda x: math.erfc(-x / math.sqrt(2)) / 2, otypes=[float])


def activate(values: np.ndarray, activation: str | None) -> np.ndarray:
    """Apply a checked activation to float64 values; NaN passes through each of them."""
    # exp(-x) overflows to inf for x < -709, and 1 / inf = 0 is then the right sigmoid.
    with np.errstate(over="ignore", invalid="ignore"):
        match activation:
            case "relu":
                return np.maximum(values, 0.0)
            case "relu6":
                return np.minimum(np.maximum(values, 0.0), 6.0)
            case "sigmoid":
                return 1.0 / (1.0 + np.exp(-values))
            case "tanh":
                return np.tanh(values)
            case "silu":
                return values / (1.0 + np.exp(-values))
            case "hardsigmoid":
                return np.minimum(np.maximum(values + 3.0, 0.0), 6.0) / 6.0
            case "hardswish":
                return values * np.minimum(np.maximum(values + 3.0, 0.0), 6.0) / 6.0
            case "gelu":
                return values * _normal_distribution(values)
            case "gelu_tanh":  # (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)), whose tail is accurate
                u = math.sqrt(2.0 / math.pi) * (values + 0.044715 * values**3)
                return values / (1.0 + np.exp(-2.0 * u))
            case _:
                return values


def check_activation(op: str, activation: object) -> str | None:
    """Check `activation`: None or one of ACTIVATIONS."""
    if activation is None:
        return None
    return checks.choice(op, "activation", activation, ACTIVATIONS)


def _unary(op: str, input: np.ndarray) -> np.ndarray:
    values = checks.as_float64(checks.float_array(op, "input", input))
    return np.asarray(activate(values, op))


def relu(input: np.ndarray) -> np.ndarray:
    """Rectified linear unit, element by element.

    Formula:
        result = max(input, 0), and NaN where input is NaN

    Shapes:
        input: any shape, also 0-dimensional or empty; result: the same

    Returns:
        float64 array.

    Raises:
        TypeError: input is not an ndarray of float16, float32 or float64.

    Source:
        V. Nair, G. Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines",
        ICML 2010; torch.nn.functional.relu.

    >>> relu(np.array([-2.0, 0.5, np.nan], dtype=np.float32))
    array([0. , 0.5, nan])
    """
    return _unary("relu", input)


def relu6(input: np.ndarray) -> np.ndarray:
    """Rectified linear unit that saturates at 6, element by element.

    Formula:
        result = min(max(input, 0), 6), and NaN where input is NaN

    Shapes, Returns, Raises:
        as for `relu`.

    Source:
        A. Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010;
        torch.nn.functional.relu6.

    >>> relu6(np.array([-2.0, 0.5, 9.0]))
    array([0. , 0.5, 6. ])
    """
    return _unary("relu6", input)


def sigmoid(input: np.ndarray) -> np.ndarray:
    """Logistic function, element by element: the output of logistic regression.

    Formula:
        result = 1 / (1 + exp(-input)), from 0 for -inf to 1 for +inf, and NaN where input is NaN

    Shapes, Returns, Raises:
        as for `relu`.

    Source:
        torch.sigmoid.

    >>> sigmoid(np.array([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    """
    return _unary("sigmoid", input)


def tanh(input: np.ndarray) -> np.ndarray:
    """Hyperbolic tangent, element by element.

    Formula:
        result = (exp(input) - exp(-input)) / (exp(input) + exp(-input)), from -1 for -inf to 1 for
        +inf, and NaN where input is NaN

    Shapes, Returns, Raises:
        as for `relu`.

    Source:
        torch.tanh.

    >>> tanh(np.array([-np.inf, 0.0, np.inf]))
    array([-1.,  0.,  1.])
    """
    return _unary("tanh", input)


def silu(input: np.ndarray) -> np.ndarray:
    """Sigmoid linear unit (swish), element by element.

    Formula:
        result = input / (1 + exp(-input)), and NaN where input is NaN or -inf

    Shapes, Returns, Raises:
        as for `relu`.

    Source:
        S. Elfwing, E. Uchibe, K. Doya, arXiv:1702.03118; torch.nn.functional.silu.

    >>> silu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    return _unary("silu", input)


def hardsigmoid(input: np.ndarray) -> np.ndarray:
    """Sigmoid by three straight lines, element by element.

    Formula:
        result = min(max(input + 3, 0), 6) / 6, and NaN where input is NaN

    Shapes, Returns, Raises:
        as for `relu`.

    Source:
        A. Howard et al., "Searching for MobileNetV3", arXiv:1905.02244;
        torch.nn.functional.hardsigmoid.

    >>> hardsigmoid(np.array([-4.0, 0.0, 1.5, 4.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    return _unary("hardsigmoid", input)


def hardswish(input: np.ndarray) -> np.ndarray:
    """Swish with the hard sigmoid, element by element.

    Formula:
        result = input * min(max(input + 3, 0), 6) / 6, and NaN where input is NaN or -inf

    Shapes, Returns, Raises:
        as for `relu`.

    Source:
        A. Howard et al., "Searching for MobileNetV3", arXiv:1905.02244;
        torch.nn.functional.hardswish.

    >>> hardswish(np.array([-4.0, 0.0, 3.0, 4.0]))
    array([-0.,  0.,  3.,  4.])
    """
    return _unary("hardswish", input)


def gelu(input: np.ndarray, approximate: str = "none") -> np.ndarray:
    """Gaussian error linear unit, element by element.

    Formula:
        result = input * F(input), F(x) = (1 + erf(x / sqrt(2))) / 2; with approximate='tanh'
        result = input * (1 + tanh(sqrt(2/pi) * (input + 0.044715 * input**3))) / 2

    Shapes, Returns, Raises:
        as for `relu`; another approximate is a TypeError or ValueError.

    Source:
        D. Hendrycks, K. Gimpel, arXiv:1606.08415; torch.nn.functional.gelu.

    >>> gelu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    values = checks.as_float64(checks.float_array("gelu", "input", input))
    checks.choice("gelu", "approximate", approximate, ("none", "tanh"))
    return np.asarray(activate(values, "gelu" if approximate == "none" else "gelu_tanh"))


def leaky_relu(input: np.ndarray, negative_slope: float = 0.01) -> np.ndarray:
    """result = input where input > 0, else negative_slope * input.

    Shapes, Returns, Raises:
        as for `relu`; a negative_slope that is no number is a TypeError.

    Source:
        torch.nn.functional.leaky_relu.

    >>> leaky_relu(np.array([-2.0, 3.0]), 0.25)
    array([-0.5,  3. ])
    """
    values = checks.as_float64(checks.float_array("leaky_relu", "input", input))
    slope = checks.real("leaky_relu", "negative_slope", negative_slope)
    return np.where(values > 0, values, slope * values)


def elu(input: np.ndarray, alpha: float = 1.0) -> np.ndarray:
    """result = input where input > 0, else alpha * (exp(input) - 1).

    Shapes, Returns, Raises:
        as for `relu`; an alpha that is no number is a TypeError.

    Source:
        torch.nn.functional.elu.

    >>> elu(np.array([-np.inf, 3.0]), alpha=0.5)
    array([-0.5,  3. ])
    """
    values = checks.as_float64(checks.float_array("elu", "input", input))
    factor = checks.real("elu", "alpha", alpha)
    return np.where(values > 0, values, factor * np.expm1(np.minimum(values, 0.0)))


def softplus(input: np.ndarray, beta: float = 1.0, threshold: float = 20.0) -> np.ndarray:
    """result = input where beta * input > threshold, else log(1 + exp(beta * input)) / beta.

    Shapes, Returns, Raises:
        as for `relu`; what is no number is a TypeError, and beta 0 a ValueError.

    Source:
        torch.nn.functional.softplus.

    >>> softplus(np.array([-np.inf, 30.0]))
    array([ 0., 30.])
    """
    values = checks.as_float64(checks.float_array("softplus", "input", input))
    beta = checks.real("softplus", "beta", beta)
    threshold = checks.real("softplus", "threshold", threshold)
    if beta == 0:
        raise ValueError("softplus: beta is 0, by which is divided; give any other number")
    scaled = beta * values
    soft = (np.maximum(scaled, 0.0) + np.log1p(np.exp(-np.abs(scaled)))) / beta
    return np.where(scaled > threshold, values, soft)


def prelu(input: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """result = input where input > 0, else weight[c] * input for channel c, axis 1.

    Shapes:
        input: (N, C, ...), or any shape with a single weight; weight: (C,) or (1,)

    Returns:
        float64 array.

    Raises:
        TypeError, ValueError: arrays of a wrong type, dtype or shape.

    Source:
        torch.nn.functional.prelu.

    >>> prelu(np.array([[-2.0, -2.0, 3.0]]), np.array([0.5, 0.25, 0.0]))
    array([[-1. , -0.5,  3. ]])
    """
    values = checks.as_float64(checks.float_array("prelu", "input", input))
    slopes = checks.as_float64(checks.companion_array("prelu", "weight", weight, input))
    channels = values.shape[1] if values.ndim >= 2 else 1
    if slopes.ndim != 1 or slopes.size not in (1, channels) or slopes.size == 0:
        raise ValueError(
            f"prelu: weight has shape {slopes.shape}, expected (1,) or ({channels},); reshape it"
        )
    if slopes.size > 1:
        slopes = slopes.reshape(-1, *(1,) * (values.ndim - 2))
    return np.where(values > 0, values, slopes * values)
