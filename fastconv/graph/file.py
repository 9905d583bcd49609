"""A compiled network in a file.

    8 bytes     MAGIC
    8 bytes     length of the header, little-endian
    header      JSON: the graph, what it was compiled with, and where each array lies
    4 bytes     crc32 of the header
    arrays      each from a multiple of 64 bytes on, little-endian

Beside the plain arrays there are the forms that the engine had made of the weights: who has the
same version and instruction set takes these, which are mapped into memory and not read before they
are used. Anybody else makes their own of the plain ones. Of linear layers that were rounded to
bfloat16 there are no plain ones: what was packed is the same for every instruction set.

A file is not to be trusted. Nothing in it can run code; every number is compared with the size of
the file, every array has a checksum, and what a program may touch is checked by the engine as it is
for a graph that was traced.
"""

import functools
import json
import mmap
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastconv import runtime
from fastconv.data.files import DataError, open_regular, write_atomically

from .ir import Graph, Node, Value
from .shapes import shape_of

MAGIC = b"FCNET\0\0\2"
_HEADER = struct.Struct("<8sQ")
_ALIGNMENT = 64
_BLOCK = 512  # words that are summed before the checksum
MAX_HEADER = 1 << 26
MAX_FILE = 1 << 36


class Stored(NamedTuple):
    """What a file holds: the graph, whose arrays are views of the file, and those that were rounded
    to bfloat16 as the engine packs them; the structure of the network's result; what else ``write``
    was told; and by the number of a conv2d's node the engine's forms of its weights, (key, bytes),
    if this engine can use them, and then a function that raises where the plain weights are
    damaged, which nobody has looked at."""

    graph: Graph
    structure: Any
    settings: dict[str, Any]
    forms: dict[int, list[tuple[tuple, np.ndarray]]]
    checks: dict[int, Callable[[], None]]


