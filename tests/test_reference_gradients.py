"""The oracle's gradients, against central differences of the oracle's forward operations.

Worked examples stand in its docstrings, which test_reference.py runs.
"""

import numpy as np
import pytest
from test_reference import assert_is

from fastconv import reference

STEP = 1e-5


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


@pytest.fixture
def rng(request):
    return np.random.default_rng(list(request.node.name.encode()))


def check(rng, shape, forward, gradient, positive=False):
    """gradient(g, x, y), where y = forward(x), is what differences give."""
    x = rng.permutation(int(np.prod(shape))).reshape(shape) / 7 + (0.1 if positive else -2.03)
    y = forward(x)
    g = rng.standard_normal(np.shape(y))
    expected = difference(forward, x, g)
    np.testing.assert_allclose(gradient(g, x, y), expected, rtol=1e-6, atol=1e-7)


LAYERS = [
    {"stride": 2, "padding": ((1, 0), (2, 1))},
    {"dilation": (1, 2), "padding": "same", "padding_mode": "reflect"},
    {"groups": 2, "padding": 2, "padding_mode": "circular"},
    {"stride": (1, 3), "padding": 1, "padding_mode": "replicate"},
]


def check_layer(rng, name, x_shape, w_shape, how):
    """The gradients by both operands of an operation with weights."""
    forward = getattr(reference, name)
    by_input = getattr(reference, f"{name}_input_gradient")
    by_weight = getattr(reference, f"{name}_weight_gradient")
    x, w = rng.standard_normal(x_shape), rng.standard_normal(w_shape)
    check(
        rng,
        x_shape,
        lambda v: forward(v, w, **how),
        lambda g, v, y: by_input(g, w, x_shape, **how),
    )
    check(
        rng,
        w_shape,
        lambda v: forward(x, v, **how),
        lambda g, v, y: by_weight(g, x, w_shape, **how),
    )


