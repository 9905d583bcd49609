"""Checkpoints: what they keep, what they refuse, and that nothing is changed by what is refused."""

import json
import os
import struct
import zlib

import numpy as np
import pytest

import fastconv
from fastconv import functional as F
from fastconv import nn, optim, random
from fastconv.data import DataLoader
from fastconv.models import safetensors
from fastconv.training import (
    CheckpointError,
    checkpoint,
    load_checkpoint,
    packing,
    read_checkpoint,
    save_checkpoint,
)


class Net(nn.Module):
    def __init__(self, hidden=5, dtype=np.float32):
        super().__init__()
        self.first = nn.Linear(4, hidden, dtype=dtype)
        self.second = nn.Linear(hidden, 3, dtype=dtype)
        self.register_buffer("mean", np.zeros(4, dtype))

    def forward(self, x):
        return self.second((self.first(x - self.mean)).relu())


class Counter:
    """A part with a state of its own."""

    def __init__(self, count=0):
        self.count = count

    def state_dict(self):
        return {"count": self.count, "seen": np.arange(3.0), "last": float("inf")}

    def load_state_dict(self, state):
        if state["count"] < 0:
            raise ValueError(f"count is {state['count']}")
        self.count = state["count"]


X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
Y = np.arange(20) % 3


def parts(seed=0, hidden=5, dtype=np.float32):
    """(model, optimizer, loader) after two steps, so that there is momentum to save."""
    random.manual_seed(seed)
    model = Net(hidden, dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = DataLoader((X, Y), 8, shuffle=True, seed=seed, prefetch=0)
    batches = iter(loader)
    for _ in range(2):
        x, y = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(model(fastconv.Tensor(x.astype(dtype))), y).backward()
        optimizer.step()
    return model, optimizer, loader


def everything(model, optimizer, loader):
    """All of a training's state, as bytes that can be compared."""
    text, arrays = packing.dumps(
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "loader": loader.state_dict(),
            "random": random.get_rng_state(),
        },
        "@",
    )
    return text, {name: (array.tobytes(), str(array.dtype)) for name, array in arrays.items()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.safetensors"


@pytest.fixture
def saved(path):
    model, optimizer, loader = parts()
    save_checkpoint(
        path, model, optimizer=optimizer, loader=loader, run=Counter(7), config={"name": "net"}
    )
    return path, everything(model, optimizer, loader)


# ---- the packing of nested state


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        2**127 + 1,
        0.1 + 0.2,
        5e-324,
        -0.0,
        float("inf"),
        float("-inf"),
        "ünïcode \U0001f600",
        [1, [2.5, None]],
        (1, (2, "x")),
        {"a": {"b": [()]}, "c": False},
        {0: {"step": 3}, 17: {}},
        {"$array": 1, "$": 2},
        {"x": 1, 3: 2},
        {},
    ],
    ids=repr,
)
def test_packing_round_trip(value):
    text, arrays = packing.dumps(value, "@")
    result = packing.loads(text, arrays)
    assert result == value
    assert repr(result) == repr(value)  # True is not 1, and -0.0 is not 0.0


def test_packing_of_nan_and_numpy_scalars():
    text, _ = packing.dumps([float("nan"), np.float64(0.5), np.int32(3), np.bool_(True)], "@")
    nan, *rest = packing.loads(text, {})
    assert np.isnan(nan)
    assert [(value, type(value)) for value in rest] == [(0.5, float), (3, int), (True, bool)]


def test_packing_keeps_arrays_apart_whose_paths_look_alike():
    value = {"a.b": np.zeros(2), "a": {"b": np.ones(3)}, 1: np.full(1, 2.0), "1": np.full(1, 3.0)}
    text, arrays = packing.dumps(value, "@")
    assert len(arrays) == 4
    result = packing.loads(text, arrays)
    np.testing.assert_array_equal(result["a.b"], np.zeros(2))
    np.testing.assert_array_equal(result["a"]["b"], np.ones(3))
    assert (result[1][0], result["1"][0]) == (2, 3)


@pytest.mark.parametrize("value", [object(), {1.5: 2}, {(1,): 2}, {"f": len}, b"x", 1j])
def test_packing_refuses_other_kinds(value):
    with pytest.raises(TypeError, match="@"):
        packing.dumps(value, "@")


def test_packing_refuses_depth():
    value = []
    for _ in range(40):
        value = [value]
    with pytest.raises(ValueError, match="deep"):
        packing.dumps(value, "@")
    with pytest.raises(ValueError, match="deep"):
        packing.loads("[" * 100 + "]" * 100, {})
    with pytest.raises(ValueError, match="deep"):
        packing.loads("[" * 100_000 + "]" * 100_000, {})


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        '{"a":1,"a":2}',
        '{"$array":"gone"}',
        '{"$array":3}',
        '{"$float":"1.5"}',
        '{"$tuple":3}',
        '{"$dict":[[1]]}',
        '{"$dict":[[[1],2]]}',
        '{"$import":"os"}',
        "[1,",
    ],
)
def test_packing_refuses_what_it_did_not_write(text):
    with pytest.raises(ValueError):  # noqa: PT011  JSON's own errors are among them
        packing.loads(text, {})


