"""Precision: who may ask for which, what each is worth, and what stays the same to the last bit.

The measured figures of docs/numerics.md are printed by errors.py, from the same data as here.
"""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import re
import threading

import bounds
import children
import errors
import numpy as np
import pytest
import sweeps
import transforms
from engine import poison_pool, poisoned, trace

import fastconv
import fastconv.functional as F
from fastconv import Conv2d, reference, tuning_file, turns

NAMES = ("strict", "default", "fast")
# What strict sums take by their estimates, transforms by theirs: on every tier.
X = np.random.default_rng(1).standard_normal((2, 64, 30, 31)).astype(np.float32)
W = np.random.default_rng(2).standard_normal((48, 64, 3, 3)).astype(np.float32)
algorithms = pytest.mark.parametrize("algorithm", transforms.TILE)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


def ran(call, *args, **kwargs):
    """The algorithm that computed a call."""
    with trace() as executions:
        call(*args, **kwargs)
    return executions[-1][1]


def by_transforms(**how):
    return ran(F.conv2d, X, W, padding=1, **how) in transforms.TILE


# ---- who asks -----------------------------------------------------------------------------------


def test_argument_context_process(tier):
    assert fastconv.get_precision() == "default"
    assert by_transforms()
    assert not by_transforms(precision="strict")
    with fastconv.precision("strict"):
        assert fastconv.get_precision() == "strict"
        assert not by_transforms()
        assert by_transforms(precision="default")
        with fastconv.precision("fast"):
            assert fastconv.get_precision() == "fast"
        assert not by_transforms(precision=None)
    assert by_transforms()
    try:
        fastconv.set_precision("strict")
        assert not by_transforms()
        with fastconv.precision("default"):
            assert by_transforms()
        assert fastconv.runtime_info()["precision"] == "strict"
    finally:
        fastconv.set_precision("default")
    assert fastconv.runtime_info()["precision"] == "default"


@pytest.mark.parametrize(
    ("value", "exception"),
    [("exact", ValueError), ("", ValueError), ("Strict", ValueError), (1, TypeError),
     (True, TypeError), (b"strict", TypeError)],
    ids=repr,
)  # fmt: skip
def test_bad_names(value, exception):
    weight, transposed = W[:3, :3], W[:3].transpose(1, 0, 2, 3)
    calls = {
        "conv2d": lambda: F.conv2d(X, W, precision=value),
        "convolve2d": lambda: F.convolve2d(X, W, precision=value),
        "conv1d": lambda: F.conv1d(X[0], W[0], precision=value),
        "conv_transpose2d": lambda: F.conv_transpose2d(X, transposed, precision=value),
        "conv_transpose1d": lambda: F.conv_transpose1d(X[0], W[0], precision=value),
        "Conv2d": lambda: Conv2d(weight, precision=value),
        "set_precision": lambda: fastconv.set_precision(value),
        "precision": lambda: fastconv.precision(value),
    }
    for name, call in calls.items():
        with pytest.raises(exception, match=f"^{name}: ") as raised:
            call()
        assert "strict" in str(raised.value)
    assert fastconv.get_precision() == "default"


def test_none_is_no_name():
    with pytest.raises(TypeError):
        fastconv.set_precision(None)
    with pytest.raises(TypeError):
        fastconv.precision(None)


def test_an_exception_leaves_the_block_and_one_object_may_be_entered_again():
    strict = fastconv.precision("strict")
    with contextlib.suppress(KeyError), strict, fastconv.precision("fast"), strict:
        assert fastconv.get_precision() == "strict"
        raise KeyError
    assert fastconv.get_precision() == "default"


def test_threads_have_their_own():
    inside = threading.Barrier(2)

    def other():
        inside.wait(timeout=30)
        found = [fastconv.get_precision(), by_transforms()]
        with fastconv.precision("fast"):
            inside.wait(timeout=30)
            inside.wait(timeout=30)
        return found

    with concurrent.futures.ThreadPoolExecutor(1) as pool, fastconv.precision("strict"):
        answer = pool.submit(other)
        inside.wait(timeout=30)
        inside.wait(timeout=30)
        assert fastconv.get_precision() == "strict"
        assert not by_transforms()
        inside.wait(timeout=30)
        assert answer.result(timeout=30) == ["default", True]
        copied = contextvars.copy_context()
        assert pool.submit(copied.run, fastconv.get_precision).result(timeout=30) == "strict"