@pytest.mark.parametrize("how", LAYERS, ids=range(len(LAYERS)))
@pytest.mark.parametrize("name", ["conv2d", "convolve2d"])
def test_convolutions(name, how, rng):
    check_layer(rng, name, (2, 2, 4, 5), (2, 2 // how.get("groups", 1), 2, 3), how)


def test_one_axis(rng):
    how = {"stride": 2, "padding": ((1, 2),), "groups": 2, "padding_mode": "circular"}
    check_layer(rng, "conv1d", (2, 4, 7), (2, 2, 3), how)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(
    "how",
    [
        {"stride": 2, "padding": 1, "output_padding": 1},
        {"stride": 3, "output_padding": 2, "groups": 2},
        {"dilation": 2, "padding": 2, "output_padding": 1},
    ],
    ids=range(3),
)
def test_transposed(rank, how, rng):
    check_layer(rng, f"conv_transpose{rank}d", (2, 2, *(4, 3)[:rank]), (2, 2, *(3, 2)[:rank]), how)


def test_linear(rng):
    x, w, b = (rng.standard_normal(s) for s in ((2, 3, 4), (5, 4), (5,)))
    by_input, by_weight = reference.linear_input_gradient, reference.linear_weight_gradient
    by_bias = reference.bias_gradient
    check(rng, x.shape, lambda v: reference.linear(v, w), lambda g, v, y: by_input(g, w))
    check(rng, w.shape, lambda v: reference.linear(x, v), lambda g, v, y: by_weight(g, x))
    check(rng, b.shape, lambda v: reference.linear(x, w, v), lambda g, v, y: by_bias(g, -1))


WINDOWS = [(2, None, 0, False), (3, 2, 1, False), (3, 1, 0, False), (2, 3, 1, True)]
WINDOWS += [((3, 2), (2, 3), (1, 0), True)]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("divisor", [(True,), (False,), (True, -3)], ids=str)
def test_averages(window, divisor, rng):
    how = (*window, *divisor)
    check(
        rng,
        (2, 2, 5, 7),
        lambda v: reference.avg_pool2d(v, *how),
        lambda g, v, y: reference.avg_pool2d_gradient(g, v.shape[2:], *how),
    )


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_maxima(window, rng):
    k, s, p, c = window

    def backward(g, v, y):
        _, indices = reference.max_pool2d(v, k, s, p, 1, c, True)
        return reference.max_pool2d_gradient(g, indices, v.shape[2:])

    check(rng, (2, 2, 5, 7), lambda v: reference.max_pool2d(v, k, s, p, 1, c), backward)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("norm", [1, 2, 3, 2.5])
def test_norms(window, norm, rng):
    k, s, _, c = window
    check(
        rng,
        (1, 2, 5, 7),
        lambda v: reference.lp_pool2d(v, norm, k, s, c),
        lambda g, v, y: reference.lp_pool2d_gradient(g, v, y, norm, k, s, c),
        positive=True,
    )


def test_pooling_of_one_axis(rng):
    check(
        rng,
        (2, 2, 9),
        lambda v: reference.avg_pool1d(v, 3, 2, 1, True),
        lambda g, v, y: reference.avg_pool1d_gradient(g, 9, 3, 2, 1, True),
    )
    check(
        rng,
        (2, 2, 9),
        lambda v: reference.lp_pool1d(v, 2, 3, 2, True),
        lambda g, v, y: reference.lp_pool1d_gradient(g, v, y, 2, 3, 2, True),
        positive=True,
    )
    check(
        rng,
        (2, 2, 9),
        lambda v: reference.adaptive_avg_pool1d(v, 4),
        lambda g, v, y: reference.adaptive_avg_pool1d_gradient(g, 9),
    )

    def by_maxima(g, v, y):
        return reference.max_pool1d_gradient(
            g, reference.max_pool1d(v, 3, 2, 1, 1, False, True)[1], 9
        )

    check(rng, (2, 2, 9), lambda v: reference.max_pool1d(v, 3, 2, 1), by_maxima)
    places = np.array([[[1, 5, 2], [0, 3, 4]]])
    check(
        rng,
        (1, 2, 3),
        lambda v: reference.max_unpool1d(v, places, 2),
        lambda g, v, y: reference.max_unpool1d_gradient(g, places),
    )


@pytest.mark.parametrize("output", [(1, 1), (3, 4), (7, 2)], ids=str)
def test_adaptive_pooling(output, rng):
    check(
        rng,
        (2, 2, 5, 7),
        lambda v: reference.adaptive_avg_pool2d(v, output),
        lambda g, v, y: reference.adaptive_avg_pool2d_gradient(g, (5, 7)),
    )
    check(
        rng,
        (2, 2, 5, 7),
        reference.global_avg_pool2d,
        lambda g, v, y: reference.global_avg_pool2d_gradient(g, (5, 7)),
    )


def test_unpooling(rng):
    places = rng.permutation(24)[:6].reshape(1, 1, 2, 3)
    check(
        rng,
        (1, 1, 2, 3),
        lambda v: reference.max_unpool2d(v, places, 2),
        lambda g, v, y: reference.max_unpool2d_gradient(g, places),
    )


def test_norm_of_zeros_passes_nothing():
    zeros = np.zeros((1, 1, 2, 2))
    for norm in (0.5, 1, 2):
        assert_is(
            reference.lp_pool2d_gradient(
                zeros[..., :1, :1] + 1, zeros, zeros[..., :1, :1], norm, 2
            ),
            zeros,
        )


PADS = [((1, 2, 0, 3), "reflect"), ((4, 1, 2, 2), "replicate"), ((4, 3, 1, 2), "circular")]
PADS += [((1, -2, -1, 3), "constant"), ((0, 0, 0, 0, 1, 1), "constant")]


@pytest.mark.parametrize(("sides", "mode"), PADS, ids=str)
def test_pad(sides, mode, rng):
    check(
        rng,
        (2, 2, 4, 5),
        lambda v: reference.pad(v, sides, mode),
        lambda g, v, y: reference.pad_gradient(g, v.shape, sides, mode),
    )


def test_unfold_and_fold(rng):
    how = ((2, 3), (2, 1), (1, 2), (1, 2))
    check(
        rng,
        (2, 2, 4, 5),
        lambda v: reference.unfold(v, *how),
        lambda g, v, y: reference.unfold_gradient(g, (4, 5), *how),
    )
    check(
        rng,
        (2, 12, 16),
        lambda v: reference.fold(v, (4, 5), *how),
        lambda g, v, y: reference.fold_gradient(g, *how),
    )


@pytest.mark.parametrize("how", [{"size": (3, 9)}, {"size": 8}, {"scale_factor": 1.7}], ids=str)
@pytest.mark.parametrize(
    "mode", [("nearest",), ("nearest-exact",), ("bilinear",), ("bilinear", True)], ids=str
)
def test_interpolate(how, mode, rng):
    factor = how.get("scale_factor")
    check(
        rng,
        (2, 2, 4, 5),
        lambda v: reference.interpolate(
            v, **how, mode=mode[0], align_corners=(mode[1:] or (None,))[0]
        ),
        lambda g, v, y: reference.interpolate_gradient(g, (4, 5), factor, *mode),
    )


CALLS = {
    "gelu_tanh": ((), lambda v: reference.gelu(v, approximate="tanh")),
    "leaky_relu": ((0.3,), lambda v: reference.leaky_relu(v, 0.3)),
    "elu": ((1.7,), lambda v: reference.elu(v, 1.7)),
    "softplus": ((1.5, 200.0), lambda v: reference.softplus(v, 1.5, 200.0)),
}
FROM_RESULT = ("relu", "relu6", "sigmoid", "tanh", "hardsigmoid")
FROM_INPUT = ("silu", "hardswish", "gelu", "gelu_tanh", "leaky_relu", "elu", "softplus")


@pytest.mark.parametrize("name", FROM_RESULT + FROM_INPUT)
def test_activations(name, rng):
    parameters, forward = CALLS.get(name, ((), getattr(reference, name, None)))
    from_result = name in FROM_RESULT
    check(
        rng,
        (8, 8),
        forward,
        lambda g, v, y: reference.activation_gradient(
            name, g, y if from_result else v, *parameters
        ),
    )


def test_kinks_and_nan():
    def of(name, *values):
        return reference.activation_gradient(name, np.ones(len(values)), np.array(values))

    nan = np.nan
    assert_is(of("relu", 0.0, nan), [0, 1])
    assert_is(of("relu6", 0.0, 6.0, nan), [0, 0, 0])
    assert_is(of("hardsigmoid", 0.0, 1.0, nan), [0, 0, 0])
    assert_is(of("hardswish", -3.0, 3.0, nan), [0, 1, nan])
    assert_is(of("leaky_relu", 0.0, nan), [0.01, nan])
    assert_is(of("elu", 0.0, nan), [1, nan])
    for name in ("sigmoid", "tanh", "silu", "gelu", "gelu_tanh", "softplus"):
        assert_is(of(name, nan), [nan])


def test_prelu(rng):
    x, w = rng.standard_normal((2, 3, 5)), rng.standard_normal(3)
    check(
        rng,
        x.shape,
        lambda v: reference.prelu(v, w),
        lambda g, v, y: reference.prelu_gradient(g, v, w)[0],
    )
    check(
        rng,
        w.shape,
        lambda v: reference.prelu(x, v),
        lambda g, v, y: reference.prelu_gradient(g, x, v)[1],
    )


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(training, rng):
    x, w, b = rng.standard_normal((3, 2, 5)), rng.standard_normal(2), rng.standard_normal(2)
    mean, var = rng.standard_normal(2), rng.random(2) + 0.5

    def forward(v, weight=w, bias=b):
        if training:
            return reference.batch_norm_train(v, weight=weight, bias=bias)[0]
        return reference.batch_norm(v, mean, var, weight, bias)

    def backward(g, v, weight):
        if training:
            found = reference.batch_norm_train(v)[1:]
            return reference.batch_norm_gradient(g, v, weight, *found)
        return reference.batch_norm_inference_gradient(g, v, weight, mean, var)

    check(rng, x.shape, forward, lambda g, v, y: backward(g, v, w)[0])
    check(rng, w.shape, lambda v: forward(x, v), lambda g, v, y: backward(g, x, v)[1])
    check(rng, b.shape, lambda v: forward(x, w, v), lambda g, v, y: backward(g, x, w)[2])


def test_running_statistics():
    x = np.array([[1.0], [3.0], [8.0]])
    mean, var = np.array([10.0]), np.array([20.0])
    reference.batch_norm_train(x, mean, var, momentum=0.5)
    assert_is(mean, [7])
    assert_is(var, [16.5])  # of 9 + 1 + 16 by one less than three


@pytest.mark.parametrize("window", ["pytorch", "onnx"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_norm(size, window, rng):
    how = (size, 0.7, 0.6, 1.3)
    check(
        rng,
        (2, 4, 3),
        lambda v: reference.local_response_norm(v, *how, window=window),
        lambda g, v, y: reference.local_response_norm_gradient(g, v, *how, window),
    )


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax(dim, rng):
    check(
        rng,
        (3, 2, 4),
        lambda v: reference.softmax(v, dim),
        lambda g, v, y: reference.softmax_gradient(g, y, dim),
    )
    check(
        rng,
        (3, 2, 4),
        lambda v: reference.log_softmax(v, dim),
        lambda g, v, y: reference.log_softmax_gradient(g, y, dim),
    )


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 4), (4,)], ids=str)
def test_cross_entropy(shape, reduction, rng):
    target = rng.integers(0, 4, shape[:1] + shape[2:] if len(shape) > 1 else ())
    weight = rng.random(4)
    if len(shape) == 3:
        target[0, 0] = -1
    how = {"ignore_index": -1, "reduction": reduction, "label_smoothing": 0.2}
    check(
        rng,
        shape,
        lambda v: reference.cross_entropy(v, target, weight, **how),
        lambda g, v, y: reference.cross_entropy_gradient(
            np.asarray(g), v, target, None, weight, **how
        ),
    )


def test_cross_entropy_on_paper():
    logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5]]))
    target = np.array([1, 0])
    np.testing.assert_allclose(
        reference.cross_entropy(logits, target, reduction="none"), -np.log([0.75, 0.5])
    )
    assert np.isnan(reference.cross_entropy(logits, target - target, ignore_index=0))
