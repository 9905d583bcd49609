"""Gradients of convolutions and linear layers: exact on integers, adjoint, the same for threads."""

import numpy as np
import pytest
import sweeps
from engine import poison_pool, poisoned, trace

import fastconv.functional as F
from fastconv import Tensor, ops
from fastconv.reference import convolution_gradients as reference

pytestmark = pytest.mark.usefixtures("strict")

# Thousands of pixels: sums that go on from one chunk of them to the next, in each form of lines.
LONG = [
    sweeps.conv(5, 37, (53, 61), (3, 3), ph=1, pw=1, mb=2),
    sweeps.conv(17, 33, (64, 70), (1, 1)),
    sweeps.conv(40, 40, (70, 45), (3, 3)),
    sweeps.conv(3, 40, (97, 90), (3, 3), sh=2, sw=2, ph=1, pw=1, mb=3),
]
# Depthwise with stride 2: strips of a plane, several vectors, both paddings, and windows that the
# kernel has no body of their own for.
STRIDED = [
    sweeps.conv(3, 3, (301, 122), (3, 3), ph=1, pw=1, sh=2, sw=2, g=3),
    sweeps.conv(2, 2, (260, 150), (3, 3), sh=2, sw=2, g=2, mb=2),
    sweeps.conv(5, 5, (170, 311), (5, 5), ph=2, pw=2, sh=2, sw=2, g=5),
    sweeps.conv(4, 4, (150, 95), (5, 5), ph=1, pw=1, sh=3, sw=2, g=4),
    sweeps.conv(40, 40, (14, 14), (3, 3), ph=1, pw=1, sh=2, sw=2, g=40, mb=2),
    sweeps.conv(70, 70, (13, 33), (3, 3), pw=2, sh=1, sw=2, g=70),
    sweeps.conv(6, 6, (90, 83), (4, 7), ph=1, pw=3, sh=2, sw=2, dh=2, dw=3, g=6),
    sweeps.conv(9, 9, (40, 44), (1, 1), sh=2, sw=2, g=9),
]
LAYERS = [*LONG, *STRIDED, *sweeps.mixtures(160, seed=11)]
MODES = ("zeros", "zeros", "reflect", "replicate", "circular")
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


def how(layer):
    """The layer's options, with a padding mode that its padding allows."""
    options = dict(sweeps.ConvCase(layer).how)
    mode = MODES[sum(map(ord, str(layer))) % len(MODES)]
    for size, (before, after) in zip((layer.ih, layer.iw), layer.padding, strict=True):
        most = {"reflect": size - 1, "circular": size}.get(mode, before + after)
        if max(before, after) > most:
            mode = "zeros"
    return options | {"padding_mode": mode}


def problem(layer, dtype):
    x = sweeps.integers(layer.input_shape, str(layer), "input", dtype=dtype)
    w = sweeps.integers(layer.weight_shape, str(layer), "weight", dtype=dtype)
    shape = (layer.mb, layer.oc, *layer.output_size)
    return x, w, sweeps.integers(shape, str(layer), "grad", dtype=dtype)


@pytest.mark.sweep
@every_dtype
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_exact(layer, dtype, tier):
    x, w, grad = problem(layer, dtype)
    options = how(layer)
    poison_pool()
    out = poisoned(w.shape, dtype)
    with trace() as executions:
        assert ops.conv2d_weight_gradient(grad, x, w.shape, **options, out=out) is out
    expected = reference.conv2d_weight_gradient(grad, x, w.shape, **options)
    np.testing.assert_array_equal(out, expected.astype(dtype), strict=True)
    [(op, algorithm, used, _)] = executions
    assert (op, used) == ("conv2d_weight_gradient", tier)
    assert algorithm in ("gradient_tiles", "gradient_dots", "gradient_windows")

    out = poisoned(x.shape, dtype)
    assert ops.conv2d_input_gradient(grad, w, x.shape, **options, out=out) is out
    expected = reference.conv2d_input_gradient(grad, w, x.shape, **options)
    np.testing.assert_array_equal(out, expected.astype(dtype), strict=True)

    out = poisoned(layer.oc, dtype)
    assert ops.bias_gradient(grad, out=out) is out
    np.testing.assert_array_equal(out, reference.bias_gradient(grad).astype(dtype), strict=True)


