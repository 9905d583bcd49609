"""fastconv.nn's layers: what they add to functional. tests/test_oracle_nn.py compares their values
with PyTorch's."""

import copy
import doctest
import importlib
import pickle
import pkgutil
import re
import subprocess
import sys
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, nn, no_grad

RNG = np.random.default_rng(31)


def normal(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


@pytest.mark.parametrize(
    "module",
    ["fastconv.random", *(f"fastconv.nn.{m.name}" for m in pkgutil.iter_modules(nn.__path__))],
)
def test_examples(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize("name", ["elementwise_loss", "loss", "regularization"])
def test_examples_of_functional(name):
    found = doctest.testmod(importlib.import_module(f"fastconv.functional.{name}"))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_examples_of_the_documentation_run(capsys):
    text = (Path(__file__).parent.parent / "docs/nn.md").read_text(encoding="utf-8")
    names = {}
    (example,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    exec(compile(example, "nn.md", "exec"), names)
    assert re.search(r"^total +6,582 ", capsys.readouterr().out, re.MULTILINE)
    assert names["net"][0].weight.grad.shape == (6, 1, 5, 5)


def test_it_is_imported_when_it_is_asked_for():
    program = (
        "import sys, numpy as np, fastconv\n"
        "import fastconv.functional as F\n"
        "F.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)))\n"
        "names = ('nn', 'random', 'functional.regularization', 'functional.elementwise_loss')\n"
        "print([name for name in names if f'fastconv.{name}' in sys.modules])\n"
        "print(fastconv.nn.ReLU.__name__, fastconv.random.generator.__name__)\n"
        "print(fastconv.manual_seed.__name__, F.dropout.__name__, F.mse_loss.__name__)\n"
    )
    result = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    expected = "[]\nReLU generator\nmanual_seed dropout mse_loss\n"
    assert result.stdout == expected, result.stderr
    with pytest.raises(AttributeError, match=r"fastconv.functional.*'nothing'"):
        F.nothing  # noqa: B018
    assert set(F.__all__) <= set(dir(F))


def test_everything_is_documented_and_named():
    for name in nn.__all__:
        value = getattr(nn, name)
        assert value.__doc__, name
        if isinstance(value, type) and issubclass(value, nn.Module) and value is not nn.Module:
            assert f"torch.nn.{name}." in value.__doc__
    assert len(set(nn.__all__)) == len(nn.__all__)


# ---- arguments

WRONG = [
    (ValueError, "Conv2d: in_channels is 3 and groups 2", lambda: nn.Conv2d(3, 4, 3, groups=2)),
    (ValueError, "Conv2d: out_channels is 3 and", lambda: nn.Conv2d(4, 3, 3, groups=2)),
    (ValueError, "Conv2d: padding is 'full'", lambda: nn.Conv2d(1, 1, 3, padding="full")),
    (ValueError, "Conv2d: padding_mode is 'x'", lambda: nn.Conv2d(1, 1, 3, padding_mode="x")),
    (ValueError, "Conv2d: kernel_size is 0", lambda: nn.Conv2d(1, 1, 0)),
    (TypeError, "Conv2d: stride must be", lambda: nn.Conv2d(1, 1, 3, stride=1.5)),
    (TypeError, "Conv2d: bias must be a bool", lambda: nn.Conv2d(1, 1, 3, bias=1)),
    (ValueError, "Conv1d: kernel_size has 2", lambda: nn.Conv1d(1, 1, (3, 3))),
    (
        ValueError, "ConvTranspose2d: padding_mode is",
        lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"),
    ),
    (TypeError, "ConvTranspose2d: padding must", lambda: nn.ConvTranspose2d(1, 1, 3, padding="x")),
    (ValueError, "Linear: in_features is 0", lambda: nn.Linear(0, 1)),
    (TypeError, "Linear: out_features must be", lambda: nn.Linear(1, 2.0)),
    (TypeError, "cannot require a gradient", lambda: nn.Linear(1, 1, dtype=np.int32)),
    (ValueError, "BatchNorm2d: num_features is 0", lambda: nn.BatchNorm2d(0)),
    (ValueError, "BatchNorm2d: input has shape .2, 3.", lambda: nn.BatchNorm2d(3)(np.ones((2, 3)))),
    (ValueError, "BatchNorm1d: input has shape .3", lambda: nn.BatchNorm1d(3)(np.ones(3))),
    (ValueError, "Dropout: p is 2", lambda: nn.Dropout(2)),
    (ValueError, "Upsample: size is None and", lambda: nn.Upsample()),
    (ValueError, "ZeroPad2d: padding has 2 values", lambda: nn.ZeroPad2d((1, 2))),
    (ValueError, "Unflatten: unflattened_size is", lambda: nn.Unflatten(0, (2, 2))(np.zeros(5))),
    (ValueError, "Unflatten: dim is 3", lambda: nn.Unflatten(3, (2, 2))(np.zeros((1, 4)))),
    (TypeError, "Unflatten: unflattened_size must", lambda: nn.Unflatten(1, 4)),
    (TypeError, "the buffer weight must be", lambda: nn.CrossEntropyLoss(weight=[1.0])),
]  # fmt: skip


@pytest.mark.parametrize(("error", "said", "call"), WRONG, ids=[said for _, said, _ in WRONG])
def test_wrong_arguments(error, said, call):
    with pytest.raises(error, match=said):
        call()


def test_padding_as_functional_takes_it():
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=((1, 0), (2, 1)))
    x = Tensor(normal(1, 2, 7, 7))
    expected = F.conv2d(x, conv.weight, conv.bias, 2, ((1, 0), (2, 1)))
    np.testing.assert_array_equal(conv(x).numpy(), expected.numpy())
    assert "padding=((1, 0), (2, 1))" in repr(conv)
    same = nn.Conv2d(2, 3, 3, stride=2, padding="same")
    assert same(x).shape == (1, 3, 4, 4)


def test_arrays_are_taken():
    array = normal(2, 3, 6, 6)
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Unflatten(1, (3, -1)))
    assert type(net(array)) is np.ndarray
    for layer in (nn.Conv2d(3, 2, 3), nn.BatchNorm2d(3), nn.PReLU(3), nn.Linear(6, 2)):
        assert type(layer(array)) is Tensor
        np.testing.assert_array_equal(layer(array).numpy(), layer(Tensor(array)).numpy())


def test_layers_of_float64():
    for layer in (
        nn.Conv2d(1, 1, 1, dtype=np.float64), nn.Conv1d(1, 1, 1, dtype="float64"),
        nn.ConvTranspose2d(1, 1, 1, dtype=np.float64), nn.Linear(1, 1, dtype=np.float64),
        nn.BatchNorm2d(1, dtype=np.float64), nn.PReLU(dtype=np.float64),
    ):  # fmt: skip
        kinds = {t.dtype for t in (*layer.parameters(), *layer.buffers()) if t.dtype.kind == "f"}
        assert kinds == {np.dtype(np.float64)}


# ---- batch normalisation


def test_a_batch_that_is_refused_is_not_counted():
    bn = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="batch_norm"):
        bn(Tensor(normal(1, 3)))
    assert bn.num_batches_tracked.item() == 0
    assert bn.running_mean.tolist() == [0, 0, 0]


