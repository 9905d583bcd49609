"""What conv2d's relatives and options add to it: one axis, a flipped kernel, other borders,
operands in any order in memory. Exact on integers."""

import bounds
import numpy as np
import pytest
import sweeps
import transforms
from engine import poison_pool, poisoned, trace

import fastconv
import fastconv.functional as F
from fastconv import reference

pytestmark = pytest.mark.usefixtures("strict")

every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
BORDERED = sweeps.bordered()
LAYERS = sweeps.mixtures(120, seed=11)


def how_of(layer, **more):
    return sweeps.ConvCase(layer).how | more


@pytest.mark.sweep
@every_dtype
@pytest.mark.parametrize(("layer", "mode"), BORDERED, ids=lambda part: str(part).replace(" ", "_"))
def test_padding_modes(layer, mode, dtype, tier):
    """Every driver that takes the shape, against the reference, which pads a copy."""
    x, w, _, _ = sweeps.conv_problem(sweeps.ConvCase(layer)).operands(dtype)
    how = how_of(layer, padding_mode=mode)
    expected = reference.conv2d(x, w, **how).astype(dtype)
    taken = [name for name in transforms.TILE if transforms.takes(name, layer)]
    taken += ["direct", "im2col", *(["depthwise"] if layer.ic == layer.g else [])]
    for algorithm in taken:
        poison_pool()
        with trace() as executions:
            result = F.conv2d(x, w, **how, algorithm=algorithm)
        if algorithm in transforms.TILE:
            bound = transforms.bound(
                x, w, None, None, algorithm, dtype,
                padding=layer.padding, groups=layer.g, padding_mode=mode, dilation=layer.dilation,
                stride=layer.stride,
            )  # fmt: skip
            bounds.assert_within(result, expected.astype(np.float64), bound)
        else:
            np.testing.assert_array_equal(result, expected, strict=True)
        assert executions[0][1:3] == (algorithm, tier)


@pytest.mark.parametrize("mode", sweeps.BORDERS)
def test_a_padding_mode_without_padding_changes_nothing(mode):
    x, w = sweeps.integers((2, 3, 9, 9), 1), sweeps.integers((4, 3, 3, 3), 2)
    np.testing.assert_array_equal(F.conv2d(x, w, padding_mode=mode), F.conv2d(x, w))


@pytest.mark.parametrize("mode", ["zeros", *sweeps.BORDERS])
def test_padding_modes_and_names(mode):
    """'same' puts the odd row at the end whatever the border holds."""
    x, w = sweeps.integers((2, 3, 8, 9), 1), sweeps.integers((4, 3, 4, 2), 2)
    result = F.conv2d(x, w, stride=2, padding="same", padding_mode=mode)
    np.testing.assert_array_equal(
        result, reference.conv2d(x, w, stride=2, padding="same", padding_mode=mode)
    )
    sides = ((1, 1), (0, 1))
    np.testing.assert_array_equal(
        result, F.conv2d(x, w, stride=2, padding=sides, padding_mode=mode)
    )


@every_dtype
@pytest.mark.parametrize("mode", sweeps.BORDERS)
def test_padding_modes_with_threads_and_batches(mode, dtype):
    rng = np.random.default_rng(5)
    dense, depthwise = ((3, 20, 60, 61), (33, 20, 3, 3), 1), ((3, 20, 90, 91), (20, 1, 5, 5), 20)
    for shape, weight, groups in (dense, depthwise):
        x = rng.standard_normal(shape).astype(dtype)
        w = rng.standard_normal(weight).astype(dtype)
        how = {"padding": 2, "groups": groups, "padding_mode": mode}
        result = F.conv2d(x, w, **how, threads=1)
        np.testing.assert_array_equal(F.conv2d(x, w, **how, threads=2), result)
        np.testing.assert_array_equal(F.conv2d(x[1], w, **how), result[1])


@every_dtype
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer).replace(" ", "_"))
def test_convolve2d_flips_the_kernel(layer, dtype):
    x, w, _, _ = sweeps.conv_problem(sweeps.ConvCase(layer)).operands(dtype)
    with trace() as executions:
        result = F.convolve2d(x, w, **how_of(layer))
    assert executions[0][0] == "convolve2d"
    flipped = np.ascontiguousarray(w[:, :, ::-1, ::-1])
    np.testing.assert_array_equal(result, F.conv2d(x, flipped, **how_of(layer)), strict=True)
    np.testing.assert_array_equal(result, reference.convolve2d(x, w, **how_of(layer)))


def test_convolve2d_is_what_numpy_calls_convolve():
    a, b = sweeps.integers(12, "a"), sweeps.integers(5, "b")
    full = F.convolve2d(a.reshape(1, 1, 1, -1), b.reshape(1, 1, 1, -1), padding=(0, 4))
    np.testing.assert_array_equal(full.ravel(), np.convolve(a, b, "full"))
    correlated = F.conv2d(a.reshape(1, 1, 1, -1), b.reshape(1, 1, 1, -1), padding=(0, 4))
    np.testing.assert_array_equal(correlated.ravel(), np.correlate(a, b, "full"))


