"""What each kind of node means: the operation on arrays that it stands for.

The program computes the same in one call; here the graph runs node by node, which is what the
passes are tested against, and where ``shapes.py`` has its shapes from.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv import ops

from .ir import Graph, Node


def interpret(
    graph: Graph,
    inputs: Sequence[np.ndarray],
    threads: int | None = None,
    precision: str | None = None,
) -> list[np.ndarray]:
    """The graph's outputs, (N, ...) each, of inputs (N, ...)."""
    values: dict[Any, np.ndarray] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        taken = [values[value] for value in node.inputs]
        values[node.output] = run_node(node, taken, threads, precision)
    return [values[value] for value in graph.outputs]


def run_node(
    node: Node, inputs: list[np.ndarray], threads: int | None = None, precision: str | None = None
) -> np.ndarray:
    """What the node makes of its inputs, (N, ...) each."""
    if node.kind == "reshape":
        return inputs[0].reshape(inputs[0].shape[0], *node.output.shape)
    options = node.options
    if node.kind == "interpolate" and options["size"] is not None:
        options = options | {"size": node.output.shape[1:]}  # it may be that of an input
    return MEANINGS[node.kind](node.arrays.get, options, inputs, threads, precision)


def _conv2d(arrays, o, inputs, threads, precision):
    top, bottom, left, right = o["padding"]
    residual = inputs[1] if len(inputs) > 1 else None
    return ops.conv2d(
        inputs[0], arrays("weight"), arrays("bias"), o["stride"], ((top, bottom), (left, right)),
        o["dilation"], o["groups"], o["border"], o["activation"], residual, None, threads,
        o["algorithm"], precision,
    )  # fmt: skip


def _conv_transpose2d(arrays, o, inputs, threads, precision):
    top, bottom, left, right = o["padding"]
    return ops.conv_transpose2d(
        inputs[0], arrays("weight"), arrays("bias"), o["stride"], ((top, bottom), (left, right)),
        o["output_padding"], o["groups"], o["dilation"], o["activation"], None, threads, precision,
    )  # fmt: skip


def _linear(arrays, o, inputs, threads, precision):
    return ops.linear(inputs[0], arrays("weight"), arrays("bias"), o["activation"], None, threads)


def _pool2d(arrays, o, inputs, threads, precision):
    (x,) = inputs
    if o["adaptive"] is not None:
        if o["pool"] == "max":
            return ops.adaptive_max_pool2d(x, o["adaptive"], False, None, threads)
        return ops.adaptive_avg_pool2d(x, o["adaptive"], None, threads)
    window = o["kernel"], o["stride"]
    if o["pool"] == "max":
        return ops.max_pool2d(
            x, *window, o["padding"], o["dilation"], o["ceil_mode"], False, None, threads
        )
    if o["pool"] == "lp":
        return ops.lp_pool2d(x, o["norm"], *window, o["ceil_mode"], None, threads)
    return ops.avg_pool2d(
        x, *window, o["padding"], o["ceil_mode"], o["count_include_pad"], o["divisor"], None,
        threads,
    )  # fmt: skip


def _batch_norm(arrays, o, inputs, threads, precision):
    return ops.batch_norm(
        inputs[0], arrays("mean"), arrays("var"), arrays("weight"), arrays("bias"), False, 0.0,
        o["eps"], o["activation"], None, threads,
    )  # fmt: skip


def _activation(arrays, o, inputs, threads, precision):
    return activate(o["name"], inputs[0], o["alpha"], o["beta"], threads)


def activate(
    name: str, x: np.ndarray, alpha: float = 0.0, beta: float = 0.0, threads: int | None = None
) -> np.ndarray:
    """The activation of that name; alpha and beta are its parameters, where it has some."""
    if name in ("gelu", "gelu_tanh"):
        return ops.gelu(x, "tanh" if name == "gelu_tanh" else "none", None, threads)
    if name == "softplus":
        return ops.softplus(x, alpha, beta, None, threads)
    if name in ("leaky_relu", "elu"):
        return getattr(ops, name)(x, alpha, None, threads)
    return getattr(ops, name)(x, None, threads)


def _prelu(arrays, o, inputs, threads, precision):
    return ops.prelu(inputs[0], arrays("weight"), None, threads)


def _softmax(arrays, o, inputs, threads, precision):
    function = ops.log_softmax if o["logarithm"] else ops.softmax
    return function(inputs[0], o["axis"] + 1, None, threads)


def _lrn(arrays, o, inputs, threads, precision):
    how = o["size"], o["alpha"], o["beta"], o["k"], o["window"]
    return ops.local_response_norm(inputs[0], *how, None, threads)


def _add(arrays, o, inputs, threads, precision):
    total = inputs[0] + inputs[1]
    return total if o["activation"] is None else activate(o["activation"], total, threads=threads)


def _scale(arrays, o, inputs, threads, precision):
    x, scale = inputs
    return x * scale.reshape(*scale.shape[:2], *(1,) * (x.ndim - 2))


def _concat(arrays, o, inputs, threads, precision):
    return np.concatenate(inputs, axis=1)


def _part(arrays, o, inputs, threads, precision):
    return np.ascontiguousarray(inputs[0][:, o["start"] : o["stop"]])


def _pad(arrays, o, inputs, threads, precision):
    pairs = list(zip(o["before"], o["after"], strict=True))
    if o["border"] != "constant":
        pairs = pairs[1:]  # which channels have none of
    # From the last axis on.
    sides = [side for pair in reversed(pairs) for side in pair]
    return ops.pad(inputs[0], tuple(sides), o["border"], o["value"], None, threads)


def _permute(arrays, o, inputs, threads, precision):
    return np.ascontiguousarray(inputs[0].transpose(0, *(axis + 1 for axis in o["axes"])))


def _interpolate(arrays, o, inputs, threads, precision):
    return ops.interpolate(
        inputs[0], o["size"], o["scale"], o["mode"], o["align_corners"], None, threads
    )


MEANINGS = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "linear": _linear,
    "pool2d": _pool2d,
    "batch_norm": _batch_norm,
    "prelu": _prelu,
    "activation": _activation,
    "softmax": _softmax,
    "lrn": _lrn,
    "add": _add,
    "scale": _scale,
    "concat": _concat,
    "part": _part,
    "pad": _pad,
    "permute": _permute,
    "interpolate": _interpolate,
}
