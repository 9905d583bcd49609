"""pad, unfold, fold and interpolate: exact where pixels are only moved or added."""

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
SHAPES = [(2, 3, 7, 9), (1, 17, 5, 16), (3, 1, 1, 20), (1, 2, 33, 3), (1, 1, 1, 1)]
PADS = [
    ((5,), (2, 3)),
    ((5,), (-2, 3)),
    ((0,), (1, 0)),
    ((4, 6), (0, 0, 2, 1)),
    ((2, 3, 7, 9), (1, 2, 3, 4)),
    ((2, 3, 7, 9), (-1, -2, 3, -4)),
    ((2, 3, 7, 9), (1, 0, 0, 1, 2, 0, 0, 1)),
    ((2, 3, 4, 5), (-5, 0)),
    ((1, 2, 1, 2, 1, 2, 1, 2), (1, 1) * 8),
    ((3, 4), ()),
]
WINDOWS = [
    {"kernel_size": k, "stride": s, "padding": p, "dilation": d}
    for k, s, p, d in itertools.product((1, (2, 3), 3), (1, 2, (3, 1)), (0, 1, (2, 0)), (1, (1, 2)))
]
RESIZED = [{"size": size} for size in ((1, 1), (7, 9), (14, 18), (3, 20), (40, 5), 13)] + [
    {"scale_factor": factor} for factor in (1, 2, 0.5, 1.5, 2.7, (3.3, 0.9))
]


def values(shape, dtype, *seed):
    return sweeps.integers(shape, shape, *seed, dtype=dtype)


def run(op, dtype, *arguments, **options):
    """The result, written over NaN, the reference's, and (algorithm, tier)."""
    expected = getattr(reference, op)(*arguments, **options)
    poison_pool()
    out = poisoned(expected.shape, dtype)
    with trace() as executions:
        assert getattr(F, op)(*arguments, **options, out=out) is out
    if not out.size:
        return out, expected, None
    [(traced, algorithm, used, _)] = executions
    assert traced == op
    return out, expected, (algorithm, used)


@every_dtype
@pytest.mark.parametrize(("shape", "sides"), PADS, ids=str)
def test_pad_with_a_constant(shape, sides, dtype, tier):
    x = values(shape, dtype)
    for value in (None, -2.5, np.inf):
        out, expected, made = run("pad", dtype, x, sides, value=value)
        np.testing.assert_array_equal(out, expected)
        assert made in (None, ("pad", tier))


@every_dtype
@pytest.mark.parametrize("mode", sweeps.BORDERS)
def test_pad_with_what_there_is(mode, dtype):
    for shape, sides in (
        ((3, 7), (6, 3)),
        ((2, 3, 7), (0, 6)),
        ((2, 3, 7, 9), (1, 2, 3, 4)),
        ((3, 7, 9), (8, 0, 6, 5)),
        ((2, 2, 3, 4, 5), (4, 1, 3, 2, 2, 0)),
        ((0, 3, 4, 4), (1, 1, 1, 1)),
    ):
        x = values(shape, dtype)
        out, expected, _ = run("pad", dtype, x, sides, mode)
        np.testing.assert_array_equal(out, expected)
        flipped = np.asfortranarray(x)[..., ::-1]
        out, expected, _ = run("pad", dtype, flipped, sides, mode)
        np.testing.assert_array_equal(out, expected)
        assert fastconv.explain("pad", flipped, sides, mode).copied_bytes == 0


@every_dtype
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_unfold_and_fold(window, dtype, tier):
    for shape in SHAPES:
        try:
            reference.unfold(values(shape, dtype), **window)
        except ValueError:
            continue
        x = values(shape, dtype, "x")
        columns, expected, made = run("unfold", dtype, x, **window)
        np.testing.assert_array_equal(columns, expected)
        assert made == ("unfold", tier)
        last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
        np.testing.assert_array_equal(F.unfold(last, **window), columns)
        y = values(columns.shape, dtype, "y")
        folded, expected, made = run("fold", dtype, y, shape[-2:], **window)
        np.testing.assert_array_equal(folded, expected)
        assert made == ("fold", tier)
        assert (columns * y).sum() == (x * folded).sum()  # the one is the other's adjoint
        np.testing.assert_array_equal(F.fold(y[0], shape[-2:], **window), folded[0])