def test_tasks_have_their_own():
    async def task(name):
        with fastconv.precision(name):
            for _ in range(5):
                await asyncio.sleep(0)
                assert fastconv.get_precision() == name
                assert by_transforms() == (name != "strict")
        return fastconv.get_precision()

    async def main():
        with fastconv.precision("fast"):
            return await asyncio.gather(*(task(name) for name in NAMES * 2))

    assert asyncio.run(main()) == ["fast"] * 6
    assert fastconv.get_precision() == "default"


def test_the_environment():
    code = (
        "import fastconv; print(fastconv.get_precision(), fastconv.runtime_info()['environment'])"
    )
    for name in NAMES:
        said = children.run(code, FASTCONV_PRECISION=name)
        assert said.startswith(f"{name} ")
        assert f"'FASTCONV_PRECISION': '{name}'" in said
    for unset in (None, "", " "):
        assert children.run(code, FASTCONV_PRECISION=unset).startswith("default ")
    bad = children.run_unchecked(code, FASTCONV_PRECISION="exact")
    assert bad.returncode == 1
    assert (
        "ImportError: fastconv: the environment variable FASTCONV_PRECISION is 'exact'"
        in bad.stderr
    )


def test_show_runtime_and_explain_say_it(capsys):
    with fastconv.precision("fast"):
        fastconv.show_runtime()
        assert "\nprecision       fast\n" in capsys.readouterr().out
        told = fastconv.explain("conv2d", X, W, precision="strict")
        assert told.precision == "strict"
        assert (
            fastconv.explain("conv_transpose2d", X, W[:, :, 1:].transpose(1, 0, 2, 3)).precision
            == "fast"
        )
        assert fastconv.explain("relu", X).precision is None
    assert re.search("^precision +strict$", str(told), re.M)
    assert "precision" not in str(fastconv.explain("relu", X))
    for name in transforms.TILE:
        assert told.refusals[name] == "it rounds more than the precision that was asked for"
    default = fastconv.explain("conv2d", X, W)
    assert default.algorithm in transforms.TILE
    fast = fastconv.explain("conv2d", X, W, precision="fast")
    for every in (default, fast):
        assert "rounds" not in " ".join(every.refusals.values())


def test_an_object_asks_for_itself_or_obeys_each_call(tier):
    obeys, strict = Conv2d(W, padding=1), Conv2d(W, padding=1, precision="strict")
    assert (obeys.precision, strict.precision) == (None, "strict")
    assert repr(strict).endswith("precision='strict')")
    for _ in range(3):  # remembered calls too
        with fastconv.precision("strict"):
            exact = obeys(X)
            assert ran(obeys, X) not in transforms.TILE
            assert fastconv.explain(obeys, X).precision == "strict"
        assert ran(obeys, X) in transforms.TILE
        with fastconv.precision("fast"):
            assert ran(strict, X) not in transforms.TILE
            np.testing.assert_array_equal(strict(X), exact)


def test_other_convolutions_take_it(tier):
    weights = np.ascontiguousarray(W[:, :48].transpose(1, 0, 2, 3))
    for call in (
        lambda **how: F.convolve2d(X, W, padding=1, **how),
        lambda **how: F.conv_transpose2d(X[:, :48], weights, padding=1, **how),
    ):
        strict, default = call(precision="strict"), call()
        assert (strict != default).any()
        np.testing.assert_allclose(strict, default, atol=1e-3)
        with fastconv.precision("strict"):
            np.testing.assert_array_equal(call(), strict)
    for call in (F.conv1d, F.conv_transpose1d):  # windows of one row: nothing to transform
        args = (X[0, :, 0], W[:, :, 0] if call is F.conv1d else W[:, :, 0].transpose(1, 0, 2))
        np.testing.assert_array_equal(call(*args, precision="strict"), call(*args))


