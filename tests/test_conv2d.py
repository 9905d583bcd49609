"""conv2d against the reference, to the last bit on integers, by every algorithm that applies; by
transforms within their bound.

Results are written over NaN, and come from memory that held NaN; the algorithm and the tier that
ran are asserted.
"""

import itertools

import numpy as np
import pytest
import sweeps
import transforms
from engine import poison_pool, poisoned, trace
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
import fastconv.functional as F
from fastconv import reference

pytestmark = pytest.mark.usefixtures("strict")

DTYPES = (np.float32, np.float64)

SWEEPS = {
    "width": sweeps.widths(),
    "pixels": sweeps.pixels(),
    "channels": sweeps.channels(),
    "batch": sweeps.batches(),
    "kernel": sweeps.kernels(),
    "geometry": sweeps.geometries(),
    "groups": sweeps.groups(),
    "depthwise": sweeps.depthwise(),
    "beyond": sweeps.beyond(),
    "whole map": sweeps.whole_maps(),
    "depthwise_lanes": sweeps.depthwise_lanes(),
    "mixture": sweeps.mixtures(200, seed=1),
}
CASES = [
    pytest.param(case, id=f"{sweep}:{case}")
    for sweep, layers in SWEEPS.items()
    for case in sweeps.with_epilogues(layers)
]


def run(case, dtype, algorithm, tier, threads=None, precision=None):
    """Run the case both ways, into `out` and into new memory; return the algorithm that ran."""
    problem = sweeps.conv_problem(case)
    x, w, bias, residual = problem.operands(dtype)
    how = case.how | {
        "residual": residual,
        "activation": case.activation,
        "algorithm": algorithm,
        "threads": threads,
        "precision": precision,
    }
    out = poisoned(problem.result.shape, dtype)
    with trace() as executions:
        returned = F.conv2d(x, w, bias, **how, out=out)
        poison_pool()
        executions_before = len(executions)
        fresh = F.conv2d(x, w, bias, **how)
    assert returned is out
    assert fresh.dtype == dtype
    used = executions[0][1] if executions else algorithm
    for result in (out, fresh):
        transforms.assert_meets(result, problem, case.layer, used)
    if case.layer.mb == 0:
        return algorithm
    ran = [run[:3] for run in (executions[0], executions[executions_before])]
    assert ran[0] == ran[1]
    op, used, on_tier = ran[0]
    assert (op, on_tier) == ("conv2d", tier)
    if algorithm is not None:
        assert used == algorithm
    return used


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
@pytest.mark.parametrize("case", CASES)
def test_exact(case, dtype, tier):
    chosen = run(case, dtype, None, tier)
    assert chosen not in transforms.TILE
    run(case, dtype, None, tier, precision="default")
    for threads, algorithm in enumerate(sweeps.ALGORITHMS, 1):
        must = sweeps.algorithm_must_take(algorithm, case.layer)
        refusal = None
        try:
            run(case, dtype, algorithm, tier, threads)
        except ValueError as error:
            refusal = str(error)
        if refusal is None:
            assert must is not False, f"{algorithm} takes a shape that is not its own"
        else:
            assert must is not True, f"{algorithm} refuses a shape that it must take: {refusal}"
            assert chosen != algorithm
            assert refusal.startswith("conv2d: ")
            assert algorithm in refusal


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
@pytest.mark.parametrize("seed", range(100, 140))
def test_exact_more_mixtures(seed, dtype, tier):
    """Forty times a hundred other mixtures."""
    for case in sweeps.with_epilogues(sweeps.mixtures(100, seed)):
        print(case)  # which pytest shows if it fails
        test_exact(case, dtype, tier)


HALF_CASES = [case for param in CASES[::9] for case in param.values]


@pytest.mark.parametrize("case", HALF_CASES, ids=str)
def test_float16_is_computed_in_float32_and_rounded_once(case, tier):
    problem = sweeps.conv_problem(case)
    x, w, bias, residual = problem.operands(np.float16)
    with trace() as executions:
        result = F.conv2d(x, w, bias, **case.how, residual=residual, activation=case.activation)
    with np.errstate(over="ignore"):
        expected = problem.result.astype(np.float16)
    np.testing.assert_array_equal(result, expected, strict=True)
    if case.layer.mb:
        assert [run[2] for run in executions] == [tier]


def test_float16_sum_that_float16_cannot_hold():
    """2048 + 1 + 1 is 2050 if added in float32, and 2048 if added in float16."""
    x = np.array([2048, 1, 1], np.float16).reshape(1, 3, 1, 1)
    w = np.ones((1, 3, 1, 1), np.float16)
    assert F.conv2d(x, w).item() == 2050


