"""Gradients against PyTorch. Run with -m oracle; without torch these fail."""

import numpy as np
import pytest
import test_autograd_operations
from test_autograd_operations import OPERATIONS

import fastconv.functional as F
from fastconv import Tensor

pytestmark = pytest.mark.oracle

# What PyTorch does not take, or takes under another name or with other parameters.
OTHERWISE = {
    "mul array": lambda torch, x: torch.arange(3.0, dtype=torch.float64) * x,
    "matmul array": lambda torch, x: torch.ones((2, 3), dtype=torch.float64) @ x,
    "minimum": lambda torch, x: torch.minimum(x, torch.tensor(0.05, dtype=torch.float64)),
    "where": lambda torch, x, y: torch.where(torch.eye(3, dtype=torch.bool), x, y),
    "var": lambda torch, x: x.var(),
    "var dim": lambda torch, x: x.var(0, correction=0),
    "std": lambda torch, x: x.std(1, keepdim=True),
    "index slices": lambda torch, x: x[..., [3, 1], None],
    "index mask": lambda torch, x: x[torch.eye(3, dtype=torch.bool)],
    "index by Tensors": lambda torch, x: x[[0, 1, 1], [2, 0, 0]],
    "iterate": lambda torch, x: x.sum(0),
    "squeeze dim": lambda torch, x: x[0],
    "mul_ itself": lambda torch, x: 4 * x * x,
}


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def gradients(result, inputs, start):
    result.backward(start)
    return [np.zeros(x.shape) if x.grad is None else np.asarray(x.grad) for x in inputs]


def assert_equal_gradients(torch, ours, theirs, arrays, tolerance=1e-10):
    """Of functions of Tensors and of torch's tensors, from one random start."""
    a = [Tensor(array.copy(), True) for array in arrays]
    b = [torch.tensor(array, requires_grad=True) for array in arrays]
    one, other = ours(*a), theirs(*b)
    np.testing.assert_allclose(one, other.detach().numpy(), rtol=tolerance, atol=tolerance)
    start = np.random.default_rng(1).standard_normal(one.shape).astype(one.dtype)
    for mine, its in zip(
        gradients(one, a, start), gradients(other, b, torch.tensor(start)), strict=True
    ):
        np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance, strict=True)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name, torch, monkeypatch):
    operation, arrays, _ = OPERATIONS[name]
    arrays = [np.asarray(array) for array in arrays]

    def theirs(*tensors):
        if name in OTHERWISE:
            return OTHERWISE[name](torch, *tensors)
        monkeypatch.setattr(test_autograd_operations, "autograd", torch)
        return operation(*tensors)

    assert_equal_gradients(torch, operation, theirs, arrays)


def test_ties(torch):
    x = np.array([[2.0, 5.0, 5.0], [5.0, 1.0, 0.0], [2.0, 2.0, 2.0]])
    for function in (
        lambda x: x.max(),
        lambda x: x.min(),
        lambda x: x.amax(1),
        lambda x: x.amin((0, 1)),
        lambda x: x.clamp(1, 5),
        lambda x: x.maximum(x * 1),
        lambda x: abs(x - 2) ** 1.5,
        lambda x: (x - 2) ** 0,
    ):
        assert_equal_gradients(torch, function, function, [x])


def test_dlpack(torch):
    x = Tensor(np.arange(3.0))
    theirs = torch.from_dlpack(x)
    theirs += 1
    assert x.tolist() == [1, 2, 3]
    assert Tensor(theirs).tolist() == [1, 2, 3]
    x.requires_grad_()
    with pytest.raises(BufferError):
        torch.from_dlpack(x)
    assert torch.from_dlpack(x.detach()).tolist() == [1, 2, 3]


# ---- layers

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.standard_normal(shape)


