"""Pooling against the reference: maxima and their places to the bit, averages within bounds."""

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


def windows():
    """(input shape, arguments) of pooling windows, by rule."""
    cases = []
    for width in (*sweeps.WIDTHS, 63, 64, 65):
        cases.append(((1, 3, 5, width), {"kernel_size": 3, "stride": 1, "padding": 1}))
        cases.append(((1, 2, 4, 2 * width), {"kernel_size": 2}))
    for channels in sweeps.CHANNELS:
        cases.append(((2, channels, 7, 9), {"kernel_size": 3, "stride": 2}))
    for kernel in range(1, 12):
        half = kernel // 2
        cases.append(((1, 3, 13, 14), {"kernel_size": kernel, "stride": 1, "padding": half}))
        cases.append(((1, 3, 13, 14), {"kernel_size": kernel}))
        cases.append(((1, 3, 14, 13), {"kernel_size": (kernel, 2), "stride": (1, 3)}))
        cases.append(((1, 3, 14, 13), {"kernel_size": (1, kernel), "padding": (0, half)}))
    for (kh, kw), (sh, sw), ceil_mode in itertools.product(
        ((2, 2), (3, 3), (2, 3), (5, 4)), ((1, 1), (2, 2), (3, 2), (1, 4), (6, 7)), (False, True)
    ):
        for padding in {(0, 0), (kh // 2, kw // 2), (0, kw // 2)}:
            for size in ((10, 11), (9, 16), (5, 5)):
                arguments = {
                    "kernel_size": (kh, kw),
                    "stride": (sh, sw),
                    "padding": padding,
                    "ceil_mode": ceil_mode,
                }
                cases.append(((1, 2, *size), arguments))
    for batch in sweeps.BATCHES:
        cases.append(((batch, 5, 8, 8), {"kernel_size": 2}))
    cases.append(((5, 8, 8), {"kernel_size": 2}))
    cases.append(((1, 1, 1, 1), {"kernel_size": 1}))
    cases.append(((1, 4, 1, 37), {"kernel_size": (1, 3), "stride": (1, 2), "padding": (0, 1)}))
    cases.append(((1, 4, 37, 1), {"kernel_size": (3, 1), "stride": (2, 1), "padding": (1, 0)}))
    return cases


def ident(case):
    shape, arguments = case
    told = "-".join(f"{name[0]}{value}" for name, value in arguments.items())
    return f"{'x'.join(map(str, shape))}-{told}".replace(" ", "")


def is_possible(shape, arguments):
    try:
        reference.max_pool2d(np.zeros((1, *shape[-3:])), **arguments)
    except ValueError:
        return False
    return True


WINDOWS = [case for case in windows() if is_possible(*case)]
DILATED = [
    ((2, 3, 12, 15), {"kernel_size": k, "stride": s, "padding": p, "dilation": d, "ceil_mode": c})
    for k, p in ((2, 1), (3, 1), ((3, 2), (1, 0)), (5, 2))
    for s in (1, 2, (3, 1))
    for d in (2, 3, (1, 4), (2, 1))
    for c in (False, True)
]
DILATED = [case for case in DILATED if is_possible(*case)]


def values(shape, dtype):
    """Integers with many ties, in a few planes of nothing but negative numbers."""
    x = sweeps.integers(shape, shape, dtype=dtype)
    x[..., 0, :, :] -= 9
    return x


def assert_ran_on(executions, op, tier):
    assert executions
    assert {(ran[0], ran[2]) for ran in executions} == {(op, tier)}


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("case", WINDOWS + DILATED, ids=ident)
def test_max(case, dtype, tier):
    shape, arguments = case
    x = values(shape, dtype)
    expected, places = reference.max_pool2d(x, **arguments, return_indices=True)
    out = poisoned(expected.shape, dtype)
    poison_pool()
    with trace() as executions:
        assert F.max_pool2d(x, **arguments, out=out) is out
        fresh = F.max_pool2d(x, **arguments)
        largest, indices = F.max_pool2d(x, **arguments, return_indices=True)
    for result in (out, fresh, largest):
        np.testing.assert_array_equal(result, expected.astype(dtype), strict=True)
    np.testing.assert_array_equal(indices, places, strict=True)
    assert indices.dtype == np.int64
    if shape[0] or len(shape) == 3:
        assert_ran_on(executions, "max_pool2d", tier)


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("case", WINDOWS, ids=ident)
def test_average(case, dtype, tier):
    shape, arguments = case
    x = np.random.default_rng(3).standard_normal(shape).astype(dtype)
    for rest in ({}, {"count_include_pad": False}, {"divisor_override": 3}):
        with np.errstate(invalid="ignore"):
            exact, bound = bounds.avg_pool2d(
                x,
                arguments["kernel_size"],
                arguments.get("stride"),
                arguments.get("padding", 0),
                arguments.get("ceil_mode", False),
                **rest,
                dtype=dtype,
            )
        out = poisoned(exact.shape, dtype)
        poison_pool()
        with trace() as executions:
            assert F.avg_pool2d(x, **arguments, **rest, out=out) is out
            fresh = F.avg_pool2d(x, **arguments, **rest)
        assert fresh.dtype == dtype
        np.testing.assert_array_equal(fresh, out)
        bounds.assert_within(out, exact, bound)
        if shape[0] or len(shape) == 3:
            assert_ran_on(executions, "avg_pool2d", tier)


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize("size", [(2, 2), (4, 4), (8, 2)])
def test_average_of_integers_by_a_power_of_two_is_exact(size, dtype):
    x = sweeps.integers((2, 5, 16, 24), size, dtype=dtype)
    np.testing.assert_array_equal(F.avg_pool2d(x, size), reference.avg_pool2d(x, size))


def test_average_divides_by_a_negative_override():
    x = sweeps.integers((1, 2, 6, 6), "negative", dtype=np.float32)
    result = F.avg_pool2d(x, 2, divisor_override=-2)
    np.testing.assert_array_equal(result, reference.avg_pool2d(x, 2, divisor_override=-2))


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
@pytest.mark.parametrize(
    "shape",
    [(1, 3, 1, n) for n in (*range(1, 70), 127, 128, 129, 1000)]
    + [(2, channels, 7, 7) for channels in sweeps.CHANNELS]
    + [(0, 3, 4, 4), (3, 5, 6), (1, 1, 1, 1), (2, 3, 113, 111)],
    ids=str,
)
def test_global(shape, dtype, tier):
    x = np.random.default_rng(4).standard_normal(shape).astype(dtype)
    exact, bound = bounds.global_avg_pool2d(x, dtype=dtype)
    out, largest = poisoned(exact.shape, dtype), poisoned(exact.shape, dtype)
    poison_pool()
    with trace() as executions:
        assert F.global_avg_pool2d(x, out=out) is out
        assert F.global_max_pool2d(x, out=largest) is largest
    bounds.assert_within(out, exact, bound)
    np.testing.assert_array_equal(largest, reference.global_max_pool2d(x).astype(dtype))
    np.testing.assert_array_equal(F.global_avg_pool2d(x), out, strict=True)
    np.testing.assert_array_equal(F.global_max_pool2d(x), largest, strict=True)
    if 0 not in shape:
        assert [ran[0] for ran in executions] == ["global_avg_pool2d", "global_max_pool2d"]
        assert {ran[2] for ran in executions} == {tier}


def test_ties_give_the_first_in_row_major_order():
    x = np.array([[[[0, 7, 7], [7, 1, 7], [2, 2, 2]]]], np.float32)
    _, indices = F.max_pool2d(x, 2, 1, return_indices=True)
    np.testing.assert_array_equal(indices, [[[[1, 1], [3, 5]]]])
    _, indices = F.max_pool2d(x, 3, 1, padding=1, return_indices=True)
    np.testing.assert_array_equal(indices, [[[[1, 1, 1], [1, 1, 1], [3, 3, 5]]]])


def test_of_several_nans_the_last_is_told():
    x = np.array([[[[np.nan, 1, 9], [2, np.nan, 8], [0, 0, 7]]]])
    _, indices = F.max_pool2d(x, 2, 1, return_indices=True)
    np.testing.assert_array_equal(indices, [[[[4, 4], [4, 4]]]])
    _, indices = F.max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)
    np.testing.assert_array_equal(indices, [[[[4, 2], [6, 8]]]])


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
def test_nan_wins_and_its_last_place_is_told(dtype):
    x = sweeps.integers((3, 4, 9, 11), "nan", dtype=dtype)
    x[np.random.default_rng(5).random(x.shape) < 0.15] = np.nan
    x[0, 0, 0, 0] = np.inf
    x[0, 1] = -np.inf
    for arguments in (
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 1},
        {"kernel_size": (2, 3), "dilation": 2},
        {"kernel_size": (9, 11)},
    ):
        expected, places = reference.max_pool2d(x, **arguments, return_indices=True)
        largest, indices = F.max_pool2d(x, **arguments, return_indices=True)
        np.testing.assert_array_equal(largest, expected)
        np.testing.assert_array_equal(indices, places)
        np.testing.assert_array_equal(F.max_pool2d(x, **arguments), expected)
    np.testing.assert_array_equal(F.global_max_pool2d(x), reference.global_max_pool2d(x))


