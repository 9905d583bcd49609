"""Operations that choose between values, element by element."""

import numpy as np

from .core import Node, record, wrap
from .elementwise import expansion, fit, operand


class Clip(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        low, high = self.parameters
        (x,) = self.saved
        if low is None:
            inside = x <= high
        else:
            inside = x >= low
            if high is not None:
                inside &= x <= high
        return (np.where(inside, gradient, 0),)


def clip(input, min=None, max=None):
    """Values below min become min, those above max become max; both are numbers, or None for none.

    The gradient passes where nothing was changed: min <= input <= max.
    """
    if min is None and max is None:
        raise ValueError("clip: min and max are both None; give at least one of them")
    result = input._array
    for name, value, function in (("min", min, np.maximum), ("max", max, np.minimum)):
        if value is not None:
            if not isinstance(value, (int, float, np.generic)):
                raise TypeError(
                    f"clip: {name} must be a number or None, not {type(value).__name__}"
                )
            result = function(result, value)
    return record(wrap(result), Clip, (input._node,), (input,), (min, max))


class Select(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        (first,) = self.saved
        a, b = self.parameters
        return (
            needed[0] and fit(np.where(first, gradient, 0), a),
            needed[1] and fit(np.where(first, 0, gradient), b),
        )


def where(condition, input, other):
    """input where condition holds, else other, all broadcast together."""
    chosen = operand("where", "condition", condition)[0]
    if np.asarray(chosen).dtype != bool:
        raise TypeError(
            f"where: condition has dtype {np.asarray(chosen).dtype}, expected bool; compare it "
            f"with something"
        )
    x, a_node = operand("where", "input", input)
    y, b_node = operand("where", "other", other)
    if not isinstance(x, (np.ndarray, np.generic)) and isinstance(y, np.ndarray):
        x = np.asarray(x, y.dtype)
    elif not isinstance(y, (np.ndarray, np.generic)) and isinstance(x, np.ndarray):
        y = np.asarray(y, x.dtype)
    result = wrap(np.where(chosen, x, y))
    how = expansion(x, result._array), expansion(y, result._array)
    return record(result, Select, (a_node, b_node), (np.array(chosen),), how)


class Extreme(Node):
    """Of two: each passes its gradient where it is the result, and half of it where both are."""

    __slots__ = ()

    def backward(self, gradient, needed):
        x, y, result = self.saved
        a, b = self.parameters
        gradient = np.where(x == y, gradient / 2, gradient)
        return (
            needed[0] and fit(np.where(x == result, gradient, 0), a),
            needed[1] and fit(np.where(y == result, gradient, 0), b),
        )


def _extreme(function, input, other):
    x, a_node = operand(function.__name__, "input", input)
    y, b_node = operand(function.__name__, "other", other)
    result = wrap(function(x, y))
    if a_node is None and b_node is None:
        return result
    how = a_node and expansion(x, result._array), b_node and expansion(y, result._array)
    return record(result, Extreme, (a_node, b_node), (input, other, result), how)


def maximum(input, other):
    """The greater of both; where they are equal each has half of the gradient."""
    return _extreme(np.maximum, input, other)


def minimum(input, other):
    """The smaller of both; where they are equal each has half of the gradient."""
    return _extreme(np.minimum, input, other)
