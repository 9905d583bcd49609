"""Packed files: the round trip, damage, what a hostile one costs, and those of the package."""

import hashlib
import importlib.util
import lzma
import os
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fastconv import data, models
from fastconv.data import DataError
from fastconv.data.packed import read_packed, write_packed
from fastconv.models import squeezenet

TOOLS = Path(__file__).resolve().parent.parent / "tools"
CONTENTS = bytes(range(40)) * 3


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.xzp"


def stream(contents, check=lzma.CHECK_NONE, **filters):
    model = {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 16} | filters
    return lzma.compress(contents, lzma.FORMAT_XZ, check, filters=[model])


def build(*planes, size=None, digest=None, contents=b"", count=None, magic=b"FCPLANES"):
    """A packed file, of which anything may be a lie; ``planes`` are the streams."""
    size = len(contents) if size is None else size
    digest = hashlib.sha256(contents).digest() if digest is None else digest
    header = struct.pack("<8sIQ32s", magic, len(planes) if count is None else count, size, digest)
    return header + struct.pack(f"<{len(planes)}Q", *map(len, planes)) + b"".join(planes)


def refused(file, content, max_bytes=1000):
    """(the refusal of a file with that content, the most memory that reading it had at once)."""
    file.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            read_packed(file, max_bytes=max_bytes)
        memory = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.startswith(f"{file}: ")
    assert "\n" not in text
    return text, memory


@pytest.mark.parametrize("planes", range(1, 9))
@pytest.mark.parametrize("size", [0, 1, 2, 7, 8, 9, 1000])
def test_round_trip(file, planes, size):
    contents = np.random.default_rng(size).integers(0, 256, size, np.uint8).tobytes()
    write_packed(file, contents, planes=planes)
    assert read_packed(str(file), max_bytes=2000) == contents


def test_the_file_is_as_it_is_described(file):
    """Put together by hand, from the description at the top of the module."""
    planes = [stream(CONTENTS[0::2]), stream(CONTENTS[1::2])]
    file.write_bytes(
        b"FCPLANES" + bytes([2, 0, 0, 0]) + (120).to_bytes(8, "little")
        + hashlib.sha256(CONTENTS).digest()
        + b"".join(len(plane).to_bytes(8, "little") for plane in planes) + b"".join(planes)
    )  # fmt: skip
    assert read_packed(file, max_bytes=1000) == CONTENTS


def test_equal_contents_give_equal_files(tmp_path):
    for name in ("a", "b"):
        write_packed(tmp_path / name, CONTENTS, planes=2)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_planes_are_smaller_where_numbers_are_alike(tmp_path):
    numbers = np.random.default_rng(0).normal(0, 0.05, 20_000).astype(np.float16).tobytes()
    for planes in (1, 2):
        write_packed(tmp_path / str(planes), numbers, planes=planes)
    one, two = ((tmp_path / str(planes)).stat().st_size for planes in (1, 2))
    assert two < 0.98 * one


@pytest.mark.parametrize("planes", [0, 9, -1])
def test_other_numbers_of_planes(file, planes):
    with pytest.raises(ValueError, match="1 … 8"):
        write_packed(file, CONTENTS, planes=planes)
    assert not file.exists()


@pytest.mark.parametrize("planes", [1, 3])
def test_every_truncation_is_refused(file, planes):
    write_packed(file, CONTENTS, planes=planes)
    whole = file.read_bytes()
    for length in range(len(whole)):
        refused(file, whole[:length])


@pytest.mark.parametrize("planes", [1, 3])
def test_every_damaged_byte_is_refused(file, planes):
    """There is none that changes nothing: xz has checksums of its headers."""
    write_packed(file, CONTENTS, planes=planes)
    whole = file.read_bytes()
    for place in range(len(whole)):
        for bit in (0x01, 0x80):
            damaged = bytearray(whole)
            damaged[place] ^= bit
            refused(file, damaged)


