"""Smoke tests of the public Python API: every operation once against the reference, and the
promises of the layer between NumPy and the engine (arrays in and out, errors, threads, memory,
explain, environment variables)."""

import asyncio
import gc
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import _core, reference

RNG = np.random.default_rng(7)


def integers(*shape, dtype=np.float32):
    """Small integers, whose sums are exact in every dtype."""
    return RNG.integers(-3, 4, size=shape).astype(dtype)


X = integers(2, 4, 9, 8)
W = integers(6, 2, 3, 3)
LINE = integers(2, 4, 11)
CALLS = {
    "conv2d": ((X, W), {"bias": integers(6), "padding": 1, "groups": 2, "activation": "relu"}),
    "convolve2d": ((X, W), {"padding": 1, "groups": 2, "padding_mode": "reflect"}),
    "conv1d": ((LINE, integers(6, 2, 3)), {"bias": integers(6), "padding": 1, "groups": 2}),
    "conv_transpose2d": ((X, integers(4, 3, 3, 2)), {"groups": 2, "stride": 2}),
    "conv_transpose1d": ((LINE, integers(4, 3, 5)), {"bias": integers(3), "stride": (3,)}),
    "max_pool2d": ((X, 3), {"stride": 2, "padding": 1, "return_indices": True}),
    "avg_pool2d": ((X, 3), {"stride": 2, "padding": 1, "ceil_mode": True}),
    "pad": ((X, (1, 2, 3, 0)), {"value": 2.0}),
    "unfold": ((X, (2, 3)), {"padding": 1}),
    "fold": ((integers(2, 12, 56), (9, 8), (2, 2)), {}),
    "interpolate": ((X,), {"scale_factor": (1.5, 0.5), "mode": "bilinear"}),
    "max_pool1d": ((LINE, 3), {"stride": 2, "padding": 1, "return_indices": True}),
    "avg_pool1d": ((LINE, 3), {"stride": 2, "padding": 1, "ceil_mode": True}),
    "lp_pool1d": ((LINE, 2, 3), {"stride": 1}),
    "lp_pool2d": ((X, 2, (2, 3)), {"ceil_mode": True}),
    "adaptive_avg_pool1d": ((LINE, 4), {}),
    "adaptive_max_pool1d": ((LINE, 4), {"return_indices": True}),
    "adaptive_avg_pool2d": ((X, (2, 3)), {}),
    "adaptive_max_pool2d": ((X, (4, None)), {"return_indices": True}),
    "max_unpool2d": ((X, np.arange(72 * 8).reshape(X.shape) % 288, 2), {}),
    "max_unpool1d": ((LINE, np.arange(88).reshape(LINE.shape) % 22, 2), {}),
    "global_avg_pool2d": ((X,), {}),
    "global_max_pool2d": ((X,), {}),
    "linear": ((integers(2, 3, 5), integers(4, 5), integers(4)), {"activation": "relu6"}),
    "relu": ((X,), {}),
    "relu6": ((X,), {}),
    "sigmoid": ((X,), {}),
    "tanh": ((X,), {}),
    "silu": ((X,), {}),
    "hardsigmoid": ((X,), {}),
    "hardswish": ((X,), {}),
    "gelu": ((X,), {"approximate": "tanh"}),
    "leaky_relu": ((X,), {"negative_slope": 0.25}),
    "elu": ((X, 0.5), {}),
    "softplus": ((X,), {"beta": 2.0}),
    "prelu": ((X, integers(4)), {}),
    "softmax": ((X, 1), {}),
    "log_softmax": ((X, 1), {}),
    "batch_norm": ((X, integers(4), abs(integers(4))), {"weight": integers(4), "eps": 1.0}),
    "local_response_norm": ((X, 3), {"alpha": 0.5, "window": "onnx"}),
}


def cast(arguments, dtype):
    return [
        a.astype(dtype) if isinstance(a, np.ndarray) and a.dtype != np.int64 else a
        for a in arguments
    ]


