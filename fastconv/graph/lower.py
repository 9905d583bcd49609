"""A graph becomes a program of the engine: a step for each node, and a place for each value."""

from typing import Any, NamedTuple

from fastconv import _core

from .ir import Graph, Node, Value
from .layouts import Layouts, alike, assign
from .placement import READS_APART, Life, Placement, pack
from .sections import sections
from .steps import Estimate, Steps

_ARENA, _ARGUMENT, _WORKER = _core.ARENA, _core.ARGUMENT, _core.WORKER


class Lowered(NamedTuple):
    """A program for one batch size, the node that each of its steps is for, and whether what it
    makes lies channels last.

    Arguments of the program are the graph's inputs, then its outputs.
    """

    program: Any
    nodes: list[Node]
    channels_last: list[bool]


class Choice(NamedTuple):
    """What of a program images of other sizes are to share, by numbers of a graph's nodes.

    last: of those whose values lie channels last. algorithms: of convolutions, by number.
    """

    last: frozenset[int]
    algorithms: dict[int, str]

    def applied(self, graph: Graph) -> set[Value]:
        """Have its convolutions take these algorithms; the values that lie channels last."""
        for i, algorithm in self.algorithms.items():
            node = graph.nodes[i]
            node.options = node.options | {"algorithm": algorithm}
        return {graph.nodes[i].output for i in self.last}


def choice_of(lowered: Lowered, nodes: list[Node]) -> Choice:
    """What was chosen for a program of some of these nodes, which are a graph's."""
    told = lowered.program.steps
    last, algorithms = set(), {}
    numbers = {node: i for i, node in enumerate(nodes)}
    for node, is_last, step in zip(lowered.nodes, lowered.channels_last, told, strict=True):
        number = numbers.get(node)
        if number is None:
            continue
        if is_last:
            last.add(number)
        if node.kind == "conv2d" and step["op"] == "conv2d":
            algorithms[number] = step["algorithm"]
    return Choice(frozenset(last), algorithms)


def lower(
    graph: Graph,
    batch: int,
    store: Any,
    precision: int,
    threads: int,
    cache_bytes: int,
    last: set[Value] | None = None,
) -> Lowered:
    """The program of the graph for batches of one size.

    Args:
        store: of packed weights, shared by the programs of all batch sizes.
        precision: the engine's number of it.
        threads: to pack weights with.
        cache_bytes: that the values of one layer may take, where the batch can be cut for it.
        last: the values to lie channels last; None: those that had best.
    """
    builder = _core.ProgramBuilder(graph.dtype.name, store, threads)
    itemsize = graph.dtype.itemsize
    if last is None:
        last = assign(graph, Estimate(builder, itemsize, precision))
    else:
        last = alike(graph, last)
    layouts = Layouts(last, itemsize)
    parts = []
    for section in sections(graph, batch, cache_bytes):
        whole, rest = divmod(batch, section.images)
        subgraph = _alone(graph, section.nodes)
        parts.append(_Part(subgraph, layouts, section.images, whole, 0, builder, precision))
        if rest:
            start = batch - rest
            parts.append(_Part(subgraph, layouts, rest, 1, start, builder, precision))
    # What leads from one part to the next, and what each of them needs for itself.
    arguments = [*graph.inputs, *graph.outputs]
    lives: dict[Any, Life] = {}
    bases: dict[Any, tuple[int, int, int]] = {}
    own = 0
    for i, part in enumerate(parts):
        for value in (*part.graph.inputs, *part.graph.outputs):
            if value not in arguments:
                first = lives[value].first if value in lives else i
                lives[value] = Life(first, i, batch * layouts.memory(value) * itemsize)
        size = part.pack()
        if part.beside:
            bases[part] = _WORKER, 0, 0
            own = max(own, size)
        else:
            lives[part] = Life(i, i, size)
    offsets, arena = pack(lives.items())
    bases |= {value: (_ARENA, 0, offset) for value, offset in offsets.items()}
    for i, value in enumerate(arguments):
        bases.setdefault(value, (_ARGUMENT, i, 0))
    nodes = []
    for part in parts:
        nodes += part.emit(bases)
    # An output that is another one too, or an input, is the same again.
    twice = [
        (value, i)
        for i, value in enumerate(arguments)
        if i >= len(graph.inputs) and bases[value] != (_ARGUMENT, i, 0)
    ]
    for value, i in twice:
        builder.add(
            batch, value.size, 0, None, None, None, (*bases[value], 0), (_ARGUMENT, i, 0, 0)
        )
        same = {"sizes": tuple((axis,) for axis in range(len(value.shape)))}
        nodes.append(value.node or Node("reshape", [value], value.shape, options=same))
    if twice:
        builder.section(1)
    sizes = [batch * value.size * itemsize for value in arguments]
    written = [False] * len(graph.inputs) + [True] * len(graph.outputs)
    program = builder.build(arena, sizes, written, own)
    return Lowered(program, nodes, [layouts.is_last(node.output) for node in nodes])


