"""Nodes that give what they take go: poolings of single pixels, concatenations of one."""

from collections.abc import Callable

from fastconv.graph.ir import Graph, Node


def remove_identities(graph: Graph) -> None:
    """Have the users of a node that gives what it takes, whatever that is, take its input."""
    _remove(graph, _is_identity)


def remove_identities_here(graph: Graph) -> None:
    """And of nodes that do so for images of these sizes: adaptive poolings to the size that there
    is. The graph is for these sizes alone afterwards."""
    _remove(graph, lambda node: _is_identity(node) or is_identity_here(node))


def is_identity_here(node: Node) -> bool:
    """Whether it gives what it takes for images of this size, and may not for others."""
    if node.inputs[0].shape != node.output.shape or _is_identity(node):
        return False
    # An adaptive pooling to the size that there is has windows of one pixel.
    return node.kind == "reshape" or (
        node.kind == "pool2d" and node.options["adaptive"] is not None
    )


def _remove(graph: Graph, goes: Callable[[Node], bool]) -> None:
    kept = []
    for node in graph.nodes:
        if goes(node):
            if is_identity_here(node):
                graph.fixed = graph.fixed or f"layer {node.layer!r} is left out for their size"
            graph.replace(node.output, node.inputs[0])
        else:
            kept.append(node)
    graph.nodes = kept


def _is_identity(node: Node) -> bool:
    o = node.options
    if node.kind == "concat":
        return len(node.inputs) == 1
    if node.kind == "pad":
        return not any(o["before"]) and not any(o["after"])
    if node.kind != "pool2d" or o["pool"] == "lp":
        return False
    if o["adaptive"] is not None:
        return o["adaptive"] == (None, None)
    single = o["kernel"] == (1, 1) and o["stride"] == (1, 1) and not any(o["padding"])
    return single and not o["divisor"]