# ---- round trips


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_round_trip_of_all_parts(path, dtype):
    model, optimizer, loader = parts(0, dtype=dtype)
    before = everything(model, optimizer, loader)
    save_checkpoint(path, model, optimizer=optimizer, loader=loader, run=Counter(7))
    other = parts(0, dtype=dtype)
    for parameter in other[0].parameters():
        parameter.detach().fill_(3)
    other[1].param_groups[0]["lr"] = 0.7
    list(other[2])
    random.manual_seed(99)
    counter = Counter()
    load_checkpoint(
        path, other[0], optimizer=other[1], loader=other[2], run=counter, generator=True
    )
    assert everything(*other) == before
    assert counter.count == 7


def test_weights_are_there_under_their_own_names(saved):
    path, _ = saved
    model = parts()[0]
    tensors = safetensors.load(path)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())


def test_weights_alone_leave_the_rest_as_it_was(saved):
    path, _ = saved
    random.manual_seed(5)
    model, optimizer, loader = parts(3)
    _, *before = everything(model, optimizer, loader)
    state = random.get_rng_state()
    result = load_checkpoint(path, model)
    np.testing.assert_array_equal(model.first.weight.numpy(), parts()[0].first.weight.numpy())
    assert result.config == {"name": "net"}
    random.set_rng_state(state)
    assert everything(model, optimizer, loader)[1:] != before  # the model's own did change
    assert optimizer.state_dict()["param_groups"] == parts(3)[1].state_dict()["param_groups"]


def test_best_weights(path):
    model = Net()
    best = {name: tensor.numpy() + 1 for name, tensor in model.state_dict().items()}
    save_checkpoint(path, model, best=best)
    one, two = Net(), Net()
    load_checkpoint(path, one)
    load_checkpoint(path, two, best=True)
    np.testing.assert_array_equal(one.first.bias.numpy(), model.first.bias.numpy())
    np.testing.assert_array_equal(two.first.bias.numpy(), best["first.bias"])


def test_same_state_same_bytes(tmp_path):
    for name in ("a", "b"):
        model, optimizer, loader = parts()
        save_checkpoint(tmp_path / name, model, optimizer=optimizer, loader=loader)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---- what cannot be saved leaves the old file


def test_failures_to_save_leave_the_old_file(saved, monkeypatch):
    path, _ = saved
    before = path.read_bytes()
    model = Net()
    with pytest.raises(TypeError, match="config"):
        save_checkpoint(path, model, config={"f": len})
    with pytest.raises(TypeError, match="array"):
        save_checkpoint(path, model, config={"f": np.zeros(2)})
    with pytest.raises(ValueError, match="config has 1,"):
        save_checkpoint(path, model, config={"text": "x" * checkpoint.MAX_CONFIG_BYTES})
    with pytest.raises(ValueError, match="best has other names"):
        save_checkpoint(path, model, best={})
    model.register_parameter("@mine", nn.Parameter(np.zeros(1, np.float32)))
    with pytest.raises(ValueError, match="'@mine'"):
        save_checkpoint(path, model)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, Net())
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


# ---- damaged and hostile files


def refused(path, match):
    """Loading raises, and changes nothing."""
    model, optimizer, loader = parts(3)
    before = everything(model, optimizer, loader)
    counter = Counter(1)
    with pytest.raises(CheckpointError, match=match) as caught:
        load_checkpoint(
            path, model, optimizer=optimizer, loader=loader, run=counter, generator=True
        )
    assert everything(model, optimizer, loader) == before
    assert counter.count == 1
    return str(caught.value)


