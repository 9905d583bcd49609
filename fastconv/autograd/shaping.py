"""Operations that move elements, and compute nothing."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .core import Node, State, record, wrap, wrap_view
from .elementwise import fit, tensor_operand


def axes_of(op: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """dim, an int or several, as axes from 0."""
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, (tuple, list)):
        return tuple([axis_of(op, one, ndim) for one in dim])
    return (axis_of(op, dim, ndim),)


def axis_of(op: str, dim: Any, ndim: int) -> int:
    """dim, an int, as an axis from 0."""
    if type(dim) is int and -ndim <= dim < ndim:
        return dim if dim >= 0 else dim + ndim
    try:
        axis = operator.index(dim)
    except TypeError:
        raise TypeError(f"{op}: dim must be an int, not {type(dim).__name__}") from None
    # As in PyTorch, a single number has one axis, so to speak.
    size = max(ndim, 1)
    if not -size <= axis < size:
        raise ValueError(f"{op}: dim is {axis}, expected {-size} to {size - 1}: there are {ndim}")
    return axis % size


def _sizes(sizes: tuple) -> tuple:
    """Sizes that were given one by one or as one tuple."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes


# ---- one Tensor in another shape


class Reshape(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        return (gradient.reshape(self.parameters),)


def _reshaped(input, array):
    result = wrap_view(array, input)
    return record(result, Reshape, (input._node,), (), input._array.shape)


def reshape(input, *shape):
    """The same elements in another shape, of which one size may be -1; a view where that can be."""
    return _reshaped(input, input._array.reshape(_sizes(shape)))


def flatten(input, start_dim=0, end_dim=-1):
    """The axes from start_dim to end_dim as one."""
    shape = input._array.shape
    first = axis_of("flatten", start_dim, len(shape))
    last = axis_of("flatten", end_dim, len(shape))
    if first > last:
        raise ValueError(f"flatten: start_dim={start_dim} is after end_dim={end_dim}; swap them")
    joined = 1
    for size in shape[first : last + 1]:
        joined *= size
    return _reshaped(input, input._array.reshape(*shape[:first], joined, *shape[last + 1 :]))


def squeeze(input, dim=None):
    """Without the axes of size 1, or without those of dim that have size 1."""
    shape = input._array.shape
    axes = axes_of("squeeze", dim, len(shape))
    return _reshaped(
        input, input._array.reshape([n for i, n in enumerate(shape) if n != 1 or i not in axes])
    )


def unsqueeze(input, dim):
    """With an axis of size 1 inserted at dim."""
    shape = input._array.shape
    axis = axis_of("unsqueeze", dim, len(shape) + 1)
    return _reshaped(input, input._array.reshape(*shape[:axis], 1, *shape[axis:]))


class Permute(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        return (gradient.transpose(self.parameters),)


def permute(input, *dims):
    """The axes in another order: axis i of the result is axis dims[i]. A view."""
    array = input._array
    axes = axes_of("permute", _sizes(dims), array.ndim)
    back = [-1] * array.ndim
    for i, axis in enumerate(axes):
        back[axis] = i
    if len(axes) != array.ndim or -1 in back:
        raise ValueError(
            f"permute: dims are {_sizes(dims)}, expected each of the {array.ndim} axes exactly once"
        )
    result = wrap_view(array.transpose(axes), input)
    return record(result, Permute, (input._node,), (), back)


def transpose(input, dim0, dim1):
    """With two axes exchanged. A view."""
    ndim = input._array.ndim
    axes = list(range(ndim))
    if ndim:
        first, second = axis_of("transpose", dim0, ndim), axis_of("transpose", dim1, ndim)
        axes[first], axes[second] = second, first
    return permute(input, axes)


def transposed(input):
    """.T: all axes in reverse order, of a matrix its transpose. A view."""
    return permute(input, list(range(input._array.ndim))[::-1])


def matrix_transposed(input):
    """.mT: the last two axes exchanged. A view."""
    if input._array.ndim < 2:
        raise ValueError(f"mT: input has shape {input._array.shape}, expected at least two axes")
    return transpose(input, -2, -1)


class Expand(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        return (fit(gradient, self.parameters),)


def expand(input, *sizes):
    """Axes of size 1, or new ones in front, repeated; -1 keeps a size. A read-only view."""
    array = input._array
    sizes = _sizes(sizes)
    new = len(sizes) - array.ndim
    sizes = [array.shape[i - new] if n == -1 and i >= new else n for i, n in enumerate(sizes)]
    result = wrap_view(np.broadcast_to(array, sizes), input)
    return record(result, Expand, (input._node,), (), (array.shape, array.dtype))


class Flip(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        return (np.flip(gradient, self.parameters),)


def flip(input, *dims):
    """With the order of elements reversed along dims."""
    axes = axes_of("flip", _sizes(dims), input._array.ndim)
    return record(wrap(np.flip(input._array, axes).copy()), Flip, (input._node,), (), axes)


# ---- parts


class Index(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        index, once, shape = self.parameters
        whole = np.zeros(shape, gradient.dtype)
        if once:
            whole[index] = gradient
        else:
            np.add.at(whole, index, gradient)
        return (whole,)


def index_arrays(index: Any) -> Any:
    """An index in which Tensors have become arrays, which nobody else has."""
    if isinstance(index, tuple):
        return tuple(map(index_arrays, index))
    if isinstance(index, State):
        index = index._array
    return np.array(index) if isinstance(index, (np.ndarray, list)) else index


def takes_once(index: Any) -> bool:
    """Whether an index surely takes no element twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(not isinstance(part, np.ndarray) or part.dtype == bool for part in parts)


def getitem(input, index):
    """input[index] with NumPy's meaning; a view for numbers and slices, else a copy."""
    index = index_arrays(index)
    result = wrap_view(input._array[index], input)
    how = index, takes_once(index), input._array.shape
    return record(result, Index, (input._node,), (), how)


def narrow(input, dim, start, length):
    """The part of that length from start on, along dim. A view."""
    axis = axis_of("narrow", dim, input._array.ndim)
    size = input._array.shape[axis]
    if not (0 <= start <= size and 0 <= length <= size - start):
        raise ValueError(
            f"narrow: start={start} and length={length} do not lie within the {size} elements of "
            f"dim {dim}"
        )
    return getitem(input, (slice(None),) * axis + (slice(start, start + length),))


def split(input, split_size, dim=0):
    """Parts of that many elements along dim, the last of which may be smaller; or of given sizes.

    Views.
    """
    size = input._array.shape[axis_of("split", dim, input._array.ndim)]
    if isinstance(split_size, int):
        if split_size < 1:
            raise ValueError(f"split: split_size is {split_size}, expected at least 1")
        sizes = [min(split_size, size - at) for at in range(0, size, split_size)] or [0]
    else:
        sizes = list(split_size)
        if sum(sizes) != size:
            raise ValueError(
                f"split: sizes {sizes} add up to {sum(sizes)}, but dim {dim} has {size} elements"
            )
    starts = np.cumsum([0, *sizes]).tolist()
    return tuple(narrow(input, dim, at, n) for at, n in zip(starts, sizes, strict=False))


def chunk(input, chunks, dim=0):
    """That many parts along dim, of one size but for the last, or fewer. Views."""
    size = input._array.shape[axis_of("chunk", dim, input._array.ndim)]
    if chunks < 1:
        raise ValueError(f"chunk: chunks is {chunks}, expected at least 1")
    return split(input, max(-(-size // chunks), 1), dim)


def unbind(input, dim=0):
    """The parts of one element along dim, without that axis. Views."""
    axis = axis_of("unbind", dim, input._array.ndim)
    return tuple(
        getitem(input, (slice(None),) * axis + (i,)) for i in range(input._array.shape[axis])
    )


# ---- several together


def _arrays(op: str, tensors: Sequence) -> tuple[list, list]:
    if isinstance(tensors, (State, np.ndarray)) or len(tensors) == 0:
        raise TypeError(f"{op}: tensors must be a sequence of at least one Tensor")
    tensors = [tensor_operand(op, one, f"tensors[{i}]") for i, one in enumerate(tensors)]
    return tensors, [one._array for one in tensors]


class Concatenate(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        axis, ends, dtypes = self.parameters
        parts = np.split(gradient, ends, axis)
        return tuple(
            part.astype(dtype, copy=False) for part, dtype in zip(parts, dtypes, strict=True)
        )


def cat(tensors, dim=0):
    """One after the other along dim; the other axes are equal."""
    for one in tensors if isinstance(tensors, (tuple, list)) else ():
        # A network that is being recorded: see functional/layers.py.
        if (layer := getattr(one, "_layer", None)) is not None:
            return layer.cat(tensors, dim)
    tensors, arrays = _arrays("cat", tensors)
    axis = axis_of("cat", dim, arrays[0].ndim)
    result = wrap(np.concatenate(arrays, axis))
    ends = np.cumsum([array.shape[axis] for array in arrays])[:-1].tolist()
    how = axis, ends, [array.dtype for array in arrays]
    return record(result, Concatenate, tuple(one._node for one in tensors), (), how)


class Stack(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        axis, dtypes = self.parameters
        parts = np.moveaxis(gradient, axis, 0)
        return tuple(
            part.astype(dtype, copy=False) for part, dtype in zip(parts, dtypes, strict=True)
        )


def stack(tensors, dim=0):
    """One after the other along a new axis, dim of the result; all shapes are equal."""
    tensors, arrays = _arrays("stack", tensors)
    axis = axis_of("stack", dim, arrays[0].ndim + 1)
    how = axis, [array.dtype for array in arrays]
    return record(wrap(np.stack(arrays, axis)), Stack, tuple(one._node for one in tensors), (), how)
