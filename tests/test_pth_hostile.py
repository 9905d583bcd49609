"""Hostile checkpoints of PyTorch, of both formats: code, damage, tensors that are not there."""

import io
import os
import pickle
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch_files as tf
from torch_files import Call, Name, Raw, Ref

from fastconv import models, nn
from fastconv.data import DataError
from fastconv.models import pth

ARRAYS = {
    "weight": np.arange(12, dtype="<f4").reshape(3, 2, 2),
    "count": np.array(7, "<i8"),
}
STORED = tf.storage("0")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pth"


@pytest.fixture
def load(file):
    return tf.loader(file)


# ---- code


class _Calls:
    """Pickles to a call of a function of this process."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def evil(path):
    """Pickles that would make a file if they ran."""
    touch, write = f"touch {path}", f"open({str(path)!r}, 'w')"
    system = Call(Name("os", "system"), touch)
    return {
        "os.system": system,
        "posix.system": Call(Name("posix", "system"), touch),
        "builtins.eval": Call(Name("builtins", "eval"), write),
        "builtins.exec": Call(Name("builtins", "exec"), write),
        "subprocess.Popen": Call(Name("subprocess", "Popen"), ["touch", str(path)]),
        "torch.load": Call(Name("torch", "load"), str(path)),
        "a whole module": Call(Name("torch.nn.modules.linear", "Linear")),
        "dotted": Call(Name("torch._utils", "os.system"), touch),
        "collections.namedtuple": Call(Name("collections", "namedtuple"), "a", "b"),
        "numpy": Call(Name("numpy.core.multiarray", "_reconstruct"), 1),
        "in arguments": tf.tensor(system),
        "in a key": Raw(b"}" + tf.code(system) + b"K\x01s"),
        "in an identifier": Ref("storage", system, "0", "cpu", 6),
    }


@pytest.mark.parametrize("case", evil(""))
@pytest.mark.parametrize("form", tf.FORMS)
def test_no_code_runs(tmp_path, load, form, case):
    touched = tmp_path / "touched"
    value = {"w": tf.tensor(tf.storage("0")), "evil": evil(touched)[case]}
    contents = tf.checkpoint(form, value, {"0": bytes(24)})
    with pytest.raises(DataError, match=r"names .*, which has no place among weights"):
        load(contents)
    with pytest.raises(DataError, match="names"):
        load(contents, "w")
    assert not touched.exists()


def test_what_pickle_would_run_is_refused(tmp_path, load):
    """A file that does run when it is unpickled, so that the test cannot pass by a typing error."""
    touched = tmp_path / "touched"
    for protocol in (2, 3, 4):
        hostile = pickle.dumps({"w": _Calls(os.system, f"touch {touched}")}, protocol)
        pickle.loads(hostile)
        touched.unlink()
        for contents in (tf.zipped(hostile, {}), tf.streamed(hostile, {}), hostile):
            with pytest.raises(DataError):
                load(contents)
            with pytest.raises((DataError, ValueError)):
                models.load_weights(nn.Linear(1, 1), tmp_path / "a.pth")
        assert not touched.exists()
    hostile = pickle.dumps(_Calls(os.system, f"touch {touched}"), 2)
    # In the place of every pickle of a stream.
    good = tf.streamed(tf.pickled({}), {})
    for part in (tf.pickled(1001), tf.pickled([])):
        with pytest.raises(DataError, match="which has no place among weights"):
            load(good.replace(part, hostile))
    assert not touched.exists()


INSTRUCTIONS = {
    "INST": (b"(ios\nsystem\n", "INST"),
    "OBJ": (b"(cos\nsystem\no", "names os.system"),
    "NEWOBJ": (b"ccollections\nOrderedDict\n)\x81", "NEWOBJ"),
    "STACK_GLOBAL": (tf.code("os") + tf.code("system") + b"\x93", "STACK_GLOBAL"),
    "EXT1": (b"\x82\x01", "EXT1"),
    "PERSID": (b"P0\n", "PERSID"),
    "LONG4": (b"\x8b\xff\xff\xff\x7f", "LONG4"),
    "BINBYTES8": (b"\x8e" + b"\xff" * 8, "BINBYTES8"),
    "BYTEARRAY8": (b"\x96" + b"\xff" * 8, "BYTEARRAY8"),
    "FRAME": (b"\x95" + b"\xff" * 8, "FRAME"),
    "INT": (b"I" + b"9" * 5000 + b"\n", "INT"),
    "unknown": (b"\xfe", "0xfe"),
    "a later protocol": (b"\x80\x04", "protocol 4"),
}


@pytest.mark.parametrize("case", INSTRUCTIONS)
@pytest.mark.parametrize("form", tf.FORMS)
def test_other_instructions_are_named_and_refused(load, form, case):
    instructions, message = INSTRUCTIONS[case]
    with pytest.raises(DataError, match=message):
        load(tf.checkpoint(form, Raw(instructions), {}))


# ---- damaged pickles


DAMAGED = {
    "nothing on the stack": b"",
    "two values": b"NN",
    "a mark is left": b"N(",
    "no mark": b"t",
    "no mark for items": b"}u",
    "a key without a value": b"}(Nu",
    "append to nothing": b"Na",
    "append to None": b"NNa",
    "append to a dict": b"}Na",
    "items of a list": b"](NNu",
    "item of a tuple": b")NNs",
    "tuple of too few": b"N\x86",
    "get what was not put": b"h\x05",
    "put nothing": b"q\x05",
    "put after a mark": b"(q\x05",
    "call None": b"N)R",
    "call with a list": b"ccollections\nOrderedDict\n]R",
    "call what a call made": b"ccollections\nOrderedDict\n)R)R",
    "call a dtype": b"ctorch\nFloatStorage\n)R",
    "build a global": b"ccollections\nOrderedDict\n}b",
    "build a list": b"]}b",
    "a text that is longer than all": b"X\xff\xff\xff\xffab",
    "a text that is not UTF-8": b"X\x01\x00\x00\x00\xff",
    "a number that is cut off": b"\x8a\x09ab",
    "a name without an end": b"c" + b"o" * 3000,
    "a name that is not UTF-8": b"c\xff\n\xff\n",
    "a name of many lines": b"c" + b"o" * 3000 + b"\n\n",
    "an OrderedDict of a text": tf.code(Call(tf.ORDERED_DICT, "ab")),
    "an OrderedDict of two": tf.code(Call(tf.ORDERED_DICT, [], [])),
    "an OrderedDict of numbers": tf.code(Call(tf.ORDERED_DICT, [1])),
    "a list as a key": b"}]Ns",
    "a float as a key": b"}" + tf.code(1.5) + b"Ns",
    "a tuple as a key": b"})Ns",
    "None as a key": b"}NNs",
    "a negative key": b"}" + tf.code(-1) + b"Ns",
    "a large key": b"}" + tf.code(2**31) + b"Ns",
    "the same key twice": tf.code([("a", 1), ("a", 1)]),
    "the same key twice, by two": b"}K\x01NsK\x01Ns",
    "the same key of Python 2": tf.code(Call(tf.ORDERED_DICT, [["a", 1], ["a", 1]])),
}


@pytest.mark.parametrize("case", DAMAGED)
@pytest.mark.parametrize("form", tf.FORMS)
def test_damaged_pickles(load, file, form, case):
    with pytest.raises(DataError) as caught:
        load(tf.checkpoint(form, Raw(DAMAGED[case]), {}))
    text = str(caught.value)
    assert text.startswith(f"{file}: not a usable PyTorch file: ")
    assert "\n" not in text
    assert len(text) < 500 + len(str(file))


def test_values_without_end_take_neither_time_nor_memory(load):
    """A list that has itself; a tuple of twice the tuple before, sixty times; tuples in tuples and
    marks upon marks by the ten thousand: compared, hashed, shown or gone through by
    recursion, any of them would take all memory, for ever, or the process's stack."""
    itself = b"]q\x00h\x00a"
    doubled = b")q\x00" + 60 * b"h\x00\x86q\x00"
    deep = b")" + b"\x85" * 20_000
    for instructions in (itself, doubled, deep, b"(" * 20_000 + b"t" * 20_000):
        inner = Raw(instructions)
        for value in ({"w": inner}, inner, [inner], Ref("storage", inner, "0", "cpu", 1)):
            for form in tf.FORMS:
                with pytest.raises(DataError) as caught:
                    load(tf.checkpoint(form, value, {}))
                assert len(str(caught.value)) < 700
        for hostile in (b"}" + instructions + b"Ns", tf.code(Call(tf.ORDERED_DICT, [[inner, 1]]))):
            with pytest.raises(DataError, match="key of type"):
                load(tf.zipped(tf.pickled(Raw(hostile)), {}))
        with pytest.raises(DataError, match="version 1001"):
            load(tf.streamed(tf.pickled({}), {}, version=inner))
        with pytest.raises(DataError, match="keys of storages"):
            load(tf.streamed(tf.pickled({}), {}, keys=[inner]))


