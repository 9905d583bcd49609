"""Each operation as the only step of a program: the bits of the operation itself."""

import numpy as np
import pytest
from engine import poison_pool, poisoned
from steps import NO_PAD, ONE, TWO, argument, single

import fastconv
import fastconv.functional as F
from fastconv import _core
from fastconv._core import PackedStore, ProgramBuilder

RNG = np.random.default_rng(77)
ACT, ANY = _core.ACTIVATION_CODES, _core.PRECISION_CODES["default"]
DTYPES = [np.float32, np.float64]


def real(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


X = (2, 6, 9, 11)
PLANE = X[2] * X[3]


def _convolution(x, dtype):
    w, b = real(8, 3, 3, 3, dtype=dtype), real(8, dtype=dtype)
    expected = fastconv.Conv2d(
        w, b, stride=2, padding=1, groups=2, activation="silu", precision="default"
    )(x)
    return expected, lambda p, src, dst: p.conv2d(
        *X, w, b, TWO, (1, 1, 1, 1), ONE, 2, 0, ACT["silu"], ANY, 0, None, None, src, dst
    )


def _transposed(x, dtype):
    w, b = real(6, 4, 3, 3, dtype=dtype), real(4, dtype=dtype)
    expected = F.conv_transpose2d(x, w, b, 2, 1, 1, precision="default", activation="relu")
    sides = ((1, 1, 1, 1), (1, 1))
    return expected, lambda p, src, dst: p.conv_transpose2d(
        *X, w, b, TWO, *sides, ONE, 1, ACT["relu"], ANY, None, None, src, dst
    )


def _linear(x, dtype):
    w, b = real(7, PLANE, dtype=dtype), real(7, dtype=dtype)
    expected = F.linear(x.reshape(12, PLANE), w, b, activation="tanh")
    return expected, lambda p, src, dst: p.linear(12, w, b, ACT["tanh"], None, src, dst)


def _shallow_linear(x, dtype):
    w = real(40, X[3], dtype=dtype)
    expected = F.linear(x.reshape(-1, X[3]), w)
    return expected, lambda p, src, dst: p.linear(108, w, None, 0, None, src, dst)


def _max_pool(x, dtype):
    return F.max_pool2d(x, 3, 2, 1, ceil_mode=True), lambda p, src, dst: p.pool2d(
        *X, _core.POOL_MAX, (3, 3), TWO, (1, 1, 1, 1), ONE, True, False, 0, 0.0, None, src, dst
    )


def _average_pool(x, dtype):
    expected = F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
    return expected, lambda p, src, dst: p.pool2d(
        *X, _core.POOL_AVG, (3, 3), TWO, (1, 1, 1, 1), ONE, False, False, 0, 0.0, None, src, dst
    )


def _norm_pool(x, dtype):
    return F.lp_pool2d(x, 2.0, 2), lambda p, src, dst: p.pool2d(
        *X, _core.POOL_LP, TWO, TWO, NO_PAD, ONE, False, True, 0, 2.0, None, src, dst
    )


def _adaptive_pool(x, dtype):
    return F.adaptive_avg_pool2d(x, (4, 5)), lambda p, src, dst: p.adaptive_pool2d(
        *X, _core.POOL_AVG, (4, 5), None, src, dst
    )


def _unary(x, dtype):
    code = _core.PARAMETERISED_CODES["leaky_relu"]
    return F.leaky_relu(x, 0.2), lambda p, src, dst: p.unary(x.size, code, 0.2, 0.0, src, dst)


def _batch_norm(x, dtype):
    weight, bias, mean = (real(6, dtype=dtype) for _ in range(3))
    variance = np.abs(real(6, dtype=dtype))
    expected = F.batch_norm(x, mean, variance, weight, bias, eps=1e-3, activation="relu")
    numbers = (weight, bias, mean, variance, 1e-3, ACT["relu"])
    return expected, lambda p, src, dst: p.batch_norm(2, 6, PLANE, *numbers, src, dst)


def _prelu(x, dtype):
    weight = real(6, dtype=dtype)
    return F.prelu(x, weight), lambda p, src, dst: p.prelu(2, 6, PLANE, weight, src, dst)


def _lrn(x, dtype):
    return F.local_response_norm(x, 3, 1e-2, 0.75, 2.0), lambda p, src, dst: p.lrn(
        2, 6, PLANE, 3, 1, 1e-2, 0.75, 2.0, src, dst
    )


def _softmax(x, dtype):
    return F.softmax(x, 1), lambda p, src, dst: p.softmax(2, 6, PLANE, False, src, dst)


def _log_softmax(x, dtype):
    return F.log_softmax(x, 3), lambda p, src, dst: p.softmax(108, 11, 1, True, src, dst)


def _pad(x, dtype):
    border = _core.BORDER_CODES["reflect"]
    return F.pad(x, (2, 1, 3, 0), "reflect"), lambda p, src, dst: p.pad(
        X, (0, 0, 3, 2), (0, 0, 0, 1), border, 0.0, None, src, dst
    )


def _interpolate(x, dtype):
    mode = _core.INTERPOLATION_CODES["bilinear"]
    expected = F.interpolate(x, (18, 33), mode="bilinear", align_corners=False)
    return expected, lambda p, src, dst: p.interpolate(
        *X, 18, 33, mode, 9 / 18, 11 / 33, False, None, src, dst
    )


OPERATIONS = [
    _convolution,
    _transposed,
    _linear,
    _shallow_linear,
    _max_pool,
    _average_pool,
    _norm_pool,
    _adaptive_pool,
    _unary,
    _batch_norm,
    _prelu,
    _lrn,
    _softmax,
    _log_softmax,
    _pad,
    _interpolate,
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda f: f.__name__[1:])
def test_a_step_gives_the_bits_of_its_operation(operation, dtype):
    x = real(*X, dtype=dtype)
    expected, make = operation(x, dtype)
    for threads in (1, 2):
        out = poisoned(expected.shape, dtype)
        poison_pool()
        single(dtype, make, [x], out).run([x, out], threads)
        np.testing.assert_array_equal(out, expected)


POOLS = {
    "max": lambda p, src, dst, *to: p.pool2d(
        *X, _core.POOL_MAX, (3, 3), TWO, (1, 1, 1, 1), ONE, True, False, 0, 0.0, *to[:1], src, dst,
        *to[1:],
    ),
    "average": lambda p, src, dst, *to: p.pool2d(
        *X, _core.POOL_AVG, (3, 3), TWO, (1, 1, 1, 1), ONE, True, False, 0, 0.0, *to[:1], src, dst,
        *to[1:],
    ),
    "adaptive": lambda p, src, dst, *to: p.adaptive_pool2d(
        *X, _core.POOL_AVG, (5, 6), *to[:1], src, dst, *to[1:]
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pool", POOLS)
def test_pools_between_pixels_whose_channels_lie_side_by_side(pool, dtype):
    x, make = real(*X, dtype=dtype), POOLS[pool]
    planes, pixels = poisoned((2, 6, 5, 6), dtype), poisoned((2, 5, 6, 8), dtype)
    single(dtype, lambda p, src, dst: make(p, src, dst, None), [x], planes).run([x, planes], 1)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    to = (PLANE * 6, 1, X[3] * 6, 6), (240, 1, 48, 8)
    for threads in (1, 2):
        pixels.fill(np.nan)
        program = single(dtype, lambda p, src, dst: make(p, src, dst, *to), [last], pixels)
        program.run([last, pixels], threads)
        np.testing.assert_array_equal(pixels[..., :6].transpose(0, 3, 1, 2), planes)
        assert np.isnan(pixels[..., 6:]).all()
    with pytest.raises(ValueError, match="dst"):  # the last pixel lies behind its end
        single(dtype, lambda p, src, dst: make(p, src, dst, *to), [last], pixels[:, :4])
    with pytest.raises(ValueError, match="does not do it"):  # src is not channels last
        single(dtype, lambda p, src, dst: make(p, src, dst, None, to[1]), [x], pixels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_and_scales(dtype):
    a, b, factor = real(3, 50, dtype=dtype), real(3, 50, dtype=dtype), real(3, 10, dtype=dtype)
    out = poisoned((3, 50), dtype)
    add = single(
        dtype,
        lambda p, x, y, to: p.add(3, 50, ACT["relu"], None, None, None, x, to, y),
        [a, b],
        out,
    )
    add.run([a, b, out], 1)
    np.testing.assert_array_equal(out, np.maximum(a + b, 0))
    scale = single(
        dtype, lambda p, x, y, to: p.scale(3, 10, 5, None, None, x, y, to), [a, factor], out
    )
    scale.run([a, factor, out], 2)
    np.testing.assert_array_equal(out, a * np.repeat(factor, 5, axis=1))
    for number, other in ((0, b), (1, a)):  # in place of either
        both, at = [a.copy(), b.copy()], argument(number)
        builder = ProgramBuilder(np.dtype(dtype).name, PackedStore())
        builder.add(3, 50, ACT["relu"], *[None] * 3, argument(0), at, argument(1))
        builder.section(1)
        builder.build(0, [a.nbytes] * 2, [True, True]).run(both, 1)
        np.testing.assert_array_equal(both[number], np.maximum(a + b, 0))
        np.testing.assert_array_equal(both[1 - number], other)
    half = poisoned((3, 25), dtype)
    copy = single(dtype, lambda p, x, to: p.add(3, 25, 0, 50, None, None, x, to), [a], half)
    copy.run([a, half], 1)
    np.testing.assert_array_equal(half, a[:, :25])
