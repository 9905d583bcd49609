"""Losses and dropout of fastconv.functional: values, gradients, arguments."""

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, gradcheck

RNG = np.random.default_rng(11)
X = RNG.standard_normal((3, 4))
T = RNG.standard_normal((3, 4))
YES = RNG.integers(0, 2, (3, 4)).astype(float)
SHARE = RNG.uniform(0.05, 0.95, (3, 4))
ELEMENT_WEIGHT = RNG.uniform(0.5, 2, (3, 4))
LOGITS = RNG.standard_normal((2, 3, 5))
LABELS = np.array([[0, 2, 1, -100, 2], [1, 1, 0, 2, 0]])


def nll(x, t, weight=None, ignore_index=-100):
    """(loss of each, what it counts for) position by position."""
    weight = np.ones(x.shape[1]) if weight is None else weight
    loss, count = np.zeros(t.shape), np.zeros(t.shape)
    for n, i in np.ndindex(*t.shape):
        if t[n, i] != ignore_index:
            count[n, i] = weight[t[n, i]]
            loss[n, i] = -weight[t[n, i]] * x[n, t[n, i], i]
    return loss, count


CLASS_WEIGHT = np.array([0.5, 2.0, 1.25])
# name → (function of two arrays or Tensors, them, what it is element by element)
ELEMENTWISE = {
    "mse_loss": (F.mse_loss, X, T, lambda x, t: (x - t) ** 2),
    "l1_loss": (F.l1_loss, X, T, lambda x, t: abs(x - t)),
    "smooth_l1_loss": (
        F.smooth_l1_loss, X, T,
        lambda x, t: np.where(abs(x - t) < 1, (x - t) ** 2 / 2, abs(x - t) - 0.5),
    ),
    "smooth_l1_loss beta": (
        lambda x, t, **how: F.smooth_l1_loss(x, t, beta=0.3, **how), X, T,
        lambda x, t: np.where(abs(x - t) < 0.3, (x - t) ** 2 / 0.6, abs(x - t) - 0.15),
    ),
    "smooth_l1_loss sharp": (
        lambda x, t, **how: F.smooth_l1_loss(x, t, beta=0, **how), X, T,
        lambda x, t: abs(x - t),
    ),
    "binary_cross_entropy": (
        F.binary_cross_entropy, SHARE, YES,
        lambda x, t: -np.where(t == 1, np.log(x), np.log(1 - x)),
    ),
    "binary_cross_entropy soft": (
        lambda x, t, **how: F.binary_cross_entropy(x, t, ELEMENT_WEIGHT.astype(x.dtype), **how),
        SHARE, SHARE.T.reshape(3, 4).copy(),
        lambda x, t: -ELEMENT_WEIGHT * (t * np.log(x) + (1 - t) * np.log(1 - x)),
    ),
    "binary_cross_entropy_with_logits": (
        F.binary_cross_entropy_with_logits, 3 * X, YES,
        lambda x, t: np.log1p(np.exp(np.where(t == 1, -x, x))),
    ),
    "binary_cross_entropy_with_logits weighed": (
        lambda x, t, **how: F.binary_cross_entropy_with_logits(
            x, t, ELEMENT_WEIGHT[:, :1].astype(x.dtype),
            pos_weight=np.array([1.0, 2.0, 3.0, 0.5], x.dtype), **how,
        ),
        X, SHARE,
        lambda x, t: ELEMENT_WEIGHT[:, :1] * (
            np.array([1.0, 2.0, 3.0, 0.5]) * t * np.log1p(np.exp(-x))
            + (1 - t) * np.log1p(np.exp(x))
        ),
    ),
}  # fmt: skip
REDUCED = {"none": lambda values: values, "sum": np.sum, "mean": np.mean}


@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_values(name, dtype, reduction):
    loss, x, t, formula = ELEMENTWISE[name]
    x, t = x.astype(dtype), t.astype(dtype)
    expected = REDUCED[reduction](formula(x.astype(float), t.astype(float)))
    of_arrays = loss(x, t, reduction=reduction)
    assert type(of_arrays) is np.ndarray
    assert of_arrays.dtype == dtype
    tolerance = 8 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(of_arrays, expected, rtol=tolerance, atol=tolerance)
    for given in ((Tensor(x), t), (x, Tensor(t)), (Tensor(x), Tensor(t))):
        of_tensors = loss(*given, reduction=reduction)
        assert type(of_tensors) is Tensor
        np.testing.assert_array_equal(of_tensors, of_arrays, strict=True)


