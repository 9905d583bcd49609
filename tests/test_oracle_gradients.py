"""Gradients of activations, normalisations and losses against torch."""

import importlib

import numpy as np
import pytest

from fastconv import ops

pytestmark = pytest.mark.oracle


class _Torch:
    """PyTorch, imported when it is first used: without it these tests fail, and are not skipped."""

    def __getattr__(self, name: str):
        return getattr(importlib.import_module("torch"), name)


torch = _Torch()


@pytest.fixture
def rng(request):
    return np.random.default_rng(list(request.node.name.encode()))


DTYPES = [np.float64, np.float32]


def close(actual, expected, dtype, scale=1.0, double=1e-10):
    """Within `double` in float64; in float32 within `scale` times some units in the last place of
    the largest number that takes part."""
    expected = np.asarray(expected.detach().numpy() if hasattr(expected, "detach") else expected)
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    finite = expected[np.isfinite(expected)]
    most = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
    bound = double if dtype is np.float64 else 2e-6 * scale
    np.testing.assert_allclose(actual, expected, rtol=bound, atol=bound * most)


def leaf(array):
    return torch.tensor(array, requires_grad=True)


ACTIVATIONS = {
    "relu": lambda x: torch.nn.functional.relu(x),
    "relu6": lambda x: torch.nn.functional.relu6(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "tanh": lambda x: torch.tanh(x),
    "silu": lambda x: torch.nn.functional.silu(x),
    "hardsigmoid": lambda x: torch.nn.functional.hardsigmoid(x),
    "hardswish": lambda x: torch.nn.functional.hardswish(x),
    "gelu": lambda x: torch.nn.functional.gelu(x),
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.2),
    "elu": lambda x: torch.nn.functional.elu(x, 1.5),
    "softplus": lambda x: torch.nn.functional.softplus(x, 2.0, 10.0),
}
PARAMETERS = {"leaky_relu": (0.2,), "elu": (1.5,), "softplus": (2.0, 10.0)}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, dtype, rng):
    x = (rng.standard_normal(1003) * 4).astype(dtype)
    x[:10] = [0, 3, -3, 6, -0.0, 40, -40, 5, 1e-8, -1e-8]
    g = rng.standard_normal(x.size).astype(dtype)
    input = leaf(x)
    result = ACTIVATIONS[name](input)
    result.backward(torch.tensor(g))
    saved = result.detach().numpy() if ops.SAVES_RESULT[name] else x
    actual = ops.activation_gradient(name, g, saved, *PARAMETERS.get(name, ()))
    # torch has the sixth of hardsigmoid in float32 in every dtype
    close(actual, input.grad, dtype, 2, 1e-7 if name == "hardsigmoid" else 1e-10)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_nan(name):
    """torch's own scalar tails differ from its vectors: whole vectors."""
    x = np.array([np.nan] * 64)
    input = leaf(x)
    result = ACTIVATIONS[name](input)
    result.backward(torch.ones(64, dtype=torch.float64))
    saved = result.detach().numpy() if ops.SAVES_RESULT[name] else x
    actual = ops.activation_gradient(name, np.ones(64), saved, *PARAMETERS.get(name, ()))
    np.testing.assert_array_equal(actual, input.grad.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(3, 5, 7, 11), (300, 37), (2, 3, 5000), (4, 1, 1, 1)])
def test_prelu(shape, dtype, rng):
    for channels in {1, shape[1]}:
        x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
        w = rng.standard_normal(channels).astype(dtype)
        input, weight = leaf(x), leaf(w)
        torch.nn.functional.prelu(input, weight).backward(torch.tensor(g))
        actual = ops.prelu_gradient(g, x, w)
        close(actual[0], input.grad, dtype)
        close(actual[1], weight.grad, dtype, 5)


