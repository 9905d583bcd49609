"""Gradients of activations, normalisations and losses: central differences, threads, precision."""

import numpy as np
import pytest

import fastconv.functional as F
from fastconv import ops
from fastconv.reference import losses

STEP = 1e-5


@pytest.fixture
def rng(request):
    return np.random.default_rng(list(request.node.name.encode()))


def difference(function, x, g):
    """Of sum(function(x) * g), element by element."""
    grad = np.empty_like(x)
    for i in np.ndindex(*x.shape):
        kept = x[i]
        x[i] = kept + STEP
        above = np.sum(function(x) * g)
        x[i] = kept - STEP
        grad[i] = (above - np.sum(function(x) * g)) / (2 * STEP)
        x[i] = kept
    return grad


def near(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-8)


CALLS = {
    "leaky_relu": ((0.3,), lambda x: F.leaky_relu(x, 0.3)),
    "elu": ((1.7,), lambda x: F.elu(x, 1.7)),
    "softplus": ((1.5, 3.0), lambda x: F.softplus(x, 1.5, 3.0)),
    "gelu_tanh": ((), lambda x: F.gelu(x, approximate="tanh")),
}


@pytest.mark.parametrize("name", ops.SAVES_RESULT)
def test_activations(name, rng):
    x = np.concatenate([rng.uniform(-7, 7, 60), [0.1, -0.1, 2.9, 3.1, -2.9, -3.1, 5.9, 6.1]])
    g = rng.standard_normal(x.size)
    parameters, call = CALLS.get(name, ((), getattr(F, name, None)))
    saved = call(x) if ops.SAVES_RESULT[name] else x
    actual = ops.activation_gradient(name, g, saved, *parameters)
    smooth = np.abs(x * 1.5 - 3) > 1e-3  # softplus's threshold is a small step
    expected = difference(call, x, g)
    near(actual[smooth], expected[smooth])


@pytest.mark.parametrize("shape", [(3, 4, 5), (7, 3), (2, 2, 3, 3)])
def test_batch_norm(shape, rng):
    x, g = rng.standard_normal(shape) + 3, rng.standard_normal(shape)
    w, b = rng.standard_normal(shape[1]), rng.standard_normal(shape[1])
    _, mean, deviation = ops.batch_norm_train(x, weight=w, bias=b)
    actual = ops.batch_norm_gradient(g, x, w, mean, deviation)
    near(actual[0], difference(lambda v: F.batch_norm(v, None, None, w, b, True), x, g))
    near(actual[1], difference(lambda v: F.batch_norm(x, None, None, v, b, True), w, g))
    near(actual[2], difference(lambda v: F.batch_norm(x, None, None, w, v, True), b, g))
    var = rng.random(shape[1]) + 0.5
    actual = ops.batch_norm_inference_gradient(g, x, w, mean, var)
    near(actual[0], difference(lambda v: F.batch_norm(v, mean, var, w, b), x, g))
    near(actual[1], difference(lambda v: F.batch_norm(x, mean, var, v, b), w, g))
    near(actual[2], difference(lambda v: F.batch_norm(x, mean, var, w, v), b, g))


def test_prelu(rng):
    x, g, w = (rng.standard_normal(s) for s in ((2, 3, 5), (2, 3, 5), 3))
    actual = ops.prelu_gradient(g, x, w)
    near(actual[0], difference(lambda v: F.prelu(v, w), x, g))
    near(actual[1], difference(lambda v: F.prelu(x, v), w, g))


