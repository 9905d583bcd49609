"""Norms and limits of gradients."""

import math

import children
import numpy as np
import pytest

import fastconv
from fastconv import Tensor, optim

SHAPES = [(3, 5), (), (0, 4), (64,), (65,), (1, 1023), (7, 11, 13), (200_003,)]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def with_gradients(rng, dtype, shapes=SHAPES):
    params = [Tensor(np.zeros(s, dtype), requires_grad=True) for s in shapes]
    for p in params:
        p.grad = Tensor(rng.standard_normal(p.shape).astype(dtype))
    return [*params, Tensor([1.0], requires_grad=True)]  # without one


def grads(params):
    return [p.grad.numpy() for p in params if p.grad is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [2, 1, 3.5, 0.5, math.inf])
def test_norms(order, dtype, rng):
    params = with_gradients(rng, dtype)
    before = [g.astype(np.float64) for g in grads(params)]
    every = np.concatenate([g.ravel() for g in before])
    wanted = np.linalg.norm(every, order)
    norm = optim.clip_grad_norm_(iter(params), 0.75 * wanted, order)
    assert norm.dtype == dtype
    assert norm.shape == ()
    tolerance = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(norm.numpy(), wanted, rtol=tolerance)
    for g, old in zip(grads(params), before, strict=True):
        np.testing.assert_allclose(g, old * 0.75 * wanted / (wanted + 1e-6), rtol=tolerance)
    now = [g.copy() for g in grads(params)]
    optim.clip_grad_norm_(params, wanted, order)
    for g, old in zip(grads(params), now, strict=True):
        np.testing.assert_array_equal(g, old)


def test_norms_of_odd_orders():
    params = [Tensor(np.zeros(3), requires_grad=True) for _ in range(3)]
    for p, grad in zip(params, ([0.0, 0, 0], [3.0, -2, 4], [-5.0, 6, 7]), strict=True):
        p.grad = Tensor(np.array(grad))
    assert optim.clip_grad_norm_(params, 100, 0).item() == 2
    assert optim.clip_grad_norm_(params[1:], 100, -math.inf).item() == 2
    assert optim.clip_grad_norm_(params[1:], 100, -1).item() == pytest.approx(
        1 / sum(1 / x for x in (3, 2, 4, 5, 6, 7))
    )