def first(result):
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", ">f8"])
@pytest.mark.parametrize("op", CALLS)
def test_agrees_with_reference(op, dtype):
    args, kwargs = CALLS[op]
    args = cast(args, dtype)
    kwargs = dict(zip(kwargs, cast(kwargs.values(), dtype), strict=True))
    result = getattr(F, op)(*args, **kwargs)
    expected = getattr(reference, op)(*args, **kwargs)
    tolerance = {"float16": 2e-3, "float32": 2e-6, "float64": 1e-14}[np.dtype(dtype).name]
    assert first(result).dtype == np.dtype(dtype).newbyteorder("=")
    assert first(result).flags.c_contiguous
    assert first(result).flags.writeable
    np.testing.assert_allclose(first(result), first(expected), rtol=tolerance, atol=tolerance)
    if op == "max_pool2d":
        assert result[1].dtype == np.int64
        np.testing.assert_array_equal(result[1], expected[1])


@pytest.mark.parametrize("op", CALLS)
def test_explain_trace_and_call_agree(op):
    args, kwargs = CALLS[op]
    explanation = fastconv.explain(op, *args, threads=1, **kwargs)
    record = []
    _core._trace(record)
    try:
        getattr(F, op)(*args, threads=1, **kwargs)
    finally:
        _core._trace(None)
    assert record == [(op, explanation.algorithm, explanation.tier, 1)]
    assert explanation.ms is None
    assert explanation.algorithm in str(explanation)


def test_explain_measures():
    explanation = fastconv.explain(F.conv2d, X, W, groups=2, measure=True, threads=1)
    assert explanation.ms > 0
    assert explanation.gflops > 0
    assert explanation.peak_gflops > 0
    assert explanation.percent_of_peak == pytest.approx(
        100 * explanation.gflops / explanation.peak_gflops
    )
    with pytest.raises(AttributeError):
        explanation.ms = 0
    with pytest.raises(ValueError, match="empty"):
        fastconv.explain("relu", X[:0], measure=True)
    with pytest.raises(ValueError, match="expected one of adaptive_avg_pool1d"):
        fastconv.explain("conv3d", X)
    with pytest.raises(TypeError, match=r"^relu: "):
        fastconv.explain("relu")


# ---- arrays in and out


def layouts(a):
    """The same values, laid out in other ways."""
    every_other = (slice(None, None, 2),) * a.ndim
    spread = np.full([2 * n for n in a.shape], 99, a.dtype)[every_other]
    spread[...] = a
    misaligned = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    misaligned[...] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    channels_last = np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    record = np.zeros(a.shape, [("value", a.dtype), ("pad", np.int16)])["value"]
    record[...] = a
    backwards = np.ascontiguousarray(a[..., ::-1, ::-1])[..., ::-1, ::-1]
    return [spread, misaligned, frozen, channels_last, record, backwards, np.asfortranarray(a)]


@pytest.mark.parametrize("op", ["conv2d", "max_pool2d", "relu", "softmax", "linear"])
def test_input_layouts_and_out_layouts(op):
    args, kwargs = CALLS[op]
    kwargs = {k: v for k, v in kwargs.items() if k != "return_indices"}
    expected = getattr(F, op)(*args, **kwargs)
    for i, other in enumerate(args):
        if isinstance(other, np.ndarray) and other.ndim > 1:
            for same in layouts(other):
                result = getattr(F, op)(*args[:i], same, *args[i + 1 :], **kwargs)
                np.testing.assert_array_equal(result, expected)
    for out in layouts(np.full_like(expected, np.nan)):
        if out.flags.writeable:
            assert getattr(F, op)(*args, out=out, **kwargs) is out
            np.testing.assert_array_equal(out, expected)


def test_unbatched_and_empty():
    np.testing.assert_array_equal(F.conv2d(X[0], W, groups=2), F.conv2d(X, W, groups=2)[0])
    assert F.conv2d(X[:0], W, groups=2).shape == (0, 6, 7, 6)
    assert F.max_pool2d(X[:0], 2, return_indices=True)[1].shape == (0, 4, 4, 4)
    assert F.linear(np.zeros((0, 3)), np.zeros((2, 3))).shape == (0, 2)
    assert F.softmax(np.zeros((3, 0)), 1).shape == (3, 0)
    assert F.relu(np.array(-1.0)).shape == ()


def test_float16_overflows_in_silence():
    big = np.full((1, 1, 2, 2), 6e4, np.float16)
    with np.errstate(all="raise"):
        assert np.isposinf(F.conv2d(big, np.ones_like(big))).all()


