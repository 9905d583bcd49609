"""A batch normalisation after an operation with weights becomes part of the weights.

    (w * x + b - mean) / sqrt(var + eps) * gamma + beta
        = (w f) * x + (b - mean) f + beta,    f = gamma / sqrt(var + eps)

The products are made in float64 and rounded once.
"""

import numpy as np

from fastconv.graph.ir import Graph, Node

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
    mean, var = (norm.arrays[name].astype(np.float64) for name in ("mean", "var"))
    factor = 1 / np.sqrt(var + norm.options["eps"])
    if "weight" in norm.arrays:
        factor *= norm.arrays["weight"]
    bias = (node.arrays.get("bias", 0.0) - mean) * factor + norm.arrays.get("bias", 0.0)
    if node.kind == "conv_transpose2d":
        # Weights are (IC, OC/groups, KH, KW), the input's channels group by group.
        groups = node.options["groups"]
        parts = weight.reshape(groups, -1, *weight.shape[1:])
        scaled = parts * factor.reshape(groups, 1, -1, 1, 1)
    else:
        scaled = weight * factor.reshape(-1, *(1,) * (weight.ndim - 1))
    node.arrays = {
        "weight": scaled.reshape(weight.shape).astype(weight.dtype),
        "bias": bias.astype(weight.dtype),
    }
    node.options = node.options | {"activation": norm.options["activation"]}
