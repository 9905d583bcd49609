"""Linear (fully connected) layer."""

import numpy as np

from . import checks
from .elementwise import activate, check_activation


def linear(
    input: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    activation: str | None = None,
) -> np.ndarray:
    """Linear layer: one weighted sum of the input's features for each output feature.

    Formula:
        result[..., o] = act(bias[o] + sum over i of input[..., i] * weight[o, i])

    Shapes:
        input: (..., in) of rank >= 1; leading axes may be empty
        weight: (out, in); bias: (out,) or None
        result: (..., out)

    Args:
        activation: None, or the name of an activation without parameters, applied last: 'relu',
            'relu6', 'sigmoid', 'tanh', 'silu', 'hardsigmoid', 'hardswish', 'gelu', 'gelu_tanh'.

    Returns:
        float64 array.

    Raises:
        TypeError: an array is not an ndarray of float16, float32 or float64, or weight's or bias's
            dtype is not input's; activation is not a str or None.
        ValueError: shapes do not fit together, in or out is 0; unknown activation.

    Source:
        torch.nn.functional.linear.

    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0], [5.0, 6.0]]), np.array([0.5, -0.5]))
    array([11.5, 16.5])
    """
    op = "linear"
    checks.float_array(op, "input", input)
    checks.companion_array(op, "weight", weight, input)
    if input.ndim == 0:
        raise ValueError(
            f"{op}: input has 0 dimensions, expected (..., in); give it an axis with reshape(1)"
        )
    if weight.ndim != 2:
        raise ValueError(
            f"{op}: weight has {weight.ndim} dimensions {weight.shape}, expected 2 (out, in); "
            f"reshape it"
        )
    if 0 in weight.shape:
        raise ValueError(
            f"{op}: weight has shape {weight.shape}, expected (out, in) with both at least 1; "
            f"give it at least one output and one input feature"
        )
    if input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"{op}: weight has {weight.shape[1]} input features {weight.shape} but input has "
            f"{input.shape[-1]} {input.shape}; the last axis of both must agree: "
            f"transpose weight if it is (in, out)"
        )
    offset = 0.0 if bias is None else checks.bias_vector(op, bias, input, weight.shape[0])
    activation = check_activation(op, activation)

    with np.errstate(invalid="ignore", over="ignore"):  # Inf and NaN go where IEEE 754 sends them
        result = np.matmul(checks.as_float64(input), checks.as_float64(weight).T) + offset
    return activate(result, activation)
