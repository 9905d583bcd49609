"""Nested state as JSON and arrays: what a checkpoint keeps of optimisers, schedules and histories.

    None, bool, int, finite float, str, list      as JSON has them
    dict with keys of str, none beginning with $  a JSON object
    other dicts                                   {"$dict": [[key, value], …]}
    tuple                                         {"$tuple": […]}
    float that is not finite                      {"$float": "inf", "-inf" or "nan"}
    Tensor, numpy.ndarray                         {"$array": name}; the array goes beside

Python writes floats so that reading gives the same bits, and integers of any length. Nothing that
is read can name a class or run code.
"""

import json
import math
from typing import Any

import numpy as np

from fastconv.autograd import Tensor

__all__ = ["dumps", "loads"]

_DEEPEST = 32
_FLOATS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def dumps(value: Any, prefix: str) -> tuple[str, dict[str, np.ndarray]]:
    """The value as text, and its arrays by names that begin with prefix. Arrays are not copied.

    Raises:
        TypeError: something in it is none of the kinds above.
        ValueError: it is nested too deeply.

    >>> text, arrays = dumps({"lr": 0.1, "mean": np.zeros(2), 3: (1,)}, "@")
    >>> loads(text, arrays)
    {'lr': 0.1, 'mean': array([0., 0.]), 3: (1,)}
    """
    arrays: dict[str, np.ndarray] = {}
    packed = _pack(value, prefix, arrays, 0)
    return json.dumps(packed, separators=(",", ":"), allow_nan=False), arrays


def loads(text: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value that ``dumps`` took, with arrays as numpy.ndarray.

    Raises:
        ValueError: the text is not what dumps wrote, or an array is missing.
    """
    try:
        packed = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return _unpack(packed, arrays, 0)


def _pack(value: Any, name: str, arrays: dict[str, np.ndarray], depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"{name}: nested more than {_DEEPEST} deep")
    if isinstance(value, np.generic):
        value = value.item()
    kind = type(value)
    if value is None or kind in (bool, int, str):
        return value
    if kind is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, (Tensor, np.ndarray)):
        while name in arrays:  # {"a.b": …} beside {"a": {"b": …}}
            name += "'"
        arrays[name] = value._array if isinstance(value, Tensor) else value
        return {"$array": name}
    if isinstance(value, (list, tuple)):
        items = [_pack(v, f"{name}.{i}", arrays, depth + 1) for i, v in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {k: _pack(v, f"{name}.{k}", arrays, depth + 1) for k, v in value.items()}
        return {
            "$dict": [
                [_key(k, name), _pack(v, f"{name}.{k}", arrays, depth + 1)]
                for k, v in value.items()
            ]
        }
    raise TypeError(
        f"{name} is a {kind.__name__}, which a checkpoint cannot keep; it keeps None, bool, int, "
        f"float, str, lists, tuples, dicts, arrays and Tensors"
    )


def _key(key: Any, name: str) -> Any:
    if type(key) not in (int, str):
        raise TypeError(f"{name} has a key {key!r} of {type(key).__name__}; keys are str or int")
    return key


def _unpack(packed: Any, arrays: dict[str, np.ndarray], depth: int) -> Any:
    if depth > 2 * _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(packed, list):
        return [_unpack(item, arrays, depth + 1) for item in packed]
    if not isinstance(packed, dict):
        return packed
    if len(packed) != 1 or not next(iter(packed)).startswith("$"):
        return {k: _unpack(v, arrays, depth + 1) for k, v in packed.items()}
    [(word, value)] = packed.items()
    if word == "$array" and isinstance(value, str) and value in arrays:
        return arrays[value]
    if word == "$float" and isinstance(value, str) and value in _FLOATS:
        return _FLOATS[value]
    if word == "$tuple" and isinstance(value, list):
        return tuple(_unpack(item, arrays, depth + 1) for item in value)
    if word == "$dict" and isinstance(value, list) and all(map(_is_entry, value)):
        return {key: _unpack(item, arrays, depth + 1) for key, item in value}
    raise ValueError(f"{word!a} with {repr(value)[:40]} is not understood, or its array is missing")


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, list) and len(entry) == 2 and type(entry[0]) in (int, str)


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a name occurs twice in an object")
    return result