@pytest.mark.parametrize("window", ["pytorch", "onnx"])
@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_local_response_norm(size, window, rng):
    x, g = rng.standard_normal((2, 6, 3)), rng.standard_normal((2, 6, 3))
    options = (size, 0.7, 0.6, 1.3)
    actual = ops.local_response_norm_gradient(g, x, *options, window)
    near(actual, difference(lambda v: F.local_response_norm(v, *options, window=window), x, g))


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_softmax(dim, rng):
    x, g = rng.standard_normal((3, 4, 5)), rng.standard_normal((3, 4, 5))
    near(
        ops.softmax_gradient(g, F.softmax(x, dim), dim),
        difference(lambda v: F.softmax(v, dim), x, g),
    )
    near(
        ops.log_softmax_gradient(g, F.log_softmax(x, dim), dim),
        difference(lambda v: F.log_softmax(v, dim), x, g),
    )


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_cross_entropy(reduction, rng):
    x, target, w = rng.standard_normal((3, 4, 2)), rng.integers(0, 4, (3, 2)), rng.random(4)
    target[0, 0] = -1
    options = {"ignore_index": -1, "reduction": reduction, "label_smoothing": 0.2}
    loss, saved = ops.cross_entropy(x, target, w, **options)
    g = np.asarray(rng.standard_normal(loss.shape))
    actual = ops.cross_entropy_gradient(g, x, target, saved, w, **options)
    near(actual, difference(lambda v: F.cross_entropy(v, target, w, **options), x, g))
    assert not actual[0, :, 0].any()


@pytest.mark.parametrize("seed", range(40))
def test_cross_entropy_and_reference(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 40, rng.integers(2, 5)))
    dtype = rng.choice([np.float32, np.float64])
    x = (rng.standard_normal(shape) * 9).astype(dtype)
    target = rng.integers(-1, shape[1], shape[:1] + shape[2:])
    weight = rng.random(shape[1]).astype(dtype) if rng.random() < 0.5 else None
    options = {
        "ignore_index": -1,
        "reduction": str(rng.choice(["none", "sum", "mean"])),
        "label_smoothing": float(rng.integers(0, 3)) / 4,
    }
    bound = 1e-12 if dtype is np.float64 else 2e-6
    np.testing.assert_allclose(
        F.cross_entropy(x, target, weight, **options),
        losses.cross_entropy(x, target, weight, **options),
        rtol=bound,
        atol=bound * 40,
    )


def test_ignored_logits_do_not_matter():
    x = np.array([[np.nan, np.inf], [1.0, 2.0]])
    target = np.array([-100, 1])
    loss, saved = ops.cross_entropy(x, target)
    assert loss == pytest.approx(np.log1p(np.exp(-1)))
    grad = ops.cross_entropy_gradient(np.ones(()), x, target, saved)
    assert np.isfinite(grad).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 5, 70, 70), (40000, 9), (9, 40, 14, 14)])
