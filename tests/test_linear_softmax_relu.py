"""linear, softmax and relu against the reference."""

import itertools

import bounds
import numpy as np
import pytest
import sweeps
from engine import poison_pool, poisoned, trace
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv.functional as F
from fastconv import reference

DTYPES = (np.float16, np.float32, np.float64)
IDS = ("f16", "f32", "f64")
FEATURES = (*sweeps.CHANNELS, 2, 4, 5, 7, 8, 9, 32, 63, 65, 128, 257)
ROWS = (1, 2, 3, 4, 5, 6, 7, 13, 14, 15, 27, 28, 29)


def assert_linear_exact(rows, features, outputs, dtype, tier, *, bias, activation):
    x = sweeps.integers((rows, features), "x", rows, features)
    w = sweeps.integers((outputs, features), "w", outputs, features)
    b = sweeps.integers(outputs, "b", outputs) if bias else None
    with np.errstate(over="ignore"):
        expected = reference.linear(x, w, b, activation=activation).astype(dtype)
    x, w, b = x.astype(dtype), w.astype(dtype), None if b is None else b.astype(dtype)
    out = poisoned(expected.shape, dtype)
    poison_pool()
    with trace() as executions:
        assert F.linear(x, w, b, activation=activation, out=out) is out
        fresh = F.linear(x, w, b, activation=activation)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(fresh, expected, strict=True)
    assert [(ran[0], ran[2]) for ran in executions] == [("linear", tier)] * 2


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("features", FEATURES)
def test_linear_features_by_outputs(features, dtype, tier):
    turns = itertools.cycle(itertools.product((False, True), sweeps.EXACT_ACTIVATIONS))
    for outputs, (bias, activation) in zip(FEATURES, turns, strict=False):
        assert_linear_exact(3, features, outputs, dtype, tier, bias=bias, activation=activation)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("rows", ROWS)
def test_linear_rows(rows, dtype, tier):
    for bias, activation in itertools.product((False, True), sweeps.EXACT_ACTIVATIONS):
        assert_linear_exact(rows, 17, 33, dtype, tier, bias=bias, activation=activation)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
