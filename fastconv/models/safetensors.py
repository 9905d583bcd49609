"""A small, bounded reader and an atomic writer of safetensors files.

The format is eight bytes (the header's length, little-endian), a header in JSON that says for each
tensor its dtype, its shape and where its bytes lie, and then the bytes: nothing in it can run code.

A file is not to be trusted all the same. The reader believes no number before it has compared it
with the size of the file: the header is at most ``max_header_bytes`` long; every tensor lies inside
the file and has exactly the bytes that its dtype and shape ask for; the tensors follow one another
without gap or overlap. So the memory it takes is bounded by the size of the file, and what does not
fit is a ``ValueError`` that says what is wrong with which file.

Source: the safetensors project's description of its format (its README, section "Format").
"""

import io
import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastconv.data.files import write_atomically

__all__ = ["load", "parse", "read", "save"]

_DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U16": np.dtype("<u2"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}

_LENGTH_BYTES = 8
_MAX_DIMENSIONS = 32  # NumPy 1 takes no more
# Limit of the product of a shape's sizes but for zeros: (0, 2**63) is empty, yet NumPy has a limit.
_MAX_EXTENT = 2**48


def load(
    path: str | os.PathLike[str],
    dtype: Any = None,
    *,
    max_header_bytes: int = 1 << 20,
    max_file_bytes: int = 1 << 31,
) -> dict[str, np.ndarray]:
    """Read every tensor of a safetensors file.

    Args:
        path: a regular file.
        dtype: a floating dtype to which floating tensors are converted (integers and booleans stay
            as they are), or None: as stored.
        max_header_bytes, max_file_bytes: refuse a longer header, a longer file.

    Returns:
        name → array, in the order of the file; each array owns its memory, is C-contiguous,
        writeable and in the machine's byte order.

    Raises:
        OSError: the file cannot be opened or read.
        ValueError: it is not a well-formed safetensors file, is larger than allowed, or holds a
            dtype that NumPy has no name for (bfloat16, the eight-bit floats).
        TypeError: dtype is not a floating dtype.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/a.safetensors", {"w": np.array([1.5, 2], np.float16)})
    ...     load(folder + "/a.safetensors", np.float32)
    {'w': array([1.5, 2. ], dtype=float32)}
    """
    return read(path, dtype, max_header_bytes=max_header_bytes, max_file_bytes=max_file_bytes)[0]


def read(
    path: str | os.PathLike[str],
    dtype: Any = None,
    *,
    max_header_bytes: int = 1 << 20,
    max_file_bytes: int = 1 << 31,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read every tensor of a safetensors file, and its metadata.

    Arguments and errors are those of ``load``.

    Returns:
        (tensors as ``load`` gives them, text → text)

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/a.safetensors", {}, {"source": "nowhere"})
    ...     read(folder + "/a.safetensors")
    ({}, {'source': 'nowhere'})
    """
    target = _target(dtype)
    path = Path(path)
    # Asked before opening: to open a named pipe would wait for a writer.
    if not stat.S_ISREG(path.stat().st_mode):
        raise _malformed(path, "it is not a regular file")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_file_bytes:
            raise _malformed(path, f"{size:,} bytes is more than the {max_file_bytes:,} allowed")
        return _read_all(file, path, size, target, max_header_bytes)


def parse(
    contents: bytes | bytearray | memoryview,
    source: str | os.PathLike[str],
    dtype: Any = None,
    *,
    max_header_bytes: int = 1 << 20,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """As ``read``, of a file's contents that are in memory; source is what errors name.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/a.safetensors", {"w": np.array([1.5, 2])})
    ...     contents = pathlib.Path(folder, "a.safetensors").read_bytes()
    >>> parse(contents, "a.safetensors")
    ({'w': array([1.5, 2. ])}, {})
    """
    target = _target(dtype)
    with io.BytesIO(contents) as file:
        return _read_all(file, Path(source), len(contents), target, max_header_bytes)


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays to a safetensors file, all of it or nothing.

    The bytes go to a new file beside ``path``, which takes its place only when they are on the
    disk; so a reader sees the old file or the new one, and a failure leaves the old one.

    Args:
        path: where to; an existing file is replaced.
        tensors: name → array of a boolean, integer or floating dtype of at most 64 bits; written in
            descending order of their items' size, then by name, so that equal input gives equal
            bytes and every tensor is aligned.
        metadata: text → text, kept in the header.

    Raises:
        TypeError: a tensor is not an array or has a dtype that the format lacks; a name or a
            metadata entry is not text.
        ValueError: a tensor is called ``__metadata__``, the header's own word.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(folder + "/a.safetensors", {"w": np.zeros((2, 3))}, {"source": "nowhere"})
    ...     load(folder + "/a.safetensors")["w"].shape
    (2, 3)
    """
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(text, str) for item in metadata.items() for text in item):
            raise TypeError("save: metadata must map text to text")
        header["__metadata__"] = dict(metadata)
    stored = {name: _stored_form(name, array) for name, array in tensors.items()}
    order = sorted(stored, key=lambda name: (-stored[name].dtype.itemsize, name))
    position = 0
    for name in order:
        array = stored[name]
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [position, position + array.nbytes],
        }
        position += array.nbytes
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    chunks = [len(text).to_bytes(_LENGTH_BYTES, "little"), text]
    # Views: a large network need not be in memory twice.
    chunks += [stored[name].reshape(-1).view(np.uint8).data for name in order]
    write_atomically(Path(path), chunks)