def test_evaluation_changes_no_statistics():
    bn = nn.BatchNorm2d(3)
    bn(Tensor(normal(2, 3, 4, 4)))
    state = {name: np.array(value) for name, value in bn.state_dict().items()}
    bn.eval()
    bn(Tensor(normal(2, 3, 4, 4)))
    for name, value in bn.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    bn.reset_running_stats()
    assert bn.running_var.tolist() == [1, 1, 1]
    assert bn.num_batches_tracked.item() == 0
    with no_grad():
        bn.weight.fill_(3)
    bn.reset_parameters()
    assert bn.weight.tolist() == [1, 1, 1]


def test_momentum_none_is_the_mean_of_all_batches():
    bn, batches = nn.BatchNorm1d(2, momentum=None), [normal(8, 2) for _ in range(5)]
    for batch in batches:
        bn(Tensor(batch))
    np.testing.assert_allclose(
        bn.running_mean, np.mean([b.mean(0) for b in batches], 0), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        bn.running_var, np.mean([b.var(0, ddof=1) for b in batches], 0), rtol=1e-5
    )


# ---- dropout and resuming


def test_training_is_resumed_bit_by_bit():
    """What is saved of a training is all that it depends on."""

    def step(net, batch):
        net.zero_grad()
        net(Tensor(batch)).square().mean().backward()
        with no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad

    batches = [normal(4, 2, 6, 6) for _ in range(6)]
    fastconv.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout2d(0.3), nn.Flatten(), nn.Dropout(0.5),
        nn.Linear(64, 3),
    )  # fmt: skip
    for batch in batches[:3]:
        step(net, batch)
    saved = pickle.dumps(
        ({name: np.array(v) for name, v in net.state_dict().items()}, fastconv.get_rng_state())
    )
    for batch in batches[3:]:
        step(net, batch)

    fastconv.manual_seed(99)
    again = copy.deepcopy(net)
    again.apply(lambda m: m.reset_parameters() if hasattr(m, "reset_parameters") else None)
    weights, state = pickle.loads(saved)
    again.load_state_dict(weights)
    fastconv.set_rng_state(state)
    for batch in batches[3:]:
        step(again, batch)
    for (name, a), b in zip(net.state_dict().items(), again.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


# ---- containers


def test_sequential():
    a, b, c = nn.ReLU(), nn.Linear(2, 2), nn.Identity()
    net = nn.Sequential(OrderedDict([("a", a), ("b", b)]))
    assert list(dict(net.named_children())) == ["a", "b"]
    assert net.b is net[1] is net[-1] is b
    assert list(net) == [a, b]
    assert list(dict(net[1:].named_children())) == ["b"]
    net = nn.Sequential(a, b)
    assert net.append(c) is net
    assert list(net) == [a, b, c]
    net[0] = d = nn.Tanh()
    assert list(net) == [d, b, c]
    net.insert(1, a)
    assert list(net) == [d, a, b, c]
    assert list(dict(net.named_children())) == ["0", "1", "2", "3"]
    del net[0]
    assert net.pop() is c
    assert list(net) == [a, b]
    assert list(net.state_dict()) == ["1.weight", "1.bias"]
    net.extend([c, d])
    del net[1:3]
    assert list(net) == [a, d]
    assert list(dict(net.named_children())) == ["0", "1"]
    with pytest.raises(IndexError, match="index 2 is out of range, there are 2"):
        net[2]
    with pytest.raises(TypeError):
        net["0"]
    assert nn.Sequential()(3) == 3
    with pytest.raises(TypeError, match="must be a Module or None, not function"):
        nn.Sequential(lambda x: x)


def test_sequential_calls_its_modules_alone():
    class WithMore(nn.Sequential):
        def __init__(self):
            super().__init__(nn.Identity())
            self.scale = nn.Parameter([2.0])

    assert WithMore()(5) == 5


def test_module_list():
    layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    assert len(layers) == 3
    assert layers[-1] is list(layers)[2]
    assert len(layers[:2]) == 2
    assert type(layers[:2]) is nn.ModuleList
    assert repr(layers) == (
        "ModuleList(\n  (0-2): 3 x Linear(in_features=1, out_features=1, bias=True)\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"
    layers += [nn.ReLU()]
    assert len(layers + [nn.ReLU()]) == 5
    layers.insert(0, nn.Tanh())
    assert isinstance(layers[0], nn.Tanh)
    assert list(layers.state_dict())[:2] == ["1.weight", "1.bias"]
    layers.insert(-1, nn.Sigmoid())
    assert [type(m).__name__ for m in layers][-2:] == ["Sigmoid", "ReLU"]
    del layers[0]
    assert isinstance(layers.pop(), nn.ReLU)
    assert len(layers) == 4
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_dict():
    choices = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    assert list(choices) == list(choices.keys()) == ["b", "a"]
    assert "a" in choices
    assert "c" not in choices
    choices.update({"c": nn.Tanh(), "b": nn.Sigmoid()})
    assert [type(m).__name__ for m in choices.values()] == ["Sigmoid", "Linear", "Tanh"]
    assert [name for name, _ in choices.items()] == ["b", "a", "c"]
    assert isinstance(choices.pop("c"), nn.Tanh)
    del choices["b"]
    assert len(choices) == 1
    with pytest.raises(KeyError):
        choices["b"]
    with pytest.raises(KeyError):
        del choices["b"]
    with pytest.raises(KeyError, match="which the class has"):
        choices["items"] = nn.ReLU()
    choices.clear()
    assert len(choices) == 0


# ---- initial values


def test_initial_values_are_seeded_in_place_and_not_recorded():
    conv = nn.Conv2d(3, 4, 3)
    weight, array = conv.weight, conv.weight.detach().numpy()
    fastconv.manual_seed(7)
    assert nn.init.kaiming_normal_(conv.weight) is weight
    first = array.copy()
    assert len(np.unique(first)) == first.size
    fastconv.manual_seed(7)
    nn.init.kaiming_normal_(conv.weight)
    np.testing.assert_array_equal(array, first)
    assert weight.is_leaf
    assert weight.requires_grad
    generator = np.random.default_rng(3)
    nn.init.uniform_(weight, generator=generator)
    np.testing.assert_array_equal(array, np.random.default_rng(3).random(array.shape, np.float32))
    fastconv.manual_seed(1)
    one = nn.Linear(3, 3)
    fastconv.manual_seed(1)
    two = nn.Linear(3, 3)
    np.testing.assert_array_equal(one.bias.detach(), two.bias.detach())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5), (300, 229), (70000,)])