def test_every_truncation_is_refused(saved):
    path, _ = saved
    data = path.read_bytes()
    for length in [*range(64), *range(64, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
    path.write_bytes(data + b"\0")
    refused(path, "follow the last tensor")


def test_every_flipped_bit_is_refused(saved):
    path, _ = saved
    data = bytearray(path.read_bytes())
    header = struct.unpack("<Q", data[:8])[0] + 8
    # All of the header's beginning, and places in the rest; spaces at the header's end are padding.
    places = [*range(200), *range(200, header - 8, 53), *range(header, len(data), 31)]
    for place in places:
        data[place] ^= 1 << (place % 8)
        path.write_bytes(data)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
        data[place] ^= 1 << (place % 8)
    path.write_bytes(data)
    assert read_checkpoint(path).config == {"name": "net"}


def rewrite(path, change):
    """Alter a file's tensors and metadata as somebody would who also makes the digest right."""
    tensors, metadata = safetensors.read(path)
    metadata.pop("digest")
    change(tensors, metadata)
    digest = checkpoint._digest(tensors, metadata)
    safetensors.save(path, tensors, metadata | {"digest": digest})


def set_state(metadata, *names, value):
    state = json.loads(metadata["state"])
    inner = state
    for name in names[:-1]:
        inner = inner[name]
    inner[names[-1]] = value
    metadata["state"] = json.dumps(state)


HOSTILE = {
    "no checkpoint": (lambda t, m: m.pop("format"), "no checkpoint of fastconv"),
    "a newer version": (lambda t, m: m.update(version="2"), "version '2'"),
    "more metadata": (lambda t, m: m.update(more="x"), "metadata"),
    "no state": (lambda t, m: m.pop("state"), "metadata"),
    "state is no object": (lambda t, m: m.update(state="[]"), "no JSON object"),
    "config is no object": (lambda t, m: m.update(config="3"), "no JSON object"),
    "no JSON": (lambda t, m: m.update(state="{"), "not readable"),
    "deep JSON": (lambda t, m: m.update(state="[" * 10**5), "not readable"),
    "huge integer": (lambda t, m: m.update(config="1" * 10_000), "not readable"),
    "long config": (
        lambda t, m: m.update(config=json.dumps({"x": "y" * (1 << 20)})), "longer than"
    ),
    "a shape": (lambda t, m: t.update({"mean": np.zeros(5, np.float32)}), "mean has shape"),
    "a dtype": (lambda t, m: t.update({"mean": np.zeros(4)}), "mean has shape .* float64"),
    "no parameter": (lambda t, m: t.pop("mean"), "mean is missing"),
    "one more": (lambda t, m: t.update({"extra": np.zeros(1)}), "extra is not in the model"),
    "half a best": (
        lambda t, m: t.update({"@best/mean": np.zeros(4, np.float32)}), "best: .*is missing"
    ),
    "no momentum": (
        lambda t, m: t.pop("@state.optimizer.state.0.momentum_buffer"), "not readable"
    ),
    "momentum of another shape": (
        lambda t, m: t.update({"@state.optimizer.state.0.momentum_buffer": np.zeros(2)}),
        "optimizer: ",
    ),
    "a learning rate below 0": (
        lambda t, m: set_state(m, "optimizer", "param_groups", 0, "lr", value=-1), "optimizer: "
    ),
    "groups are text": (
        lambda t, m: set_state(m, "optimizer", "param_groups", value="x"), "optimizer: "
    ),
    "no optimizer": (lambda t, m: set_state(m, "optimizer", value=None), "optimizer: "),
    "a loader elsewhere": (lambda t, m: set_state(m, "loader", "batch", value=99), "loader: "),
    "a loader of more": (lambda t, m: set_state(m, "loader", "examples", value=99), "loader: "),
    "a generator of another kind": (
        lambda t, m: set_state(m, "random", "bit_generator", value="MT19937"), "random: "
    ),
    "a generator too large": (
        lambda t, m: set_state(m, "random", "state", "state", value=2**200), "random: "
    ),
    "a run that refuses": (lambda t, m: set_state(m, "run", "count", value=-4), "run: count is -4"),
    "a run of nothing": (lambda t, m: set_state(m, "run", value={}), "run: 'count'"),
}  # fmt: skip


@pytest.mark.parametrize("change", HOSTILE)
def test_hostile_files(saved, change):
    path, _ = saved
    function, match = HOSTILE[change]
    rewrite(path, function)
    refused(path, match)


def test_all_misfits_are_told_at_once(saved):
    path, _ = saved

    def change(tensors, metadata):
        tensors["mean"] = np.zeros(5, np.float32)
        del tensors["first.bias"]
        set_state(metadata, "optimizer", "param_groups", 0, "lr", value=-1)
        set_state(metadata, "loader", "batch", value=99)
        set_state(metadata, "run", "count", value=-4)

    rewrite(path, change)
    text = refused(path, "nothing was loaded")
    for part in ("mean has shape", "first.bias is missing", "optimizer: ", "loader: ", "run: "):
        assert part in text


def test_another_network(saved):
    path, _ = saved
    model, optimizer, loader = parts(3, hidden=6)
    before = everything(model, optimizer, loader)
    with pytest.raises(
        CheckpointError, match=r"first.weight has shape \(5, 4\).*expected \(6, 4\)"
    ):
        load_checkpoint(path, model, optimizer=optimizer, loader=loader)
    assert everything(model, optimizer, loader) == before


def test_a_part_that_was_not_saved(path):
    model, optimizer, _ = parts()
    save_checkpoint(path, model)
    with pytest.raises(CheckpointError, match="optimizer: the file has none"):
        load_checkpoint(path, model, optimizer=optimizer)


def test_other_files(tmp_path, path):
    with pytest.raises(FileNotFoundError):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_checkpoint(tmp_path)
    path.write_bytes(zlib.compress(b"something else"))
    with pytest.raises(CheckpointError, match="safetensors"):
        read_checkpoint(path)
    safetensors.save(path, {"weight": np.zeros(3)})
    with pytest.raises(CheckpointError, match="no checkpoint of fastconv"):
        read_checkpoint(path)
    save_checkpoint(path, Net())
    with pytest.raises(CheckpointError, match="more than the 100 allowed"):
        read_checkpoint(path, max_file_bytes=100)
