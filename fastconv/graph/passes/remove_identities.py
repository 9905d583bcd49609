"""Nodes that give what they take go: poolings of single pixels, concatenations of one."""

from fastconv.graph.ir import Graph, Node


def remove_identities(graph: Graph) -> None:
    """Have the users of such a node take its input."""
    kept = []
    for node in graph.nodes:
        if _is_identity(node):
            graph.replace(node.output, node.inputs[0])
        else:
            kept.append(node)
    graph.nodes = kept


def _is_identity(node: Node) -> bool:
    if node.kind == "concat":
        return len(node.inputs) == 1
    if node.inputs[0].shape != node.output.shape:
        return False
    if node.kind == "reshape":
        return True
    if node.kind == "pad":
        return not any(node.options["before"]) and not any(node.options["after"])
    if node.kind != "pool2d" or node.options["pool"] == "lp":
        return False
    options = node.options
    # An adaptive pooling to the size that there is has windows of one pixel.
    return options["adaptive"] is not None or (
        options["kernel"] == (1, 1) and options["stride"] == (1, 1) and not options["divisor"]
    )
