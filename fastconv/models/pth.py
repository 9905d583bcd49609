"""A reader of PyTorch's checkpoints (.pth, .pt) that cannot run what is in them.

torch.save writes a pickle, which says how tensors lie in storages, and the storages' bytes. Since
PyTorch 1.6 they are members of a zip archive:

    NAME/data.pkl     the pickle; a persistent identifier ('storage', type, KEY, device, elements)
                      stands for each storage
    NAME/data/KEY     the bytes of a storage, not packed
    NAME/byteorder    little or big, since PyTorch 2.1; without it they are little-endian

Before that, and still with ``_use_new_zipfile_serialization=False``, they follow one another:

    five pickles      a magic number; the version 1001; facts about the writer; the pickle as above;
                      the keys of the storages in the order in which they follow
    for each storage  the number of its elements, eight bytes; its bytes; both little-endian

The pickle runs on a machine of its own (``pickles``), which knows the few names below and no other.
What it then says of tensors is compared with what is there before memory is taken: a tensor lies
inside its storage, its elements do not overlap, a storage has exactly the bytes that the file has
for it, and all tensors together are no larger than allowed. What does not fit is a DataError that
says what is wrong with which file.

Sources: PyTorch's torch/serialization.py (_legacy_load and _load) and torch/_utils.py.
"""

import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from fastconv.data.files import DataError, open_regular

from . import pickles
from .pickles import Refused
from .pth_tensors import TABLE, Storage, Storages, View

__all__ = ["HEAD_BYTES", "is_checkpoint", "load"]

_ZIP_MAGIC = b"PK\x03\x04"
_MAGIC_NUMBER, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_STREAM_MAGIC = b"\x80\x02\x8a\x0a" + _MAGIC_NUMBER.to_bytes(10, "little") + b"."
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
HEAD_BYTES = _TAR_MAGIC_AT + len(_TAR_MAGIC)

_MAX_PICKLE = 1 << 22  # bytes; 300 tensors take 42 KB
_COUNT_BYTES = 8


def is_checkpoint(head: bytes) -> bool:
    """Whether a file whose first HEAD_BYTES these are is one that PyTorch could have written."""
    return head.startswith((_ZIP_MAGIC, _STREAM_MAGIC)) or head[_TAR_MAGIC_AT:] == _TAR_MAGIC


def load(
    path: str | os.PathLike[str],
    key: str | None = None,
    dtype: Any = None,
    *,
    max_bytes: int = 1 << 31,
) -> dict[str, np.ndarray]:
    """Read the tensors of a state_dict that torch.save wrote.

    Args:
        path: a regular file.
        key: of a checkpoint that has more than the tensors, which of its entries has them:
            {'epoch': 3, 'state_dict': {…}} is read with key='state_dict'. None: the whole is a dict
            of tensors.
        dtype: a floating dtype to which floating tensors are converted (integers and booleans stay
            as they are), or None: as stored.
        max_bytes: refuse a larger file, and tensors that are together larger.

    Returns:
        name → array, in the order of the file; each array owns its memory, is C-contiguous,
        writeable and in the machine's byte order.

    Raises:
        OSError: the file cannot be opened or read.
        DataError (a ValueError): it is no such file, is damaged or cut off, is larger than allowed,
            has a dtype other than these (bfloat16, complex), or has more than tensors, plain values
            and dicts: a whole module, for example, or code.
        KeyError: there is no entry of that key; the text lists those there are.
        TypeError: dtype is not a floating dtype; key is no text.
    """
    target = None if dtype is None else np.dtype(dtype)
    if target is not None and target.kind != "f":
        raise TypeError(f"load: dtype must be a floating dtype or None, not {target}")
    if key is not None and not isinstance(key, str):
        raise TypeError(f"load: key must be a str or None, not {type(key).__name__}")
    path = Path(path)
    with open_regular(path, max_bytes) as file:
        try:
            return _read_all(file, path, key, target, max_bytes)
        except DataError:
            raise
        # What zipfile makes of damaged archives, beside its own error: OSError for an offset before
        # the file, NotImplementedError for a later version of zip, EOFError, ValueError. A Refused
        # is a ValueError, too.
        except (
            zipfile.BadZipFile, EOFError, OSError, NotImplementedError, ValueError,
        ) as error:  # fmt: skip
            raise DataError(f"{path}: not a usable PyTorch file: {error}") from error


