"""What a pickle of torch.save may name: dicts, tensors, and the storages that tensors lie in.

Nothing here holds a tensor's elements: it is what the pickle says of them, checked for sense.

Source: PyTorch's torch/_utils.py, and Tensor.__reduce_ex__.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import pickles
from .pickles import Refused

__all__ = ["TABLE", "Storage", "Storages", "View"]

_MAX_DIMENSIONS = 32  # NumPy 1 takes no more
_MAX_EXTENT = 2**48  # of the product of sizes but for zeros; NumPy has a limit of its own

_STORAGES = {
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
}


@dataclass(frozen=True)
class Storage:
    """What the pickle says of a storage."""

    key: str
    dtype: np.dtype
    numel: int


@dataclass(frozen=True)
class View:
    """A tensor: elements of a storage, which they are known to lie in."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def _ordered_dict(*arguments: Any) -> dict:
    """An OrderedDict without items, which follow; or, of Python 2, with a list of all of them."""
    result: dict = {}
    if not arguments:
        return result
    pairs = arguments[0]
    if len(arguments) != 1 or type(pairs) is not list:
        raise Refused("it has an OrderedDict of something else than a list")
    for pair in pairs:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise Refused("it has an OrderedDict of something else than keys and values")
        pickles.put(result, *pair)
    # The pickle could pass the same long list a million times.
    pairs.clear()
    return result


def _rebuild_tensor(*arguments: Any) -> View:
    """torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), of
    which _rebuild_tensor has the first four; the newest adds metadata at the end."""
    if not 4 <= len(arguments) <= 7 or type(arguments[0]) is not Storage:
        raise Refused("it has a tensor that is not made of a storage")
    storage, offset, shape, strides = arguments[:4]
    if not _are_counts((offset,)) or not _are_counts(shape) or not _are_counts(strides):
        raise Refused("it has a tensor whose offset, sizes or strides are negative or no integers")
    if len(shape) > _MAX_DIMENSIONS or len(shape) != len(strides):
        raise Refused(f"it has a tensor of {len(shape)} sizes and {len(strides)} strides")
    if math.prod(max(size, 1) for size in shape) > _MAX_EXTENT:
        raise Refused("it has a tensor whose shape is too large")
    last = offset - 1
    if math.prod(shape):
        reach = 0  # of the axes so far: the largest distance of an element from the first one
        for stride, size in sorted((s, n) for n, s in zip(shape, strides, strict=True) if n > 1):
            if stride <= reach:
                raise Refused("it has a tensor whose elements overlap; save a contiguous copy")
            reach += stride * (size - 1)
        last = offset + reach
    if last >= storage.numel:
        raise Refused(
            f"it has a tensor that ends at element {last:,} of a storage of {storage.numel:,}"
        )
    return View(storage, offset, shape, strides)


def _rebuild_parameter(*arguments: Any) -> View:
    """torch._utils._rebuild_parameter(tensor, requires_grad, hooks)."""
    if len(arguments) != 3 or type(arguments[0]) is not View:
        raise Refused("it has a parameter that is no tensor")
    return arguments[0]


def _are_counts(values: Any) -> bool:
    # type(…) is int, since True is an int to isinstance.
    return type(values) is tuple and all(type(v) is int and v >= 0 for v in values)


TABLE = {
    "collections.OrderedDict": _ordered_dict,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    **_STORAGES,
}


class Storages:
    """Makes a storage of each persistent identifier, the same one of the same key."""

    def __init__(self, order: str = "<") -> None:
        self.known: dict[str, Storage] = {}
        self._order = order

    def __call__(self, identifier: Any) -> Storage:
        if type(identifier) is not tuple or len(identifier) not in (5, 6):
            raise Refused("it refers to something else than a storage")
        kind, dtype, key, _, numel = identifier[:5]
        if kind != "storage" or not isinstance(dtype, np.dtype) or type(key) is not str:
            raise Refused("it refers to something else than a storage of a known dtype")
        if not _are_counts((numel,)):
            raise Refused(f"storage {key!a:.40} has a size that is negative or no integer")
        if identifier[5:] not in ((), (None,)):
            raise Refused("it has views of storages, as PyTorch wrote before its version 0.4")
        storage = Storage(key, dtype.newbyteorder(self._order), numel)
        if self.known.setdefault(key, storage) != storage:
            raise Refused(f"storage {key!a:.40} is of two dtypes or sizes")
        return storage
