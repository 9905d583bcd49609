"""PyTorch's checkpoints: what is read from both formats, and weights of them in modules."""

import doctest
import re

import numpy as np
import pytest
import torch_files as tf
from torch_files import Call, Name, Raw

from fastconv import models, nn
from fastconv.data import DataError
from fastconv.models import pickles, pth, pth_tensors, safetensors, weights

ARRAYS = {
    "conv.weight": np.arange(24, dtype="<f4").reshape(2, 3, 2, 2),
    "conv.bias": np.array([0.5, -1], "<f4"),
    "count": np.array(7, "<i8"),
    "empty": np.zeros((0, 3), "<f4"),
}
STORED = tf.storage("0")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.pth"


@pytest.fixture
def load(file):
    return tf.loader(file)


@pytest.mark.parametrize("module", [pickles, pth, pth_tensors, weights])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


# ---- what is read


@pytest.mark.parametrize("form", tf.FORMS)
def test_arrays_come_as_they_were_and_own_their_memory(load, form):
    found = load(tf.of_arrays(form, ARRAYS))
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        flags = found[name].flags
        assert flags.c_contiguous
        assert flags.writeable
        assert flags.owndata


@pytest.mark.parametrize("form", tf.FORMS)
@pytest.mark.parametrize("dtype", tf.KINDS)
def test_every_dtype(load, form, dtype):
    array = np.arange(6).reshape(2, 3).astype(f"<{dtype}")
    found = load(tf.of_arrays(form, {"a": array}))["a"]
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)
    found = load(tf.of_arrays(form, {"a": array}), None, np.float32)["a"]
    assert found.dtype == (np.float32 if array.dtype.kind == "f" else array.dtype)


@pytest.mark.parametrize("form", tf.FORMS)
def test_views_share_a_storage(load, form):
    """Strides, offsets, a transposed view, an empty one, and the same tensor by two names."""
    whole = np.arange(12, dtype="<f4")
    stored = tf.storage("0", numel=12)
    value = {
        "columns": tf.tensor(stored, (2, 3), (6, 2), 1),
        "transposed": tf.tensor(stored, (4, 3), (1, 4)),
        "tied": tf.tensor(stored, (12,), (1,)),
        "again": tf.tensor(stored, (12,), (1,)),
        "scalar": tf.tensor(stored, (), (), 11),
        "empty": tf.tensor(stored, (3, 0), (1, 1), 12),
        # Of a size of 1 the stride does not matter.
        "single": tf.tensor(stored, (1, 2), (2**62, 1), 3),
    }
    found = load(tf.checkpoint(form, value, {"0": whole.tobytes()}))
    expected = {
        "columns": [[1, 3, 5], [7, 9, 11]],
        "transposed": whole.reshape(3, 4).T,
        "tied": whole,
        "again": whole,
        "scalar": 11,
        "empty": np.zeros((3, 0)),
        "single": [[3, 4]],
    }
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.owndata
    assert not np.shares_memory(found["tied"], found["again"])


def test_parameters_metadata_and_older_names(load):
    stored = tf.storage("0")
    plain = tf.tensor(stored)
    parameter = Call(Name("torch._utils", "_rebuild_parameter"), plain, True, {})
    first = Call(Name("torch._utils", "_rebuild_tensor"), stored, 0, (6,), (1,))
    newest = Call(tf.REBUILD, stored, 0, (6,), (1,), False, {}, {"conj": False})
    value = {"a": parameter, "b": first, "c": newest}
    found = load(tf.zipped(tf.pickled(value), {"0": np.arange(6, dtype="<f4").tobytes()}))
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["b"].tolist() == found["c"].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_state_dict_of_pytorch_with_its_metadata(load):
    """An OrderedDict whose attribute _metadata is set, as Module.state_dict makes it."""
    value, data = tf.state(ARRAYS)
    metadata = {"_metadata": Call(tf.ORDERED_DICT)}
    found = load(tf.zipped(tf.pickled(Raw(value.code + tf.code(metadata) + b"b")), data))
    assert list(found) == list(ARRAYS)


def test_python_2_wrote_its_ordered_dicts_and_texts_otherwise(load):
    stored = tf.storage("0")
    pairs = [[Raw(b"U\x01a"), tf.tensor(stored)], [Raw(b"U\x01b"), tf.tensor(stored)]]
    pickle = tf.pickled(Call(tf.ORDERED_DICT, pairs))
    found = load(tf.zipped(pickle, {"0": bytes(24)}))
    assert list(found) == ["a", "b"]


@pytest.mark.parametrize("order", ["little", "big"])
def test_byte_order(load, order):
    array = np.array([1.5, -2, 3, 4, 5, 6], f"{'<' if order == 'little' else '>'}f4")
    value = {"a": tf.tensor(tf.storage("0"))}
    more = {"byteorder": order.encode()}
    found = load(tf.zipped(tf.pickled(value), {"0": array.tobytes()}, more))["a"]
    assert found.dtype == np.dtype("f4").newbyteorder("=")
    assert found.ravel().tolist() == array.tolist()