def test_overlapping_out_is_refused_and_untouched():
    storage = integers(2, 4, 9, 8)
    before = storage.copy()
    for out in (storage, storage[::-1]):
        with pytest.raises(ValueError, match=r"^relu: out shares memory with input"):
            F.relu(storage, out=out)
    with pytest.raises(ValueError, match="out shares memory with residual"):
        F.conv2d(X, np.ones((4, 4, 1, 1), np.float32), residual=storage, out=storage)
    np.testing.assert_array_equal(storage, before)
    # Interleaved: within each other's bounds, and yet apart.
    F.relu(storage[:, 0::2], out=storage[:, 1::2])
    np.testing.assert_array_equal(storage[:, 1::2], np.maximum(before[:, 0::2], 0))


def test_large_results_live_in_the_pool_until_their_last_view_dies():
    gc.collect()
    start = fastconv.memory_stats()["in_use_bytes"]
    big = np.ones((1, 64, 64), np.float32)
    result = F.relu(np.concatenate([big] * 4))
    view = memoryview(result[1:2])
    assert not result.flags.owndata
    assert result.flags.writeable
    assert result.ctypes.data % 64 == 0
    held = fastconv.memory_stats()["in_use_bytes"]
    assert held >= start + 4 * big.nbytes
    del result
    assert fastconv.memory_stats()["in_use_bytes"] == held
    capsule_owner = np.from_dlpack(np.asarray(view))
    del view
    assert fastconv.memory_stats()["in_use_bytes"] == held
    worker = threading.Thread(target=lambda a: None, args=(capsule_owner,))
    del capsule_owner
    worker.start()
    worker.join()
    del worker
    gc.collect()
    assert fastconv.memory_stats()["in_use_bytes"] == start
    fastconv.empty_cache()
    assert fastconv.memory_stats()["cached_bytes"] == 0


@pytest.mark.parametrize("nth", range(1, 6))
def test_out_of_memory_leaves_out_untouched(nth):
    x, w = integers(1, 16, 40, 40, dtype=">f4"), integers(16, 16, 3, 3)
    fastconv.empty_cache()
    out = np.full((1, 16, 38, 38), 5, np.float32)[:, :, ::-1]  # backwards: through a temporary
    _core._fail_allocation(nth)
    failure = None
    try:
        F.conv2d(x, w, out=out, threads=1)
    except MemoryError as error:
        failure = str(error)
    finally:
        _core._fail_allocation(0)
    if failure is not None:
        assert failure.startswith("conv2d: ")
        assert (out == 5).all()
    assert failure is not None or nth > 2  # the converted input and the temporary at the least
    np.testing.assert_array_equal(F.conv2d(x, w, out=out, threads=1), F.conv2d(x, w, threads=1))


def test_plan_cache_is_bounded_and_plans_survive_eviction():
    x = integers(1, 1, 1, 4)
    counts = []
    for columns in (4, 3):
        for rows in range(1, 700):
            F.conv2d(np.broadcast_to(x[..., :columns], (1, 1, rows, columns)), W[:1, :1, :1])
        counts.append(_core._plan_count())
    assert counts[0] == counts[1] <= 2112  # what all operations may keep together


# ---- errors

