"""Compiled networks in files: written whole, read with care."""

import gc
import json
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import fastconv
from fastconv import nn
from fastconv.data.files import DataError
from fastconv.graph import compile, load_compiled
from fastconv.graph import file as compiled_file


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(5).standard_normal(shape).astype(dtype)


class Parts(nn.Module):
    """A network whose result has a structure."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(32)
        self.up = nn.ConvTranspose2d(32, 3, 2, 2)
        self.act = nn.LeakyReLU(0.1)
        self.fc = nn.Linear(32, 7)

    def forward(self, x):
        y = self.act(self.bn(self.conv(x)))
        return {"picture": self.up(y), "scores": (self.fc(y.mean((2, 3))), None, [y])}


@pytest.fixture
def saved(tmp_path):
    x = normal(2, 16, 14, 14)
    compiled = compile(Parts(), x, keep_weights=True)
    compiled.save(tmp_path / "net")
    return tmp_path / "net", compiled, x


def leaves(result):
    return [result["picture"], result["scores"][0], result["scores"][2][0]]


def test_the_same_bits(saved):
    path, compiled, x = saved
    loaded = load_compiled(path)
    found = loaded(x)
    assert type(found["scores"]) is tuple
    assert found["scores"][1] is None
    for a, b in zip(leaves(compiled(x)), leaves(found), strict=True):
        np.testing.assert_array_equal(a, b)
    assert str(loaded.graph) == str(compiled.graph)
    assert loaded.precision == compiled.precision
    # And as it was made of the file, it can be written again.
    again = path.with_name("again")
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("precision", ["strict", "fast"])
def test_float64_and_precision(tmp_path, precision):
    model = nn.Conv2d(32, 32, 3, padding=1).to(np.float64)
    x = normal(1, 32, 28, 28, dtype=np.float64)
    compiled = compile(model, x, precision=precision, keep_weights=True)
    compiled.save(tmp_path / "net")
    loaded = load_compiled(tmp_path / "net")
    np.testing.assert_array_equal(loaded(x), compiled(x))
    assert loaded.explain()[0].algorithm == compiled.explain()[0].algorithm


def test_a_loaded_network_can_be_refreshed(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()).eval()
    x = normal(1, 3, 8, 8)
    compile(model, x, keep_weights=True).save(tmp_path / "net")
    loaded = load_compiled(tmp_path / "net")
    steps = [step.op for step in loaded.explain()]
    with fastconv.no_grad():
        model[0].weight.mul_(2.0)
        expected = model(fastconv.Tensor(x)).numpy()
    loaded.refresh(model)
    np.testing.assert_allclose(loaded(x), expected, rtol=1e-4, atol=1e-5)
    assert [step.op for step in loaded.explain()] == steps == ["conv2d"]


def memory_in_use():
    gc.collect()  # what earlier tests left
    return fastconv.memory_stats()["in_use_bytes"]


def test_packed_weights_are_taken_from_the_file(tmp_path):
    model = nn.Sequential(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 1))
    path, x = tmp_path / "net", normal(2, 16, 14, 14)
    compiled = compile(model, x, keep_weights=True)
    compiled.save(path)
    before = memory_in_use()
    loaded = load_compiled(path)
    assert memory_in_use() == before
    # A version that is not this one cannot know what the packed bytes mean.
    older = path.with_name("older")
    older.write_bytes(path.read_bytes())  # what is mapped stays as it is
    change_header(older, lambda header: header.update(engine=["0.0.1", header["engine"][1]]))
    other = load_compiled(older)
    assert memory_in_use() > before
    np.testing.assert_array_equal(loaded(x), compiled(x))
    np.testing.assert_array_equal(other(x), compiled(x))


def test_another_instruction_set(saved):
    """What one has written, another reads, packs anew, and computes within rounding."""
    path, compiled, x = saved
    np.save(path.with_name("x.npy"), x)
    program = (
        "import numpy as np, sys, fastconv\n"
        "from fastconv.graph import load_compiled\n"
        "net = load_compiled(sys.argv[1] + '/net')\n"
        "assert fastconv.runtime_info()['tier_in_use'] == 'scalar'\n"
        "np.save(sys.argv[1] + '/y.npy', net(np.load(sys.argv[1] + '/x.npy'))['scores'][0])\n"
    )
    environment = {**os.environ, "FASTCONV_MAX_ISA": "scalar"}
    subprocess.run([sys.executable, "-c", program, path.parent], check=True, env=environment)
    np.testing.assert_allclose(
        np.load(path.with_name("y.npy")), compiled(x)["scores"][0], rtol=1e-4, atol=1e-5
    )


def test_a_loaded_network_imports_little(tmp_path):
    """No modules, gradients or loaders of data: that is memory, and time to a first answer."""
    compile(nn.Conv2d(1, 2, 3), normal(1, 1, 5, 5), keep_weights=True).save(tmp_path / "net")
    program = (
        "import sys, numpy as np, fastconv\n"
        "known = set(sys.modules)\n"
        "net = fastconv.load_compiled(sys.argv[1])\n"
        "net(np.ones((1, 1, 5, 5), np.float32))\n"
        "net(np.ones((1, 1, 6, 6), np.float32))\n"
        "new = set(sys.modules) - known\n"
        "unwanted = 'nn', 'random', 'data.loader', 'autograd.tensors', 'graph.trace'\n"
        "assert not new & {f'fastconv.{name}' for name in unwanted}, sorted(new)\n"
        "assert not new & {'dataclasses', 'inspect', 'statistics', 'hashlib', 'zipfile'}\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "net"], check=True)


def test_weights_that_were_let_go(tmp_path):
    compiled = compile(Parts(), normal(1, 16, 14, 14), keep_weights=False)
    with pytest.raises(ValueError, match="keep_weights=True"):
        compiled.save(tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written(saved):
    path, compiled, _ = saved
    before = path.read_bytes()
    with pytest.raises(NotADirectoryError):
        compiled.save(path / "below a file")
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["net"]


# ---- files that are no good


def header_of(contents):
    _, length = struct.unpack_from("<8sQ", contents)
    return json.loads(contents[16 : 16 + length]), 16 + length


def change_header(path, change):
    """Rewrite the header, with a checksum that fits it."""
    contents = path.read_bytes()
    header, end = header_of(contents)
    begin = -(-(end + 4) // 64) * 64
    change(header)
    text = json.dumps(header).encode()
    start = struct.pack("<8sQ", compiled_file.MAGIC, len(text)) + text
    start += struct.pack("<I", zlib.crc32(text))
    path.write_bytes(start + bytes(-len(start) % 64) + contents[begin:])


class Siblings(nn.Module):
    """Two convolutions that become one."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 24, 1, bias=False)
        self.c, self.d = nn.Conv2d(8, 5, 3), nn.Conv2d(24, 5, 3)

    def forward(self, x):
        return self.d(self.b(x)) + self.c(self.a(x))


