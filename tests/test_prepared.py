"""fastconv.Conv2d: what functional.conv2d gives, from weights copied and packed before."""

import concurrent.futures
import copy
import doctest
import gc
import os
import pickle
import re
import threading

import bounds
import children
import numpy as np
import pytest
import sweeps
import transforms
import tuned
from engine import poison_pool, poisoned, trace

import fastconv
import fastconv.functional as F
from fastconv import Conv2d, _core, prepared, reference

pytestmark = pytest.mark.usefixtures("strict")

CASES = [
    case
    for layers in (
        sweeps.widths()[::9],
        sweeps.pixels()[::11],
        sweeps.channels()[::7],
        sweeps.batches(),
        sweeps.kernels()[::5],
        sweeps.geometries()[::2],
        sweeps.groups(),
        sweeps.depthwise()[::2],
        sweeps.beyond(),
        sweeps.mixtures(80, seed=11),
    )
    for case in sweeps.with_epilogues(layers)
]
RNG = np.random.default_rng(23)


def real(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def integers(*shape, dtype=np.float32):
    return sweeps.integers(shape, *shape, dtype=dtype)


def in_use():
    gc.collect()
    return fastconv.memory_stats()["in_use_bytes"]


@pytest.fixture
def one_packing():
    """Objects keep a single packed form: each change of the form is an eviction."""
    before = _core._limit_packings(1)
    yield
    _core._limit_packings(before)


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=("f16", "f32", "f64"))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_exact(case, dtype, tier):
    """By the engine's choice and every algorithm: a first call, a remembered one, and `out`."""
    problem = sweeps.conv_problem(case)
    x, w, bias, residual = problem.operands(dtype)
    expected = problem.result.astype(dtype)
    for algorithm in (None, *sweeps.ALGORITHMS):
        if algorithm and not sweeps.algorithm_must_take(algorithm, case.layer):
            continue
        conv = Conv2d(w, bias, **case.how, activation=case.activation, algorithm=algorithm)
        with trace() as executions:
            for out in (None, None, poisoned(expected.shape, dtype)):
                poison_pool()
                result = conv(x, residual=residual, out=out, threads=1)
                transforms.assert_meets(result, problem, case.layer, algorithm)
                assert out is None or result is out
        executions = [run for run in executions if run[0] == "Conv2d"]
        assert len(executions) == (3 if case.layer.mb else 0)
        assert len({run[:3] for run in executions}) <= 1
        assert all(run[2] == tier for run in executions)
        assert all(algorithm in (None, run[1]) for run in executions)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=("f16", "f32", "f64"))
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize(
    "padding", [0, (1, 2), ((1, 0), (2, 1)), "valid", "same", "same_lower"], ids=str
)
def test_padding_of_every_kind(padding, padding_mode, dtype):
    w, bias = integers(6, 4, 3, 4, dtype=dtype), integers(6, dtype=dtype)
    stride = (2, 1)
    conv = Conv2d(w, bias, stride=stride, padding=padding, padding_mode=padding_mode)
    for shape in ((2, 4, 7, 9), (4, 8, 6), (2, 4, 7, 9), (1, 4, 12, 5)):
        x = integers(*shape, dtype=dtype)
        how = {"stride": stride, "padding": padding, "padding_mode": padding_mode}
        expected = reference.conv2d(x, w, bias, **how).astype(dtype)
        np.testing.assert_array_equal(conv(x), expected, strict=True)
        np.testing.assert_array_equal(conv(x, out=np.full_like(expected, np.nan)), expected)


@pytest.mark.parametrize("activation", list(_core.ACTIVATION_CODES))
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
def test_real_numbers_and_activations(activation, dtype):
    x, w, bias = real(2, 17, 9, 8, dtype=dtype), real(19, 17, 3, 3, dtype=dtype), real(19)
    bias = bias.astype(dtype)
    conv = Conv2d(w, bias, padding=1, activation=activation)
    exact, bound = bounds.conv2d(x, w, bias, activation=activation, dtype=dtype, padding=1)
    bounds.assert_within(conv(x), exact, bound)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64], ids=("f16", "f32", "f64"))