def test_draws_are_the_generators_wherever_they_go(shape, dtype):
    """In blocks or at once, and whether or not the elements lie in their order."""
    for order in "CF":
        t = Tensor(np.empty(shape, dtype, order))
        nn.init.normal_(t, 0.5, 0.25, np.random.default_rng(3))
        expected = np.random.default_rng(3).standard_normal(shape, dtype) * 0.25 + 0.5
        np.testing.assert_array_equal(t.numpy(), expected)
        nn.init.uniform_(t, -1.5, 0.5, np.random.default_rng(3))
        expected = np.random.default_rng(3).random(shape, dtype) * 2.0 - 1.5
        np.testing.assert_array_equal(t.numpy(), expected)
    saved = Tensor(np.ones(shape, dtype), True)
    product = saved * saved
    nn.init.normal_(saved)
    with pytest.raises(RuntimeError, match="changed"):
        product.sum().backward()


@pytest.mark.parametrize(
    "fill",
    [
        "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_",
        "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "ones_", "zeros_", "eye_",
    ],
)  # fmt: skip
def test_initial_values_can_be_skipped(fill):
    state = fastconv.manual_seed(5).bit_generator.state
    t = Tensor(np.full((3, 4), 7.0))
    with nn.init.skip():
        with nn.init.skip():
            nn.Conv2d(3, 4, 5)
        assert getattr(nn.init, fill)(t) is t
    assert (t.numpy() == 7).all()
    assert fastconv.random.generator().bit_generator.state == state
    getattr(nn.init, fill)(t)
    assert (t.numpy() != 7).all()


