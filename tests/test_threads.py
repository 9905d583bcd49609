"""Threads: the same bits for any count and any split of the batch; many callers at once; the GIL;
floating-point state."""

import concurrent.futures
import ctypes
import threading
import time

import children
import numpy as np
import pytest
import sweeps
from engine import poison_pool, trace

import fastconv
import fastconv.functional as F
from fastconv import _core, reference

COUNTS = (1, 2, 3, 5, 8)
DTYPES = (np.float16, np.float32, np.float64)
IDS = ("f16", "f32", "f64")


def normal(*shape, dtype=np.float32):
    """Numbers whose sums depend on the order of addition."""
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


# name → (call of an input batch and a thread count, shape of one image); all but the small ones
# are large enough to be shared among threads.
OPERATIONS = {
    "conv2d 3x3": (
        lambda x, t: F.conv2d(x, normal(40, 33, 3, 3, dtype=x.dtype), padding=1, threads=t),
        (33, 30, 31),
    ),
    "conv2d 3x3 on 7x7": (
        lambda x, t: F.conv2d(x, normal(130, 129, 3, 3, dtype=x.dtype), padding=1, threads=t),
        (129, 7, 7),
    ),
    "conv2d stem": (
        lambda x, t: F.conv2d(x, normal(24, 3, 7, 7, dtype=x.dtype), None, 2, 3, threads=t),
        (3, 91, 85),
    ),
    "conv2d 1x1": (
        lambda x, t: F.conv2d(x, normal(65, 129, 1, 1, dtype=x.dtype), threads=t),
        (129, 28, 29),
    ),
    "conv2d im2col": (
        lambda x, t: F.conv2d(
            x, normal(40, 33, 3, 3, dtype=x.dtype), padding=1, threads=t, algorithm="im2col"
        ),
        (33, 30, 31),
    ),
    "conv2d forced direct": (
        lambda x, t: F.conv2d(
            x, normal(65, 64, 1, 1, dtype=x.dtype), threads=t, algorithm="direct"
        ),
        (64, 30, 31),
    ),
    "conv2d groups": (
        lambda x, t: F.conv2d(x, normal(40, 12, 3, 3, dtype=x.dtype), groups=4, threads=t),
        (48, 30, 31),
    ),
    "conv2d depthwise": (
        lambda x, t: F.conv2d(x, normal(65, 1, 5, 5, dtype=x.dtype), groups=65, threads=t),
        (65, 45, 47),
    ),
    "conv2d with everything": (
        lambda x, t: F.conv2d(
            x,
            normal(33, 33, 3, 3, dtype=x.dtype),
            normal(33, dtype=x.dtype),
            padding=1,
            residual=x,
            activation="tanh",
            threads=t,
        ),
        (33, 40, 41),
    ),
    "conv2d small": (
        lambda x, t: F.conv2d(x, normal(4, 3, 3, 3, dtype=x.dtype), threads=t),
        (3, 9, 9),
    ),
    "max_pool2d": (lambda x, t: F.max_pool2d(x, 3, 2, 1, threads=t), (65, 60, 61)),
    "max_pool2d indices": (
        lambda x, t: F.max_pool2d(x, 3, 1, 1, return_indices=True, threads=t)[1],
        (65, 30, 31),
    ),
    "avg_pool2d": (lambda x, t: F.avg_pool2d(x, 3, 1, 1, threads=t), (65, 60, 61)),
    "global_avg_pool2d": (lambda x, t: F.global_avg_pool2d(x, threads=t), (257, 30, 31)),
    "global_max_pool2d": (lambda x, t: F.global_max_pool2d(x, threads=t), (257, 30, 31)),
    "linear": (
        lambda x, t: F.linear(
            x, normal(333, 1025, dtype=x.dtype), normal(333, dtype=x.dtype), threads=t
        ),
        (1025,),
    ),
    "softmax of rows": (lambda x, t: F.softmax(x, -1, threads=t), (100, 1000)),
    "softmax of channels": (lambda x, t: F.softmax(x, 1, threads=t), (21, 90, 91)),
    "relu": (lambda x, t: F.relu(x, threads=t), (65, 60, 61)),
}

operations = pytest.mark.parametrize(("call", "shape"), OPERATIONS.values(), ids=OPERATIONS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=IDS)


@every_dtype
@operations
def test_the_same_bits_for_any_thread_count(call, shape, dtype):
    x = normal(3, *shape, dtype=dtype)
    one = call(x, 1)
    for threads in COUNTS[1:]:
        poison_pool()
        assert call(x, threads).tobytes() == one.tobytes(), f"{threads} threads"


@every_dtype
@operations
def test_the_same_bits_for_any_split_of_the_batch(call, shape, dtype):
    x = normal(5, *shape, dtype=dtype)
    together = call(x, 2)
    for threads in (1, 3):
        alone = np.concatenate([call(x[i : i + 1], threads) for i in range(5)])
        assert alone.tobytes() == together.tobytes()
    in_parts = np.concatenate([call(x[:2], 3), call(x[2:], 1)])
    assert in_parts.tobytes() == together.tobytes()


