"""Calls that nobody thought of: for arguments drawn at random, good and bad, every operation does
what its reference does. It gives the same numbers, or both raise the same kind of exception.

`pytest -m slow` draws a hundred times as many.
"""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastconv.functional as F
from fastconv import reference

small = st.integers(1, 4)
pairs = st.one_of(small, st.tuples(small, small))
borders = st.one_of(st.integers(0, 3), st.tuples(st.integers(-1, 3), st.integers(0, 3)))
sides = st.one_of(
    borders,
    st.tuples(st.tuples(st.integers(0, 3), st.integers(0, 3)), st.tuples(small, small)),
    st.sampled_from(["valid", "same", "same_lower", "full"]),
)
flags = st.booleans()
modes = st.sampled_from(["zeros", "reflect", "replicate", "circular", "mirror"])
activations = st.sampled_from([None, "relu", "relu6", "hardswish", "elu"])


def integers_of(shape, seed):
    """Small whole numbers of a shape, in float32 or float64, in some layout."""
    rng = np.random.default_rng(seed)
    array = rng.integers(-3, 4, shape).astype((np.float32, np.float64)[seed % 2])
    if seed % 3 == 1:
        array = np.asfortranarray(array)
    if seed % 3 == 2:
        array = np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    return array


@st.composite
def images(draw, rank=2, channels=None):
    size = draw(st.tuples(*(st.integers(1, 9),) * rank))
    lead = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    count = draw(st.integers(1, 6)) if channels is None else channels
    return integers_of((*lead, count, *size), draw(st.integers(0, 99)))


def like(array, shape):
    """Whole numbers of the same dtype."""
    return np.resize(np.array([1, -2, 3, 0, 2], array.dtype), shape)


@st.composite
def convolutions(draw, rank):
    x = draw(images(rank))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels = max(x.shape[-rank - 1] // groups, 1) + draw(st.sampled_from([0, 0, 0, 0, 1]))
    oc = draw(st.integers(1, 3)) * groups
    weight = like(x, (oc, channels, *draw(st.tuples(*(small,) * rank))))
    options = {
        "stride": draw(small if rank == 1 else pairs),
        "padding": draw(st.one_of(st.integers(-1, 3), st.just("same")) if rank == 1 else sides),
        "dilation": draw(small if rank == 1 else pairs),
        "groups": groups,
        "padding_mode": draw(modes),
        "activation": draw(activations),
    }
    if draw(flags):
        options["bias"] = like(x, oc)
    return (x, weight), options


@st.composite
def transposed(draw, rank):
    x = draw(images(rank))
    groups = draw(st.sampled_from([1, 1, 2]))
    weight = like(x, (x.shape[-rank - 1], draw(small), *draw(st.tuples(*(small,) * rank))))
    numbers = st.tuples(*(small,) * rank)
    options = {
        "stride": draw(numbers),
        "dilation": draw(numbers),
        "padding": draw(st.integers(0, 3)),
        "output_padding": draw(st.integers(0, 2)),
        "groups": groups,
    }
    return (x, weight), options


@st.composite
def pools(draw, rank, *names):
    options = {
        "kernel_size": draw(small if rank == 1 else pairs),
        "stride": draw(st.one_of(st.none(), small)),
        "ceil_mode": draw(flags),
    }
    drawn = {
        "padding": st.integers(0, 2),
        "dilation": st.integers(1, 3),
        "count_include_pad": flags,
        "return_indices": flags,
        "norm_type": st.sampled_from([1, 2, 2.0]),
        "divisor_override": st.sampled_from([None, 2, -4]),
    }
    options |= {name: draw(drawn[name]) for name in names}
    return (draw(images(rank)),), options


@st.composite
def adaptive(draw, rank, *names):
    size = st.integers(0, 12)
    output = draw(
        size if rank == 1 else st.one_of(size, st.tuples(size, st.one_of(st.none(), size)))
    )
    return (draw(images(rank)), output), {name: draw(flags) for name in names}


@st.composite
def windows(draw):
    return {
        "kernel_size": draw(pairs),
        "stride": draw(pairs),
        "padding": draw(st.integers(0, 2)),
        "dilation": draw(pairs),
    }


@st.composite
def unfolds(draw):
    return (draw(images()),), draw(windows())


@st.composite
def folds(draw):
    size, window = draw(st.tuples(st.integers(1, 8), st.integers(1, 8))), draw(windows())
    try:
        shape = reference.unfold(np.ones((2, draw(small), *size)), **window).shape
    except ValueError:
        shape = (1, 4, 9)
    blocks = shape[-1] + draw(st.sampled_from([0, 0, 0, 1]))
    return (integers_of((*shape[:-1], blocks), draw(st.integers(0, 99))), size), window


@st.composite
def pads(draw):
    shape = draw(st.lists(st.integers(0, 5), min_size=1, max_size=5))
    count = 2 * draw(st.integers(0, len(shape))) + draw(st.sampled_from([0, 0, 0, 0, 1]))
    numbers = draw(st.lists(st.integers(-2, 4), min_size=count, max_size=count))
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    return (integers_of(shape, draw(st.integers(0, 99))), tuple(numbers), mode), {}


@st.composite
def resizes(draw):
    x = draw(images(draw(st.sampled_from([1, 2]))))
    size = draw(st.one_of(st.integers(0, 12), st.tuples(st.integers(1, 12), st.integers(1, 12))))
    options = {"size": size} if draw(flags) else {"scale_factor": draw(st.floats(0.3, 4))}
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "linear", "bilinear"]))
    corners = draw(st.sampled_from([None, None, True, False]))
    return (x,), options | {"mode": mode, "align_corners": corners}


