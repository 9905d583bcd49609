"""Packed files: the bytes of one file, split into planes, each compressed with xz.

What fastconv brings along is stored so, since it makes the package smaller than deflate does, with
which a wheel is packed. The bytes of numbers of two bytes, as float16 is, compress better apart:
the high ones, sign and exponent, are much alike, and the low ones hardly compress at all.

    bytes         contents
    0 … 7         b"FCPLANES"
    8 … 11        number of planes P, 1 … 8; this and all other numbers are little-endian
    12 … 19       size of what is packed, N
    20 … 51       SHA-256 of what is packed
    52 …          P numbers of eight bytes: the sizes of the packed planes
    then          the packed planes one after another, each one .xz stream; nothing follows

Plane p is the bytes p, p + P, p + 2P, … of what is packed.

Sources: The .xz File Format, version 1.2.1 (tukaani.org); I. Pavlov's LZMA2 within it, by Python's
module lzma. Splitting numbers into planes of bytes: HDF5's shuffle filter.
"""

import hashlib
import os
import struct
from pathlib import Path
from types import ModuleType

import numpy as np

from .files import DataError, open_regular, write_atomically

__all__ = ["read_packed", "write_packed"]

_MAGIC = b"FCPLANES"
_HEADER = struct.Struct("<8sIQ32s")
_MAX_PLANES = 8
# A plane is decompressed with a dictionary, whose size its packer chooses: ours is 4 MiB.
_DICTIONARY = 1 << 22
_MEMORY_LIMIT = 1 << 24
# Planes of so many bytes are packed in two ways, of which the shorter is taken.
_LONG = 1 << 16


def read_packed(path: str | os.PathLike[str], *, max_bytes: int) -> bytes:
    """What is packed in a file that write_packed wrote.

    Nothing is believed before it has been compared with what is there. The file and what it says is
    packed in it are at most max_bytes; no plane is decompressed beyond the size that follows from
    that; the digest must be right. It takes memory for about twice what is packed.

    Raises:
        OSError: the file cannot be opened or read.
        DataError (a ValueError): it is not such a file, is damaged or cut off, or holds more than
            max_bytes.
        ImportError: this Python was built without its module lzma.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_packed(folder + "/a.xzp", b"abcabc", planes=3)
    ...     read_packed(folder + "/a.xzp", max_bytes=1000)
    b'abcabc'
    """
    path = Path(path)
    lzma = _load_lzma(path)
    with open_regular(path, max_bytes) as file:
        packed = file.read(max_bytes + 1)
    planes, size, digest, position = _check_header(path, packed, max_bytes)
    parts = []
    for plane, length in enumerate(planes):
        count = len(range(plane, size, len(planes)))
        stream = memoryview(packed)[position : position + length]
        parts.append(_unpack(path, lzma, stream, count, f"plane {plane}"))
        position += length
    if len(parts) == 1:
        contents = parts[0]
    else:
        whole = np.empty(size, np.uint8)
        for plane, part in enumerate(parts):
            whole[plane :: len(parts)] = np.frombuffer(part, np.uint8)
        contents = whole.tobytes()
    if hashlib.sha256(contents).digest() != digest:
        raise _refusal(path, "its SHA-256 is another: it is damaged")
    return contents


def write_packed(path: str | os.PathLike[str], contents: bytes, *, planes: int) -> None:
    """Pack bytes into a file, all of it or nothing; equal bytes give equal files, with one liblzma.

    Args:
        planes: 1 … 8: the size of the numbers that contents are made of.

    Raises:
        OSError: the file cannot be written.
        ValueError: planes is another number.
        ImportError: this Python was built without its module lzma.
    """
    if not 1 <= planes <= _MAX_PLANES:
        raise ValueError(f"write_packed: planes must be 1 … {_MAX_PLANES}, not {planes}")
    path = Path(path)
    lzma = _load_lzma(path)
    parts = [_pack(lzma, contents[plane::planes]) for plane in range(planes)]
    digest = hashlib.sha256(contents).digest()
    header = _HEADER.pack(_MAGIC, planes, len(contents), digest)
    sizes = struct.pack(f"<{planes}Q", *map(len, parts))
    write_atomically(path, [header, sizes, *parts])


