"""Pooling of signals, adaptive pooling, norms and the way back: exact on integers, every path."""

import itertools

import numpy as np
import pytest
import sweeps
from bounds import roundoff
from engine import poison_pool, poisoned, trace

import fastconv
import fastconv.functional as F
from fastconv import reference

every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
SIZES = (1, 2, 3, 5, 7, 8, 13, 16, 17, 33)
SHAPES = [(2, 3, 7, 7), (1, 17, 13, 9), (3, 1, 1, 20), (2, 5, 20, 1), (1, 2, 33, 65), (1, 1, 5, 4)]
OUTPUTS = [(1, 1), (2, 2), (3, 5), (6, 6), (7, 7), (1, 3), (4, 1), (13, 9), (40, 70)]
LINES = [
    (length, {"kernel_size": k, "stride": s, "padding": p, "ceil_mode": c})
    for length, k, s, c in itertools.product(
        (7, 16, 33), (1, 2, 3, 5), (None, 1, 2, 3), (False, True)
    )
    for p in sorted({0, k // 2})
]


def values(shape, dtype, *seed):
    return sweeps.integers(shape, shape, *seed, dtype=dtype)


def run(op, dtype, *arguments, **options):
    """The result, written over NaN, and the algorithm that made it."""
    expected = getattr(reference, op)(*arguments, **options)
    first = expected[0] if isinstance(expected, tuple) else expected
    poison_pool()
    out = poisoned(first.shape, dtype)
    with trace() as executions:
        result = getattr(F, op)(*arguments, **options, out=out)
    [(traced, algorithm, _, _)] = executions
    assert traced == op
    if isinstance(expected, tuple):
        assert result[0] is out
        np.testing.assert_array_equal(result[1], expected[1], strict=True)
    else:
        assert result is out
    return out, first, algorithm


@every_dtype
@pytest.mark.parametrize(("length", "options"), LINES, ids=str)
def test_pool1d(length, options, dtype):
    x = values((2, 3, length), dtype, str(options))
    for dilation in (1, 2) if options["kernel_size"] * 2 <= length else (1,):
        for indices in (False, True):
            more = {"dilation": dilation, "return_indices": indices}
            out, expected, algorithm = run("max_pool1d", dtype, x, **options, **more)
            np.testing.assert_array_equal(out, expected)
            assert algorithm == ("pool_indices" if indices else algorithm)
    for include in (False, True):
        out, expected, _ = run("avg_pool1d", dtype, x, **options, count_include_pad=include)
        np.testing.assert_allclose(out, expected, rtol=4 * roundoff(dtype), atol=0)
    np.testing.assert_array_equal(
        F.max_pool1d(x[0], **options), reference.max_pool1d(x[0], **options)
    )


@every_dtype
@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_adaptive_pool2d(shape, output, dtype, tier):
    x = values(shape, dtype, output)
    regular = all(n % m == 0 for n, m in zip(shape[-2:], output, strict=True))
    windows = "pool_global" if output == (1, 1) else "pool_rows"
    out, expected, algorithm = run("adaptive_max_pool2d", dtype, x, output)
    np.testing.assert_array_equal(out, expected)
    assert algorithm == windows
    out, expected, algorithm = run("adaptive_max_pool2d", dtype, x, output, return_indices=True)
    np.testing.assert_array_equal(out, expected)
    assert algorithm == "pool_indices"
    out, expected, algorithm = run("adaptive_avg_pool2d", dtype, x, output)
    np.testing.assert_allclose(out, expected, rtol=4 * roundoff(dtype), atol=0)
    assert algorithm == windows
    if regular:  # then they are ordinary windows, and take the ordinary way
        kernel = tuple(n // m for n, m in zip(shape[-2:], output, strict=True))
        np.testing.assert_array_equal(out, F.avg_pool2d(x, kernel))


@every_dtype
def test_adaptive_pool1d(dtype):
    for length, size in itertools.product(SIZES, SIZES):
        x = values((2, 3, length), dtype, size)
        out, expected, _ = run("adaptive_max_pool1d", dtype, x, size, return_indices=True)
        np.testing.assert_array_equal(out, expected)
        out, expected, _ = run("adaptive_avg_pool1d", dtype, x, (size,))
        np.testing.assert_allclose(out, expected, rtol=4 * roundoff(dtype), atol=0)


WINDOWS = [
    (kernel, stride, padding, dilation)
    for kernel, stride, dilation in itertools.product(
        ((2, 2), (3, 3), (3, 2), (5, 4)), (1, 2, 3, (2, 5), (4, 17)), (1, (3, 2))
    )
    for padding in ((0, 0), (kernel[0] // 2, kernel[1] // 2))
]


@every_dtype
@pytest.mark.parametrize("windows", WINDOWS, ids=str)
def test_positions_among_infinities_and_nan(windows, dtype, tier):
    for shape in ((2, 3, 19, 70), (1, 70, 14, 13)):
        x = values(shape, dtype, str(windows)).copy()
        x[np.random.default_rng(3).random(shape) < 0.04] = np.nan
        x[0, 0] = x[-1, -1, :, :9] = -np.inf
        x[0, 1, 5:, 3] = np.inf
        for ceil_mode in (False, True):
            options = {"ceil_mode": ceil_mode, "return_indices": True}
            out, expected, _ = run("max_pool2d", dtype, x, *windows, **options)
            np.testing.assert_array_equal(out, expected)
            one, two = (F.max_pool2d(x, *windows, **options, threads=n) for n in (1, 2))
            np.testing.assert_array_equal(one[1], two[1])
            assert one[0].tobytes() == two[0].tobytes() == out.tobytes()


def test_adaptive_sizes_of_the_input():
    x = values((2, 3, 6, 10), np.float32)
    np.testing.assert_array_equal(F.adaptive_avg_pool2d(x, (None, None)), x)
    np.testing.assert_array_equal(F.adaptive_max_pool2d(x, (None, 5)), F.max_pool2d(x, (1, 2)))


@every_dtype
def test_adaptive_nan_threads_and_batches(dtype):
    x = values((3, 40, 61, 67), dtype).copy()
    x[0, 0, 5, 5] = np.nan
    for op in ("adaptive_avg_pool2d", "adaptive_max_pool2d"):
        result = getattr(F, op)(x, (9, 11), threads=1)
        np.testing.assert_array_equal(getattr(F, op)(x, (9, 11), threads=2), result)
        np.testing.assert_array_equal(getattr(F, op)(x[1], (9, 11)), result[1])
        assert np.isnan(result).sum() == np.isnan(getattr(reference, op)(x[:1, :1], (9, 11))).sum()
    indices = F.adaptive_max_pool2d(x[:1, :1], (9, 11), return_indices=True)[1]
    np.testing.assert_array_equal(
        indices, reference.adaptive_max_pool2d(x[:1, :1], (9, 11), return_indices=True)[1]
    )


@every_dtype
@pytest.mark.parametrize("norm", [1, 2, 3, 0.5, 2.5, -1])
def test_lp_pool(norm, dtype, tier):
    rng = np.random.default_rng(3)
    for shape, kernel, stride, ceil in itertools.product(
        SHAPES[:5], ((2, 2), (3, 2), (1, 3)), (None, 1, (2, 3)), (False, True)
    ):
        if shape[-2] < kernel[0] or shape[-1] < kernel[1]:
            continue
        x = (rng.random(shape) + 0.1).astype(dtype)
        out, expected, algorithm = run("lp_pool2d", dtype, x, norm, kernel, stride, ceil)
        np.testing.assert_allclose(out, expected, rtol=64 * roundoff(dtype))
        assert algorithm == "pool_rows"
    x = (rng.random((2, 3, 19)) + 0.1).astype(dtype)
    out, expected, _ = run("lp_pool1d", dtype, x, norm, 4, 2, True)
    np.testing.assert_allclose(out, expected, rtol=64 * roundoff(dtype))


def test_lp_pool_of_negative_numbers():
    x = np.array([[[-3.0, 4.0], [-1.0, -2.0]]])
    np.testing.assert_allclose(F.lp_pool2d(x, 2, (1, 2)), [[[5.0], [5**0.5]]])
    assert np.isnan(F.lp_pool2d(x, 3.0, (1, 2))[0, 1, 0])


@every_dtype
@pytest.mark.parametrize("stride", [None, 1, 3])
@pytest.mark.parametrize("kernel", [1, 2, (3, 2)], ids=str)
def test_unpool_brings_maxima_back(kernel, stride, dtype, tier):
    for shape in SHAPES:
        if shape[-2] < 3 or shape[-1] < 2:
            continue
        x = np.random.default_rng(4).permutation(np.prod(shape)).reshape(shape).astype(dtype)
        pooled, indices = F.max_pool2d(x, kernel, stride, return_indices=True)
        how = (kernel, stride, 0, shape[-2:])
        out, expected, algorithm = run("max_unpool2d", dtype, pooled, indices, *how)
        np.testing.assert_array_equal(out, expected)
        assert algorithm == "unpool"
        np.testing.assert_array_equal(out[out != 0], x[out != 0])


@every_dtype
def test_unpool_of_equal_indices_layouts_and_threads(dtype):
    x, places = values((2, 3, 4, 5), dtype), np.zeros((2, 3, 4, 5), np.int64)
    result = F.max_unpool2d(x, places, 2)
    np.testing.assert_array_equal(result[..., 0, 0], x[..., -1, -1])
    large = values((4, 64, 28, 28), dtype)
    pooled, indices = F.max_pool2d(large, 2, return_indices=True)
    result = F.max_unpool2d(pooled, indices, 2, threads=1)
    np.testing.assert_array_equal(F.max_unpool2d(pooled, indices, 2, threads=2), result)
    swapped = np.asfortranarray(indices).astype(">i8").astype(np.int64, order="F")
    np.testing.assert_array_equal(F.max_unpool2d(np.asfortranarray(pooled), swapped, 2), result)
    np.testing.assert_array_equal(F.max_unpool2d(pooled[0], indices[0], 2), result[0])
    assert F.max_unpool2d(pooled[:0], indices[:0], 2).shape == (0, 64, 28, 28)


def test_unpool1d():
    x = values((2, 3, 11), np.float32)
    pooled, indices = F.max_pool1d(x, 3, 2, return_indices=True)
    for size in (None, (11,), (2, 3, 12)):
        np.testing.assert_array_equal(
            F.max_unpool1d(pooled, indices, 3, 2, output_size=size),
            reference.max_unpool1d(pooled, indices, 3, 2, output_size=size),
        )


def test_explain_of_one_axis():
    told = fastconv.explain("max_pool1d", np.ones((1, 2, 9), np.float32), 3)
    assert (told.op, told.algorithm) == ("max_pool1d", "pool_rows")


CHANNELS_LAST = [
    ("max_pool2d", (3, 2, 1), {}),
    ("max_pool2d", (2,), {}),
    ("max_pool2d", (5, 1, 2), {}),
    ("max_pool2d", (3, 2, 0, 2), {"ceil_mode": True}),
    ("avg_pool2d", (3, 2, 1), {}),
    ("avg_pool2d", (3, 1, 1), {"count_include_pad": False}),
    ("avg_pool2d", ((4, 3), (3, 2)), {"ceil_mode": True, "divisor_override": 5}),
    ("adaptive_avg_pool2d", ((3, 4),), {}),
    ("adaptive_max_pool2d", ((5, 2),), {}),
    ("global_avg_pool2d", (), {}),
    ("global_max_pool2d", (), {}),
]


@every_dtype
@pytest.mark.parametrize("shape", [(2, 3, 13, 17), (1, 70, 9, 40), (3, 16, 19, 5)], ids=str)
@pytest.mark.parametrize(("op", "arguments", "options"), CHANNELS_LAST, ids=str)
def test_channels_last_is_read_as_it_lies(op, arguments, options, shape, dtype, tier):
    x = values(shape, dtype, op, str(arguments))
    view = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    told = fastconv.explain(op, view, *arguments, **options)
    assert told.copied_bytes == 0
    assert told.algorithm == "pool_channels"
    poison_pool()
    out = getattr(F, op)(view, *arguments, **options)
    assert out.flags.c_contiguous
    # Sums run in one order whatever the layout, but for whole planes, which rows have in any order.
    if op == "global_avg_pool2d":
        np.testing.assert_allclose(out, F.global_avg_pool2d(x), rtol=0, atol=32 * roundoff(dtype))
    else:
        np.testing.assert_array_equal(out, getattr(F, op)(x, *arguments, **options))
    for threads in (2, 3):
        again = getattr(F, op)(view, *arguments, **options, threads=threads)
        np.testing.assert_array_equal(again, out)


@every_dtype
def test_channels_last_with_indices(dtype):
    x = values((2, 5, 9, 11), dtype, "indices")
    view = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert fastconv.explain("max_pool2d", view, 3, 2, 1, return_indices=True).copied_bytes == 0
    for is_, wanted in zip(
        F.max_pool2d(view, 3, 2, 1, return_indices=True),
        F.max_pool2d(x, 3, 2, 1, return_indices=True),
        strict=True,
    ):
        np.testing.assert_array_equal(is_, wanted)