def test_an_algorithm_that_is_named_is_taken(tier):
    for name in transforms.TILE:
        assert ran(F.conv2d, X, W, algorithm=name, precision="strict") == name


@pytest.mark.parametrize(
    ("options", "shape", "reason"),
    [
        ({"stride": 2}, (8, 64, 3, 3), "stride 1 alone"),
        ({"dilation": 2, "padding_mode": "reflect", "padding": 1}, (8, 64, 3, 3), "zeros alone"),
        ({"dilation": 2, "padding": 5}, (8, 64, 3, 3), "on the border alone"),
        ({"dilation": (31, 1), "padding": (40, 0)}, (8, 64, 3, 3), "exceeds the map"),
        ({}, (8, 64, 3, 5), "windows alone"),
        ({}, (8, 64, 7, 7), "windows alone"),
        ({}, (8, 64, 1, 1), "windows alone"),
    ],
)
@algorithms
def test_refusals(algorithm, options, shape, reason):
    w = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match=f"^conv2d: algorithm '{algorithm}' .*{reason}"):
        F.conv2d(X, w, algorithm=algorithm, **options)
    assert reason in fastconv.explain("conv2d", X, w, **options).refusals[algorithm]


# ---- tuning -------------------------------------------------------------------------------------


def test_tuning_measures_what_the_precision_allows():
    for name in NAMES:
        takers = turns.Convolution(X, W, {"padding": 1, "precision": name}).takers()
        assert [taker for taker in takers if taker in transforms.TILE] == {
            "strict": [], "default": list(transforms.TILE), "fast": list(transforms.TILE)
        }[name]  # fmt: skip
        with fastconv.precision(name):
            assert turns.Convolution(X, W, {"padding": 1}).takers() == takers


def test_a_tuned_choice_is_for_its_precision_and_cannot_violate_one(tmp_path):
    file = str(tmp_path / "tuning.json")
    keys = {
        name: turns.Convolution(X, W, {"padding": 1, "precision": name}).probe().tuned_call
        for name in NAMES
    }
    assert len(set(keys.values())) == 3
    choice = {"ms": 1.0, "default": "direct", "default_ms": 2.0}
    for given, expected in (
        ({"strict": "im2col", "default": "winograd_f2", "fast": "winograd_f6"}, None),
        # a file that lies: none of these is taken
        ({"strict": "winograd_f4"}, ("strict",)),
    ):
        tuning_file.update(
            file,
            {keys[name]: choice | {"algorithm": algorithm} for name, algorithm in given.items()},
        )
        fastconv.load_tuning(file)
        for name, algorithm in given.items():
            used = ran(F.conv2d, X, W, padding=1, precision=name)
            assert (used == algorithm) == (expected is None or name not in expected)
            assert name != "strict" or used not in transforms.TILE


# ---- what it is worth ---------------------------------------------------------------------------

# The relative error on Gaussian data in float32 that errors.py measured, by the kernel's size,
# algorithm and channels. What default may choose stays below LIMIT.
RELATIVE = {
    (3, "winograd_f2"): {16: 1.6e-7, 64: 2.6e-7, 256: 5.0e-7, 1024: 9.7e-7},
    (3, "winograd_f4"): {16: 4.8e-7, 64: 7.9e-7, 256: 1.5e-6, 1024: 3.0e-6},
    (3, "winograd_f6"): {16: 2.0e-6, 64: 3.1e-6, 256: 3.6e-6, 1024: 3.9e-6},
    (5, "winograd_f2"): {16: 5.5e-7, 64: 9.0e-7, 256: 1.7e-6, 1024: 3.2e-6},
    (5, "winograd_f4"): {16: 1.9e-6, 64: 3.1e-6, 256: 3.5e-6, 1024: 3.8e-6},
}
LIMIT = 4e-6
# Tiles of 8 x 8 sum all channels in one chain where precision is 'fast'.
FAST = {
    (3, "winograd_f6"): {64: 3.1e-6, 256: 6.1e-6, 1024: 1.2e-5},
    (5, "winograd_f4"): {64: 3.1e-6, 256: 5.7e-6, 1024: 1.1e-5},
}