class _Source(Protocol):
    """Where the bytes of storages are."""

    def pickled(self, table: Mapping[str, Any]) -> Any:
        """The value of the pickle."""

    def read(self, storage: Storage) -> np.ndarray:
        """The elements of a storage, (numel,)."""


def _read_all(
    file: BinaryIO, path: Path, key: str | None, target: np.dtype | None, max_bytes: int
) -> dict[str, np.ndarray]:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head.startswith(_ZIP_MAGIC):
        with zipfile.ZipFile(file) as archive:
            source = _Archive(archive, os.fstat(file.fileno()).st_size)
            return _tensors(source, path, key, target, max_bytes)
    if head.startswith(_STREAM_MAGIC):
        return _tensors(_Stream(file), path, key, target, max_bytes)
    if head[_TAR_MAGIC_AT:] == _TAR_MAGIC:
        raise Refused("it is a tar archive, as PyTorch wrote before its version 0.2")
    raise Refused("it begins neither as a zip archive nor with the magic number of torch.save")


def _tensors(
    source: _Source, path: Path, key: str | None, target: np.dtype | None, max_bytes: int
) -> dict[str, np.ndarray]:
    views = _select(source.pickled(TABLE), path, key)
    _check_size(views.values(), target, max_bytes)
    sharing: dict[Storage, list[str]] = {}
    for name, view in views.items():
        sharing.setdefault(view.storage, []).append(name)
    arrays = {}
    # One storage at a time: beside the results no more than the largest of them is in memory.
    for storage, names in sharing.items():
        elements = source.read(storage)
        if storage.dtype == np.bool_ and elements.view(np.uint8).max(initial=0) > 1:
            raise Refused(f"{names[0]!a} is boolean but has bytes other than 0 and 1")
        for name in names:
            arrays[name] = _array(elements, views[name], target)
    return {name: arrays[name] for name in views}


def _select(value: Any, path: Path, key: str | None) -> dict[str, View]:
    """The dict of tensors that is wanted."""
    if key is not None:
        if type(value) is not dict or key not in value:
            there = _shown(value) if type(value) is dict else "no dict at all"
            raise KeyError(f"{path} has no entry {key!a}; it has {there}")
        value = value[key]
    what = "it" if key is None else f"its entry {key!a}"
    if type(value) is not dict:
        kind = "a tensor" if type(value) is View else f"a {type(value).__name__}"
        raise Refused(f"{what} is {kind}, not a dict of tensors")
    other = [name for name, entry in value.items() if type(entry) is not View]
    if other:
        inside = [name for name, entry in value.items() if type(entry) is dict]
        hint = f"; say by key= which entry has the tensors: {_shown(inside)}" if inside else ""
        raise Refused(f"{what} has entries that are no tensors: {_shown(other)}{hint}")
    unnamed = [name for name in value if type(name) is not str]
    if unnamed:
        raise Refused(f"{what} has tensors whose names are no texts: {_shown(unnamed)}")
    return value


def _shown(names: Iterable[str | int]) -> str:
    listed = [repr(name)[:80] for name in names]
    return ", ".join([*listed[:10], *(["…"] if len(listed) > 10 else [])]) or "none"


def _check_size(views: Iterable[View], target: np.dtype | None, max_bytes: int) -> None:
    """Refuse more than is allowed: of a small storage many tensors can be made."""
    needed = 0
    for view in views:
        dtype = view.storage.dtype
        converted = target if target is not None and dtype.kind == "f" else dtype
        needed += view.numel * converted.itemsize
    if needed > max_bytes:
        raise Refused(f"its tensors take {needed:,} bytes, more than the {max_bytes:,} allowed")


def _array(elements: np.ndarray, view: View, target: np.dtype | None) -> np.ndarray:
    dtype = elements.dtype
    native = target if target is not None and dtype.kind == "f" else dtype.newbyteorder("=")
    if not view.numel:
        return np.empty(view.shape, native)
    # The stride of a single element may be any number; here it is not used.
    strides = [
        stride * dtype.itemsize if size > 1 else 0
        for size, stride in zip(view.shape, view.strides, strict=True)
    ]
    strided = np.lib.stride_tricks.as_strided(
        elements[view.offset :], view.shape, strides, writeable=False
    )
    # astype copies, so the result is writeable and does not depend on the storage.
    return strided.astype(native, order="C")


# ---- the two forms


