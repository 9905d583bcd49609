"""A graph is made of a module: what is recorded, and what is refused."""

import numpy as np
import pytest

from fastconv import Tensor, autograd, nn, no_grad
from fastconv import functional as F
from fastconv.graph.interpret import interpret
from fastconv.graph.trace import trace
from fastconv.graph.traced import Untraceable


def image(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def kinds(graph):
    return [node.kind for node in graph.nodes]


class Calls(nn.Module):
    """A network that is a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.inner = nn.Identity()

    def forward(self, *inputs):
        return self.inner(self.function(*inputs))


def agree(model, *inputs, **options):
    """Trace, interpret, and compare with the module itself."""
    graph, _ = trace(model, inputs)
    model.eval()
    with no_grad():
        expected = model(*map(Tensor, inputs))
    for result in interpret(graph, inputs):
        np.testing.assert_allclose(result, expected.numpy(), rtol=1e-5, atol=1e-5, **options)
    return graph


def test_layers_and_options():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(32, 4),
    )
    graph = agree(model, image(2, 3, 8, 8))
    assert kinds(graph) == [
        *("conv2d", "batch_norm", "activation", "pool2d", "reshape", "linear"),
    ]
    assert [node.layer for node in graph.nodes] == ["0", "1", "2", "3", "5", "6"]
    conv = graph.nodes[0]
    assert conv.options["stride"] == (2, 2)
    assert conv.options["padding"] == (1, 1, 1, 1)
    assert set(conv.arrays) == {"weight"}
    # Shapes are of one image.
    assert [node.output.shape for node in graph.nodes[-2:]] == [(32,), (4,)]


@pytest.mark.parametrize("padding", ["same", "same_lower", "valid", ((1, 0), (2, 3))])
def test_padding(padding):
    w = image(4, 2, 3, 3)
    graph = agree(Calls(lambda x: F.conv2d(x, w, None, 2, padding)), image(1, 2, 8, 7))
    assert len(graph.nodes[0].options["padding"]) == 4


@pytest.mark.parametrize("padding", ["same", 2, ((1, 0),)])
def test_one_axis(padding):
    w, b = image(4, 2, 3), image(4)
    graph = agree(Calls(lambda x: F.conv1d(x, w, b, 2, padding, 1, 1).relu()), image(2, 2, 9))
    assert kinds(graph) == ["reshape", "conv2d", "reshape", "activation"]


FUNCTIONS = {
    "mean": lambda x: x.mean((2, 3)),
    "mean keeps": lambda x: x.mean((-1, -2), keepdim=True),
    "reshape": lambda x: x.reshape(x.shape[0], -1),
    "view": lambda x: x.view(-1, 4, 36),
    "squeeze": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(2).squeeze(2),
    "shuffle": lambda x: x.view(x.shape[0], 2, 2, 6, 6).transpose(1, 2).flatten(1, 2),
    "clip": lambda x: x.clip(0, 6) + x.clamp(min=0),
    "constants": lambda x: 2.0 * x - 1.0 + image(4, 1, 1) * 1.0 - (1 - x) / 3 + -x,
    "a sum of three": lambda x: x + x.relu() + x.tanh(),
    "gate": lambda x: F.global_avg_pool2d(x).sigmoid() * x,
    "cat": lambda x: autograd.cat([x, x.relu(), x], 1),
    "softmax": lambda x: x.softmax(1) + x.log_softmax(-1),
    "activations": lambda x: F.silu(F.leaky_relu(F.gelu(x, "tanh"), 0.3)) + F.softplus(F.elu(x)),
    "hard": lambda x: F.hardswish(x) + F.hardsigmoid(F.gelu(x)),
    "prelu": lambda x: F.prelu(x, np.float32([0.1, 0.2, 0.3, 0.4])),
    "norms": lambda x: F.local_response_norm(x, 4) + F.local_response_norm(x, 4, window="onnx"),
    "pools": lambda x: F.avg_pool2d(x, 3, 2, 1, True, False) + F.max_pool2d(x, 3, 2, 1, 1, True),
    "dilated pool": lambda x: F.max_pool2d(x, 2, 1, 0, 2),
    "divisor": lambda x: F.avg_pool2d(x, 2, divisor_override=3),
    "norm pool": lambda x: F.lp_pool2d(x, 2.0, 3, 2),
    "adaptive": lambda x: F.adaptive_max_pool2d(x, (3, None)) + F.adaptive_avg_pool2d(x, (3, 6)),
    "pad": lambda x: F.pad(F.pad(x, (1, 2, 0, 1), "reflect"), (1, 0, 0, 3, 2, 0), value=1.5),
    "resize": lambda x: F.interpolate(x, (9, 5)) + F.interpolate(x, (9, 5), None, "bilinear", True),
    "scale": lambda x: F.interpolate(x, scale_factor=1.7, mode="nearest-exact"),
    "transposed": lambda x: F.conv_transpose2d(x, image(4, 3, 3, 3), None, 2, 1, 1),
    "fused": lambda x: F.conv2d(x, image(4, 4, 3, 3), None, 1, 1, activation="relu", residual=x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    agree(Calls(FUNCTIONS[name]), image(2, 4, 6, 6))


def test_several_inputs_and_results():
    model = Calls(lambda x, y: {"sum": x + y, "both": (x.relu(), [y])})
    x, y = image(2, 3), image(2, 3)
    graph, structure = trace(model, (x, y))
    assert structure == {"sum": 0, "both": (1, [2])}
    assert len(graph.inputs) == 2
    np.testing.assert_array_equal(interpret(graph, [x, y])[0], x + y)


def test_no_image_is_needed():
    """Values are not looked at, nor is there any arithmetic: a batch of none will do."""
    model = nn.Sequential(nn.Conv2d(3, 512, 3), nn.Flatten(), nn.Linear(512 * 36, 10))
    graph, _ = trace(model, (np.empty((0, 3, 8, 8), np.float32),))
    assert graph.outputs[0].shape == (10,)


def test_the_module_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5))
    model[1].eval()
    seen = []
    handle = model[0].register_forward_hook(lambda *_: seen.append(1))
    trace(model, (image(1, 3, 5, 5),))
    assert [part.training for part in model.modules()] == [True, True, False]
    assert seen == [1]
    assert model._hooks is None
    assert model[1]._hooks is None
    handle.remove()
    assert model(Tensor(image(1, 3, 5, 5))).requires_grad


def test_channels():
    """A part of them is a node, all of them are the value itself."""
    graph = agree(Calls(lambda x: x[:, 1:-1] + x[:, :2][:, :]), image(2, 4, 5, 5))
    assert [(n.kind, *n.options.values()) for n in graph.nodes[:2]] == [
        *(("part", 1, 3), ("part", 0, 2)),
    ]
    assert kinds(graph)[2:] == ["add"]
    graph = agree(Calls(lambda x: F.global_avg_pool2d(x).flatten(1)[:, 1:3]), image(3, 4, 2, 2))
    assert graph.nodes[-1].output.shape == (2,)


def test_constants_are_copies_and_shared():
    conv = nn.Conv2d(4, 4, 1)
    model = nn.Sequential(conv, conv)
    graph, _ = trace(model, (image(1, 4, 2, 2),))
    first, second = (node.arrays["weight"] for node in graph.nodes)
    assert first is second
    assert not np.shares_memory(first, conv.weight.numpy())


REFUSED = {
    "value": (lambda x: x if x.relu() > 0 else -x, "by the values"),
    "bool": (lambda x: x if x else -x, "by the values"),
    "item": (lambda x: x.item(), "by the values"),
    "index": (lambda x: x[:, 0], "index"),
    "index of channels and more": (lambda x: x[:, 1:3, 2:], "index"),
    "every other channel": (lambda x: x[:, ::2], "index"),
    "no channels": (lambda x: x[:, 3:3], "index"),
    "images": (lambda x: x[1:, 1:2], "index"),
    "columns": (lambda x: x.transpose(1, 3)[:, 1:2], "index"),
    "sort": (lambda x: x.exp(), "exp"),
    "mean": (lambda x: x.mean(1), "mean over dim=1"),
    "clip": (lambda x: x.clip(-1, 1), "clip"),
    "batch": (lambda x: x.flatten(0), "flatten of the batch"),
    "mixes": (lambda x: x.reshape(x.shape[0] * 4, 36), "reshape"),
    "permute": (lambda x: x.permute(1, 0, 2, 3), "permute"),
    "cat": (lambda x: autograd.cat([x, x], 2), "cat along dim=2"),
    "product": (lambda x: x * x.relu(), "product of shapes"),
    "sum": (lambda x: x + F.global_avg_pool2d(x), "sum of shapes"),
    "indices": (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], "return_indices"),
    "dynamic weights": (lambda x: F.conv2d(x, x), "weights that are computed"),
    "unfold": (lambda x: F.unfold(x, 3), "unfold"),
    "statistics": (lambda x: F.batch_norm(x, None, None, training=True), "eval"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_the_layer(name):
    function, told = REFUSED[name]
    model = nn.Sequential(nn.ReLU(), Calls(function))
    with pytest.raises(Untraceable, match=told) as error:
        trace(model, (image(1, 4, 6, 6),))
    assert "layer '1'" in str(error.value)
    # Nothing is left of the hooks that tell the layer.
    assert all(part._hooks is None for part in model.modules())


def test_what_functional_refuses_is_refused():
    model = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3))
    with pytest.raises(ValueError, match="weight has 3 input channels"):
        trace(model, (image(1, 4, 6, 6),))


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ((image(3, dtype=np.float32)[0],), "float32 or float64"),
        ((np.zeros((1, 3), np.float16),), "float16"),
        ((np.zeros((1, 3), int),), "int64"),
        ((np.zeros(3, np.float32),), r"expected \(N, ...\)"),
        ((np.zeros((1, 0), np.float32),), "no other axis empty"),
        ((image(1, 3), image(2, 3)), "the same N"),
        ((image(1, 3), image(1, 3, dtype=np.float64)), "give one"),
    ],
)
def test_examples_that_are_refused(inputs, told):
    with pytest.raises((TypeError, ValueError), match=told):
        trace(nn.ReLU(), inputs)


def test_weights_of_another_dtype():
    with pytest.raises(TypeError, match="weights have dtype float32"):
        trace(nn.Conv2d(3, 4, 3), (image(1, 3, 5, 5, dtype=np.float64),))
