"""Digits as text: a line for each image, its pixels and its label separated by commas."""

import math
import os
from pathlib import Path
from typing import Literal

import numpy as np

from .files import Reader

__all__ = ["read_csv"]


def read_csv(
    path: str | os.PathLike[str],
    label: Literal["first", "last"] = "last",
    size: tuple[int, int] | None = None,
    *,
    max_bytes: int = 1 << 28,
) -> tuple[np.ndarray, np.ndarray]:
    """Read grey images with labels from a CSV file, gzipped or not.

    Args:
        path: a regular file. Its first line may be a header: one that does not begin with a digit.
        label: whether the label comes after the pixels or before them.
        size: (H, W); None: they are square.
        max_bytes: refuse a larger file, and more text when it is unpacked. The memory used is up to
            nine times as much.

    Returns:
        (images, labels): (N, H, W) uint8 and (N,) int64.

    Raises:
        OSError: the file cannot be opened.
        DataError (a ValueError): a line has another number of values than the first, a value is no
            whole number or has a sign, a pixel is more than 255; there are no lines; the number of
            pixels does not fit size; the file is damaged or larger than allowed. Lines are counted
            from 1.
        ValueError: label is neither 'first' nor 'last'; size is not two positive numbers.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "digits.csv")
    ...     _ = file.write_text("0,255,255,0,7\\n9,8,7,6,1\\n")
    ...     images, labels = read_csv(file)
    >>> images.tolist(), labels.tolist()
    ([[[0, 255], [255, 0]], [[9, 8], [7, 6]]], [7, 1])
    """
    if label not in ("first", "last"):
        raise ValueError(f"read_csv: label must be 'first' or 'last', not {label!r}")
    if size is not None and not (len(size) == 2 and min(size) >= 1):
        raise ValueError(f"read_csv: size must be (H, W), each at least 1, not {size!r}")
    with Reader(Path(path), "CSV file of images", max_bytes) as reader:
        text = reader.at_most(max_bytes + 1)
        if len(text) > max_bytes:
            raise reader.refusal(f"it unpacks to more than the {max_bytes:,} bytes allowed")
        values, first_line = _parse(reader, bytes(text))
        pixels = values.shape[1] - 1
        shape = (math.isqrt(pixels),) * 2 if size is None else tuple(size)
        if pixels < 1 or math.prod(shape) != pixels:
            wanted = "is no square; say size=(H, W)" if size is None else f"does not fit {shape}"
            raise reader.refusal(f"{pixels} pixels a line {wanted}")
        labels, images = (
            (values[:, -1], values[:, :-1]) if label == "last" else (values[:, 0], values[:, 1:])
        )
        wrong = np.argwhere(images > 255)
        if len(wrong):
            row, column = wrong[0]
            hint = "" if label == "last" else "; is the label last?"
            raise reader.refusal(
                f"line {row + first_line}: pixel {column} is {images[row, column]}, "
                f"not in 0 … 255{hint}"
            )
    images = images.astype(np.uint8).reshape(-1, *shape)
    return images, labels.astype(np.int64)


def _parse(reader: Reader, text: bytes) -> tuple[np.ndarray, int]:
    """All values as (lines, values of a line) int64, and the number of the first line of them."""
    lines = text.split(b"\n")
    if lines and not lines[-1].strip():
        lines.pop()
    begin = 1 if lines and not lines[0].lstrip()[:1].isdigit() else 0
    lines = lines[begin:]
    if not lines:
        raise reader.refusal("it has no lines of numbers")
    # NumPy's parser takes signs, exponents, comments and blank lines; here it gets numbers alone.
    commas = lines[0].count(b",")
    for number, line in enumerate(lines, begin + 1):
        if line.count(b",") != commas:
            raise reader.refusal(
                f"line {number} has {line.count(b',') + 1} values, the first has {commas + 1}"
            )
        if line.translate(None, b"0123456789, \t\r"):
            raise reader.refusal(f"line {number} has more in it than whole numbers and commas")
    try:
        values = np.loadtxt(
            [line.decode("ascii") for line in lines],
            dtype=np.int64, delimiter=",", comments=None, ndmin=2,
        )  # fmt: skip
    except ValueError as error:  # an empty value, two numbers in one, more than 64 bits
        raise reader.refusal(f"it has a value that is no number ({error})"[:400]) from error
    return values, begin + 1