@every_dtype
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: str(layer).replace(" ", "_"))
def test_conv1d(layer, dtype, tier):
    """Each mixture's columns; bias, residual and activation in turn."""
    _, dw = layer.dilation
    how = {"stride": (layer.stride[1],), "padding": (layer.padding[1],), "dilation": dw}
    how |= {"groups": layer.g, "activation": "relu", "padding_mode": "replicate"}
    x = sweeps.integers((layer.mb, layer.ic, layer.iw), str(layer), "x", dtype=dtype)
    w = sweeps.integers((layer.oc, layer.ic // layer.g, layer.kw), str(layer), "w", dtype=dtype)
    bias = sweeps.integers(layer.oc, str(layer), "b", dtype=dtype)
    plain = reference.conv1d(x, w, bias, **how)
    residual = sweeps.integers(plain.shape, str(layer), "r", dtype=dtype)
    expected = reference.conv1d(x, w, bias, residual=residual, **how).astype(dtype)
    poison_pool()
    out = poisoned(expected.shape, dtype)
    with trace() as executions:
        assert F.conv1d(x, w, bias, residual=residual, **how, out=out) is out
    np.testing.assert_array_equal(out, expected)
    assert (executions[0][0], executions[0][2]) == ("conv1d", tier)
    np.testing.assert_array_equal(F.conv1d(x[0], w, bias, **how), plain[0].astype(dtype))


@every_dtype
@pytest.mark.parametrize("layer", LAYERS[::2], ids=lambda layer: str(layer).replace(" ", "_"))
def test_operands_in_any_order(layer, dtype):
    """Strided weights and results are read and written where they lie, by every driver."""
    problem = sweeps.conv_problem(sweeps.ConvCase(layer, bias=True, activation="relu"))
    x, w, bias, _ = problem.operands(dtype)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    weights = (
        np.asfortranarray(w),
        np.ascontiguousarray(w[:, :, ::-1, ::-1])[:, :, ::-1, ::-1],
        np.ascontiguousarray(w.transpose(1, 0, 2, 3)).transpose(1, 0, 2, 3),
        np.repeat(w, 2, axis=-1)[..., ::2],
    )
    shape = problem.result.shape
    for algorithm in sweeps.ALGORITHMS:
        if not sweeps.algorithm_must_take(algorithm, layer):
            continue
        for weight in weights:
            out = np.moveaxis(poisoned((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
            spread = poisoned((*shape[:3], 3 * shape[3]), dtype)[..., 1::3]
            for target in (out, spread):
                result = F.conv2d(
                    last, weight, bias, **how_of(layer), activation="relu", out=target,
                    algorithm=algorithm,
                )  # fmt: skip
                assert result is target
                transforms.assert_meets(target, problem, layer, algorithm)
            untouched = spread.base[..., 0::3]
            assert np.isnan(untouched).all()


def test_taps_that_never_meet_the_map_cost_nothing(tier):
    """A window dilated beyond the map is its middle tap; prepared weights serve any map."""
    x = sweeps.integers((1, 16, 33, 33), "x", dtype=np.float32)
    w = sweeps.integers((16, 16, 3, 3), "w", dtype=np.float32)
    middle = np.ascontiguousarray(w[..., 1:2, 1:2])
    beyond = {"padding": 36, "dilation": 36}
    chosen = fastconv.explain("conv2d", x, w, **beyond).algorithm
    assert chosen == fastconv.explain("conv2d", x, middle).algorithm
    np.testing.assert_array_equal(F.conv2d(x, w, **beyond), F.conv2d(x, middle))
    for algorithm in ("direct", "im2col", "planar", "1x1"):
        with trace() as executions:
            result = F.conv2d(x, w, **beyond, algorithm=algorithm)
        assert executions[0][1:3] == (algorithm, tier)
        np.testing.assert_array_equal(result, F.conv2d(x, middle))
    conv = fastconv.Conv2d(w, **beyond)
    for size in (33, 40, 80, 33):
        x = sweeps.integers((1, 16, size, size), size, dtype=np.float32)
        np.testing.assert_array_equal(conv(x), reference.conv2d(x, w, **beyond))


@pytest.mark.parametrize("padding", [0, 1, 3, ((5, 2), (4, 7))], ids=str)
@pytest.mark.parametrize("step", [2, 3])
def test_what_windows_step_over_is_left_out(step, padding, tier):
    """Of a common factor of stride and dilation: every step-th row and column are convolved."""
    x = sweeps.integers((2, 16, 29, 31), "x", dtype=np.float32)
    w = sweeps.integers((16, 16, 3, 3), "w", dtype=np.float32)
    for stride, dilation in ((step, step), (2 * step, step), (step, 2 * step)):
        how = {"stride": stride, "dilation": dilation, "padding": padding}
        expected = reference.conv2d(x, w, **how)
        for algorithm in ("direct", "planar", "im2col"):
            with trace() as executions:
                result = F.conv2d(x, w, **how, algorithm=algorithm)
            assert executions[0][1:3] == (algorithm, tier)
            np.testing.assert_array_equal(result, expected)
        depthwise = F.conv2d(x, w[:, :1], **how, groups=16)
        np.testing.assert_array_equal(depthwise, reference.conv2d(x, w[:, :1], **how, groups=16))
    # Nothing of the stride is left, so that the transforms take it, from every third column.
    how = {"stride": step, "dilation": step, "padding": padding, "algorithm": "winograd_f2"}
    if step == 3:
        expected = reference.conv2d(x, w, stride=3, dilation=3, padding=padding)
        np.testing.assert_allclose(F.conv2d(x, w, **how), expected, atol=0.1)
    else:
        with pytest.raises(ValueError, match="stride"):
            F.conv2d(x, w, **how)


def test_nothing_is_copied_for_the_order_of_operands():
    x = np.moveaxis(np.ones((1, 9, 9, 16), np.float32), -1, 1)
    w = np.asfortranarray(np.ones((32, 16, 3, 3), np.float32))
    assert fastconv.explain("conv2d", x, w, padding=1).copied_bytes == 0
    assert fastconv.explain("convolve2d", x, w).copied_bytes == 0
    assert fastconv.explain("conv_transpose2d", x, w.transpose(1, 0, 2, 3)).copied_bytes == 0