def _alone(graph: Graph, nodes: list[Node]) -> Graph:
    """Some of a graph's nodes as a graph of their own, of the same values."""
    made = {node.output for node in nodes}
    inside = set(nodes)
    taken = [value for node in nodes for value in node.inputs if value not in made]
    needed = {value for node in graph.nodes if node not in inside for value in node.inputs} | set(
        graph.outputs
    )
    outputs = [node.output for node in nodes if node.output in needed]
    return Graph(list(dict.fromkeys(taken)), nodes, outputs, graph.dtype)


class _Part(Steps):
    """Nodes for `images` images at a time, `repeats` times, from image `start` of the batch on.

    Its inputs and outputs lie where the whole batch does, all else in memory that each repeat uses
    again: the arena, or where there are several, which may run side by side, each thread's own.
    """

    def __init__(self, graph, layouts, images, repeats, start, builder, precision):
        self.graph = graph
        self.layouts = layouts
        self.batch = images
        self.repeats = repeats
        self.start = start
        self.builder = builder
        self.precision = precision
        self.bytes = graph.dtype.itemsize
        self.placement = Placement(graph, layouts, images > 1)
        self.nodes: list[Node] = []
        self.extra: dict[tuple[Node, int], Value] = {}  # dense copies that a step has to be given
        self.bases: dict[Value, tuple[int, int, int, int]] = {}
        self.offsets: dict[Value, int] = {}
        # Outputs that are no memory of their own are copied at the end.
        self.outer: set[Value] = set(graph.inputs)
        self.copied: list[Value] = []
        for value in graph.outputs:
            root, offset = self.placement.of(value)
            if root in self.outer or offset or root.size != value.size:
                self.copied.append(value)
            else:
                self.outer.add(root)

    @property
    def beside(self) -> bool:
        """Whether threads may run a repeat each."""
        return self.repeats > 1

    def pack(self) -> int:
        """Places in memory for what lies in between; its bytes."""
        self.offsets, size = pack(self._lives())
        return size

    def emit(self, bases: dict[Any, tuple[int, int, int]]) -> list[Node]:
        """Add the steps; the node of each."""
        for value, offset in self.offsets.items():
            place, argument, start = bases[self]
            self.bases[value] = place, argument, start + offset, 0
        for value in self.graph.inputs:
            self.bases[value] = self._outside(bases[value], value)
        for value in self.graph.outputs:
            if value not in self.copied:
                self.bases[self.placement.of(value).root] = self._outside(bases[value], value)
        for node in self.graph.nodes:
            if node.kind not in ("reshape", "part"):
                self._step(node)
        for value in self.copied:
            self._copy(value, value, self._outside(bases[value], value), value.node)
        if self.nodes:
            self.builder.section(self.repeats, self.beside)
        return self.nodes

    def _outside(self, base: tuple[int, int, int], value: Value) -> tuple[int, int, int, int]:
        """A value of the whole batch, of which each repeat has its images."""
        place, argument, offset = base
        image = self.layouts.memory(value) * self.bytes
        return place, argument, offset + self.start * image, self.batch * image

    # ---- places

    def _lives(self) -> list[tuple[Value, Life]]:
        """Of what lies in between; also makes the values of dense copies."""
        first: dict[Value, int] = {}
        last: dict[Value, int] = {}

        def lives(value: Value, i: int) -> None:
            root = self.placement.of(value).root
            first.setdefault(root, i)
            last[root] = i

        for i, node in enumerate(self.graph.nodes):
            for k, value in enumerate(node.inputs):
                lives(value, i)
                if self._needs_dense(node, k) and not self.placement.is_dense(value):
                    copy = self.extra[node, k] = Value(value.shape)
                    first[copy] = last[copy] = i
            lives(node.output, i)
        for value in self.copied:
            lives(value, len(self.graph.nodes))
        return [
            (
                root,
                Life(first[root], last[root], self.batch * self.layouts.memory(root) * self.bytes),
            )
            for root in first
            if root not in self.outer
        ]

    def _needs_dense(self, node: Node, k: int) -> bool:
        takes_any = node.kind in ("concat", "part", "reshape", "add")
        if takes_any or self.layouts.is_last(node.inputs[k]):
            return False
        if node.kind == "linear" and len(node.inputs[k].shape) > 1:
            return True  # images of several rows, all of which are equally far apart
        # A convolution's residual in planes and a scale's factors are dense.
        return k > 0 or node.kind not in READS_APART

    def _operand(self, value: Value) -> tuple[int, int, int, int]:
        root, offset = (value, 0) if value in self.bases else self.placement.of(value)
        place, argument, start, advance = self.bases[root]
        return place, argument, start + offset * self.bytes, advance

    def _root(self, value: Value) -> Value:
        return value if value in self.bases else self.placement.of(value).root

    def _row(self, value: Value) -> int:
        """Elements from one image to the next."""
        return self.layouts.memory(self._root(value))

    def _strides(self, value: Value) -> tuple[int, int, int, int]:
        """Of images (C, H, W)."""
        return self.layouts.strides(value, self._root(value))

    def _rows(self, value: Value) -> tuple[int, int, int]:
        """What lies without a gap, images or pixels of them: how many of a batch, the elements of
        one, and those from one to the next."""
        if not self.layouts.is_last(value):
            return self.batch, value.size, self._row(value)
        channels, h, w = value.shape
        return self.batch * h * w, channels, self.layouts.pitch(self._root(value))

    def _input(self, node: Node, k: int = 0) -> Value:
        """The k-th input, or the dense copy that the step is given of it."""
        copy = self.extra.get((node, k))
        if copy is None:
            return node.inputs[k]
        self._copy(node.inputs[k], copy, self._operand(copy), node)
        return copy

    def _copy(self, value: Value, root: Value, dst: tuple, node: Any) -> None:
        """Into memory that is laid out as the root's."""
        rows, length, row = self._rows(value)
        apart = (
            self.layouts.pitch(root) if self.layouts.is_last(value) else self.layouts.memory(root)
        )
        self.builder.add(rows, length, 0, row, None, apart, self._operand(value), dst)
        self.nodes.append(node)

    # ---- steps

    def _step(self, node: Node) -> None:
        if node.kind == "concat":
            self._concat(node)
            return
        self.step(node)
        self.nodes.append(node)

    def _concat(self, node: Node) -> None:
        start = 0
        for k, value in enumerate(node.inputs):
            if (node, k) in self.placement.copied:
                place, argument, offset, advance = self._operand(node.output)
                dst = place, argument, offset + start * self.bytes, advance
                self._copy(value, self._root(node.output), dst, node)
            start += self.layouts.extent(value)
