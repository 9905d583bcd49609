"""Gradients of activations, on plain arrays."""

from fastconv import _core, diagnosis
from fastconv.geometry import choice, real
from fastconv.runtime import thread_count, threads_in_force

_CODES = _core.ACTIVATION_CODES | _core.PARAMETERISED_CODES
_DEFAULTS = {"leaky_relu": (0.01, 0.0), "elu": (1.0, 0.0), "softplus": (1.0, 20.0)}

# Whether activation_gradient wants the activation's result, else its input: the result where the
# derivative follows from it to the last digits, so that an activation in place or at the end of a
# convolution leaves all that its gradient needs.
SAVES_RESULT = {
    "relu": True,
    "relu6": True,
    "sigmoid": True,
    "tanh": True,
    "hardsigmoid": True,
    "silu": False,
    "hardswish": False,
    "gelu": False,
    "gelu_tanh": False,
    "leaky_relu": False,
    "elu": False,
    "softplus": False,
}


def activation_gradient(activation, grad, saved, alpha=None, beta=None, out=None, threads=None):
    """Gradient of an activation.

    Formula:
        result = grad * act'(x), saved = act(x) where SAVES_RESULT[activation], else x

        At kinks as PyTorch has it: relu'(0) = relu6'(0) = relu6'(6) = 0, hardsigmoid'(-3) =
        hardsigmoid'(3) = 0, hardswish'(-3) = 0, hardswish'(3) = 1, leaky_relu'(0) =
        negative_slope, elu'(0) = alpha. A NaN in saved passes grad through relu, gives 0 for
        relu6 and hardsigmoid, and elsewhere NaN. hardsigmoid's result may round to 0 or
        1 one unit before its input reaches the kink.

    Shapes:
        grad, saved, out, result: the same, any

    Args:
        activation: a name of SAVES_RESULT.
        alpha: negative_slope of leaky_relu (0.01), alpha of elu (1), beta of softplus (1).
        beta: threshold of softplus (20).

    Raises:
        TypeError, ValueError: as the activation does; grad and saved differ in dtype or shape.
    """
    op = f"{activation}_gradient"
    code = choice("activation_gradient", "activation", activation, _CODES, optional=False)
    first, second = _DEFAULTS.get(activation, (0.0, 0.0))
    if activation in _DEFAULTS:
        first = first if alpha is None else real(op, "alpha", alpha)
    if activation == "softplus":
        second = second if beta is None else real(op, "beta", beta)
        if first == 0:
            raise ValueError(f"{op}: alpha is 0, by which is divided; give any other number")
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    result = _core.unary_gradient(op, code, first, second, grad, saved, out, threads)
    if result is None:
        diagnosis.gradient_of_same_shape(op, grad, "saved", saved, out)
    return result


def prelu_gradient(grad, input, weight, out=None, threads=None):
    """Gradients of PReLU by input and by weight.

    Formula:
        by input:  grad where input > 0, else weight[c] * grad
        by weight: sum of grad * input over the channel's elements where input is not > 0

    Shapes:
        grad, input, out: the same, (N, C, ...) or, with one weight, any; weight: (C,) or (1,)

    Returns:
        (by input, by weight)

    The sums are taken piece by piece in the arrays' type, at most 2048 elements each, and those in
    float64, in an order that does not depend on threads.
    """
    op = "prelu_gradient"
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    found = _core.channel_gradient(
        op, _core.PRELU_GRADIENT, grad, input, weight, None, None, None, 0.0, 0, out, threads
    )
    if found is None:
        diagnosis.prelu_gradient(grad, input, weight, out)
    return found[0], found[1].astype(weight.dtype.newbyteorder("="), copy=False)
