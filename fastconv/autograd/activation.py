"""Activations, by themselves and as what other operations end with.

Functions take what those of ``ops`` take, with Tensors among the arrays.
"""

from typing import Any

from fastconv import ops

from .core import Operation, State, is_recorded, parted, record, wrap

_BY_RESULT = ops.SAVES_RESULT


class Activation(Operation):
    """parameters: its name, that of the engine's activation, its numbers, threads"""

    __slots__ = ()

    def backward(self, gradient, needed):
        _, activation, how, threads = self.parameters
        return (
            ops.activation_gradient(activation, gradient, self.saved[0], *how, threads=threads),
        )


def _activation(op, forward, input, how, out, threads, activation, numbers=()):
    if parted(op, out, input) is None:
        return forward(input, *how, out, threads)
    result = wrap(forward(input._array, *how, None, threads))
    saved = (result,) if _BY_RESULT[activation] else (input,)
    how = op, activation, numbers, threads
    return record(result, Activation, (input._node,), saved, how)


def relu(input, out, threads):
    return _activation("relu", ops.relu, input, (), out, threads, "relu")


def relu6(input, out, threads):
    return _activation("relu6", ops.relu6, input, (), out, threads, "relu6")


def sigmoid(input, out, threads):
    return _activation("sigmoid", ops.sigmoid, input, (), out, threads, "sigmoid")


def tanh(input, out, threads):
    return _activation("tanh", ops.tanh, input, (), out, threads, "tanh")


def silu(input, out, threads):
    return _activation("silu", ops.silu, input, (), out, threads, "silu")


def hardsigmoid(input, out, threads):
    return _activation("hardsigmoid", ops.hardsigmoid, input, (), out, threads, "hardsigmoid")


def hardswish(input, out, threads):
    return _activation("hardswish", ops.hardswish, input, (), out, threads, "hardswish")


def gelu(input, approximate, out, threads):
    name = "gelu_tanh" if approximate == "tanh" else "gelu"
    return _activation("gelu", ops.gelu, input, (approximate,), out, threads, name)


def leaky_relu(input, negative_slope, out, threads):
    how = (negative_slope,)
    return _activation("leaky_relu", ops.leaky_relu, input, how, out, threads, "leaky_relu", how)


def elu(input, alpha, out, threads):
    how = (alpha,)
    return _activation("elu", ops.elu, input, how, out, threads, "elu", how)


def softplus(input, beta, threshold, out, threads):
    how = beta, threshold
    return _activation("softplus", ops.softplus, input, how, out, threads, "softplus", how)


class Prelu(Operation):
    __slots__ = ()

    def backward(self, gradient, needed):
        return ops.prelu_gradient(gradient, *self.saved, threads=self.parameters[1])


def prelu(input, weight, out, threads):
    parts = parted("prelu", out, input, weight)
    if parts is None:
        return ops.prelu(input, weight, out, threads)
    arrays, edges = parts
    result = wrap(ops.prelu(*arrays, None, threads))
    return record(result, Prelu, tuple(edges), (input, weight), ("prelu", threads))


# ---- fused


def fused(activation: str | None, edges: list) -> str | None:
    """The activation that an operation with these edges may end with: not one whose gradient needs
    what it was applied to, if that is to be recorded. Names that are unknown are refused elsewhere.
    """
    if activation in _LATER and is_recorded(edges):
        return None
    return activation


def after(result: State, activation: str, done: str | None, threads: Any) -> Any:
    """`result` with the activation: recorded if it was `done` in the operation, else applied."""
    if done is None:
        return _LATER[activation](result, threads)
    if result._node is None:
        return result
    how = activation, activation, (), threads
    return record(result, Activation, (result._node,), (result,), how)


_LATER = {
    "silu": lambda x, threads: silu(x, None, threads),
    "hardswish": lambda x, threads: hardswish(x, None, threads),
    "gelu": lambda x, threads: gelu(x, "none", None, threads),
    "gelu_tanh": lambda x, threads: gelu(x, "tanh", None, threads),
}