# In a process of its own: the runtime keeps the threads that it has started, so their number, less
# what NumPy started, is the most that any call so far has used.
COUNT_THREADS = """
import os, sys
import numpy as np
import fastconv.functional as F
from test_threads import normal

def started():
    return len(os.listdir("/proc/self/task"))

def run(op, x, threads):
    match op:
        case "conv2d":
            F.conv2d(x, normal(64, 64, 3, 3), padding=1, threads=threads)
        case "max_pool2d":
            F.max_pool2d(x, 3, 1, 1, threads=threads)
        case "linear":
            F.linear(x.reshape(-1, 64), normal(rows * rows, 64), threads=threads)
        case "relu":
            F.relu(x, threads=threads)
        case "softmax":
            F.softmax(x, 1, threads=threads)

before = started()
op, rows = sys.argv[1], int(sys.argv[2])
x = normal(rows, 64, rows, rows)
for threads in (1, 2, 3, 5, 8):
    run(op, x, threads)
    print(1 + started() - before)
"""
every_op = pytest.mark.parametrize("op", ["conv2d", "max_pool2d", "linear", "relu", "softmax"])


@every_op
def test_large_work_takes_the_threads_it_is_offered(op):
    """Without this the comparisons above might compare one thread with one thread."""
    counts = children.run(COUNT_THREADS, op, "32", OMP_NUM_THREADS=None).split()
    assert counts == ["1", "2", "3", "5", "8"]


@every_op
def test_small_work_stays_on_one_thread(op):
    assert set(children.run(COUNT_THREADS, op, "2").split()) == {"1"}


def test_the_trace_tells_the_threads_taken():
    with trace() as executions:
        for threads in COUNTS:
            F.conv2d(normal(2, 33, 30, 31), normal(33, 33, 3, 3), threads=threads)
        F.conv2d(normal(1, 3, 5, 5), normal(4, 3, 3, 3), threads=8)
    assert [ran[3] for ran in executions] == [*COUNTS, 1]


def test_more_threads_than_work():
    x, w = sweeps.integers((1, 256, 3, 2), "few", dtype=np.float32), normal(300, 256, 3, 2)
    one = F.conv2d(x, w, threads=1)
    assert F.conv2d(x, w, threads=64).tobytes() == one.tobytes()
    x = normal(1, 2**20)
    assert F.softmax(x, 1, threads=64).tobytes() == F.softmax(x, 1, threads=1).tobytes()


def test_many_callers_at_once():
    """Eight Python threads, each with its own shapes, and each also with the same one."""
    start = threading.Barrier(8)
    shared_x = sweeps.integers((2, 17, 20, 21), "shared", dtype=np.float32)
    shared_w = sweeps.integers((33, 17, 3, 3), "shared w", dtype=np.float32)
    shared = reference.conv2d(shared_x, shared_w, padding=1)

    def caller(number):
        dtype = (np.float32, np.float64)[number % 2]
        x = sweeps.integers((1, 8 + number, 12, 13 + number), "x", dtype=dtype)
        w = sweeps.integers((16 + number, 8 + number, 3, 3), "w", dtype=dtype)
        rows = sweeps.integers((9, 100 + number), "rows", dtype=dtype)
        matrix = sweeps.integers((40, 100 + number), "matrix", dtype=dtype)
        conv = reference.conv2d(x, w)
        pool = reference.max_pool2d(x, 3, 2, 1)
        product = reference.linear(rows, matrix)
        start.wait(timeout=30)
        for turn in range(60):
            threads = 1 + (number + turn) % 4
            result = F.conv2d(x, w, threads=threads, precision="strict")
            np.testing.assert_array_equal(result, conv)
            np.testing.assert_array_equal(F.max_pool2d(x, 3, 2, 1, threads=threads), pool)
            np.testing.assert_array_equal(F.linear(rows, matrix, threads=threads), product)
            np.testing.assert_array_equal(F.relu(x), np.maximum(x, 0))
            how = {"padding": 1, "threads": threads, "precision": "strict"}
            result = F.conv2d(shared_x, shared_w, **how)
            np.testing.assert_array_equal(result, shared)
            if turn % 20 == 7:
                fastconv.empty_cache()
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(caller, range(8), timeout=300)) == list(range(8))


def test_many_callers_of_a_shape_that_none_has_seen():
    """All meet the plan cache at once, with a shape that is new to it."""
    start = threading.Barrier(8)

    def caller(number):
        results = []
        for width in range(700, 720):
            x = np.full((1, 2, 4, width), number, np.float32)
            w = np.ones((3, 2, 3, 3), np.float32)
            start.wait(timeout=30)
            results.append(np.all(F.conv2d(x, w) == 18 * number))
        return all(results)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(caller, range(8), timeout=120))


