"""The strict order: rounding within derived bounds, NaN and infinity where IEEE 754 sends them,
subnormals. test_precision.py is about the others."""

import itertools

import bounds
import numpy as np
import pytest
import sweeps
from engine import poisoned

import fastconv.functional as F
from fastconv import reference

pytestmark = pytest.mark.usefixtures("strict")

DTYPES = (np.float16, np.float32, np.float64)
IDS = ("f16", "f32", "f64")
ACTIVATIONS = (None, "relu", "relu6", "sigmoid", "tanh")

LAYERS = (
    sweeps.conv(3, 17, (15, 17), (3, 3), ph=1, pw=1),
    sweeps.conv(64, 33, (9, 15), (3, 3), ph=1, pw=1),
    sweeps.conv(256, 40, (7, 7), (3, 3), ph=1, pw=1),
    sweeps.conv(3, 24, (31, 30), (7, 7), sh=2, sw=2, ph=3, pw=3),
    sweeps.conv(129, 31, (7, 15), (1, 1)),
    sweeps.conv(1024, 16, (3, 5), (1, 1)),
    sweeps.conv(33, 33, (14, 15), (5, 5), ph=2, pw=2, g=33),
    sweeps.conv(24, 16, (13, 12), (3, 3), ph=2, pw=4, dh=2, dw=4, g=8),
)


def normal(shape, *seed):
    return np.random.default_rng([len(shape), *shape, *seed]).standard_normal(shape)


def conv_operands(layer, dtype, scale=1.0):
    """Operands of mean 0 whose results have a spread of about `scale`."""
    x = normal(layer.input_shape, 1)
    w = normal(layer.weight_shape, 2) * scale / np.sqrt(np.prod(layer.weight_shape[1:]))
    residual = normal((layer.mb, layer.oc, *layer.output_size), 4)
    return [array.astype(dtype) for array in (x, w, normal((layer.oc,), 3), residual)]


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_conv2d_stays_within_its_bound(layer, activation, dtype, tier):
    x, w, bias, residual = conv_operands(layer, dtype, scale=3.0)
    how = sweeps.ConvCase(layer).how | {"activation": activation}
    exact, bound = bounds.conv2d(x, w, bias, residual=residual, dtype=dtype, **how)
    for algorithm in (None, *sweeps.EXACT_ALGORITHMS):
        if algorithm is None or sweeps.algorithm_must_take(algorithm, layer):
            result = F.conv2d(x, w, bias, residual=residual, algorithm=algorithm, **how)
            bounds.assert_within(result, exact, bound)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(1, 9216, 33), (5, 400, 17), (29, 64, 64), (3, 1, 1)], ids=str)
def test_linear_stays_within_its_bound(shape, activation, dtype, tier):
    rows, features, outputs = shape
    x = normal((rows, features), 5).astype(dtype)
    w = (normal((outputs, features), 6) * 3 / np.sqrt(features)).astype(dtype)
    bias = normal((outputs,), 7).astype(dtype)
    exact, bound = bounds.linear(x, w, bias, activation=activation, dtype=dtype)
    result = F.linear(x, w, bias, activation=activation)
    bounds.assert_within(result, exact, bound)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_the_bound_is_sharp(layer, dtype):
    """It is beaten by one product in thousands left out, and by sums that are kept in float16."""
    x, w, bias, _ = conv_operands(layer, dtype)
    how = sweeps.ConvCase(layer).how
    exact, bound = bounds.conv2d(x, w, bias, dtype=dtype, **how)
    less = w.copy()
    less[:, -1, -1, -1] = 0
    wrong = reference.conv2d(x, less, bias, **how).astype(dtype)
    with pytest.raises(AssertionError, match="out of bounds"):
        bounds.assert_within(wrong, exact, bound)
    if dtype != np.float16:
        with pytest.raises(AssertionError, match="out of bounds"):
            bounds.assert_within(exact.astype(np.float16), exact, bound)
    bounds.assert_within(exact.astype(dtype), exact, bound)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_activations_over_their_whole_range(activation, dtype, tier):
    """A product of one term is exact, so that the error is the function's own."""
    largest = float(np.finfo(dtype).max)
    middle = np.linspace(-30, 30, 4001)
    small = np.logspace(-8, 0, 200)
    far = np.array([50, 88, 89, 104, 120, 709, 710, 746, 1e4, largest, np.inf])
    with np.errstate(over="ignore"):
        values = np.concatenate([middle, small, -small, far, -far, [0.0]]).astype(dtype)
    x = values.reshape(1, 1, 1, -1)
    w = np.ones((1, 1, 1, 1), dtype)
    exact = reference.conv2d(x, w, activation=activation)
    smallest = float(np.finfo(bounds.COMPUTED_IN[dtype]).tiny)
    own = bounds.FUNCTION_ROUNDINGS * bounds.roundoff(dtype) * np.abs(exact) + smallest
    bounds.assert_within(
        F.conv2d(x, w, activation=activation), exact, bounds.stored(own, exact, dtype)
    )
    result = F.linear(values.reshape(-1, 1), np.ones((1, 1), dtype), activation=activation)
    bounds.assert_within(result.ravel(), exact.ravel(), bounds.stored(own, exact, dtype).ravel())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("op", ["conv2d", "linear"])
