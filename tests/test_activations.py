"""Activations: values within a few roundings, special values, any count of elements, any tier."""

import itertools
import math

import numpy as np
import pytest
from bounds import function_bound
from engine import poison_pool, poisoned, trace

import fastconv.functional as F
from fastconv import reference

FUSED = ("silu", "hardsigmoid", "hardswish", "gelu", "gelu_tanh")
CALLS = {
    "silu": {},
    "hardsigmoid": {},
    "hardswish": {},
    "gelu": {},
    "gelu_tanh": {"approximate": "tanh"},
    "leaky_relu": {"negative_slope": 0.3},
    "leaky_relu steep": {"negative_slope": -2.5},
    "elu": {},
    "elu of 0.7": {"alpha": 0.7},
    "softplus": {},
    "softplus of 3": {"beta": 3.0, "threshold": 5.0},
    "softplus of -0.5": {"beta": -0.5},
}
COUNTS = (0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 257)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


def called(name):
    """The operation, and its arguments."""
    word = name.split()[0]
    return "gelu" if word == "gelu_tanh" else word, CALLS[name]


def samples(dtype):
    """Numbers of every size and sign, dense where the functions bend."""
    tiny = float(np.finfo(dtype).tiny)
    small = np.geomspace(4 * tiny, 1, 600)
    values = [np.linspace(-40, 40, 4001), np.linspace(-3.5, 3.5, 2001), small, -small]
    values += [[0.0, 3.0, -3.0, 20.0, 100.0, -100.0, 710.0, -710.0, 1e30, -1e30]]
    return np.concatenate(values).astype(dtype)


@every_dtype
@pytest.mark.parametrize("name", CALLS)
def test_values(name, dtype, tier):
    op, arguments = called(name)
    x = samples(dtype)
    with trace() as executions:
        result = getattr(F, op)(x, **arguments)
    assert executions[0][:3] == (op, "elementwise", tier)
    rounded = {k: float(dtype(v)) if isinstance(v, float) else v for k, v in arguments.items()}
    exact = getattr(reference, op)(x, **rounded)
    function = name if name == "gelu_tanh" else op
    allowed = function_bound(function, x.astype(float), exact, dtype, arguments.get("beta", 1.0))
    wrong = np.abs(result - exact) > allowed
    assert not wrong.any(), (x[wrong][:5], result[wrong][:5], exact[wrong][:5])


@every_dtype
@pytest.mark.parametrize("name", CALLS)
def test_special_values(name, dtype):
    op, arguments = called(name)
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
    result = getattr(F, op)(x, **arguments)
    expected = getattr(reference, op)(x, **arguments)
    np.testing.assert_allclose(result, expected, rtol=1e-6)
    assert np.isnan(result[0])


@every_dtype
@pytest.mark.parametrize("name", CALLS)
def test_tails_round_like_bodies(name, dtype):
    """An element's result does not depend on its place, on `out` or on the threads."""
    op, arguments = called(name)
    function = getattr(F, op)
    whole = samples(dtype)
    expected = function(whole, **arguments)
    for count, start in itertools.product(COUNTS, (0, 1, 5)):
        part = whole[start : start + count]
        poison_pool()
        out = poisoned(count, dtype)
        assert function(part, **arguments, out=out) is out
        np.testing.assert_array_equal(out, expected[start : start + count])
    large = np.resize(whole, 300_001)
    np.testing.assert_array_equal(
        function(large, **arguments, threads=1), function(large, **arguments, threads=2)
    )


@every_dtype
@pytest.mark.parametrize("activation", FUSED)
def test_fused_into_convolution_and_linear(activation, dtype):
    """The same function, to the last bit, as an epilogue of each driver and layout."""
    op, arguments = called(activation)
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 24, 9, 17)).astype(dtype)
    bias = rng.standard_normal(24).astype(dtype)
    for shape, groups in (((24, 24, 3, 3), 1), ((24, 24, 1, 1), 1), ((24, 1, 3, 3), 24)):
        w = rng.standard_normal(shape).astype(dtype)
        plain = F.conv2d(x, w, bias, padding=1, groups=groups)
        expected = getattr(F, op)(plain, **arguments)
        result = F.conv2d(x, w, bias, padding=1, groups=groups, activation=activation)
        np.testing.assert_array_equal(result, expected)
        # channels last, which another algorithm may compute
        plain, result = (
            np.moveaxis(np.empty((2, *plain.shape[2:], 24), dtype), -1, 1) for _ in range(2)
        )
        F.conv2d(x, w, bias, padding=1, groups=groups, out=plain)
        F.conv2d(x, w, bias, padding=1, groups=groups, activation=activation, out=result)
        np.testing.assert_array_equal(result, getattr(F, op)(plain, **arguments))
    rows, w = x.reshape(-1, 17), rng.standard_normal((31, 17)).astype(dtype)
    plain = F.linear(rows, w)
    np.testing.assert_array_equal(
        F.linear(rows, w, activation=activation), getattr(F, op)(plain, **arguments)
    )


def test_gelu_keeps_its_small_tail():
    """1 + erf(x) would be 0, or wrong by a half, from -6 on."""
    x = np.linspace(-8, -4, 50)
    exact = [v * math.erfc(-v / math.sqrt(2)) / 2 for v in x]
    np.testing.assert_allclose(F.gelu(x), exact, rtol=1e-13)
    np.testing.assert_allclose(F.gelu(x.astype(np.float32)), exact, rtol=3e-5)


@every_dtype
@pytest.mark.parametrize(
    "shape", [(3, 5), (2, 7, 9), (2, 16, 3, 5), (1, 1, 1), (4, 33, 1)], ids=str
)
def test_prelu(shape, dtype, tier):
    rng = np.random.default_rng(4)
    x = rng.integers(-4, 5, shape).astype(dtype)
    for count in {1, shape[1]}:
        slopes = rng.integers(-3, 4, count).astype(dtype)
        poison_pool()
        out = poisoned(shape, dtype)
        with trace() as executions:
            assert F.prelu(x, slopes, out=out) is out
        np.testing.assert_array_equal(out, reference.prelu(x, slopes))
        assert executions[0][:3] == ("prelu", "channelwise", tier)


def test_prelu_of_one_axis_and_of_none():
    slope = np.array([0.5])
    np.testing.assert_array_equal(F.prelu(np.array([-2.0, 4.0]), slope), [-1.0, 4.0])
    np.testing.assert_array_equal(F.prelu(np.array(-2.0), slope), -1.0)
    assert F.prelu(np.ones((0, 3)), np.ones(3)).shape == (0, 3)
