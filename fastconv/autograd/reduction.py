"""Operations that make one number of many."""

from typing import Any, NamedTuple

import numpy as np

from .core import Node, record, wrap
from .shaping import axes_of, axis_of


def _spread(gradient: np.ndarray, how: tuple) -> np.ndarray:
    """A new array that has the gradient of a reduced axis at all of its places."""
    shape, kept = how
    whole = np.empty(shape, gradient.dtype)
    whole[...] = gradient.reshape(kept)
    return whole


def _axes(op: str, input: Any, dim: Any) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """The axes of dim, the shape with these of size 1, and how many elements they have."""
    shape = input._array.shape
    ndim = len(shape)
    if dim is None:
        return tuple(range(ndim)), (1,) * ndim, input._array.size
    axes = axes_of(op, dim, ndim)
    if not ndim:
        return (), (), 1
    kept, count = list(shape), 1
    for axis in axes:
        count *= shape[axis]
        kept[axis] = 1
    if len(axes) > 1 and len(set(axes)) < len(axes):
        raise ValueError(f"{op}: dim is {dim}, which names an axis twice")
    return axes, tuple(kept), count


class Sum(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        return (_spread(gradient, self.parameters),)


def sum(input, dim=None, keepdim=False):
    """The sum of all elements, or along dim, an int or several."""
    axes, kept, _ = _axes("sum", input, dim)
    array = input._array
    result = wrap(np.add.reduce(array, axis=axes, keepdims=keepdim))
    return record(result, Sum, (input._node,), (), (array.shape, kept))


class Mean(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        count, how = self.parameters
        return (_spread(gradient / count, how),)


def mean(input, dim=None, keepdim=False):
    """The mean of all elements, or along dim; of none it is NaN, in silence."""
    axes, kept, count = _axes("mean", input, dim)
    array = input._array
    _require_floating("mean", array)
    total = np.add.reduce(array, axis=axes, keepdims=keepdim)
    result = wrap(_over(total, count))
    return record(result, Mean, (input._node,), (), (count, (array.shape, kept)))


def _over(total: Any, count: int) -> Any:
    """A quotient by a number of elements, in the dtype of `total`; by none NaN."""
    return total / total.dtype.type(count or np.nan)


class Var(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        (deviation,) = self.saved
        freedom, kept = self.parameters
        return (_over(gradient.reshape(kept) * 2, freedom) * deviation,)


def var(input, dim=None, correction=1, keepdim=False):
    """The variance: the sum of squared deviations over (number of elements - correction)."""
    axes, kept, count = _axes("var", input, dim)
    array = input._array
    _require_floating("var", array)
    freedom = count - correction if count > correction else 0
    deviation = array - _over(np.add.reduce(array, axis=axes, keepdims=True), count)
    squares = np.add.reduce(deviation * deviation, axis=axes, keepdims=keepdim)
    saved = (np.asarray(deviation),)
    return record(wrap(_over(squares, freedom)), Var, (input._node,), saved, (freedom, kept))


def _require_floating(op, array):
    if array.dtype.kind != "f":
        raise TypeError(
            f"{op}: input has dtype {array.dtype}, expected a floating one; convert it with "
            f"astype(numpy.float32)"
        )


# ---- extremes


class Values(NamedTuple):
    """What ``max`` and ``min`` along a dim give."""

    values: Any
    indices: Any


class Taken(Node):
    """One element along an axis each, at the saved indices."""

    __slots__ = ()

    def backward(self, gradient, needed):
        (indices,) = self.saved
        shape, axis, keepdim = self.parameters
        whole = np.zeros(shape, gradient.dtype)
        if not keepdim:
            gradient = np.expand_dims(gradient, axis)
        np.put_along_axis(whole, indices, gradient, axis)
        return (whole,)


class Alike(Node):
    """The extreme of all elements: those that are equal to it share the gradient."""

    __slots__ = ()

    def backward(self, gradient, needed):
        x, result = self.saved
        axes, kept = self.parameters
        equal = x == result.reshape(kept)
        count = np.add.reduce(equal, axis=axes, keepdims=True, dtype=gradient.dtype)
        # NaN equals nothing; there the share is 0.
        return (equal * (gradient.reshape(kept) / np.maximum(count, 1)),)


def _extreme(op, reduce, pick, input, dim, keepdim):
    array = input._array
    if dim is None:
        return _all(op, reduce, input, None, False)
    axis = axis_of(op, dim, array.ndim)
    if not array.ndim:
        return Values(_all(op, reduce, input, None, False), wrap(np.zeros((), np.int64)))
    if not array.shape[axis]:
        _refuse_none(op, array)
    indices = np.expand_dims(pick(array, axis), axis)
    values = np.take_along_axis(array, indices, axis)
    result = wrap(values if keepdim else values.squeeze(axis))
    how = array.shape, axis, keepdim
    result = record(result, Taken, (input._node,), (indices,), how)
    return Values(result, wrap((indices if keepdim else indices.squeeze(axis)).copy()))


def _all(op, reduce, input, dim, keepdim):
    array = input._array
    axes, kept, count = _axes(op, input, dim)
    if not count:
        _refuse_none(op, array)
    result = wrap(reduce(array, axis=axes, keepdims=keepdim))
    return record(result, Alike, (input._node,), (input, result), (axes, kept))


def _refuse_none(op, array):
    raise ValueError(f"{op}: input has shape {array.shape}: of no elements there is no {op}")


def max(input, dim=None, keepdim=False):
    """The greatest element, whose gradient is shared by all that are equal to it; or, along dim,
    (values, indices), of equal ones the first, which has the gradient alone."""
    return _extreme("max", np.maximum.reduce, np.argmax, input, dim, keepdim)


def min(input, dim=None, keepdim=False):
    """The smallest element, whose gradient is shared by all that are equal to it; or, along dim,
    (values, indices), of equal ones the first, which has the gradient alone."""
    return _extreme("min", np.minimum.reduce, np.argmin, input, dim, keepdim)


def amax(input, dim=None, keepdim=False):
    """The greatest element along dim, an int or several; equal ones share the gradient."""
    return _all("amax", np.maximum.reduce, input, dim, keepdim)


def amin(input, dim=None, keepdim=False):
    """The smallest element along dim, an int or several; equal ones share the gradient."""
    return _all("amin", np.minimum.reduce, input, dim, keepdim)


def _pick(op, function, input, dim, keepdim):
    array = input._array
    axis = dim if dim is None else axis_of(op, dim, array.ndim)
    if not array.ndim:
        axis = None
    if not (array.size if axis is None else array.shape[axis]):
        _refuse_none(op, array)
    return wrap(function(array, axis, keepdims=keepdim))


def argmax(input, dim=None, keepdim=False):
    """Where the greatest element is, the first of several: in the flattened input, or along dim."""
    return _pick("argmax", np.argmax, input, dim, keepdim)


def argmin(input, dim=None, keepdim=False):
    """Where the smallest element is, the first of several: in the flattened input, or along dim."""
    return _pick("argmin", np.argmin, input, dim, keepdim)
