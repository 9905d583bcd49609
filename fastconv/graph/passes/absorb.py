"""What several passes do: a node goes into the operation before it."""

from collections.abc import Callable

from fastconv.graph.ir import Graph, Node


def absorb(
    graph: Graph,
    kind: str,
    fits: Callable[[Node, Node], bool],
    take: Callable[[Node, Node], None],
) -> None:
    """Have nodes of a kind taken into the makers of their inputs.

    Only where nobody else takes what the maker makes, and it does not leave the graph.

    Args:
        fits: fits(maker, node), whether the maker can do both.
        take: take(maker, node) has it do both.
    """
    users = graph.users()
    kept = []
    for node in graph.nodes:
        maker = node.inputs[0].node
        if (
            node.kind == kind
            and maker is not None
            and len(users[maker.output]) == 1
            and maker.output not in graph.outputs
            and fits(maker, node)
        ):
            take(maker, node)
            users[maker.output] = users[node.output]
            graph.replace(node.output, maker.output)
        else:
            kept.append(node)
    graph.nodes = kept