@pytest.mark.parametrize("groups", [1, 2, 16])
def test_same_bits_as_functional_by_the_same_algorithm(groups, dtype):
    x, w = real(3, 16, 13, 11, dtype=dtype), real(32, 16 // groups, 3, 3, dtype=dtype)
    for algorithm in (None, "direct", "im2col"):
        conv = Conv2d(w, groups=groups, padding=1, algorithm=algorithm)
        name = fastconv.explain(conv, x).algorithm
        same = {"groups": groups, "padding": 1, "algorithm": name}
        assert conv(x).tobytes() == F.conv2d(x, w, **same).tobytes()


LAYOUTS = {
    "channels last": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -3, -1)), -1, -3),
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "every other": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "transposed": lambda x: np.ascontiguousarray(np.swapaxes(x, -1, -2)).swapaxes(-1, -2),
    "swapped bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "misaligned": lambda x: misaligned(x),
    "broadcast": lambda x: np.broadcast_to(x[..., :1, :], x.shape),
}


def misaligned(x):
    raw = np.empty(x.nbytes + 1, np.uint8)
    view = raw[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


@pytest.mark.parametrize("groups", [1, 8])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_of_every_operand(layout, groups):
    """Also dense and other layouts by turns, whose calls must not be taken for one another."""
    turn = LAYOUTS[layout]
    x, w, bias = integers(2, 8, 6, 7), integers(8, 8 // groups, 3, 3), integers(8)
    residual = real(2, 8, 6, 7).round()
    conv = Conv2d(turn(w), bias, groups=groups, padding=1)
    how = {"groups": groups, "padding": 1}
    weight = turn(w).astype(np.float32)
    for _ in range(2):
        for given in (x, turn(x), x[0], turn(x)[0]):
            for added in (None, residual, turn(residual)):
                added = added if added is None or given.ndim == 4 else added[0]
                expected = reference.conv2d(given, weight, bias, residual=added, **how)
                np.testing.assert_array_equal(conv(given, residual=added), expected)
                for out in (np.empty(expected.shape, np.float32), outlying(expected)):
                    assert conv(given, residual=added, out=out) is out
                    np.testing.assert_array_equal(out, expected)


def outlying(like):
    """A channels-last array to write into."""
    return np.moveaxis(poisoned((*like.shape[:-3], *like.shape[-2:], like.shape[-3]), "f4"), -1, -3)


def test_sizes_change_between_calls():
    """More shapes than are remembered, in orders that evict and come back."""
    w = integers(7, 3, 3, 3)
    conv = Conv2d(w, padding=1, stride=2)
    sizes = [(n, h, v) for n in (0, 1, 2) for h in (1, 2, 5, 9) for v in (1, 3, 8)]
    order = np.random.default_rng(1).integers(len(sizes), size=300)
    for index in order:
        n, h, v = sizes[index]
        x = integers(n, 3, h, v)
        np.testing.assert_array_equal(conv(x), reference.conv2d(x, w, stride=2, padding=1))


# ---- a copy of its own --------------------------------------------------------------------------


def test_later_changes_of_the_given_arrays_have_no_effect():
    for groups in (1, 4):
        w, bias, x = integers(8, 4 // groups, 3, 3), integers(8), integers(1, 4, 6, 6)
        conv = Conv2d(w, bias, groups=groups)
        expected = reference.conv2d(x, w, bias, groups=groups)
        w += 1  # before the first call, which packs
        bias[:] = 9
        np.testing.assert_array_equal(conv(x), expected)
        w += 1
        np.testing.assert_array_equal(conv(x), expected)
        np.testing.assert_array_equal(conv(x[:, :, :4, :4]), expected[:, :, :2, :2])
        np.testing.assert_array_equal(
            F.conv2d(x, w, bias, groups=groups), reference.conv2d(x, w, bias, groups=groups)
        )


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weight_and_bias_can_be_read_and_not_written(dtype):
    w, bias = integers(4, 2, 3, 3, dtype=dtype), integers(4, dtype=dtype)
    conv = Conv2d(np.asfortranarray(w), bias.astype(bias.dtype.newbyteorder()))
    for view, array in ((conv.weight, w), (conv.bias, bias)):
        np.testing.assert_array_equal(view, array, strict=True)
        assert view.dtype.isnative
        assert view.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 1
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
    assert Conv2d(w).bias is None
    with pytest.raises(AttributeError):
        conv.weight = w
    with pytest.raises(AttributeError):
        conv.stride = 2
    view = conv.weight
    del conv
    gc.collect()
    np.testing.assert_array_equal(view, w)  # outlives the object


def test_copies_and_pickles():
    w, bias, x = integers(6, 2, 3, 3), integers(6), integers(2, 4, 9, 9)
    conv = Conv2d(w, bias, stride=(2, 1), padding="same", groups=2, activation="relu")
    small = len(pickle.dumps(conv))
    expected = conv(x)
    assert len(pickle.dumps(conv)) == small
    for twin in (copy.copy(conv), copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        assert type(twin) is Conv2d
        assert repr(twin) == repr(conv)
        np.testing.assert_array_equal(twin(x), expected)
        with pytest.raises(ValueError, match="read-only"):
            twin.weight[0] = 1


def test_repr_names_what_is_not_the_default():
    w = np.ones((6, 2, 3, 5), np.float16)
    assert repr(Conv2d(w)) == "Conv2d(2, 6, kernel_size=(3, 5), bias=False, dtype=float16)"
    conv = Conv2d(w, w[:, 0, 0, 0], stride=2, padding=(0, 1), groups=3, padding_mode="reflect")
    assert repr(conv) == (
        "Conv2d(6, 6, kernel_size=(3, 5), bias=True, dtype=float16, stride=(2, 2), "
        "padding=((0, 0), (1, 1)), groups=3, padding_mode='reflect')"
    )
    assert (conv.stride, conv.dilation, conv.groups, conv.activation) == ((2, 2), (1, 1), 3, None)


def test_docstring_examples():
    assert doctest.testmod(prepared).failed == 0


# ---- errors -------------------------------------------------------------------------------------

W, B, X = np.ones((4, 2, 3, 3), np.float32), np.ones(4, np.float32), np.ones((1, 4, 5, 5), "f4")
BAD_OBJECTS = [
    ("weight", {"weight": W.tolist()}, TypeError),
    ("weight", {"weight": W.astype(int)}, TypeError),
    ("weight", {"weight": W[0]}, ValueError),
    ("weight", {"weight": W[:, :0]}, ValueError),
    ("bias", {"bias": B.tolist()}, TypeError),
    ("bias", {"bias": B.astype(np.float64)}, TypeError),
    ("bias", {"bias": B[:3]}, ValueError),
    ("groups", {"groups": 0}, ValueError),
    ("groups", {"groups": 3}, ValueError),
    ("groups", {"groups": 2.0}, TypeError),
    ("groups", {"groups": True}, TypeError),
    ("stride", {"stride": 0}, ValueError),
    ("stride", {"stride": (1, 2, 3)}, ValueError),
    ("stride", {"stride": 1.5}, TypeError),
    ("stride", {"stride": 2**63}, ValueError),
    ("dilation", {"dilation": (1, 0)}, ValueError),
    ("padding", {"padding": -1}, ValueError),
    ("padding", {"padding": "full"}, ValueError),
    ("padding", {"padding": None}, TypeError),
    ("padding_mode", {"padding_mode": "mirror"}, ValueError),
    ("padding_mode", {"padding_mode": None}, TypeError),
    ("activation", {"activation": "swish"}, ValueError),
    ("activation", {"activation": 1}, TypeError),
    ("algorithm", {"algorithm": "winograd!"}, ValueError),
]
OVERLAP = np.zeros((1, 4, 5, 5), np.float32)
BAD_CALLS = [
    ("input", {"input": X.tolist()}, TypeError),
    ("input", {"input": X.astype(int)}, TypeError),
    ("input", {"input": X.astype(np.float64)}, TypeError),
    ("input", {"input": X[0, 0]}, ValueError),
    ("input", {"input": X[:, :, :0]}, ValueError),
    ("channels", {"input": X[:, :3]}, ValueError),
    ("channels", {"input": X[:, :2]}, ValueError),
    ("weight", {"input": X[..., :1]}, ValueError),
    ("residual", {"residual": X[..., :4]}, ValueError),
    ("residual", {"residual": X.astype(np.float64)[:, :, :3, :3]}, TypeError),
    ("residual", {"residual": [1.0]}, TypeError),
    ("out", {"out": X}, ValueError),
    ("out", {"out": np.ones((1, 4, 3, 3))}, TypeError),
    ("out", {"out": np.broadcast_to(np.float32(1), (1, 4, 3, 3))}, ValueError),
    ("out", {"input": OVERLAP, "out": OVERLAP[:, :, 1:4, 1:4]}, ValueError),
    ("threads", {"threads": 0}, ValueError),
    ("threads", {"threads": 1.0}, TypeError),
    ("threads", {"threads": True}, TypeError),
]


@pytest.mark.parametrize(("name", "change", "error"), BAD_OBJECTS)
def test_bad_arguments_are_refused_by_name_at_once(name, change, error):
    with pytest.raises(error, match=rf"^Conv2d: .*\b{name}\b.*;") as caught:
        Conv2d(**{"weight": W, "bias": B, "groups": 2} | change)
    assert caught.type is error


# With padding='same' no kernel is too large.
EVERY_BAD_CALL = [
    (padding, *bad)
    for padding in (0, "valid", "same")
    for bad in BAD_CALLS
    if (padding, bad[0]) != ("same", "weight")
]


@pytest.mark.parametrize(("padding", "name", "change", "error"), EVERY_BAD_CALL)
def test_bad_calls_are_refused_by_name(padding, name, change, error):
    """Before and after a good call, and as functional.conv2d refuses them."""
    conv = Conv2d(W, B, groups=2, padding=padding)
    given = {"input": X} | change
    for _ in range(2):
        with pytest.raises(error, match=rf"^Conv2d: .*\b{name}\b.*;") as caught:
            conv(**given)
        assert caught.type is error
        conv(X)
    with pytest.raises(error) as functional:
        F.conv2d(weight=W, bias=B, groups=2, padding=padding, **given)
    assert str(functional.value).removeprefix("conv2d") == str(caught.value).removeprefix("Conv2d")


def test_calls_as_no_call_is_meant():
    conv = Conv2d(W, groups=2)
    for arguments in ((), (X, X)):
        with pytest.raises(TypeError):
            conv(*arguments)
    with pytest.raises(TypeError, match="bogus"):
        conv(X, bogus=1)
    with pytest.raises(TypeError):
        Conv2d()
    with pytest.raises(TypeError):
        Conv2d(W, B, 2)  # the rest has names


def test_a_forced_algorithm_that_does_not_take_the_shape_says_why():
    conv = Conv2d(W, groups=2, algorithm="1x1")
    with pytest.raises(ValueError, match="algorithm '1x1' does not take this shape"):
        conv(X)


def test_nothing_is_lost_when_memory_runs_out():
    x, w = integers(1, 8, 9, 9), integers(24, 8, 3, 3)
    expected = reference.conv2d(x, w)
    before = in_use()
    for nth in (1, 2, 3):  # the copy; the packed form; scratch
        _core._fail_allocation(nth)
        with pytest.raises(MemoryError, match=r"^Conv2d: "):
            Conv2d(w)(x)
        _core._fail_allocation(0)
        assert in_use() == before
    conv = Conv2d(w)
    _core._fail_allocation(1)
    with pytest.raises(MemoryError):
        conv(x)
    np.testing.assert_array_equal(conv(x), expected)


# ---- packed forms -------------------------------------------------------------------------------


def test_one_packed_form_serves_every_size_of_image():
    conv = Conv2d(real(64, 64, 3, 3), padding=1, algorithm="direct")
    held = in_use()
    conv(real(1, 64, 16, 16))
    once = in_use()
    assert once - held >= 64 * 64 * 9 * 4
    for size in range(17, 40):
        conv(real(1, 64, size, size))
        conv(real(2, 64, size, 2 * size))
    assert in_use() == once
    del conv
    assert in_use() < held


def test_forms_are_forgotten_when_there_are_too_many(one_packing, tmp_path):
    w = integers(40, 33, 2, 2)
    small, large = integers(1, 33, 5, 5), integers(1, 33, 14, 14)
    # two sizes, two algorithms, two forms: whatever the engine's own choice is
    file = str(tmp_path / "tuning.json")
    for x, algorithm in ((small, "im2col"), (large, "direct")):
        tuned.written(file, tuned.key(x, w, prepared=True, padding=0), algorithm=algorithm)
    fastconv.load_tuning(file)
    conv = Conv2d(w)
    algorithms = [fastconv.explain(conv, x).algorithm for x in (small, large)]
    assert algorithms == ["im2col", "direct"]
    held = in_use()
    for x in (small, large, small, large):
        for _ in range(2):
            np.testing.assert_array_equal(conv(x), reference.conv2d(x, w))
        assert in_use() <= held


def test_memory_stays_flat_over_many_sizes():
    conv = Conv2d(real(8, 4, 3, 3), padding=1)
    images = [real(1, 4, 3 + i % 20, 3 + i // 20) for i in range(300)]
    for x in images:
        conv(x)
    held = in_use()
    for x in images:
        conv(x)
    assert in_use() == held


def test_objects_that_come_and_go_leave_nothing():
    w, x = real(32, 16, 3, 3), real(1, 16, 10, 10)
    Conv2d(w)(x)
    held = in_use()
    for _ in range(200):
        Conv2d(w)(x)
    assert in_use() == held


def test_the_pool_may_be_emptied_between_calls():
    w, x = integers(24, 8, 3, 3), integers(1, 8, 9, 9)
    conv = Conv2d(w)
    for _ in range(3):
        np.testing.assert_array_equal(conv(x), reference.conv2d(x, w))
        fastconv.empty_cache()
        poison_pool()


# ---- threads ------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 16])
def test_same_bits_for_any_number_of_threads(groups):
    x = real(3, 32, 40, 37)
    conv = Conv2d(real(64, 32 // groups, 3, 3), real(64), groups=groups, padding=1)
    expected = conv(x, threads=1).tobytes()
    for threads in (2, 3, 5):
        assert conv(x, threads=threads).tobytes() == expected
        with fastconv.num_threads(threads), trace() as executions:
            assert conv(x).tobytes() == expected
        assert 1 <= executions[0][3] <= threads
    with fastconv.num_threads(1), trace() as executions:
        conv(x)
    assert executions[0][3] == 1


def call_from_many_threads(conv, w, how):
    """Each thread its own order of sizes, all beginning with a first call at the same moment."""
    sizes = (1, 2, 9, 12, 15)
    images = {n: integers(1, 8, n, n + 1) for n in sizes}
    expected = {n: reference.conv2d(images[n], w, **how) for n in sizes}
    workers = 8
    barrier = threading.Barrier(workers)

    def work(seed):
        order = np.random.default_rng(seed).choice(sizes, 60)
        barrier.wait()
        for n in order:
            np.testing.assert_array_equal(conv(images[n], threads=1 + seed % 2), expected[n])
        return True

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        assert all(pool.map(work, range(workers)))


def test_many_threads_call_one_object():
    w = integers(16, 8, 3, 3)
    for _ in range(5):
        call_from_many_threads(Conv2d(w, padding=1, precision="strict"), w, {"padding": 1})


def test_many_threads_call_one_object_that_forgets(one_packing):
    """A form leaves while another thread computes with it."""
    w = integers(16, 8, 3, 3)
    for _ in range(5):
        call_from_many_threads(Conv2d(w, padding=1, precision="strict"), w, {"padding": 1})


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_fork_uses_what_the_parent_packed():
    children.run(
        """
        import os, warnings
        import numpy as np
        import fastconv
        warnings.simplefilter("ignore")
        x, w = np.ones((1, 16, 40, 40), np.float32), np.ones((32, 16, 3, 3), np.float32)
        conv, fresh = (fastconv.Conv2d(w, precision="strict") for _ in range(2))
        conv(x, threads=2)
        child = os.fork()
        if child == 0:
            good = all((c(x, threads=2) == 144).all() for c in (conv, fresh))
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
        """
    )


# ---- explain and verbose ------------------------------------------------------------------------


def test_explain_agrees_with_the_call(tier):
    x, w = real(1, 32, 20, 20), real(64, 32, 3, 3)
    conv = Conv2d(w, padding=1, activation="relu")
    told = fastconv.explain(conv, x, threads=1)
    stateless = fastconv.explain("conv2d", x, w, padding=1, activation="relu", threads=1)
    with trace() as executions:
        conv(x, threads=1)
    assert executions == [("Conv2d", told.algorithm, tier, 1)]
    assert (told.op, told.dtype, told.tier) == ("Conv2d", "float32", tier)
    assert told.flops == stateless.flops
    assert told.packed_weight_bytes == stateless.packed_weight_bytes >= w.nbytes
    assert stateless.scratch_bytes - told.scratch_bytes == -(-told.packed_weight_bytes // 64) * 64
    again = fastconv.explain(conv, x, threads=1)
    assert again == told


def test_explain_measures_and_checks():
    conv = Conv2d(W, B, groups=2)
    told = fastconv.explain(conv, X, residual=np.ones((1, 4, 3, 3), np.float32), measure=True)
    assert told.ms > 0
    assert told.percent_of_peak > 0
    assert fastconv.explain(conv, X[:0]).flops == 0
    with pytest.raises(ValueError, match="measure"):
        fastconv.explain(conv, X[:0], measure=True)
    with pytest.raises(TypeError, match=r"Conv2d: .*input.*help\(fastconv.Conv2d\)"):
        fastconv.explain(conv)
    with pytest.raises(ValueError, match="channels"):
        fastconv.explain(conv, X[:, :3])


def test_verbose_writes_a_line_for_each_call():
    code = """
        import numpy as np
        import fastconv
        conv = fastconv.Conv2d(np.ones((4, 3, 3, 3), np.float32))
        conv(np.ones((1, 3, 9, 9), np.float32), threads=1)
        conv(np.ones((1, 3, 9, 9), np.float32), threads=1)
        """
    done = children.run_unchecked(code, FASTCONV_VERBOSE="1")
    assert done.returncode == 0, children.describe(done)
    line = r"fastconv: Conv2d 1x3x9x9 -> 1x4x7x7 float32 \w+ \w+ 1 thread [\d.]+ ms 0 bytes.*"
    assert [bool(re.fullmatch(line, text)) for text in done.stderr.splitlines()] == [True, True]


# ---- bounds of memory ---------------------------------------------------------------------------


def test_nothing_outside_an_operand_is_read_or_written():
    code = """
        import numpy as np
        import sweeps
        import transforms
        from guard import Guarded
        from fastconv import Conv2d
        layers = sweeps.mixtures(40, seed=5) + sweeps.groups()[::3] + sweeps.channels()[::19]
        for case in sweeps.with_epilogues(layers):
            problem = sweeps.conv_problem(case)
            for dtype in (np.float32, np.float64):
                for at_end in (True, False):
                    memory = Guarded()
                    x, w, bias, residual = (
                        memory.copy(array, at_end=at_end) for array in problem.operands(dtype)
                    )
                    print(case, dtype.__name__, at_end, flush=True)
                    out = memory.empty(problem.result.shape, dtype, at_end=at_end)
                    for algorithm in (None, *transforms.TILE):
                        if algorithm and not transforms.takes(algorithm, case.layer):
                            continue
                        conv = Conv2d(
                            w, bias, **case.how, activation=case.activation, algorithm=algorithm,
                            precision="strict",
                        )
                        for _ in range(2):
                            out.fill(np.nan)
                            conv(x, residual=residual, out=out)
                            transforms.assert_meets(out, problem, case.layer, algorithm)
        print("end")
        """
    assert children.run(code, timeout=120).rstrip().endswith("end")
