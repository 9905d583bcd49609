"""Memory: failing allocations, the pool of results, page faults, and no leaks."""

import gc
import mmap
import os
import resource
import threading

import children
import numpy as np
import pytest
import sweeps
from engine import POOLED_BYTES, poison_pool, poisoned

import fastconv
import fastconv.functional as F
from fastconv import _core, reference

MOST_ALLOCATIONS = 50  # of one call; each of a few blocks at most


def image(*shape, dtype=np.float32):
    return sweeps.integers(shape, shape, dtype=dtype)


CALLS = {
    "conv2d direct": lambda out=None, d=np.float32: F.conv2d(
        image(1, 17, 30, 31, dtype=d), image(33, 17, 3, 3, dtype=d), padding=1, threads=2, out=out
    ),
    "conv2d 1x1": lambda out=None, d=np.float32: F.conv2d(
        image(1, 17, 30, 31, dtype=d), image(33, 17, 1, 1, dtype=d), threads=2, out=out
    ),
    "conv2d im2col": lambda out=None, d=np.float32: F.conv2d(
        image(1, 17, 30, 31, dtype=d),
        image(33, 17, 3, 3, dtype=d),
        algorithm="im2col",
        threads=2,
        out=out,
    ),
    "conv2d depthwise": lambda out=None, d=np.float32: F.conv2d(
        image(1, 17, 30, 31, dtype=d), image(17, 1, 3, 3, dtype=d), groups=17, threads=2, out=out
    ),
    "conv2d of a view": lambda out=None, d=np.float32: F.conv2d(
        image(31, 30, 17, 1, dtype=d).T, image(3, 3, 17, 33, dtype=d).T, threads=2, out=out
    ),
    "max_pool2d": lambda out=None, d=np.float32: F.max_pool2d(
        image(1, 9, 60, 60, dtype=d), 3, 1, 1, threads=2, out=out
    ),
    "max_pool2d of a view": lambda out=None, d=np.float32: F.max_pool2d(
        image(60, 60, 9, 1, dtype=d).T, 3, 1, 1, threads=2, out=out
    ),
    "avg_pool2d": lambda out=None, d=np.float32: F.avg_pool2d(
        image(1, 9, 60, 60, dtype=d), 3, 1, 1, threads=2, out=out
    ),
    "global_avg_pool2d": lambda out=None, d=np.float32: F.global_avg_pool2d(
        image(99, 99, 5, 5, dtype=d), out=out
    ),
    "linear": lambda out=None, d=np.float32: F.linear(
        image(40, 257, dtype=d), image(260, 257, dtype=d), threads=2, out=out
    ),
    "softmax": lambda out=None, d=np.float32: F.softmax(
        image(40, 30, 30, dtype=d), 1, threads=2, out=out
    ),
    "relu": lambda out=None, d=np.float32: F.relu(image(40, 900, dtype=d), threads=2, out=out),
    "conv_transpose2d": lambda out=None, d=np.float32: F.conv_transpose2d(
        image(1, 17, 15, 16, dtype=d), image(17, 9, 3, 3, dtype=d), stride=2, threads=2, out=out
    ),
    "conv2d with a reflected border": lambda out=None, d=np.float32: F.conv2d(
        image(1, 17, 30, 31, dtype=d),
        image(33, 17, 3, 3, dtype=d),
        padding=1,
        padding_mode="reflect",
        threads=2,
        out=out,
    ),
    "adaptive_avg_pool2d": lambda out=None, d=np.float32: F.adaptive_avg_pool2d(
        image(1, 9, 60, 60, dtype=d), 7, threads=2, out=out
    ),
    "lp_pool2d": lambda out=None, d=np.float32: F.lp_pool2d(
        image(1, 9, 60, 60, dtype=d), 2, 3, threads=2, out=out
    ),
    "batch_norm": lambda out=None, d=np.float32: F.batch_norm(
        image(2, 9, 40, 40, dtype=d), *np.ones((2, 9), d), threads=2, out=out
    ),
    "local_response_norm": lambda out=None, d=np.float32: F.local_response_norm(
        image(2, 9, 40, 40, dtype=d), 5, threads=2, out=out
    ),
    "unfold": lambda out=None, d=np.float32: F.unfold(
        image(1, 9, 30, 30, dtype=d), 3, threads=2, out=out
    ),
    "fold": lambda out=None, d=np.float32: F.fold(
        image(1, 81, 1600, dtype=d), 42, 3, threads=2, out=out
    ),
    "interpolate": lambda out=None, d=np.float32: F.interpolate(
        image(1, 9, 30, 30, dtype=d), 45, mode="bilinear", threads=2, out=out
    ),
}


