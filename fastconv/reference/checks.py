"""Argument checks of the reference operations.

Every check takes the operation's and the argument's name, so that each message says which argument
of which operation was wrong, what was given, what was expected and how to mend it. Wrong types and
dtypes are TypeError, wrong shapes and values ValueError.
"""

import operator

import numpy as np

_FLOATS = (np.float16, np.float32, np.float64)
INT64_MAX = 2**63 - 1


def float_array(op: str, name: str, value: object) -> np.ndarray:
    """Return `value` as given if it is a float16, float32 or float64 ndarray of any byte order."""
    if not isinstance(value, np.ndarray):
        raise TypeError(
            f"{op}: {name} must be a numpy.ndarray, not {type(value).__name__}; "
            f"convert it with numpy.asarray"
        )
    # The scalar type, not the dtype, is compared: it is the same for both byte orders, and differs
    # for longdouble even where that has 64 bits.
    if value.dtype.type not in _FLOATS:
        raise TypeError(
            f"{op}: {name} has dtype {value.dtype}, expected float16, float32 or float64; "
            f"convert it with {name}.astype"
        )
    return value


def companion_array(op: str, name: str, value: object, input: np.ndarray) -> np.ndarray:
    """Check an array that must have the dtype of `input` (either byte order of it)."""
    array = float_array(op, name, value)
    if array.dtype.type is not input.dtype.type:
        raise TypeError(
            f"{op}: {name} has dtype {array.dtype} but input has dtype {input.dtype}; "
            f"convert one of them with astype"
        )
    return array


def images(op: str, value: object, rank: int = 2, name: str = "input") -> np.ndarray:
    """Check `input` of an operation on images: (N, C, H, W) or (C, H, W), only N may be 0; or of
    one on signals, of rank 1: (N, C, L) or (C, L)."""
    array = float_array(op, name, value)
    axes = "C, H, W" if rank == 2 else "C, L"
    if array.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"{op}: {name} has {array.ndim} dimensions {array.shape}, expected {rank + 2} "
            f"(N, {axes}) or {rank + 1} ({axes}); add or merge axes with reshape"
        )
    if 0 in array.shape[-rank - 1 :]:
        raise ValueError(
            f"{op}: {name} has shape {array.shape}, expected at least one channel and pixel; "
            f"only the batch may be empty"
        )
    return array


def as_float64(array: np.ndarray) -> np.ndarray:
    """Return a float64 copy, a plain ndarray in the machine's byte order."""
    return np.array(array, dtype=np.float64)


def as_batch(array: np.ndarray) -> np.ndarray:
    """Return a float64 copy of checked images with shape (N, C, H, W)."""
    copy = as_float64(array)
    return copy[np.newaxis] if copy.ndim == 3 else copy


def integer(op: str, name: str, value: object, minimum: int) -> int:
    """Check an int (Python's or NumPy's, not bool) from `minimum` to the largest int64."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} must be an int, not bool; give the number itself")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{op}: {name} must be an int, not {type(value).__name__} {value!r}; "
            f"give a whole number"
        ) from None
    if not minimum <= number <= INT64_MAX:
        raise ValueError(
            f"{op}: {name} is {number}, expected an int from {minimum} to {INT64_MAX}; "
            f"give a number in that range"
        )
    return number


def pair(op: str, name: str, value: object, minimum: int) -> tuple[int, int]:
    """Check an int, meant for both directions, or a (vertical, horizontal) tuple or list."""
    if not isinstance(value, (tuple, list)):
        number = integer(op, name, value, minimum)
        return number, number
    if len(value) != 2:
        raise ValueError(
            f"{op}: {name} has {len(value)} values {value!r}, expected 2 (h, w); "
            f"give one int or two"
        )
    first, second = (integer(op, f"{name}[{i}]", value[i], minimum) for i in (0, 1))
    return first, second


def numbers(op: str, name: str, value: object, minimum: int, count: int) -> tuple[int, ...]:
    """Check an int, meant for every axis, or a tuple or list of one for each of `count` axes."""
    if not isinstance(value, (tuple, list)):
        return (integer(op, name, value, minimum),) * count
    if len(value) != count:
        raise ValueError(
            f"{op}: {name} has {len(value)} values {value!r}, expected {count}; "
            f"give one int, or one for each axis"
        )
    return tuple(integer(op, f"{name}[{i}]", value[i], minimum) for i in range(count))


def real(op: str, name: str, value: object) -> float:
    """Check a number, Python's or NumPy's (bool is refused)."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(
            f"{op}: {name} must be a number, not {type(value).__name__} {value!r}; "
            f"give an int or float"
        )
    return float(value)


def flag(op: str, name: str, value: object) -> bool:
    """Check a bool (Python's or NumPy's); no other truth value will do."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"{op}: {name} must be a bool, not {type(value).__name__} {value!r}; give True or False"
        )
    return bool(value)


def choice(op: str, name: str, value: object, choices: tuple[str, ...]) -> str:
    """Check a string that must be one of `choices`."""
    listed = ", ".join(repr(item) for item in choices)
    if not isinstance(value, str):
        raise TypeError(
            f"{op}: {name} must be a str, not {type(value).__name__} {value!r}; "
            f"give one of {listed}"
        )
    if value not in choices:
        raise ValueError(f"{op}: {name} is {value!r}, expected one of {listed}; give one of them")
    return value


def bias_vector(op: str, value: object, input: np.ndarray, length: int) -> np.ndarray:
    """Check `bias`: one value for each of `length` output channels or features, in float64."""
    array = companion_array(op, "bias", value, input)
    if array.shape != (length,):
        raise ValueError(
            f"{op}: bias has shape {array.shape}, expected ({length},), one value for each row of "
            f"weight; reshape bias or take the one that belongs to this weight"
        )
    return as_float64(array)
