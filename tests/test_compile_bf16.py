"""Compiled networks whose linear layers hold bfloat16."""

import os
import subprocess
import sys

import numpy as np
import pytest
from test_compiled_file import change_header, header_of

import fastconv
from fastconv import nn, no_grad
from fastconv.data.files import DataError
from fastconv.graph import compile, load_compiled
from fastconv.models import AlexNet


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def rounded(weights):
    """To the nearest bfloat16, of two the even one: by float64 and ``rint``."""
    mantissa, exponent = np.frexp(weights.astype(np.float64))
    return np.ldexp(np.rint(mantissa * 256), exponent - 8).astype(np.float32)


def round_linear(model):
    """The model with the weights of its linear layers rounded beforehand."""
    with no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.copy_(fastconv.Tensor(rounded(module.weight.numpy())))
    return model


def mlp(features=200):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(features, 77), nn.ReLU(), nn.Linear(77, 130), nn.Linear(130, 10)
    ).eval()


def is_bf16(step):
    return "bfloat16" in step.reason


@pytest.mark.parametrize("batch", [1, 2, 3, 9])
def test_a_perceptron(batch, tier):
    model, x = mlp(), normal(batch, 2, 10, 10)
    compiled = compile(model, x, weights="bf16")
    found = compiled(x, threads=1)
    np.testing.assert_array_equal(compiled(x, threads=2), found)
    np.testing.assert_array_equal(
        np.concatenate([compiled(x[i : i + 1]) for i in range(batch)]), found
    )
    assert [step.op for step in compiled.explain(batch)] == ["linear"] * 3
    assert all(map(is_bf16, compiled.explain(batch)))
    assert not np.allclose(found, compile(model, x)(x), rtol=1e-5, atol=1e-6)
    expected = compile(round_linear(model), x)
    np.testing.assert_allclose(found, expected(x), rtol=1e-5, atol=1e-5)
    assert not any(map(is_bf16, expected.explain(batch)))


def test_alexnet_keeps_its_convolutions():
    model, x = AlexNet(width=1 / 8, classes=50).eval(), normal(1, 3, 227, 227)
    plain, compiled = compile(model, x), compile(model, x, weights="bf16")
    found = compiled(x, threads=1)
    np.testing.assert_array_equal(compiled(x, threads=2), found)
    expected = compile(round_linear(model), x)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * abs(expected).max())
    profile = compiled.profile(x, repeats=2)
    for before, after in zip(plain.explain(), profile.steps, strict=True):
        assert is_bf16(after) == (after.op == "linear")
        assert (before.op, before.layer, before.flops) == (after.op, after.layer, after.flops)
        if after.op != "linear":
            assert (before.algorithm, before.bytes) == (after.algorithm, after.bytes)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    halves = [
        (before.bytes - after.bytes) / 2
        for before, after in zip(plain.explain(), profile.steps, strict=True)
        if after.op == "linear"
    ]
    assert len(halves) == 3
    for saved, layer in zip(halves, layers, strict=True):
        # But for zeros that fill up four outputs and 32 features.
        assert 0.9 * layer.weight.numel() < saved <= layer.weight.numel()
    assert compiled.weight_bytes < plain.weight_bytes - 1.9 * sum(halves)


def test_specials():
    layer = nn.Linear(120, 3, bias=False)
    weights = np.zeros((3, 120), np.float32)
    weights[0, 5] = np.array(0x7F800001, np.uint32).view(np.float32)
    weights[1, 119] = -np.inf
    weights[2, 7] = np.finfo(np.float32).max
    with no_grad():
        layer.weight.copy_(fastconv.Tensor(weights))
    x = np.ones((2, 120), np.float32)
    found = compile(layer, x, weights="bf16")(x)
    np.testing.assert_array_equal(found, np.tile(np.float32([np.nan, -np.inf, np.inf]), (2, 1)))


def test_refresh():
    model, x = mlp(), normal(2, 2, 10, 10)
    compiled = compile(model, x, weights="bf16")
    with no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    compiled.refresh(model)
    assert all(map(is_bf16, compiled.explain()))
    np.testing.assert_array_equal(compiled(x), compile(model, x, weights="bf16")(x))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"weights": "float16"}, "expected None or 'bf16'"),
        ({"weights": True}, "expected None or 'bf16'"),
        ({"weights": "bf16", "example": normal(1, 8, dtype=np.float64)}, "this one is float64"),
    ],
)
def test_what_is_refused(options, told):
    example = options.pop("example", normal(1, 8))
    with pytest.raises(ValueError, match=told):
        compile(nn.Linear(8, 2).to(example.dtype), example, **options)


