"""Operations on each element, with broadcasting."""

from typing import Any

import numpy as np

from fastconv import ops

from .core import Node, State, record, wrap

_NUMBERS = (int, float, np.ndarray, np.generic)


def operand(op: str, name: str, value: Any) -> tuple[Any, Node | None]:
    """What NumPy computes with, and the node; of a number the number, which keeps others' dtype."""
    if isinstance(value, State):
        return value._array, value._node
    if isinstance(value, _NUMBERS):
        return value, None
    raise TypeError(
        f"{op}: {name} must be a Tensor, a numpy.ndarray or a number, not {type(value).__name__}"
    )


def tensor_operand(op: str, value: Any, name: str = "input") -> Any:
    """The same as a Tensor."""
    if isinstance(value, State):
        return value
    if isinstance(value, _NUMBERS):
        return wrap(value)
    raise TypeError(f"{op}: {name} must be a Tensor or a numpy.ndarray, not {type(value).__name__}")


def expansion(value: Any, result: np.ndarray) -> tuple | None:
    """What ``fit`` needs to take the result's gradient back to an operand: None for nothing."""
    if type(value) is not np.ndarray:
        value = np.asarray(value)
    if value.shape == result.shape and value.dtype is result.dtype:
        return None
    return value.shape, value.dtype


def fit(gradient: Any, how: tuple | None) -> Any:
    """Sum over the axes along which the operand was repeated."""
    if how is None:
        return gradient
    shape, dtype = how
    if gradient.shape != shape:
        more = gradient.ndim - len(shape)
        axes = (
            *range(more),
            *(more + i for i, size in enumerate(shape) if size == 1 != gradient.shape[more + i]),
        )
        gradient = np.add.reduce(gradient, axis=axes, keepdims=True).reshape(shape)
    return gradient.astype(dtype, copy=False)


def _binary(kind, function, a, b, saved):
    """A node of two operands; `saved` names which of them each one's gradient needs."""
    op = kind.__name__.lower()
    x, a_node = operand(op, "input", a)
    y, b_node = operand(op, "other", b)
    result = wrap(function(x, y))
    if a_node is None and b_node is None:
        return result
    array = result._array
    how = a_node and expansion(x, array), b_node and expansion(y, array)
    return record(result, kind, (a_node, b_node), saved(a, b, a_node, b_node), how)


# ---- arithmetic


