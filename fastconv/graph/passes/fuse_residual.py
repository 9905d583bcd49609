"""A sum with what a convolution gives becomes the convolution's residual."""

from fastconv.graph.ir import Graph, Node


def fuse_residual(graph: Graph) -> None:
    """Where nobody else takes what the convolution gives, and nothing is done to it in between.

    The convolution moves to the place of the sum, where the other summand is there too.
    """
    users = graph.users()
    order = {node: i for i, node in enumerate(graph.nodes)}
    moved = set()
    kept = []
    for node in graph.nodes:
        makers = [
            value.node
            for value in node.inputs
            if node.kind == "add" and _can_take(value.node) and len(users[value]) == 1
            # What leaves the graph must be what the convolution alone gives.
            and value not in graph.outputs
        ]  # fmt: skip
        if makers:
            conv = max(makers, key=order.__getitem__)
            other = node.inputs[node.inputs[0] is conv.output]
            moved.add(conv)
            # A node of its own: the sum's output stays what its users take.
            node.kind, node.arrays, node.layer = conv.kind, conv.arrays, conv.layer
            node.options = conv.options | {"activation": node.options["activation"]}
            node.inputs = [conv.inputs[0], other]
        kept.append(node)
    graph.nodes = [node for node in kept if node not in moved]


def _can_take(node: Node | None) -> bool:
    return (
        node is not None
        and node.kind == "conv2d"
        and node.options["activation"] is None
        and len(node.inputs) == 1
    )