# ---- in a file


@pytest.fixture
def saved(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(256, 37), nn.Linear(37, 9))
    x = normal(3, 2, 10, 10)
    compiled = compile(model.eval(), x, weights="bf16", keep_weights=True)
    compiled.save(tmp_path / "net")
    return tmp_path / "net", compiled, x


def test_saved_and_loaded(saved):
    path, compiled, x = saved
    loaded = load_compiled(path)
    np.testing.assert_array_equal(loaded(x), compiled(x))
    np.testing.assert_array_equal(loaded(x[:1]), compiled(x)[:1])
    assert [is_bf16(step) for step in loaded.explain(2)] == [False, True, True]
    assert loaded.weights == "bf16"
    assert str(loaded.graph) == str(compiled.graph)
    loaded.save(path.with_name("again"))
    assert path.with_name("again").read_bytes() == path.read_bytes()


def test_a_network_without_convolutions_needs_no_other_weights(tmp_path):
    model, x = mlp(), normal(1, 2, 10, 10)
    compiled = compile(model, x, weights="bf16")
    compiled.save(tmp_path / "net")
    np.testing.assert_array_equal(load_compiled(tmp_path / "net")(x), compiled(x))
    weights = sum(p.numel() for p in model.parameters() if p.ndim == 2)
    assert (tmp_path / "net").stat().st_size < 2.5 * weights + 4096


def test_another_instruction_set_reads_the_same_bytes(saved):
    path, compiled, x = saved
    np.save(path.with_name("x.npy"), x)
    program = (
        "import numpy as np, sys\n"
        "from fastconv.graph import load_compiled\n"
        "net = load_compiled(sys.argv[1] + '/net')\n"
        "assert [step.tier for step in net.explain()] == ['scalar'] * 3\n"
        "assert 'bfloat16' in net.explain()[1].reason\n"
        "np.save(sys.argv[1] + '/y.npy', net(np.load(sys.argv[1] + '/x.npy')))\n"
        "net.save(sys.argv[1] + '/scalar')\n"
    )
    environment = {**os.environ, "FASTCONV_MAX_ISA": "scalar"}
    subprocess.run([sys.executable, "-c", program, path.parent], check=True, env=environment)
    np.testing.assert_allclose(np.load(path.with_name("y.npy")), compiled(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(load_compiled(path.with_name("scalar"))(x), compiled(x))


def linear(header):
    return next(node for node in header["nodes"] if node["kind"] == "linear")


def panels(header):
    return header["arrays"][linear(header)["arrays"]["weight"]]


HOSTILE = {
    "no weights": lambda h: linear(h)["arrays"].pop("weight"),
    "weights of another": lambda h: linear(h)["arrays"].update(
        weight=h["nodes"][-1]["arrays"]["weight"]
    ),
    "weights that are a bias": lambda h: linear(h)["arrays"].update(
        weight=linear(h)["arrays"]["bias"]
    ),
    "no bfloat16": lambda h: h.update(weights=None),
    "another word": lambda h: h.update(weights="int4"),
    "no word": lambda h: h.update(weights=[["bf16"]]),
    "shorter": lambda h: panels(h).update(shape=[64]),
    "float32": lambda h: panels(h).update(dtype="float32"),
    "more results": lambda h: linear(h).update(shape=[45]),
    "more results than can be": lambda h: linear(h).update(shape=[1 << 39]),
    "other axes": lambda h: linear(h).update(shape=[2, 37]),
    "no axes": lambda h: linear(h).update(shape=[]),
    "two inputs": lambda h: linear(h).update(inputs=[2, 2]),
    "an activation of its own": lambda h: linear(h)["options"].update(activation="rm"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers(saved, name):
    path, _, _ = saved
    change_header(path, HOSTILE[name])
    with pytest.raises(DataError, match="not a usable compiled network"):
        load_compiled(path)


def test_every_bit_counts(saved):
    path, _, _ = saved
    contents = path.read_bytes()
    header, end = header_of(contents)
    begin = -(-(end + 4) // 64) * 64 + panels(header)["offset"]
    for place in (0, 1, 1000, 4 * panels(header)["shape"][0] - 1):
        damaged = bytearray(contents)
        damaged[begin + place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="checksum"):
            load_compiled(path)
