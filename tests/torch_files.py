"""Checkpoints as torch.save writes them, made by hand, also such as no torch.save would write."""

import io
import struct
import zipfile

import numpy as np

from fastconv.models import pth

MAGIC_NUMBER = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
KINDS = {
    "f8": "Double", "f4": "Float", "f2": "Half", "i8": "Long", "i4": "Int", "i2": "Short",
    "i1": "Char", "u1": "Byte", "b1": "Bool",
}  # fmt: skip
FORMS = ["zip", "stream"]


class Name:
    """A global by itself."""

    def __init__(self, module, name):
        self.code = f"c{module}\n{name}\n".encode()


class Call:
    """A global that is called; built: attributes that are set on what comes of it."""

    def __init__(self, name, *arguments, built=None):
        self.name, self.arguments, self.built = name, arguments, built


class Raw:
    """Instructions as they are."""

    def __init__(self, code):
        self.code = code


class Ref:
    """A persistent identifier."""

    def __init__(self, *identifier):
        self.identifier = identifier


ORDERED_DICT = Name("collections", "OrderedDict")
REBUILD = Name("torch._utils", "_rebuild_tensor_v2")


def storage(key, kind="Float", numel=6, *more):
    return Ref("storage", Name("torch", f"{kind}Storage"), key, "cpu", numel, *more)


def tensor(stored, shape=(2, 3), strides=(3, 1), offset=0):
    return Call(REBUILD, stored, offset, shape, strides, False, Call(ORDERED_DICT))


def code(value):
    """The instructions of protocol 2 that make a value."""
    if isinstance(value, (Name, Raw)):
        return value.code
    if isinstance(value, Call):
        made = code(value.name) + code(tuple(value.arguments)) + b"R"
        return made if value.built is None else made + code(value.built) + b"b"
    if isinstance(value, Ref):
        return code(value.identifier) + b"Q"
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return b"J" + struct.pack("<i", value)
        size = value.bit_length() // 8 + 1
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        text = value.encode()
        return b"X" + struct.pack("<I", len(text)) + text
    if isinstance(value, tuple):
        return b"(" + b"".join(map(code, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(code, value)) + b"e"
    items = value.items() if isinstance(value, dict) else value
    return b"}(" + b"".join(code(key) + code(entry) for key, entry in items) + b"u"


def pickled(value):
    return b"\x80\x02" + code(value) + b"."


def zipped(pickle, data, more=None, folder="archive", method=zipfile.ZIP_STORED):
    """A zip archive: data is key → the bytes of a storage; more: name → contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(f"{folder}/data.pkl", pickle)
        for key, contents in data.items():
            archive.writestr(f"{folder}/data/{key}", contents)
        archive.writestr(f"{folder}/version", b"3\n")
        for name, contents in (more or {}).items():
            archive.writestr(f"{folder}/{name}", contents)
    return buffer.getvalue()


def streamed(pickle, data, version=1001, keys=None, counts=None, itemsize=4):
    """Pickles and storages one after another, as before PyTorch 1.6."""
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}}
    keys = list(data) if keys is None else keys
    parts = [MAGIC_NUMBER, pickled(version), pickled(facts), pickle, pickled(keys)]
    for key, contents in data.items():
        count = (counts or {}).get(key, len(contents) // itemsize)
        parts += [struct.pack("<q", count), contents]
    return b"".join(parts)


def state(arrays):
    """(value, data) of a state_dict, each array in a storage of its own."""
    items, data = {}, {}
    for number, (name, array) in enumerate(arrays.items()):
        kind = KINDS[f"{array.dtype.kind}{array.dtype.itemsize}"]
        strides = np.array(array.strides, int) // array.dtype.itemsize
        stored = storage(str(number), kind, array.size)
        items[name] = tensor(stored, array.shape, tuple(map(int, strides)))
        data[str(number)] = array.tobytes()
    return Raw(code(Call(ORDERED_DICT)) + code(items)[1:]), data


def checkpoint(form, value, data, **how):
    """A file with that value: form is 'zip' or 'stream', how as for zipped and streamed."""
    pickle = pickled(value)
    return zipped(pickle, data, **how) if form == "zip" else streamed(pickle, data, **how)


def of_arrays(form, arrays):
    """A file with the state_dict of these arrays."""
    value, data = state(arrays)
    counts = {str(i): array.size for i, array in enumerate(arrays.values())}
    return checkpoint(form, value, data, **({} if form == "zip" else {"counts": counts}))


def loader(file):
    """A function that loads a file of the contents it is given."""

    def load(contents, *arguments, **options):
        file.unlink(missing_ok=True)  # some file systems wait for the disk when a file is cut off
        file.write_bytes(contents)
        return pth.load(file, *arguments, **options)

    return load
