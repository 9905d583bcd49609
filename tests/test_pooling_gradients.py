"""Gradients of pooling and of what moves pixels: adjoint identities, exactly on integers, and
central differences where the operation is not linear."""

import itertools

import numpy as np
import pytest
import sweeps
from engine import poison_pool, poisoned

import fastconv.functional as F
from fastconv import ops

every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
SHAPES = [(2, 3, 17, 23), (1, 5, 8, 64), (1, 2, 33, 70), (2, 1, 5, 5)]
WINDOWS = [
    (k, s, p, c)
    for k, s, c in itertools.product((1, 2, 3, 4, 5), (1, 2, 3, 4, 7), (False, True))
    for p in sorted({0, k // 2})
]


def values(shape, dtype, *seed):
    return sweeps.integers(shape, shape, *seed, dtype=dtype)


def adjoint(x, y, back, *arguments, **options):
    """<f(x), g> = <x, f'(g)>, for integers exactly; the result is written over NaN, and the same
    for any number of threads."""
    g = values(y.shape, x.dtype, "gradient")
    poison_pool()
    out = poisoned(x.shape, x.dtype)
    dx = back(g, *arguments, **options, out=out, threads=1)
    assert dx is out
    wide = np.float64
    assert np.vdot(y.astype(wide), g.astype(wide)) == np.vdot(x.astype(wide), dx.astype(wide))
    np.testing.assert_array_equal(back(g, *arguments, **options, threads=3), dx, strict=True)
    return g, dx


@every_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_averages(shape, dtype):
    x = values(shape, dtype)
    for k, s, p, c in WINDOWS:
        for divisor in (1, -2):
            how = (k, s, p, c, True, divisor)
            y = F.avg_pool2d(x, *how)
            adjoint(x, y, ops.avg_pool2d_gradient, shape[-2:], *how)


def test_divisors_of_averages():
    ones = np.ones((1, 1, 5, 6))
    for k, s, p, c in WINDOWS:
        for include in (False, True):
            y = F.avg_pool2d(ones, k, s, p, c, include)
            dx = ops.avg_pool2d_gradient(np.ones_like(y), (5, 6), k, s, p, c, include)
            np.testing.assert_allclose(dx.sum(), y.sum(), rtol=1e-12)


@every_dtype
@pytest.mark.parametrize("output", [(1, 1), (4, 8), (2, 64), (8, 1)], ids=str)
def test_adaptive_averages(output, dtype):
    x = values((2, 3, 8, 64), dtype)
    y = F.adaptive_avg_pool2d(x, output)
    adjoint(x, y, ops.adaptive_avg_pool2d_gradient, (8, 64))
    if output == (1, 1):
        adjoint(x, F.global_avg_pool2d(x), ops.global_avg_pool2d_gradient, (8, 64))


@every_dtype
def test_uneven_adaptive_averages(dtype):
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 11)).astype(dtype)
    for output in ((3, 4), (5, 20), (7, 2)):
        y = F.adaptive_avg_pool2d(x, output)
        g = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
        dx = ops.adaptive_avg_pool2d_gradient(g, (7, 11))
        np.testing.assert_allclose(
            np.vdot(y, g), np.vdot(x, dx), rtol=1e-10 if dtype == np.float64 else 1e-4
        )


@every_dtype
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_maxima(shape, dtype):
    x = values(shape, dtype)
    for k, s, p, c in WINDOWS:
        y, indices = F.max_pool2d(x, k, s, p, 1, c, True)
        g, dx = adjoint(x, y, ops.max_pool2d_gradient, indices, shape[-2:])
        expected = np.zeros((*shape[:2], shape[2] * shape[3]), dtype)
        for n, channel in np.ndindex(*shape[:2]):
            np.add.at(expected[n, channel], indices[n, channel].ravel(), g[n, channel].ravel())
        np.testing.assert_array_equal(dx, expected.reshape(shape))


def test_index_of_no_pixel():
    result = ops.max_pool2d_gradient(np.array([[[3.0, 5.0]]]), np.array([[[-1, 1]]]), (1, 2))
    np.testing.assert_array_equal(result, [[[0, 5]]])