def write(path: Path, stored: Stored) -> None:
    """Write the file, or leave what was there. All arrays of the graph are plain."""
    arrays: list[np.ndarray] = []
    places: list[dict[str, Any]] = []
    offset = 0

    def place(array: np.ndarray) -> int:
        nonlocal offset
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        arrays.append(array)
        places.append(
            {
                "offset": offset,
                "shape": array.shape,
                "dtype": array.dtype.name,
                "sum": checksum(array),
            }
        )
        offset += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        return len(places) - 1

    graph = stored.graph
    numbers = {value: i for i, value in enumerate(graph.inputs)}
    nodes = []
    for i, node in enumerate(graph.nodes):
        numbers[node.output] = len(graph.inputs) + i
        nodes.append(
            {
                "kind": node.kind,
                "layer": node.layer,
                "inputs": [numbers[value] for value in node.inputs],
                "shape": node.output.shape,
                "options": node.options,
                "arrays": {name: place(array) for name, array in node.arrays.items()},
                "forms": [[*key, place(form)] for key, form in stored.forms.get(i, ())],
            }
        )
    header = {
        **stored.settings,
        "engine": _engine(),
        "dtype": graph.dtype.name,
        "fixed": graph.fixed,
        "inputs": [value.shape for value in graph.inputs],
        "nodes": nodes,
        "outputs": [numbers[value] for value in graph.outputs],
        "structure": _described(stored.structure),
        "arrays": places,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    begin = _HEADER.pack(MAGIC, len(text)) + text + struct.pack("<I", zlib.crc32(text))
    write_atomically(path, _chunks(begin, arrays))


def _chunks(begin: bytes, arrays: list[np.ndarray]) -> Iterator[bytes | memoryview]:
    yield begin + bytes(-len(begin) % _ALIGNMENT)
    for array in arrays:
        yield memoryview(array.reshape(-1).view(np.uint8))
        yield bytes(-array.nbytes % _ALIGNMENT)


def read(path: Path) -> Stored:
    """What the file holds.

    Raises:
        OSError: it cannot be opened. DataError: it is damaged, or no such file.
    """
    with open_regular(path, MAX_FILE) as file:
        size = os.fstat(file.fileno()).st_size
        if size < _HEADER.size:
            raise _refusal(path, f"it has {size} bytes")
        mapped = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    magic, length = _HEADER.unpack_from(mapped)
    if magic[:5] != MAGIC[:5]:
        raise _refusal(path, "it does not begin as one")
    if magic != MAGIC:
        raise _refusal(path, f"its format is number {magic[-1]}, this version reads {MAGIC[-1]}")
    end = _HEADER.size + length
    if length > MAX_HEADER or end + 4 > size:
        raise _refusal(path, f"it ends within its header of {length:,} bytes")
    text = mapped[_HEADER.size : end]
    if struct.unpack_from("<I", mapped, end)[0] != zlib.crc32(text):
        raise _refusal(path, "its header is damaged: the checksum is another")
    begin = -(-(end + 4) // _ALIGNMENT) * _ALIGNMENT
    try:
        header = json.loads(text)
        return _Reader(path, np.frombuffer(mapped, np.uint8), begin, header).stored()
    except DataError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _refusal(path, f"{type(error).__name__}: {error}") from error


def _refusal(path: Path, why: str) -> DataError:
    return DataError(f"{path}: not a usable compiled network: {why}")


class _Reader:
    """Of one header; what it gets wrong raises one error or another, which `read` names."""

    def __init__(self, path: Path, contents: np.ndarray, begin: int, header: dict) -> None:
        self.path, self.contents, self.begin, self.header = path, contents, begin, header

    def stored(self) -> Stored:
        header = self.header
        dtype = np.dtype(header["dtype"])
        if dtype not in (np.float32, np.float64):
            raise ValueError(f"dtype {dtype}")
        inputs = [Value(_shape(shape)) for shape in header["inputs"]]
        values = list(inputs)
        same = header["engine"] == _engine()
        weights = header.get("weights")
        nodes: list[Node] = []
        forms: dict[int, list] = {}
        checks: dict[int, Callable[[], None]] = {}
        for told in header["nodes"]:
            options = {name: _frozen(value) for name, value in told["options"].items()}
            # Forms stand for the weights: then these are not touched, and not looked at.
            used = same and told["forms"] and told["kind"] == "conv2d"
            rounded = weights is not None and told["kind"] == "linear"
            arrays = {
                name: self.array(
                    i,
                    np.dtype(np.uint32) if rounded and name == "weight" else dtype,
                    check=not (used and name == "weight"),
                )
                for name, i in told["arrays"].items()
            }
            taken = [values[_index(i, len(values))] for i in told["inputs"]]
            node = Node(
                str(told["kind"]), taken, _shape(told["shape"]), str(told["layer"]), arrays, options
            )
            self.fits(node, dtype, inputs, rounded)
            if used:
                forms[len(nodes)] = [
                    (tuple(map(int, key)), self.array(i, np.dtype(np.uint8)))
                    for *key, i in told["forms"]
                ]
                told_of = header["arrays"][told["arrays"]["weight"]]
                checks[len(nodes)] = functools.partial(
                    self.compare, arrays["weight"], told_of["sum"]
                )
            nodes.append(node)
            values.append(node.output)
        outputs = [values[_index(i, len(values))] for i in header["outputs"]]
        graph = Graph(inputs, nodes, outputs, dtype, str(header["fixed"]))
        graph.check()
        structure = _restored(header["structure"], len(outputs))
        settings = {"precision": str(header["precision"]), "weights": weights}
        return Stored(graph, structure, settings, forms, checks)

    @staticmethod
    def fits(node: Node, dtype: np.dtype, inputs: list[Value], rounded: bool) -> None:
        """Raise where a node cannot be, or has another result than the file says. Of weights that
        were rounded the engine compares the size."""
        if rounded:
            (x,) = node.inputs
            same = "weight" in node.arrays and x.shape[:-1] == node.output.shape[:-1]
            same = same and len(x.shape) == len(node.output.shape) > 0
        else:
            same = shape_of(node, dtype, [value.shape for value in inputs]) == node.output.shape
        if not same:
            raise ValueError(f"{node.kind} makes no {node.output.shape}")

    def array(self, i: Any, dtype: np.dtype, check: bool = True) -> np.ndarray:
        """A view of the file."""
        told = self.header["arrays"][_index(i, len(self.header["arrays"]))]
        shape = _shape(told["shape"])
        if told["dtype"] != dtype.name:
            raise ValueError(f"an array of {told['dtype']} where {dtype} is expected")
        start = self.begin + _index(told["offset"], len(self.contents))
        size = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if told["offset"] % _ALIGNMENT or start + size > len(self.contents):
            raise ValueError(f"an array of {size:,} bytes ends behind the file")
        found = self.contents[start : start + size].view(dtype.newbyteorder("<")).reshape(shape)
        if sys.byteorder == "big":
            found = found.astype(dtype)
        if check:
            self.compare(found, told["sum"])
        return found

    def compare(self, array: np.ndarray, told: Any) -> None:
        """Raise where an array is not what was written."""
        if checksum(array) != told:
            raise _refusal(self.path, "an array is damaged: its checksum is another")


def checksum(array: np.ndarray) -> int:
    """crc32 of the sums of 512 words each: as fast as memory, and no flipped bit is missed."""
    contents = array.reshape(-1).view(np.uint8)
    words = contents[: len(contents) // 8 * 8].view("<u8")
    blocks = words[: len(words) // _BLOCK * _BLOCK].reshape(-1, _BLOCK).sum(axis=1, dtype=np.uint64)
    rest = contents[blocks.size * _BLOCK * 8 :]
    return zlib.crc32(rest.tobytes(), zlib.crc32(blocks.astype("<u8").tobytes()))


def _engine() -> list[str]:
    """What packed forms depend on."""
    return [str(runtime.version), str(runtime.facts()["tier_in_use"])]


def _shape(sizes: Any) -> tuple[int, ...]:
    if not isinstance(sizes, list) or not all(type(n) is int and 0 < n < 2**40 for n in sizes):
        raise ValueError(f"{sizes!r} is no shape")
    return tuple(sizes)


def _index(i: Any, count: int) -> int:
    if type(i) is not int or not 0 <= i < count:
        raise ValueError(f"{i!r} is no number of {count}")
    return i


def _frozen(value: Any) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _described(structure: Any) -> Any:
    if structure is None or isinstance(structure, int):
        return structure
    if isinstance(structure, dict):
        return {"dict": {name: _described(part) for name, part in structure.items()}}
    kind = "list" if isinstance(structure, list) else "tuple"
    return {kind: [_described(part) for part in structure]}


def _restored(told: Any, outputs: int) -> Any:
    if told is None:
        return None
    if isinstance(told, int):
        return _index(told, outputs)
    [(kind, parts)] = told.items()
    if kind == "dict":
        return {name: _restored(part, outputs) for name, part in parts.items()}
    restored = [_restored(part, outputs) for part in parts]
    return restored if kind == "list" else tuple(restored)