@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
@pytest.mark.parametrize("activation", sweeps.EXACT_ACTIVATIONS)
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    "layer",
    [
        sweeps.conv(17, 33, (5, 16), (3, 3), ph=1, pw=1),
        sweeps.conv(17, 33, (5, 16), (1, 1)),
        sweeps.conv(17, 17, (5, 16), (3, 3), ph=1, pw=1, g=17),
    ],
    ids=str,
)
def test_epilogues(layer, bias, residual, activation, dtype, tier):
    """Every epilogue by every algorithm."""
    test_exact(sweeps.ConvCase(layer, bias, residual, activation), dtype, tier)


def test_each_algorithm_is_some_shapes_choice(tier):
    """The automatic choice is not one algorithm for everything, and is what explain says."""
    chosen = set()
    for layer in (
        sweeps.conv(64, 64, (28, 28), (3, 3), ph=1, pw=1),
        sweeps.conv(64, 64, (28, 28), (1, 1)),
        sweeps.conv(64, 64, (28, 28), (3, 3), ph=1, pw=1, g=64),
    ):
        case = sweeps.ConvCase(layer)
        x, w, _, _ = sweeps.conv_problem(case).operands(np.float32)
        told = fastconv.explain("conv2d", x, w, **case.how)
        assert told.algorithm == run(case, np.float32, None, tier)
        assert told.tier == tier
        assert told.reason
        assert told.algorithm not in told.refusals
        chosen.add(told.algorithm)
    assert chosen == {"direct", "pointwise", "depthwise"}


def test_depthwise_puts_channels_into_lanes_where_rows_would_leave_them_empty(tier):
    """Small maps and long windows take packed weights, a vector for each tap; wide rows none."""
    wide = sweeps.conv(16, 16, (56, 112), (3, 3), ph=1, pw=1, g=16)
    for layer in (*sweeps.depthwise_lanes(), wide):
        case = sweeps.ConvCase(layer)
        x, w, _, _ = sweeps.conv_problem(case).operands(np.float32)
        conv = fastconv.Conv2d(w, **case.how, algorithm="depthwise")
        told = fastconv.explain(conv, x)
        lanes = layer is not wide and tier != "scalar"
        assert (told.packed_weight_bytes > 0) == lanes, layer


@pytest.mark.parametrize("algorithm", ["1x1", "pointwise", "depthwise"])
def test_forced_algorithm_refuses_with_the_reason_that_explain_gives(algorithm):
    x, w = np.ones((1, 4, 6, 6), np.float32), np.ones((4, 4, 3, 3), np.float32)
    told = fastconv.explain(F.conv2d, x, w)
    with pytest.raises(ValueError, match="conv2d: ") as refused:
        F.conv2d(x, w, algorithm=algorithm)
    assert told.refusals[algorithm] in str(refused.value)


PADDINGS = {
    "int": 2,
    "pair": (1, 2),
    "list": [2, 1],
    "four": ((1, 0), (2, 3)),
    "lists": [[0, 2], [1, 1]],
    "valid": "valid",
    "same": "same",
    "same_lower": "same_lower",
}


@pytest.mark.parametrize("dilation", [1, (2, 3)])
@pytest.mark.parametrize("stride", [1, 2, (3, 1)])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 5)])
@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
def test_every_form_of_padding(padding, kernel, stride, dilation):
    x = sweeps.integers((2, 5, 11, 14), kernel, stride, dtype=np.float32)
    w = sweeps.integers((7, 5, *kernel), kernel, dtype=np.float32)
    result = F.conv2d(x, w, None, stride, padding, dilation)
    np.testing.assert_array_equal(result, reference.conv2d(x, w, None, stride, padding, dilation))


def test_same_puts_the_odd_one_at_the_end_and_same_lower_at_the_beginning():
    x = np.array([[[[1, 2, 3, 4]]]], np.float32)
    w = np.array([[[[1, 10]]]], np.float32)
    np.testing.assert_array_equal(F.conv2d(x, w, padding="same").ravel(), [21, 32, 43, 4])
    np.testing.assert_array_equal(F.conv2d(x, w, padding="same_lower").ravel(), [10, 21, 32, 43])


def test_unbatched():
    x = sweeps.integers((5, 9, 8), "unbatched", dtype=np.float32)
    w = sweeps.integers((6, 5, 3, 3), "unbatched w", dtype=np.float32)
    residual = sweeps.integers((6, 9, 8), "unbatched r", dtype=np.float32)
    out = poisoned((6, 9, 8), np.float32)
    assert F.conv2d(x, w, padding=1, residual=residual, out=out) is out
    np.testing.assert_array_equal(out, reference.conv2d(x, w, padding=1, residual=residual))
    np.testing.assert_array_equal(F.conv2d(x, w), F.conv2d(x[np.newaxis], w)[0], strict=True)