@pytest.mark.parametrize("features", [5, 95, 96, 131, 1024, 2500])
def test_a_row_has_the_same_bits_in_every_batch(features, dtype, tier):
    rng = np.random.default_rng(features)
    x = rng.standard_normal((29, features)).astype(dtype)
    w = rng.standard_normal((43, features)).astype(dtype)
    alone = np.concatenate([F.linear(row[None], w, threads=1) for row in x])
    for rows, threads in itertools.product((2, 3, 5, 8, 29), (1, 2, 3)):
        batch = F.linear(x[:rows], w, threads=threads)
        np.testing.assert_array_equal(batch, alone[:rows], strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
def test_linear_long_sums(dtype, tier):
    for features in (1000, 4097, 9216):
        assert_linear_exact(2, features, 35, dtype, tier, bias=True, activation=None)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("leading", [(), (0,), (4,), (2, 3), (2, 0, 3), (1, 2, 1, 3)], ids=str)
def test_linear_leading_axes(leading, dtype):
    x = sweeps.integers((*leading, 6), "leading", dtype=dtype)
    w = sweeps.integers((5, 6), "leading w", dtype=dtype)
    result = F.linear(x, w)
    np.testing.assert_array_equal(result, reference.linear(x, w).astype(dtype), strict=True)
    out = poisoned((*leading, 5), dtype)
    assert F.linear(x, w, out=out) is out
    np.testing.assert_array_equal(out, result)


SHAPES = [(n,) for n in (*range(70), 127, 128, 129, 1000, 40_000)] + [
    (),
    (3, 0, 2),
    (1, 1, 1),
    (3, 5, 7),
    (2, 3, 4, 5, 6),
    (1,) * 10,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_relu(shape, dtype, tier):
    x = np.asarray(np.random.default_rng(6).standard_normal(shape)).astype(dtype)
    x = np.asarray(x)
    if x.size > 3:
        x.flat[0], x.flat[1], x.flat[2] = np.nan, np.inf, -np.inf
    expected = reference.relu(x).astype(dtype)
    out = poisoned(shape, dtype)
    poison_pool()
    with trace() as executions:
        assert F.relu(x, out=out) is out
        fresh = F.relu(x)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(fresh, expected, strict=True)
    if x.size:
        assert [(ran[0], ran[2]) for ran in executions] == [("relu", tier)] * 2


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("op", ["relu6", "sigmoid", "tanh"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_other_activations(shape, op, dtype, tier):
    x = np.asarray(np.random.default_rng(7).normal(0, 4, shape)).astype(dtype)
    if x.size > 3:
        x.flat[0], x.flat[1], x.flat[2] = np.nan, np.inf, -np.inf
    exact = getattr(reference, op)(x)
    finite = np.nan_to_num(x.astype(np.float64), posinf=1e6, neginf=-1e6)
    bound = bounds.activation_bound(np.zeros(shape), finite, op, dtype)
    bound = bounds.stored(bound, exact, dtype)
    out = poisoned(shape, dtype)
    poison_pool()
    with trace() as executions:
        assert getattr(F, op)(x, out=out) is out
        fresh = getattr(F, op)(x)
    bounds.assert_within(out, exact, bound)
    np.testing.assert_array_equal(fresh, out, strict=True)
    if x.size:
        assert [(ran[0], ran[2]) for ran in executions] == [(op, tier)] * 2


def softmax_shapes():
    for length in (*range(1, 40), 63, 64, 65, 1000):
        yield (2, length), 1
        yield (3, length), -1
        yield (length, 5), 0
    for inner in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100):
        yield (2, 6, inner), 1
        yield (2, 21, inner), -2
    yield from (((7,), 0), ((2, 3, 4, 5), 0), ((2, 3, 4, 5), 2), ((2, 3, 4, 5), -4))
    yield from (((1, 1), 0), ((0, 4), 1), ((4, 0), 1), ((3, 0, 2), 0), ((2, 1000, 7, 7), 1))


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize(("shape", "dim"), list(softmax_shapes()))
def test_softmax(shape, dim, dtype, tier):
    x = (4 * np.random.default_rng(7).standard_normal(shape)).astype(dtype)
    out = poisoned(shape, dtype)
    poison_pool()
    with trace() as executions:
        assert F.softmax(x, dim, out=out) is out
        fresh = F.softmax(x, dim=dim)
    np.testing.assert_array_equal(fresh, out, strict=True)
    assert fresh.shape == shape
    if x.size == 0:
        return
    assert [(ran[0], ran[2]) for ran in executions] == [("softmax", tier)] * 2
    exact, bound = bounds.softmax(x, dim, dtype=dtype)
    bounds.assert_within(out, exact, bound)
    if dtype != np.float16:
        roundings = 4 * (shape[dim] + 4) * bounds.roundoff(dtype)
        np.testing.assert_allclose(out.sum(axis=dim), 1, rtol=roundings)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_of_large_and_far_apart_values(dim, dtype):
    largest = float(np.finfo(dtype).max)
    rows = [
        [largest, largest, largest],
        [-largest, -largest, -largest],
        [largest, 0, -largest],
        [10_000, 9_999, 0],
        [-10_000, -9_999, 0],
        [0, -80, -90],
        [0, -103, -110],
        [0, -700, -745],
    ]
    x = np.array(rows).astype(dtype)
    x = np.ascontiguousarray(x if dim else x.T)
    exact = reference.softmax(x, dim)
    with np.errstate(over="ignore"):
        _, bound = bounds.softmax(x, dim, dtype=dtype)
    bounds.assert_within(F.softmax(x, dim), exact, bound)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_of_nan_and_infinity(dim, dtype):
    """NaN and +inf, or nothing but -inf, make their line NaN and no other; -inf alone counts 0."""
    x = sweeps.integers((6, 37), "softmax", dtype=dtype)
    x[1, 20], x[2, 3], x[3, 5], x[4] = np.nan, np.inf, -np.inf, -np.inf
    x = np.ascontiguousarray(x if dim else x.T)
    with np.errstate(invalid="ignore"):
        expected = reference.softmax(x, dim)
    result = F.softmax(x, dim)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    u = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=64 * u, atol=8e-8)
    assert np.take(result, 3, 1 - dim)[5] == 0
    lines = np.isnan(expected).all(axis=dim)
    np.testing.assert_array_equal(lines, [False, True, True, False, True, False])


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.integers(0, 6), min_size=0, max_size=5),
    st.integers(-6, 5),
    st.sampled_from(DTYPES),
)
def test_softmax_of_any_rank_ends_as_the_references(shape, dim, dtype):
    x = sweeps.integers(shape, shape, dtype=dtype)
    try:
        exact, bound = bounds.softmax(x, dim, dtype=dtype) if x.size else (x, 0)
        reference.softmax(x, dim)
    except (ValueError, IndexError):
        with pytest.raises(ValueError, match="softmax: "):
            F.softmax(x, dim)
    else:
        result = F.softmax(x, dim)
        bounds.assert_within(result, exact.astype(np.float64), bound)
