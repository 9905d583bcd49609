"""A batch in parts that fit the cache: which layers run how many images at a time.

Early layers of a network make much of each image and have few weights, late ones little and many.
So a large batch goes through the early layers a few images at a time, while what lies between the
layers stays in the cache, and through the late ones in larger parts, so that weights are read
seldom. Results do not depend on it: every layer looks at each image by itself.

Parts of one section run side by side, each on a thread of its own, which waits for the others once
a section instead of once a layer (csrc/plan/program.c).
"""

from collections.abc import Iterable
from typing import NamedTuple

from .ir import Graph, Node, Value

# A cut costs a pass over memory, in which the whole batch lies between two sections.
_WORTH_A_CUT = 4


class Section(NamedTuple):
    """Some of a graph's nodes, in order, which run `images` images at a time."""

    nodes: list[Node]
    images: int


def sections(graph: Graph, batch: int, cache_bytes: int) -> list[Section]:
    """The graph's nodes in sections, for a batch of that many images.

    The graph is cut only where a single value leads from what is before to what is after.

    cache_bytes: what the images' values of a node, read and written, should not exceed.
    """
    pieces = list(_pieces(graph))
    fitting = []
    for piece in pieces:
        widest = max(_bytes(node, graph.dtype.itemsize) for node in piece)
        images = batch
        while images > 1 and images * widest > cache_bytes:
            images = -(-images // 2)
        fitting.append(images)
    # Never fewer images than before: the batch would be cut up a second time.
    for i in range(len(fitting) - 2, -1, -1):
        fitting[i] = min(fitting[i], fitting[i + 1])
    found: list[Section] = []
    for piece, images in zip(pieces, fitting, strict=True):
        if found and images < _WORTH_A_CUT * found[-1].images:
            found[-1].nodes.extend(piece)
        else:
            found.append(Section(list(piece), images))
    return found


def _bytes(node: Node, itemsize: int) -> int:
    return itemsize * (node.output.size + sum(value.size for value in node.inputs))


def _pieces(graph: Graph) -> Iterable[list[Node]]:
    """The nodes between places where one value alone is alive."""
    last: dict[Value, int] = {}
    for i, node in enumerate(graph.nodes):
        for value in node.inputs:
            last[value] = i
    for value in graph.outputs:
        last[value] = len(graph.nodes)
    piece: list[Node] = []
    alive: set[Value] = {value for value in graph.inputs if value in last}
    for i, node in enumerate(graph.nodes):
        piece.append(node)
        alive.add(node.output)
        alive = {value for value in alive if last.get(value, -1) > i}
        if len(alive) <= 1:
            yield piece
            piece = []
    if piece:
        yield piece
