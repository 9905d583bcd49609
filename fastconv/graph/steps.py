"""The engine's operation for each kind of node."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastconv import _core
from fastconv.ops.resampling import MODES, NAMED_MODES, scale_of

from .ir import Node, Value
from .layouts import Layouts

_ACTIVATIONS = _core.ACTIVATION_CODES
_POOLS = {"max": _core.POOL_MAX, "avg": _core.POOL_AVG, "lp": _core.POOL_LP}


class Steps:
    """Adds the step of a node to a program in the making: a method for each kind that has one.

    Where operands lie its subclass says: `_input`, `_operand`, `_row`, `_rows`, `_strides`.

    Attributes:
        builder: of the program. layouts: of the values. batch: images of a step. precision: the
            engine's number of it.
    """

    builder: Any
    layouts: Layouts
    batch: int
    precision: int

    def step(self, node: Node) -> None:
        """Add it; an error names the layer."""
        with _named(node):
            getattr(self, f"_{node.kind}")(node)

    def _input(self, node: Node, k: int = 0) -> Value:
        """The k-th input, as the step is given it."""
        raise NotImplementedError

    def _operand(self, value: Value) -> tuple[int, int, int, int]:
        """Where it is in the program's memory."""
        raise NotImplementedError

    def _row(self, value: Value) -> int:
        """Elements from one image to the next."""
        raise NotImplementedError

    def _rows(self, value: Value) -> tuple[int, int, int]:
        """What lies without a gap, images or pixels: how many of a batch, the elements of one, and
        those from one to the next."""
        raise NotImplementedError

    def _strides(self, value: Value) -> tuple[int, int, int, int]:
        """Of images (C, H, W)."""
        raise NotImplementedError

    def _conv2d(self, node: Node) -> None:
        x = self._input(node)
        residual = beside = None
        if len(node.inputs) > 1:
            added = self._input(node, 1)
            residual = self._operand(added)
            beside = self._strides(added) if self.layouts.is_last(added) else None
        self.builder.conv2d(
            self.batch, *_convolution(node, x, self.precision), self._strides(x),
            self._strides(node.output), self._operand(x), self._operand(node.output), residual,
            beside,
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
        apart = self._strides(node.output) if self.layouts.is_last(node.output) else None
        if o["adaptive"] is not None:
            size = node.output.shape[1:]
            self.builder.adaptive_pool2d(self.batch, *x.shape, kind, size, *where, dst_stride=apart)
            return
        ph, pw = o["padding"]
        # Lp pooling's windows count what lies beyond the image as zeros.
        counted = o["count_include_pad"]
        self.builder.pool2d(
            self.batch, *x.shape, kind, o["kernel"], o["stride"], (ph, ph, pw, pw), o["dilation"],
            o["ceil_mode"], counted, o["divisor"] or 0, float(o["norm"] or 0.0), *where,
            dst_stride=apart,
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
        if self.layouts.is_last(x):
            rows, length, row = self._rows(x)
            _, _, apart = self._rows(node.output)
            self.builder.add(
                rows, length, code, row, None, apart, self._operand(x), self._operand(node.output)
            )
            return
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
        (rows, length, row), (_, _, other), (_, _, apart) = map(self._rows, (a, b, node.output))
        self.builder.add(
            rows, length, _activation(node.options), row, other, apart, self._operand(a),
            self._operand(node.output), self._operand(b),
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


def _convolution(node: Node, x: Value, precision: int) -> tuple:
    """What the builder is told of a convolution besides its operands."""
    o = node.options
    return (
        *x.shape, node.arrays["weight"], node.arrays.get("bias"), o["stride"], o["padding"],
        o["dilation"], o["groups"], _core.BORDER_CODES[o["border"]], _activation(o), precision,
        _core.ALGORITHM_CODES.get(o["algorithm"], 0),
    )  # fmt: skip


class Estimate:
    """What an image takes in a convolution, by where its operands lie (``layouts.assign``)."""

    def __init__(self, builder: Any, itemsize: int, precision: int) -> None:
        self._builder = builder
        self._itemsize = itemsize
        self._precision = precision

    def __call__(self, node: Node, src_last: bool, dst_last: bool) -> float:
        x, y = node.inputs[0], node.output
        layouts = Layouts([x] * src_last + [y] * dst_last, self._itemsize)
        dst = layouts.strides(y, y)
        with _named(node):
            return self._builder.conv2d_estimate(
                *_convolution(node, x, self._precision), layouts.strides(x, x), dst,
                len(node.inputs) > 1, dst if dst_last and len(node.inputs) > 1 else None,
            )  # fmt: skip


@contextlib.contextmanager
def _named(node: Node) -> Iterator[None]:
    """Have an error name the layer."""
    try:
        yield
    except ValueError as error:
        if type(error) is not ValueError:
            raise  # of the file that the weights are in
        raise ValueError(f"layer {node.layer!r}: {error}") from error
