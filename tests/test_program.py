"""Programs: bits equal to the operations one by one, refusals, concurrent runs, memory."""

import concurrent.futures
import gc
import sys
import threading
import time

import children
import numpy as np
import pytest
from engine import poison_pool, poisoned, trace
from steps import NO_PAD, ONE, arena, argument, single

import fastconv
import fastconv.functional as F
from fastconv import _core
from fastconv._core import ARENA, WORKER, PackedStore, ProgramBuilder

RNG = np.random.default_rng(77)
ACT, ANY = _core.ACTIVATION_CODES, _core.PRECISION_CODES["default"]
DTYPES = [np.float32, np.float64]


def real(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


class Network:
    """A residual block, a concatenation and a classifier: program and operations one by one."""

    def __init__(self, dtype=np.float32):
        self.dtype = np.dtype(dtype)
        self.item = self.dtype.itemsize
        self.w = [
            real(*s, dtype=dtype) for s in ((8, 3, 3, 3), (8, 8, 3, 3), (4, 8, 1, 1), (5, 12))
        ]
        self.b = [real(w.shape[0], dtype=dtype) for w in self.w]

    def expected(self, x):
        conv = [
            fastconv.Conv2d(w, b, padding=w.shape[2] // 2, activation="relu", precision="default")
            for w, b in zip(self.w[:3], self.b[:3], strict=True)
        ]
        first = conv[0](x)
        both = np.concatenate([conv[1](first, residual=first), conv[2](first)], axis=1)
        return F.softmax(F.linear(F.global_avg_pool2d(both)[:, :, 0, 0], *self._last()), 1)

    def _last(self):
        return self.w[3], self.b[3]

    def build(self, store, n, repeats, h=14, w=10):
        """`repeats` parts of `n` images each, then all of them together."""
        item, plane, total = self.item, h * w, n * repeats
        first, both, means = 0, n * 8 * plane * item, n * 20 * plane * item
        p = ProgramBuilder(self.dtype.name, store)

        def conv(number, ic, pad, src, dst, stride, residual=None):
            p.conv2d(
                *(n, ic, h, w, self.w[number], self.b[number], ONE, (pad,) * 4, ONE, 1, 0),
                *(ACT["relu"], ANY, 0, None, stride, src, dst, residual),
            )

        slices = (12 * plane, plane, w, 1)
        conv(0, 3, 1, argument(0, 0, n * 3 * plane * item), arena(first), None)
        conv(1, 8, 1, arena(first), arena(both), slices, arena(first))
        conv(2, 8, 0, arena(first), arena(both + 8 * plane * item), slices)
        mean = arena(means, n * 12 * item)
        p.adaptive_pool2d(n, 12, h, w, _core.POOL_AVG, ONE, None, arena(both), mean)
        p.section(repeats)
        p.linear(total, *self._last(), 0, None, arena(means), argument(1))
        p.softmax(total, 5, 1, False, argument(1), argument(1))
        p.section(1)
        sizes = [total * 3 * plane * item, total * 5 * item]
        return p.build(means + total * 12 * item, sizes, [False, True])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_gives_the_bits_of_its_operations(dtype):
    network, store = Network(dtype), PackedStore()
    x = real(4, 3, 14, 10, dtype=dtype)
    expected = network.expected(x)
    for n in (1, 2, 4):
        program = network.build(store, n, 4 // n)
        for threads in (1, 2, 9):
            out = poisoned((4, 5), dtype)
            poison_pool()
            assert program.run((x, out), threads) is None
            np.testing.assert_array_equal(out, expected)


def test_what_a_program_says_of_itself():
    program = Network().build(PackedStore(), 2, 3)
    steps = program.steps
    assert [step["op"] for step in steps] == [
        *("conv2d", "conv2d", "conv2d", "adaptive_pool2d", "linear", "softmax")
    ]
    assert [step["repeats"] for step in steps] == [3, 3, 3, 3, 1, 1]
    assert steps[0]["dst_shape"] == (2, 8, 14, 10)
    assert steps[0]["flops"] == 2 * 2 * 140 * 8 * 27
    assert steps[0]["tier"] == fastconv.explain("relu", np.ones(1, np.float32)).tier
    assert all(step["reason"] and step["algorithm"] for step in steps)
    assert program.argument_bytes == (6 * 3 * 140 * 4, 6 * 5 * 4)
    assert program.written == (False, True)
    assert program.memory_bytes(1) >= program.arena_bytes == (2 * 20 * 140 + 6 * 12) * 4


def test_weights_are_packed_once_and_released():
    network, store = Network(), PackedStore()
    network.build(store, 1, 4)
    packed, plain = store.packed_nbytes, store.plain_nbytes
    assert packed > 0
    assert store.nbytes == packed + plain
    assert plain == sum(w.nbytes for w in network.w)
    network.build(store, 4, 1)
    assert store.packed_nbytes == packed  # another batch size, the same forms
    held = [store.hold(w) for w in network.w]
    assert held[0] is store.hold(network.w[0])
    assert held[0].plain is network.w[0]
    used = [weight for weight in held if weight.packed_nbytes]
    assert store.release() == sum(int(np.prod(weight.shape)) * 4 for weight in used) > 0
    assert store.release() == 0
    assert store.packed_nbytes == packed
    assert all(weight.plain is None for weight in used)
    x, out = real(2, 3, 14, 10), poisoned((2, 5), np.float32)
    expected = network.expected(x)
    network.w = held
    network.build(store, 2, 1).run([x, out], 1)
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match="were released"):  # and are wanted in another form
        ProgramBuilder("float32", store).conv_transpose2d(
            *(
                1,
                used[0].shape[0],
                4,
                4,
                used[0],
                None,
                ONE,
                NO_PAD,
                (0, 0),
                ONE,
                1,
                0,
                ANY,
                None,
                None,
            ),
            *(argument(0), argument(1)),
        )


def test_a_program_keeps_what_it_needs():
    network = Network()
    x = real(4, 3, 14, 10)
    expected = network.expected(x)
    program = network.build(PackedStore(), 2, 2)
    del network
    gc.collect()
    poison_pool()
    out = poisoned((4, 5), np.float32)
    program.run([x, out], 1)
    np.testing.assert_array_equal(out, expected)


def test_concurrent_runs():
    network = Network()
    program = network.build(PackedStore(), 2, 4)
    xs = [real(8, 3, 14, 10) for _ in range(4)]
    expected = [network.expected(x) for x in xs]

    def run(i):
        out = poisoned((8, 5), np.float32)
        for _ in range(30):
            out.fill(np.nan)
            program.run([xs[i % 4], out], 1 + i % 2)
            np.testing.assert_array_equal(out, expected[i % 4])
        return True

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert all(pool.map(run, range(6)))


def test_the_gil_is_let_go_once():
    """With another thread always ready, each time that the GIL is taken again costs an interval."""
    x = np.zeros(64, np.float32)
    builder = ProgramBuilder("float32", PackedStore())
    for _ in range(500):
        builder.unary(64, ACT["relu"], 0.0, 0.0, argument(0), argument(0))
    builder.section(1)
    program = builder.build(0, [x.nbytes], [True])
    interval, done = sys.getswitchinterval(), threading.Event()

    def spin():
        while not done.is_set():
            pass

    spinner = threading.Thread(target=spin)
    try:
        sys.setswitchinterval(0.005)
        spinner.start()
        start = time.perf_counter()
        program.run([x], 1)
        elapsed = time.perf_counter() - start
    finally:
        done.set()
        spinner.join()
        sys.setswitchinterval(interval)
    assert elapsed < 500 * 0.005 / 2


def test_each_step_is_traced_and_timed():
    program = Network().build(PackedStore(), 2, 2)
    x, out = real(4, 3, 14, 10), poisoned((4, 5), np.float32)
    with trace() as executions:
        program.run([x, out], 1)
    steps = program.steps
    assert executions == [(s["op"], s["algorithm"], s["tier"], 1) for s in steps]
    times = program.profile([x, out], 1)
    assert len(times) == 6
    assert 0 < sum(times) < 60e9


def test_verbose_has_a_line_for_each_step():
    script = """
import numpy as np
from fastconv._core import ARGUMENT, PackedStore, ProgramBuilder
x = np.zeros(12, np.float32)
p = ProgramBuilder("float32", PackedStore())
for _ in range(2):
    p.unary(6, 1, 0.0, 0.0, (ARGUMENT, 0, 0, 24), (ARGUMENT, 0, 0, 24))
p.section(2)
p.build(0, [48], [True]).run([x], 1)
"""
    result = children.run_unchecked(script, FASTCONV_VERBOSE="1")
    lines = result.stderr.splitlines()
    assert len(lines) == 3, result.stderr
    assert lines[0].startswith("fastconv: program step 1/2 unary -> 6x1x1x1 float32 elementwise ")
    assert lines[1].endswith(" ms in 2 runs")
    assert lines[2].startswith("fastconv: program of 2 steps ")


# ---- refusals


def _builder():
    return ProgramBuilder("float32", PackedStore())


@pytest.mark.parametrize(
    ("src", "dst"),
    [
        (argument(0, 4), argument(1)),
        (argument(0, -4), argument(1)),
        (argument(0), argument(1, 4)),
        (argument(0, 0, 4), argument(1)),
        (argument(0, 2), argument(1)),
        (argument(0), argument(0)),
        (argument(2), argument(1)),
        (arena(), argument(1)),
        ((7, 0, 0, 0), argument(1)),
    ],
)
def test_an_operand_out_of_place(src, dst):
    builder = _builder()
    builder.unary(10, 1, 0.0, 0.0, src, dst)
    builder.section(2)
    with pytest.raises(ValueError, match="step 0, unary, is refused"):
        builder.build(0, [40, 40], [False, True])


def test_results_over_what_they_come_from():
    """Refused but for operations of single elements, and slices of one buffer that lie apart."""

    def lrn(src, dst):
        builder = _builder()
        builder.lrn(1, 4, 10, 3, 1, 1e-4, 0.75, 1.0, src, dst)
        builder.section(1)
        builder.build(400, [], [])

    lrn(arena(), arena(160))
    lrn(arena(160), arena())
    for dst in (arena(), arena(4), arena(156)):
        with pytest.raises(ValueError, match="apart from what it is computed from"):
            lrn(arena(), dst)
    w = real(2, 3, 3, 3)  # three of five channels into the other two

    def dense_block(to):
        builder = _builder()
        builder.conv2d(
            *(4, 3, 6, 6, w, None, ONE, (1,) * 4, ONE, 1, 0, 0, ANY, 0, (180, 36, 6, 1)),
            *((180, 36, 6, 1), arena(), arena(to * 4)),
        )
        builder.section(1)
        builder.build(4 * (4 * 180 + 1), [], [])

    dense_block(108)
    for to in (107, 109):
        with pytest.raises(ValueError, match="apart from what it is computed from"):
            dense_block(to)


def test_builders_refuse():
    w, src, dst = real(4, 3, 3, 3), argument(0), argument(1)

    def conv(weight=w, bias=None, n=1, ic=3, size=5, stride=ONE, groups=1):
        _builder().conv2d(
            *(n, ic, size, size, weight, bias, stride, NO_PAD, ONE, groups, 0, 0, ANY, 0),
            *(None, None, src, dst),
        )

    for error, wrong in (
        (ValueError, {"ic": 4}),
        (ValueError, {"n": 0}),
        (ValueError, {"size": 2}),
        (ValueError, {"stride": (0, 1)}),
        (ValueError, {"groups": 0}),
        (ValueError, {"weight": w[0]}),
        (ValueError, {"weight": w.astype(np.float64)}),
        (ValueError, {"weight": w.transpose(0, 1, 3, 2)}),
        (TypeError, {"weight": w.astype(np.float16)}),
        (TypeError, {"weight": w.tolist()}),
        (ValueError, {"bias": real(3)}),
        (ValueError, {"bias": real(8)[::2]}),
    ):
        with pytest.raises(error):
            conv(**wrong)
    conv()
    with pytest.raises(TypeError, match="expected a tuple"):
        _builder().unary(4, 1, 0.0, 0.0, [ARENA, 0, 0, 0], dst)
    with pytest.raises(ValueError, match="dtype is 'float16'"):
        ProgramBuilder("float16", PackedStore())
    with pytest.raises(ValueError, match="refused the arguments"):
        _builder().add(2, 4, 0, None, None, 3, src, dst)
    builder = _builder()
    with pytest.raises(ValueError, match="0 steps"):
        builder.section(1)
    builder.unary(4, 1, 0.0, 0.0, src, dst)
    with pytest.raises(ValueError, match="in no section"):
        builder.build(0, [16, 16], [False, True])
    builder.section(1)
    with pytest.raises(ValueError, match="flags of arguments"):
        builder.build(0, [16, 16], [True])
    assert builder.result_shape(0) == (4, 1, 1, 1)
    builder.build(0, [16, 16], [False, True])


def test_runs_refuse():
    x, out = np.ones(8, np.float32), poisoned(8, np.float32)
    program = single(np.float32, lambda p, a, b: p.unary(8, 1, 0.0, 0.0, a, b), [x], out)
    frozen = out.copy()
    frozen.flags.writeable = False
    both = np.ones(12, np.float32)
    for error, arrays in (
        (ValueError, [x]),
        (ValueError, [x, out[:7]]),
        (ValueError, [x, np.ones(16, np.float32)[::2]]),
        (ValueError, [x.astype(">f4"), out]),
        (ValueError, [x, frozen]),
        (ValueError, [x, x]),
        (ValueError, [both[:8], both[4:]]),
        (TypeError, [x.astype(np.float64), out]),
        (TypeError, [x, None]),
    ):
        with pytest.raises(error, match="program: "):
            program.run(arrays, 1)
    with pytest.raises(ValueError, match="threads is 0"):
        program.run([x, out], 0)
    assert np.isnan(out).all()


def test_no_memory():
    program = Network().build(PackedStore(), 2, 2)
    x, out = real(4, 3, 14, 10), poisoned((4, 5), np.float32)
    _core._fail_allocation(1)
    with pytest.raises(MemoryError, match="program: "):
        program.run([x, out], 1)
    assert np.isnan(out).all()
    builder = _builder()
    builder.unary(4, 1, 0.0, 0.0, argument(0), argument(0))
    builder.section(1)
    _core._fail_allocation(1)
    with pytest.raises(MemoryError):
        builder.build(0, [16], [True])


def test_memory_returns():
    network, store = Network(), PackedStore()
    program = network.build(store, 2, 2)
    x, out = real(4, 3, 14, 10), poisoned((4, 5), np.float32)
    before = fastconv.memory_stats()["in_use_bytes"]
    program.run([x, out], 2)
    assert fastconv.memory_stats()["in_use_bytes"] == before
    del program, store
    assert fastconv.memory_stats()["in_use_bytes"] < before


@pytest.mark.parametrize("repeats", [1, 2, 5])
def test_repeats_side_by_side(repeats):
    """Each thread has memory of its own between two steps; what is left over is all threads'."""
    x = real(repeats, 300)
    row = x[0].nbytes

    def built(beside, advance=row):
        builder = _builder()
        own = (WORKER, 0, 0, 0)
        builder.unary(300, ACT["tanh"], 0.0, 0.0, argument(0, 0, row), own)
        builder.unary(300, ACT["relu"], 0.0, 0.0, own, argument(1, 0, advance))
        builder.section(repeats, beside)
        return builder.build(0, [x.nbytes, x.nbytes], [False, True], row)

    wanted = F.relu(F.tanh(x))
    for beside in (False, True):
        program = built(beside)
        assert program.worker_bytes == row
        lane = program.memory_bytes(1)
        for threads in (1, 2, 3, 6):
            lanes = threads if beside and threads <= repeats else 1
            assert program.memory_bytes(threads) == lanes * lane
            out = np.full_like(x, np.nan)
            program.run([x, out], threads)
            np.testing.assert_array_equal(out, wanted)
    if repeats > 1:
        built(False, 0)
        with pytest.raises(ValueError, match="step 1, unary, is refused"):
            built(True, 0)