def test_a_list_is_not_made_into_many_dicts(load):
    """As many dicts as a list is long, each with all of its items, would fill any memory."""
    pairs = tf.code([[str(i), None] for i in range(2000)]) + b"q\x00"
    again = 2000 * tf.code(Call(tf.ORDERED_DICT, Raw(b"h\x00")))
    tracemalloc.start()
    with pytest.raises(DataError, match="is a tuple, not a dict of tensors"):
        load(tf.zipped(tf.pickled(Raw(b"(" + pairs + again + b"t")), {}))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5e6


def test_a_memo_is_as_large_as_what_is_in_it(load):
    tracemalloc.start()
    assert load(tf.zipped(tf.pickled(Raw(b"}r\xff\xff\xff\xff")), {})) == {}
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1e6


def test_a_pickle_over_the_cap(load, monkeypatch):
    monkeypatch.setattr(pth, "_MAX_PICKLE", 1000)
    long = tf.pickled({"a": "b" * 1000})
    with pytest.raises(DataError, match=r"has 1,0.. bytes, more than 1,000"):
        load(tf.zipped(long, {}))
    with pytest.raises(DataError, match="does not end within 1,000 bytes"):
        load(tf.streamed(long, {}))


# ---- tensors that are not there


TENSORS = {
    "past the end": (tf.tensor(STORED, offset=1), "ends at element 6 of a storage of 6"),
    "far past the end": (tf.tensor(STORED, offset=2**62), "ends at element"),
    "strides past the end": (tf.tensor(STORED, strides=(2**61, 1)), "ends at element"),
    "an empty one past the end": (tf.tensor(STORED, (0,), (1,), 7), "ends at element 6"),
    "negative stride": (tf.tensor(STORED, strides=(3, -1)), "negative"),
    "negative size": (tf.tensor(STORED, shape=(-2, -3)), "negative"),
    "negative offset": (tf.tensor(STORED, offset=-1), "negative"),
    "stride 0": (tf.tensor(STORED, (2**40,), (0,)), "overlap"),
    "overlapping rows": (tf.tensor(STORED, (2, 3), (2, 1)), "overlap"),
    "the same column twice": (tf.tensor(STORED, (2, 2), (1, 1)), "overlap"),
    "sizes that overflow": (tf.tensor(STORED, (2**32, 2**32), (2**32, 1)), "too large"),
    "an empty one of giant size": (tf.tensor(STORED, (0, 2**62), (1, 1)), "too large"),
    "size of 5000 bits": (tf.tensor(STORED, (2**1900,), (1,)), "too large"),
    "too many sizes": (tf.tensor(STORED, (1,) * 33, (1,) * 33), "33 sizes"),
    "more sizes than strides": (tf.tensor(STORED, (2, 3), (1,)), "2 sizes and 1 strides"),
    "size is true": (tf.tensor(STORED, (True, 6), (6, 1)), "no integers"),
    "size is a float": (tf.tensor(STORED, (2.0, 3), (3, 1)), "no integers"),
    "shape is a list": (tf.tensor(STORED, [2, 3], (3, 1)), "no integers"),
    "shape is a number": (tf.tensor(STORED, 6, (1,)), "no integers"),
    "offset is text": (tf.tensor(STORED, offset="0"), "no integers"),
    "of no storage": (tf.tensor(3), "not made of a storage"),
    "of a tensor": (tf.tensor(tf.tensor(STORED)), "not made of a storage"),
    "of a dtype": (tf.tensor(Name("torch", "FloatStorage")), "not made of a storage"),
    "too few arguments": (Call(tf.REBUILD, STORED, 0, (6,)), "not made of a storage"),
    "too many arguments": (Call(tf.REBUILD, STORED, *[0] * 7), "not made of a storage"),
    "a parameter of nothing": (
        Call(Name("torch._utils", "_rebuild_parameter"), 1, True, {}),
        "no tensor",
    ),
    "another identifier": (Ref("module", "a", "b"), "something else than a storage"),
    "identifier is text": (Raw(tf.code("0") + b"Q"), "something else than a storage"),
    "another kind": (tf.tensor(Ref("storages", *STORED.identifier[1:])), "than a storage"),
    "type is text": (Ref("storage", "FloatStorage", "0", "cpu", 6), "than a storage of a known"),
    "type is a function": (Ref("storage", tf.ORDERED_DICT, "0", "cpu", 6), "than a storage of a"),
    "key is a number": (tf.tensor(tf.storage(0)), "than a storage"),
    "negative storage": (tf.tensor(tf.storage("0", numel=-6)), "negative or no integer"),
    "storage size is a float": (tf.tensor(tf.storage("0", numel=6.0)), "negative or no integer"),
    "a view of a storage": (
        tf.tensor(tf.storage("0", "Float", 6, ("1", 0, 3))),
        "views of storages",
    ),
    "two sizes": ((tf.tensor(STORED), tf.storage("0", numel=7)), "of two dtypes or sizes"),
    "two dtypes": ((tf.tensor(STORED), tf.storage("0", "Int")), "of two dtypes or sizes"),
    "bfloat16": (tf.tensor(tf.storage("0", "BFloat16")), "names torch.BFloat16Storage"),
}


