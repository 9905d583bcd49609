"""Numbers, pairs, padding and names as users write them, turned into plain ints.

The operations call these only for what is not a plain int already; they raise for what cannot be
meant. Ranges that involve the arrays are diagnosis's.
"""

import operator
from typing import NoReturn

import numpy as np

INT64_MAX = 2**63 - 1
PADDINGS = ("valid", "same", "same_lower")
_NAMED = f"one of {', '.join(map(repr, PADDINGS))}"


def integer(op: str, name: str, value: object, minimum: int) -> int:
    """An int from anything with ``__index__`` but bool, at least `minimum`."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} must be an int, not bool {value!r}; give the number itself")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{op}: {name} must be an int, not {type(value).__name__} {value!r}; "
            f"give a whole number without a fraction"
        ) from None
    if number < minimum:
        raise ValueError(
            f"{op}: {name} is {number}, expected at least {minimum}; give a larger number"
        )
    if number > INT64_MAX:
        raise ValueError(
            f"{op}: {name} is {number}, which is too large, expected at most 2**63 - 1; "
            f"give a smaller number"
        )
    return number


def real(op: str, name: str, value: object) -> float:
    """A float from an int or float of Python or NumPy, but not bool."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        _refuse_type(op, name, value, "a number", "an int or float")
    return float(value)


def pair(op: str, name: str, value: object, minimum: int) -> tuple[int, int]:
    """(h, w) from an int, which stands for both, or a tuple or list of two."""
    if type(value) is tuple and len(value) == 2:
        h, w = value
        if type(h) is int and type(w) is int and minimum <= h and minimum <= w:
            return value
    if not isinstance(value, (tuple, list)):
        if not hasattr(value, "__index__"):
            _refuse_type(op, name, value, "an int or (h, w)", "whole numbers")
        number = integer(op, name, value, minimum)
        return number, number
    if len(value) != 2:
        raise ValueError(
            f"{op}: {name} has {len(value)} values {value!r}, expected 2 (h, w); "
            f"give one int or two"
        )
    return (
        integer(op, f"{name}[0]", value[0], minimum),
        integer(op, f"{name}[1]", value[1], minimum),
    )


def single(op: str, name: str, value: object, minimum: int) -> int:
    """An int, or the one in a tuple or list: what one-dimensional operations take."""
    if isinstance(value, (tuple, list)):
        if len(value) != 1:
            raise ValueError(
                f"{op}: {name} has {len(value)} values {value!r}, expected 1; give one int"
            )
        value = value[0]
    if not hasattr(value, "__index__"):
        _refuse_type(op, name, value, "an int", "a whole number")
    return integer(op, name, value, minimum)


def ends(op: str, value: object, *, named: bool = True) -> tuple[int, int]:
    """(left, right) from an int, (p,) or ((left, right),); `named`: names would do as well."""
    expected = _either("an int", "(p,)", "((left, right),)", named)
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
        if isinstance(value, (tuple, list)):
            return pair(op, "padding", value, 0)
    if isinstance(value, (tuple, list)) or not hasattr(value, "__index__"):
        _refuse_type(op, "padding", value, expected, "one of these")
    number = integer(op, "padding", value, 0)
    return number, number


def sides(op: str, value: object, *, named: bool = True) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) from an int, (h, w) or ((top, bottom), (left, right)); `named`:
    names would do as well."""
    if type(value) is tuple and len(value) == 2:
        h, w = value
        if type(h) is int and type(w) is int and h >= 0 and w >= 0:
            return h, h, w, w
        if type(h) is tuple and type(w) is tuple:
            return pair(op, "padding[0]", h, 0) + pair(op, "padding[1]", w, 0)
    expected = _either("an int", "(h, w)", "((top, bottom), (left, right))", named)
    if isinstance(value, (tuple, list)):
        nested = [isinstance(v, (tuple, list)) for v in value]
        if len(value) != 2:
            raise ValueError(
                f"{op}: padding has {len(value)} values {value!r}, expected 2; give {expected}"
            )
        if all(nested):
            return pair(op, "padding[0]", value[0], 0) + pair(op, "padding[1]", value[1], 0)
        if any(nested):
            _refuse_type(op, "padding", value, expected, "one of these")
    elif not hasattr(value, "__index__"):
        _refuse_type(op, "padding", value, expected, "one of these")
    h, w = pair(op, "padding", value, 0)
    return h, h, w, w


def _either(first: str, second: str, third: str, named: bool) -> str:
    return f"{first}, {second}, {third} or {_NAMED}" if named else f"{first}, {second} or {third}"


def same_padding(
    size: int, kernel: int, stride: int, dilation: int, *, odd_one_first: bool
) -> tuple[int, int]:
    """(before, after) for an output of ceil(size / stride), as TensorFlow and ONNX divide it."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    smaller = total // 2
    return (total - smaller, smaller) if odd_one_first else (smaller, total - smaller)


def choice(
    op: str, name: str, value: object, codes: dict[str, int], *, optional: bool = True
) -> int:
    """The code of the name given; of an `optional` argument None, which is another way, is told."""
    code = codes.get(value) if isinstance(value, str) else None
    if code is not None:
        return code
    listed = ", ".join(map(repr, codes))
    if not isinstance(value, str):
        raise TypeError(
            f"{op}: {name} must be a str{' or None' if optional else ''}, "
            f"not {type(value).__name__} {value!r}; "
            f"give one of {listed}"
        )
    raise ValueError(
        f"{op}: {name} is {value!r}, "
        f"expected {'None or ' if optional else ''}one of {listed}; give one of them"
    )


def flag(op: str, name: str, value: object) -> bool:
    """A bool, Python's or NumPy's: other truth values are mostly arguments in the wrong place."""
    if not isinstance(value, (bool, np.bool_)):
        _refuse_type(op, name, value, "a bool", "True or False")
    return bool(value)


def _refuse_type(op: str, name: str, value: object, expected: str, mend: str) -> NoReturn:
    raise TypeError(
        f"{op}: {name} must be {expected}, not {type(value).__name__} {value!r}; give {mend}"
    )