ERRORS = [
    (TypeError, r"conv2d: input must be a numpy.ndarray, not list", lambda: F.conv2d([1.0], W)),
    (TypeError, r"conv2d: input has dtype int64", lambda: F.conv2d(X.astype(np.int64), W)),
    (TypeError, r"relu: input has dtype longdouble|relu: input has dtype float", lambda: F.relu(
        X.astype(np.longdouble))),
    (TypeError, r"conv2d: weight has dtype float64 but input has dtype float32",
     lambda: F.conv2d(X, W.astype(float))),
    (ValueError, r"conv2d: input has 2 dimensions", lambda: F.conv2d(X[0, 0], W)),
    (ValueError, (r"conv2d: weight has 2 input channels per group but input has 4 channels and "
     r"groups=1; give groups=2, or weight of shape \(6, 4, 3, 3\)"), lambda: F.conv2d(X, W)),
    (ValueError, r"conv2d: groups=2 does not divide weight's 5 output channels",
     lambda: F.conv2d(X, W[:5], groups=2)),
    (ValueError, r"conv2d: groups=3 does not divide input's 4 channels",
     lambda: F.conv2d(X, W, groups=3)),
    (ValueError, r"conv2d: stride is 0", lambda: F.conv2d(X, W, stride=0, groups=2)),
    (ValueError, r"conv2d: stride\[1\] is -1",
     lambda: F.conv2d(X, W, stride=(1, -1), groups=2)),
    (TypeError, r"conv2d: stride must be an int.*not float 1.5",
     lambda: F.conv2d(X, W, stride=1.5, groups=2)),
    (TypeError, r"conv2d: stride must be an int, not bool True",
     lambda: F.conv2d(X, W, stride=True, groups=2)),
    (ValueError, r"conv2d: stride has 3 values", lambda: F.conv2d(X, W, stride=(1, 1, 1))),
    (ValueError, r"conv2d: stride is 9223372036854775808, which is too large",
     lambda: F.conv2d(X, W, stride=2**63, groups=2)),
    (ValueError, r"conv2d: padding is -1", lambda: F.conv2d(X, W, padding=-1, groups=2)),
    (ValueError, r"conv2d: padding is 'full', expected one of 'valid', 'same', 'same_lower'",
     lambda: F.conv2d(X, W, padding="full", groups=2)),
    (ValueError, r"conv2d: weight spans 33 pixels of height .* but input has 9 ",
     lambda: F.conv2d(X, W, dilation=16, groups=2)),
    (ValueError, r"conv2d: the result of shape .* is too large",
     lambda: F.conv2d(X, W, padding=2**40, groups=2)),
    (ValueError, r"conv2d: bias has shape \(5,\), expected \(6,\)",
     lambda: F.conv2d(X, W, np.zeros(5, np.float32), groups=2)),
    (ValueError, r"conv2d: residual has shape \(1,\) but the result has \(2, 6, 7, 6\)",
     lambda: F.conv2d(X, W, groups=2, residual=np.zeros(1, np.float32))),
    (ValueError, r"conv2d: activation is 'selu', expected None or one of 'relu', 'relu6'",
     lambda: F.conv2d(X, W, activation="selu")),
    (TypeError, r"conv2d: algorithm must be a str", lambda: F.conv2d(X, W, algorithm=1)),
    (ValueError, r"conv2d: algorithm 'depthwise' does not take this shape: \w",
     lambda: F.conv2d(X, W, groups=2, algorithm="depthwise")),
    (ValueError, r"conv2d: threads is 0", lambda: F.conv2d(X, W, threads=0)),
    (TypeError, r"relu: threads must be an int", lambda: F.relu(X, threads=2.0)),
    (TypeError, r"relu: out must be a numpy.ndarray", lambda: F.relu(X, out=[])),
    (TypeError, r"relu: out has dtype <f8, expected float32", lambda: F.relu(
        X, out=np.empty(X.shape))),
    (TypeError, r"relu: out has dtype >f4", lambda: F.relu(X, out=np.empty(X.shape, ">f4"))),
    (ValueError, r"relu: out has shape", lambda: F.relu(X, out=np.empty((1,), np.float32))),
    (ValueError, r"relu: out is read-only", lambda: F.relu(
        X, out=np.broadcast_to(np.float32(0), X.shape))),
    (ValueError, r"max_pool2d: padding is \(2, 2\) but kernel_size is \(3, 3\)",
     lambda: F.max_pool2d(X, 3, padding=2)),
    (ValueError, r"max_pool2d: input has shape", lambda: F.max_pool2d(X[:, :0], 2)),
    (TypeError, r"max_pool2d: ceil_mode must be a bool, not int 1; give True or False",
     lambda: F.max_pool2d(X, 2, ceil_mode=1)),
    (ValueError, r"avg_pool2d: divisor_override is 0",
     lambda: F.avg_pool2d(X, 2, divisor_override=0)),
    (ValueError, r"linear: input has 8 features", lambda: F.linear(X, W[0, 0])),
    (ValueError, r"softmax: dim is 4 but input has 4 dimensions", lambda: F.softmax(X, 4)),
    (TypeError, r"softmax: dim must be an int", lambda: F.softmax(X, None)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "call"), ERRORS)
def test_errors(kind, message, call):
    with pytest.raises(kind, match=f"^({message})"):
        call()


# ---- threads