def test_numpy_integers_are_integers():
    x = sweeps.integers((1, 4, 9, 9), "np int", dtype=np.float32)
    w = sweeps.integers((4, 2, 3, 3), "np int w", dtype=np.float32)
    result = F.conv2d(x, w, None, np.int64(2), np.uint8(1), np.int32(1), np.int16(2))
    np.testing.assert_array_equal(result, reference.conv2d(x, w, None, 2, 1, 1, 2))


@pytest.mark.parametrize("dtype", [np.float16, *DTYPES], ids=("f16", "f32", "f64"))
def test_empty_batch(dtype):
    x, w = np.empty((0, 3, 8, 8), dtype), np.ones((5, 3, 3, 3), dtype)
    result = F.conv2d(x, w, padding=1)
    assert (result.shape, result.dtype) == ((0, 5, 8, 8), dtype)
    out = np.empty((0, 5, 6, 6), dtype)
    assert F.conv2d(x, w, out=out) is out


@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
def test_long_sums_in_pieces(dtype, algorithm, tier):
    """2304 to 84600 products: more than a driver takes at once, for long vectors and short ones."""
    for layer in (
        sweeps.conv(9400, 3, (3, 4), (3, 3), ph=1, pw=1),
        sweeps.conv(256, 40, (5, 15), (3, 3), ph=1, pw=1),
        sweeps.conv(256, 17, (7, 9), (5, 5)),
        sweeps.conv(515, 33, (4, 5), (3, 3), ph=1, pw=1),
    ):
        for residual in (False, True):
            run(sweeps.ConvCase(layer, True, residual, "relu"), dtype, algorithm, tier)


@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
def test_long_pointwise_sums(dtype, tier):
    for ic in (255, 1024, 2049):
        case = sweeps.ConvCase(sweeps.conv(ic, 33, (3, 7), (1, 1)), True, True, "relu")
        for algorithm in ("direct", "1x1", "pointwise", "im2col"):
            run(case, dtype, algorithm, tier)


@st.composite
def calls(draw):
    """conv2d's arguments, valid more often than not."""
    g = draw(st.sampled_from((1, 1, 2, 3)))
    icg, ocg = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    size = st.integers(1, 18)
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    x = (draw(st.integers(0, 3)), g * icg, draw(size), draw(size))
    w = (g * ocg, icg + draw(st.sampled_from((0, 0, 0, 0, 0, 1))), *kernel)
    pair = st.tuples(st.integers(1, 4), st.integers(1, 4))
    sides = st.tuples(st.integers(0, 4), st.integers(0, 4))
    padding = draw(
        st.one_of(
            st.integers(-1, 4), sides, st.tuples(sides, sides), st.sampled_from(("same", "valid"))
        )
    )
    how = {
        "stride": draw(st.one_of(st.integers(0, 4), pair)),
        "padding": padding,
        "dilation": draw(st.one_of(st.integers(1, 3), pair)),
        "groups": g,
        "activation": draw(st.sampled_from((None, "relu", "relu6"))),
    }
    return (
        x,
        w,
        how,
        draw(st.sampled_from(DTYPES)),
        draw(st.sampled_from((None, "direct", "im2col"))),
    )


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(calls())
def test_any_call_ends_as_the_references(call):
    """The same result, to the bit, or the same kind of exception."""
    x_shape, w_shape, how, dtype, algorithm = call
    x = sweeps.integers(x_shape, x_shape, dtype=dtype)
    w = sweeps.integers(w_shape, w_shape, dtype=dtype)
    try:
        expected = reference.conv2d(x, w, **how)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            F.conv2d(x, w, **how, algorithm=algorithm)
    else:
        result = F.conv2d(x, w, **how, algorithm=algorithm)
        np.testing.assert_array_equal(result, expected.astype(dtype), strict=True)


def test_sweeps_meet_every_rule():
    """The sweeps are what their names say: no list was emptied, no value lost."""
    layers = list(itertools.chain.from_iterable(SWEEPS.values()))
    for counts in ({layer.ic for layer in layers}, {layer.oc for layer in layers}):
        assert counts >= set(sweeps.CHANNELS)
    assert {layer.mb for layer in layers} >= set(sweeps.BATCHES)
    assert {layer.kernel for layer in layers} >= {(k, k) for k in range(1, 12)}
    for tile in sweeps.TILES:
        sizes = {size + step for size in (tile, 2 * tile) for step in (-1, 0, 1)}
        assert {layer.output_size[1] for layer in layers} >= sizes
    assert len(CASES) > 1000