X, W, B = normal(2, 4, 7, 6), normal(6, 2, 3, 2), normal(6)
LINE = normal(2, 4, 9)
# (name in both libraries, arrays that have gradients, positional arguments after them, others)
LAYERS = [
    ("conv2d", (X, W, B), ((2, 1), (1, 2), 1, 2), {}),
    ("conv2d", (X, normal(8, 1, 3, 3)), (None, 2, 2, 2, 4), {}),
    ("conv2d", (X, normal(3, 4, 5, 3)), (), {"padding": "same", "dilation": (1, 2)}),
    ("conv1d", (LINE, normal(6, 4, 3), B), (2, 1, 2), {}),
    ("conv_transpose2d", (X, normal(4, 3, 3, 2), B), ((2, 3), 1, 1, 2), {}),
    ("conv_transpose1d", (LINE, normal(4, 5, 3), normal(5)), (3, 1, 0, 1, 2), {}),
    ("linear", (normal(3, 2, 5), normal(4, 5), normal(4)), (), {}),
    *((name, (4 * normal(3, 7),), (), {}) for name in (
        "relu", "relu6", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "gelu", "elu",
        "leaky_relu", "softplus",
    )),
    ("gelu", (4 * normal(3, 7),), (), {"approximate": "tanh"}),
    ("leaky_relu", (normal(3, 7),), (-0.3,), {}),
    ("elu", (normal(3, 7),), (0.7,), {}),
    ("softplus", (normal(3, 7),), (3.0, 1.0), {}),
    ("prelu", (X, normal(4)), (), {}),
    ("prelu", (X, normal(1)), (), {}),
    ("softmax", (X,), (1,), {}),
    ("log_softmax", (X,), (-1,), {}),
    ("local_response_norm", (X,), (3, 0.5, 0.6, 1.5), {}),
    ("local_response_norm", (X,), (2,), {"alpha": 0.7}),
    ("max_pool2d", (X,), (3, 2, 1), {"ceil_mode": True}),
    ("max_pool2d", (X,), ((2, 3), 1), {"dilation": 2}),
    ("max_pool1d", (LINE,), (3, 1), {}),
    ("avg_pool2d", (X,), (3, 2, 1), {"ceil_mode": True, "count_include_pad": False}),
    ("avg_pool2d", (X,), ((2, 3), 1), {"divisor_override": 5}),
    ("avg_pool1d", (LINE,), (3, 2, 1), {}),
    ("lp_pool2d", (X,), (2.0, 3, 1), {}),
    ("lp_pool2d", (abs(X),), (3.0, 2), {"ceil_mode": True}),
    ("lp_pool1d", (LINE,), (2.0, 2), {}),
    ("adaptive_avg_pool2d", (X,), ((3, 4),), {}),
    ("adaptive_avg_pool1d", (LINE,), (4,), {}),
    ("adaptive_max_pool2d", (X,), ((3, None),), {}),
    ("adaptive_max_pool1d", (LINE,), (4,), {}),
    ("pad", (X,), ((1, -1, 2, 0), "constant", 3.0), {}),
    *(("pad", (X,), ((2, 1, 3, 2), mode), {}) for mode in ("reflect", "replicate", "circular")),
    ("unfold", (X,), ((2, 3), (2, 1), 1, 2), {}),
    ("fold", (normal(2, 24, 12),), ((5, 6), (2, 3)), {"dilation": (2, 1)}),
    ("interpolate", (X,), (), {"scale_factor": 2}),
    ("interpolate", (X,), ((5, 9),), {"mode": "nearest-exact"}),
    ("interpolate", (LINE,), (13,), {"mode": "linear"}),
    ("interpolate", (X,), ((5, 9),), {"mode": "bilinear"}),
    ("interpolate", (X,), ((9, 4),), {"mode": "bilinear", "align_corners": True}),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_layers(number, torch):
    name, arrays, positional, options = LAYERS[number]

    def layer(library):
        return lambda *tensors: getattr(library, name)(*tensors, *positional, **options)

    # torch has the sixth of hardsigmoid in float32 in every dtype.
    tolerance = 1e-7 if name == "hardsigmoid" else 1e-10
    assert_equal_gradients(torch, layer(F), layer(torch.nn.functional), arrays, tolerance)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("x", [X, LINE, normal(5, 4)], ids=lambda x: f"{x.ndim} axes")
def test_batch_norm(x, training, torch):
    mean, var = normal(4), abs(normal(4)) + 0.5
    ours, theirs = (mean.copy(), var.copy()), (torch.tensor(mean), torch.tensor(var))
    how = {"training": training, "momentum": 0.3, "eps": 0.01}
    assert_equal_gradients(
        torch,
        lambda x, w, b: F.batch_norm(x, *ours, w, b, **how),
        lambda x, w, b: torch.nn.functional.batch_norm(x, *theirs, w, b, **how),
        [x, normal(4), normal(4)],
    )
    np.testing.assert_allclose(ours, np.stack(theirs), rtol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(reduction, smoothing, torch):
    how = {"reduction": reduction, "label_smoothing": smoothing, "ignore_index": 1}
    for x, target in (
        (normal(6, 5), np.array([0, 4, 1, 2, 1, 3])),
        (normal(2, 3, 2, 2), np.array([[[0, 1], [2, 2]], [[1, 0], [0, 2]]])),
    ):
        for weight in (None, RNG.uniform(0.5, 2, x.shape[1])):
            assert_equal_gradients(
                torch,
                lambda x, t=target, w=weight: F.cross_entropy(x, t, w, **how),
                lambda x, t=target, w=weight: torch.nn.functional.cross_entropy(
                    x, torch.tensor(t), None if w is None else torch.tensor(w), **how
                ),
                [x],
            )


def test_max_unpool(torch):
    places = np.array([[[0, 3, 4], [1, 2, 5]]])
    assert_equal_gradients(
        torch,
        lambda x: F.max_unpool1d(x, places, 2),
        lambda x: torch.nn.functional.max_unpool1d(x, torch.tensor(places), 2),
        [normal(1, 2, 3)],
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network(dtype, torch):
    """Convolutions with a shortcut, and a loss, in both libraries: the gradients of all weights."""
    arrays = [normal(3, 3, 12, 12), normal(8, 3, 3, 3) / 4, normal(8), normal(8, 8, 3, 3) / 8]
    arrays = [array.astype(dtype) for array in [*arrays, normal(8), normal(10, 8) / 3, normal(10)]]

    def ours(x, w1, b1, w2, b2, w3, b3):
        x = F.conv2d(x, w1, b1, padding=1, activation="tanh")
        x = F.conv2d(x, w2, b2, padding=1, residual=x, activation="gelu").mean((2, 3))
        return F.linear(x, w3, b3, activation="sigmoid")

    def theirs(x, w1, b1, w2, b2, w3, b3):
        f = torch.nn.functional
        x = torch.tanh(f.conv2d(x, w1, b1, padding=1))
        x = f.gelu(f.conv2d(x, w2, b2, padding=1) + x).mean((2, 3))
        return torch.sigmoid(f.linear(x, w3, b3))

    assert_equal_gradients(torch, ours, theirs, arrays, 1e-10 if dtype == np.float64 else 1e-4)