def in_use():
    return fastconv.memory_stats()["in_use_bytes"]


def failing_calls(call, out=None):
    """Let the 1st, 2nd, … allocation of the call fail until it succeeds; return (result, how
    many failed)."""
    for nth in range(1, MOST_ALLOCATIONS):
        before = in_use()
        fastconv.empty_cache()  # so that the pool must allocate anew
        _core._fail_allocation(nth)
        try:
            result = call(out=out)
        except MemoryError as error:
            message = str(error)
        else:
            _core._fail_allocation(0)
            return result, nth - 1
        assert len(message) > 20, "a MemoryError must say which operation and what it lacked"
        assert in_use() == before, "a failed call keeps memory"
        if out is not None:
            assert np.isnan(out).all(), "a failed call writes"
    raise AssertionError(f"fails even if allocation {nth} is the one that does not succeed")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=["f16", "f32", "f64"])
@pytest.mark.parametrize("name", CALLS)
def test_every_allocation_may_fail(name, dtype):
    """MemoryError, nothing kept, nothing written; and afterwards all is well."""

    def call(out=None):
        return CALLS[name](out=out, d=dtype)

    expected = call()
    result, failures = failing_calls(call)
    np.testing.assert_array_equal(result, expected)
    assert failures >= 1, "no allocation of the result was counted"
    out = poisoned(expected.shape, dtype)
    result, _ = failing_calls(call, out)
    assert result is out
    np.testing.assert_array_equal(out, expected)


def test_a_new_plan_may_fail_to_be_made():
    """Shapes that no cache knows yet: the failure may strike the plan and the cache itself."""
    failures = 0
    for width in range(200, 230):
        x, w = image(1, 3, 5, width), image(4, 3, 3, 3)
        _core._fail_allocation(1 + width % 3)
        try:
            result = F.conv2d(x, w)
        except MemoryError:
            failures += 1
            _core._fail_allocation(0)
            result = F.conv2d(x, w)
        _core._fail_allocation(0)
        np.testing.assert_array_equal(result, reference.conv2d(x, w))
    assert failures >= 10


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=["f16", "f32", "f64"])
@pytest.mark.parametrize("name", CALLS)
def test_calls_leave_nothing_behind(name, dtype):
    for _ in range(3):
        CALLS[name](d=dtype)
    before = in_use()
    for _ in range(20):
        CALLS[name](d=dtype)
    assert in_use() == before


def test_refused_calls_leave_nothing_behind():
    before = in_use()
    x, w = image(1, 17, 64, 64), image(33, 17, 3, 3)
    for _ in range(20):
        with pytest.raises(ValueError, match="conv2d"):
            F.conv2d(x, w, algorithm="1x1")
        with pytest.raises(ValueError, match="conv2d"):
            F.conv2d(x, w, residual=x)
    assert in_use() == before


# --- results and their memory --------------------------------------------------------------------


def large(value=1.0):
    """A result in the pool's memory, filled with the value."""
    return F.relu(np.full(POOLED_BYTES, value, np.float32))


def overwrite_free_memory():
    """Take what memory is free, several times over, and fill it."""
    for _ in range(3):
        keep = [large(7.0) for _ in range(8)]
        for array in keep:
            array.fill(-9.0)


ALIASES = {
    "the array": lambda a: a,
    "a slice": lambda a: a[5:],
    "a view of a view": lambda a: a.reshape(2, -1)[1][3:],
    "another dtype's view": lambda a: a.view(np.int32),
    "a reversed view": lambda a: a[::-1],
    "a memoryview": memoryview,
    "a memoryview's slice": lambda a: memoryview(a)[4:],
    "DLPack": lambda a: np.from_dlpack(a),
    "a DLPack view's view": lambda a: np.from_dlpack(a)[::3],
    "np.frombuffer": lambda a: np.frombuffer(a, np.float32),
    "a ctypes pointer": lambda a: np.ctypeslib.as_array(np.ctypeslib.as_ctypes(a)),
    "an iterator": lambda a: a.flat,
}


@pytest.mark.parametrize("make", ALIASES.values(), ids=ALIASES)
def test_memory_returns_to_the_pool_after_the_last_alias(make):
    before = in_use()
    result = large()
    assert in_use() > before
    alias = make(result)
    expected = np.array(alias).tobytes()
    del result
    assert in_use() > before, "the pool took the memory back while an alias lives"
    overwrite_free_memory()
    assert np.array(alias).tobytes() == expected
    del alias
    assert in_use() == before