@pytest.fixture
def merged(tmp_path):
    x = normal(3, 16, 9, 10)
    compiled = compile(Siblings(), x, keep_weights=True)
    compiled.save(tmp_path / "net")
    return tmp_path / "net", compiled, x


def test_parts_of_values(merged):
    path, compiled, x = merged
    assert str(compiled.graph).count(" = part(") == 2
    loaded = load_compiled(path)
    assert str(loaded.graph) == str(compiled.graph)
    np.testing.assert_array_equal(loaded(x), compiled(x))
    np.testing.assert_array_equal(loaded(x[:, :, 1:8]), compiled(x[:, :, 1:8]))


@pytest.mark.parametrize(
    "options",
    [
        *({"start": -8, "stop": 32}, {"start": 1, "stop": 33}, {"start": 8, "stop": 8}),
        *({"start": 24, "stop": 48}, {"start": 1, "stop": 9}, {"start": 0.0, "stop": 24}),
        *({"start": 0, "stop": None}, {"start": False, "stop": 24}, {"start": 2**70, "stop": 24}),
        *({"start": [8], "stop": 32}, {"start": 8}, {"start": "8", "stop": "32"}),
    ],
    ids=str,
)
def test_hostile_parts(merged, options):
    path, _, _ = merged

    def change(header):
        [node] = [n for n in header["nodes"] if n["kind"] == "part" and n["shape"][0] == 24]
        node["options"] = options

    change_header(path, change)
    with pytest.raises(DataError, match="not a usable compiled network"):
        load_compiled(path)


