"""Arrays from .npz files, NumPy's own archives, without trust: no pickle, sizes before contents.

An .npz file is a zip archive with a member NAME.npy for each array: a header that says dtype and
shape in the syntax of Python's literals, then the elements.
"""

import math
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .files import DataError, open_regular

__all__ = ["read_npz"]

_MAX_HEADER = 10_000
_MAX_AXES = 32
_MAX_EXTENT = 2**48  # of the product of sizes but for zeros; NumPy has a limit of its own
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK = 1 << 20


def read_npz(
    path: str | os.PathLike[str],
    keys: Sequence[str] = ("x", "y"),
    *,
    max_bytes: int = 1 << 31,
) -> tuple[np.ndarray, ...]:
    """Read named arrays of an .npz file (what numpy.savez and savez_compressed write).

    Args:
        path: a regular file.
        keys: the names of the arrays.
        max_bytes: refuse a larger file, and arrays that are together larger; before they are read,
            by what their headers say.

    Returns:
        the arrays in the order of keys: of booleans, integers or floats, in C order and the
        machine's byte order, writeable.

    Raises:
        OSError: the file cannot be opened.
        KeyError: it has no array of that name; the text lists those it has.
        DataError (a ValueError): it is no .npz file, is damaged or cut off, is larger than allowed,
            or holds for one of the keys Python objects (which only a pickle could hold), text or
            records.
        TypeError: keys is a str, not a sequence of them.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(folder + "/a.npz", x=np.zeros((2, 8, 8), np.uint8), y=np.array([3, 7]))
    ...     images, labels = read_npz(folder + "/a.npz")
    >>> images.shape, labels.tolist()
    ((2, 8, 8), [3, 7])
    """
    if isinstance(keys, str):
        raise TypeError(f"read_npz: keys must be a sequence of names: ({keys!r},)")
    path = Path(path)
    with open_regular(path, max_bytes) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _read_all(path, archive, keys, max_bytes)
        except (DataError, KeyError):
            raise
        # What zipfile makes of damaged archives, beside its own error: OSError for an offset before
        # the file, NotImplementedError for a later version of zip, EOFError, ValueError.
        except (
            zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError,
        ) as error:  # fmt: skip
            raise _refusal(path, f"damaged or cut off ({error})") from error


def _refusal(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: not a usable .npz file: {problem}")


def _read_all(
    path: Path, archive: zipfile.ZipFile, keys: Sequence[str], max_bytes: int
) -> tuple[np.ndarray, ...]:
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.filename in members:
            raise _refusal(path, f"{info.filename!a} occurs twice")
        members[info.filename] = info
    missing = [key for key in keys if f"{key}.npy" not in members]
    if missing:
        there = ", ".join(sorted(name.removesuffix(".npy") for name in members)) or "none"
        raise KeyError(
            f"{path} has no array {', '.join(map(ascii, missing))}; it has {there}"[:2000]
        )
    arrays, left = [], max_bytes
    for key in keys:
        info = members[f"{key}.npy"]
        if info.flag_bits & 1:
            raise _refusal(path, f"{key!a} is encrypted")
        if info.compress_type not in _METHODS:
            raise _refusal(
                path, f"{key!a} is packed by method {info.compress_type}; deflate is read"
            )
        with archive.open(info) as member:
            array = _read_array(path, key, member, info.file_size, left)
        left -= array.nbytes
        arrays.append(array)
    return tuple(arrays)


def _read_array(path: Path, key: str, member: BinaryIO, size: int, allowed: int) -> np.ndarray:
    """One member; of size bytes as the archive says, beyond which zipfile reads nothing."""
    shape, fortran, dtype = _read_header(path, key, member)
    count = math.prod(shape) * dtype.itemsize
    if count > allowed:
        raise _refusal(
            path,
            f"{key!a}, shape {shape} of {dtype.name}, takes {count:,} bytes, "
            f"more than the {allowed:,} still allowed",
        )
    held = size - member.tell()
    if count != held:
        raise _refusal(
            path, f"{key!a}, shape {shape} of {dtype.name}, takes {count:,} bytes but has {held:,}"
        )
    data = bytearray()
    while len(data) < count:  # zipfile compares the checksum with the last of them
        chunk = member.read(min(_CHUNK, count - len(data)))
        if not chunk:
            raise _refusal(path, f"{key!a} ends after {len(data):,} of {count:,} bytes")
        data += chunk
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return np.require(array, dtype.newbyteorder("="), ["C", "W"])


def _read_header(path: Path, key: str, member: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    try:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            header = np.lib.format.read_array_header_1_0(member, max_header_size=_MAX_HEADER)
        elif version == (2, 0):
            header = np.lib.format.read_array_header_2_0(member, max_header_size=_MAX_HEADER)
        else:
            # Version 3 is for names of fields in records, which are not read.
            raise ValueError(f"version {version} of the format .npy")
    # Of a literal made to break the parser: RecursionError, MemoryError, TypeError, …
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError):
        raise
    except Exception as error:
        raise _refusal(path, f"{key!a} has no usable header ({error})"[:400]) from error
    shape, fortran, dtype = header
    if dtype.kind not in "biuf":
        raise _refusal(
            path, f"{key!a} is of {dtype!s:.60}; booleans, integers and floats are read, no objects"
        )
    if len(shape) > _MAX_AXES or any(type(n) is not int or n < 0 for n in shape):
        raise _refusal(path, f"{key!a} has shape {shape!s:.200}: none of an array")
    if math.prod(max(n, 1) for n in shape) > _MAX_EXTENT:
        raise _refusal(path, f"{key!a}: its shape is too large")
    return shape, fortran, dtype
