"""Where values lie: which share memory, and which memory is used again.

A value in planes lies dense within an image; of one that lies channels last each pixel does
(layouts.py). Its images, or pixels, are as far apart as those of its *root*, the value whose memory
it is a part of: a concatenation's parts are written where the whole will lie, and a reshape or a
part of its channels is the same memory. A concatenation part of which lies elsewhere already is
copied.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from .ir import Graph, Node, Value
from .layouts import Layouts

ALIGNMENT = 64

# Operations that can write into the memory they read, element by element.
_IN_PLACE = frozenset(("activation", "batch_norm", "prelu", "softmax", "add", "scale"))
# Operations that can write images, and read those of their first input, that do not follow each
# other directly; the engine's others take and give dense batches.
_WRITES_APART = frozenset(("conv2d", "conv_transpose2d", "add", "scale"))
READS_APART = _WRITES_APART | {"pool2d", "linear", "pad", "permute", "interpolate"}


class Place(NamedTuple):
    """A value as part of its root: from element `offset` of each image on."""

    root: Value
    offset: int


class Placement:
    """The places of a graph's values for batches of one size.

    layouts: of the values. apart: whether there is more than one image, so that it matters what
    lies between them.
    """

    def __init__(self, graph: Graph, layouts: Layouts, apart: bool) -> None:
        self._layouts = layouts
        self._parents: dict[Value, Place] = {}
        self.copied: set[tuple[Node, int]] = set()  # parts that a concat has to copy
        self.apart = apart
        self._kept = {*graph.inputs, *graph.outputs}
        self._inputs = set(graph.inputs)
        for node in graph.nodes:
            if node.kind == "reshape":
                self._parents[node.output] = Place(node.inputs[0], 0)
            elif node.kind == "part":
                offset = layouts.offset(node.inputs[0], node.options["start"])
                self._parents[node.output] = Place(node.inputs[0], offset)
        # From the last one: the largest whole is settled first, and its parts within it.
        for node in reversed(graph.nodes):
            if node.kind == "concat":
                self._place_parts(node)
        self._reuse_inputs(graph)

    def of(self, value: Value) -> Place:
        """The value's root, and where in its images it begins."""
        offset = 0
        while (place := self._parents.get(value)) is not None:
            value, offset = place.root, offset + place.offset
        return Place(value, offset)

    def is_dense(self, value: Value) -> bool:
        """Whether its images follow each other directly."""
        return not self.apart or self.of(value).root.size == value.size

    def _place_parts(self, concat: Node) -> None:
        places = [self.of(value) for value in concat.inputs]
        if self._lie_in_order(concat, places):
            self._parents[concat.output] = places[0]
            return
        start = 0
        for i, value in enumerate(concat.inputs):
            root, offset = self.of(value)
            movable = (
                offset == 0
                and root.size == value.size
                and root not in self._kept
                and root is not concat.output
                and (
                    not self.apart
                    or self._layouts.is_last(root)
                    or root.node.kind in _WRITES_APART
                    or root.node.kind == "concat"
                )
            )
            if movable:
                self._parents[root] = Place(concat.output, start)
            else:
                self.copied.add((concat, i))
            start += self._layouts.extent(value)

    def _lie_in_order(self, concat: Node, places: list[Place]) -> bool:
        """Whether the parts are one after the other in the memory of a larger whole."""
        if concat.output in self._kept or concat.output in self._parents:
            return False
        end = places[0].offset
        for value, (root, offset) in zip(concat.inputs, places, strict=True):
            if root is not places[0].root or offset != end or root in self._inputs:
                return False
            end += self._layouts.extent(value)
        # The whole is made by a later concatenation, out of the same parts and more, or was there
        # before: these are parts of it.
        return places[0].root.node is not None

    def _reuse_inputs(self, graph: Graph) -> None:
        """Write over an input that nobody reads afterwards."""
        last = {}
        for i, node in enumerate(graph.nodes):
            for value in node.inputs:
                last[self.of(value).root] = i
        for value in graph.outputs:
            last[self.of(value).root] = len(graph.nodes)
        for i, node in enumerate(graph.nodes):
            if node.kind not in _IN_PLACE or node.output in self._parents:
                continue
            root, offset = self.of(node.inputs[0])
            if (
                last[root] == i
                and offset == 0
                and root.size == node.output.size
                and root not in self._inputs
                and not (root in self._kept and node.output in self._kept)
                and all(self.of(value).root is not root for value in node.inputs[1:])
            ):
                self._parents[node.output] = Place(root, 0)
                last[root] = max(last.get(node.output, i), i)


class Life(NamedTuple):
    """From the step that first writes it to the last that reads it; bytes."""

    first: int
    last: int
    size: int


def pack(lives: Iterable[tuple[Any, Life]]) -> tuple[dict[Any, int], int]:
    """Offsets in one arena at which no two that live at once meet, and the arena's bytes.

    The largest are placed first, each at the lowest offset that is free throughout its life.
    """
    offsets: dict[Any, int] = {}
    placed: list[tuple[int, int, Life]] = []
    whole = 0
    for value, life in sorted(lives, key=lambda item: (-item[1].size, item[1].first)):
        start = 0
        for begin, end, other in sorted(placed):
            if other.last < life.first or life.last < other.first:
                continue
            if begin - start >= life.size:
                break
            start = max(start, end)
        offsets[value] = start
        end = -(-(start + life.size) // ALIGNMENT) * ALIGNMENT
        placed.append((start, end, life))
        whole = max(whole, end)
    return offsets, whole
