"""IDX files, the format of MNIST: an array behind a header of a few bytes, often gzipped.

    offset 0    two zero bytes
    offset 2    their type: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64
    offset 3    the number of axes d
    offset 4    d sizes, four bytes each
    then        the elements, the last axis fastest; all numbers with their highest byte first

Source: "The IDX file format" on the page of the MNIST database, Y. LeCun, C. Cortes, C. Burges.
"""

import math
import os
from pathlib import Path

import numpy as np

from .files import Reader, pack, write_atomically

__all__ = ["read_idx", "write_idx"]

_TYPES = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _TYPES.items()}
_MAX_AXES = 32  # NumPy 1 takes no more
# Of the product of sizes but for zeros: (0, 2**32 - 1, 2**32 - 1) is empty, yet NumPy has a limit.
_MAX_EXTENT = 2**48


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = 1 << 31) -> np.ndarray:
    """Read an IDX file, gzipped or not (its contents tell, not its name).

    Args:
        path: a regular file.
        max_bytes: refuse a larger file, and a larger array.

    Returns:
        array of the file's shape and type, in the machine's byte order, writeable.

    Raises:
        OSError: the file cannot be opened.
        DataError (a ValueError): it is no IDX file, is cut off, is followed by more bytes, or is
            larger than allowed. A small file that unpacks to gigabytes costs no more memory than
            its header's sizes, and these are compared with max_bytes first.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_idx(folder + "/labels.gz", np.array([5, 0, 4], np.uint8))
    ...     read_idx(folder + "/labels.gz")
    array([5, 0, 4], dtype=uint8)
    """
    with Reader(Path(path), "IDX file", max_bytes) as reader:
        magic = reader.exactly(4, "its magic number")
        if magic[:2] != b"\0\0" or magic[2] not in _TYPES:
            known = ", ".join(f"{code:#04x}" for code in _TYPES)
            raise reader.refusal(
                f"it begins with {magic.hex(' ')}, not with 00 00 and a type of {known}"
            )
        dtype, axes = _TYPES[magic[2]], magic[3]
        if not 1 <= axes <= _MAX_AXES:
            raise reader.refusal(f"it has {axes} axes; 1 to {_MAX_AXES} are read")
        sizes = reader.exactly(4 * axes, "its sizes")
        shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
        if math.prod(max(size, 1) for size in shape) > _MAX_EXTENT:
            raise reader.refusal(f"its shape {shape} is too large")
        count = math.prod(shape) * dtype.itemsize
        if count > max_bytes:
            raise reader.refusal(
                f"shape {shape} of {dtype.name} takes {count:,} bytes, "
                f"more than the {max_bytes:,} allowed"
            )
        reader.check_holds(count, f"shape {shape} of {dtype.name}")
        data = reader.exactly(count, f"the data of shape {shape}")
        reader.check_end()
    # Of a bytearray of its own: writeable. astype turns the bytes where it has to.
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write an array as an IDX file, all of it or nothing; gzipped if the name ends with .gz.

    Args:
        path: where to; an existing file is replaced. Equal arrays give equal files.
        array: uint8, int8, int16, int32, float32 or float64, with 1 to 32 axes, none of 2**32
            elements or more.

    Raises:
        TypeError: array is no ndarray, or of another dtype.
        ValueError: it has no axes, or too many, or one that is too long.
        OSError: the file cannot be written.
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"write_idx: array must be a NumPy array, not {type(array).__name__}")
    native = array.dtype.newbyteorder("=")
    if native not in _CODES:
        known = ", ".join(dtype.name for dtype in _CODES)
        raise TypeError(
            f"write_idx: IDX has no {array.dtype}; it has {known}: convert with array.astype(…)"
        )
    if not 1 <= array.ndim <= _MAX_AXES or max(array.shape) >= 2**32:
        raise ValueError(
            f"write_idx: shape {array.shape} does not fit IDX: it has 1 to {_MAX_AXES} axes of "
            f"less than 2**32 elements"
        )
    code = _CODES[native]
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    data = header + np.asarray(array, _TYPES[code], order="C").tobytes()
    path = Path(path)
    write_atomically(path, [pack(data) if path.name.endswith(".gz") else data])
