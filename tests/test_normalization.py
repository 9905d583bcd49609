"""Batch normalisation with known statistics, local response normalisation, log-softmax."""

import numpy as np
import pytest
from bounds import roundoff
from engine import poison_pool, poisoned, trace
from test_linear_softmax_relu import softmax_shapes

import fastconv.functional as F
from fastconv import reference

every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
SHAPES = [
    (4, 1),
    (3, 5),
    (5, 33),
    (2, 3, 1),
    (2, 16, 7),
    (1, 17, 5, 6),
    (3, 6, 8, 8),
    (2, 4, 2, 3, 3),
]
LRN_SHAPES = [(2, 1, 5), (1, 7, 1), (3, 5, 17), (2, 16, 5, 7), (1, 96, 13, 13), (2, 3, 2, 3, 4)]


def statistics(channels, dtype, seed=1):
    rng = np.random.default_rng(seed)
    mean, weight, bias = (rng.standard_normal(channels).astype(dtype) for _ in range(3))
    return mean, (rng.random(channels) + 0.1).astype(dtype), weight, bias


@every_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batch_norm(shape, dtype, tier):
    x = np.random.default_rng(2).standard_normal(shape).astype(dtype)
    mean, variance, weight, bias = statistics(shape[1], dtype)
    for more in ({}, {"weight": weight}, {"bias": bias}, {"weight": weight, "bias": bias}):
        poison_pool()
        out = poisoned(shape, dtype)
        with trace() as executions:
            assert F.batch_norm(x, mean, variance, **more, out=out) is out
        assert executions[0][:3] == ("batch_norm", "channelwise", tier)
        exact = reference.batch_norm(x, mean, variance, **more)
        scale = np.abs(more.get("weight", 1) / np.sqrt(variance.astype(float) + 1e-5))
        by_channel = (-1, *(1,) * (len(shape) - 2))
        size = np.abs(x - mean.reshape(by_channel)) * scale.reshape(by_channel) + np.abs(exact)
        assert (np.abs(out - exact) <= 4 * roundoff(dtype) * size).all()


@every_dtype
def test_batch_norm_of_integers_is_exact(dtype):
    rng = np.random.default_rng(3)
    for shape in SHAPES:
        x = rng.integers(-9, 10, shape).astype(dtype)
        mean, weight, bias = (rng.integers(-4, 5, shape[1]).astype(dtype) for _ in range(3))
        variance = rng.choice([0.25, 1.0, 4.0, 16.0], shape[1]).astype(dtype)
        arguments = (x, mean, variance, weight, bias)
        for activation in (None, "relu", "relu6"):
            how = {"eps": 0.0, "activation": activation}
            np.testing.assert_array_equal(
                F.batch_norm(*arguments, **how), reference.batch_norm(*arguments, **how)
            )


def test_batch_norm_does_not_cancel():
    """A mean far larger than the deviation: folded into the bias it would leave no digit."""
    x = (1e6 + np.arange(8, dtype=np.float32) / 8).reshape(2, 1, 4)
    result = F.batch_norm(x, np.array([1e6], np.float32), np.array([1e-4], np.float32), eps=0.0)
    exact = reference.batch_norm(
        x, np.array([1e6], np.float32), np.array([1e-4], np.float32), eps=0.0
    )
    np.testing.assert_allclose(result, exact, rtol=1e-6)


@every_dtype
def test_batch_norm_special_values_and_threads(dtype):
    x = np.array([[[np.nan, np.inf, -np.inf, 1.0]]], dtype)
    one = np.ones(1, dtype)
    np.testing.assert_array_equal(
        F.batch_norm(x, one, one, eps=0.0), np.array([[[np.nan, np.inf, -np.inf, 0.0]]])
    )
    assert np.isnan(F.batch_norm(x[..., 3:], one, -one)).all()  # a negative variance
    large = np.random.default_rng(5).standard_normal((3, 40, 50, 51)).astype(dtype)
    arguments = statistics(40, dtype)
    result = F.batch_norm(large, *arguments, threads=1)
    np.testing.assert_array_equal(F.batch_norm(large, *arguments, threads=2), result)
    np.testing.assert_array_equal(F.batch_norm(large[1:2], *arguments), result[1:2])


@every_dtype
@pytest.mark.parametrize("beta", [0.75, 0.5, 1.0, 0.6, -1.0, 0.0])
@pytest.mark.parametrize("window", ["pytorch", "onnx"])
@pytest.mark.parametrize("shape", LRN_SHAPES, ids=str)
def test_local_response_norm(shape, window, beta, dtype, tier):
    x = np.random.default_rng(6).standard_normal(shape).astype(dtype)
    for size in (1, 2, 3, 4, 5, 8, 200):
        how = {"alpha": 0.5, "beta": beta, "k": 2.0, "window": window}
        poison_pool()
        out = poisoned(shape, dtype)
        with trace() as executions:
            assert F.local_response_norm(x, size, **how, out=out) is out
        exact = reference.local_response_norm(x, size, **how)
        np.testing.assert_allclose(out, exact, rtol=(size + 24) * roundoff(dtype), atol=0)
        assert executions[0][:3] == ("local_response_norm", "lrn", tier)


@every_dtype
def test_local_response_norm_threads_batches_and_special_values(dtype):
    x = np.random.default_rng(7).standard_normal((2, 32, 55, 57)).astype(dtype)
    result = F.local_response_norm(x, 5, threads=1)
    np.testing.assert_array_equal(F.local_response_norm(x, 5, threads=2), result)
    np.testing.assert_array_equal(F.local_response_norm(x[1:], 5), result[1:])
    x[0, 3, 0, 0], x[1, 9, 0, 0] = np.nan, np.inf
    result = F.local_response_norm(x, 3)
    touched = np.isnan(result)
    assert touched[0, 2:5, 0, 0].all()
    assert touched[1, 9, 0, 0]  # Inf / Inf
    assert touched.sum() == 4
    assert (result[1, [8, 10], 0, 0] == 0).all()


@every_dtype
@pytest.mark.parametrize(("shape", "dim"), list(softmax_shapes()))
def test_log_softmax(shape, dim, dtype, tier):
    x = (4 * np.random.default_rng(8).standard_normal(shape)).astype(dtype)
    poison_pool()
    out = poisoned(shape, dtype)
    with trace() as executions:
        assert F.log_softmax(x, dim, out=out) is out
    exact = reference.log_softmax(x, dim)
    size = np.abs(x).max(initial=0) + np.abs(exact)
    length = x.shape[dim]
    assert (np.abs(out - exact) <= (8 + length**0.5) * roundoff(dtype) * (size + 1)).all()
    assert [e[:3] for e in executions] == [("log_softmax", "softmax", tier)] * bool(x.size)


@every_dtype
def test_log_softmax_special_values(dtype):
    lines = np.array(
        [[0.0, -1000.0, -np.inf], [np.nan, 0, 0], [np.inf, 0, 0], [-np.inf] * 3, [1e30, 0, 0]],
        dtype,
    )
    expected = reference.log_softmax(lines, 1)
    np.testing.assert_array_equal(F.log_softmax(lines, 1), expected)
    np.testing.assert_array_equal(F.log_softmax(np.ascontiguousarray(lines.T), 0), expected.T)
    wide = np.random.default_rng(9).standard_normal((300, 500)).astype(dtype)
    for dim in (0, 1):
        np.testing.assert_array_equal(
            F.log_softmax(wide, dim, threads=2), F.log_softmax(wide, dim, threads=1)
        )
