"""A compiled network computes what its module does, in one call."""

import gc
import threading
import time

import numpy as np
import pytest
from drawn_networks import Calls, networks
from engine import trace as executions
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import Tensor, autograd, nn, no_grad
from fastconv import functional as F
from fastconv.graph import compile, passes
from fastconv.graph import compiled as compiled_module
from fastconv.graph.interpret import interpret
from fastconv.graph.lower import _Part


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


class Residual(nn.Module):
    """A block with a normalised shortcut, as in ResNet."""

    def __init__(self, ic, oc):
        super().__init__()
        self.conv1 = nn.Conv2d(ic, oc, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(oc)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(oc, oc, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(oc)
        self.shortcut = nn.Sequential(nn.Conv2d(ic, oc, 1, 2, bias=False), nn.BatchNorm2d(oc))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


def network():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Residual(16, 24),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    ).eval()


def eager(model, *inputs):
    with no_grad():
        return model(*map(Tensor, inputs))


# ---- what it computes


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("threads", [1, 2])
def test_equals_the_module(dtype, threads, tier):
    model = network()
    for parameter in (*model.parameters(), *model.buffers()):
        parameter._array = parameter._array.astype(dtype, copy=False)
    x = normal(3, 3, 20, 22, dtype=dtype)
    compiled = compile(model, x, threads=threads)
    with executions() as record:
        result = compiled(x)
    bound = {np.float32: 1e-5, np.float64: 1e-13}[dtype]
    expected = eager(model, x).numpy()
    np.testing.assert_allclose(result, expected, rtol=bound, atol=bound * np.abs(expected).max())
    assert {used for _, _, used, _ in record} == {tier}
    assert [op for op, *_ in record] == [
        *("conv2d", "pool2d", "conv2d", "conv2d", "conv2d", "adaptive_pool2d", "linear"),
    ]


@given(networks(), st.integers(1, 4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_network(drawn, batch, optimized):
    """As the graph's meaning, run node by node; the same bits for any threads and batch split."""
    x = normal(batch, *drawn.shape)
    compiled = compile(drawn, x, passes=passes.PASSES if optimized else ())
    found = compiled(x, threads=1)
    assert type(found) is tuple
    for a, b in zip(eager(drawn, x), found, strict=True):
        a = a.numpy()
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1, np.abs(a).max()))
    for a, b in zip(found, compiled(x, threads=2), strict=True):
        np.testing.assert_array_equal(a, b)
    one_by_one = [compiled(x[i : i + 1]) for i in range(batch)]
    for a, *parts in zip(found, *one_by_one, strict=True):
        np.testing.assert_array_equal(a, np.concatenate(parts))


@given(networks(), st.integers(2, 7), st.sampled_from((1, 3_000, 20_000)))
@settings(max_examples=60, deadline=None)
def test_batches_in_parts(drawn, batch, cache):
    """However a batch is cut to fit a cache, the bits are the same."""
    x = normal(batch, *drawn.shape)
    expected = compile(drawn, x)(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_module, "cache_share", lambda: cache)
        compiled = compile(drawn, x)
        found = compiled(x)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_early_layers_run_image_by_image():
    """And late ones, with small images and large weights, in larger parts."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1)),
        *(nn.MaxPool2d(8), nn.Conv2d(32, 32, 3, padding=1), nn.Flatten(), nn.Linear(512, 10)),
    )
    x = normal(6, 3, 32, 32)
    whole = compile(model, x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled_module, "cache_share", lambda: 300_000)
        parts = compile(model, x)
    programs = {net: net._plans.of(((6, 3, 32, 32),)).lowered.program for net in (parts, whole)}
    images = [step["dst_shape"][0] for step in programs[parts].steps]
    assert images == [1, 1, 1, 6, 6]
    repeats = [step["repeats"] for step in programs[parts].steps]
    assert repeats == [6, 6, 6, 1, 1]
    np.testing.assert_array_equal(parts(x), whole(x))
    # What the early layers read and write is of one image: five less of two maps.
    one, all_at_once = (programs[net].memory_bytes(1) for net in (parts, whole))
    assert all_at_once - one >= 5 * 2 * (32 * 32 * 32) * 4


@pytest.mark.parametrize("batch", [2, 3, 4, 7])
def test_threads_run_parts_side_by_side(batch, monkeypatch):
    """Each has memory of its own; the bits are those of all threads at one layer, and of one."""
    model, x = network(), normal(batch, 3, 20, 22)
    monkeypatch.setattr(compiled_module, "cache_share", lambda: 30_000)
    compiled = compile(model, x, threads=2)
    program = compiled._plans.of((x.shape,)).lowered.program
    assert program.worker_bytes > 0
    assert (1, batch) in {(step["dst_shape"][0], step["repeats"]) for step in program.steps}
    grown = program.memory_bytes(2) - program.memory_bytes(1)
    assert program.worker_bytes <= grown < 2 * program.worker_bytes + program.memory_bytes(1)
    # More threads than parts, and all of them, work at one layer.
    assert program.memory_bytes(8) < program.arena_bytes + 8 * program.worker_bytes
    found = compiled(x)
    monkeypatch.setattr(_Part, "beside", False)
    in_order = compile(model, x, threads=2)
    assert in_order._plans.of((x.shape,)).lowered.program.worker_bytes == 0
    for threads in (1, 2, 3, 8):
        np.testing.assert_array_equal(compiled(x, threads=threads), found)
        np.testing.assert_array_equal(in_order(x, threads=threads), found)


def test_the_profile_of_parts_side_by_side(monkeypatch):
    """A step has its share of the time that went by, not that of both threads together."""
    model, x = network(), normal(8, 3, 20, 22)
    monkeypatch.setattr(compiled_module, "cache_share", lambda: 30_000)
    program = compile(model, x, threads=2)._plans.of((x.shape,)).lowered.program
    out = np.empty((8, 10), np.float32)
    for _ in range(5):
        start = time.perf_counter_ns()
        times = program.profile([x, out], 2)
        assert 0 < sum(times) <= time.perf_counter_ns() - start
        assert min(times) > 0


def dense_block(x):
    values = [F.conv2d(x, normal(4, 4, 1, 1))]
    for i in range(3):
        joined = autograd.cat(values, 1)
        w = normal(5, joined.shape[1], 3, 3, seed=i)
        values.append(F.conv2d(F.relu(joined), w, None, 1, 1))
    return autograd.cat(values, 1)


PLACES = {
    "branches": lambda x: autograd.cat([F.conv2d(x, normal(3, 4, 1, 1)), F.max_pool2d(x, 1)], 1),
    "pools": lambda x: autograd.cat([F.max_pool2d(x, 3, 1, 1), F.avg_pool2d(x, 3, 1, 1)], 1),
    "a part twice": lambda x: autograd.cat([(y := x.relu()), y, y], 1).tanh(),
    "the input": lambda x: autograd.cat([x, x.relu(), x], 1),
    "a part is a result": lambda x: (y := x.tanh(), autograd.cat([y, x.relu()], 1)),
    "a part is used later": lambda x: (
        autograd.cat([(y := F.conv2d(x, normal(4, 4, 1, 1))), x], 1).tanh(),
        y.relu() + x,
    ),
    "nested": lambda x: autograd.cat([autograd.cat([x.relu(), x.tanh()], 1), x.sigmoid()], 1),
    "two wholes": lambda x: (
        autograd.cat([(y := F.conv2d(x, normal(2, 4, 1, 1))), x], 1),
        autograd.cat([x, y], 1),
    ),
    "dense": dense_block,
    "in place": lambda x: F.softmax(F.hardswish(F.conv2d(x, normal(4, 4, 1, 1)).tanh()), 1),
    "not in place": lambda x: (y := F.conv2d(x, normal(4, 4, 1, 1))).tanh() + y,
    "norm of a part": lambda x: (
        autograd.cat([(y := F.conv2d(x, normal(4, 4, 1, 1))), x], 1).tanh(),
        F.batch_norm(y, normal(4), np.float32([1, 2, 3, 4])),
    ),
    "rows of a part": lambda x: (
        autograd.cat([(y := F.conv2d(x, normal(4, 4, 1, 1))), x], 1).tanh(),
        F.linear(y, normal(3, 6)),
    ),
    "parts": lambda x: ((y := x.tanh())[:, :3].tanh(), y[:, 1:].relu(), y[:, 1:2].sigmoid()),
    "parts of the input": lambda x: x[:, 1:3].tanh() + x[:, 2:],
    "a part of the input is a result": lambda x: (x[:, 1:], x[:, :1]),
    "parts are results": lambda x: (
        (y := F.conv2d(x, normal(5, 4, 1, 1)))[:, :2],
        y.tanh(),
        y[:, 2:],
    ),
    "a part of a part": lambda x: x.tanh()[:, 1:][:, 1:3].relu(),
    "a part of a whole": lambda x: autograd.cat([x.tanh(), x.relu()], 1)[:, 3:6].tanh(),
    "a part is read after the whole": lambda x: (
        (p := (y := x.tanh())[:, :2], y.sigmoid())[1],
        p.tanh(),
    ),
    "all parts in order": lambda x: autograd.cat(
        [(y := x.tanh())[:, :1], y[:, 1:2], y[:, 2:]], 1
    ).sigmoid(),
    "all parts and then the whole": lambda x: (
        autograd.cat([(y := x.tanh())[:, :1], y[:, 1:]], 1).sigmoid(),
        y.relu(),
    ),
    "parts in another order": lambda x: autograd.cat([(y := x.tanh())[:, 2:], y[:, :2]], 1).relu(),
    "a part twice in order": lambda x: autograd.cat([(y := x.tanh())[:, :2], y[:, :2]], 1).relu(),
    "some parts in order": lambda x: (
        autograd.cat([(y := F.conv2d(x, normal(6, 4, 1, 1)))[:, 1:3], y[:, 3:5]], 1).sigmoid(),
        F.conv2d(y, normal(2, 6, 3, 3)),
    ),
    "parts as residual and factor": lambda x: (
        F.conv2d(x, normal(2, 4, 1, 1), residual=(y := x.tanh())[:, 1:3]),
        x[:, :2] * F.global_avg_pool2d(y)[:, 2:],
    ),
    "readers of parts": lambda x: (
        F.linear((y := x.tanh())[:, 1:], normal(3, 6)),
        F.linear(y[:, 2:3].flatten(1), normal(3, 36)),
        F.max_pool2d(y[:, 1:3], 2),
        F.interpolate(y[:, :2], scale_factor=2),
        y[:, 1:].transpose(1, 2),
        F.pad(y[:, 1:], (1, 1)),
        F.conv_transpose2d(y[:, 2:], normal(2, 3, 2, 2)),
        F.local_response_norm(y[:, 2:], 3),
    ),
    "siblings": lambda x: (
        F.max_pool2d((y := F.conv2d(x, normal(3, 4, 1, 1))), 2),
        F.conv2d(x, normal(5, 4, 1, 1)) + F.conv2d(x, normal(5, 4, 3, 3), padding=1).relu(),
        F.conv2d(y, normal(4, 3, 3, 3), padding=1, residual=x),
    ),
    "the input itself": lambda x: x,
    "the input reshaped": lambda x: x.flatten(1),
    "a result twice": lambda x: [(y := x.relu()), y, y.flatten(1)],
    "residual of a part": lambda x: autograd.cat(
        [(y := F.conv2d(x, normal(4, 4, 1, 1))), F.conv2d(x, normal(4, 4, 1, 1), residual=y)], 1
    ),
    "a sum over its input": lambda x: (x.relu() + x.tanh()) + x.sigmoid(),
    "a shuffle": lambda x: x.relu().view(-1, 2, 2, 36).transpose(1, 2).flatten(1, 2).tanh(),
}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", PLACES)
def test_places(name, batch):
    """Values that share memory are not written over while they are needed."""
    model = Calls(PLACES[name]).eval()
    x = normal(batch, 4, 6, 6)
    before = x.copy()
    found = compile(model, x)(x)
    expected = eager(model, x)
    if not isinstance(found, (tuple, list)):
        found, expected = [found], [expected]
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(x, before)


def test_the_parts_of_a_concat_are_written_in_place():
    """Each layer of a dense block writes behind what the ones before it wrote."""
    compiled = compile(Calls(dense_block), normal(1, 4, 6, 6))
    assert [step.op for step in compiled.explain()] == ["conv2d", *("unary", "conv2d") * 3]


class Inception(nn.Module):
    """A module with two reduces of one value."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, n, 1) for n in (5, 12, 8))
        self.b3, self.c5 = nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(8, 3, 5, padding=2)

    def forward(self, x):
        b, c = self.b(x).relu(), self.c(x).relu()
        return autograd.cat([self.a(x), self.b3(b).relu(), self.c5(c)], 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_siblings_are_one_step(dtype, tier):
    """Parts of it are read without a copy, whatever the batch; the bits are those of an image."""
    x = normal(5, 4, 9, 11, dtype=dtype)
    model = Inception().to(dtype)
    compiled = compile(model, x)
    apart = compile(model, x, passes=passes.PASSES[:-1])
    assert passes.PASSES[-1] is passes.merge_siblings
    for batch in (1, 5):
        assert [step.op for step in compiled.explain(batch)] == ["conv2d"] * 4
        assert [step.op for step in apart.explain(batch)] == ["conv2d"] * 5
    found = compiled(x, threads=1)
    np.testing.assert_allclose(found, apart(x), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(found, compiled(x, threads=2))
    for i in range(5):
        np.testing.assert_array_equal(found[i : i + 1], compiled(x[i : i + 1]))


def test_the_concatenation_of_all_parts_is_no_step():
    def function(x):
        y = F.conv2d(x, normal(8, 4, 3, 3))
        return F.max_pool2d(autograd.cat([y[:, :3], y[:, 3:4], y[:, 4:]], 1), 2)

    assert [s.op for s in compile(Calls(function), normal(3, 4, 6, 6)).explain(3)] == [
        *("conv2d", "pool2d"),
    ]


def test_memory_is_used_again():
    """A chain of fifty layers takes the memory of two."""
    model = nn.Sequential(*[nn.Conv2d(8, 8, 3, padding=1) for _ in range(50)])
    compiled = compile(model, normal(1, 8, 16, 16))
    [sizes] = compiled._plans.sizes
    program = compiled._plans.of(sizes).lowered.program
    assert program.arena_bytes == 2 * 8 * 16 * 16 * 4


# ---- how it is called


def test_batches():
    model, x = network(), normal(5, 3, 20, 22)
    compiled = compile(model, x[:2])
    whole = compiled(x)
    np.testing.assert_array_equal(whole[:2], compiled(x[:2]))
    assert compiled(x[:0]).shape == (0, 10)
    for n in range(1, 13):
        compiled(normal(n, 3, 20, 22))
    assert len(compiled._plans.sizes) == 8


def test_tensors_and_structure():
    model = Calls(lambda x, y: {"sum": x + y, "parts": (x.relu(), [y.tanh()])})
    x, y = normal(2, 3), normal(2, 3)
    found = compile(model, (x, y))(Tensor(x), y)
    assert isinstance(found["sum"], Tensor)
    assert not found["sum"].requires_grad
    np.testing.assert_array_equal(found["sum"].numpy(), x + y)
    assert type(found["parts"]) is tuple
    assert type(found["parts"][1]) is list


def test_out_and_strides():
    model, x = network(), normal(2, 3, 20, 44)
    compiled = compile(model, x[..., ::2])
    out = np.full((2, 10), np.nan, np.float32)
    assert compiled(x[..., ::2], out=out) is out
    np.testing.assert_array_equal(out, compiled(x[..., ::2].copy()))


def test_precision():
    model = nn.Conv2d(32, 32, 3, padding=1).eval()
    x = normal(1, 32, 28, 28)
    [strict] = compile(model, x, precision="strict").explain()
    [fast] = compile(model, x, precision="default").explain()
    assert "winograd" not in strict.algorithm
    assert "winograd" in fast.algorithm
    with fastconv.precision("strict"):
        compiled = compile(model, x)
    assert compiled.explain()[0].algorithm == strict.algorithm
    # As when it was compiled, whatever holds when it is called, and for other batches.
    assert compiled.explain(2)[0].algorithm == strict.algorithm


def test_the_weights_are_a_snapshot():
    model, x = network(), normal(1, 3, 20, 22)
    compiled = compile(model, x)
    before = compiled(x)
    with no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    np.testing.assert_array_equal(compiled(x), before)
    np.testing.assert_array_equal(compiled(normal(2, 3, 20, 22))[:0].shape, (0, 10))
    compiled.refresh(model)
    np.testing.assert_allclose(compiled(x), eager(model, x).numpy(), rtol=1e-4, atol=1e-5)


def test_another_network_is_no_refreshed_one():
    compiled, x = compile(network(), normal(1, 3, 20, 22)), normal(1, 3, 20, 22)
    before = compiled(x)
    with pytest.raises(ValueError, match="another network"):
        compiled.refresh(nn.Sequential(nn.Flatten(), nn.Linear(1320, 10)))
    np.testing.assert_array_equal(compiled(x), before)


def test_a_call_that_is_under_way_keeps_no_old_weights_for_later_ones():
    """A program for another batch that is made while weights are refreshed belongs to the old."""
    model, x = network(), normal(2, 3, 20, 22)
    compiled = compile(model, x[:1])
    old = compiled._plans
    with no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    compiled.refresh(model)
    old.of(((2, 3, 20, 22),))  # as a thread does that began before
    np.testing.assert_allclose(compiled(x), eager(model, x).numpy(), rtol=1e-4, atol=1e-5)


def test_the_module_may_go():
    model, x = network(), normal(1, 3, 20, 22)
    expected = eager(model, x).numpy()
    compiled = compile(model, x)
    del model
    gc.collect()
    np.testing.assert_allclose(compiled(x), expected, rtol=1e-4, atol=1e-5)
    # Weights are held once: in the form that the programs read.
    plain = 4 * (3 * 16 * 9 + 16 * 24 * 9 + 24 * 24 * 9 + 16 * 24 + 240)
    assert compiled.weight_bytes < 8 * plain


def test_many_threads_call_it():
    model, x = network(), normal(4, 3, 20, 22)
    compiled = compile(model, x[:1])
    expected = [compiled(x[: n + 1], threads=1) for n in range(4)]
    wrong = []

    def call(n):
        for _ in range(20):
            if not np.array_equal(compiled(x[: n + 1], threads=1), expected[n]):
                wrong.append(n)

    threads = [threading.Thread(target=call, args=(i % 4,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_graph_after_compiling_can_be_read():
    compiled = compile(network(), normal(1, 3, 20, 22))
    text = str(compiled.graph)
    assert "conv2d(in0)" in text
    assert "weight 16×3×3×3" in text
    assert "activation=relu" in text
    assert text.count("\n") == len(compiled.graph.nodes) + 1
    assert "N, 3, 20, 22" in repr(compiled)


def test_profile():
    model = nn.Sequential(*[nn.Conv2d(32, 32, 3, padding=1) for _ in range(4)])
    x = normal(1, 32, 56, 56)
    profile = compile(model, x, threads=1).profile(x, repeats=30)
    assert [step.layer for step in profile.steps] == ["0", "1", "2", "3"]
    # How near their sum is to a call is a matter of the machine's peace: benchmarks/compiled.py.
    assert all(step.milliseconds > 0 for step in profile.steps)
    assert profile.milliseconds > 0
    assert all(step.flops == 2 * 32 * 32 * 9 * 56 * 56 for step in profile.steps)
    assert str(profile).count("conv2d") == 4


# ---- what is refused


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        (([[1.0]],), TypeError, "must be an array or Tensor"),
        ((np.zeros((1, 3, 20, 22)),), TypeError, "float32, not float64"),
        ((normal(1, 4, 20, 22),), ValueError, "expected"),
        ((normal(1, 3, 0, 22),), ValueError, "empty"),
        ((normal(3, 20, 22),), ValueError, "expected"),
        ((), TypeError, "takes 1 inputs, not 0"),
    ],
)
def test_inputs_that_are_refused(arguments, error, told):
    compiled = compile(network(), normal(1, 3, 20, 22))
    with pytest.raises(error, match=told):
        compiled(*arguments)


@pytest.mark.parametrize(
    ("out", "error", "told"),
    [
        (np.zeros((1, 10)), TypeError, "float32"),
        (np.zeros((2, 10), np.float32), ValueError, "expected a writable"),
        (np.zeros((10, 1), np.float32).T, None, None),
        (np.zeros((1, 20), np.float32)[:, ::2], ValueError, "C-contiguous"),
        ([np.zeros((1, 10), np.float32)] * 2, ValueError, "2 arrays"),
    ],
)
def test_results_that_are_refused(out, error, told):
    compiled, x = compile(network(), normal(1, 3, 20, 22)), normal(1, 3, 20, 22)
    if error is None:
        compiled(x, out=out)
        return
    with pytest.raises(error, match=told):
        compiled(x, out=out)


def test_out_that_overlaps_the_input():
    compiled, x = compile(nn.ReLU(), normal(1, 8)), normal(1, 8)
    before = x.copy()
    with pytest.raises(ValueError, match="memory"):
        compiled(x, out=x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"precision": "exact"}, ValueError),
        ({"threads": 0}, ValueError),
        ({"threads": 1.0}, TypeError),
    ],
)
def test_options_that_are_refused(options, error):
    with pytest.raises(error):
        compile(nn.ReLU(), normal(1, 8), **options)


def test_a_network_that_has_weights_of_no_use():
    with pytest.raises(TypeError, match="layer '1' uses the operation exp"):
        compile(nn.Sequential(nn.ReLU(), Calls(lambda x: x.exp())), normal(1, 8))
    with pytest.raises(TypeError, match="must be a Module"):
        compile(lambda x: x, normal(1, 8))


def test_memory_that_runs_out():
    compiled, x = compile(network(), normal(1, 3, 20, 22)), normal(1, 3, 20, 22)
    fastconv.empty_cache()
    fastconv._core._fail_allocation(1)
    with pytest.raises(MemoryError):
        compiled(x)
    fastconv._core._fail_allocation(0)
    assert np.isfinite(compiled(x)).all()


def test_the_meaning_of_the_graph_stays(tier):
    """interpret, on what compile made, cannot read packed weights: it says so."""
    compiled = compile(network(), normal(1, 3, 20, 22))
    with pytest.raises(TypeError):
        interpret(compiled.graph, [normal(1, 3, 20, 22)])
