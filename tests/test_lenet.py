"""LeNet-5: its shapes, its 61,706 parameters, the paper's table, and how digits are prepared."""

import doctest

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, models, random
from fastconv import functional as F
from fastconv.models.lenet import S2_TO_C3, LeNet5, prepare_digits

DIGITS = np.random.default_rng(0).integers(0, 256, (5, 28, 28)).astype(np.uint8)


def test_examples():
    assert doctest.testmod(models.lenet).failed == 0


def count(model):
    return {name: p.numel() for name, p in model.named_parameters()}


def test_parameters():
    sizes = count(LeNet5())
    layers = {}
    for name, size in sizes.items():
        layer = name.split(".")[0]
        layers[layer] = layers.get(layer, 0) + size
    assert layers == {"c1": 156, "c3": 2416, "c5": 48120, "f6": 10164, "output": 850}
    assert sum(sizes.values()) == 61_706


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("connections", ["dense", "table"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_of_every_layer(activation, pooling, connections, dtype):
    model = LeNet5(10, activation, pooling, connections, dtype)
    shapes = {}
    for name, module in model.named_children():
        module.register_forward_hook(
            lambda module, args, result, name=name: shapes.update({name: result.shape[1:]})
        )
    x = Tensor(prepare_digits(DIGITS).astype(dtype))
    assert x.shape == (5, 1, 32, 32)
    result = model(x)
    assert (result.shape, result.dtype) == ((5, 10), dtype)
    assert shapes == {
        "c1": (6, 28, 28),
        "act1": (6, 28, 28),
        "s2": (6, 14, 14),
        "c3": (16, 10, 10),
        "act3": (16, 10, 10),
        "s4": (16, 5, 5),
        "c5": (120,),
        "act5": (120,),
        "f6": (84,),
        "act6": (84,),
        "output": (10,),
    }
    assert type(model.act1).__name__.lower() == activation
    assert type(model.s2).__name__ == ("AvgPool2d" if pooling == "average" else "MaxPool2d")


def test_is_the_formula():
    random.manual_seed(0)
    model = LeNet5(dtype=np.float64)
    x = prepare_digits(DIGITS).astype(np.float64)
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}

    def pooled(maps):
        n, c, h, w = maps.shape
        return maps.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))

    def convolved(maps, name):
        windows = np.lib.stride_tricks.sliding_window_view(maps, (5, 5), axis=(2, 3))
        sums = np.einsum("nihwab,oiab->nohw", windows, weights[f"{name}.weight"])
        return sums + weights[f"{name}.bias"][:, None, None]

    def connected(values, name):
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    y = pooled(np.tanh(convolved(x, "c1")))
    y = pooled(np.tanh(convolved(y, "c3"))).reshape(5, -1)
    y = np.tanh(connected(np.tanh(connected(y, "c5")), "f6"))
    np.testing.assert_allclose(model(Tensor(x)).numpy(), connected(y, "output"), rtol=1e-10)


def test_the_table_is_the_papers():
    maps = [tuple(np.flatnonzero(column).tolist()) for column in S2_TO_C3.T]
    # Six maps see three neighbours, six four neighbours, three four with a gap, one sees all.
    assert maps[:6] == [tuple(sorted((i + k) % 6 for k in range(3))) for i in range(6)]
    assert maps[6:12] == [tuple(sorted((i + k) % 6 for k in range(4))) for i in range(6)]
    assert maps[12:] == [(0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)]


def test_what_the_table_leaves_out_is_never_learned():
    random.manual_seed(1)
    model = LeNet5(connections="table")
    absent = np.broadcast_to((S2_TO_C3.T == 0)[:, :, None, None], (16, 6, 5, 5))
    assert count(model)["c3.weight"] - absent.sum() + 16 == 1516
    optimizer = fastconv.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    before = model.c3.weight.numpy().copy()
    assert (before[absent] == 0).all()
    for _ in range(3):
        optimizer.zero_grad()
        F.cross_entropy(model(Tensor(prepare_digits(DIGITS))), np.arange(5)).backward()
        optimizer.step()
    after = model.c3.weight.numpy()
    assert (after[absent] == 0).all()
    assert (after[~absent] != before[~absent]).all()
    assert "c3.connected" not in model.state_dict()
    # As wide as a map with so few connections asks for: 1/√(25·3) for the first, 1/√(25·6) last.
    assert 0.1 < np.abs(before[0]).max() <= 1 / np.sqrt(75) + 1e-6
    assert np.abs(before[15]).max() <= 1 / np.sqrt(150) + 1e-6
    changed = LeNet5(connections="table")
    changed.load_state_dict(model.state_dict())
    x = Tensor(prepare_digits(DIGITS))
    np.testing.assert_array_equal(changed(x).numpy(), model(x).numpy())


def test_table_in_eval_mode_is_the_same():
    model = LeNet5(connections="table")
    x = Tensor(prepare_digits(DIGITS))
    expected = model(x).numpy()
    model.eval()
    with fastconv.no_grad():
        np.testing.assert_allclose(model(x).numpy(), expected, rtol=1e-5, atol=1e-6)


def test_prepare_digits():
    x = prepare_digits(DIGITS)
    assert (x.shape, x.dtype) == ((5, 1, 32, 32), np.float32)
    inside = x[:, 0, 2:30, 2:30]
    np.testing.assert_allclose(inside, DIGITS / 255 * 1.275 - 0.1, atol=1e-6)
    frame = x.copy()
    frame[:, :, 2:30, 2:30] = -0.1
    np.testing.assert_array_equal(frame, np.float32(-0.1))
    np.testing.assert_array_equal(prepare_digits(DIGITS[:, None]), x)


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (DIGITS.astype(float), TypeError),
        ([[1]], TypeError),
        (DIGITS[:, :27], ValueError),
        (DIGITS[0], ValueError),
        (np.zeros((1, 3, 28, 28), np.uint8), ValueError),
    ],
)
def test_prepare_digits_refuses(images, error):
    with pytest.raises(error, match="prepare_digits: images"):
        prepare_digits(images)


@pytest.mark.parametrize("option", ["activation", "pooling", "connections"])
def test_unknown_options(option):
    with pytest.raises(ValueError, match=f"LeNet5: {option} is 'x', expected"):
        models.LeNet5(**{option: "x"})
