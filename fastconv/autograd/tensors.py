"""Tensor: what users hold. Its operations are functions of the modules beside, named here."""

import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import activation, choice, elementwise, in_place, linalg, normalization, reduction, shaping
from .core import Leaf, Node, State, record, wrap
from .engine import backward, gradient_like, read_only

_DIFFERENTIABLE = (np.float32, np.float64)
_next_key = itertools.count().__next__
_PRINTED_BARE = (np.float32, np.int64, np.bool_)


class Tensor(State):
    """An array whose operations are recorded, so that gradients can be had of what comes out.

    ``Tensor(data)`` takes a numpy.ndarray, whose memory it then shares, or numbers and lists, or
    another Tensor, whose memory it shares without its history. ``fastconv.tensor`` copies.

    Operations follow NumPy in broadcasting and dtypes (a Python number keeps the dtype of what it
    is combined with), and PyTorch in names and meanings. They are recorded where an input requires
    a gradient and ``no_grad`` is not in force.

    Args:
        data: the values: bool, an integer dtype, float16, float32 or float64. Numbers and lists of
            Python's float become float32, as in PyTorch.
        requires_grad: whether ``backward`` shall compute the gradient; float32 and float64 only.
        dtype: None for that of data.

    Raises:
        TypeError: a dtype is none of these, or cannot require a gradient.

    Source:
        torch.Tensor.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()

    # NumPy's operators leave operands of this kind to us: array * tensor is recorded, too.
    __array_ufunc__ = None

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        self._array = _as_array(data, dtype)
        self._node = self._grad = None
        shared = isinstance(data, State) and self._array is data._array
        self._version = data._version if shared else [0, False]
        if requires_grad:
            self.requires_grad_()

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of its axes."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def nbytes(self) -> int:
        """The bytes of its elements."""
        return self._array.nbytes

    def dim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one axis."""
        return self._array.shape if dim is None else self._array.shape[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in their order."""
        return self._array.flags.c_contiguous

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        text = np.array2string(self._array, separator=", ", prefix="tensor(")
        if self._array.dtype.type not in _PRINTED_BARE:
            text += f", dtype={self._array.dtype}"
        if self._node is not None:
            text += ", requires_grad=True" if self.is_leaf else f", grad_fn={self._node.name}"
        return f"tensor({text})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    # ---- numbers and arrays out of it

    def item(self) -> Any:
        """The one element as a Python number."""
        return self._array.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._array.tolist()

    def numpy(self) -> np.ndarray:
        """The values as an array of the same memory; read-only if a gradient is required.

        What is written into it the graph cannot notice: if anything computed from this Tensor is
        still to be differentiated, say so with ``changed``.
        """
        return self._array if self._node is None else read_only(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ValueError(f"{array.dtype} cannot become {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        if self._node is not None:
            raise BufferError(
                "a Tensor that requires a gradient cannot be exported, because who takes it may "
                "write into it; export detach(), or a copy"
            )
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    def __bool__(self) -> bool:
        return bool(self._array)

    def __int__(self) -> int:
        return int(self._array.item())

    def __float__(self) -> float:
        return float(self._array.item())

    def __index__(self) -> int:
        return self._array.__index__()

    def __iter__(self) -> Iterator["Tensor"]:
        if not self._array.ndim:
            raise TypeError("a Tensor without axes has nothing to iterate over; take item()")
        return iter(shaping.unbind(self))

    # ---- gradients

    @property
    def requires_grad(self) -> bool:
        """Whether ``backward`` computes a gradient for it, or on the way through it."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Ask for a gradient from now on, or no longer; of a leaf. Returns itself."""
        if requires_grad:
            if self._node is None:
                if self._array.dtype.type not in _DIFFERENTIABLE:
                    raise TypeError(
                        f"Tensor: dtype {self._array.dtype} cannot require a gradient, expected "
                        f"float32 or float64; convert it with astype"
                    )
                self._node = Leaf(self)
        elif not self.is_leaf:
            raise RuntimeError(
                "Tensor: requires_grad of the result of an operation cannot be taken away; use "
                "detach() instead"
            )
        else:
            self._node = None
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it came from no recorded operation."""
        return self._node is None or type(self._node) is Leaf

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation it came from."""
        return None if self.is_leaf else self._node

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that ``backward`` has accumulated here: of leaves, and after retain_grad."""
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, State):
                raise TypeError(f"grad must be a Tensor or None, not {type(value).__name__}")
            gradient_like("grad", value, self._array.shape, self._array.dtype)
            if value._array.dtype != self._array.dtype:
                raise TypeError(
                    f"grad has dtype {value._array.dtype}, expected {self._array.dtype}; convert "
                    f"it with astype"
                )
        self._grad = value
        if type(self._node) is Leaf:
            self._node.owned = None  # what was there is not the engine's any more

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Compute the gradients of this by all leaves, and add each to its ``.grad``.

        Args:
            gradient: that of what is meant, by this; an array or Tensor of its shape. None, of a
                single number, is 1.
            retain_graph: keep what the graph has saved, so that it can be used once more. Otherwise
                it is given back as soon as it has been used.

        Raises:
            RuntimeError: this does not require a gradient, or has several elements and no gradient
                was given; the graph has been used; an array that it saved was changed in place.
            TypeError, ValueError: gradient is no array, or has another shape.
            Whatever it raises, no ``.grad`` has been touched.
        """
        backward(self, gradient, retain_graph)

    def detach(self) -> "Tensor":
        """The same memory without history: what is computed from it does not lead back here."""
        result = wrap(self._array)
        result._version = self._version
        return result

    @property
    def data(self) -> "Tensor":
        """``detach()``. Assigning puts in another array of the same shape and dtype."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        array = _as_array(value, None)
        if array.shape != self._array.shape or array.dtype != self._array.dtype:
            raise ValueError(
                f"data: the values have shape {array.shape} and dtype {array.dtype}, expected "
                f"{self._array.shape} and {self._array.dtype}, as before"
            )
        self.changed()  # for what has saved the old values, that is: in place of them
        self._array = array
        self._version = value._version if isinstance(value, State) else [0, False]

    def register_hook(self, hook: Callable[["Tensor"], Any]) -> "Hook":
        """Have hook(gradient) called with this Tensor's gradient, complete, before it goes on.

        What it returns, if not None, takes the gradient's place. The gradient is read-only.

        Returns:
            Hook, whose ``remove()`` ends it.
        """
        if self._node is None:
            raise RuntimeError("register_hook: this Tensor requires no gradient")
        return Hook(self._node, hook)

    def retain_grad(self) -> None:
        """Have ``backward`` leave the gradient in ``.grad``, as it does at leaves."""
        if self.is_leaf:
            if self._node is None:
                raise RuntimeError("retain_grad: this Tensor requires no gradient")
            return
        place = weakref.ref(self)

        def keep(gradient: Tensor) -> None:
            tensor = place()
            if tensor is not None:
                held = tensor._grad
                new = gradient._array.copy() if held is None else held._array + gradient._array
                tensor._grad = wrap(new)

        self.register_hook(keep)

    # ---- operations

    __add__ = __radd__ = add = elementwise.add
    __sub__ = sub = elementwise.sub
    __rsub__ = elementwise.rsub
    __mul__ = __rmul__ = mul = elementwise.mul
    __truediv__ = div = elementwise.div
    __rtruediv__ = elementwise.rdiv
    __pow__ = pow = elementwise.pow
    __rpow__ = elementwise.rpow
    __neg__ = neg = elementwise.neg
    __pos__ = elementwise.pos
    __abs__ = abs = elementwise.abs
    exp = elementwise.exp
    log = elementwise.log
    sqrt = elementwise.sqrt
    square = elementwise.square
    clip = clamp = choice.clip
    maximum = choice.maximum
    minimum = choice.minimum
    clone = elementwise.clone
    astype = to = elementwise.astype

    __matmul__ = matmul = linalg.matmul
    __rmatmul__ = linalg.rmatmul

    sum = reduction.sum
    mean = reduction.mean
    var = reduction.var
    max = reduction.max
    min = reduction.min
    amax = reduction.amax
    amin = reduction.amin
    argmax = reduction.argmax
    argmin = reduction.argmin

    __getitem__ = shaping.getitem
    reshape = view = shaping.reshape
    flatten = shaping.flatten
    squeeze = shaping.squeeze
    unsqueeze = shaping.unsqueeze
    permute = shaping.permute
    transpose = shaping.transpose
    T = property(shaping.transposed)
    mT = property(shaping.matrix_transposed)
    expand = shaping.expand
    flip = shaping.flip
    narrow = shaping.narrow
    split = shaping.split
    chunk = shaping.chunk
    unbind = shaping.unbind

    __eq__ = elementwise.comparison(np.equal)
    __ne__ = elementwise.comparison(np.not_equal)
    __lt__ = elementwise.comparison(np.less)
    __le__ = elementwise.comparison(np.less_equal)
    __gt__ = elementwise.comparison(np.greater)
    __ge__ = elementwise.comparison(np.greater_equal)
    __hash__ = object.__hash__

    def __invert__(self) -> "Tensor":
        return wrap(np.invert(self._array))

    def where(self, condition: Any, other: Any) -> "Tensor":
        """This where condition holds, else other."""
        return choice.where(condition, self, other)

    def relu(self) -> "Tensor":
        """max(0, this)."""
        return activation.relu(self, None, None)

    def sigmoid(self) -> "Tensor":
        """1 / (1 + exp(-this))."""
        return activation.sigmoid(self, None, None)

    def tanh(self) -> "Tensor":
        """The hyperbolic tangent."""
        return activation.tanh(self, None, None)

    def softmax(self, dim: int) -> "Tensor":
        """exp(this), over its sum along dim."""
        return normalization.softmax(self, dim, None, None)

    def log_softmax(self, dim: int) -> "Tensor":
        """The logarithm of ``softmax``."""
        return normalization.log_softmax(self, dim, None, None)

    def std(self, dim: Any = None, correction: int = 1, keepdim: bool = False) -> "Tensor":
        """The standard deviation: the square root of ``var``."""
        return reduction.var(self, dim, correction, keepdim).sqrt()

    def float(self) -> "Tensor":
        """In float32."""
        return elementwise.astype(self, np.float32)

    def double(self) -> "Tensor":
        """In float64."""
        return elementwise.astype(self, np.float64)

    def contiguous(self) -> "Tensor":
        """Itself if its elements lie in memory in their order, else a copy in which they do."""
        if self._array.flags.c_contiguous:
            return self
        result = wrap(np.ascontiguousarray(self._array))
        return record(result, elementwise.Same, (self._node,))

    # ---- operations in place

    def changed(self) -> "Tensor":
        """Say that its memory was changed by other means, through ``numpy()`` for example.

        A graph that has saved it then refuses to compute a gradient from what it is now.
        """
        self._version[0] += 1
        return self

    add_ = __iadd__ = in_place.add_
    sub_ = __isub__ = in_place.sub_
    mul_ = __imul__ = in_place.mul_
    div_ = __itruediv__ = in_place.div_
    clip_ = clamp_ = in_place.clip_
    copy_ = in_place.copy_
    fill_ = in_place.fill_
    zero_ = in_place.zero_
    __setitem__ = in_place.setitem

    # ---- copies by Python

    def __reduce_ex__(self, protocol: int) -> tuple:
        if not self.is_leaf:
            raise RuntimeError(
                "a Tensor that is the result of a recorded operation cannot be pickled or deep-"
                "copied, because its history cannot; take detach() or clone()"
            )
        state = getattr(self, "__dict__", None)
        return _restored, (type(self), self._array, self.requires_grad), state or None

    def __deepcopy__(self, memo: dict) -> "Tensor":
        function, (kind, array, requires_grad), state = self.__reduce_ex__(4)
        result = function(kind, array.copy(), requires_grad)
        memo[id(self)] = result
        if self._grad is not None:
            result._grad = wrap(self._grad._array.copy())
        if state:
            from copy import deepcopy

            result.__dict__.update(deepcopy(state, memo))
        return result


class Hook:
    """A hook that was registered; ``remove()`` ends it."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, node: Node, function: Callable) -> None:
        if node.hooks is None:
            node.hooks = {}
        # Not the node: a forgotten handle must not keep a graph. And not id(self) as the key, which
        # is another's as soon as this handle is gone.
        self._hooks = node.hooks
        self._key = _next_key()
        self._hooks[self._key] = function

    def remove(self) -> None:
        """Do not call it any more."""
        self._hooks.pop(self._key, None)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A Tensor of its own memory, with the values of data.

    Args:
        data: a number, a list of numbers, an array of NumPy or whatever converts to one, a Tensor.
        dtype, requires_grad: as for ``Tensor``.

    Source:
        torch.tensor.

    >>> tensor([[1, 2], [3, 4]]).shape
    (2, 2)
    >>> tensor(0.5, requires_grad=True)
    tensor(0.5, requires_grad=True)
    """
    return Tensor(_as_array(data, dtype).copy(), requires_grad)


def _restored(kind: type, array: np.ndarray, requires_grad: bool) -> Tensor:
    """A pickled Tensor, of a subclass without its __init__."""
    result = object.__new__(kind)
    Tensor.__init__(result, array, requires_grad)
    return result


def _as_array(data: Any, dtype: Any) -> np.ndarray:
    if isinstance(data, State):
        array = data._array
    else:
        array = np.asarray(data)
        known = isinstance(data, np.generic) or hasattr(data, "__array__")
        if dtype is None and array.dtype == np.float64 and not known:
            dtype = np.float32  # Python's own float
    dtype = np.dtype(array.dtype if dtype is None else dtype)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise TypeError(
            f"Tensor: dtype {dtype} is not supported, expected bool, an integer dtype, float16, "
            f"float32 or float64"
        )
    return array.astype(dtype.newbyteorder("="), copy=False)
