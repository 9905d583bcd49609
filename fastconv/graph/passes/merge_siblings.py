"""1 × 1 convolutions of one value become one, and each of them is a part of its result.

The value is read once instead of once for each: that counts where one of them makes few channels of
it. Their results are read as parts of the whole, so what goes into a concatenation, where it is
written at once, is left as it is, and so is what somebody needs by itself.
"""

import numpy as np

from fastconv.graph.ir import Graph, Node
from fastconv.graph.placement import READS_APART

# Channels that are few. Of more the products take most of the time, and their readers lose as much
# by reading a part of larger pixels (measured with 128 and 128 of 256, 56 × 56).
_FEW = 64


def merge_siblings(graph: Graph) -> None:
    """Those with the same stride and activation, whose results only operations take that read
    images which do not follow each other directly.

    The whole is computed where the first of them was; the others' input is there too.
    """
    users = graph.users()
    alike: dict[tuple, list[Node]] = {}
    for node in graph.nodes:
        takers = users[node.output]
        if (
            _can_merge(node)
            and node.output not in graph.outputs
            and takers
            and all(_reads_a_part(taker, node) for taker in takers)
        ):
            key = node.inputs[0], node.options["stride"], node.options["activation"]
            alike.setdefault(key, []).append(node)
    families = {
        nodes[0]: nodes
        for nodes in alike.values()
        if len(nodes) > 1 and min(node.output.shape[0] for node in nodes) <= _FEW
    }
    merged = {node for nodes in families.values() for node in nodes}
    kept = []
    for node in graph.nodes:
        if node in families:
            kept += [_merge(families[node]), *families[node]]
        elif node not in merged:
            kept.append(node)
    graph.nodes = kept


def _can_merge(node: Node) -> bool:
    return (
        node.kind == "conv2d"
        and len(node.inputs) == 1
        and node.arrays["weight"].shape[2:] == (1, 1)
        and node.options["groups"] == 1
        and not any(node.options["padding"])
        # Who asks for one asks for it for this convolution as it is.
        and node.options["algorithm"] is None
    )


def _reads_a_part(taker: Node, node: Node) -> bool:
    if taker.kind == "add":
        return True
    # A convolution's residual and a scale's factors are dense.
    return taker.kind in READS_APART and node.output not in taker.inputs[1:]


def _merge(nodes: list[Node]) -> Node:
    """One convolution for all, which become parts of what it gives: their outputs stay what their
    users take."""
    first = nodes[0]
    arrays = {"weight": np.concatenate([node.arrays["weight"] for node in nodes])}
    if any("bias" in node.arrays for node in nodes):
        arrays["bias"] = np.concatenate([_bias(node) for node in nodes])
    shape = sum(node.output.shape[0] for node in nodes), *first.output.shape[1:]
    layer = ", ".join(dict.fromkeys(node.layer for node in nodes))
    whole = Node("conv2d", first.inputs, shape, layer, arrays, first.options)
    start = 0
    for node in nodes:
        stop = start + node.output.shape[0]
        node.kind, node.arrays, node.inputs = "part", {}, [whole.output]
        node.options = {"start": start, "stop": stop}
        start = stop
    return whole


def _bias(node: Node) -> np.ndarray:
    weight = node.arrays["weight"]
    return node.arrays.get("bias", np.zeros(len(weight), weight.dtype))