@pytest.mark.parametrize("case", TENSORS)
@pytest.mark.parametrize("form", tf.FORMS)
def test_tensors_that_do_not_fit_are_refused_before_memory_is_taken(load, file, form, case):
    value, message = TENSORS[case]
    contents = tf.checkpoint(form, {"w": value}, {"0": bytes(24)})
    tracemalloc.start()
    with pytest.raises(DataError, match=message) as caught:
        load(contents)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2e6
    text = str(caught.value)
    assert text.startswith(f"{file}: not a usable PyTorch file: ")
    assert "\n" not in text
    assert len(text) < 1000 + len(str(file))


@pytest.mark.parametrize("form", tf.FORMS)
def test_tensors_may_together_be_no_larger_than_allowed(load, form):
    """Of a small storage many tensors can be made."""
    stored = tf.storage("0", numel=1000)
    value = {str(i): tf.tensor(stored, (1000,), (1,)) for i in range(100)}
    contents = tf.checkpoint(form, value, {"0": bytes(4000)})
    assert len(load(contents, max_bytes=400_000)) == 100
    with pytest.raises(DataError, match="take 400,000 bytes, more than the 399,999 allowed"):
        load(contents, max_bytes=399_999)
    with pytest.raises(DataError, match="take 800,000 bytes"):
        load(contents, dtype=np.float64, max_bytes=400_000)
    with pytest.raises(DataError, match="more than the 100 allowed"):
        load(contents, max_bytes=100)