def test_threads_do_not_show(shape, dtype, rng):
    x, g = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
    w = rng.standard_normal(shape[1]).astype(dtype)
    target = rng.integers(0, shape[1], shape[:1] + shape[2:])

    def everything(threads):
        y, mean, deviation = ops.batch_norm_train(x, weight=w, threads=threads)
        loss, saved = ops.cross_entropy(x, target, threads=threads)
        yield from (y, mean, deviation, loss, saved)
        yield from ops.batch_norm_gradient(g, x, w, mean, deviation, threads=threads)
        yield from ops.batch_norm_inference_gradient(g, x, w, mean, w**2, threads=threads)
        yield from ops.prelu_gradient(g, x, w, threads=threads)
        yield from ops.prelu_gradient(g, x, w[:1], threads=threads)
        yield ops.cross_entropy_gradient(np.ones((), dtype), x, target, saved, threads=threads)
        yield ops.softmax_gradient(g, y, 1, threads=threads)
        yield ops.activation_gradient("silu", g, x, threads=threads)

    for one, other in zip(everything(1), everything(3), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("offset", [0.0, 1e3, 1e5])
@pytest.mark.parametrize("shape", [(4, 2, 100, 100), (5000, 2), (1, 1, 10_000_000)])
def test_statistics_of_distant_means(shape, offset, rng):
    """The data are float32; the statistics are those of float64, rounded."""
    x = (rng.standard_normal(shape, dtype=np.float32) + np.float32(offset)).astype(np.float32)
    y, mean, deviation = ops.batch_norm_train(x, eps=0.0)
    wide = np.moveaxis(x.astype(np.float64), 1, 0).reshape(shape[1], -1)
    centre, std = wide.mean(1), wide.std(1)
    np.testing.assert_allclose(mean, centre, rtol=2**-23, atol=1e-6)
    np.testing.assert_allclose(1 / deviation.astype(np.float64), std, rtol=1e-6)
    expected = ((wide - centre[:, None]) / std[:, None])[:, :4096]
    actual = np.moveaxis(y, 1, 0).reshape(shape[1], -1)[:, :4096]
    np.testing.assert_allclose(actual, expected, rtol=2e-6, atol=2e-6)


def test_sums_of_ten_million():
    x = np.full((1, 1, 10_000_000), -0.1, np.float32)
    g = np.full(x.shape, 0.1, np.float32)
    exact = float(np.float32(0.1)) * x.size
    _, weight = ops.prelu_gradient(g, x, np.ones(1, np.float32))
    np.testing.assert_allclose(weight, -exact * float(np.float32(0.1)), rtol=3e-6)
    sums = ops.batch_norm_inference_gradient(
        g, x, None, np.zeros(1, np.float32), np.ones(1, np.float32)
    )
    np.testing.assert_allclose(sums[2], exact, rtol=3e-6)


def test_running_statistics(rng):
    x = rng.standard_normal((4, 3, 5))
    mean, var = np.ones(3), np.full(3, 2.0)
    F.batch_norm(x, mean, var, training=True, momentum=0.25)
    np.testing.assert_allclose(mean, 0.75 + 0.25 * x.mean((0, 2)))
    np.testing.assert_allclose(var, 1.5 + 0.25 * x.var((0, 2), ddof=1))


def test_constant_channels_have_no_variance():
    x = np.full((3, 2, 1000), 0.1, np.float32)
    y, _, deviation = ops.batch_norm_train(x, eps=1e-5)
    assert not y.any()
    np.testing.assert_allclose(deviation, 1e-5**-0.5, rtol=1e-6)


def test_float16(rng):
    x = rng.standard_normal((3, 4, 5)).astype(np.float16)
    y, mean, deviation = ops.batch_norm_train(x)
    assert y.dtype == np.float16
    assert mean.dtype == np.float32
    for grad in ops.batch_norm_gradient(x, x, None, mean, deviation):
        assert grad.dtype == np.float16
    assert ops.activation_gradient("relu", x, x).dtype == np.float16


X = np.zeros((2, 3, 4))
REFUSED = [
    (TypeError, "grad must be", lambda: ops.activation_gradient("relu", [1.0], X)),
    (ValueError, "saved has shape", lambda: ops.activation_gradient("relu", X, X[:1])),
    (ValueError, "activation is 'sine'", lambda: ops.activation_gradient("sine", X, X)),
    (TypeError, "dtype", lambda: ops.softmax_gradient(X, X.astype(np.float32), 1)),
    (ValueError, "dim is 3", lambda: ops.softmax_gradient(X, X, 3)),
    (ValueError, "weight has shape", lambda: ops.prelu_gradient(X, X, np.ones(2))),
    (ValueError, "size is 0", lambda: ops.local_response_norm_gradient(X, X, 0)),
    (ValueError, "mean has shape", lambda: ops.batch_norm_gradient(X, X, None, X[0, 0], X[0, 0])),
    (ValueError, "one value for each", lambda: ops.batch_norm_train(X[:1, :, :1])),
    (ValueError, "only one of", lambda: ops.batch_norm_train(X, np.ones(3))),
    (ValueError, "weight has shape", lambda: ops.batch_norm_train(X, weight=np.ones(4))),
    (ValueError, "target holds 3", lambda: F.cross_entropy(X, np.full((2, 4), 3))),
    (ValueError, "target has shape", lambda: F.cross_entropy(X, np.zeros(2, np.int64))),
    (TypeError, "target has dtype", lambda: F.cross_entropy(X, np.zeros((2, 4)))),
    (ValueError, "label_smoothing", lambda: F.cross_entropy(X, X, label_smoothing=1.5)),
    (ValueError, "reduction is", lambda: F.cross_entropy(X, X, reduction="max")),
]


@pytest.mark.parametrize(("error", "words", "call"), REFUSED, ids=range(len(REFUSED)))
def test_bad_input(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_nothing_is_written_on_error():
    mean, var = np.ones(3), np.ones(3)
    with pytest.raises(ValueError, match="weight has shape"):
        F.batch_norm(X, mean, var, np.ones(4), training=True)
    assert (mean == 1).all()
    assert (var == 1).all()