def _target(dtype: Any) -> np.dtype | None:
    target = None if dtype is None else np.dtype(dtype)
    if target is not None and target.kind != "f":
        raise TypeError(f"load: dtype must be a floating dtype or None, not {target}")
    return target


def _malformed(path: Path, problem: str) -> ValueError:
    return ValueError(f"{path}: not a usable safetensors file: {problem}")


def _read_all(
    file: BinaryIO, path: Path, size: int, target: np.dtype | None, max_header_bytes: int
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(tensors, metadata) of a file of that size."""
    header, data_bytes = _read_header(file, path, size, max_header_bytes)
    metadata = _check_metadata(path, header.pop("__metadata__", {}))
    layout = _check_layout(path, header, data_bytes)
    tensors = {name: _read_tensor(file, path, name, *entry, target) for name, entry in layout}
    return tensors, metadata


def _read_exactly(file: BinaryIO, path: Path, count: int, what: str) -> bytes:
    """Read count bytes, which the caller has checked against the size of the file."""
    data = file.read(count)
    if len(data) != count:
        raise _malformed(path, f"it ends inside {what}")
    return data


def _read_header(
    file: BinaryIO, path: Path, size: int, max_header_bytes: int
) -> tuple[dict[str, Any], int]:
    """The header as a dictionary, and the number of bytes that follow it."""
    if size < _LENGTH_BYTES:
        raise _malformed(path, f"{size} bytes are too few for the header's length")
    length = int.from_bytes(_read_exactly(file, path, _LENGTH_BYTES, "its length"), "little")
    if length > max_header_bytes:
        raise _malformed(
            path, f"its header claims {length:,} bytes, more than the {max_header_bytes:,} allowed"
        )
    if length > size - _LENGTH_BYTES:
        raise _malformed(path, f"its header claims {length:,} bytes but the file has {size:,}")
    raw = _read_exactly(file, path, length, "its header")
    try:
        header = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    # RecursionError: brackets nested by the thousand. UnicodeDecodeError, JSONDecodeError and the
    # two hooks' own errors are ValueErrors.
    except (ValueError, RecursionError) as error:
        raise _malformed(path, f"its header is not valid JSON ({error})") from error
    if not isinstance(header, dict):
        raise _malformed(path, "its header is not a JSON object")
    return header, size - _LENGTH_BYTES - length


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise ValueError(f"{name!a} occurs twice")
        result[name] = value
    return result


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _check_metadata(path: Path, metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _malformed(path, "__metadata__ does not map text to text")
    return metadata


def _check_layout(
    path: Path, header: dict[str, Any], data_bytes: int
) -> list[tuple[str, tuple[np.dtype, tuple[int, ...], int]]]:
    """[(name, (dtype, shape, bytes))] in the order in which the tensors lie in the file."""
    spans = []
    for name, entry in header.items():
        dtype, shape, begin, end = _check_entry(path, name, entry)
        # Tensors of no bytes share their begin with the one that follows; end puts them first.
        spans.append((begin, end, name, dtype, shape))
    spans.sort(key=lambda span: span[:2])
    position = 0
    for begin, end, name, _, _ in spans:
        if end > data_bytes:
            raise _malformed(
                path, f"{name!a} ends at byte {end:,} of {data_bytes:,}: the file is cut off"
            )
        if begin != position:
            kind = "overlaps the tensor before it" if begin < position else "follows a gap"
            where = f"begins at byte {begin:,}, not {position:,}"
            raise _malformed(path, f"{name!a} {where}: it {kind}")
        position = end
    if position != data_bytes:
        raise _malformed(path, f"{data_bytes - position:,} bytes follow the last tensor")
    return [(name, (dtype, shape, end - begin)) for begin, end, name, dtype, shape in spans]


def _check_entry(path: Path, name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise _malformed(path, f"{name!a} must have dtype, shape and data_offsets, and no more")
    dtype_name, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype_name, str) or dtype_name not in _DTYPES:
        shown = repr(dtype_name)[:40]
        raise _malformed(path, f"{name!a} has dtype {shown}; known are {', '.join(_DTYPES)}")
    dtype = _DTYPES[dtype_name]
    if not _are_counts(shape) or len(shape) > _MAX_DIMENSIONS:
        raise _malformed(
            path, f"{name!a}: shape must be at most {_MAX_DIMENSIONS} integers, none negative"
        )
    if math.prod(max(size, 1) for size in shape) > _MAX_EXTENT:
        raise _malformed(path, f"{name!a}: its shape is too large")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise _malformed(path, f"{name!a}: data_offsets must be two integers, none negative")
    begin, end = offsets
    expected = math.prod(shape) * dtype.itemsize
    if end - begin != expected:
        raise _malformed(
            path,
            f"{name!a}: {dtype_name} of shape {shape} takes {expected:,} bytes, "
            f"but its data_offsets {offsets} span {end - begin:,}",
        )
    return dtype, tuple(shape), begin, end


def _are_counts(values: Any) -> bool:
    # type(…) is int, since True is an int to isinstance.
    return isinstance(values, list) and all(type(v) is int and v >= 0 for v in values)


def _read_tensor(
    file: BinaryIO,
    path: Path,
    name: str,
    dtype: np.dtype,
    shape: tuple[int, ...],
    nbytes: int,
    target: np.dtype | None,
) -> np.ndarray:
    """The next nbytes of the file as an array; they are known to fit dtype, shape and the file."""
    array = np.frombuffer(_read_exactly(file, path, nbytes, f"{name!a}"), dtype).reshape(shape)
    if dtype == _DTYPES["BOOL"] and array.view(np.uint8).max(initial=0) > 1:
        raise _malformed(path, f"{name!a} is BOOL but has bytes other than 0 and 1")
    native = dtype.newbyteorder("=")
    # astype copies, so the result is writeable and does not depend on the bytes read.
    return array.astype(target if target is not None and dtype.kind == "f" else native)


def _stored_form(name: str, array: np.ndarray) -> np.ndarray:
    """The array, little-endian and C-contiguous."""
    if not isinstance(name, str):
        raise TypeError(f"save: a tensor's name must be text, not {type(name).__name__}")
    if name == "__metadata__":
        raise ValueError("save: a tensor cannot be called __metadata__: the format keeps that word")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"save: {name!a} must be a NumPy array, not {type(array).__name__}")
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise TypeError(f"save: {name!a} has dtype {array.dtype}; known are {', '.join(_DTYPES)}")
    return np.asarray(array, dtype, order="C")