SHAPES = [(3, 5, 7, 11), (300, 37), (2, 3, 5000), (4, 2, 1, 1), (130, 1), (2, 19, 3, 3)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_training(shape, affine, dtype, rng):
    x, g = (rng.standard_normal(shape).astype(dtype) + dtype(0.5) for _ in range(2))
    w, b = ((rng.standard_normal(shape[1]) + 1).astype(dtype) for _ in range(2))
    mean, var = rng.standard_normal(shape[1]).astype(dtype), np.ones(shape[1], dtype)
    their_mean, their_var = torch.tensor(mean), torch.tensor(var)
    input, weight, bias = leaf(x), leaf(w) if affine else None, leaf(b) if affine else None
    result = torch.nn.functional.batch_norm(
        input, their_mean, their_var, weight, bias, True, 0.3, 1e-3
    )
    result.backward(torch.tensor(g))
    w, b = (w, b) if affine else (None, None)
    actual, middle, deviation = ops.batch_norm_train(x, mean, var, w, b, 0.3, 1e-3)
    close(actual, result, dtype, 2)
    close(mean, their_mean, dtype)
    close(var, their_var, dtype)
    grads = ops.batch_norm_gradient(g, x, w, middle, deviation)
    close(grads[0], input.grad, dtype, 10)
    if affine:
        close(grads[1], weight.grad, dtype, 10)
        close(grads[2], bias.grad, dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_inference(shape, dtype, rng):
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    w, b, mean = (rng.standard_normal(shape[1]).astype(dtype) for _ in range(3))
    var = (rng.random(shape[1]) + 0.5).astype(dtype)
    input, weight, bias = leaf(x), leaf(w), leaf(b)
    torch.nn.functional.batch_norm(
        input, torch.tensor(mean), torch.tensor(var), weight, bias, False
    ).backward(torch.tensor(g))
    grads = ops.batch_norm_inference_gradient(g, x, w, mean, var)
    for actual, expected in zip(grads, (input, weight, bias), strict=True):
        close(actual, expected.grad, dtype, 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0, 0.6])
@pytest.mark.parametrize("size", [1, 2, 5, 20])
def test_local_response_norm(size, beta, dtype, rng):
    x, g = (rng.standard_normal((2, 9, 5, 7)).astype(dtype) for _ in range(2))
    input = leaf(x)
    torch.nn.functional.local_response_norm(input, size, 0.5, beta, 1.5).backward(torch.tensor(g))
    close(ops.local_response_norm_gradient(g, x, size, 0.5, beta, 1.5), input.grad, dtype, 4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "dim"), [((5, 70), 1), ((3, 17, 9), 1), ((40, 3), 0), ((7,), 0)])
def test_softmax(shape, dim, dtype, rng):
    x, g = (rng.standard_normal(shape).astype(dtype) * 3 for _ in range(2))
    for theirs, ours in (
        (torch.softmax, ops.softmax_gradient),
        (torch.log_softmax, ops.log_softmax_gradient),
    ):
        input = leaf(x)
        result = theirs(input, dim)
        result.backward(torch.tensor(g))
        close(ours(g, result.detach().numpy(), dim), input.grad, dtype, 5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(6, 10), (3, 37, 5, 4), (2, 4, 300), (5, 1), (7,)])
def test_cross_entropy(shape, weighted, smoothing, reduction, dtype, rng):
    classes = shape[0] if len(shape) == 1 else shape[1]
    x = (rng.standard_normal(shape) * 5).astype(dtype)
    target = rng.integers(0, classes, shape[:1] + shape[2:] if len(shape) > 1 else ())
    target = np.asarray(target)
    if target.ndim:
        target.flat[0] = -3
    w = (rng.random(classes) + 0.5).astype(dtype) if weighted else None
    input = leaf(x)
    loss = torch.nn.functional.cross_entropy(
        input,
        torch.tensor(target),
        None if w is None else torch.tensor(w),
        ignore_index=-3,
        reduction=reduction,
        label_smoothing=smoothing,
    )
    g = np.asarray(rng.standard_normal(tuple(loss.shape)), dtype)
    loss.backward(torch.tensor(g))
    options = (w, -3, reduction, smoothing)
    actual, saved = ops.cross_entropy(x, target, *options)
    close(actual, loss, dtype, 5)
    grad = ops.cross_entropy_gradient(g, x, target, saved, *options)
    close(grad, input.grad, dtype, 5)
