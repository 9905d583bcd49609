"""What a network is given in place of a Tensor, so that it tells what it would compute."""

import operator
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from fastconv.autograd import Tensor

from .extents import Extent
from .ir import Value


class Untraceable(TypeError):
    """A network does what a compiled one cannot; the message names the layer."""


class Traced:
    """A Tensor without values: operations on it are recorded by a ``Recorder``.

    It has the shape and dtype of what would be here, and those operations of Tensor that a compiled
    network can have; anything else raises Untraceable, which names it and the layer.
    """

    __slots__ = ("_layer", "_value")

    # NumPy's operators leave operands of this kind to us.
    __array_ufunc__ = None

    def __init__(self, recorder: Any, value: Value) -> None:
        self._layer = recorder  # to which functional hands operations on this
        self._value = value

    # ---- what it is

    @property
    def shape(self) -> tuple[Any, ...]:
        """The sizes of its axes, the example's batch first; an Extent where images of another size
        would have another."""
        value, recorder = self._value, self._layer
        varying = recorder.varying(value)
        if not any(varying):
            return (recorder.batch, *value.shape)
        sizes = (
            Extent(recorder, value, k) if varies else size
            for k, (size, varies) in enumerate(zip(value.shape, varying, strict=True))
        )
        return (recorder.batch, *sizes)

    @property
    def dtype(self) -> np.dtype:
        return self._layer.graph.dtype

    @property
    def ndim(self) -> int:
        return 1 + len(self._value.shape)

    def dim(self) -> int:
        return self.ndim

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        if any(self._layer.varying(self._value)):
            self._layer.fix()
        return self._layer.batch * self._value.size

    def __len__(self) -> int:
        return self._layer.batch

    def __repr__(self) -> str:
        return f"Traced({(self._layer.batch, *self._value.shape)}, {self.dtype})"

    @property
    def requires_grad(self) -> bool:
        return False

    # ---- operations

    def __add__(self, other: Any) -> "Traced":
        return self._layer.add(self, other)

    __radd__ = __iadd__ = add = add_ = __add__

    def __sub__(self, other: Any) -> "Traced":
        if isinstance(other, Traced):
            return self + -other
        return self._layer.affine(self, 1.0, np.negative(_constant(self, "-", other)))

    sub = __sub__

    def __rsub__(self, other: Any) -> "Traced":
        return self._layer.affine(self, -1.0, _constant(self, "-", other))

    def __mul__(self, other: Any) -> "Traced":
        if isinstance(other, Traced):
            return self._layer.scale(self, other)
        return self._layer.affine(self, _constant(self, "*", other), 0.0)

    __rmul__ = __imul__ = mul = mul_ = __mul__

    def __truediv__(self, other: Any) -> "Traced":
        return self._layer.affine(self, 1.0 / _constant(self, "/", other), 0.0)

    div = __truediv__

    def __neg__(self) -> "Traced":
        return self._layer.affine(self, -1.0, 0.0)

    def relu(self) -> "Traced":
        return self._layer.relu(self, None, None)

    def sigmoid(self) -> "Traced":
        return self._layer.sigmoid(self, None, None)

    def tanh(self) -> "Traced":
        return self._layer.tanh(self, None, None)

    def softmax(self, dim: int) -> "Traced":
        return self._layer.softmax(self, dim, None, None)

    def log_softmax(self, dim: int) -> "Traced":
        return self._layer.log_softmax(self, dim, None, None)

    def clip(self, min: float | None = None, max: float | None = None) -> "Traced":
        if (min, max) == (0, None):
            return self.relu()
        if (min, max) == (0, 6):
            return self._layer.relu6(self, None, None)
        self._layer.refuse(f"clip(min={min}, max={max}); only those of ReLU and ReLU6 are known")

    clamp = clip

    def mean(self, dim: Any = None, keepdim: bool = False) -> "Traced":
        axes = _axes(dim, self.ndim)
        if self.ndim != 4 or sorted(axes) != [2, 3]:
            self._layer.refuse(f"mean over dim={dim}; only over height and width is known")
        pooled = self._layer.global_avg_pool2d(self, None, None)
        return pooled if keepdim else pooled.flatten(1)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Traced":
        first, last = _axes((start_dim, end_dim), self.ndim)
        if first < 1:
            self._layer.refuse("flatten of the batch; give start_dim=1")
        axes = [(axis,) for axis in range(self.ndim - 1)]
        if first == last:
            return self
        return self._layer.reshape(self, (*axes[: first - 1], None, *axes[last:]))

    def reshape(self, *shape: Any) -> "Traced":
        sizes = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], Sequence) else shape
        batch = sizes[0]
        # An axis that is one of this value's stays one; None is what is left.
        rest = [
            (n.axis,) if isinstance(n, Extent) and n.value is self._value else operator.index(n)
            for n in sizes[1:]
        ]
        rest = [None if n == -1 else n for n in rest]
        if batch not in (self._layer.batch, -1) or (batch == -1 and None in rest):
            self._layer.refuse(f"reshape to {sizes}, whose first axis is not the batch")
        known = [self._value.shape[n[0]] if isinstance(n, tuple) else n for n in rest]
        others = int(np.prod([n for n in known if n is not None], dtype=np.int64))
        if rest.count(None) > 1 or (
            self._value.size % max(others, 1) if None in rest else others != self._value.size
        ):
            self._layer.refuse(f"reshape of {self.shape} to {sizes}, which mixes images")
        return self._layer.reshape(self, tuple(rest))

    view = reshape

    def squeeze(self, dim: Any = None) -> "Traced":
        axes = range(1, self.ndim) if dim is None else _axes(dim, self.ndim)
        varying = self._layer.varying(self._value)
        if any(varying[axis - 1] for axis in axes if axis):
            self._layer.fix()  # other images may have a single pixel there, or more than one
        shape = self._value.shape
        kept = [(k,) for k, n in enumerate(shape) if n != 1 or k + 1 not in set(axes)]
        return self._layer.reshape(self, tuple(kept))

    def unsqueeze(self, dim: int) -> "Traced":
        (axis,) = _axes(dim, self.ndim + 1)
        if not axis:
            self._layer.refuse("unsqueeze before the batch")
        axes = [(k,) for k in range(self.ndim - 1)]
        return self._layer.reshape(self, (*axes[: axis - 1], 1, *axes[axis - 1 :]))

    def permute(self, *dims: Any) -> "Traced":
        axes = _axes(dims[0] if len(dims) == 1 else dims, self.ndim)
        if sorted(axes) != list(range(self.ndim)) or axes[0] != 0:
            self._layer.refuse(f"permute{tuple(axes)}, which does not leave the batch first")
        return self._layer.permute(self, tuple(axis - 1 for axis in axes[1:]))

    def transpose(self, dim0: int, dim1: int) -> "Traced":
        axes = list(range(self.ndim))
        first, second = _axes((dim0, dim1), self.ndim)
        axes[first], axes[second] = second, first
        return self.permute(*axes)

    def contiguous(self) -> "Traced":
        return self

    def detach(self) -> "Traced":
        return self

    clone = detach

    def __getitem__(self, index: Any) -> "Traced":
        """x[:, start:stop], channels of every image; no other index is known."""
        channels = self._value.shape[0] if self._value.shape else 0
        known = isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None)
        if not known or not isinstance(index[1], slice) or self._layer.varying(self._value)[0]:
            self._unknown()
        start, stop, step = index[1].indices(channels)
        if step != 1 or start >= stop:
            self._unknown()
        return self._layer.part(self, start, stop)

    # ---- what there is not

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        if hasattr(Tensor, name):
            self._layer.refuse(f"the operation {name}")
        raise AttributeError(f"a Tensor has no attribute {name!r}")

    def _no_values(self, *_: Any) -> NoReturn:
        self._layer.refuse("a decision by the values of a Tensor")

    __bool__ = __int__ = __float__ = __index__ = __array__ = item = tolist = numpy = _no_values
    __lt__ = __le__ = __gt__ = __ge__ = _no_values

    def _unknown(self, *_: Any) -> NoReturn:
        self._layer.refuse("an operation of Tensor's, an index or an operator,")

    __setitem__ = __iter__ = __pow__ = __rtruediv__ = __matmul__ = _unknown


def _axes(dims: Any, ndim: int) -> list[int]:
    """dims, one or several, from 0."""
    if dims is None:
        return list(range(ndim))
    several = dims if isinstance(dims, (tuple, list)) else (dims,)
    for dim in several:
        if not -ndim <= dim < ndim:
            raise ValueError(f"dim is {dim}, expected {-ndim} to {ndim - 1}")
    return [dim % ndim for dim in several]


def _constant(traced: Traced, sign: str, value: Any) -> np.ndarray:
    """A number, or an array or Tensor that is known already."""
    if isinstance(value, Traced):
        traced._layer.refuse(f"the operator {sign} of two results")
    return np.asarray(value._array if isinstance(value, Tensor) else value, traced.dtype)