@every_dtype
@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (sweeps.conv(32, 32, (28, 28), (3, 3), ph=1, pw=1, g=32), "gradient_windows"),
        (sweeps.conv(32, 32, (56, 56), (3, 3), sh=2, sw=2, ph=1, pw=1, g=32), "gradient_windows"),
        (sweeps.conv(32, 32, (28, 28), (5, 5), ph=2, pw=2, g=32), "gradient_windows"),
        (sweeps.conv(32, 32, (28, 28), (3, 3), ph=2, pw=2, dh=2, dw=2, g=32), "gradient_dots"),
        (sweeps.conv(64, 64, (28, 28), (3, 3), ph=1, pw=1), "gradient_tiles"),
        (sweeps.conv(64, 64, (56, 56), (3, 3), ph=1, pw=1), "gradient_tiles"),
    ],
    ids=["depthwise", "strided", "5x5", "dilated", "28x28", "56x56"],
)
def test_the_path_is_taken(layer, expected, dtype, tier):
    """By a user's call of F.conv2d and backward. 5x5 windows want 32 registers."""
    x, w, grad = problem(layer, dtype)
    weight = Tensor(w, requires_grad=True)
    y = F.conv2d(x, weight, **sweeps.ConvCase(layer).how)
    with trace() as executions:
        y.backward(grad)
    [(op, algorithm, *_)] = executions
    assert op == "conv2d_weight_gradient"
    if tier == "scalar" and (expected != "gradient_windows" or layer.sh == 2):
        expected = "gradient_tiles"  # of one lane, which are always full
    elif layer.kh == 5 and tier in ("scalar", "sse2", "avx2"):
        expected = "gradient_tiles" if tier == "scalar" else "gradient_dots"
    elif layer.sh == 2 and tier == "sse2" and dtype == np.float64:
        expected = "gradient_dots"  # windows of every other pixel: two lanes are too few
    assert algorithm == expected


