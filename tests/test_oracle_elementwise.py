"""Activations and normalisation against PyTorch. Run with -m oracle; without torch these fail."""

import numpy as np
import pytest
from bounds import function_bound, roundoff
from test_activations import CALLS, called, samples
from test_linear_softmax_relu import softmax_shapes
from test_normalization import LRN_SHAPES, SHAPES, statistics

import fastconv.functional as F

pytestmark = pytest.mark.oracle
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def tensors(torch, *arrays):
    return [None if a is None else torch.from_numpy(np.array(a, np.float64)) for a in arrays]


@every_dtype
@pytest.mark.parametrize("name", CALLS)
def test_activations(name, dtype, torch):
    """torch works in float64; what its 1 + erf and 1 + tanh lose in the tail is allowed for."""
    op, arguments = called(name)
    x = np.concatenate([samples(dtype), [np.nan, np.inf, -np.inf]]).astype(dtype)
    rounded = {k: float(dtype(v)) if isinstance(v, float) else v for k, v in arguments.items()}
    expected = getattr(torch.nn.functional, op)(*tensors(torch, x), **rounded).numpy()
    result = getattr(F, op)(x, **arguments)
    function = name if name == "gelu_tanh" else op
    wide = x.astype(float)
    with np.errstate(invalid="ignore", over="ignore"):
        allowed = function_bound(function, wide, expected, dtype, arguments.get("beta", 1.0))
        allowed += 4e-16 * np.abs(wide)
        close = np.abs(result - expected) <= allowed
    same = (result == expected) | (np.isnan(result) & np.isnan(expected))
    assert (close | same).all(), (x[~(close | same)], result[~(close | same)])


@every_dtype
@pytest.mark.parametrize("shape", [(5,), *SHAPES], ids=str)
def test_prelu(shape, dtype, torch):
    x = np.random.default_rng(1).integers(-4, 5, shape).astype(dtype)
    for count in {1, shape[1] if len(shape) > 1 else 1}:
        slopes = np.arange(1, count + 1).astype(dtype)
        expected = torch.nn.functional.prelu(*tensors(torch, x, slopes)).numpy()
        np.testing.assert_array_equal(F.prelu(x, slopes), expected)


@every_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm(shape, dtype, torch):
    x = np.random.default_rng(2).standard_normal(shape).astype(dtype)
    mean, variance, weight, bias = statistics(shape[1], dtype)
    for rest in ((), (weight,), (weight, bias), (None, bias)):
        arrays = (x, mean, variance, *rest)
        for eps in (1e-5, 0.1):
            expected = torch.nn.functional.batch_norm(*tensors(torch, *arrays), eps=eps).numpy()
            result = F.batch_norm(*arrays, eps=eps)
            np.testing.assert_allclose(
                result, expected, rtol=16 * roundoff(dtype), atol=64 * roundoff(dtype)
            )


@every_dtype
@pytest.mark.parametrize("shape", LRN_SHAPES, ids=str)
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 9])
def test_local_response_norm(shape, size, dtype, torch):
    x = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    for arguments in ((), (1e-3, 0.5, 2.0), (0.3, 1.3, 1.0), (2.0, 0.75, 0.5)):
        expected = torch.nn.functional.local_response_norm(*tensors(torch, x), size, *arguments)
        result = F.local_response_norm(x, size, *arguments)
        np.testing.assert_allclose(result, expected.numpy(), rtol=(size + 24) * roundoff(dtype))


@every_dtype
@pytest.mark.parametrize(("shape", "dim"), list(softmax_shapes()))
def test_log_softmax(shape, dim, dtype, torch):
    x = (4 * np.random.default_rng(4).standard_normal(shape)).astype(dtype)
    expected = torch.log_softmax(*tensors(torch, x), dim).numpy()
    np.testing.assert_allclose(F.log_softmax(x, dim), expected, rtol=0, atol=300 * roundoff(dtype))


REFUSED_BY_BOTH = {
    "prelu": lambda f, t, x: f.prelu(x, t(np.ones(3))),
    "batch_norm mean": lambda f, t, x: f.batch_norm(x, t(np.ones(3)), t(np.ones(4))),
    "batch_norm rank": lambda f, t, x: f.batch_norm(x[0, 0, 0], t(np.ones(9)), t(np.ones(9))),
    "lrn rank": lambda f, t, x: f.local_response_norm(x[0, 0], 3),
    "log_softmax": lambda f, t, x: f.log_softmax(x, 4),
}


@pytest.mark.parametrize("call", REFUSED_BY_BOTH.values(), ids=REFUSED_BY_BOTH)
def test_what_torch_refuses_is_refused(call, torch):
    x = np.ones((1, 4, 9, 9))
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        call(torch.nn.functional, torch.from_numpy, torch.from_numpy(x))
    with pytest.raises(ValueError, match=": "):
        call(F, np.asarray, x)