class _Archive:
    """A zip archive."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive = archive
        # Members that are not packed are no longer than the file; but they could be the same bytes.
        self._left = size
        self._members: dict[str, zipfile.ZipInfo] = {}
        for info in archive.infolist():
            if info.filename in self._members:
                raise Refused(f"{info.filename!a:.80} occurs twice")
            self._members[info.filename] = info
        pickled = [name for name in self._members if name.split("/")[1:] == ["data.pkl"]]
        if len(pickled) != 1:
            raise Refused(f"it is a zip archive with {len(pickled)} members NAME/data.pkl, not one")
        self._folder = pickled[0].removesuffix("data.pkl")
        if f"{self._folder}constants.pkl" in self._members:
            raise Refused("it is a program of TorchScript; save the module's state_dict()")

    def pickled(self, table: Mapping[str, Any]) -> Any:
        order = b"little"
        if f"{self._folder}byteorder" in self._members:
            order = self._member("byteorder", 16)
        if order not in (b"little", b"big"):
            raise Refused("its byteorder is neither little nor big")
        storages = Storages("<" if order == b"little" else ">")
        contents = self._member("data.pkl", _MAX_PICKLE)
        value, end = pickles.read(contents, 0, table, storages)
        if end != len(contents):
            raise Refused(f"{len(contents) - end:,} bytes follow its pickle")
        return value

    def read(self, storage: Storage) -> np.ndarray:
        nbytes = storage.numel * storage.dtype.itemsize
        name = f"data/{storage.key}"
        data = self._member(name, nbytes)
        if len(data) != nbytes:
            raise Refused(f"{name!a:.80} has {len(data):,} bytes, expected {nbytes:,}")
        return np.frombuffer(data, storage.dtype)

    def _member(self, name: str, most: int) -> bytes:
        info = self._members.get(self._folder + name)
        if info is None:
            raise Refused(f"it has no member {name!a:.80}")
        if info.flag_bits & 1 or info.compress_type != zipfile.ZIP_STORED:
            raise Refused(f"{name!a:.80} is packed or encrypted, which torch.save does not do")
        if info.file_size > most:
            raise Refused(f"{name!a:.80} has {info.file_size:,} bytes, more than {most:,}")
        self._left -= info.file_size
        if self._left < 0:
            raise Refused("its members overlap: they are together larger than the file")
        with self._archive.open(info) as member:
            data = member.read()
        if len(data) != info.file_size:
            raise Refused(f"{name!a:.80} ends after {len(data):,} of {info.file_size:,} bytes")
        return data


class _Stream:
    """Pickles, then storages."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size
        self._places: dict[Storage, int] = {}

    def pickled(self, table: Mapping[str, Any]) -> Any:
        contents = self._file.read(min(_MAX_PICKLE, self._size))
        storages = Storages()
        _, end = pickles.read(contents, 0, {})
        version, end = pickles.read(contents, end, {})
        if type(version) is not int or version != _VERSION:
            raise Refused(f"it is not of version {_VERSION} of the format, the only one there was")
        _, end = pickles.read(contents, end, {})
        value, end = pickles.read(contents, end, table, storages)
        keys, end = pickles.read(contents, end, {})
        self._find(keys, storages.known, end)
        return value

    def _find(self, keys: Any, known: Mapping[str, Storage], position: int) -> None:
        """Note where each storage is."""
        if type(keys) is not list or any(type(key) is not str for key in keys):
            raise Refused("its keys of storages are no list of texts")
        if len(set(keys)) != len(keys) or set(keys) != set(known):
            raise Refused("its storages are not those that its tensors need, each once")
        for key in keys:
            storage = known[key]
            self._file.seek(position)
            numel = int.from_bytes(self._file.read(_COUNT_BYTES), "little", signed=True)
            position += _COUNT_BYTES
            self._places[storage] = position
            position += storage.numel * storage.dtype.itemsize
            if position > self._size:
                raise Refused(
                    f"storage {key!a:.40} ends at byte {position:,} of {self._size:,}: the file "
                    f"is cut off"
                )
            if numel != storage.numel:
                raise Refused(f"storage {key!a:.40} has {numel:,} elements, not {storage.numel:,}")
        if position != self._size:
            raise Refused(f"{self._size - position:,} bytes follow its last storage")

    def read(self, storage: Storage) -> np.ndarray:
        self._file.seek(self._places[storage])
        nbytes = storage.numel * storage.dtype.itemsize
        data = self._file.read(nbytes)
        if len(data) != nbytes:
            raise Refused(f"it ends inside storage {storage.key!a:.40}")
        return np.frombuffer(data, storage.dtype)