@pytest.mark.parametrize("form", tf.FORMS)
def test_a_checkpoint_with_more_than_tensors(load, file, form):
    stored = tf.storage("0")
    value = {
        "epoch": 3,
        "loss": 0.25,
        "done": True,
        "note": "ünïcode",
        "nothing": None,
        "big": -(2**70),
        "state_dict": {"w": tf.tensor(stored)},
        "optimizer": {
            "state": {0: {"step": 9, "buffer": tf.tensor(stored)}},
            "groups": [{"a": ()}],
        },
    }
    contents = tf.checkpoint(form, value, {"0": np.arange(6, dtype="<f4").tobytes()})
    assert load(contents, "state_dict")["w"].tolist() == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(DataError, match=r"no tensors: 'epoch', 'loss'.*key=.*: 'state_dict', 'opt"):
        load(contents)
    with pytest.raises(KeyError, match="no entry 'model'; it has 'epoch', 'loss'"):
        load(contents, "model")
    with pytest.raises(DataError, match="its entry 'epoch' is a int, not a dict of tensors"):
        load(contents, "epoch")
    with pytest.raises(DataError, match="its entry 'optimizer' has entries that are no tensors"):
        load(contents, "optimizer")
    with pytest.raises(TypeError, match="key must be a str"):
        pth.load(file, 3)
    with pytest.raises(TypeError, match="floating"):
        pth.load(file, None, np.int32)


def test_what_is_not_wanted_is_not_read(load):
    """Storages of other entries may be anything: nobody looks."""
    value = {
        "state_dict": {"w": tf.tensor(tf.storage("0"))},
        "other": {"w": tf.tensor(tf.storage("gone"))},
    }
    assert load(tf.zipped(tf.pickled(value), {"0": bytes(24)}), "state_dict")["w"].shape == (2, 3)


# ---- into a module


@pytest.fixture
def module():
    return nn.Sequential(nn.Conv2d(3, 2, 2), nn.BatchNorm2d(2))


def saved(module, path, form):
    """The module's state as a file of that form, each value plus 1."""
    arrays = {name: np.array(t.numpy() + 1) for name, t in module.state_dict().items()}
    if form == "safetensors":
        safetensors.save(path, arrays)
    else:
        path.write_bytes(tf.of_arrays(form, arrays))
    return arrays


@pytest.mark.parametrize("form", ["safetensors", *tf.FORMS])
def test_weights_are_loaded_by_content(module, tmp_path, form):
    path = tmp_path / "weights.bin"
    arrays = saved(module, path, form)
    assert models.load_weights(module, path) == ([], [])
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), arrays[name])
    # In another dtype than that of the file.
    module.to(np.float64)
    models.load_weights(module, path)
    assert module[0].weight.dtype == np.float64
    np.testing.assert_array_equal(module[0].weight.numpy(), arrays["0.weight"])


@pytest.mark.parametrize("form", ["safetensors", *tf.FORMS])
def test_everything_that_does_not_fit_is_listed_and_nothing_loaded(module, tmp_path, form):
    path = tmp_path / "weights"
    saved(module, path, form)
    other = nn.Sequential(nn.Conv2d(3, 4, 2, bias=False), nn.BatchNorm2d(2), nn.Linear(1, 1))
    before = {name: tensor.numpy().copy() for name, tensor in other.state_dict().items()}
    with pytest.raises(RuntimeError) as caught:
        models.load_weights(other, path)
    text = str(caught.value)
    assert "missing: 2.weight, 2.bias" in text
    assert "unexpected: 0.bias" in text
    assert "0.weight has shape (2, 3, 2, 2), expected (4, 3, 2, 2)" in text
    for name, tensor in other.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    other = nn.Sequential(nn.Conv2d(3, 2, 2), nn.Identity(), nn.Linear(1, 1))
    missing, unexpected = models.load_weights(other, path, strict=False)
    assert missing == ["2.weight", "2.bias"]
    assert {name.split(".")[0] for name in unexpected} == {"1"}


def test_load_weights_of_an_entry_and_of_other_files(module, tmp_path):
    path = tmp_path / "weights"
    value = {
        "epoch": 1,
        "net": {"weight": tf.tensor(STORED), "bias": tf.tensor(STORED, (2,), (3,))},
    }
    path.write_bytes(tf.zipped(tf.pickled(value), {"0": np.arange(6, dtype="<f4").tobytes()}))
    linear = nn.Linear(3, 2)
    models.load_weights(linear, path, "net")
    assert linear.bias.numpy().tolist() == [0, 3]
    with pytest.raises(KeyError, match="it has 'epoch', 'net'"):
        models.load_weights(linear, path, "state_dict")
    saved(module, path, "safetensors")
    with pytest.raises(TypeError, match="is a safetensors file"):
        models.load_weights(module, path, "net")
    with pytest.raises(ValueError, match="allowed"):
        models.load_weights(module, path, max_bytes=100)
    with pytest.raises(TypeError, match="must be a Module"):
        models.load_weights({}, path)
    path.write_bytes(b"neither of them")
    with pytest.raises(DataError, match=re.escape("neither a safetensors file nor a checkpoint")):
        models.load_weights(module, path)
    with pytest.raises(FileNotFoundError):
        models.load_weights(module, tmp_path / "none")