def test_every_bit_counts(saved):
    """A flipped bit anywhere is noticed, but in the gaps between arrays."""
    path, _, _ = saved
    contents = path.read_bytes()
    header, end = header_of(contents)
    begin = -(-(end + 4) // 64) * 64
    used = {}
    for node in header["nodes"]:
        for name, i in node["arrays"].items():
            # The plain weights of a convolution are not looked at where packed ones are.
            if node["kind"] != "conv2d" or name != "weight":
                used[i] = header["arrays"][i]
        for *_, i in node["forms"]:
            used[i] = header["arrays"][i]
    rng = np.random.default_rng(0)
    places = [*rng.integers(0, end + 4, 40)]
    for told in used.values():
        size = int(np.prod(told["shape"])) * np.dtype(told["dtype"]).itemsize
        places += [begin + told["offset"] + int(k) for k in rng.integers(0, size, 3)]
    for place in places:
        damaged = bytearray(contents)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="not a usable compiled network"):
            load_compiled(path)


def test_every_length_counts(saved):
    path, _, _ = saved
    contents = path.read_bytes()
    _, end = header_of(contents)
    for size in (0, 7, 15, 16, end // 2, end, end + 3, end + 200, len(contents) - 64):
        path.write_bytes(contents[:size])
        with pytest.raises(DataError, match="not a usable compiled network"):
            load_compiled(path)


def deep(header):
    told = 0
    for _ in range(100):
        told = {"list": [told]}
    header["structure"] = told


HOSTILE = {
    "no nodes": lambda h: h.pop("nodes"),
    "a list of nothing": lambda h: h.update(nodes=5),
    "an unknown kind": lambda h: h["nodes"][0].update(kind="system"),
    "an option too many": lambda h: h["nodes"][0]["options"].update(command="rm"),
    "an option too few": lambda h: h["nodes"][0]["options"].pop("stride"),
    "a negative stride": lambda h: h["nodes"][0]["options"].update(stride=[-1, 1]),
    "a stride of text": lambda h: h["nodes"][0]["options"].update(stride="ab"),
    "a huge padding": lambda h: h["nodes"][0]["options"].update(padding=[2**62] * 4),
    "no groups": lambda h: h["nodes"][0]["options"].update(groups=0),
    "a value of later": lambda h: h["nodes"][0].update(inputs=[3]),
    "a value of nowhere": lambda h: h["nodes"][0].update(inputs=[-1]),
    "two inputs": lambda h: h["nodes"][2].update(inputs=[1, 1]),
    "no input": lambda h: h["nodes"][1].update(inputs=[]),
    "an array beyond the end": lambda h: h["arrays"][0].update(offset=1 << 30),
    "an array before the start": lambda h: h["arrays"][0].update(offset=-64),
    "an array out of line": lambda h: h["arrays"][-1].update(offset=4),
    "a larger shape": lambda h: h["arrays"][0].update(shape=[1 << 20, 1 << 20]),
    "a negative shape": lambda h: h["arrays"][0].update(shape=[-1, 16, 3, 3]),
    "a shape of floats": lambda h: h["arrays"][0].update(shape=[1.5]),
    "another shape": lambda h: h["nodes"][0].update(shape=[33, 14, 14]),
    "a larger result": lambda h: h["nodes"][-1].update(shape=[700]),
    "a smaller result": lambda h: h["nodes"][-1].update(shape=[6]),
    "a huge result": lambda h: h["nodes"][-1].update(shape=[1 << 39, 1 << 39]),
    "a larger input": lambda h: h.update(inputs=[[16, 15, 14]]),
    "no input at all": lambda h: h.update(inputs=[]),
    "another dtype": lambda h: h.update(dtype="float64"),
    "a dtype of its own": lambda h: h.update(dtype="object"),
    "no precision": lambda h: h.update(precision="exact"),
    "outputs of nowhere": lambda h: h.update(outputs=[100]),
    "a structure of nowhere": lambda h: h.update(structure=9),
    "a structure of its own": lambda h: h.update(structure={"eval": ["1"]}),
    "a packed form of another size": lambda h: h["nodes"][0]["forms"][0].__setitem__(
        -1, h["nodes"][-1]["arrays"]["weight"]
    ),
    "a packed form of nowhere": lambda h: h["nodes"][0]["forms"][0].__setitem__(-1, 99),
    "a packed form shorter": lambda h: h["arrays"][h["nodes"][0]["forms"][0][-1]].update(
        shape=[64]
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers(saved, name):
    path, _, _ = saved
    change_header(path, HOSTILE[name])
    with pytest.raises(DataError, match="not a usable compiled network"):
        load_compiled(path)


def test_a_structure_within_bounds(saved):
    path, _, x = saved
    change_header(path, deep)
    load_compiled(path)(x)


def test_what_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_compiled(tmp_path / "nothing")
    with pytest.raises(DataError, match="regular file"):
        load_compiled(tmp_path)
