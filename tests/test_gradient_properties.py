"""Gradients of calls that nobody thought of: as test_properties.py, for every gradient operation
of fastconv.ops against the mirror of its name in fastconv.reference.

Operands are small whole numbers. Where a gradient only moves, adds and multiplies them it is exact.
Where it divides or has a curve, the bound is (terms + 16) * eps * size: `size` is the sum of the
absolute values of what is added up, `terms` how many there are at most, and 16 stands for the
roundings within one of them.
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_properties import (
    activations,
    adaptive,
    by_channel,
    convolutions,
    elements,
    flags,
    folds,
    images,
    integers_of,
    layers,
    losses,
    outcome,
    pads,
    pools,
    resizes,
    transposed,
    unfolds,
)

from fastconv import ops, reference

pytestmark = pytest.mark.usefixtures("strict")
seeds = st.integers(0, 49)


def whole_numbers(draw, like, shape):
    """Of a shape, or one that is wrong in its last axis; of the dtype of `like`, in some layout."""
    if shape and draw(st.integers(0, 9)) == 9:
        shape = (*shape[:-1], shape[-1] + 1)
    seed = 2 * draw(seeds) + (like.dtype == np.float64)
    return integers_of(shape, seed) if shape else np.asarray(integers_of((1,), seed)[0])


def grad_of(draw, name, arguments, options):
    """A gradient by the result of a forward operation, which may have refused its arguments."""
    result, _ = outcome(getattr(reference, name), arguments, options)
    result = result[0] if isinstance(result, tuple) else result
    return whole_numbers(draw, arguments[0], arguments[0].shape if result is None else result.shape)


@st.composite
def by_operand(draw, forward, by, strategy):
    (x, weight), options = draw(strategy)
    for name in ("activation", "bias"):
        options.pop(name, None)
    grad = grad_of(draw, forward, (x, weight), options)
    sizes = {} if forward == "linear" else {"input": (x.shape,), "weight": (weight.shape,)}
    other = weight if by == "input" else x
    return (grad, other, *sizes.get(by, ())), options


@st.composite
def biases(draw):
    (x,), _ = draw(elements())
    return (x,), {"axis": draw(st.sampled_from([-3, -2, -1, 0, 1, 1.0]))}


def size_of(draw, x, rank):
    """Of a plane, sometimes too small."""
    sizes = [max(n - draw(st.sampled_from([0, 0, 0, 0, 1])), 0) for n in x.shape[-rank:]]
    return tuple(sizes) if rank == 2 or draw(flags) else sizes[0]


@st.composite
def maxima(draw, rank):
    (x,), options = draw(pools(rank, "padding", "dilation"))
    forward = getattr(reference, f"max_pool{rank}d")
    found, _ = outcome(forward, (x,), options | {"return_indices": True})
    indices = np.zeros(x.shape, np.int64) if found is None else found[1]
    return (whole_numbers(draw, x, indices.shape), indices, size_of(draw, x, rank)), {}


@st.composite
def averages(draw, rank, *names):
    (x,), options = draw(pools(rank, *names))
    grad = grad_of(draw, f"avg_pool{rank}d", (x,), options)
    return (grad, size_of(draw, x, rank)), options


@st.composite
def norms(draw, rank):
    (x,), options = draw(pools(rank, "norm_type"))
    x = abs(x)
    result, _ = outcome(getattr(reference, f"lp_pool{rank}d"), (x,), options)
    result = x if result is None else result.astype(x.dtype)
    return (whole_numbers(draw, x, result.shape), x, result), options


@st.composite
def adaptive_averages(draw, rank):
    (x, output), _ = draw(adaptive(rank))
    grad = grad_of(draw, f"adaptive_avg_pool{rank}d", (x, output), {})
    return (grad, size_of(draw, x, rank)), {}


@st.composite
def global_averages(draw):
    x = draw(images())
    return (grad_of(draw, "global_avg_pool2d", (x,), {}), size_of(draw, x, 2)), {}


@st.composite
def unpooled(draw, rank):
    x = draw(images(rank))
    plane = math.prod(x.shape[-rank:])
    indices = np.resize(np.arange(plane + draw(st.sampled_from([0, 0, 0, 1]))), x.shape)
    return (whole_numbers(draw, x, x.shape), indices[..., : draw(st.integers(0, 9))]), {}


@st.composite
def padded(draw):
    (x, numbers, mode), _ = draw(pads())
    grad = grad_of(draw, "pad", (x, numbers, mode), {})
    return (grad, x.shape, numbers, mode), {}


@st.composite
def unfolded(draw):
    (x,), options = draw(unfolds())
    return (grad_of(draw, "unfold", (x,), options), size_of(draw, x, 2)), options


@st.composite
def folded(draw):
    (x, size), options = draw(folds())
    return (grad_of(draw, "fold", (x, size), options),), options


@st.composite
def resized(draw):
    (x,), options = draw(resizes())
    grad = grad_of(draw, "interpolate", (x,), options)
    options.pop("size", None)
    return (grad, x.shape[2:]), options


@st.composite
def activated(draw):
    name = draw(st.sampled_from(sorted(ops.SAVES_RESULT)))
    (x,), _ = draw(elements())
    saved = x
    if ops.SAVES_RESULT[name]:
        saved = np.asarray(getattr(reference, name)(x)).astype(x.dtype)
    factors = st.sampled_from([None, None, 0.5, 2, 0, "1"])
    return (name, whole_numbers(draw, x, x.shape), saved), {
        "alpha": draw(factors),
        "beta": draw(factors),
    }


@st.composite
def prelus(draw):
    (x, weight), _ = draw(by_channel("weight"))
    return (whole_numbers(draw, x, x.shape), x, weight), {}


@st.composite
def trained(draw):
    (x, *vectors), _ = draw(by_channel("mean", "variance", "weight", "bias"))
    names = ("running_mean", "running_var", "weight", "bias")
    given = {n: v if draw(flags) else None for n, v in zip(names, vectors, strict=True)}
    if draw(flags):
        given["running_mean"], given["running_var"] = vectors[:2]
    return (x,), given | {
        "momentum": draw(st.sampled_from([0.1, 0.5, 1])),
        "eps": draw(st.sampled_from([1e-5, 1.0])),
        "activation": draw(activations),
    }


@st.composite
def batch_norms(draw):
    (x, weight, mean, deviation), _ = draw(by_channel("weight", "mean", "deviation"))
    found, _ = outcome(reference.batch_norm_train, (x,), {})
    if found is not None and mean.shape == found[1].shape:
        mean, deviation = (part.astype(x.dtype) for part in found[1:])
    grad = whole_numbers(draw, x, x.shape)
    return (grad, x, weight if draw(flags) else None, mean, deviation), {}


@st.composite
def known_norms(draw):
    (x, weight, mean, variance), _ = draw(by_channel("weight", "mean", "variance"))
    grad = whole_numbers(draw, x, x.shape)
    return (grad, x, weight if draw(flags) else None, mean, variance), {}


@st.composite
def responses(draw):
    x = draw(images())
    window = draw(st.sampled_from(["pytorch", "onnx", "keras"]))
    numbers = {
        "alpha": draw(st.sampled_from([1e-4, 1, 2])),
        "beta": draw(st.sampled_from([1, 0.7])),
    }
    grad = whole_numbers(draw, x, x.shape)
    return (grad, x, draw(st.integers(0, 9))), numbers | {"k": 1.5, "window": window}


@st.composite
def softmaxes(draw, name):
    (x,), options = draw(elements(dim=st.integers(-4, 4)))
    result, _ = outcome(getattr(reference, name), (x,), options)
    result = x if result is None else result.astype(x.dtype)
    return (whole_numbers(draw, x, x.shape), result), options


@st.composite
def loss_gradients(draw):
    (x, target, weight), options = draw(losses())
    found, _ = outcome(ops.cross_entropy, (x, target, weight), options)
    loss, saved = (x, None) if found is None else found
    grad = whole_numbers(draw, x, loss.shape)
    return (np.asarray(grad), x, target, saved, weight), options


CALLS = {
    f"{name}_{by}_gradient": by_operand(name, by, strategy)
    for by in ("input", "weight")
    for name, strategy in (
        ("conv1d", convolutions(1)),
        ("conv2d", convolutions(2)),
        ("convolve2d", convolutions(2)),
        ("conv_transpose1d", transposed(1)),
        ("conv_transpose2d", transposed(2)),
        ("linear", layers()),
    )
}
CALLS |= {
    "bias_gradient": biases(),
    "max_pool1d_gradient": maxima(1),
    "max_pool2d_gradient": maxima(2),
    "max_unpool1d_gradient": unpooled(1),
    "max_unpool2d_gradient": unpooled(2),
    "avg_pool1d_gradient": averages(1, "padding", "count_include_pad"),
    "avg_pool2d_gradient": averages(2, "padding", "count_include_pad", "divisor_override"),
    "lp_pool1d_gradient": norms(1),
    "lp_pool2d_gradient": norms(2),
    "adaptive_avg_pool1d_gradient": adaptive_averages(1),
    "adaptive_avg_pool2d_gradient": adaptive_averages(2),
    "global_avg_pool2d_gradient": global_averages(),
    "pad_gradient": padded(),
    "unfold_gradient": unfolded(),
    "fold_gradient": folded(),
    "interpolate_gradient": resized(),
    "activation_gradient": activated(),
    "prelu_gradient": prelus(),
    "batch_norm_train": trained(),
    "batch_norm_gradient": batch_norms(),
    "batch_norm_inference_gradient": known_norms(),
    "local_response_norm_gradient": responses(),
    "softmax_gradient": softmaxes("softmax"),
    "log_softmax_gradient": softmaxes("log_softmax"),
    "cross_entropy_gradient": loss_gradients(),
}

# ---- bounds --------------------------------------------------------------------------------------


def of_linear(op, grad, *rest, **options):
    """|grad|, with the weights that grad has."""
    terms = math.prod(grad.shape[-2:])
    return terms, (abs(getattr(reference, op)(abs(grad), *rest, **options)),)


def of_activation(op, name, grad, saved, **_):
    return 0, (abs(grad) * (1 + abs(saved)),)  # a derivative of 1 + |x| at most, and its parts


def channels(x, vector, default):
    return default if vector is None else vector.reshape(-1, *(1,) * (x.ndim - 2)).astype(float)


def of_training(op, x, **given):
    wide = x.astype(float)
    axes = (0, *range(2, x.ndim))
    mean, deviation = wide.mean(axes), wide.std(axes)
    inverse = 1 / np.sqrt(deviation**2 + given["eps"])
    hat = (wide - channels(x, mean, 0)) * channels(x, inverse, 0)
    weight, bias = channels(x, given["weight"], 1), channels(x, given["bias"], 0)
    slope = 1.5  # of hardswish, the steepest activation
    result = slope * (abs(weight) * (1 + abs(hat)) + abs(bias))
    return x.size // x.shape[1], (result, abs(mean) + deviation, inverse)


def of_norm(op, grad, x, weight, mean, spread, eps=1e-5):
    if op == "batch_norm_inference_gradient":
        spread = 1 / np.sqrt(spread.astype(float) + eps)
    g, s, w = abs(grad).astype(float), channels(x, spread, 1), abs(channels(x, weight, 1))
    hat = abs(x - channels(x, mean, 0)) * s
    axes = (0, *range(2, x.ndim))
    share = g.mean(axes, keepdims=True) + hat * (g * hat).mean(axes, keepdims=True)
    return x.size // x.shape[1], (w * s * (g + share), (g * hat).sum(axes), g.sum(axes))


def of_responses(op, grad, x, *rest, **options):
    """d**-beta <= 1 for k >= 1, and the rest is that less the mirror of absolute values."""
    mirror = reference.local_response_norm_gradient(abs(grad), abs(x), *rest, **options)
    return x.shape[1], (2 * abs(grad) - mirror,)


def of_softmax(op, grad, result, dim):
    y = result.astype(float)
    if op == "softmax_gradient":
        return y.shape[dim], (y * (abs(grad) + (abs(grad) * y).sum(dim, keepdims=True)),)
    return y.shape[dim], (abs(grad) + np.exp(y) * abs(grad).sum(dim, keepdims=True),)


def of_loss(op, grad, x, target, saved, weight=None, **options):
    """Each gradient is grad times weights over their sum, which is 1 at least."""
    w = np.ones(1) if weight is None else weight.astype(float)
    return x.size, (np.full(x.shape, 2 * abs(grad).max(initial=0) * w.sum()),)


SIZES = {
    "activation_gradient": of_activation,
    "batch_norm_train": of_training,
    "batch_norm_gradient": of_norm,
    "batch_norm_inference_gradient": of_norm,
    "local_response_norm_gradient": of_responses,
    "softmax_gradient": of_softmax,
    "log_softmax_gradient": of_softmax,
    "cross_entropy_gradient": of_loss,
} | dict.fromkeys((op for op in CALLS if "avg_pool" in op or "lp_" in op), of_linear)


def copied(values):
    """Arrays of the same layout, so that what is updated in place is not drawn twice."""
    return [v.copy("K") if isinstance(v, np.ndarray) else v for v in values]


def agrees(op, arguments, options):
    def call(function, **more):
        own = dict(zip(options, copied(options.values()), strict=True))
        found, error = outcome(function, copied(arguments), own | more)
        running = [own[n] for n in ("running_mean", "running_var") if own.get(n) is not None]
        return (found if isinstance(found, tuple) else (found,)), running, error

    expected, updated, refusal = call(getattr(reference, op))
    result, running, error = call(getattr(ops, op))
    assert type(error) is type(refusal), (error, refusal)
    if refusal is not None:
        return
    if op in SIZES and expected[0].size:
        terms, sizes = SIZES[op](op, *arguments, **options)
    elif op == "interpolate_gradient" and "linear" in options["mode"]:
        terms, sizes = of_linear(op, *arguments, **options)
    else:
        terms, sizes = 0, (0.0,) * len(expected)
    dtype = next(a for a in arguments if isinstance(a, np.ndarray)).dtype
    eps = float(np.finfo(dtype).eps)
    for got, exact, size in zip(result, expected, sizes, strict=True):
        assert got.dtype == dtype
        assert got.shape == exact.shape
        wrong = abs(got - exact) > (terms + 16) * eps * size
        assert not wrong.any(), (got, exact)
    for got, exact in zip(running, updated, strict=True):
        np.testing.assert_allclose(got, exact, rtol=64 * eps, atol=64 * eps)
    for threads in (1, 2):
        again, _, _ = call(getattr(ops, op), threads=threads)
        for one, other in zip(result, again, strict=True):
            np.testing.assert_array_equal(one, other)


def draw(op, **how):
    @settings(deadline=None, suppress_health_check=list(HealthCheck), **how)
    @given(CALLS[op])
    def run(call):
        agrees(op, *call)

    run()


@pytest.mark.parametrize("op", CALLS)
def test_every_gradient(op, tier):
    draw(op, max_examples=40, derandomize=True, database=None)


@pytest.mark.slow
@pytest.mark.parametrize("op", CALLS)
def test_every_gradient_at_length(op, tier):
    draw(op, max_examples=1000, database=None)


def test_no_gradient_is_left_out():
    gradients = {op for op in ops.__all__ if op.endswith("_gradient")} | {"batch_norm_train"}
    assert set(CALLS) == gradients
    assert gradients <= set(reference.__all__)