@pytest.mark.parametrize("form", tf.FORMS)
def test_truth_values_other_than_0_and_1(load, form):
    value = {"w": tf.tensor(tf.storage("0", "Bool"))}
    how = {} if form == "zip" else {"itemsize": 1}
    assert load(tf.checkpoint(form, value, {"0": b"\0\1" * 3}, **how))["w"].tolist() == [
        [False, True, False],
        [True, False, True],
    ]
    with pytest.raises(DataError, match="other than 0 and 1"):
        load(tf.checkpoint(form, value, {"0": b"\0\2" * 3}, **how))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (tf.tensor(STORED), "it is a tensor, not a dict"),
        ([tf.tensor(STORED)], "it is a list, not a dict"),
        (3, "it is a int"),
        ({"w": [tf.tensor(STORED)]}, "no tensors: 'w'$"),
        ({7: tf.tensor(STORED)}, "names are no texts: 7"),
        ({"a\nb" * 100: 1}, "no tensors: "),
    ],
)
def test_values_that_are_no_dict_of_tensors(load, value, message):
    with pytest.raises(DataError, match=message) as caught:
        load(tf.zipped(tf.pickled(value), {"0": bytes(24)}))
    assert "\n" not in str(caught.value)


# ---- archives


GOOD = {"w": tf.tensor(STORED)}
PICKLE = tf.pickled(GOOD)
DATA = {"0": np.arange(6, dtype="<f4").tobytes()}