@pytest.mark.parametrize(("k", "algorithm"), FAST)
def test_fast_sums_in_one_chain(k, algorithm, tier):
    """Its error grows with the channels; with few of them bits are those of 'default'."""
    for channels, measured in FAST[k, algorithm].items():
        x, w = errors.problem("Gaussian", channels, k)
        exact = reference.conv2d(x, w, padding=k // 2)
        how = {"padding": k // 2, "algorithm": algorithm}
        result, other = (F.conv2d(x, w, **how, precision=name) for name in ("fast", "default"))
        relative = np.linalg.norm(result - exact) / np.linalg.norm(exact)
        assert 0.7 * measured <= relative <= 1.3 * measured
        assert np.array_equal(result, other) == (channels <= 96)
        np.testing.assert_array_equal(result, Conv2d(w, **how, precision="fast")(x))


@pytest.mark.sweep
@pytest.mark.parametrize("channels", errors.CHANNELS)
@pytest.mark.parametrize(("k", "algorithm"), RELATIVE)
@pytest.mark.parametrize("data", errors.DATA)
def test_within_the_bound(data, k, algorithm, channels, tier):
    """(6·√K + 4)·u·G·T whatever the data; on Gaussian data, of any scale, the measured figure."""
    x, w = errors.problem(data, channels, k)
    exact = reference.conv2d(x, w, padding=k // 2)
    result = F.conv2d(x, w, padding=k // 2, algorithm=algorithm)
    bound = transforms.bound(x, w, None, None, algorithm, np.float32, padding=k // 2)
    bounds.assert_within(result, exact, bound)
    if data.startswith("Gaussian"):
        relative = np.linalg.norm(result - exact) / np.linalg.norm(exact)
        assert relative <= 1.3 * RELATIVE[k, algorithm][channels]


@pytest.mark.parametrize("channels", [16, 256])
@pytest.mark.parametrize(("k", "algorithm"), RELATIVE)
def test_float64_is_as_much_more_exact_as_its_roundoff(k, algorithm, channels, tier):
    x, w = errors.problem("Gaussian", channels, k, np.float64)
    padded = np.pad(x[0], [(0, 0), (k // 2, k // 2), (k // 2, k // 2)]).astype(np.longdouble)
    h, width = x.shape[-2:]
    exact = sum(
        np.tensordot(w[:, :, i, j].astype(np.longdouble), padded[:, i : i + h, j : j + width], 1)
        for i, j in np.ndindex(k, k)
    )
    result = F.conv2d(x, w, padding=k // 2, algorithm=algorithm)[0]
    relative = np.sqrt(((result - exact) ** 2).sum() / (exact**2).sum())
    assert relative <= 2.0**-29 * 1.3 * RELATIVE[k, algorithm][channels]


@pytest.mark.sweep
@pytest.mark.parametrize("name", ["strict", "default"])
@pytest.mark.parametrize(
    ("k", "channels"), [(3, c) for c in errors.CHANNELS] + [(5, c) for c in errors.CHANNELS]
)
def test_what_the_engine_may_choose_stays_near_the_limit(k, channels, name, tier):
    """On Gaussian data; each algorithm that the precision allows, whatever the estimates say."""
    x, w = errors.problem("Gaussian", channels, k)
    exact = reference.conv2d(x, w, padding=k // 2)
    for algorithm in turns.Convolution(x, w, {"padding": k // 2, "precision": name}).takers():
        result = F.conv2d(x, w, padding=k // 2, algorithm=algorithm)
        assert np.linalg.norm(result - exact) <= LIMIT * np.linalg.norm(exact), algorithm


@pytest.mark.sweep
@pytest.mark.parametrize("data", errors.DATA)
@pytest.mark.parametrize("channels", errors.CHANNELS)
def test_strict_is_near_to_the_sum_of_its_own_window(data, channels, tier):
    x, w = errors.problem(data, channels, 3)
    with fastconv.precision("strict"):
        exact, bound = bounds.conv2d(x, w, dtype=np.float32, padding=1)
        bounds.assert_within(F.conv2d(x, w, padding=1), exact, bound)


# ---- the same bits ------------------------------------------------------------------------------

GEOMETRIES = [
    (sweeps.conv(33, 40, (17, 30), (3, 3), ph=1, pw=1, mb=3), "zeros"),
    (sweeps.conv(16, 129, (30, 9), (5, 5), ph=2, pw=2, mb=3), "zeros"),
    (sweeps.conv(64, 64, (7, 7), (3, 3), ph=1, pw=1, mb=5), "zeros"),
    (sweeps.conv(16, 32, (5, 1100), (3, 3), ph=1, pw=1, mb=2), "zeros"),  # units of some columns
    (sweeps.conv(34, 66, (11, 13), (3, 3), ph=1, pw=1, g=2, mb=3), "reflect"),
    (sweeps.conv(17, 17, (12, 45), (3, 3), ph=2, pw=2, g=17, mb=2), "circular"),
    (sweeps.conv(24, 20, (40, 41), (5, 5), ph=3, phe=0, pw=1, pwe=4, mb=2), "replicate"),
    (sweeps.conv(33, 40, (17, 30), (3, 3), ph=2, pw=2, dh=2, dw=2, mb=3), "zeros"),
    (sweeps.conv(20, 48, (13, 11), (3, 3), ph=0, phe=4, pw=1, pwe=0, dh=2, dw=5, mb=2), "zeros"),
    (sweeps.conv(16, 34, (19, 20), (5, 5), pw=2, dh=1, dw=3, g=2, mb=3), "zeros"),
]


@every_dtype
@pytest.mark.parametrize(
    ("layer", "mode", "algorithm"),
    [
        (layer, mode, algorithm)
        for layer, mode in GEOMETRIES
        for algorithm in transforms.TILE
        if transforms.takes(algorithm, layer) is not False
    ],
    ids=lambda p: str(p).replace(" ", "_"),
)
def test_threads_batches_layouts_and_prepared_weights_change_no_bit(
    layer, mode, algorithm, dtype, tier
):
    rng = np.random.default_rng(7)
    x = rng.standard_normal(layer.input_shape).astype(dtype)
    w = rng.standard_normal(layer.weight_shape).astype(dtype)
    bias = rng.standard_normal(layer.oc).astype(dtype)
    shape = (layer.mb, layer.oc, *layer.output_size)
    residual = rng.standard_normal(shape).astype(dtype)

    def added(images=...):
        """The residual of these images; of dilated windows it is refused."""
        return {"residual": residual[images]} if layer.dilation == (1, 1) else {}

    how = sweeps.ConvCase(layer).how | {"padding_mode": mode, "activation": "relu"}
    how["algorithm"] = algorithm
    poison_pool()
    expected = F.conv2d(x, w, bias, **added(), **how, threads=1)
    for threads in (2, 3, 5, 8):
        result = F.conv2d(x, w, bias, **added(), **how, threads=threads)
        np.testing.assert_array_equal(result, expected)
    for begin, end in ((0, 1), (1, layer.mb)):
        part = F.conv2d(x[begin:end], w, bias, **added(slice(begin, end)), **how, threads=2)
        np.testing.assert_array_equal(part, expected[begin:end])
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    out = np.moveaxis(poisoned((shape[0], *shape[2:], shape[1]), dtype), -1, 1)
    turned = np.asfortranarray(w)
    assert F.conv2d(last, turned, bias, **added(), **how, out=out, threads=2) is out
    np.testing.assert_array_equal(out, expected)
    conv = Conv2d(w, bias, **how)
    plain = conv(x)  # without a residual, which Python has dense: tiles are finished where out lies
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(conv(last, out=out, threads=threads), plain)
    for threads in (1, 2):
        np.testing.assert_array_equal(conv(x, **added(), threads=threads), expected)
        np.testing.assert_array_equal(conv(last, **added(), threads=threads), expected)
    one = F.conv2d(x[0], w, bias, **added(0), **how)
    np.testing.assert_array_equal(one, expected[0])


def test_strict_is_one_of_the_direct_orders_to_the_last_bit(tier):
    for layer in sweeps.mixtures(60, seed=21):
        rng = np.random.default_rng(3)
        x, w = (
            rng.standard_normal(s).astype(np.float32)
            for s in (layer.input_shape, layer.weight_shape)
        )
        how = sweeps.ConvCase(layer).how
        told = fastconv.explain("conv2d", x, w, **how, precision="strict")
        assert told.algorithm in sweeps.EXACT_ALGORITHMS
        np.testing.assert_array_equal(
            F.conv2d(x, w, **how, precision="strict"),
            F.conv2d(x, w, **how, algorithm=told.algorithm),
        )


@every_dtype
def test_dilated_windows_are_transformed_phase_by_phase(dtype, tier):
    """Chosen where they are, met within the bound, and nothing beside the result is written."""
    how = {"padding": 2, "dilation": 2}
    x = X.astype(dtype)
    w = W.astype(dtype)
    assert ran(F.conv2d, x, w, **how) in transforms.TILE
    assert ran(F.conv2d, x, w, **how, precision="strict") not in transforms.TILE
    residual = np.ones((2, 48, 30, 31), dtype)
    assert ran(F.conv2d, x, w, **how, residual=residual) not in transforms.TILE
    with pytest.raises(ValueError, match="a residual is dense"):
        F.conv2d(x, w, **how, residual=residual, algorithm="winograd_f2")
    exact = reference.conv2d(x, w, **how)
    for algorithm in transforms.TILE:
        bound = transforms.bound(x, w, None, None, algorithm, dtype, padding=2, dilation=(2, 2))
        spread = poisoned((2, 48, 30, 93), dtype)
        F.conv2d(x, w, **how, algorithm=algorithm, out=spread[..., 1::3])
        bounds.assert_within(spread[..., 1::3], exact, bound)
        assert np.isnan(spread[..., 0::3]).all()
        assert np.isnan(spread[..., 2::3]).all()


# ---- NaN and infinity ---------------------------------------------------------------------------


@algorithms
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf], ids=str)
def test_a_transform_spreads_nan_and_infinity_over_tiles_and_no_further(special, algorithm, tier):
    """Elements whose window holds the special one are not finite; those of its tiles may be; all
    others keep their bits."""
    m, k = transforms.TILE[algorithm], 3
    x, w = X[:1, :20].copy(), W[:, :20]
    clean = F.conv2d(x, w, padding=1, algorithm=algorithm)
    row, column = 13, 17
    x[0, 5, row, column] = special
    result = F.conv2d(x, w, padding=1, algorithm=algorithm)
    y, z = np.arange(clean.shape[2]), np.arange(clean.shape[3])
    in_tile = [  # of n inputs from the tile's first output on, less the padding
        (at // m * m - 1 <= place) & (place < at // m * m - 1 + m + k - 1)
        for at, place in ((y, row), (z, column))
    ]
    in_window = [abs(at - place) <= 1 for at, place in ((y, row), (z, column))]
    touched, must = np.ix_(*in_tile), np.ix_(*in_window)
    assert not np.isfinite(result[0][:, must[0], must[1]]).any()
    result[0][:, touched[0], touched[1]] = clean[0][:, touched[0], touched[1]]
    np.testing.assert_array_equal(result, clean)


def test_strict_sends_nan_and_infinity_where_the_reference_does(tier):
    x, w = X.copy(), W.copy()
    x[0, 3, 4, 5], x[1, 0, 0, 0], w[7, 2, 1, 1] = np.nan, np.inf, -np.inf
    result = F.conv2d(x, w, padding=1, precision="strict")
    expected = reference.conv2d(x, w, padding=1)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    np.testing.assert_array_equal(result[np.isinf(expected)], expected[np.isinf(expected)])