@st.composite
def by_channel(draw, *names):
    x = draw(images(draw(st.sampled_from([0, 1, 2]))))
    channels = x.shape[1] if x.ndim > 1 else 1
    count = channels + draw(st.sampled_from([0, 0, 0, 1]))
    return (x, *(abs(like(x, count)) + 1 for _ in names)), {}


@st.composite
def layers(draw):
    features = draw(st.integers(1, 40))
    x = integers_of((draw(st.integers(0, 5)), features), draw(st.integers(0, 99)))
    weight = like(x, (draw(st.integers(1, 40)), features + draw(st.sampled_from([0, 0, 0, 1]))))
    return (x, weight), {"activation": draw(activations)}


@st.composite
def elements(draw, **options):
    shape = draw(st.lists(st.integers(0, 6), max_size=4))
    x = np.asarray(integers_of((*shape, 1), draw(st.integers(0, 99)))[..., 0])
    return (x,), {name: draw(strategy) for name, strategy in options.items()}


@st.composite
def losses(draw):
    x = draw(st.one_of(images(0), images(1), images(2)))
    axis = min(x.ndim - 1, 1)
    least, most = draw(st.sampled_from([(0, 0), (0, 0), (-1, 0), (0, 1)]))
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    places = np.arange(least, x.shape[axis] + most)
    target = np.resize(places, shape) if math.prod(shape) else np.zeros(shape, np.int64)
    weight = abs(like(x, x.shape[axis])) + 1 if draw(flags) else None
    return (x, target, weight), {
        "ignore_index": draw(st.sampled_from([-1, -100, 0])),
        "reduction": draw(st.sampled_from(["none", "sum", "mean"])),
        "label_smoothing": draw(st.sampled_from([0, 0.25, 1, 1.5])),
    }