def test_archives_that_are_not_torchs(load):
    cases = [
        (tf.zipped(PICKLE, {}), "no member 'data/0'"),
        (tf.zipped(PICKLE, {"0": bytes(23)}), "has 23 bytes, expected 24"),
        (tf.zipped(PICKLE, {"0": bytes(25)}), "has 25 bytes, more than 24"),
        (tf.zipped(PICKLE, DATA, method=zipfile.ZIP_DEFLATED), "packed or encrypted"),
        (tf.zipped(PICKLE, DATA, {"byteorder": b"middle"}), "neither little nor big"),
        (tf.zipped(PICKLE, DATA, {"byteorder": bytes(100)}), "has 100 bytes, more than 16"),
        (tf.zipped(PICKLE, DATA, {"constants.pkl": b""}), "TorchScript"),
        (tf.zipped(PICKLE + b"N.", DATA), "2 bytes follow its pickle"),
        (tf.zipped(PICKLE, DATA, folder="a/b"), "0 members NAME/data.pkl"),
        (b"PK\x03\x04" + bytes(300), "not a zip file"),
        (b"PK\x03\x04", "not a zip file"),
    ]
    for contents, message in cases:
        with pytest.raises(DataError, match=message):
            load(contents)


def test_two_pickles_and_duplicates(load, recwarn):
    buffer = io.BytesIO(tf.zipped(PICKLE, DATA))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("other/data.pkl", PICKLE)
    with pytest.raises(DataError, match=r"2 members NAME/data\.pkl"):
        load(buffer.getvalue())
    buffer = io.BytesIO(tf.zipped(PICKLE, DATA))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("archive/data/0", DATA["0"])
    with pytest.raises(DataError, match="'archive/data/0' occurs twice"):
        load(buffer.getvalue())


def test_a_damaged_storage_is_noticed(load):
    contents = bytearray(tf.zipped(PICKLE, DATA))
    contents[contents.index(DATA["0"]) + 5] ^= 1
    with pytest.raises(DataError, match="CRC"):
        load(bytes(contents))