def test_activations_pass_nan_on(op, activation):
    x = np.full((1, 1, 1, 19) if op == "conv2d" else (19, 1), np.nan, np.float32)
    w = np.ones((1, 1, 1, 1) if op == "conv2d" else (1, 1), np.float32)
    assert np.isnan(getattr(F, op)(x, w, activation=activation)).all()


SPECIAL = {
    "nan": [np.nan],
    "inf": [np.inf],
    "both signs": [np.inf, -np.inf],
    "all": [np.nan, np.inf, -np.inf],
}


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("special", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize(
    "layer",
    [
        sweeps.conv(17, 33, (9, 17), (3, 3), ph=1, pw=1),
        sweeps.conv(6, 16, (12, 15), (5, 5), sh=2, sw=3, ph=2, pw=2),
        sweeps.conv(31, 24, (5, 15), (1, 1)),
        sweeps.conv(17, 17, (9, 17), (3, 3), ph=1, pw=1, g=17),
        sweeps.conv(12, 10, (9, 9), (3, 3), dh=2, dw=2, g=2),
    ],
    ids=str,
)
@pytest.mark.parametrize("where", ["input", "weight", "bias", "residual"])
def test_conv2d_sends_nan_and_infinity_where_the_reference_does(where, layer, special, dtype):
    """No more and no fewer outputs are touched than the windows say; 0·inf is NaN."""
    operands = dict(
        zip(
            ("input", "weight", "bias", "residual"),
            sweeps.conv_problem(sweeps.ConvCase(layer, bias=True, residual=True)).operands(dtype),
            strict=True,
        )
    )
    target = operands[where]
    places = np.random.default_rng(8).choice(target.size, 3, replace=False)
    for place, value in zip(places, itertools.cycle(special), strict=False):
        target.flat[place] = value
    for activation in (None, "relu"):
        how = sweeps.ConvCase(layer).how | {"activation": activation}
        with np.errstate(over="ignore"):
            expected = reference.conv2d(**operands, **how).astype(dtype)
        assert np.isfinite(expected).any()
        for algorithm in (None, *sweeps.EXACT_ALGORITHMS):
            if algorithm is None or sweeps.algorithm_must_take(algorithm, layer):
                out = poisoned(expected.shape, dtype)
                F.conv2d(**operands, **how, algorithm=algorithm, out=out)
                if where == "weight" and algorithm in (None, "direct"):
                    allowed = leaving_out_borders(operands, how, dtype)
                    same = [(out == a) | (np.isnan(out) & np.isnan(a)) for a in allowed]
                    assert np.logical_or.reduce(same).all()
                else:
                    np.testing.assert_array_equal(out, expected)


def leaving_out_borders(operands, how, dtype):
    """Results with each choice of weights that are not finite whose products with a border are
    left out, as the direct driver may (docs/numerics.md)."""
    weight, ones = operands["weight"], np.ones_like(operands["input"])
    how, relu = how | {"activation": None}, how["activation"] == "relu"
    places = np.flatnonzero(~np.isfinite(weight))
    finite = weight.copy()
    finite.flat[places] = 0
    begun = reference.conv2d(**operands | {"weight": finite}, **how)
    terms = []
    for place in places:
        alone, one = np.zeros_like(weight), np.zeros_like(weight)
        alone.flat[place], one.flat[place] = weight.flat[place], 1
        term = reference.conv2d(operands["input"], alone, **how)
        border = reference.conv2d(ones, one, **how) == 0
        terms.append((term, np.where(border, 0, term)))
    with np.errstate(over="ignore"):
        for choice in itertools.product(*terms):
            total = sum(choice, begun)
            yield (np.maximum(total, 0) if relu else total).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("where", ["input", "weight", "bias"])
def test_linear_sends_nan_and_infinity_where_the_reference_does(where, dtype):
    operands = {
        "input": sweeps.integers((15, 40), "input", dtype=dtype),
        "weight": sweeps.integers((33, 40), "weight", dtype=dtype),
        "bias": sweeps.integers(33, "bias", dtype=dtype),
    }
    operands[where].flat[[3, 17]] = np.nan, np.inf
    np.testing.assert_array_equal(F.linear(**operands), reference.linear(**operands).astype(dtype))


def test_overflow_is_infinity():
    for dtype in (np.float32, np.float64):
        largest = np.finfo(dtype).max
        x = np.full((1, 2, 1, 1), largest, dtype)
        assert F.conv2d(x, np.ones((1, 2, 1, 1), dtype)).item() == np.inf
        assert F.linear(x.reshape(1, 2), -np.ones((1, 2), dtype)).item() == -np.inf
    x = np.full((1, 2, 1, 1), 60000, np.float16)
    assert F.conv2d(x, np.ones((1, 2, 1, 1), np.float16)).item() == np.inf


SUBNORMAL64 = np.finfo(np.float64).smallest_subnormal


@pytest.mark.parametrize("algorithm", ["direct", "1x1", "pointwise", "im2col"])
def test_float64_keeps_subnormals(algorithm):
    x = (sweeps.integers((1, 6, 3, 17), "tiny") * SUBNORMAL64).astype(np.float64)
    w = sweeps.integers((17, 6, 1, 1), "tiny w")
    result = F.conv2d(x, w, algorithm=algorithm)
    np.testing.assert_array_equal(result / SUBNORMAL64, reference.conv2d(x / SUBNORMAL64, w))


def test_float64_keeps_subnormals_in_the_other_operations():
    x = sweeps.integers((2, 5, 6, 6), "tiny") * SUBNORMAL64
    np.testing.assert_array_equal(F.relu(x), reference.relu(x))
    np.testing.assert_array_equal(F.max_pool2d(x, 2), reference.max_pool2d(x, 2))
    np.testing.assert_array_equal(F.global_max_pool2d(x), reference.global_max_pool2d(x))
    w = sweeps.integers((5, 1, 3, 3), "tiny w")
    np.testing.assert_array_equal(
        F.conv2d(x, w, groups=5, algorithm="depthwise") / SUBNORMAL64,
        reference.conv2d(x / SUBNORMAL64, w, groups=5),
    )
    matrix, row = x.reshape(-1, 6), sweeps.integers((3, 6), "tiny row")
    np.testing.assert_array_equal(
        F.linear(matrix, row) / SUBNORMAL64, reference.linear(matrix / SUBNORMAL64, row)
    )


def test_float16_subnormals_are_ordinary_numbers():
    """They are normal in float32, where the sum is taken: none is lost."""
    unit = np.finfo(np.float16).smallest_subnormal
    x = sweeps.integers((1, 6, 5, 9), "half", dtype=np.float16) * unit
    w = sweeps.integers((17, 6, 3, 3), "half w", dtype=np.float16)
    expected = reference.conv2d(x, w).astype(np.float16)
    assert np.any(expected != 0)
    np.testing.assert_array_equal(F.conv2d(x, w), expected)
    np.testing.assert_array_equal(F.max_pool2d(x, 2), reference.max_pool2d(x, 2))
    np.testing.assert_array_equal(F.relu(x), reference.relu(x))


def test_float32_subnormals_lose_less_than_the_smallest_normal():
    unit = np.finfo(np.float32).smallest_subnormal
    x = sweeps.integers((1, 3, 6, 9), "single", dtype=np.float32) * unit
    w = sweeps.integers((4, 3, 3, 3), "single w", dtype=np.float32)
    exact, bound = bounds.conv2d(x, w, dtype=np.float32)
    bounds.assert_within(F.conv2d(x, w), exact, bound)
    for op in (F.relu, lambda array: F.max_pool2d(array, 2)):
        result = op(x)
        expected = reference.relu(x) if op is F.relu else reference.max_pool2d(x, 2)
        # Flushed operands all count as zero, so a maximum may be any of its window's subnormals:
        # what is lost is less than the smallest normal number.
        assert np.all(np.abs(result - expected) < np.finfo(np.float32).tiny)
    assert np.all(F.relu(x) >= 0)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
def test_the_same_call_gives_the_same_bits(dtype):
    for layer in LAYERS:
        x, w, bias, residual = conv_operands(layer, dtype)
        how = sweeps.ConvCase(layer).how
        first = F.conv2d(x, w, bias, residual=residual, **how)
        for _ in range(3):
            again = F.conv2d(x, w, bias, residual=residual, **how)
            assert again.tobytes() == first.tobytes()
