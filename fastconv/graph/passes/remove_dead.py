"""Nodes whose results nobody takes go."""

from fastconv.graph.ir import Graph


def remove_dead(graph: Graph) -> None:
    """Keep what the outputs come from."""
    wanted = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.output in wanted:
            kept.append(node)
            wanted.update(node.inputs)
    graph.nodes = kept[::-1]