@every_dtype
def test_unpooling(dtype):
    x = values((2, 3, 16, 34), dtype)
    pooled, indices = F.max_pool2d(x, 2, return_indices=True)
    adjoint(pooled, F.max_unpool2d(pooled, indices, 2), ops.max_unpool2d_gradient, indices)


@pytest.mark.parametrize("norm", [1, 2, 3, 2.5])
def test_norms_by_differences(norm):
    rng = np.random.default_rng(3)
    x = rng.uniform(0.5, 2, (1, 2, 6, 7))
    for k, s, c in ((2, None, False), (3, 2, True), (3, 1, False)):
        y = F.lp_pool2d(x, norm, k, s, c)
        g = rng.standard_normal(y.shape)
        dx = ops.lp_pool2d_gradient(g, x, y, norm, k, s, c)
        for at in np.ndindex(*x.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = x.copy()
                moved[at] += step
                ends.append(np.vdot(F.lp_pool2d(moved, norm, k, s, c), g))
            np.testing.assert_allclose(dx[at], (ends[0] - ends[1]) / 2e-5, rtol=1e-6, atol=1e-8)


def test_norm_of_zeros_passes_nothing():
    zeros = np.zeros((1, 1, 4, 4))
    for norm in (0.5, 1, 2, 3):
        y = F.lp_pool2d(zeros, norm, 2)
        result = ops.lp_pool2d_gradient(np.ones_like(y), zeros, y, norm, 2)
        np.testing.assert_array_equal(result, zeros)


@every_dtype
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode, dtype):
    x = values((2, 3, 9, 21), dtype)
    for pad in ((1, 2, 3, 0), (0, 8, 2, 5), (9, 3, 1, 1), (0, 0, 0, 0)):
        adjoint(x, F.pad(x, pad, mode), ops.pad_gradient, x.shape, pad, mode)
    if mode == "constant":
        for pad in ((-1, 2, 1, -3), (0, 0, 0, 0, 1, 1, -1, 2), (-10, -11)):
            adjoint(x, F.pad(x, pad), ops.pad_gradient, x.shape, pad)
    else:
        line = values((2, 3, 30), dtype)
        adjoint(line, F.pad(line, (4, 6), mode), ops.pad_gradient, line.shape, (4, 6), mode)
        cube = values((1, 2, 4, 5, 6), dtype)
        sides = (1, 2, 3, 1, 0, 2)
        adjoint(cube, F.pad(cube, sides, mode), ops.pad_gradient, cube.shape, sides, mode)


@every_dtype
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest(mode, dtype):
    x = values((2, 3, 9, 21), dtype)
    for size in ((18, 42), (5, 30), (9, 21), (1, 1), (40, 7)):
        adjoint(x, F.interpolate(x, size, mode=mode), ops.interpolate_gradient, (9, 21), None, mode)


@every_dtype
def test_between_pixels(dtype):
    x = values((2, 3, 9, 17), dtype)
    for factor in (2.0, 4.0, 0.5, (2.0, 1.0)):  # weights that are sums of powers of two
        y = F.interpolate(x, scale_factor=factor, mode="bilinear")
        adjoint(x, y, ops.interpolate_gradient, (9, 17), factor, "bilinear", False)
    y = F.interpolate(x, (17, 33), mode="bilinear", align_corners=True)
    adjoint(x, y, ops.interpolate_gradient, (9, 17), None, "bilinear", True)
    line = values((2, 3, 16), dtype)
    y = F.interpolate(line, scale_factor=2.0, mode="linear")
    adjoint(line, y, ops.interpolate_gradient, 16, 2.0, "linear")


@every_dtype
def test_unfold_and_fold(dtype):
    x = values((2, 3, 9, 17), dtype)
    y = F.unfold(x, 3, 2, 1, 2)
    adjoint(x, y, ops.unfold_gradient, (9, 17), 3, 2, 1, 2)
    adjoint(y, F.fold(y, (9, 17), 3, 2, 1, 2), ops.fold_gradient, 3, 2, 1, 2)


