"""Each pass does what it is for, and none changes what a graph computes."""

import numpy as np
import pytest
from drawn_networks import Calls, networks
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import Tensor, autograd, no_grad
from fastconv import functional as F
from fastconv.graph import passes
from fastconv.graph.interpret import interpret
from fastconv.graph.trace import trace


def normal(*shape):
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


X = normal(2, 4, 6, 6)
W = normal(4, 4, 3, 3)
NORM = normal(4), np.abs(normal(4)) + 0.5, normal(4), normal(4)


def kinds_after(one, function, x=X):
    """The kinds of nodes after a pass, which must leave the result as it is."""
    graph, _ = trace(Calls(function), (x,))
    after = passes.optimize(graph, [one])
    for a, b in zip(interpret(graph, [x]), interpret(after, [x]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    # The graph that was given is not touched.
    assert [node.kind for node in trace(Calls(function), (x,))[0].nodes] == [
        node.kind for node in graph.nodes
    ]
    return [node.kind for node in after.nodes], after


def test_remove_dead():
    def function(x):
        F.relu(x)
        return x.tanh()

    assert kinds_after(passes.remove_dead, function)[0] == ["activation"]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: autograd.cat([x], 1),
        lambda x: F.adaptive_avg_pool2d(x, None),
        lambda x: F.max_pool2d(x, 1),
        lambda x: F.pad(x, (0, 0)),
    ],
)
def test_remove_identities(function):
    kinds, _ = kinds_after(passes.remove_identities, lambda x: function(x).relu())
    assert kinds == ["activation"]


@pytest.mark.parametrize(
    "function",
    [lambda x: F.avg_pool2d(x, 1, divisor_override=2), lambda x: F.pad(x, (0, -1, 1, 0))],
)
def test_what_is_no_identity(function):
    kinds, _ = kinds_after(passes.remove_identities, lambda x: function(x).relu())
    assert len(kinds) == 2


@pytest.mark.parametrize(
    "function", [lambda x: F.adaptive_avg_pool2d(x, (6, None)), lambda x: x.view(-1, 4, 6, 6)]
)
def test_remove_identities_here(function):
    """What is left out for this size alone leaves a graph for this size alone."""
    kinds, graph = kinds_after(passes.remove_identities, lambda x: function(x).relu())
    assert len(kinds) == 2
    assert not graph.fixed
    kinds, graph = kinds_after(passes.remove_identities_here, lambda x: function(x).relu())
    assert kinds == ["activation"]
    assert "left out" in graph.fixed


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_fold_pad(mode):
    kinds, graph = kinds_after(
        passes.fold_pad, lambda x: F.conv2d(F.pad(x, (1, 2, 0, 3), mode), W, None, 2)
    )
    assert kinds == ["conv2d"]
    assert graph.nodes[0].options["padding"] == (0, 3, 1, 2)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.max_pool2d(F.pad(x, (1, 1)), 2),
        lambda x: F.conv2d(F.pad(x, (1, 1), value=1.0), W),
        lambda x: F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), W, None, 1, 1),
        lambda x: F.conv2d(F.pad(x, (0, 0, 0, 0, 1, 0)), normal(2, 5, 3, 3)),
    ],
    ids=["pool", "ones", "reflect and zeros", "channels"],
)
def test_pads_that_stay(function):
    assert "pad" in kinds_after(passes.fold_pad, function)[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x, W, None, 1, 1),
        lambda x: F.conv2d(x, normal(4, 2, 3, 3), normal(4), 1, 1, 1, 2),
        lambda x: F.conv_transpose2d(x, normal(4, 4, 2, 2)),
        lambda x: F.conv_transpose2d(x, normal(4, 2, 2, 2), normal(4), 1, 0, 0, 2),
        lambda x: F.linear(F.global_avg_pool2d(x).flatten(1), normal(4, 4)),
    ],
    ids=["conv", "groups", "transposed", "transposed groups", "linear"],
)
def test_fold_batch_norm(function):
    kinds, _ = kinds_after(
        passes.fold_batch_norm,
        lambda x: F.batch_norm(F.batch_norm(function(x), *NORM), *NORM, activation="relu"),
    )
    assert "batch_norm" not in kinds


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.batch_norm(F.conv2d(x, W, activation="relu"), *NORM),
        lambda x: (lambda y: y + F.batch_norm(y, *NORM))(F.conv2d(x, W)),
        lambda x: (lambda y: [y, F.batch_norm(y, *NORM)])(F.conv2d(x, W)),
        lambda x: F.batch_norm(F.linear(x, normal(3, 6)), *NORM),
    ],
    ids=["after relu", "taken twice", "a result", "rows"],
)
def test_norms_that_stay(function):
    assert "batch_norm" in kinds_after(passes.fold_batch_norm, function)[0]


def test_fuse_residual():
    def function(x):
        a = F.conv2d(x, W, None, 1, 1)
        b = F.conv2d(x, -W, None, 1, 1)
        return (a + b) + x

    kinds, graph = kinds_after(passes.fuse_residual, function)
    assert kinds == ["conv2d", "conv2d", "add"]
    assert [len(node.inputs) for node in graph.nodes] == [1, 2, 2]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (lambda y: y + y)(F.conv2d(x, W)),
        lambda x: x + F.conv2d(x, W, None, 1, 1, activation="relu"),
        lambda x: x + F.conv2d(x, W, None, 1, 1, residual=x),
    ],
    ids=["itself", "after relu", "has one"],
)
def test_sums_that_stay(function):
    assert "add" in kinds_after(passes.fuse_residual, function)[0]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x, W),
        lambda x: F.conv_transpose2d(x, W),
        lambda x: F.linear(x, normal(3, 6)),
        lambda x: F.batch_norm(x, *NORM),
        lambda x: x + x,
    ],
    ids=["conv2d", "conv_transpose2d", "linear", "batch_norm", "add"],
)
@pytest.mark.parametrize("name", ["relu", "silu", "gelu"])
def test_fuse_activation(function, name):
    kinds, graph = kinds_after(passes.fuse_activation, lambda x: getattr(F, name)(function(x)))
    assert "activation" not in kinds
    assert graph.nodes[-1].options["activation"] == name


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.leaky_relu(F.conv2d(x, W), 0.5),
        lambda x: F.relu(F.max_pool2d(x, 2)),
        lambda x: F.relu(x).tanh(),
        lambda x: (lambda y: y + y.relu())(F.conv2d(x, W)),
    ],
    ids=["parameters", "pool", "the input's", "taken twice"],
)
def test_activations_that_stay(function):
    assert "activation" in kinds_after(passes.fuse_activation, function)[0]


def test_join_concats():
    def function(x):
        inner = autograd.cat([x, x.tanh()], 1)
        shared = autograd.cat([x.relu(), x], 1)
        return autograd.cat([autograd.cat([inner, x], 1), shared], 1), shared.relu()

    kinds, graph = kinds_after(passes.join_concats, function)
    assert kinds.count("concat") == 2
    assert len(next(n for n in graph.nodes[::-1] if n.kind == "concat").inputs) == 4


@given(networks(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_any_network(network, batch):
    """With all passes, with each alone and with none it computes what the module does."""
    x = normal(batch, *network.shape)
    with no_grad():
        expected = [one.numpy() for one in network(Tensor(x))]
    graph, _ = trace(network, (x,))
    for some in ((), passes.PASSES, *((one,) for one in passes.PASSES)):
        found = interpret(passes.optimize(graph, some), [x])
        for a, b in zip(expected, found, strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1, np.abs(a).max()))