def test_skipping_ends_with_an_error_and_holds_in_one_thread():
    t = Tensor(np.zeros(3))
    with nn.init.skip():
        thread = threading.Thread(target=nn.init.ones_, args=(t,))
        thread.start()
        thread.join()
    assert t.tolist() == [1, 1, 1]
    with pytest.raises(TypeError), nn.init.skip():
        nn.init.zeros_(None)
    assert nn.init.zeros_(t).tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3), (4, 4)])
def test_orthogonal(shape):
    q = nn.init.orthogonal_(Tensor(np.empty(shape)), gain=2.0).numpy().reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_favours_no_direction():
    fastconv.manual_seed(6)
    corners = [nn.init.orthogonal_(Tensor(np.empty((2, 2))))[0, 0].item() for _ in range(400)]
    # Of the first coordinate of a random direction in the plane: 0 on average, deviation 1/√2.
    assert abs(np.mean(corners)) < 4 / np.sqrt(2 * 400)


def test_truncated_normal_is_within_its_bounds():
    values = nn.init.trunc_normal_(Tensor(np.empty((100, 100), np.float32)), 1, 2, 0, 1.5).numpy()
    assert values.min() >= 0
    assert values.max() <= 1.5


@pytest.mark.parametrize(
    ("error", "said", "call"),
    [
        (ValueError, "mode is 'x'", lambda t: nn.init.kaiming_normal_(t, mode="x")),
        (ValueError, "nonlinearity is 'x'", lambda t: nn.init.kaiming_normal_(t, nonlinearity="x")),
        (ValueError, "two axes", lambda t: nn.init.xavier_normal_(t[0])),
        (ValueError, "two axes", lambda t: nn.init.orthogonal_(t[0])),
        (ValueError, "two axes", lambda t: nn.init.eye_(t[0])),
        (ValueError, "that of a convolution", lambda t: nn.init.dirac_(t)),
        (ValueError, "without a size of 0", lambda t: nn.init.xavier_uniform_(t[:0])),
        (ValueError, "of the values lie between", lambda t: nn.init.trunc_normal_(t, 0, 1, 9, 10)),
        (TypeError, "must be a Tensor of floats", lambda t: nn.init.ones_(t.numpy())),
        (TypeError, "must be a Tensor of floats", lambda t: nn.init.normal_(Tensor([1, 2]))),
        (TypeError, "param must be a number", lambda t: nn.init.calculate_gain("leaky_relu", "x")),
    ],
)
def test_wrong_initial_values(error, said, call):
    t = Tensor(normal(3, 4))
    before = t.numpy().copy()
    with pytest.raises(error, match=said):
        call(t)
    np.testing.assert_array_equal(t, before)


