"""Files of data: opened with care, read up to a cap, written whole or not at all.

A file of data may come from anywhere. Nothing is believed about it before it has been compared with
what is there: neither that it is a file, nor how large it says its contents are, nor that what is
packed in it unpacks to something of a reasonable size.
"""

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

__all__ = ["DataError", "Reader", "open_regular", "write_atomically"]

_CHUNK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
# Deflate makes at most 258 bytes of two bits: no stream holds more than this many times its size.
_DEFLATE_RATIO = 1032


class DataError(ValueError):
    """A file that cannot be read as what it is given for; the text names it and says why."""


def open_regular(path: Path, max_bytes: int) -> BinaryIO:
    """Open a regular file of at most max_bytes.

    Raises:
        OSError: it cannot be opened.
        DataError: it is a folder, a pipe or a device, or larger.
    """
    # Without O_NONBLOCK, to open a named pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{path}: it is not a regular file")
        if status.st_size > max_bytes:
            raise DataError(
                f"{path}: {status.st_size:,} bytes is more than the {max_bytes:,} allowed"
            )
        file = os.fdopen(descriptor, "rb")
    finally:
        if file is None:
            os.close(descriptor)
    return file


class Reader:
    """The bytes of a file in order, unpacked where it is packed with gzip (whatever its name is).

    Args:
        path: a regular file.
        what: what it should be, for errors: "IDX file".
        max_bytes: of the file as it lies on the disk.

    Use it in a ``with`` statement. Errors of reading are DataErrors.
    """

    def __init__(self, path: Path, what: str, max_bytes: int) -> None:
        self.path, self.what = path, what
        self._file = open_regular(path, max_bytes)
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self._packed = self._file.read(2) == _GZIP_MAGIC
            self._file.seek(0)
        except BaseException:
            self._file.close()
            raise
        self._stream: BinaryIO = gzip.GzipFile(fileobj=self._file) if self._packed else self._file
        self._position = 0

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        self._stream.close()
        self._file.close()

    def refusal(self, problem: str) -> DataError:
        return DataError(f"{self.path}: not a usable {self.what}: {problem}")

    def check_holds(self, count: int, what: str) -> None:
        """Refuse a count of further bytes that the file cannot have, before memory is taken."""
        most = self._size * (_DEFLATE_RATIO if self._packed else 1)
        if count > most - self._position:
            shown = f"{self._size:,} packed bytes" if self._packed else f"{self._size:,} bytes"
            raise self.refusal(
                f"{what} takes {count:,} bytes but the file has {shown}: it is cut off"
            )

    def exactly(self, count: int, what: str) -> bytearray:
        """The next count bytes.

        Memory is taken as they come, so a packed file that claims more than it has costs what it
        has.
        """
        data = self.at_most(count)
        if len(data) < count:
            raise self.refusal(f"it ends inside {what}, after {len(data):,} of {count:,} bytes")
        return data

    def at_most(self, count: int) -> bytearray:
        """The next count bytes, or fewer where the file ends."""
        data = bytearray()
        while len(data) < count:
            try:
                chunk = self._stream.read(min(_CHUNK, count - len(data)))
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise self.refusal(f"its gzip packing is damaged or cut off ({error})") from error
            if not chunk:
                break
            data += chunk
        self._position += len(data)
        return data

    def check_end(self) -> None:
        """Refuse bytes that follow; reading to the end is also what compares gzip's checksum."""
        if self.at_most(1):
            raise self.refusal(f"more bytes follow its {self._position - 1:,} bytes of data")


def pack(data: bytes) -> bytes:
    """The bytes as gzip; equal bytes give equal packing: it notes neither a name nor the time."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as file:
        file.write(data)
    return packed.getvalue()


def write_atomically(path: Path, chunks: Iterable[bytes | memoryview]) -> None:
    """Write all chunks or nothing.

    They go to a new file beside ``path``, which takes its place only when they are on the disk: a
    reader sees the old file or the new one, and a failure leaves the old one.

    Raises:
        OSError: the file cannot be written.
    """
    temporary, file = _new_file_beside(path)
    try:
        with file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    # The name is in the folder, which has to reach the disk as well.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _new_file_beside(path: Path) -> tuple[Path, BinaryIO]:
    """A file that nobody else has. A process that was killed may have left one of our number: in
    containers numbers come again and again."""
    for attempt in range(1000):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{attempt}.tmp")
        try:
            return temporary, temporary.open("xb")
        except FileExistsError:
            continue
    raise FileExistsError(f"{path.parent}: too many files like {temporary.name}; remove them")