@every_dtype
@pytest.mark.parametrize("layer", LAYERS[::4], ids=str)
def test_layouts_and_threads(layer, dtype):
    """Any threads give the same bits; other layouts the same where sums are exact."""
    x, w, grad = problem(layer, dtype)
    options = how(layer)
    rounded = x + np.random.default_rng(3).standard_normal(x.shape).astype(dtype)
    one = ops.conv2d_weight_gradient(grad, rounded, w.shape, **options, threads=1)
    sums = ops.bias_gradient(grad + dtype(0.1), threads=1)
    for threads in (2, 3, 5, 8):
        many = ops.conv2d_weight_gradient(grad, rounded, w.shape, **options, threads=threads)
        np.testing.assert_array_equal(many, one)
        many = ops.bias_gradient(grad + dtype(0.1), threads=threads)
        np.testing.assert_array_equal(many, sums)

    def last(array):
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)

    def turned(array):
        return np.ascontiguousarray(array[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1]

    exact = ops.conv2d_weight_gradient(grad, x, w.shape, **options)
    for form in (last, turned, np.asfortranarray):
        for pair in ((form(grad), x), (grad, form(x)), (form(grad), form(x))):
            got = ops.conv2d_weight_gradient(*pair, w.shape, **options)
            np.testing.assert_array_equal(got, exact)
        np.testing.assert_array_equal(ops.bias_gradient(form(grad)), grad.sum((0, 2, 3)))


@every_dtype
@pytest.mark.parametrize("layer", STRIDED, ids=str)
def test_strided_depthwise(layer, dtype):
    """Any threads and one image at a time give the same bits, which are those of other layouts too:
    these go by phases, in the same order."""
    x, w, grad = problem(layer, dtype)
    options = how(layer) | {"padding_mode": "zeros"}
    grad += np.random.default_rng(5).standard_normal(grad.shape).astype(dtype)
    with trace() as executions:
        one = ops.conv2d_input_gradient(grad, w, x.shape, **options, threads=1)
    assert executions[0][1] == "depthwise"
    for threads in (2, 3, 8):
        many = ops.conv2d_input_gradient(grad, w, x.shape, **options, threads=threads)
        np.testing.assert_array_equal(many, one)
    for image, alone in zip(grad, one, strict=True):
        got = ops.conv2d_input_gradient(image, w, x.shape[1:], **options)
        np.testing.assert_array_equal(got, alone)
    last = np.moveaxis(poisoned((*np.moveaxis(one, 1, -1).shape,), dtype), -1, 1)
    with trace() as executions:
        ops.conv2d_input_gradient(grad, w, x.shape, **options, out=last)
    assert executions[0][1] == "phases"
    np.testing.assert_array_equal(last, one)


@pytest.mark.parametrize("layer", LAYERS[::3], ids=str)
def test_adjoint(layer):
    """<conv(x, w), g> == <x, dX> == <w, dW>, exactly, for whole numbers."""
    x, w, grad = problem(layer, np.float64)
    options = how(layer)
    product = (F.conv2d(x, w, **options) * grad).sum()
    assert (ops.conv2d_input_gradient(grad, w, x.shape, **options) * x).sum() == product
    assert (ops.conv2d_weight_gradient(grad, x, w.shape, **options) * w).sum() == product
    product = (F.convolve2d(x, w, **options) * grad).sum()
    assert (ops.convolve2d_input_gradient(grad, w, x.shape, **options) * x).sum() == product
    out = poisoned(w.shape, w.dtype)
    assert ops.convolve2d_weight_gradient(grad, x, w.shape, **options, out=out) is out
    assert (out * w).sum() == product


@pytest.mark.parametrize("mode", sorted(set(MODES)))
@pytest.mark.parametrize("named", ["same", "same_lower", 1, ((2, 1),)])
def test_one_axis(mode, named):
    x = sweeps.integers((2, 6, 19), "x", dtype=np.float32)
    w = sweeps.integers((9, 3, 4), "w", dtype=np.float32)
    options = {
        "stride": 2, "padding": named, "dilation": 2, "groups": 2, "padding_mode": mode
    }  # fmt: skip
    result = F.conv1d(x, w[:8], **options)
    grad = sweeps.integers(result.shape, "g", dtype=np.float32)
    got = ops.conv1d_weight_gradient(grad, x, w[:8].shape, **options)
    np.testing.assert_array_equal(
        got, reference.conv1d_weight_gradient(grad, x, w[:8].shape, **options)
    )
    got = ops.conv1d_input_gradient(grad, w[:8], x.shape, **options)
    np.testing.assert_array_equal(
        got, reference.conv1d_input_gradient(grad, w[:8], x.shape, **options)
    )
    np.testing.assert_array_equal(ops.bias_gradient(grad, -2), grad.sum((0, 2)))


@every_dtype
@pytest.mark.parametrize(
    "case", sweeps.transposed(80, seed=4) + sweeps.transposed(40, seed=5, rank=1), ids=str
)
def test_transposed(case, dtype):
    x, w, _ = case.operands(dtype)
    options = dict(case.how)
    rank = len(case.input) - 2
    result = getattr(F, f"conv_transpose{rank}d")(x, w, **options)
    grad = sweeps.integers(result.shape, str(case), "grad", dtype=dtype)
    by_input = getattr(ops, f"conv_transpose{rank}d_input_gradient")
    by_weight = getattr(ops, f"conv_transpose{rank}d_weight_gradient")
    product = (result * grad).sum()
    dx = by_input(grad, w, x.shape, **options)
    dw = by_weight(grad, x, w.shape, **options)
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    assert (dx * x).sum() == product == (dw * w).sum()
    # one element at a time, where a product of all could hide two errors
    delta = np.zeros_like(w)
    delta[-1, 0] = 1
    at = getattr(F, f"conv_transpose{rank}d")(x, delta, **options)
    assert dw[-1, 0].sum() == (at * grad).sum()


@every_dtype
@pytest.mark.parametrize("rows", [1, 3, 14, 64, 257])
@pytest.mark.parametrize(("features", "outputs"), [(1, 1), (7, 33), (64, 10), (130, 70)])
def test_linear(rows, features, outputs, dtype):
    x = sweeps.integers((rows, features), "x", dtype=dtype)
    w = sweeps.integers((outputs, features), "w", dtype=dtype)
    grad = sweeps.integers((rows, outputs), "g", dtype=dtype)
    for threads in (1, 3):
        got = ops.linear_input_gradient(grad, w, threads=threads)
        np.testing.assert_array_equal(got, reference.linear_input_gradient(grad, w))
        got = ops.linear_weight_gradient(grad, x, threads=threads)
        np.testing.assert_array_equal(got, reference.linear_weight_gradient(grad, x))
        got = ops.bias_gradient(grad, -1, threads=threads)
        np.testing.assert_array_equal(got, grad.sum(0))
    wide = poisoned((outputs, 2 * features), dtype)
    assert ops.linear_weight_gradient(grad, x, out=wide[:, ::2]).base is wide
    np.testing.assert_array_equal(wide[:, ::2], reference.linear_weight_gradient(grad, x))
    got = ops.linear_input_gradient(grad.reshape(rows, 1, outputs), np.asfortranarray(w))
    np.testing.assert_array_equal(got[:, 0], reference.linear_input_gradient(grad, w))


def test_empty_batches_give_zeros():
    x, grad = np.ones((0, 3, 5, 5)), np.ones((0, 4, 3, 3))
    np.testing.assert_array_equal(
        ops.conv2d_weight_gradient(grad, x, (4, 3, 3, 3)), np.zeros((4, 3, 3, 3))
    )
    np.testing.assert_array_equal(ops.bias_gradient(grad), np.zeros(4))
    assert ops.conv2d_input_gradient(grad, np.ones((4, 3, 3, 3)), x.shape).shape == x.shape
    rows = np.ones((0, 5))
    np.testing.assert_array_equal(
        ops.linear_weight_gradient(rows, np.ones((0, 2))), np.zeros((5, 2))
    )
    np.testing.assert_array_equal(ops.bias_gradient(rows, -1), np.zeros(5))
    assert ops.linear_input_gradient(rows, np.ones((5, 2))).shape == (0, 2)


def test_broadcast_gradients():
    """What the gradient of a sum is: one number seen everywhere."""
    x = sweeps.integers((2, 5, 9, 9), "x", dtype=np.float32)
    grad = np.broadcast_to(np.float32(2), (2, 8, 7, 7))
    expected = reference.conv2d_weight_gradient(np.array(grad), x, (8, 5, 3, 3))
    np.testing.assert_array_equal(ops.conv2d_weight_gradient(grad, x, (8, 5, 3, 3)), expected)
    np.testing.assert_array_equal(ops.bias_gradient(grad), np.full(8, 196.0))


def test_strides_beyond_the_map():
    x = sweeps.integers((1, 2, 5, 7), "x")
    w = sweeps.integers((3, 2, 2, 1), "w")
    options = {"stride": (9, 3), "dilation": (4, 1)}
    grad = F.conv2d(x, w, **options)
    for name, operand, size in (("weight", x, w.shape), ("input", w, x.shape)):
        got = getattr(ops, f"conv2d_{name}_gradient")(grad, operand, size, **options)
        expected = getattr(reference, f"conv2d_{name}_gradient")(grad, operand, size, **options)
        np.testing.assert_array_equal(got, expected)


X, W, G = np.ones((2, 4, 6, 6)), np.ones((3, 4, 3, 3)), np.ones((2, 3, 4, 4))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ops.conv2d_weight_gradient(G, X.astype(np.float32), W.shape), TypeError, "dtype"),
        (lambda: ops.conv2d_weight_gradient(G.tolist(), X, W.shape), TypeError, "ndarray"),
        (
            lambda: ops.conv2d_weight_gradient(
                G.astype(np.float16), X.astype(np.float16), W.shape
            ),
            TypeError,
            "float16",
        ),
        (lambda: ops.conv2d_weight_gradient(G, X, W.shape, padding=1), ValueError, "grad has"),
        (lambda: ops.conv2d_weight_gradient(G, X, (3, 4, 3)), ValueError, "weight_size"),
        (lambda: ops.conv2d_weight_gradient(G, X, (3, 4, 0, 3)), ValueError, "weight_size"),
        (lambda: ops.conv2d_weight_gradient(G, X, (3, 2, 3, 3)), ValueError, "groups"),
        (lambda: ops.conv2d_weight_gradient(G, X, W.shape, stride=0), ValueError, "stride"),
        (lambda: ops.conv2d_weight_gradient(G, X[0], W.shape), ValueError, "grad has"),
        (lambda: ops.conv2d_weight_gradient(G, X, (3, 4, 9, 9)), ValueError, "spans"),
        (
            lambda: ops.conv2d_weight_gradient(G, X, W.shape, padding=7, padding_mode="reflect"),
            ValueError,
            "reflect",
        ),
        (lambda: ops.conv2d_weight_gradient(G, X, W.shape, out=W[:2]), ValueError, "out has"),
        (
            lambda: ops.conv2d_weight_gradient(G, X, (3, 4, 3, 3),
            out=X.reshape(-1)[:108].reshape(W.shape)), ValueError,
            "shares memory with input",
        ),
        (lambda: ops.conv2d_input_gradient(G, W, (2, 4, 7, 6)), ValueError, "grad has"),
        (lambda: ops.conv2d_input_gradient(G, W, 5), TypeError, "input_size"),
        (lambda: ops.conv2d_input_gradient(G, W[0], X.shape), ValueError, "weight"),
        (lambda: ops.conv_transpose2d_input_gradient(X, W, G.shape, 1, 0, 1), ValueError,
        "output_p"), (lambda: ops.conv_transpose2d_input_gradient(X, W, G.shape, 2), ValueError,
        "grad has"), (lambda: ops.conv_transpose2d_weight_gradient(X, G, (4, 4, 3, 3)), ValueError,
        "groups"), (lambda: ops.linear_input_gradient(G[0, 0], W), ValueError, "weight"),
        (lambda: ops.linear_weight_gradient(G[0, 0], X[0, 0]), ValueError, "grad has"),
        (lambda: ops.bias_gradient(G, 4), ValueError, "axis"),
        (lambda: ops.bias_gradient(G, 1.5), TypeError, "axis"),
        (lambda: ops.bias_gradient(G, out=np.ones(2)), ValueError, "out has"),
    ],
)  # fmt: skip
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_large_layers_share_threads():
    x, grad = np.ones((2, 16, 40, 40), np.float32), np.ones((2, 24, 40, 40), np.float32)
    with trace() as executions:
        ops.conv2d_weight_gradient(grad, x, (24, 16, 3, 3), padding=1, threads=2)
    assert executions[0][3] == 2