@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_gradients(name, reduction):
    loss, x, t, _ = ELEMENTWISE[name]
    inputs = Tensor(x.copy(), True), Tensor(t.copy(), True)
    assert gradcheck(lambda x, t: loss(x, t, reduction=reduction), inputs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_certain_or_far_off_neither_overflows_nor_vanishes(dtype):
    x = Tensor(np.array([-1000, -100, -20, 0, 20, 100, 1000], dtype), True)
    for right, sign in ((1.0, -1), (0.0, 1)):
        t = np.full(7, right, dtype)
        loss = F.binary_cross_entropy_with_logits(x, t, reduction="none")
        exact = np.logaddexp(0, sign * x.numpy().astype(float))
        np.testing.assert_allclose(loss, exact, rtol=4 * np.finfo(dtype).eps, atol=1e-40)
        x.grad = None
        loss.sum().backward()
        slope = sign / (1 + np.exp(-sign * np.array([-700, -100, -20, 0, 20, 100, 700.0])))
        np.testing.assert_allclose(x.grad, slope, rtol=1e-5, atol=1e-37)


def test_probabilities_of_0_and_1():
    x = Tensor(np.array([0.0, 1.0, 0.0, 1.0]), True)
    t = Tensor(np.array([0.0, 1.0, 1.0, 0.0]), True)
    loss = F.binary_cross_entropy(x, t, reduction="none")
    assert loss.tolist() == [0, 0, 100, 100]
    loss.sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, -1e12, 1e12])
    np.testing.assert_array_equal(t.grad, [100, -100, 100, -100])


@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT], ids=["plain", "weighed"])
def test_nll_loss(reduction, weight):
    loss, count = nll(LOGITS, LABELS, weight)
    expected = loss if reduction == "none" else loss.sum()
    if reduction == "mean":
        expected = expected / count.sum()
    how = {"weight": weight, "reduction": reduction}
    np.testing.assert_allclose(F.nll_loss(LOGITS, LABELS, **how), expected, rtol=1e-14)
    x = Tensor(LOGITS.copy(), True)
    result = F.nll_loss(x, Tensor(LABELS), **how)
    np.testing.assert_array_equal(result, F.nll_loss(LOGITS, LABELS, **how))
    assert gradcheck(lambda x: F.nll_loss(x, LABELS, **how), x, atol=1e-7, rtol=1e-7)
    composed = F.nll_loss(F.log_softmax(LOGITS, 1), LABELS, **how)
    np.testing.assert_allclose(composed, F.cross_entropy(LOGITS, LABELS, **how), rtol=1e-12)
    other = F.nll_loss(LOGITS, np.where(LABELS == -100, 7, LABELS), ignore_index=7, **how)
    np.testing.assert_array_equal(other, F.nll_loss(LOGITS, LABELS, **how))
    assert F.nll_loss(LOGITS.astype(np.float32), LABELS, None).dtype == np.float32


def test_nll_loss_of_little():
    assert F.nll_loss(np.array([-1.0, -3.0]), np.array(1)) == 3
    with np.errstate(all="raise"):
        assert np.isnan(F.nll_loss(LOGITS, np.full_like(LABELS, -100)))
        assert F.nll_loss(np.full((1, 2), -np.inf), np.array([-100]), reduction="sum") == 0
    assert F.nll_loss(np.zeros((0, 3)), np.zeros(0, np.int64), reduction="none").shape == (0,)
    assert F.mse_loss(np.zeros(0), np.zeros(0), "sum") == 0
    assert np.isnan(F.mse_loss(np.zeros(0), np.zeros(0)))


WRONG = [
    (ValueError, "mse_loss: target has shape", lambda: F.mse_loss(X, T[:1])),
    (TypeError, "mse_loss: target has dtype float32", lambda: F.mse_loss(X, T.astype("f4"))),
    (TypeError, "l1_loss: input must be a Tensor", lambda: F.l1_loss([1.0], T)),
    (TypeError, "l1_loss: input has dtype int64", lambda: F.l1_loss(LABELS, LABELS)),
    (ValueError, "mse_loss: reduction is 'max'", lambda: F.mse_loss(X, T, "max")),
    (TypeError, "mse_loss: reduction must be a str", lambda: F.mse_loss(X, T, None)),
    (ValueError, "smooth_l1_loss: beta is -1", lambda: F.smooth_l1_loss(X, T, beta=-1)),
    (TypeError, "smooth_l1_loss: beta must be a num", lambda: F.smooth_l1_loss(X, T, beta="1")),
    (ValueError, "binary_cross_entropy: input is from", lambda: F.binary_cross_entropy(X, YES)),
    (
        ValueError, "expected 0 to 1; apply a sigmoid",
        lambda: F.binary_cross_entropy(np.array([np.nan]), np.array([1.0])),
    ),
    (
        ValueError, "weight has shape .2, 3, 4.*not broadcast",
        lambda: F.binary_cross_entropy(SHARE, YES, np.ones((2, 3, 4))),
    ),
    (
        ValueError, "pos_weight has shape .5,.*not broadcast",
        lambda: F.binary_cross_entropy_with_logits(X, YES, pos_weight=np.ones(5)),
    ),
    (
        ValueError, "weight requires a gradient",
        lambda: F.binary_cross_entropy(SHARE, YES, Tensor(ELEMENT_WEIGHT, True)),
    ),
    (ValueError, "nll_loss: target holds 3", lambda: F.nll_loss(LOGITS, np.full((2, 5), 3))),
    (TypeError, "nll_loss: target has dtype", lambda: F.nll_loss(LOGITS, LABELS * 1.0)),
    (ValueError, "nll_loss: weight has shape", lambda: F.nll_loss(LOGITS, LABELS, np.ones(2))),
    (ValueError, "nll_loss: reduction", lambda: F.nll_loss(LOGITS, LABELS, reduction="max")),
    (
        ValueError, "nll_loss: weight requires a gradient",
        lambda: F.nll_loss(Tensor(LOGITS), LABELS, Tensor(CLASS_WEIGHT, True)),
    ),
    (ValueError, "dropout: p is 1.5", lambda: F.dropout(X, 1.5)),
    (TypeError, "dropout: p must be a number", lambda: F.dropout(X, True)),
    (TypeError, "dropout: training must be a bool", lambda: F.dropout(X, 0.5, 1)),
    (TypeError, "dropout: input has dtype int64", lambda: F.dropout(LABELS)),
    (TypeError, "dropout: input must be a Tensor", lambda: F.dropout(3)),
    (ValueError, "dropout2d: input has shape", lambda: F.dropout2d(X)),
]  # fmt: skip


