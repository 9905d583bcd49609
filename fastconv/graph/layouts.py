"""Which values of a network lie channels last while it runs, and which in planes.

In planes (C, H, W) the pixels of a channel are neighbours, channels last the channels of a pixel.
The engine's convolutions and poolings read and write either, and turn one into the other on the way
at the cost of a transpose. What a convolution takes in each of the four cases the engine estimates
itself (``fc_plan_info.estimate``); the layouts are those for which the sum is least. Inputs and
outputs of the network lie in planes, as do values of operations that know nothing else.

The choice is made for one image, by its shape, dtype, precision and the instruction set: a batch of
any size is computed by the same algorithms, bit for bit.
"""

from collections.abc import Callable, Iterable

from fastconv import _core

from .ir import Graph, Node, Value

# What an image takes on one thread, given whether source and result lie channels last.
Estimate = Callable[[Node, bool, bool], float]

_CACHE_LINE = 64
# Pixels that are a multiple of this apart meet in few sets of the nearest cache.
_SET_BYTES = 1024
# Of an element that a pooling transposes, half cycles.
_TRANSPOSED = 0.5


class Layouts:
    """Where the elements of a graph's values lie.

    last: the values that lie channels last; all others lie in planes.
    """

    def __init__(self, last: Iterable[Value], itemsize: int) -> None:
        self._last = frozenset(last)
        self._itemsize = itemsize

    def is_last(self, value: Value) -> bool:
        """Whether the channels of a pixel are neighbours."""
        return value in self._last

    def pitch(self, value: Value) -> int:
        """Elements from a pixel to the next, of a value that lies channels last by itself: a line
        more than channels where pixels would otherwise meet in a few sets of a cache."""
        channels = value.shape[0]
        if channels * self._itemsize % _SET_BYTES:
            return channels
        return channels + _CACHE_LINE // self._itemsize

    def memory(self, value: Value) -> int:
        """Elements of an image that lies by itself."""
        if value not in self._last:
            return value.size
        _, h, w = value.shape
        return h * w * self.pitch(value)

    def extent(self, value: Value) -> int:
        """Elements from where a part of a concatenation begins to where the next one does."""
        return value.shape[0] if value in self._last else value.size

    def offset(self, value: Value, channel: int) -> int:
        """Elements from where an image begins to where a channel of it does."""
        return channel if value in self._last else channel * (value.size // value.shape[0])

    def strides(self, value: Value, root: Value) -> tuple[int, int, int, int]:
        """Of images (C, H, W), which are part of a root."""
        _, h, w = value.shape
        if value not in self._last:
            return self.memory(root), h * w, w, 1
        pitch = self.pitch(root)
        return self.memory(root), 1, w * pitch, pitch


def assign(graph: Graph, estimate: Estimate) -> set[Value]:
    """The values that had best lie channels last."""
    groups = _Groups(graph)
    costs = _Costs(graph, groups, estimate)
    every = set(groups.free)
    plain, last = costs.improved(set()), costs.improved(every)
    best = min((plain, last), key=costs.total)
    return {value for value in groups.values if groups.of(value) in best}


def alike(graph: Graph, last: set[Value]) -> set[Value]:
    """The values that lie channels last where these do, as far as they can."""
    groups = _Groups(graph)
    chosen = {groups.of(value) for value in last} & set(groups.free)
    return {value for value in groups.values if groups.of(value) in chosen}


class _Sets:
    """Disjoint sets of values."""

    def __init__(self) -> None:
        self._parent: dict[Value, Value] = {}

    def find(self, value: Value) -> Value:
        while (parent := self._parent.get(value, value)) is not value:
            value = parent
        return value

    def join(self, values: Iterable[Value]) -> None:
        first, *others = map(self.find, values)
        for other in others:
            if other is not first:
                self._parent[other] = first


class _Groups:
    """Values that must lie alike, by a representative; and which groups may lie channels last.

    Alike lie what shares memory (a concatenation and its parts, a part and what it is of, what is
    written over an input) and what an operation wants alike: the terms of a sum, a convolution's
    residual and its result.
    """

    def __init__(self, graph: Graph) -> None:
        self._alike, shared = _Sets(), _Sets()
        self.values = [*graph.inputs, *(node.output for node in graph.nodes)]
        fixed = {*graph.inputs, *graph.outputs}
        fixed |= {value for value in self.values if not _has_pixels(value)}
        for node in graph.nodes:
            if node.kind == "conv2d":
                self._alike.join([node.output, *node.inputs[1:]])
            elif node.kind in ("add", "concat", "part", "activation"):
                self._alike.join([node.output, *node.inputs])
                shared.join([node.output, *node.inputs])
            if not _knows_channels_last(node):
                fixed.update((node.output, *node.inputs))
        # Elements of two parts of a whole take turns in memory: the engine cannot tell that what is
        # read of it is not what is written.
        for node in graph.nodes:
            if node.kind in ("conv2d", "pool2d"):
                whole = shared.find(node.output)
                fixed.update(x for x in node.inputs[:1] if shared.find(x) is whole)
        planes = {self._alike.find(value) for value in fixed}
        found = dict.fromkeys(self._alike.find(value) for value in self.values)
        self.free = [group for group in found if group not in planes]

    def of(self, value: Value) -> Value:
        return self._alike.find(value)


def _has_pixels(value: Value) -> bool:
    return len(value.shape) == 3 and value.shape[0] > 1 and value.shape[1] * value.shape[2] > 1


def _knows_channels_last(node: Node) -> bool:
    if node.kind == "pool2d":
        return node.options["pool"] != "lp"
    if node.kind == "activation":
        return node.options["name"] in _core.ACTIVATION_CODES
    return node.kind in ("conv2d", "add", "concat", "part")


class _Costs:
    """What a set of groups that lie channels last would take."""

    def __init__(self, graph: Graph, groups: _Groups, estimate: Estimate) -> None:
        self._groups = groups
        self._estimate = estimate
        self._nodes = [node for node in graph.nodes if node.kind in ("conv2d", "pool2d")]
        self._around: dict[Value, list[Node]] = {group: [] for group in groups.free}
        for node in self._nodes:
            for group in {groups.of(node.inputs[0]), groups.of(node.output)}:
                if group in self._around:
                    self._around[group].append(node)
        self._known: dict[tuple[Node, bool, bool], float] = {}

    def improved(self, last: set[Value]) -> set[Value]:
        """With groups changed one by one as long as that gains."""
        last = set(last)
        changed = True
        while changed:
            changed = False
            for group in self._groups.free:
                other = last ^ {group}
                before = sum(self._of(node, last) for node in self._around[group])
                if sum(self._of(node, other) for node in self._around[group]) < before:
                    last, changed = other, True
        return last

    def total(self, last: set[Value]) -> float:
        return sum(self._of(node, last) for node in self._nodes)

    def _of(self, node: Node, last: set[Value]) -> float:
        x, y = (self._groups.of(value) in last for value in (node.inputs[0], node.output))
        if node.kind == "pool2d":
            if y and not x:
                return float("inf")  # there is no such pooling
            return _TRANSPOSED * node.output.size if x and not y else 0.0
        key = node, x, y
        if key not in self._known:
            self._known[key] = self._estimate(*key)
        return self._known[key]