# ---- summary


def test_summary_counts_and_leaves_the_network_as_it_was():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, groups=1), nn.BatchNorm2d(8))
            self.up = nn.ConvTranspose2d(8, 4, 2, 2, groups=2, bias=False)
            self.fc = nn.Linear(4, 5)
            self.tied = nn.Linear(4, 5)
            self.tied.weight = self.fc.weight
            self.unused = nn.Linear(7, 7)

        def forward(self, x):
            x = self.up(self.stem(x)).permute(0, 2, 3, 1)
            return self.fc(x), {"b": self.tied(x)}

    net = Net()
    net.stem.eval()
    net.fc.requires_grad_(False)
    handle = net.fc.register_forward_hook(lambda *_: None)
    with no_grad():
        net.stem(Tensor(normal(1, 3, 8, 8)))
    before = {id(m): dict(m.__dict__) for m in net.modules()}
    state = {name: np.array(value) for name, value in net.state_dict().items()}
    random = fastconv.get_rng_state()
    told = nn.summary(net, (2, 3, 8, 8))
    for module in net.modules():
        after = dict(module.__dict__)
        assert after.keys() == before[id(module)].keys()
        for key, value in before[id(module)].items():
            assert after[key] is value, key
    assert len(net.fc._hooks.after) == 1
    handle.remove()
    assert fastconv.get_rng_state() == random
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[name])

    layers = {layer.name: layer for layer in told.layers}
    assert list(layers) == ["", "stem", "stem.0", "stem.1", "up", "fc", "tied"]
    assert layers["stem.0"].output_shape == (2, 8, 4, 4)
    assert layers["stem.0"].parameters == 8 * 3 * 9 + 8
    assert layers["stem.0"].multiply_adds == 2 * 8 * 4 * 4 * 3 * 9
    assert layers["stem.1"].parameters == 16
    assert layers["up"].output_shape == (2, 4, 8, 8)
    assert layers["up"].multiply_adds == 2 * 8 * 4 * 4 * 2 * 4
    assert layers["fc"].multiply_adds == 2 * 8 * 8 * 5 * 4
    assert layers["fc"].parameters == 25
    assert layers["tied"].parameters == 5
    assert layers[""].output_shape == (2, 8, 8, 5)
    assert told.parameters == sum(p.numel() for p in net.parameters())
    assert told.trained_parameters == told.parameters - 25
    assert told.multiply_adds == sum(layer.multiply_adds for layer in told.layers)
    text = str(told)
    assert f"{told.parameters:,}" in text
    assert "(2, 4, 8, 8)" in text
    assert "ConvTranspose2d" in text


def test_summary_takes_examples_and_dtypes():
    class Two(nn.Module):
        def forward(self, a, b):
            return a + b

    assert nn.summary(Two(), (Tensor(normal(3)), Tensor(normal(3)))).layers[0].output_shape == (3,)
    net = nn.Linear(3, 2).double()
    assert nn.summary(net, (4, 3)).multiply_adds == 24
    assert nn.summary(net, Tensor(np.zeros((5, 3)))).layers[0].output_shape == (5, 2)
    assert nn.summary(nn.ReLU(), normal(2, 2)).parameters == 0
    with pytest.raises(TypeError, match="weight has dtype float64"):
        nn.summary(net, (4, 3), dtype=np.float32)
    assert net.training
    assert net._hooks is None
    with pytest.raises(TypeError, match="input must be a shape"):
        nn.summary(net, 3)
    with pytest.raises(TypeError, match="module must be a Module"):
        nn.summary(F.relu, (3,))


def test_summary_of_a_layer_that_is_called_twice_counts_parameters_once():
    shared = nn.Linear(3, 3)
    told = nn.summary(nn.Sequential(shared, nn.ReLU(), shared), (1, 3))
    assert [layer.parameters for layer in told.layers] == [0, 12, 0, 0]
    assert told.parameters == 12
    assert told.multiply_adds == 18
