"""Where values lie between layers: what is chosen, and that it changes no result."""

import random

import numpy as np
import pytest
from drawn_networks import networks
from hypothesis import given, settings
from hypothesis import strategies as st

from fastconv import Tensor, _core, autograd, nn, no_grad
from fastconv.graph import compile, passes, steps
from fastconv.graph.layouts import Layouts, assign
from fastconv.graph.passes import merge_siblings, optimize
from fastconv.graph.placement import Placement
from fastconv.graph.trace import trace


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def traced(model, *shape):
    graph, _ = trace(model.eval(), [np.zeros((1, *shape), np.float32)])
    return passes.optimize(graph)


def with_estimates(patch, estimate):
    patch.setattr(steps.Estimate, "__call__", lambda self, *case: estimate(*case))


def drawn_estimate(seed):
    """Any layout may turn out best."""

    def estimate(node, src_last, dst_last):
        case = seed, node.inputs[0].shape, node.output.shape, src_last, dst_last
        return random.Random(repr(case)).random()

    return estimate


def channels_last(node, src_last, dst_last):
    """As many as can be."""
    return -1e6 * (src_last + dst_last)


def planes(node, src_last, dst_last):
    return 1.0 * (src_last + dst_last)


# ---- results


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_result_depends_on_layouts(data, dtype):
    """Any network: the same up to rounding, and bit for bit for any threads and batch split."""
    drawn = data.draw(networks(dtype=dtype))
    batch, seed = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 1 << 32))
    estimate = data.draw(st.sampled_from((channels_last, drawn_estimate(seed))))
    x = normal(batch, *drawn.shape, dtype=dtype)
    bound = {np.float32: 1e-4, np.float64: 1e-11}[dtype]
    with no_grad():
        expected = [result.numpy() for result in drawn(Tensor(x))]
    with pytest.MonkeyPatch.context() as patch:
        with_estimates(patch, estimate)
        compiled = compile(drawn, x)
        found = compiled(x, threads=1)
        one_by_one = [compiled(x[i : i + 1]) for i in range(batch)]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=bound, atol=bound * max(1, np.abs(a).max()))
    for a, b in zip(found, compiled(x, threads=2), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, *parts in zip(found, *one_by_one, strict=True):
        np.testing.assert_array_equal(a, np.concatenate(parts))


# ---- the choice


def chain():
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 24, 1)),
        *(nn.AvgPool2d(3), nn.Conv2d(24, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )


def test_all_between_the_first_layer_and_the_last_may_lie_channels_last():
    graph = traced(chain(), 3, 40, 40)
    last = assign(graph, channels_last)
    kinds = [node.kind for node in graph.nodes if node.output in last]
    assert kinds == ["conv2d", "pool2d", "conv2d", "pool2d", "conv2d"]
    assert assign(graph, planes) == set()


def test_a_layer_that_gains_little_does_not_turn_its_neighbours():
    """What two transposes cost more than one layer gains stays in planes."""
    graph = traced(chain(), 3, 40, 40)
    wide = next(node for node in graph.nodes if node.output.shape[:1] == (24,))

    def estimate(node, src_last, dst_last):
        if node is wide:
            return 10.0 - (src_last and dst_last)
        return 10.0 + 5.0 * (src_last or dst_last)

    assert assign(graph, estimate) == set()
    assert assign(graph, lambda node, *last: 10.0 - any(last)) != set()


class Parts(nn.Module):
    """A sum and a concatenation."""

    def __init__(self, dense):
        super().__init__()
        self.dense = dense
        self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.c, self.d = nn.Conv2d(8, 16, 1), nn.Conv2d(8, 24, 1)
        self.e = nn.Conv2d(24 if dense else 40, 4, 1)

    def forward(self, x):
        x = self.a(x)
        y = x + self.b(x)
        return self.e(autograd.cat([y if self.dense else self.d(y), self.c(y)], 1))


def test_what_shares_memory_lies_alike():
    graph = traced(Parts(False), 3, 9, 9)

    def estimate(node, src_last, dst_last):
        return -10.0 * dst_last if node.output.shape[0] == 16 else 1.0 * (src_last + dst_last)

    last = assign(graph, estimate)
    shapes = sorted(value.shape[0] for value in last)
    assert shapes == [16, 24, 40]  # both parts and the whole
    assert {value.shape[0] for value in assign(graph, channels_last)} == {8, 16, 24, 40}


class Siblings(nn.Module):
    """Two convolutions that become one, of 24 channels and 16."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(8, 24, 1), nn.Conv2d(8, 16, 1)
        self.c, self.d = nn.Conv2d(24, 8, 3), nn.Conv2d(16, 8, 3)

    def forward(self, x):
        return self.c(self.a(x)), self.d(self.b(x))


def test_a_part_lies_as_its_whole_does():
    graph = optimize(traced(Siblings(), 8, 9, 9), [merge_siblings])
    whole, first, second = (node.output for node in graph.nodes[:3])

    def estimate(node, src_last, dst_last):
        return -10.0 * src_last if node.inputs[0] is second else 1.0 * (src_last + dst_last)

    assert assign(graph, estimate) == {whole, first, second}
    assert assign(graph, planes) == set()
    for last, pixel in (((), 81), ((whole, first, second), 1)):
        layouts = Layouts(last, 4)
        placement = Placement(graph, layouts, True)
        assert placement.of(first) == (whole, 0)
        assert placement.of(second) == (whole, 24 * pixel)
        assert layouts.strides(second, whole)[1] == pixel
        assert not placement.is_dense(second)


def test_what_reads_one_part_of_a_whole_and_writes_another_keeps_to_planes():
    """Pixels of the two take turns in memory."""
    assert assign(traced(Parts(True), 3, 9, 9), channels_last) == set()


def test_pixels_do_not_meet_in_few_sets_of_a_cache():
    value = traced(nn.Sequential(nn.Conv2d(3, 256, 1)), 3, 5, 5).outputs[0]
    layouts = Layouts([value], 4)
    assert layouts.pitch(value) == 256 + 16
    assert layouts.memory(value) == 25 * 272
    assert layouts.strides(value, value) == (25 * 272, 1, 5 * 272, 272)
    assert Layouts([], 4).strides(value, value) == (25 * 256, 25, 5, 1)


def test_steps_take_the_layouts():
    """As many as can be channels last, by the drivers that need no copy, and told by explain."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 32, 3, 2), nn.Conv2d(32, 64, 1), nn.ReLU6()),
        *(nn.Conv2d(64, 64, 3, padding=1, groups=64), nn.MaxPool2d(2), nn.Conv2d(64, 128, 1)),
        *(nn.Conv2d(128, 128, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    x = normal(2, 3, 57, 57)  # each tier's 1x1 has whole tiles then: no other is thought as fast
    with pytest.MonkeyPatch.context() as patch:
        with_estimates(patch, channels_last)
        told = compile(model.eval(), x).explain(2)
    assert [step.layout for step in told] == ["NHWC"] * 6 + ["NCHW"]
    algorithms = [step.algorithm for step in told]
    assert algorithms[1:5] == ["1x1", "depthwise", "pool_channels", "1x1"]
    assert algorithms[6] == "pool_channels"


def test_the_engine_s_own_estimates():
    """What is chosen takes, by them, no longer than planes or channels last throughout."""
    graph = traced(chain(), 3, 40, 40)
    builder = _core.ProgramBuilder("float32", _core.PackedStore(), 1)
    estimate = steps.Estimate(builder, 4, _core.PRECISION_CODES["default"])
    convolutions = [node for node in graph.nodes if node.kind == "conv2d"]

    def total(last):
        return sum(estimate(n, n.inputs[0] in last, n.output in last) for n in convolutions)

    chosen = assign(graph, estimate)
    assert 0 < total(chosen) <= min(total(set()), total(assign(graph, channels_last)))