def test_members_that_are_the_same_bytes(load):
    """A small file whose thousand members are all the same megabyte of it."""
    size, count = 1 << 20, 64
    zeros = bytes(size)
    value = {
        str(i): tf.tensor(tf.storage(str(i), numel=size // 4), (size // 4,), (1,))
        for i in range(count)
    }
    data = {"0": zeros} | {str(i): b"" for i in range(1, count)}
    contents = tf.zipped(tf.pickled(value), data)
    end = contents.rindex(b"PK\x05\x06")
    directory = contents.index(b"PK\x01\x02")
    body, entries = contents[:directory], bytearray(contents[directory:end])
    # Each entry of the directory says that its contents are those of the first.
    first = bytes(entries[entries.index(b"archive/data/0") - 46 :][:46])
    position = 0
    while position < len(entries):
        length = struct.unpack_from("<H", entries, position + 28)[0]
        name = bytes(entries[position + 46 : position + 46 + length])
        if name.startswith(b"archive/data/"):
            entries[position + 16 : position + 28] = first[16:28]
        position += 46 + length
    contents = body + bytes(entries) + contents[end:]
    assert zipfile.ZipFile(io.BytesIO(contents)).getinfo("archive/data/9").file_size == size
    tracemalloc.start()
    with pytest.raises(DataError, match="its members overlap"):
        load(contents)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * size


@pytest.mark.parametrize("form", tf.FORMS)
def test_every_truncation_is_refused(load, form):
    whole = tf.of_arrays(form, ARRAYS)
    for length in range(len(whole)):
        with pytest.raises(DataError):
            load(whole[:length])


@pytest.mark.parametrize("form", tf.FORMS)
def test_damaged_bytes_give_arrays_or_a_data_error(load, form):
    whole = tf.of_arrays(form, ARRAYS)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(1000):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        try:
            found = load(bytes(damaged), max_bytes=1 << 16)
        except DataError:
            refused += 1
            continue
        assert sum(array.nbytes for array in found.values()) < 4 * len(whole)
    assert refused > 300


# ---- streams


def test_streams_that_are_not_torchs(load):
    data = {"0": DATA["0"]}
    cases = [
        (tf.streamed(PICKLE, data, version=1002), "not of version 1001"),
        (tf.streamed(PICKLE, data, version="1001"), "not of version 1001"),
        (tf.streamed(PICKLE, data, keys={"0": 1}), "no list of texts"),
        (tf.streamed(PICKLE, data, keys=[0]), "no list of texts"),
        (tf.streamed(PICKLE, data, keys=[]), "not those that its tensors need"),
        (tf.streamed(PICKLE, data, keys=["0", "0"]), "each once"),
        (tf.streamed(PICKLE, data, keys=["0", "1"]), "not those that its tensors need"),
        (tf.streamed(PICKLE, data, counts={"0": 5}), "has 5 elements, not 6"),
        (tf.streamed(PICKLE, data, counts={"0": -6}), "has -6 elements, not 6"),
        (tf.streamed(PICKLE, {"0": bytes(20)}), "ends at byte .*: the file is cut off"),
        (tf.streamed(PICKLE, {"0": bytes(28)}, counts={"0": 6}), "4 bytes follow"),
        (tf.streamed(tf.pickled(GOOD | {"x": tf.storage("1", numel=2**60)}), data), "need"),
        (
            tf.streamed(tf.pickled({"w": tf.tensor(tf.storage("0", numel=2**60))}), data),
            "ends at byte .*: the file is cut off",
        ),
    ]
    for contents, message in cases:
        with pytest.raises(DataError, match=message):
            load(contents)


def test_a_tar_archive_and_other_files_are_named(load, file):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), None)
    with pytest.raises(DataError, match="tar archive, as PyTorch wrote before"):
        load(buffer.getvalue())
    with pytest.raises(DataError, match="tar archive, as PyTorch wrote before"):
        models.load_weights(nn.Linear(1, 1), file)
    for contents in (b"", b"\x89HDF\r\n\x1a\n", pickle.dumps({}), b"x" * 1000):
        with pytest.raises(DataError, match="neither as a zip archive nor"):
            load(contents)


def test_what_is_not_a_file(tmp_path, file):
    with pytest.raises(FileNotFoundError):
        pth.load(file)
    with pytest.raises(DataError, match="regular"):
        pth.load(tmp_path)
    os.mkfifo(file)
    with pytest.raises(DataError, match="regular"):
        pth.load(file)
