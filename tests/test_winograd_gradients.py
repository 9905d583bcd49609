"""Weight gradients by Winograd's transforms: where they are chosen, and what they are worth."""

import numpy as np
import pytest
import transforms
from engine import poison_pool, poisoned, trace

import fastconv
import fastconv.functional as F
from fastconv import Tensor, ops
from fastconv.reference import convolution_gradients as reference

# images, channels in and out, rows, columns, kernel, padding, groups, padding mode
LAYERS = [
    (2, 64, 64, 28, 28, 3, 1, 1, "zeros"),
    (1, 70, 45, 30, 33, 3, 0, 1, "zeros"),
    (9, 32, 64, 13, 14, 3, 1, 1, "reflect"),
    (3, 40, 36, 21, 7, 3, 2, 1, "zeros"),
    (3, 96, 64, 15, 18, 3, 1, 2, "replicate"),
    (2, 24, 33, 27, 26, 5, 2, 1, "zeros"),
    (1, 33, 32, 19, 50, 5, 1, 1, "circular"),
]
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
every_layer = pytest.mark.parametrize("layer", LAYERS, ids=lambda v: "-".join(map(str, v)))


def problem(layer, dtype):
    """x, grad, the weights' shape and the layer's options."""
    n, ic, oc, rows, cols, k, padding, groups, mode = layer
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, ic, rows, cols)).astype(dtype)
    size = (n, oc, *(length + 2 * padding - k + 1 for length in (rows, cols)))
    options = {"padding": padding, "groups": groups, "padding_mode": mode}
    return x, rng.standard_normal(size).astype(dtype), (oc, ic // groups, k, k), options


def assert_near(found, x, grad, shape, options):
    exact = reference.conv2d_weight_gradient(
        grad.astype(np.float64), x.astype(np.float64), shape, **options
    )
    bound = transforms.gradient_bound(x, grad, shape[-1], **options)
    assert np.all(np.abs(found - exact) <= bound)
    norm = np.linalg.norm(found - exact) / np.linalg.norm(exact)
    assert norm <= 5e-6 * (1 if x.dtype == np.float32 else 2.0**-29)


@every_dtype
@every_layer
def test_within_the_bound(layer, dtype, tier):
    x, grad, shape, options = problem(layer, dtype)
    poison_pool()
    out = poisoned(shape, dtype)
    with trace() as executions:
        assert ops.conv2d_weight_gradient(grad, x, shape, **options, out=out) is out
    assert [run[1:3] for run in executions] == [("gradient_winograd", tier)]
    assert_near(out, x, grad, shape, options)


@every_dtype
@every_layer
def test_threads_and_layouts(layer, dtype):
    """Any threads give the same bits, and so do channels that lie side by side."""
    x, grad, shape, options = problem(layer, dtype)
    one = ops.conv2d_weight_gradient(grad, x, shape, **options, threads=1)
    for threads in (2, 3, 5, 8):
        many = ops.conv2d_weight_gradient(grad, x, shape, **options, threads=threads)
        np.testing.assert_array_equal(many, one)
    last = [np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) for a in (grad, x)]
    with trace() as executions:
        np.testing.assert_array_equal(ops.conv2d_weight_gradient(*last, shape, **options), one)
    assert executions[0][1] == "gradient_winograd"
    turned = [a[:, :, ::-1, ::-1].copy()[:, :, ::-1, ::-1] for a in (grad, x)]
    np.testing.assert_array_equal(ops.conv2d_weight_gradient(*turned, shape, **options), one)


@pytest.mark.parametrize("images", [1, 2, 9])
@pytest.mark.parametrize("channels", [(24, 40), (80, 120)], ids=str)
def test_chains_and_units(channels, images, tier):
    """Hundreds of tiles: chains of units with few channels, one after another with many."""
    ic, oc = channels
    layer = (images, ic, oc, 46, 50, 3, 1, 1, "zeros")
    x, grad, shape, options = problem(layer, np.float32)
    one = ops.conv2d_weight_gradient(grad, x, shape, **options, threads=1)
    assert_near(one, x, grad, shape, options)
    many = ops.conv2d_weight_gradient(grad, x, shape, **options, threads=3)
    np.testing.assert_array_equal(many, one)


def test_who_asks_for_it(tier):
    """By a user's call and backward: precision as of the convolution, at the time of backward."""
    x, grad, shape, options = problem(LAYERS[0], np.float32)

    def algorithm(**how):
        weight = Tensor(np.ones(shape, np.float32), requires_grad=True)
        y = F.conv2d(x, weight, **options, **how)
        with trace() as executions:
            y.backward(grad)
        return executions[0][1]

    assert algorithm() == algorithm(precision="fast") == "gradient_winograd"
    assert algorithm(precision="strict") == "gradient_tiles"
    with fastconv.precision("strict"):
        assert algorithm() == "gradient_tiles"
        assert algorithm(precision="default") == "gradient_winograd"


def test_transposed_convolution(tier):
    """Its gradient is a convolution's, with the parts exchanged."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((2, 40, 26, 25)).astype(np.float32)
    grad = rng.standard_normal((2, 48, 28, 27)).astype(np.float32)
    shape = (40, 48, 3, 3)
    with trace() as executions:
        found = ops.conv_transpose2d_weight_gradient(grad, x, shape)
        exact = ops.conv_transpose2d_weight_gradient(grad, x, shape, precision="strict")
    assert [run[1] for run in executions] == ["gradient_winograd", "gradient_tiles"]
    assert np.linalg.norm(found - exact) <= 5e-6 * np.linalg.norm(exact)


@pytest.mark.parametrize("precision", ["exact", 1])
def test_a_bad_precision(precision):
    x, grad, shape, options = problem(LAYERS[0], np.float32)
    with pytest.raises((TypeError, ValueError), match=r"^conv2d_weight_gradient: precision"):
        ops.conv2d_weight_gradient(grad, x, shape, **options, precision=precision)


def test_nan_stays_with_its_channels():
    x, grad, shape, options = problem(LAYERS[0], np.float32)
    x[1, 5, 20, 3] = np.nan
    found = ops.conv2d_weight_gradient(grad, x, shape, **options)
    assert np.isnan(found[:, 5]).all()
    assert np.isfinite(np.delete(found, 5, 1)).all()
