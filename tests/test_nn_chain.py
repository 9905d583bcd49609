"""Layers that become one operation: the values of single ones, and never where it would show."""

import copy

import layerwise
import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, nn, no_grad

RNG = np.random.default_rng(25)
ACTIVATIONS = {
    "none": None,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "hardsigmoid": nn.Hardsigmoid,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU("tanh"),
}


def drawn(*shape, dtype=np.float64):
    return RNG.standard_normal(shape).astype(dtype)


def norm_of(channels, dtype=np.float64):
    """A normalisation that changes what it is given, in every way."""
    norm = nn.BatchNorm2d(channels, dtype=dtype)
    norm.weight.data = Tensor(drawn(channels, dtype=dtype))
    norm.bias.data = Tensor(drawn(channels, dtype=dtype))
    norm.running_mean.copy_(drawn(channels, dtype=dtype))
    norm.running_var.copy_(np.abs(drawn(channels, dtype=dtype)) + 0.1)
    return norm.eval()


def conv_of(dtype=np.float64, bias=True, groups=1):
    return nn.Conv2d(4, 6, 3, padding=1, groups=groups, bias=bias, dtype=dtype).eval()


def one_by_one(x, modules, residual=None, activation=None):
    for module in modules:
        x = module.forward(x)
    x = x if residual is None else x + residual
    return x if activation is None else activation.forward(x)


class Calls:
    """How often methods of layers are called."""

    def __init__(self, monkeypatch, *methods):
        self.made = []
        for kind, name in methods:
            monkeypatch.setattr(kind, name, self._counted(kind, getattr(kind, name)))

    def _counted(self, kind, method):
        def counted(*args, **kwargs):
            self.made.append(kind.__name__)
            return method(*args, **kwargs)

        return counted


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("normalised", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_one_operation(activation, normalised, residual, monkeypatch):
    conv = conv_of(bias=not residual, groups=2 if residual else 1)
    norm = norm_of(6) if normalised else nn.Identity()
    act = ACTIVATIONS[activation] and ACTIVATIONS[activation]()
    x = Tensor(drawn(2, 4, 7, 5))
    added = Tensor(drawn(2, 6, 7, 5)) if residual else None
    with no_grad():
        expected = one_by_one(x, (conv, norm), added, act).numpy()
        layers = [(nn.BatchNorm2d, "activated"), (Tensor, "__add__"), (nn.Identity, "forward")]
        calls = Calls(monkeypatch, *layers, *([(type(act), "forward")] if act else []))
        got = nn.chain(x, conv, norm, residual=added, activation=act)
        assert type(got) is Tensor
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-12)
        if not residual:
            row = nn.Sequential(conv, norm, act or nn.Identity())
            np.testing.assert_array_equal(row(x).numpy(), got.numpy())
        assert calls.made in ([], ["Identity"])  # the last, which nothing takes


@pytest.mark.parametrize("threads", [1, 2])
def test_float32(threads):
    conv, norm, relu = conv_of(np.float32), norm_of(6, np.float32), nn.ReLU()
    x = Tensor(drawn(2, 4, 7, 5, dtype=np.float32))
    with no_grad(), fastconv.num_threads(threads):
        expected = one_by_one(x, (conv, norm, relu)).numpy()
        got = nn.chain(x, conv, norm, relu).numpy()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_all_layers_of_sequentials_are_seen(monkeypatch):
    inner = nn.Sequential(nn.Sequential(conv_of()), norm_of(6)).eval()
    x, added = Tensor(drawn(1, 4, 5, 5)), Tensor(drawn(1, 6, 5, 5))
    with no_grad():
        expected = one_by_one(x, (inner[0][0], inner[1]), added).numpy()
        calls = Calls(monkeypatch, (nn.BatchNorm2d, "activated"), (nn.Sequential, "forward"))
        got = nn.chain(x, inner, residual=added).numpy()
    assert not calls.made
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("which", range(4))
def test_hooks_are_called(which):
    modules = [conv_of(), norm_of(6), nn.ReLU()]
    row = nn.Sequential(*modules)
    x = Tensor(drawn(1, 4, 5, 5))
    seen = []
    hooked = row if which == 3 else modules[which]
    handle = hooked.register_forward_hook(lambda *given: seen.append(given[-1].numpy()))
    with no_grad():
        expected = [one_by_one(x, modules[: which + 1]).numpy()]
        row(x)
        nn.chain(x, row)
        handle.remove()
        row(x)
    assert len(seen) == 2
    np.testing.assert_allclose(seen, [expected[0]] * 2, rtol=1e-12, atol=1e-12)