def test_results_are_ordinary_arrays():
    for result in (large(), F.relu(np.ones(4, np.float32))):
        assert type(result) is np.ndarray
        assert result.flags.c_contiguous
        assert result.flags.aligned
        assert result.flags.writeable
        result += 1
        np.testing.assert_array_equal(result, 2)


def test_two_results_share_nothing():
    x = np.ones(POOLED_BYTES, np.float32)
    results = [F.relu(x) for _ in range(10)] + [F.max_pool2d(x.reshape(1, 1, 128, 256), 1)]
    for i, one in enumerate(results):
        assert not np.shares_memory(one, x)
        for other in results[i + 1 :]:
            assert not np.shares_memory(one, other)


def test_results_may_die_in_another_thread():
    before = in_use()
    results = [large() for _ in range(50)]
    threads = [threading.Thread(target=results.pop) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not results
    assert in_use() == before


def test_results_in_a_reference_cycle_are_collected():
    before = in_use()
    cycle = [large()]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert in_use() == before


def test_results_outlive_the_interpreter_cleanly():
    """Arrays that die while modules are torn down, and ones that never do."""
    code = """
    import atexit, sys, threading
    import numpy as np
    import fastconv.functional as F
    x = np.ones(100_000, np.float32)
    module_level = F.relu(x)
    sys.kept = F.relu(x)
    cycle = [F.relu(x)]
    cycle.append(cycle)
    class Late:
        def __del__(self, relu=F.relu, x=x, w=np.ones((3, 1, 3, 3), np.float32), conv=F.conv2d):
            self.result = relu(x)
    late = Late()
    atexit.register(lambda kept=F.relu(x): kept.sum())
    threading.Thread(target=lambda: F.relu(x), daemon=True).start()
    print("end")
    """
    done = children.run_unchecked(code)
    assert done.returncode == 0, children.describe(done)
    assert done.stdout == "end\n"
    assert done.stderr == ""


def test_the_pool_counts():
    fastconv.empty_cache()
    start = fastconv.memory_stats()
    assert set(start) == {
        "in_use_bytes",
        "cached_bytes",
        "peak_bytes",
        "limit_bytes",
        "hits",
        "misses",
    }
    assert start["cached_bytes"] == 0
    first = large()
    taken = fastconv.memory_stats()
    assert taken["in_use_bytes"] - start["in_use_bytes"] >= first.nbytes
    assert taken["misses"] > start["misses"]
    assert taken["peak_bytes"] >= taken["in_use_bytes"]
    address = first.ctypes.data
    del first
    given_back = fastconv.memory_stats()
    assert given_back["in_use_bytes"] == start["in_use_bytes"]
    assert given_back["cached_bytes"] >= 4 * POOLED_BYTES
    again = large()
    assert again.ctypes.data == address
    reused = fastconv.memory_stats()
    assert reused["hits"] > given_back["hits"]
    assert reused["misses"] == given_back["misses"]
    del again
    fastconv.empty_cache()
    assert fastconv.memory_stats()["cached_bytes"] == 0


def test_the_pool_keeps_to_its_limit():
    limit = fastconv.memory_stats()["limit_bytes"]
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < limit <= physical // 4
    results = [large() for _ in range(100)]
    del results
    stats = fastconv.memory_stats()
    assert stats["in_use_bytes"] + stats["cached_bytes"] <= limit


def test_many_shapes_do_not_pile_up():
    """Scratch, plans and cached results stay bounded however many shapes are seen."""
    w = image(5, 3, 3, 3)

    def see(widths):
        for width in widths:
            F.conv2d(image(1, 3, 5, width), w)

    see(range(3, 1500))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plans = _core._plan_count()
    see(range(1500, 4500))
    assert _core._plan_count() <= max(plans, 1500)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 16 * 1024, f"{grown} KiB for 3000 shapes"


EVERY_OPERATION = {
    "conv2d": lambda x, w: F.conv2d(x, w, padding=1),
    "conv_transpose2d": lambda x, w: F.conv_transpose2d(x, w, stride=2),
    "max_pool2d": lambda x, w: F.max_pool2d(x, 2, return_indices=True)[0],
    "adaptive_avg_pool2d": lambda x, w: F.adaptive_avg_pool2d(x, 3),
    "local_response_norm": lambda x, w: F.local_response_norm(x, 3),
    "batch_norm": lambda x, w: F.batch_norm(x, *np.ones((2, 4), np.float32)),
    "log_softmax": lambda x, w: F.log_softmax(x, 1),
    "gelu": lambda x, w: F.gelu(x),
    "pad and unfold": lambda x, w: F.unfold(F.pad(x, (1, 1, 1, 1), "circular"), 3),
    "interpolate": lambda x, w: F.interpolate(x, scale_factor=1.5, mode="bilinear"),
}


def test_three_thousand_calls_of_three_hundred_shapes_leave_memory_flat():
    w = image(4, 4, 3, 3)
    images = [image(1, 4, 8 + i % 20, 9 + i // 20) for i in range(300)]

    def see_all():
        for x in images:
            for call in EVERY_OPERATION.values():
                call(x, w)

    see_all()
    gc.collect()
    before, held, plans = resident(), in_use(), _core._plan_count()
    see_all()
    gc.collect()
    assert in_use() == held
    assert _core._plan_count() == plans
    assert resident() - before < 2**20, "more than 1 MiB for 3,000 calls already made once"


def resident():
    """Bytes of this process in physical memory."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * mmap.PAGESIZE


MIB_CALLS = {
    "conv2d": lambda x, w: F.conv2d(x, w, padding=1),
    "conv2d 1x1": lambda x, w: F.conv2d(x, np.ascontiguousarray(w[:, :, :1, :1])),
    "max_pool2d": lambda x, w: F.max_pool2d(x, 3, 1, 1),
    "avg_pool2d": lambda x, w: F.avg_pool2d(x, 3, 1, 1),
    "linear": lambda x, w: F.linear(x.reshape(-1, 16), w.reshape(-1, 16)[:33]),
    "relu": lambda x, w: F.relu(x),
    "softmax": lambda x, w: F.softmax(x, 1),
    "conv_transpose2d": lambda x, w: F.conv_transpose2d(x, w, padding=1),
    "lp_pool2d": lambda x, w: F.lp_pool2d(x, 2, 1),
    "adaptive_max_pool2d": lambda x, w: F.adaptive_max_pool2d(x, 128),
    "batch_norm": lambda x, w: F.batch_norm(x, w[0, :, 0, 0], abs(w[1, :, 0, 0])),
    "local_response_norm": lambda x, w: F.local_response_norm(x, 5),
    "gelu": lambda x, w: F.gelu(x),
    "pad": lambda x, w: F.pad(x, (1, 1, 1, 1), "reflect"),
    "unfold": lambda x, w: F.unfold(x, 2),
    "fold": lambda x, w: F.fold(x.reshape(1, 16, -1), 128, 1),
    "interpolate": lambda x, w: F.interpolate(x, 128, mode="bilinear"),
}


def faults_of(call, times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        call()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.sweep
@pytest.mark.parametrize("name", MIB_CALLS)
def test_repeated_calls_touch_no_new_pages(name):
    """A result of 1 MiB in fresh memory would cost 256 page faults a call."""
    x, w = image(1, 16, 128, 128), image(16, 16, 3, 3)

    def call():
        return MIB_CALLS[name](x, w)

    assert call().nbytes >= 2**20
    for _ in range(20):
        call()
    gc.collect()
    for _ in range(3):  # for the interpreter itself touches a page now and then
        faults = faults_of(call, 100)
        if faults <= 5:
            break
    assert faults <= 5, f"{faults} page faults in 100 calls"


def test_the_count_of_faults_counts():
    """Fresh pages of NumPy's are seen by the measure that the test above relies on."""

    def call():
        np.frombuffer(mmap.mmap(-1, 2**20), np.uint8)[:: mmap.PAGESIZE] = 1

    assert faults_of(call, 10) > 100


def test_poison_is_what_comes_next():
    """The pool hands out memory that the sweeps poisoned: NaN is what a forgotten store leaves."""
    poison_pool()
    before = fastconv.memory_stats()
    result = F.relu(np.ones(POOLED_BYTES // 4, np.float32))
    after = fastconv.memory_stats()
    assert after["hits"] > before["hits"]
    np.testing.assert_array_equal(result, 1)


@pytest.mark.slow
def test_vgg16_fits_900_megabytes():
    """All of a process that makes the network and has it look at one image."""
    code = """
    import resource
    import numpy as np
    from fastconv import models, nn, no_grad
    net = models.create("vgg16").eval()
    with no_grad():
        net(np.zeros((1, 3, 224, 224), np.float32))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
    assert int(children.run(code, timeout=120)) <= 900 * 1024  # KiB