@pytest.mark.parametrize(("error", "said", "call"), WRONG, ids=[said for _, said, _ in WRONG])
def test_wrong_arguments(error, said, call):
    state = fastconv.get_rng_state()
    with pytest.raises(error, match=said):
        call()
    assert fastconv.get_rng_state() == state


# ---- dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_as_many_as_it_says_and_the_mean(p):
    fastconv.manual_seed(1)
    x = np.ones(100_000)
    y = F.dropout(x, p)
    kept = np.count_nonzero(y) / x.size
    assert abs(kept - (1 - p)) < 4 * np.sqrt(p * (1 - p) / x.size)
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)])


def test_dropout_is_seeded_and_its_gradient_goes_where_values_went():
    fastconv.manual_seed(2)
    x = Tensor(X.copy(), True)
    y = F.dropout(x, 0.4)
    y.backward(T)
    np.testing.assert_array_equal(x.grad, np.where(y.numpy() == 0, 0, T * (1 / 0.6)))
    fastconv.manual_seed(2)
    np.testing.assert_array_equal(F.dropout(X, 0.4), y)
    fastconv.manual_seed(2)
    single = F.dropout(X.astype(np.float32), 0.4)
    assert single.dtype == np.float32
    np.testing.assert_array_equal(single == 0, y.numpy() == 0)
    assert F.dropout(X.astype(np.float16)).dtype == np.float16


def test_dropout_of_nothing_and_of_everything():
    state = fastconv.get_rng_state()
    assert F.dropout(X, 0.0) is X
    assert F.dropout(X, training=False) is X
    assert fastconv.get_rng_state() == state
    x = Tensor(X, True)
    assert F.dropout2d(x[None], training=False).shape == (1, 3, 4)
    np.testing.assert_array_equal(F.dropout(X, 1.0), 0)
    F.dropout(x, 1).sum().backward()
    np.testing.assert_array_equal(x.grad, 0)


def test_dropout2d_leaves_out_whole_channels():
    fastconv.manual_seed(3)
    for shape in ((8, 16, 5, 4), (8, 16, 7)):
        y = F.dropout2d(np.ones(shape), 0.25)
        by_channel = y.reshape(128, -1)
        assert (by_channel == by_channel[:, :1]).all()
        assert 0 < np.count_nonzero(by_channel[:, 0]) < 128


# ---- the generator


def test_the_generators_state_can_be_stored_and_set():
    import json
    import pickle

    fastconv.manual_seed(4)
    F.dropout(X)
    state = fastconv.get_rng_state()
    first = F.dropout(X, 0.3)
    for stored in (json.loads(json.dumps(state)), pickle.loads(pickle.dumps(state))):
        fastconv.set_rng_state(stored)
        np.testing.assert_array_equal(F.dropout(X, 0.3), first)
    generator = fastconv.random.generator()
    assert fastconv.manual_seed(4) is generator


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (TypeError, lambda: fastconv.manual_seed(1.5)),
        (TypeError, lambda: fastconv.manual_seed(True)),
        (ValueError, lambda: fastconv.manual_seed(-1)),
        (TypeError, lambda: fastconv.set_rng_state(None)),
        (ValueError, lambda: fastconv.set_rng_state({})),
        (ValueError, lambda: fastconv.set_rng_state({"bit_generator": "MT19937"})),
        (
            ValueError,
            lambda: fastconv.set_rng_state(fastconv.get_rng_state() | {"state": {"state": "x"}}),
        ),
    ],
)
def test_a_state_or_seed_that_is_none_changes_nothing(error, call):
    state = fastconv.get_rng_state()
    with pytest.raises(error, match=r"^(manual_seed|set_rng_state): "):
        call()
    assert fastconv.get_rng_state() == state