def _pack(lzma: ModuleType, plane: bytes) -> bytes:
    """A stream that predicts each byte from the high half of the one before, or, if that makes a
    long one shorter, from none. Where it stands tells nothing. No check of xz's own: the digest is
    of everything.
    """
    model = {
        "id": lzma.FILTER_LZMA2,
        "preset": 9 | lzma.PRESET_EXTREME,
        "dict_size": _DICTIONARY,
        "lp": 0,
        "pb": 0,
    }
    return min(
        (
            lzma.compress(plane, lzma.FORMAT_XZ, lzma.CHECK_NONE, filters=[model | {"lc": bits}])
            for bits in ((4, 0) if len(plane) >= _LONG else (4,))
        ),
        key=len,
    )


def _load_lzma(path: Path) -> ModuleType:
    # Here, as the module is missing where Python was built without liblzma, which only this needs.
    try:
        import lzma
    except ImportError as error:
        raise ImportError(
            f"{path.name} is packed with xz, and this Python was built without its module lzma "
            f"({error}): install liblzma's headers (Debian, Ubuntu: liblzma-dev) and build Python "
            "again, or use the system's Python"
        ) from error
    return lzma


def _refusal(path: Path, problem: str) -> DataError:
    return DataError(f"{path}: not a usable packed file: {problem}")


def _check_header(
    path: Path, packed: bytes, max_bytes: int
) -> tuple[tuple[int, ...], int, bytes, int]:
    """(sizes of the packed planes, size of what is packed, its digest, where the planes begin)."""
    if not packed.startswith(_MAGIC):
        raise _refusal(path, f"it begins with {packed[:8].hex(' ') or 'nothing'}")
    if len(packed) < _HEADER.size:
        raise _refusal(path, f"it ends inside its header, after {len(packed)} bytes")
    _, count, size, digest = _HEADER.unpack_from(packed)
    if not 1 <= count <= _MAX_PLANES:
        raise _refusal(path, f"it claims {count:,} planes; 1 … {_MAX_PLANES} are read")
    if size > max_bytes:
        raise _refusal(
            path, f"it claims to hold {size:,} bytes, more than the {max_bytes:,} allowed"
        )
    begin = _HEADER.size + 8 * count
    if len(packed) < begin:
        raise _refusal(path, f"it ends inside its header, after {len(packed)} bytes")
    planes = struct.unpack_from(f"<{count}Q", packed, _HEADER.size)
    if begin + sum(planes) != len(packed):
        raise _refusal(
            path,
            f"its planes take {sum(planes):,} bytes, but {len(packed) - begin:,} follow its "
            "header: it is cut off, or more follows",
        )
    return planes, size, digest, begin


def _unpack(path: Path, lzma: ModuleType, stream: memoryview, count: int, what: str) -> bytes:
    """The count bytes of a plane, of which one more is asked for, to see whether it has more."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY_LIMIT)
    try:
        plane = unpacker.decompress(stream, count + 1)
    except lzma.LZMAError as error:
        raise _refusal(path, f"{what} is damaged ({error})") from error
    if len(plane) > count:
        raise _refusal(path, f"{what} holds more than its {count:,} bytes")
    if not unpacker.eof:
        raise _refusal(path, f"{what} is cut off after {len(plane):,} of {count:,} bytes")
    if len(plane) != count:
        raise _refusal(path, f"{what} has {len(plane):,} bytes, not {count:,}")
    if unpacker.unused_data:
        raise _refusal(path, f"{len(unpacker.unused_data):,} bytes follow the stream of {what}")
    return plane