def test_thread_settings_rank():
    before = fastconv.get_num_threads()
    try:
        fastconv.set_num_threads(3)
        assert fastconv.get_num_threads() == 3
        scope = fastconv.num_threads(2)
        with scope, scope, fastconv.num_threads(1):
            assert fastconv.get_num_threads() == 1
            large = np.ones(1_000_000, np.float32)
            assert fastconv.explain("relu", large).threads == 1
            assert fastconv.explain("relu", large, threads=2).threads == 2
            assert fastconv.explain("relu", X, threads=2).threads == 1  # too small to share
            seen = []
            worker = threading.Thread(target=lambda: seen.append(fastconv.get_num_threads()))
            worker.start()
            worker.join()
            assert seen == [3]  # threads start with a context of their own
        assert fastconv.get_num_threads() == 3
    finally:
        fastconv.set_num_threads(before)
    for bad, kind in ((0, ValueError), (1.0, TypeError), (True, TypeError), (None, TypeError)):
        with pytest.raises(kind, match=r"^set_num_threads: n "):
            fastconv.set_num_threads(bad)
        with pytest.raises(kind, match=r"^num_threads: n "):
            fastconv.num_threads(bad)


def test_num_threads_follows_asyncio_tasks():
    async def one(n):
        with fastconv.num_threads(n):
            await asyncio.sleep(0)
            return fastconv.get_num_threads()

    async def both():
        return await asyncio.gather(one(1), one(2))

    assert asyncio.run(both()) == [1, 2]


def test_calls_from_many_threads_agree():
    expected = F.conv2d(X, W, groups=2)
    wrong = []

    def work():
        for _ in range(50):
            if not np.array_equal(F.conv2d(X, W, groups=2, threads=2), expected):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


# ---- a process of its own


def python(code, **environment):
    environment = {k: v for k, v in environment.items() if v is not None}
    inherited = {k: v for k, v in os.environ.items() if k not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


SETTINGS = ("FASTCONV_MAX_ISA", "FASTCONV_NUM_THREADS", "FASTCONV_VERBOSE", "OMP_NUM_THREADS")
THREADS = "import fastconv; print(fastconv.get_num_threads())"


@pytest.mark.parametrize(
    ("own", "openmp", "expected"),
    [("3", None, 3), ("3", "2", 3), (None, "2", 2), (None, "5,2", 5), ("", "4", 4), (None, "x", 0)],
)
def test_thread_environment(own, openmp, expected):
    result = python(THREADS, FASTCONV_NUM_THREADS=own, OMP_NUM_THREADS=openmp)
    assert int(result.stdout) == (expected or _core.cores())


@pytest.mark.parametrize(
    ("name", "value"),
    [("FASTCONV_NUM_THREADS", "many"), ("FASTCONV_NUM_THREADS", "0"), ("FASTCONV_VERBOSE", "loud"),
     ("FASTCONV_MAX_ISA", "mmx")],
)  # fmt: skip
def test_bad_environment_is_an_import_error(name, value):
    result = python("import fastconv", **{name: value})
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: fastconv: ")
    assert name in last
    assert repr(value) in last


def test_verbose_and_tier_cap():
    code = (
        "import numpy as np, fastconv.functional as F\nF.relu(np.ones((2, 3), '>f4'), threads=1)\n"
    )
    result = python(code, FASTCONV_VERBOSE="1", FASTCONV_MAX_ISA="scalar")
    [line] = result.stderr.splitlines()
    assert line.startswith("fastconv: relu 2x3 -> 2x3 float32 elementwise scalar 1 thread ")
    assert line.endswith(" 24 bytes copied; scalar: no vector instructions")
    assert python(code).stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_child_of_fork_computes():
    code = """
import os, numpy as np, fastconv, fastconv.functional as F
x, w = np.ones((2, 32, 64, 64), np.float32), np.ones((32, 32, 3, 3), np.float32)
expected = F.conv2d(x, w, threads=2)
child = os.fork()
if child == 0:
    same = np.array_equal(F.conv2d(x, w, threads=2), expected)
    os._exit(0 if same and fastconv.runtime_info()["forked_child"] else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(code).returncode == 0


def test_import_brings_little_along():
    code = (
        "import numpy, sys; before = set(sys.modules); import fastconv;"
        "print([m for m in set(sys.modules) - before if 'fastconv' not in m and 'cython' not in m])"
    )
    assert python(code).stdout.strip() == "[]"
    code = "import fastconv, sys; print('fastconv.reference' in sys.modules, fastconv.reference)"
    assert python(code).stdout.startswith("False <module 'fastconv.reference'")


def test_show_runtime(capsys):
    fastconv.show_runtime()
    printed = capsys.readouterr().out
    info = fastconv.runtime_info()
    assert info["tier_in_use"] in info["tiers_compiled"]
    assert f"tier in use     {info['tier_in_use']}" in printed