class Add(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        a, b = self.parameters
        return fit(gradient, a), needed[1] and fit(gradient, b)


def _nothing(a, b, a_node, b_node):
    return ()


def add(input, other, *, alpha=1):
    """input + alpha · other."""
    if alpha != 1:
        other = mul(other, alpha)
    return _binary(Add, ops.add, input, other, _nothing)


class Sub(Node):
    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        a, b = self.parameters
        return fit(gradient, a), needed[1] and fit(-gradient, b)


def sub(input, other, *, alpha=1):
    """input - alpha · other."""
    if alpha != 1:
        other = mul(other, alpha)
    return _binary(Sub, np.subtract, input, other, _nothing)


def rsub(input, other):
    """other - input."""
    return sub(other, input)


class Mul(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        x, y = self.saved
        a, b = self.parameters
        return needed[0] and fit(gradient * y, a), needed[1] and fit(gradient * x, b)


def _each_other(a, b, a_node, b_node):
    return b_node and a, a_node and b


def mul(input, other):
    """input · other."""
    return _binary(Mul, np.multiply, input, other, _each_other)


class Div(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        x, y = self.saved
        a, b = self.parameters
        gradient = gradient / y
        return needed[0] and fit(gradient, a), needed[1] and fit(-gradient * x / y, b)


def _divided(a, b, a_node, b_node):
    return b_node and a, b


def div(input, other):
    """input / other."""
    return _binary(Div, np.true_divide, input, other, _divided)


def rdiv(input, other):
    """other / input."""
    return div(other, input)


class Pow(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        x, y, result = self.saved
        a, b = self.parameters
        by_base = by_exponent = None
        if needed[0]:
            by_base = fit(gradient * _slope(x, y), a)
        if needed[1]:
            with np.errstate(divide="ignore", invalid="ignore"):
                slope = gradient * (result * np.log(x, dtype=result.dtype))
            by_exponent = fit(np.where((x == 0) & (y >= 0), 0, slope), b)
        return by_base, by_exponent


def _slope(x: np.ndarray, y: Any) -> Any:
    """y · x^(y - 1), which is 0 where y is 0, also at 0."""
    if isinstance(y, (int, float)) and y >= 1:
        return y * np.power(x, y - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(y == 0, 0, y * np.power(x, y - 1))


def pow(input, exponent):
    """input to the power of exponent."""
    x, a_node = operand("pow", "input", input)
    y, b_node = operand("pow", "exponent", exponent)
    result = wrap(np.power(x, y))
    if a_node is None and b_node is None:
        return result
    array = result._array
    how = a_node and expansion(x, array), b_node and expansion(y, array)
    return record(result, Pow, (a_node, b_node), (input, exponent, b_node and result), how)


def rpow(input, other):
    """other to the power of input."""
    return pow(other, input)


class Neg(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        return (-gradient,)


def neg(input):
    """-input."""
    return record(wrap(np.negative(input._array)), Neg, (input._node,))


def pos(input):
    """input itself."""
    return input


# ---- functions


class Abs(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        return (gradient * np.sign(self.saved[0]),)


def abs(input):
    """The absolute value; at 0 the gradient is 0."""
    return record(wrap(np.abs(input._array)), Abs, (input._node,), (input,))


class Exp(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        return (gradient * self.saved[0],)


def exp(input):
    """e to the power of input."""
    result = wrap(np.exp(_floating("exp", input)))
    return record(result, Exp, (input._node,), (result,))


class Log(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        return (gradient / self.saved[0],)


def log(input):
    """The natural logarithm; of 0 it is -inf and of less NaN, in silence."""
    with np.errstate(divide="ignore", invalid="ignore"):
        result = wrap(np.log(_floating("log", input)))
    return record(result, Log, (input._node,), (input,))


class Sqrt(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        with np.errstate(divide="ignore", invalid="ignore"):
            return (gradient / (2 * self.saved[0]),)


def sqrt(input):
    """The square root; of less than 0 it is NaN, in silence."""
    with np.errstate(invalid="ignore"):
        result = wrap(np.sqrt(_floating("sqrt", input)))
    return record(result, Sqrt, (input._node,), (result,))


def square(input):
    """input · input."""
    return mul(input, input)


def _floating(op, input):
    if input._array.dtype.kind != "f":
        raise TypeError(f"{op}: input has dtype {input._array.dtype}, expected a floating one")
    return input._array


# ---- copies


class Same(Node):
    """The values as they are, in another array or dtype."""

    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        dtype = self.parameters
        return (gradient if dtype is None else gradient.astype(dtype, copy=False),)


def clone(input):
    """A copy, through which gradients pass."""
    return record(wrap(input._array.copy()), Same, (input._node,))


def astype(input, dtype):
    """The same values in another dtype; input itself where it has that already.

    From a floating dtype to another gradients pass, and come back in the first.
    """
    array = input._array
    dtype = np.dtype(dtype)
    if array.dtype == dtype:
        return input
    result = wrap(array.astype(dtype))
    if dtype.kind != "f":
        return result
    return record(result, Same, (input._node,), (), array.dtype)


# ---- without gradient


def comparison(function):
    """A method that compares with a Tensor, an array or a number, and gives a Tensor of bool."""

    def compare(self, other):
        if not isinstance(other, (State, *_NUMBERS)):
            return NotImplemented
        return wrap(function(self._array, other._array if isinstance(other, State) else other))

    compare.__name__ = function.__name__
    compare.__doc__ = f"numpy.{function.__name__}, without gradient."
    return compare