@every_dtype
def test_unfold_makes_convolutions(dtype):
    x, w = values((2, 6, 9, 8), dtype), values((5, 6, 3, 2), dtype)
    columns = F.unfold(x, (3, 2), stride=2, padding=1)
    result = F.conv2d(x, w, stride=2, padding=1)
    np.testing.assert_array_equal(w.reshape(5, -1) @ columns, result.reshape(2, 5, -1))


@every_dtype
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
@pytest.mark.parametrize("how", RESIZED, ids=str)
def test_nearest(how, mode, dtype, tier):
    for shape in ((2, 3, 7, 9), (1, 17, 5, 16), (3, 1, 2, 20)):
        x = values(shape, dtype)
        out, expected, made = run("interpolate", dtype, x, **how, mode=mode)
        np.testing.assert_array_equal(out, expected)
        assert made == ("nearest", tier)
        for number in how.values():
            if not isinstance(number, tuple):
                line = {next(iter(how)): number}
                out, expected, _ = run("interpolate", dtype, x[:, :, 0], **line, mode=mode)
                np.testing.assert_array_equal(out, expected)


@every_dtype
@pytest.mark.parametrize("align_corners", [None, False, True])
@pytest.mark.parametrize("how", RESIZED, ids=str)
def test_bilinear(how, align_corners, dtype, tier):
    more = {"mode": "bilinear", "align_corners": align_corners}
    for shape in ((2, 3, 7, 9), (1, 17, 5, 16), (3, 1, 2, 20), (1, 1, 33, 40)):
        x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
        out, expected, made = run("interpolate", dtype, x, **how, **more)
        np.testing.assert_allclose(out, expected, rtol=0, atol=40 * roundoff(dtype))
        assert made == ("bilinear", tier)
    x = np.random.default_rng(2).standard_normal((2, 3, 17)).astype(dtype)
    for size in (1, 5, 17, 34, 40):
        line = {"size": size, "mode": "linear", "align_corners": align_corners}
        out, expected, _ = run("interpolate", dtype, x, **line)
        np.testing.assert_allclose(out, expected, rtol=0, atol=40 * roundoff(dtype))


@every_dtype
def test_bilinear_at_the_pixels_is_exact(dtype):
    x = values((2, 3, 5, 9), dtype)
    result = F.interpolate(x, (9, 17), mode="bilinear", align_corners=True)
    np.testing.assert_array_equal(result[..., ::2, ::2], x)
    np.testing.assert_array_equal(F.interpolate(x, (5, 9), mode="bilinear"), x)


@every_dtype
def test_threads_and_batches(dtype):
    x = np.random.default_rng(3).standard_normal((3, 20, 60, 61)).astype(dtype)
    calls = {
        "pad": ((1, 2, 3, 4), "reflect"),
        "unfold": (3,),
        "interpolate": ((100, 90), None, "bilinear"),
    }
    for op, arguments in calls.items():
        function = getattr(F, op)
        result = function(x, *arguments, threads=1)
        np.testing.assert_array_equal(function(x, *arguments, threads=2), result)
        np.testing.assert_array_equal(function(x[1:2], *arguments), result[1:2])
    columns = F.unfold(x, 3)
    folded = F.fold(columns, (60, 61), 3, threads=1)
    np.testing.assert_array_equal(F.fold(columns, (60, 61), 3, threads=2), folded)


def test_special_values():
    x = np.array([[[[np.nan, 1.0], [np.inf, 2.0]]]])
    np.testing.assert_array_equal(F.pad(x, (1, 0, 0, 0)), [[[[0, np.nan, 1], [0, np.inf, 2]]]])
    result = F.interpolate(x, (4, 4), mode="bilinear")
    np.testing.assert_array_equal(result, reference.interpolate(x, (4, 4), mode="bilinear"))
    np.testing.assert_array_equal(F.interpolate(x, (2, 4))[..., ::2], x)
