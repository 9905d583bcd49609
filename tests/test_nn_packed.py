"""Convolution layers in eval mode keep packed weights, and never stale ones."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, nn, no_grad

RNG = np.random.default_rng(32)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.fixture
def conv():
    return nn.Conv2d(3, 5, 3, padding=1).eval()


@pytest.fixture
def x():
    return Tensor(normal(2, 3, 6, 7))


def plain(conv, x):
    """The same by functional, with what the layer's parameters are now."""
    bias = None if conv.bias is None else conv.bias.detach().numpy()
    return F.conv2d(
        x.numpy(), conv.weight.detach().numpy(), bias, conv.stride, conv.padding,
        padding_mode=conv.padding_mode,
    )  # fmt: skip


def evaluated(conv, x):
    with no_grad():
        return conv(x).numpy()


def test_packed_weights_are_kept_and_used(conv, x):
    first = evaluated(conv, x)
    np.testing.assert_allclose(first, plain(conv, x), atol=1e-5)
    (_, _, kept), *others = conv._prepared.values()
    assert not others
    np.testing.assert_array_equal(evaluated(conv, x), first)
    assert conv._prepared[None, None][-1] is kept
    assert type(conv(x)) is Tensor
    np.testing.assert_array_equal(evaluated(conv, x), kept(x.numpy()))
    with no_grad():
        np.testing.assert_array_equal(conv(x.numpy()).numpy(), first)


def test_the_weights_themselves_are_not_copied(conv, x):
    evaluated(conv, x)
    ((_, _, kept),) = conv._prepared.values()
    assert np.shares_memory(kept.weight, conv.weight.detach().numpy())
    assert not kept.weight.flags.writeable
    # ... unless the engine cannot read them as they lie.
    conv.weight = nn.Parameter(normal(3, 5, 3, 3).transpose(1, 0, 2, 3))
    np.testing.assert_allclose(evaluated(conv, x), plain(conv, x), atol=1e-5)


def test_packed_weights_are_for_inference_alone(conv, x):
    assert conv(x).requires_grad
    conv.train()
    evaluated(conv, x)
    assert conv._prepared is None


CHANGES = {
    "in place": lambda conv: conv.weight.mul_(2),
    "bias in place": lambda conv: conv.bias.add_(1),
    "item": lambda conv: conv.weight.__setitem__((0, 0, 0, 0), 9.0),
    "a view": lambda conv: conv.weight[1].fill_(3),
    "detached": lambda conv: conv.weight.detach().zero_(),
    "data": lambda conv: setattr(conv.weight, "data", normal(5, 3, 3, 3)),
    "data in place": lambda conv: conv.weight.data.add_(1),
    "numpy and changed": lambda conv: (
        np.negative(conv.weight.detach().numpy(), out=conv.weight.detach().numpy()),
        conv.weight.changed(),
    ),
    "another parameter": lambda conv: setattr(conv, "weight", nn.Parameter(normal(5, 3, 3, 3))),
    "no bias": lambda conv: setattr(conv, "bias", None),
    "loaded": lambda conv: conv.load_state_dict(nn.Conv2d(3, 5, 3).state_dict()),
    "initial values": lambda conv: conv.reset_parameters(),
    "padding": lambda conv: setattr(conv, "padding", (2, 0)),
    "stride": lambda conv: setattr(conv, "stride", (2, 1)),
    "padding mode": lambda conv: setattr(conv, "padding_mode", "reflect"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_packed_weights_are_never_stale(change, conv, x):
    before = evaluated(conv, x)
    with no_grad():
        CHANGES[change](conv)
    after = evaluated(conv, x)
    np.testing.assert_allclose(after, plain(conv, x), atol=1e-4)
    assert before.shape != after.shape or not np.allclose(before, after)
    with no_grad():  # and a second time, when the change was the first after preparing
        conv.weight.add_(1)
    np.testing.assert_allclose(evaluated(conv, x), plain(conv, x), atol=1e-4)


def test_packed_weights_of_a_memory_that_changes_under_another_name(conv, x):
    """The array is the same one; its changes are counted elsewhere."""
    evaluated(conv, x)
    conv.weight = nn.Parameter(conv.weight.detach().numpy())
    with no_grad():
        conv.weight.fill_(2)
    np.testing.assert_allclose(evaluated(conv, x), plain(conv, x), rtol=1e-5, atol=1e-4)


def test_packed_weights_after_another_dtype_and_back(conv, x):
    before = evaluated(conv, x)
    conv.double()
    assert evaluated(conv, x.double()).dtype == np.float64
    conv.float()
    np.testing.assert_array_equal(evaluated(conv, x), before)


def test_packed_weights_are_not_copied(conv, x):
    expected = evaluated(conv, x)
    for twin in (copy.copy(conv), copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        assert twin._prepared is None
        np.testing.assert_array_equal(evaluated(twin, x), expected)
    assert conv._prepared is not None


def test_threads_that_evaluate_while_weights_change_end_with_the_last(conv, x):
    stop = threading.Event()
    errors = []

    def run():
        while not stop.is_set():
            try:
                evaluated(conv, x)
            except Exception as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        with no_grad():
            conv.weight.add_(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    np.testing.assert_allclose(evaluated(conv, x), plain(conv, x), rtol=1e-5, atol=1e-4)


def test_a_layer_that_is_dropped_gives_its_packed_weights_back():
    conv = nn.Conv2d(64, 64, 3).eval()
    x = Tensor(normal(1, 64, 5, 5))
    before = fastconv.memory_stats()["in_use_bytes"]
    with no_grad():
        conv(x)
    held = fastconv.memory_stats()["in_use_bytes"] - before
    assert held >= conv.weight.nbytes
    conv.train()
    assert fastconv.memory_stats()["in_use_bytes"] <= before
    conv.eval()
    with no_grad():
        conv(x)
    del conv
    assert fastconv.memory_stats()["in_use_bytes"] <= before
