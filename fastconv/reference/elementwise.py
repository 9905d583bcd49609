"""ReLU, softmax and the activations that convolution and linear apply to their results."""

import numpy as np

from . import checks

ACTIVATIONS = ("relu", "relu6", "sigmoid", "tanh")


def activate(values: np.ndarray, activation: str | None) -> np.ndarray:
    """Apply a checked activation to float64 values; NaN passes through each of them."""
    # exp(-x) overflows to inf for x < -709, and 1 / inf = 0 is then the right sigmoid.
    with np.errstate(over="ignore"):
        match activation:
            case "relu":
                return np.maximum(values, 0.0)
            case "relu6":
                return np.minimum(np.maximum(values, 0.0), 6.0)
            case "sigmoid":
                return 1.0 / (1.0 + np.exp(-values))
            case "tanh":
                return np.tanh(values)
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
    op = "softmax"
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
    if values.size == 0:
        return values
    # inf - inf is the documented NaN; a difference that overflows to -inf has exp 0, rightly.
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(values - values.max(axis=axis, keepdims=True))
        return powers / powers.sum(axis=axis, keepdims=True)
