"""The safetensors reader against hostile files, and the round trip through the writer."""

import json
import os
import struct

import numpy as np
import pytest

from fastconv.models import safetensors

WEIGHTS = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def write(path, header, data=b"", length=None):
    """A file with that header (bytes, or what JSON is made of) and those bytes of tensors."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize(
    "dtype",
    ["<f8", ">f8", "<f4", ">f4", "<f2", ">f2", "i8", ">i4", "i2", "i1", "u8", "u4", "u2", "u1"],
)
def test_round_trip_of_every_dtype(file, dtype):
    array = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    safetensors.save(file, {"a": array})
    result = safetensors.load(file)["a"]
    assert result.dtype == np.dtype(dtype).newbyteorder("=")
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.flags.owndata
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (1,) * 32])
def test_round_trip_of_odd_shapes(file, shape):
    tensors = {"odd": np.ones(shape, np.float32), "after": np.arange(3.0), "flag": np.array([True])}
    safetensors.save(file, tensors, {"who": "ünïcode"})
    result = safetensors.load(file)
    assert set(result) == set(tensors)
    for name, array in tensors.items():
        assert result[name].dtype == array.dtype
        np.testing.assert_array_equal(result[name], array)


def test_metadata_round_trip(file):
    safetensors.save(file, {"a": np.ones(2)}, {"who": "ünïcode", "": "\n"})
    tensors, metadata = safetensors.read(file)
    assert metadata == {"who": "ünïcode", "": "\n"}
    np.testing.assert_array_equal(tensors["a"], np.ones(2))
    safetensors.save(file, {})
    assert safetensors.read(file) == ({}, {})


def test_contents_in_memory_are_read_as_a_file_is(file):
    safetensors.save(file, {"a": np.ones((2, 3), np.float16)}, {"who": "me"})
    contents = file.read_bytes()
    tensors, metadata = safetensors.parse(contents, "somewhere", np.float32)
    assert metadata == {"who": "me"}
    assert tensors["a"].dtype == np.float32
    np.testing.assert_array_equal(tensors["a"], np.ones((2, 3)))
    tensors["a"][:] = 0  # its own memory
    for length in range(len(contents)):
        with pytest.raises(ValueError, match=r"^somewhere: not a usable safetensors file"):
            safetensors.parse(contents[:length], "somewhere")
    with pytest.raises(TypeError, match="floating"):
        safetensors.parse(contents, "somewhere", np.int32)


def test_a_left_over_temporary_file_is_no_obstacle(file):
    # Of a process with our number that was killed while it wrote.
    stale = file.with_name(f".{file.name}.{os.getpid()}.0.tmp")
    stale.write_bytes(b"half")
    safetensors.save(file, {"a": np.ones(2)})
    assert stale.read_bytes() == b"half"
    assert list(safetensors.load(file)) == ["a"]
    assert sorted(file.parent.iterdir()) == sorted([stale, file])


def test_strided_arrays_are_stored_in_order(file):
    array = np.arange(24, dtype=np.float32).reshape(4, 6)[::-2, ::3].T
    safetensors.save(file, {"a": array})
    np.testing.assert_array_equal(safetensors.load(file)["a"], array)


def test_conversion_leaves_integers_alone(file):
    safetensors.save(file, {"h": np.array([0.5], np.float16), "i": np.array([7], np.int16)})
    result = safetensors.load(file, np.float32)
    assert (result["h"].dtype, result["h"][0]) == (np.float32, 0.5)
    assert (result["i"].dtype, result["i"][0]) == (np.int16, 7)
    with pytest.raises(TypeError, match="floating"):
        safetensors.load(file, np.int32)


def test_bytes_do_not_depend_on_the_order_of_the_tensors(tmp_path):
    one, two = np.ones(3, np.float32), np.ones(2)
    safetensors.save(tmp_path / "a", {"one": one, "two": two})
    safetensors.save(tmp_path / "b", {"two": two, "one": one})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_header_may_end_in_spaces_and_data_may_be_out_of_order(file):
    header = {
        "second": {"dtype": "U8", "shape": [2], "data_offsets": [4, 6]},
        "first": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
        "__metadata__": {"format": "np"},
    }
    text = json.dumps(header).encode() + b"   "
    result = safetensors.load(write(file, text, struct.pack("<fBB", 2.5, 8, 9)))
    assert result["first"] == 2.5
    assert result["second"].tolist() == [8, 9]


def entry(**changes):
    return {"w": WEIGHTS | changes}


HOSTILE = {
    "empty": (b"", "too few"),
    "only a length": (struct.pack("<Q", 2), "claims 2 bytes"),
    "giant header": (struct.pack("<Q", 2**63) + b"{}", "more than"),
    "header over the cap": (struct.pack("<Q", 1 << 21) + b"{" + b" " * (1 << 21), "more than"),
    "header past the end": (struct.pack("<Q", 100) + b"{}", "claims 100 bytes"),
    "not JSON": (b"not json", "not valid JSON"),
    "not UTF-8": (b'{"\xff": 1}', "not valid JSON"),
    "NaN": (b'{"w": NaN}', "not valid JSON"),
    "a list": ([], "not a JSON object"),
    "a number": (7, "not a JSON object"),
    "nested by the thousand": (b"[" * 200_000, "not valid JSON"),
    "a number of 5000 digits": (b'{"w": ' + b"9" * 5000 + b"}", "not valid JSON"),
    "duplicate names": (b'{"w": 1, "w": 1}', "occurs twice"),
    "duplicate keys inside": (b'{"w": {"dtype": "F32", "dtype": "F32"}}', "occurs twice"),
    "entry is no object": ({"w": 3}, "must have dtype"),
    "entry lacks offsets": ({"w": {"dtype": "F32", "shape": [2, 3]}}, "must have dtype"),
    "entry has more": (entry(extra=1), "must have dtype"),
    "unknown dtype": (entry(dtype="F31"), "dtype 'F31'"),
    "bfloat16": (entry(dtype="BF16"), "dtype 'BF16'"),
    "dtype is no text": (entry(dtype=["F32"]), "has dtype"),
    "dtype of another size": (entry(dtype="F64"), "takes 48 bytes"),
    "negative size": (entry(shape=[-2, -3]), "none negative"),
    "size is a float": (entry(shape=[2.0, 3]), "integers"),
    "size is a truth value": (entry(shape=[True, 6]), "integers"),
    "shape is no list": (entry(shape=6), "integers"),
    "too many dimensions": (entry(shape=[1] * 33), "at most 32"),
    "sizes that overflow 64 bits": (entry(shape=[2**32, 2**32, 2**32]), "too large"),
    "empty, but with a giant size": (entry(shape=[0, 2**62, 8], data_offsets=[0, 0]), "too large"),
    "shape does not fit the bytes": (entry(shape=[2, 4]), "takes 32 bytes"),
    "negative offset": (entry(data_offsets=[-24, 0]), "none negative"),
    "offsets reversed": (entry(data_offsets=[24, 0]), "span -24"),
    "three offsets": (entry(data_offsets=[0, 12, 24]), "two integers"),
    "offset is text": (entry(data_offsets=["0", "24"]), "two integers"),
    "begins after a gap": (entry(data_offsets=[4, 28]), "cut off"),
    "offsets past the end": (entry(data_offsets=[2**40, 2**40 + 24]), "cut off"),
    "truncated data": (entry(shape=[2, 4], data_offsets=[0, 32]), "cut off"),
    "bytes left over": (entry(shape=[1, 3], data_offsets=[0, 12]), "12 bytes follow"),
    "no tensors, but bytes": ({}, "24 bytes follow"),
    "overlap": (
        {
            "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]},
        },
        "overlaps",
    ),
    "the same bytes twice": ({"a": WEIGHTS, "b": WEIGHTS}, "overlaps"),
    "gap between": (
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [16, 24]},
        },
        "gap",
    ),
    "truth values other than 0 and 1": (
        {"w": {"dtype": "BOOL", "shape": [24], "data_offsets": [0, 24]}},
        "other than 0 and 1",
    ),
    "metadata is no object": ({"__metadata__": 3, "w": WEIGHTS}, "__metadata__"),
    "metadata is not text": ({"__metadata__": {"a": 1}, "w": WEIGHTS}, "__metadata__"),
}
RAW = {"empty", "only a length", "giant header", "header over the cap", "header past the end"}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused_in_one_line(file, case):
    header, message = HOSTILE[case]
    if case in RAW:
        file.write_bytes(header)
    else:
        write(file, header, b"\x02" * 24)
    with pytest.raises(ValueError, match=message) as caught:
        safetensors.load(file)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{file}: not a usable safetensors file: ")
    assert len(str(caught.value)) < 500 + len(str(file))


def test_every_truncation_is_refused(file):
    safetensors.save(file, {"a": np.ones(5, np.float32), "b": np.ones((2, 2), np.float16)})
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="not a usable safetensors file"):
            safetensors.load(file)


def test_damaged_bytes_give_arrays_or_a_value_error(file):
    safetensors.save(file, {"a": np.ones(5, np.float32), "b": np.ones((2, 2), np.float16)})
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        file.write_bytes(damaged)
        try:
            result = safetensors.load(file, np.float32)
        except ValueError:
            continue
        assert sum(array.nbytes for array in result.values()) < 4 * len(whole)


def test_file_over_the_cap_is_refused(file):
    safetensors.save(file, {"a": np.ones(100)})
    with pytest.raises(ValueError, match="allowed"):
        safetensors.load(file, max_file_bytes=200)


def test_what_is_not_a_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        safetensors.load(tmp_path / "nothing")
    with pytest.raises(ValueError, match="regular"):
        safetensors.load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_refused_at_once(file):
    os.mkfifo(file)
    with pytest.raises(ValueError, match="regular"):
        safetensors.load(file)


@pytest.mark.parametrize(
    ("tensors", "metadata", "error"),
    [
        ({"a": [1.0]}, None, TypeError),
        ({"a": np.ones(1, complex)}, None, TypeError),
        ({"a": np.array(["x"])}, None, TypeError),
        ({"a": np.array([None])}, None, TypeError),
        ({1: np.ones(1)}, None, TypeError),
        ({"__metadata__": np.ones(1)}, None, ValueError),
        ({"a": np.ones(1)}, {"n": 1}, TypeError),
    ],
)
def test_what_cannot_be_saved_leaves_the_old_file(file, tensors, metadata, error):
    safetensors.save(file, {"old": np.ones(1)})
    before = file.read_bytes()
    with pytest.raises(error, match="save: "):
        safetensors.save(file, tensors, metadata)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_failed_write_leaves_the_old_file_and_no_other(file, monkeypatch):
    safetensors.save(file, {"old": np.ones(1)})
    before = file.read_bytes()

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        safetensors.save(file, {"new": np.ones(1)})
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]