GOOD = stream(CONTENTS)
HOSTILE = {
    "empty": (b"", "begins with nothing"),
    "another format": (GOOD, "begins with fd 37 7a 58 5a"),
    "no planes": (build(contents=CONTENTS), "claims 0 planes"),
    "nine planes": (build(*[GOOD[:80]] * 9, contents=CONTENTS), "claims 9 planes"),
    "a billion planes": (build(GOOD, contents=CONTENTS, count=1 << 30), "planes; 1 … 8"),
    "more planes than sizes": (build(count=8, contents=CONTENTS), "ends inside its header"),
    "over the cap": (build(GOOD, size=1001), "claims to hold 1,001 bytes, more than the 1,000"),
    "2**64 - 1 bytes": (build(GOOD, size=2**64 - 1), "more than the 1,000 allowed"),
    "another digest": (build(GOOD, contents=CONTENTS, digest=bytes(32)), "SHA-256"),
    "one byte less said": (build(GOOD, size=119), "holds more than its 119 bytes"),
    "one byte more said": (build(GOOD, size=121), "has 120 bytes, not 121"),
    "more after the planes": (build(GOOD, contents=CONTENTS) + b"x", "or more follows"),
    "more after a stream": (build(GOOD + b"12345678", contents=CONTENTS), "8 bytes follow the"),
    "two streams": (build(GOOD + GOOD, contents=CONTENTS), "bytes follow the stream of plane 0"),
    "half a stream": (build(GOOD[:-8], contents=CONTENTS), "is cut off after 120 of 120"),
    "an empty plane": (build(b"", contents=CONTENTS), "is cut off after 0 of 120"),
    "the planes overflow 64 bits": (
        build(GOOD, GOOD, contents=CONTENTS)[:52]
        + struct.pack("<2Q", 2**63, 2**63 + 2 * len(GOOD)) + GOOD * 2,
        "its planes take 18,446,744,073,709,",
    ),
    "the older format": (
        build(lzma.compress(CONTENTS, lzma.FORMAT_ALONE), contents=CONTENTS),
        "plane 0 is damaged",
    ),
    "a dictionary beyond the limit": (
        build(stream(CONTENTS, dict_size=1 << 26), contents=CONTENTS),
        "plane 0 is damaged (Memory usage limit exceeded)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file(file, case):
    content, says = HOSTILE[case]
    text, memory = refused(file, content)
    assert says in text
    assert memory < 1 << 20


def test_a_bomb_costs_what_its_header_says(file):
    bomb = stream(bytes(100 << 20))
    assert len(bomb) < 20_000
    text, memory = refused(file, build(bomb, size=1000), max_bytes=100_000)
    assert "holds more than its 1,000 bytes" in text
    assert memory < 1 << 20


def test_a_bomb_that_says_what_it_is_is_refused_by_the_cap(file):
    text, memory = refused(file, build(stream(bytes(100 << 20)), size=100 << 20), 100_000)
    assert "claims to hold 104,857,600 bytes" in text
    assert memory < 1 << 20


def test_what_is_no_file_or_too_large(file, tmp_path):
    with pytest.raises(FileNotFoundError):
        read_packed(file, max_bytes=10)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, "/dev/zero", tmp_path / "pipe"):
        with pytest.raises(DataError, match="not a regular file"):
            read_packed(path, max_bytes=10)
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(DataError, match="1,099,511,627,776 bytes is more than the 10 allowed"):
        read_packed(file, max_bytes=10)


def test_a_failed_write_leaves_the_old_file_and_no_other(file, monkeypatch):
    write_packed(file, CONTENTS, planes=1)

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_packed(file, b"new", planes=1)
    monkeypatch.undo()
    assert read_packed(file, max_bytes=1000) == CONTENTS
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("load", [data.digits, models.load_squeezenet1_1])
def test_a_python_without_lzma_is_told_so(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "lzma", None)
    with pytest.raises(ImportError, match=r"\.xzp is packed with xz.* without its module lzma"):
        load()


def test_digits_of_another_size_are_refused(file, monkeypatch):
    write_packed(file, CONTENTS, planes=1)
    # fastconv.data.digits is the function; its module has the same name.
    monkeypatch.setattr(sys.modules["fastconv.data.digits"], "FILE", file)
    with pytest.raises(DataError, match=r"holds 120 bytes, not 3,925,000"):
        data.digits()


def test_packed_weights_are_read_as_a_safetensors_file_is(file, monkeypatch):
    """What is packed is not believed either."""
    write_packed(file, struct.pack("<Q", 2**40) + b"{}", planes=2)
    monkeypatch.setattr(squeezenet, "WEIGHTS", file)
    with pytest.raises(ValueError, match=r"a\.xzp: not a usable safetensors file: its header cl"):
        models.load_squeezenet1_1()


def test_the_weights_are_those_that_were_converted():
    contents = read_packed(squeezenet.WEIGHTS, max_bytes=1 << 22)
    assert len(contents) == 2_476_000
    assert hashlib.sha256(contents).hexdigest() == WEIGHTS_DIGEST


# Of the safetensors file that tools/convert_squeezenet.py packs.
WEIGHTS_DIGEST = "fefddd75f26eca83fb02498d0e9395a9a5d1aff0072f932d1ac5e8e217cc6f5b"


def test_another_photograph_is_not_converted(monkeypatch):
    pytest.importorskip("PIL.Image", reason="Pillow reads the photographs")
    monkeypatch.syspath_prepend(str(TOOLS))
    spec = importlib.util.spec_from_file_location("convert", TOOLS / "convert_photograph.py")
    convert = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(convert)
    with pytest.raises(SystemExit, match="SHA-256"):
        convert.convert(b"another file")