@pytest.mark.parametrize("dtype", DTYPES, ids=IDS)
def test_average_passes_nan_and_inf_where_the_reference_does(dtype):
    x = sweeps.integers((2, 3, 9, 11), "inf", dtype=dtype)
    x[0, 0, 4, 5], x[0, 1, 2, 2], x[1, 0, 8, 10], x[1, 1, 0, 0] = np.nan, np.inf, -np.inf, np.inf
    x[1, 1, 0, 1] = -np.inf
    for kernel, padding in ((3, 1), (2, 0), (4, 2)):
        exact, bound = bounds.avg_pool2d(x, kernel, 2, padding, dtype=dtype)
        bounds.assert_within(F.avg_pool2d(x, kernel, 2, padding), exact, bound)
    with np.errstate(invalid="ignore"):
        exact, bound = bounds.global_avg_pool2d(x, dtype=dtype)
    bounds.assert_within(F.global_avg_pool2d(x), exact, bound)


def test_float16_average_is_summed_in_float32():
    """65504 twice overflows float16, and their mean does not."""
    x = np.full((1, 1, 2, 2), 65504, np.float16)
    assert F.avg_pool2d(x, 2).item() == 65504
    assert F.global_avg_pool2d(x).item() == 65504


@st.composite
def calls(draw):
    """Pooling's arguments, valid more often than not."""
    pair = st.one_of(st.integers(1, 5), st.tuples(st.integers(1, 5), st.integers(1, 5)))
    shape = draw(st.tuples(*(st.integers(0, 2), st.integers(1, 5)), *[st.integers(1, 20)] * 2))
    arguments = {
        "kernel_size": draw(pair),
        "stride": draw(st.one_of(st.none(), pair)),
        "padding": draw(st.one_of(st.integers(-1, 2), st.tuples(*[st.integers(0, 2)] * 2))),
        "ceil_mode": draw(st.booleans()),
    }
    return shape, arguments, draw(pair), draw(st.booleans()), draw(st.sampled_from(DTYPES))


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(calls())
def test_any_call_ends_as_the_references(call):
    """The same result or the same kind of exception."""
    shape, arguments, dilation, include, dtype = call
    x = values(shape, dtype)
    try:
        expected = reference.max_pool2d(x, **arguments, dilation=dilation, return_indices=True)
    except ValueError:
        with pytest.raises(ValueError, match="max_pool2d: "):
            F.max_pool2d(x, **arguments, dilation=dilation, return_indices=True)
    else:
        result = F.max_pool2d(x, **arguments, dilation=dilation, return_indices=True)
        np.testing.assert_array_equal(result[0], expected[0])
        np.testing.assert_array_equal(result[1], expected[1])
    try:
        exact, bound = bounds.avg_pool2d(
            x,
            arguments["kernel_size"],
            arguments["stride"],
            arguments["padding"],
            arguments["ceil_mode"],
            count_include_pad=include,
            dtype=dtype,
        )
    except ValueError:
        with pytest.raises(ValueError, match="avg_pool2d: "):
            F.avg_pool2d(x, **arguments, count_include_pad=include)
    else:
        result = F.avg_pool2d(x, **arguments, count_include_pad=include)
        bounds.assert_within(result, exact, bound)