@every_dtype
def test_one_axis(dtype):
    x = values((2, 3, 40), dtype)
    y = F.avg_pool1d(x, 4, 2, 2)
    adjoint(x, y, ops.avg_pool1d_gradient, 40, 4, 2, 2)
    y, indices = F.max_pool1d(x, 3, 2, 1, return_indices=True)
    adjoint(x, y, ops.max_pool1d_gradient, indices, 40)
    adjoint(x, F.adaptive_avg_pool1d(x, 10), ops.adaptive_avg_pool1d_gradient, 40)
    pooled, indices = F.max_pool1d(x, 2, return_indices=True)
    adjoint(pooled, F.max_unpool1d(pooled, indices, 2), ops.max_unpool1d_gradient, indices)
    y = F.lp_pool1d(abs(x), 1, 4)
    adjoint(abs(x), y, ops.lp_pool1d_gradient, abs(x), y, 1, 4)


def test_layouts_and_no_images():
    g = values((2, 3, 4, 4), np.float32)
    expected = ops.avg_pool2d_gradient(g, (8, 8), 2)
    for other in (np.asfortranarray(g), g.astype(">f4")):
        np.testing.assert_array_equal(ops.avg_pool2d_gradient(other, (8, 8), 2), expected)
    np.testing.assert_array_equal(ops.avg_pool2d_gradient(g[0], (8, 8), 2), expected[0])
    assert ops.avg_pool2d_gradient(g[:0], (8, 8), 2).shape == (0, 3, 8, 8)
    assert ops.interpolate_gradient(g[:0], (2, 2)).shape == (0, 3, 2, 2)
    assert ops.avg_pool2d_gradient(g.astype(np.float16), (8, 8), 2).dtype == np.float16


G = np.ones((1, 2, 4, 4))
I4 = np.zeros((1, 2, 4, 4), np.int64)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ops.max_pool2d_gradient([1], I4, (8, 8)), TypeError, "grad must be"),
        (lambda: ops.max_pool2d_gradient(G, I4.astype(np.int32), (8, 8)), TypeError, "int64"),
        (lambda: ops.max_pool2d_gradient(G, I4[:, :1], (8, 8)), ValueError, "indices has shape"),
        (lambda: ops.max_pool2d_gradient(G, I4 + 64, (8, 8)), ValueError, "expected -1 to 63"),
        (lambda: ops.max_pool2d_gradient(G, I4 - 2, (8, 8)), ValueError, "indices has -2"),
        (lambda: ops.max_pool2d_gradient(G, I4, (8, 8), out=G), ValueError, "out has shape"),
        (lambda: ops.max_unpool2d_gradient(G, I4 - 1), ValueError, "expected 0 to 15"),
        (lambda: ops.avg_pool2d_gradient(G, (9, 8), 3), ValueError, "grad has shape"),
        (lambda: ops.avg_pool2d_gradient(G, (8, 8), 2, padding=2), ValueError, "at most half"),
        (lambda: ops.avg_pool2d_gradient(G, (8, 8), 0), ValueError, "kernel_size"),
        (lambda: ops.global_avg_pool2d_gradient(G, (8, 8)), ValueError, "expected one pixel"),
        (lambda: ops.lp_pool2d_gradient(G, G, G, 2, 2), ValueError, "grad has shape"),
        (lambda: ops.lp_pool2d_gradient(G, G, G[:, :1], 2, 1), ValueError, "result has shape"),
        (lambda: ops.lp_pool2d_gradient(G, G.astype("f"), G, 2, 1), TypeError, "input has dtype"),
        (lambda: ops.pad_gradient(G, (1, 2, 4, 4), (1, 1)), ValueError, "gives"),
        (lambda: ops.pad_gradient(G, (1, 2, 4), (1, 1)), ValueError, "input_size has 3"),
        (lambda: ops.pad_gradient(G, (1, 2, 4, 1), (3, 0, 0, 0), "reflect"), ValueError, "shows"),
        (lambda: ops.interpolate_gradient(G, (2, 2), 3.0), ValueError, "does not make"),
        (lambda: ops.interpolate_gradient(G, (2,)), ValueError, "input_size has 1"),
        (lambda: ops.interpolate_gradient(G, (2, 0)), ValueError, "input_size is 0"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()
