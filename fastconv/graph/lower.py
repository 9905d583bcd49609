"""A graph becomes a program of the engine: a step for each node, and a place for each value."""

from typing import Any, NamedTuple

import numpy as np

from fastconv import _core
from fastconv.ops.resampling import MODES, NAMED_MODES, scale_of

from .ir import Graph, Node, Value
from .placement import READS_APART, Life, Place, Placement, pack

_ARENA, _ARGUMENT = _core.ARENA, _core.ARGUMENT
_ACTIVATIONS = _core.ACTIVATION_CODES
_POOLS = {"max": _core.POOL_MAX, "avg": _core.POOL_AVG, "lp": _core.POOL_LP}


class Lowered(NamedTuple):
    """A program for one batch size, and the node that each of its steps is for.

    Arguments of the program are the graph's inputs, then its outputs.
    """

    program: Any
    nodes: list[Node]


def lower(graph: Graph, batch: int, store: Any, precision: int, threads: int) -> Lowered:
    """The program of the graph for batches of one size.

    Args:
        store: of packed weights, shared by the programs of all batch sizes.
        precision: the engine's number of it.
        threads: to pack weights with.
    """
    return _Lowering(graph, batch, store, precision, threads).lowered()


class _Lowering:
    def __init__(self, graph, batch, store, precision, threads):
        self.graph = graph
        self.batch = batch
        self.precision = precision
        self.bytes = graph.dtype.itemsize
        self.placement = Placement(graph, batch > 1)
        self.builder = _core.ProgramBuilder(graph.dtype.name, store, threads)
        self.nodes: list[Node] = []
        self.extra: dict[tuple[Node, int], Value] = {}  # dense copies that a step has to be given
        self.bases: dict[Value, tuple[int, int, int]] = {}

    def lowered(self) -> Lowered:
        arguments = [*self.graph.inputs, *self.graph.outputs]
        for i, value in enumerate(self.graph.inputs):
            self.bases[value] = _ARGUMENT, i, 0
        copies = []  # outputs that are no memory of their own
        for i, value in enumerate(self.graph.outputs, len(self.graph.inputs)):
            root, offset = self.placement.of(value)
            if root in self.bases or offset or root.size != value.size:
                copies.append((value, i))
            else:
                self.bases[root] = _ARGUMENT, i, 0
        offsets, arena = pack(self._lives({value for value, _ in copies}))
        for value, offset in offsets.items():
            self.bases[value] = _ARENA, 0, offset
        for node in self.graph.nodes:
            if node.kind != "reshape":
                self._step(node)
        for value, i in copies:
            self._copy(value, (_ARGUMENT, i, 0, 0), value.size, value.node)
        self.builder.section(1)
        sizes = [self.batch * value.size * self.bytes for value in arguments]
        written = [False] * len(self.graph.inputs) + [True] * len(self.graph.outputs)
        return Lowered(self.builder.build(arena, sizes, written), self.nodes)

    # ---- places

    def _lives(self, copied: set[Value]) -> list[tuple[Value, Life]]:
        """Of what lies in the arena; also makes the values of dense copies."""
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
        for value in copied:
            lives(value, len(self.graph.nodes))
        return [
            (root, Life(first[root], last[root], self.batch * root.size * self.bytes))
            for root in first
            if root not in self.bases
        ]

    def _needs_dense(self, node: Node, k: int) -> bool:
        if node.kind in ("concat", "reshape"):
            return False
        if node.kind == "add":
            return False
        # A convolution's residual and a scale's factors are dense.
        return k > 0 or node.kind not in READS_APART

    def _operand(self, value: Value) -> tuple[int, int, int, int]:
        root, offset = (value, 0) if value in self.bases else self.placement.of(value)
        place, argument, start = self.bases[root]
        return place, argument, start + offset * self.bytes, 0

    def _row(self, value: Value) -> int:
        """Elements from one image to the next."""
        return value.size if value in self.bases else self.placement.of(value).root.size

    def _strides(self, value: Value) -> tuple[int, int, int, int]:
        """Of images (C, H, W)."""
        _, h, w = value.shape
        return self._row(value), h * w, w, 1

    def _input(self, node: Node, k: int = 0) -> Value:
        """The k-th input, or the dense copy that the step is given of it."""
        copy = self.extra.get((node, k))
        if copy is None:
            return node.inputs[k]
        self._copy(node.inputs[k], self._operand(copy), copy.size, node)
        return copy

    def _copy(self, value: Value, dst: tuple, dst_row: int, node: Any) -> None:
        self.builder.add(
            self.batch, value.size, 0, self._row(value), None, dst_row, self._operand(value), dst
        )
        self.nodes.append(node)

    # ---- steps

    def _step(self, node: Node) -> None:
        if node.kind == "concat":
            self._concat(node)
            return
        getattr(self, f"_{node.kind}")(node)
        self.nodes.append(node)

    def _concat(self, node: Node) -> None:
        start = 0
        for k, value in enumerate(node.inputs):
            if (node, k) in self.placement.copied:
                place, argument, offset, _ = self._operand(node.output)
                dst = place, argument, offset + start * self.bytes, 0
                self._copy(value, dst, self._row(node.output), node)
            start += value.size

    def _conv2d(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        residual = self._operand(self._input(node, 1)) if len(node.inputs) > 1 else None
        self.builder.conv2d(
            self.batch, *x.shape, node.arrays["weight"], node.arrays.get("bias"), o["stride"],
            o["padding"], o["dilation"], o["groups"], _core.BORDER_CODES[o["border"]],
            _activation(o), self.precision, _core.ALGORITHM_CODES.get(o["algorithm"], 0),
            self._strides(x), self._strides(node.output), self._operand(x),
            self._operand(node.output), residual,
        )  # fmt: skip

    def _conv_transpose2d(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        self.builder.conv_transpose2d(
            self.batch, *x.shape, node.arrays["weight"], node.arrays.get("bias"), o["stride"],
            o["padding"], o["output_padding"], o["dilation"], o["groups"], _activation(o),
            self.precision, self._strides(x), self._strides(node.output), self._operand(x),
            self._operand(node.output),
        )  # fmt: skip

    def _linear(self, node: Node) -> None:
        x = self._input(node)
        rows, features = int(np.prod(x.shape[:-1], dtype=np.int64)), x.shape[-1]
        # Rows of an image follow each other; images may lie apart, if each is one row.
        apart = self._row(x) if rows == 1 else features
        self.builder.linear(
            self.batch * rows, node.arrays["weight"], node.arrays.get("bias"),
            _activation(node.options), apart, self._operand(x), self._operand(node.output),
        )  # fmt: skip

    def _pool2d(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        kind = _POOLS[o["pool"]]
        where = self._strides(x), self._operand(x), self._operand(node.output)
        if o["adaptive"] is not None:
            self.builder.adaptive_pool2d(self.batch, *x.shape, kind, o["adaptive"], *where)
            return
        ph, pw = o["padding"]
        # Lp pooling's windows count what lies beyond the image as zeros.
        counted = o["count_include_pad"]
        self.builder.pool2d(
            self.batch, *x.shape, kind, o["kernel"], o["stride"], (ph, ph, pw, pw), o["dilation"],
            o["ceil_mode"], counted, o["divisor"] or 0, float(o["norm"] or 0.0), *where,
        )  # fmt: skip

    def _channels(self, x: Value) -> tuple[int, int, int]:
        """(outer, channels, inner) of a batch of x."""
        return self.batch, x.shape[0], x.size // x.shape[0]

    def _batch_norm(self, node: Node) -> None:
        x, arrays = self._input(node), node.arrays
        self.builder.batch_norm(
            *self._channels(x), arrays.get("weight"), arrays.get("bias"), arrays["mean"],
            arrays["var"], node.options["eps"], _activation(node.options), self._operand(x),
            self._operand(node.output),
        )  # fmt: skip

    def _prelu(self, node: Node) -> None:
        x = self._input(node)
        slopes = np.broadcast_to(node.arrays["weight"], x.shape[0]).copy()
        self.builder.prelu(*self._channels(x), slopes, self._operand(x), self._operand(node.output))

    def _activation(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        code = _ACTIVATIONS.get(o["name"], _core.PARAMETERISED_CODES.get(o["name"]))
        self.builder.unary(
            self.batch * x.size, code, o["alpha"], o["beta"], self._operand(x),
            self._operand(node.output),
        )  # fmt: skip

    def _softmax(self, node: Node) -> None:
        x, axis = self._input(node), node.options["axis"]
        outer = self.batch * int(np.prod(x.shape[:axis], dtype=np.int64))
        length = x.shape[axis]
        inner = int(np.prod(x.shape[axis + 1 :], dtype=np.int64))
        self.builder.softmax(
            outer, length, inner, node.options["logarithm"], self._operand(x),
            self._operand(node.output),
        )  # fmt: skip

    def _lrn(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        before = o["size"] // 2 if o["window"] == "pytorch" else (o["size"] - 1) // 2
        self.builder.lrn(
            *self._channels(x), o["size"], before, float(o["alpha"]), float(o["beta"]),
            float(o["k"]), self._operand(x), self._operand(node.output),
        )  # fmt: skip

    def _add(self, node: Node) -> None:
        a, b = self._input(node, 0), self._input(node, 1)
        self.builder.add(
            self.batch, a.size, _activation(node.options), self._row(a), self._row(b),
            self._row(node.output), self._operand(a), self._operand(node.output),
            self._operand(b),
        )  # fmt: skip

    def _scale(self, node: Node) -> None:
        x, factor = self._input(node, 0), self._input(node, 1)
        _, channels, inner = self._channels(x)
        self.builder.scale(
            self.batch, channels, inner, self._row(x), self._row(node.output), self._operand(x),
            self._operand(factor), self._operand(node.output),
        )  # fmt: skip

    def _pad(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        border = "zeros" if o["border"] == "constant" else o["border"]
        self.builder.pad(
            [self.batch, *x.shape], [0, *o["before"]], [0, *o["after"]],
            _core.BORDER_CODES[border], o["value"] or 0.0, self._dense_within(x, x.shape),
            self._operand(x), self._operand(node.output),
        )  # fmt: skip

    def _dense_within(self, x: Value, shape: tuple[int, ...]) -> list[int]:
        """Strides of a batch of x, axis by axis."""
        strides = [1]
        for size in shape[:0:-1]:
            strides.append(strides[-1] * size)
        return [self._row(x), *strides[::-1]]

    def _permute(self, node: Node) -> None:
        x, axes = self._input(node), node.options["axes"]
        row, *strides = self._dense_within(x, x.shape)
        none = [0] * (1 + len(axes))
        self.builder.pad(
            [self.batch, *node.output.shape], none, none, 0, 0.0,
            [row, *(strides[axis] for axis in axes)], self._operand(x), self._operand(node.output),
        )  # fmt: skip

    def _interpolate(self, node: Node) -> None:
        o = node.options
        x = self._input(node)
        wanted = node.output.shape[1:]
        mode = NAMED_MODES[o["mode"]]
        if o["align_corners"]:
            mode = MODES["corners"]
        factors = o["scale"] if isinstance(o["scale"], (tuple, list)) else (o["scale"],) * 2
        scales = [
            scale_of(size, new, factor if o["size"] is None else None, mode == MODES["corners"])
            for size, new, factor in zip(x.shape[1:], wanted, factors, strict=True)
        ]
        self.builder.interpolate(
            self.batch, *x.shape, *wanted, mode, *scales, o["mode"] == "nearest",
            self._strides(x), self._operand(x), self._operand(node.output),
        )  # fmt: skip


def _activation(options: dict[str, Any]) -> int:
    return 0 if options["activation"] is None else _ACTIVATIONS[options["activation"]]


__all__ = ["Lowered", "Place", "lower"]