def test_without_gradients():
    assert optim.clip_grad_norm_([Tensor([1.0], requires_grad=True)], 1.0).item() == 0
    assert optim.clip_grad_norm_([], 1.0, math.inf).item() == 0
    optim.clip_grad_value_([], 1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_norm_does_not_depend_on_threads(dtype):
    found = set()
    for threads in (1, 2, 3, 7):
        params = with_gradients(np.random.default_rng(3), dtype, [(3,), (500_001,), (70_000,)])
        with fastconv.num_threads(threads):
            norm = optim.clip_grad_norm_(params, 1.0)
        found.add((norm.numpy().tobytes(), *(g.tobytes() for g in grads(params))))
    assert len(found) == 1


def test_the_norm_of_ten_million_is_accurate():
    p = Tensor(np.zeros(1, np.float32), requires_grad=True)
    p._grad = Tensor(np.full(10_000_000, 0.1, np.float32))
    wanted = float(np.float32(0.1)) * math.sqrt(10_000_000)
    norm = optim.clip_grad_norm_([p], 1e9).item()
    assert norm == pytest.approx(wanted, rel=2e-6)


@pytest.mark.parametrize("order", [2.0, math.inf, 1.0])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_norms_that_are_not_finite(order, bad):
    grad = np.ones(100, np.float32)
    grad[[3, 97]] = bad, 2.0
    p = Tensor(np.zeros(100, np.float32), requires_grad=True)
    p.grad = Tensor(grad.copy())
    with pytest.raises(RuntimeError, match=r"norm of order .* is (nan|inf)"):
        optim.clip_grad_norm_(p, 1.0, order, error_if_nonfinite=True)
    np.testing.assert_array_equal(p.grad.numpy(), grad)
    norm = optim.clip_grad_norm_(p, 1.0, order).item()
    assert math.isnan(norm) if math.isnan(bad) else norm == math.inf
    rest = np.delete(p.grad.numpy(), 3)
    assert np.isnan(rest).all() if math.isnan(bad) else (rest == 0).all()
    assert np.isnan(p.grad.numpy()[3])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values(dtype, rng):
    params = with_gradients(rng, dtype)
    params[0].grad[0, 0] = math.nan
    params[0].grad[0, 1] = -math.inf
    before = [g.copy() for g in grads(params)]
    optim.clip_grad_value_(params, 0.5)
    for g, old in zip(grads(params), before, strict=True):
        np.testing.assert_array_equal(g, np.clip(old, -0.5, 0.5))


def test_gradients_of_any_layout():
    w = np.arange(1, 13.0).reshape(3, 4)
    for grad in (w.T.copy().T, np.repeat(w, 2, 0)[::2], w.copy()[::-1], w.astype(">f8")):
        values = np.array(grad)
        p = Tensor(np.zeros((3, 4)), requires_grad=True)
        p._grad = Tensor(np.zeros(1))
        p._grad._array = grad
        norm = optim.clip_grad_norm_(p, 1.0).item()
        assert norm == pytest.approx(np.linalg.norm(values), rel=1e-14)
        np.testing.assert_allclose(p.grad.numpy(), values / (norm + 1e-6), rtol=1e-14)


def test_a_gradient_of_two_parameters_is_scaled_once():
    a, b = (Tensor(np.zeros(2), requires_grad=True) for _ in range(2))
    a.grad = b.grad = Tensor(np.array([3.0, 4.0]))
    assert optim.clip_grad_norm_([a, b], 2.5).item() == 5
    np.testing.assert_allclose(a.grad.numpy(), [1.5, 2], rtol=1e-6)


def test_nothing_is_changed_when_something_is_wrong():
    a, b = (Tensor(np.zeros(2), requires_grad=True) for _ in range(2))
    a.grad, b.grad = Tensor(np.ones(2)), Tensor(np.ones(2))
    for array, words in (
        (np.broadcast_to(np.ones(1), 2), "shares one element|read-only"),
        (np.lib.stride_tricks.as_strided(np.ones(1), (2,), (0,)), "shares one element"),
    ):
        b._grad._array = array
        for call in (optim.clip_grad_norm_, optim.clip_grad_value_):
            with pytest.raises(ValueError, match=words):
                call([a, b], 0.5)
            assert a.grad.tolist() == [1.0, 1.0]
    b._grad._array = np.ones(2, np.int64)
    with pytest.raises(TypeError, match="gradient 1 must be"):
        optim.clip_grad_norm_([a, b], 0.5)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (TypeError, "iterable", lambda: optim.clip_grad_norm_(3, 1.0)),
        (TypeError, "parameter 0 must be a Tensor", lambda: optim.clip_grad_norm_([3], 1.0)),
        (TypeError, "max_norm must be", lambda: optim.clip_grad_norm_([], "1")),
        (TypeError, "error_if_nonfinite", lambda: optim.clip_grad_norm_([], 1, 2, 1)),
        (ValueError, "clip_value is -1", lambda: optim.clip_grad_value_([], -1)),
        (ValueError, "clip_value is nan", lambda: optim.clip_grad_value_([], math.nan)),
    ],
)
def test_bad_arguments(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_stale_graph_raises():
    p = Tensor(np.ones(2), requires_grad=True)
    p.grad = Tensor(np.ones(2))
    p.grad.requires_grad_()
    loss = (p.grad * p.grad).sum()
    optim.clip_grad_value_(p, 0.5)
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


def test_nothing_outside_is_touched():
    code = """
    import numpy as np
    from guard import Guarded
    from fastconv import Tensor, optim

    for count in (*range(1, 36), 63, 64, 65, 1023, 1025):
        for dtype in (np.float32, np.float64):
            for at_end in (True, False):
                print(count, dtype, at_end, flush=True)
                memory = Guarded()
                p = Tensor(np.zeros(count, dtype), requires_grad=True)
                p.grad = Tensor(memory.copy(np.full(count, 2, dtype), at_end=at_end))
                optim.clip_grad_value_(p, 1)
                assert (p.grad.numpy() == 1).all()
                assert abs(optim.clip_grad_norm_(p, 0.5).item() - count ** 0.5) < 1e-5
                assert optim.clip_grad_norm_(p, 9, np.inf).item() <= 0.5
    """
    children.run(code)