factors = st.sampled_from([0.5, 0.25, 2, -1, "1"])
CALLS = {
    "conv1d": convolutions(1),
    "conv2d": convolutions(2),
    "convolve2d": convolutions(2),
    "conv_transpose1d": transposed(1),
    "conv_transpose2d": transposed(2),
    "max_pool1d": pools(1, "padding", "dilation", "return_indices"),
    "max_pool2d": pools(2, "padding", "dilation", "return_indices"),
    "avg_pool1d": pools(1, "padding", "count_include_pad"),
    "avg_pool2d": pools(2, "padding", "count_include_pad", "divisor_override"),
    "lp_pool1d": pools(1, "norm_type"),
    "lp_pool2d": pools(2, "norm_type"),
    "global_avg_pool2d": st.tuples(st.tuples(images()), st.just({})),
    "global_max_pool2d": st.tuples(st.tuples(images()), st.just({})),
    "adaptive_avg_pool1d": adaptive(1),
    "adaptive_avg_pool2d": adaptive(2),
    "adaptive_max_pool1d": adaptive(1, "return_indices"),
    "adaptive_max_pool2d": adaptive(2, "return_indices"),
    "pad": pads(),
    "unfold": unfolds(),
    "fold": folds(),
    "interpolate": resizes(),
    "linear": layers(),
    "prelu": by_channel("weight"),
    "batch_norm": by_channel("mean", "variance"),
    "local_response_norm": st.tuples(
        st.tuples(images(), st.integers(0, 9)),
        st.fixed_dictionaries({"window": st.sampled_from(["pytorch", "onnx", "keras"])}),
    ),
    "softmax": elements(dim=st.integers(-4, 4)),
    "log_softmax": elements(dim=st.integers(-4, 4)),
    "cross_entropy": losses(),
    "relu": elements(),
    "relu6": elements(),
    "sigmoid": elements(),
    "tanh": elements(),
    "silu": elements(),
    "hardsigmoid": elements(),
    "hardswish": elements(),
    "gelu": elements(approximate=st.sampled_from(["none", "tanh", "erf"])),
    "leaky_relu": elements(negative_slope=factors),
    "elu": elements(alpha=factors),
    "softplus": elements(beta=factors),
}


@st.composite
def unpools(draw):
    x = draw(images())
    pooled, indices = reference.max_pool2d(abs(x[..., :8, :8]), 1, draw(small), return_indices=True)
    return (pooled.astype(x.dtype), indices, draw(small), draw(small)), {}


@st.composite
def unpools_1d(draw):
    x = draw(images(1))
    places = np.resize(np.arange(draw(st.integers(1, 12))), x.shape)
    return (x, places, draw(small)), {}


CALLS |= {"max_unpool2d": unpools(), "max_unpool1d": unpools_1d()}


def outcome(function, arguments, options):
    """What the call gives, and else the exception it raises."""
    try:
        return function(*arguments, **options), None
    except (TypeError, ValueError) as error:
        return None, error


def agrees(op, arguments, options):
    expected, refusal = outcome(getattr(reference, op), arguments, options)
    result, error = outcome(getattr(F, op), arguments, options)
    assert type(error) is type(refusal), (error, refusal)
    if refusal is not None:
        assert str(error).startswith(f"{op}: ")
        return
    parts = [(result, expected)]
    if isinstance(expected, tuple):
        np.testing.assert_array_equal(result[1], expected[1], strict=True)
        parts = [(result[0], expected[0])]
    for got, exact in parts:
        assert got.dtype == arguments[0].dtype
        tolerance = 64 * float(np.finfo(got.dtype).eps)
        np.testing.assert_allclose(got, exact, rtol=tolerance, atol=tolerance)
    for threads in (1, 2):
        again = getattr(F, op)(*arguments, **options, threads=threads)
        first = again[0] if isinstance(again, tuple) else again
        np.testing.assert_array_equal(first, parts[0][0])


@pytest.mark.parametrize("op", CALLS)
def test_every_operation(op):
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(CALLS[op])
    def run(call):
        agrees(op, *call)

    run()


@pytest.mark.slow
@pytest.mark.parametrize("op", CALLS)
def test_every_operation_at_length(op):
    @settings(
        max_examples=3000, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(CALLS[op])
    def run(call):
        agrees(op, *call)

    run()


# Made of other operations, or random: tests/test_losses.py has their formulas.
COMPOSED = {
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "dropout",
    "dropout2d",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "smooth_l1_loss",
}


def test_no_operation_is_left_out():
    assert set(CALLS) | COMPOSED == set(F.__all__)
    assert not set(CALLS) & COMPOSED