def test_threads_rest_between_calls():
    """GNU's OpenMP lets its threads spin for some milliseconds after a parallel region, in case
    another follows, and then puts them to sleep."""
    code = """
    import time
    import numpy as np
    import fastconv.functional as F
    x, w = np.ones((1, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)
    for _ in range(5):
        F.conv2d(x, w, padding=1, threads=2)
    time.sleep(0.2)
    before = time.process_time()
    time.sleep(1)
    print(time.process_time() - before)
    """
    busy = float(children.run(code, OMP_WAIT_POLICY=None, GOMP_SPINCOUNT=None))
    assert busy < 0.01, f"{busy} s of a second in which nothing is to do"


def test_the_interpreter_goes_on_meanwhile():
    """Another Python thread runs while one is inside a long convolution: the GIL is released."""
    batch = 1
    while True:
        x, w = np.ones((batch, 64, 64, 64), np.float32), np.ones((64, 64, 5, 5), np.float32)
        out = np.empty((batch, 64, 60, 60), np.float32)
        ready, done = threading.Event(), threading.Event()
        span = []

        def convolve(x=x, w=w, out=out, ready=ready, done=done, span=span):
            ready.set()
            begin = time.perf_counter()
            F.conv2d(x, w, threads=1, out=out)
            span.extend((begin, time.perf_counter()))
            done.set()

        worker = threading.Thread(target=convolve)
        worker.start()
        ready.wait()
        moments = []
        while not done.is_set():
            moments.append(time.perf_counter())
            time.sleep(0.001)
        worker.join()
        begin, end = span
        if end - begin > 0.25:
            break
        batch *= 2
    # Counted well inside the call, so that what runs before and after it is not.
    margin = (end - begin) / 10
    inside = sum(begin + margin < moment < end - margin for moment in moments)
    assert inside >= 10, f"{inside} steps of another thread in {end - begin:.2f} s"


# --- floating-point state ------------------------------------------------------------------------

FLUSH_TO_ZERO, DENORMALS_ARE_ZERO = 1 << 15, 1 << 6
STICKY_FLAGS = 0x3F
ROUNDING = 0x6000
ALL_MASKED = 0x1F80


@pytest.mark.parametrize("threads", COUNTS)
def test_subnormals_are_flushed_inside_for_float32_alone(threads):
    inside32 = _core._fp_control_inside("float32", threads)
    inside64 = _core._fp_control_inside("float64", threads)
    assert len(inside32) == len(inside64) == threads
    flush = FLUSH_TO_ZERO | DENORMALS_ARE_ZERO
    assert {control & ~STICKY_FLAGS for control in inside32} == {ALL_MASKED | flush}
    assert {control & ~STICKY_FLAGS for control in inside64} == {ALL_MASKED}


@every_dtype
def test_the_callers_state_is_as_before(dtype):
    before = _core._fp_control()
    assert before & (FLUSH_TO_ZERO | DENORMALS_ARE_ZERO) == 0
    for call, shape in OPERATIONS.values():
        for threads in (1, 2):
            call(normal(1, *shape, dtype=dtype), threads)
            assert _core._fp_control() == before
    # And so Python's own arithmetic keeps its subnormals.
    assert np.float32(1e-40) * np.float32(0.5) > 0


@every_dtype
def test_sticky_flags_of_the_caller_are_as_before(dtype):
    """An overflow inside leaves no flag outside, and a flag that was set stays."""
    largest = np.finfo(dtype).max
    x = np.full((1, 8, 9, 9), largest, dtype)
    before = _core._fp_control()
    with np.errstate(all="ignore"):
        F.conv2d(x, np.full((4, 8, 3, 3), largest, dtype), activation="sigmoid")
    assert _core._fp_control() == before


def test_the_callers_rounding_mode_is_kept_and_does_not_reach_inside():
    libm = ctypes.CDLL("libm.so.6")
    upward = 0x800
    x, w = normal(1, 16, 20, 20), normal(16, 16, 3, 3)
    nearest = F.conv2d(x, w, threads=2)
    assert libm.fesetround(upward) == 0
    try:
        set_to = _core._fp_control()
        rounded_up = F.conv2d(x, w, threads=2)
        after = _core._fp_control()
    finally:
        libm.fesetround(0)
    assert set_to & ROUNDING == 0x4000
    assert after == set_to
    assert rounded_up.tobytes() == nearest.tobytes()


def test_state_in_another_python_thread():
    def worker():
        before = _core._fp_control()
        F.conv2d(normal(4, 32, 40, 40), normal(32, 32, 3, 3), threads=2)
        return before, _core._fp_control()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        before, after = pool.submit(worker).result(timeout=60)
    assert after == before
    assert before & (FLUSH_TO_ZERO | DENORMALS_ARE_ZERO) == 0
