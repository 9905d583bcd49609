"""Each pass does what it is for, and none changes what a graph computes."""

import numpy as np
import pytest
from drawn_networks import Calls, networks
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import Tensor, autograd, models, no_grad
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


def pointwise(x, oc, bias=True, **options):
    return F.conv2d(x, normal(oc, x.shape[1], 1, 1), normal(oc) if bias else None, **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2}, {"activation": "relu"}, {"stride": 2, "padding": "same"}],
    ids=["plain", "stride", "activation", "same"],
)
def test_merge_siblings(options):
    def function(x):
        a, between, b = pointwise(x, 3, **options), x.tanh(), pointwise(x, 70, False, **options)
        return F.max_pool2d(b, 2), F.conv2d(a, normal(2, 3, 2, 2)), between, F.max_pool2d(b, 3)

    kinds, graph = kinds_after(passes.merge_siblings, function)
    assert kinds == ["conv2d", "part", "part", "activation", "pool2d", "conv2d", "pool2d"]
    whole, *parts = graph.nodes[:3]
    assert whole.arrays["weight"].shape == (73, 4, 1, 1)
    assert np.any(whole.arrays["bias"][:3])
    assert not np.any(whole.arrays["bias"][3:])
    assert [tuple(node.options.values()) for node in parts] == [(0, 3), (3, 73)]
    assert whole.options["activation"] == options.get("activation")
    assert "part(%0) 70×" in str(graph)


def test_merged_siblings_have_a_bias_if_one_has():
    kinds, graph = kinds_after(
        passes.merge_siblings,
        lambda x: [F.max_pool2d(pointwise(x, n, False), 2) for n in (1, 2, 5)],
    )
    assert kinds.count("conv2d") == 1
    assert "bias" not in graph.nodes[0].arrays


def read_by(*functions):
    """Two siblings, and who takes them."""

    def function(x):
        siblings = pointwise(x, 4), pointwise(x, 4)
        return [f(y, x) for f, y in zip(functions, siblings, strict=True)]

    return function


def pooled(y, _x):
    return F.max_pool2d(y, 2)


SIBLINGS_APART = {
    "strides": lambda x: [pooled(pointwise(x, 4, stride=n), x) for n in (1, 2)],
    "activations": lambda x: [pooled(pointwise(x, 4, activation=n), x) for n in (None, "relu")],
    "paddings": lambda x: [pooled(pointwise(x, 4, padding=n), x) for n in (0, 1)],
    "windows": lambda x: [pooled(F.conv2d(x, W), x), pooled(pointwise(x, 4), x)],
    "groups": lambda x: [pooled(F.conv2d(x, normal(4, 2, 1, 1), groups=2), x) for _ in range(2)],
    "algorithms": lambda x: [pooled(pointwise(x, 4, algorithm="1x1"), x) for _ in range(2)],
    "residuals": lambda x: [pooled(pointwise(x, 4, residual=x), x) for _ in range(2)],
    "values": lambda x: [pooled(pointwise(y, 4), y) for y in (x, x.relu())],
    "many channels": lambda x: [pooled(pointwise(x, n), x) for n in (65, 66)],
    "a result": read_by(pooled, lambda y, _x: y),
    "nobody": read_by(pooled, lambda _y, x: x),
    "a concatenation's": read_by(pooled, lambda y, x: autograd.cat([y, x], 1)),
    "a residual": read_by(pooled, lambda y, x: F.conv2d(x, W, padding=1, residual=y)),
    "a factor": lambda x: (
        x * pointwise((y := F.global_avg_pool2d(x)), 4),
        F.max_pool2d(pointwise(y, 4), 1),
    ),
    "read dense": read_by(pooled, lambda y, _x: F.leaky_relu(y)),
    "read dense too": read_by(pooled, lambda y, _x: (F.max_pool2d(y, 2), y.softmax(1))),
}


@pytest.mark.parametrize("name", SIBLINGS_APART)
def test_siblings_that_stay_apart(name):
    def function(x):
        found = SIBLINGS_APART[name](x)
        return [z for y in found for z in (y if isinstance(y, tuple) else (y,))]

    assert "part" not in kinds_after(passes.merge_siblings, function)[0]


def test_siblings_of_networks():
    """Two reduces of an Inception module, where one is narrow; a projection has another stride."""
    for name, size, merged in (("googlenet", 64, 9), ("inception_v3", 75, 3), ("resnet50", 64, 0)):
        x = np.zeros((1, 3, size, size), np.float32)
        graph, _ = trace(models.create(name, classes=10), (x,))
        before, after = (
            [node.kind for node in passes.optimize(graph, some).nodes]
            for some in (passes.PASSES[:-1], passes.PASSES)
        )
        assert before.count("conv2d") - after.count("conv2d") == merged
        assert after.count("part") == 2 * merged


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
