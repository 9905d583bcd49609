"""A batch normalisation after an operation with weights becomes part of the weights."""

import numpy as np

from fastconv.graph.ir import Graph, Node
from fastconv.ops.normalization import multiplied_out

from .absorb import absorb

_WEIGHTED = ("conv2d", "conv_transpose2d", "linear")


def fold_batch_norm(graph: Graph) -> None:
    """Where nobody else takes what is normalised, and nothing is done to it in between."""
    absorb(graph, "batch_norm", _can_take, _multiply_out)


def _can_take(node: Node, _norm: Node) -> bool:
    return (
        node.kind in _WEIGHTED
        and node.options["activation"] is None
        and len(node.inputs) == 1
        # Of several rows the features come last, and channels are something else.
        and (node.kind != "linear" or len(node.output.shape) == 1)
    )


def _multiply_out(node: Node, norm: Node) -> None:
    weight = node.arrays["weight"]
    shape = weight.shape
    # Of a transposed convolution weights are (IC, OC/groups, KH, KW), the input's channels group by
    # group.
    transposed = node.kind == "conv_transpose2d"
    if transposed:
        weight = np.swapaxes(weight.reshape(node.options["groups"], -1, *shape[1:]), 1, 2)
        weight = weight.reshape(-1, *weight.shape[2:])
    weight, bias = multiplied_out(
        weight, node.arrays.get("bias"), norm.arrays["mean"], norm.arrays["var"],
        norm.arrays.get("weight"), norm.arrays.get("bias"), norm.options["eps"],
    )  # fmt: skip
    if transposed:
        weight = weight.reshape(node.options["groups"], shape[1], -1, *shape[2:])
        weight = np.swapaxes(weight, 1, 2).reshape(shape)
    node.arrays = {"weight": weight, "bias": bias}
    node.options = node.options | {"activation": norm.options["activation"]}
