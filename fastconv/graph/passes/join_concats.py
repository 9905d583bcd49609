"""A concatenation that only goes into another one becomes part of it."""

from fastconv.graph.ir import Graph


def join_concats(graph: Graph) -> None:
    """Have the outer one take the inner one's parts."""
    users = graph.users()
    gone = set()
    for node in graph.nodes:
        if node.kind != "concat":
            continue
        parts = []
        for value in node.inputs:
            inner = value.node
            alone = len(users[value]) == 1 and value not in graph.outputs
            if inner is not None and inner.kind == "concat" and alone:
                parts += inner.inputs
                gone.add(inner)
            else:
                parts.append(value)
        node.inputs = parts
    graph.nodes = [node for node in graph.nodes if node not in gone]