def test_subclasses_are_called():
    class Doubled(nn.BatchNorm2d):
        def forward(self, input):
            return super().forward(input) * 2

    class Shifted(nn.ReLU):
        def forward(self, input):
            return super().forward(input) + 1

    class Halved(nn.Conv2d):
        def forward(self, input):
            return super().forward(input) * 0.5

    doubled = Doubled(6, dtype=np.float64).eval()
    halved = Halved(4, 6, 3, padding=1, dtype=np.float64).eval()
    x = Tensor(drawn(1, 4, 5, 5))
    rows = (
        (conv_of(), doubled, nn.ReLU()),
        (conv_of(), norm_of(6), Shifted()),
        (halved, norm_of(6), nn.ReLU()),
    )
    for row in rows:
        with no_grad():
            expected = one_by_one(x, row).numpy()
            np.testing.assert_allclose(nn.chain(x, *row).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("which", range(3))
def test_a_forward_that_was_replaced_is_called(which):
    modules = [conv_of(), norm_of(6), nn.ReLU()]
    x = Tensor(drawn(1, 4, 5, 5))
    original = modules[which].forward
    modules[which].forward = lambda input: original(input) + 1
    with no_grad():
        expected = one_by_one(x, modules).numpy()
        np.testing.assert_allclose(nn.chain(x, *modules).numpy(), expected, rtol=1e-12)


CHANGES = {
    "weight": lambda norm: norm.weight.mul_(2),
    "bias": lambda norm: norm.bias.add_(1),
    "mean": lambda norm: norm.running_mean.add_(1),
    "variance": lambda norm: norm.running_var.mul_(4),
    "eps": lambda norm: setattr(norm, "eps", 1.0),
    "another mean": lambda norm: setattr(norm, "running_mean", Tensor(drawn(6))),
    "no weight": lambda norm: setattr(norm, "weight", None),
    "no bias": lambda norm: setattr(norm, "bias", None),
    "loaded": lambda norm: norm.load_state_dict(norm_of(6).state_dict()),
    "no statistics": lambda norm: setattr(norm, "running_mean", None),
    "training": lambda norm: norm.train(),
    "a step": lambda norm: (norm.train(), norm(Tensor(drawn(2, 6, 3, 3))), norm.eval()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_never_stale(change):
    conv, norm = conv_of(), norm_of(6)
    x = Tensor(drawn(2, 4, 5, 5))
    with no_grad():
        before = nn.chain(x, conv, norm).numpy()
        CHANGES[change](norm)
        twin = copy.deepcopy(norm)  # a norm that trains counts calls
        expected = one_by_one(x, (conv, twin)).numpy()
        after = nn.chain(x, conv, norm).numpy()
        np.testing.assert_allclose(after, expected, rtol=1e-12, atol=1e-12)
        assert not np.allclose(before, after)
        conv.weight.mul_(3)
        expected = one_by_one(x, (conv, twin)).numpy()
        after = nn.chain(x, conv, norm).numpy()
        np.testing.assert_allclose(after, expected, rtol=1e-12, atol=1e-12)


def test_two_forms_are_kept_until_training():
    conv, norm, relu = conv_of(), norm_of(6), nn.ReLU()
    x = Tensor(drawn(1, 4, 5, 5))
    with no_grad():
        nn.chain(x, conv, norm)
        nn.chain(x, conv, relu)
        first = [entry[-1] for entry in conv._prepared.values()]
        nn.chain(x, conv, norm)
        nn.chain(x, conv, relu)
        assert [entry[-1] for entry in conv._prepared.values()] == first
        conv(x)
        assert list(conv._prepared) == [(None, "relu"), (None, None)]
    assert copy.deepcopy(conv)._prepared is None
    conv.train()
    assert conv._prepared is None


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_gradients_and_statistics_are_those_of_single_layers(mode):
    def made():
        fastconv.manual_seed(3)
        row = nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 5, 1),
            nn.Tanh(),
        )
        return getattr(row, mode)()

    x, added = drawn(3, 4, 6, 6, dtype=np.float32), drawn(3, 5, 6, 6, dtype=np.float32)
    found = []
    for how in ("chain", "single"):
        row = made()
        input, residual = Tensor(x, requires_grad=True), Tensor(added, requires_grad=True)
        if how == "chain":
            result = nn.chain(input, row, residual=residual, activation=nn.ReLU())
        else:
            result = one_by_one(input, row, residual, nn.ReLU())
        (result * result).sum().backward()
        found.append(
            [result, input.grad, residual.grad]
            + [p.grad for p in row.parameters()]
            + list(row.state_dict().values())
        )
    for chained, single in zip(*found, strict=True):
        np.testing.assert_array_equal(chained.detach().numpy(), single.detach().numpy())


def test_activations_are_part_of_the_layer_before_while_training(monkeypatch):
    row = nn.Sequential(conv_of(), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.BatchNorm2d(6), nn.Tanh())
    row.to(dtype=np.float64).train()
    calls = Calls(monkeypatch, (nn.ReLU, "forward"), (nn.Tanh, "forward"))
    result = row(Tensor(drawn(2, 4, 5, 5)))
    assert not calls.made
    assert result.requires_grad


def test_what_is_refused():
    conv, norm = conv_of(), norm_of(6)
    x = Tensor(drawn(1, 4, 5, 5))
    for added in (Tensor(drawn(1, 6, 5, 1)), Tensor(drawn(6, 5, 5))):
        with pytest.raises(ValueError, match="residual has shape"):
            nn.chain(x, conv, norm, residual=added)
        with no_grad(), pytest.raises(ValueError, match="residual has shape"):
            nn.chain(x, conv, norm, residual=added)
        with no_grad(), pytest.raises(ValueError, match="residual has shape"):
            nn.chain(x, conv, norm, nn.ReLU(), residual=added)
    with no_grad():
        with pytest.raises(ValueError, match="BatchNorm2d: input has shape"):
            nn.chain(Tensor(drawn(4, 5, 5)), conv, norm)
        with pytest.raises(TypeError, match="input"):
            nn.chain([1.0], conv, norm)
        norm.weight = nn.Parameter(np.ones(5))
        with pytest.raises(ValueError, match="batch_norm: weight has shape"):
            nn.chain(x, conv, norm)
        with pytest.raises(TypeError, match=r"batch_norm: .*float32"):
            nn.chain(x, conv, norm_of(6, np.float32))
        with pytest.raises(ValueError, match="batch_norm"):
            nn.chain(x, conv, norm_of(7))
        with pytest.raises(ValueError, match="approximate"):
            nn.chain(x, conv, nn.GELU("no such"))


def test_a_normalisation_alone_ends_with_its_activation(monkeypatch):
    norm, x = norm_of(6), Tensor(drawn(2, 6, 4, 4))
    with no_grad():
        expected = F.relu(norm(x)).numpy()
        calls = Calls(monkeypatch, (nn.ReLU, "forward"))
        np.testing.assert_array_equal(nn.chain(x, norm, nn.ReLU()).numpy(), expected)
    assert not calls.made


LEFT = dict.fromkeys(("alexnet", "alexnet_torchvision", "vgg11", "vgg13_bn", "vgg16", "vgg19"), 2)
LEFT |= {"preact_resnet18": 8, "preact_resnet50": 16, "preact_resnet20": 10, "densenet121": 62}


@pytest.mark.parametrize("name", layerwise.SMALL)
def test_networks(name, monkeypatch):
    """Inference as users call it, against layer by layer, which hooks on all layers make of it."""
    options, size = layerwise.SMALL[name]
    model, images = layerwise.build(name, size, np.float64, **options)
    model.eval()
    with no_grad():
        got = model(Tensor(images)).numpy()
        handles = [part.register_forward_hook(lambda *_: None) for part in model.modules()]
        expected = model(Tensor(images)).numpy()
        for handle in handles:
            handle.remove()
        calls = Calls(monkeypatch, (nn.BatchNorm2d, "activated"), (nn.ReLU, "forward"))
        np.testing.assert_array_equal(model(Tensor(images)).numpy(), got)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    # Linear layers take no activation; and a normalisation that comes first is its own operation.
    assert len(calls.made) == LEFT.get(name, 0)
