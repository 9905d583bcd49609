"""Checkpoints that PyTorch itself has written, in both of its formats.

Run with -m oracle; without torch these fail.
"""

import collections

import numpy as np
import pytest

from fastconv import models, nn
from fastconv.data import DataError
from fastconv.models import pth

pytestmark = pytest.mark.oracle
FORMS = {"zip": {}, "stream": {"_use_new_zipfile_serialization": False}}


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


@pytest.fixture(params=FORMS)
def save(torch, request, tmp_path):
    """Save an object in one of the two formats; the path."""

    def save(value):
        torch.save(value, tmp_path / "a.pt", **FORMS[request.param])
        return tmp_path / "a.pt"

    return save


def equal(found, expected):
    assert list(found) == list(expected)
    for name, tensor in expected.items():
        array = tensor.detach().numpy()
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.c_contiguous
        assert found[name].flags.owndata


def test_tensors_of_every_kind(torch, save):
    base = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {
        "plain": base,
        "double": base.double(),
        "half": base.half(),
        "int64": base.long(),
        "int32": base.int(),
        "int16": base.short(),
        "int8": base.char(),
        "uint8": base.byte(),
        "bool": base > 7,
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        "transposed": base.permute(2, 0, 1),
        "slice": base[:, 1:, ::2],
        "last": base[1, 2, 3],
        "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(base.clone()),
        "frozen": torch.nn.Parameter(base.clone(), requires_grad=False),
    }
    equal(pth.load(save(tensors)), tensors)
    equal(pth.load(save(collections.OrderedDict(tensors))), tensors)


def test_every_layer_of_a_module(torch, save):
    torch.manual_seed(0)
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1, groups=1),
        torch.nn.BatchNorm2d(8),
        torch.nn.PReLU(8),
        torch.nn.ConvTranspose2d(8, 4, 3),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 64, 5),
    )
    theirs(torch.rand(4, 3, 6, 6))  # so that there are statistics
    theirs.eval()
    ours = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.PReLU(8), nn.ConvTranspose2d(8, 4, 3),
        nn.Flatten(), nn.Linear(4 * 64, 5),
    ).eval()  # fmt: skip
    path = save(theirs.state_dict())
    equal(pth.load(path), theirs.state_dict())
    assert models.load_weights(ours, path) == ([], [])
    x = torch.rand(2, 3, 6, 6)
    with torch.no_grad():
        expected = theirs(x).numpy()
    np.testing.assert_allclose(ours(x.numpy()).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_a_checkpoint_of_a_training(torch, save):
    theirs = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1, 0.9)
    theirs(torch.rand(4, 3)).sum().backward()
    optimizer.step()
    value = {
        "epoch": 3,
        "best": 0.75,
        "state_dict": theirs.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    path = save(value)
    equal(pth.load(path, "state_dict"), theirs.state_dict())
    ours = nn.Linear(3, 2)
    models.load_weights(ours, path, "state_dict")
    np.testing.assert_array_equal(ours.weight.numpy(), theirs.weight.detach().numpy())
    with pytest.raises(DataError, match="'state_dict', 'optimizer'"):
        pth.load(path)


def test_tied_weights_come_twice(torch, save):
    weight = torch.rand(2, 3)
    found = pth.load(save({"a": weight, "b": weight, "c": weight[1]}))
    np.testing.assert_array_equal(found["a"], found["b"])
    np.testing.assert_array_equal(found["c"], found["a"][1])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (lambda torch: torch.nn.Linear(1, 1), r"names torch\.nn\.modules\.linear\.Linear"),
        (lambda torch: {"a": torch.rand(2).bfloat16()}, r"names torch\.BFloat16Storage"),
        (
            lambda torch: {"a": torch.rand(2, dtype=torch.complex64)},
            r"names torch\.ComplexFloatStorage",
        ),
        (lambda torch: {"a": torch.rand(1).expand(1000)}, "overlap"),
        (lambda torch: {"a": torch.rand(2).to_sparse()}, "names"),
        (lambda torch: {"a": np.float64(1)}, "names numpy"),
        (lambda torch: torch.rand(2), "it is a tensor"),
    ],
)
def test_what_is_refused(torch, save, value, message):
    with pytest.raises(DataError, match=message):
        pth.load(save(value(torch)))


@pytest.mark.filterwarnings("ignore:.*jit.*:DeprecationWarning")
def test_a_program_is_named(torch, tmp_path):
    torch.jit.script(torch.nn.Linear(1, 1)).save(str(tmp_path / "a.pt"))
    with pytest.raises(DataError, match="a program of TorchScript"):
        pth.load(tmp_path / "a.pt")
