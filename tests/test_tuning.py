"""Tuned choices: who gets them, that they follow nothing but the shape of one image, and that the
file which keeps them is written whole and read without trust."""

import doctest
import os
import stat
import threading

import children
import numpy as np
import pytest
from tuned import (
    CALL,
    DEFAULT,
    INPUT,
    PREPARED_DEFAULT,
    RNG,
    WEIGHT,
    W,
    X,
    algorithm,
    conv,
    fake_times,
    key,
    tune,
    written,
)

import fastconv
import fastconv.functional as F
from fastconv import _core, runtime, tuning, tuning_file, turns


@pytest.fixture
def file(tmp_path):
    return str(tmp_path / "tuning.json")


# ---- tune ----------------------------------------------------------------------------------------


def test_what_is_faster_is_used_from_now_on(file, monkeypatch):
    assert conv() == DEFAULT
    fake_times(monkeypatch, default=3e-3, im2col=2e-3)
    report = tune(file)
    assert conv() == "im2col"
    assert report.file == file
    assert len(report) == 1
    assert report[0].default == DEFAULT
    assert report[0].choice == "im2col"
    assert report[0].gain == pytest.approx(1.5)
    assert (report[0].ms[DEFAULT], report[0].ms["im2col"]) == pytest.approx((3, 2))
    assert "2x8x12x13 16x8x3x3 float32 padding=1" in str(report)
    assert file in str(report)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert sorted(os.listdir(os.path.dirname(file))) == ["tuning.json", "tuning.json.lock"]


def test_explain_and_runtime_name_the_file(file, capsys):
    assert fastconv.runtime_info()["tuning"] is None
    fastconv.load_tuning(written(file))
    told = fastconv.explain("conv2d", X, W, padding=1)
    assert told.algorithm == "im2col"
    assert told.reason == f"measured as faster than {DEFAULT} by fastconv.tune: {file}"
    assert fastconv.runtime_info()["tuning"] == (file, 1)
    fastconv.show_runtime()
    assert f"1 choices of {file}" in capsys.readouterr().out
    assert file not in fastconv.explain("conv2d", X, W).reason


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ({"default": 1.04, "im2col": 1.0}, "within the margin"),
        ({"default": 1.0, "im2col": 1.2}, "slower"),
        # one first turn, three of the first round, three of the second
        ({"default": [2.0] * 7, "im2col": [1.0] * 4 + [3.0] * 3}, "not again"),
    ],
)
def test_what_is_not_clearly_faster_is_not_used(file, monkeypatch, times, why):
    fake_times(monkeypatch, **times)
    report = tune(file)
    assert (report[0].choice, report[0].gain) == (DEFAULT, 1.0), why
    assert conv() == DEFAULT
    assert tuning_file.read(file) == {}


def test_the_margin_is_the_callers(file, monkeypatch):
    fake_times(monkeypatch, default=1.04, im2col=1.0)
    assert tune(file, margin=0.01)[0].choice == "im2col"


def test_tuning_again_can_take_a_choice_back(file, monkeypatch):
    other = key(X[:, :4], W[:, :4])
    written(file, key(), other)
    fake_times(monkeypatch, default=1.0, im2col=2.0)
    report = tune(file)
    assert report[0].default == DEFAULT  # of the engine, not of the file
    assert list(tuning_file.read(file)) == [other]
    assert conv() == DEFAULT
    assert conv(X[:, :4], W[:, :4]) == "im2col"


def test_tune_measures_in_earnest(file):
    report = fastconv.tune(
        [
            {"input": (1, 1, 42, 62), "weight": (17, 1, 1, 1)},
            (X, W),
            ((8, 9, 9), (8, 1, 3, 3), {"groups": 8, "padding": "same"}),
        ],
        file=file,
        threads=1,
        seconds=0.02,
    )
    assert all(0 < ms < 1e3 for row in report for ms in row.ms.values())
    assert set(report[1].ms) >= {"direct", "im2col"}
    assert set(report[2].ms) >= {"direct", "im2col", "depthwise"}
    assert all(row.ms[row.choice] <= row.ms[row.default] for row in report)
    assert len(tuning_file.read(file)) == sum(row.choice != row.default for row in report)
    assert fastconv.load_tuning(file) == len(tuning_file.read(file))


def test_dtypes(file, monkeypatch):
    fake_times(monkeypatch, default=2.0, im2col=1.0)
    tune(file, dtype=np.float64)
    assert conv(X.astype(np.float64), W.astype(np.float64)) == "im2col"
    assert conv() == DEFAULT
    tune(file, dtype=np.float16)  # which is computed in float32
    assert conv(X.astype(np.float16), W.astype(np.float16)) == conv() == "im2col"


@pytest.mark.parametrize(
    ("calls", "options", "error", "part"),
    [
        ([3], {}, TypeError, "call 0 is 3"),
        (["ab"], {}, TypeError, "a shape or an array"),
        ([(INPUT,)], {}, TypeError, "expected (input, weight)"),
        ([(INPUT, WEIGHT, {}, 1)], {}, TypeError, "expected (input, weight)"),
        ([{"input": INPUT}], {}, ValueError, "has no weight"),
        ([(INPUT, WEIGHT, {"bias": None})], {}, ValueError, "option 'bias'"),
        ([(INPUT, (16, 7, 3, 3))], {}, ValueError, "channels"),
        ([CALL, (INPUT, WEIGHT, {"stride": 0})], {}, ValueError, "stride"),
        ([((2, 8, -1, 13), WEIGHT)], {}, TypeError, "a shape or an array"),
        ([((2, 8, 9.0, 13), WEIGHT)], {}, TypeError, "a shape or an array"),
        ([CALL], {"dtype": np.int32}, TypeError, "int32"),
        ([CALL], {"threads": 0}, ValueError, "threads is 0"),
        ([CALL], {"margin": -0.1}, ValueError, "margin"),
        ([CALL], {"seconds": float("nan")}, ValueError, "seconds"),
    ],
)
def test_what_tune_refuses(file, calls, options, error, part):
    with pytest.raises(error) as caught:
        fastconv.tune(calls, file=file, **options)
    assert part in str(caught.value)
    assert not os.path.exists(file)


# ---- what a choice depends on --------------------------------------------------------------------


def test_results_do_not_depend_on_batch_and_threads(file):
    """Bit by bit, on numbers whose sums are rounded."""
    fastconv.load_tuning(written(file))
    x = RNG.standard_normal((5, *INPUT[1:])).astype(np.float32)
    whole = F.conv2d(x, W, padding=1, threads=1)
    for count in (1, 2, 3):
        for threads in (1, 2):
            parts = [
                F.conv2d(x[i : i + count], W, padding=1, threads=threads)
                for i in range(0, 5, count)
            ]
            np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(F.conv2d(x[4], W, padding=1, threads=2), whole[4])
    assert conv(x) == conv(x[:1]) == conv(x[0]) == "im2col"
    assert fastconv.explain("conv2d", x[:0], W, padding=1).algorithm == "im2col"


def test_bias_activation_and_residual_change_nothing(file):
    fastconv.load_tuning(written(file))
    ones = np.ones(16, np.float32)
    assert conv(bias=ones, activation="relu", residual=np.ones((2, 16, 12, 13), "f")) == "im2col"
    assert algorithm(F.convolve2d, X, W, padding=1) == "im2col"
    assert conv(out=np.empty((2, 16, 12, 13), np.float32)) == "im2col"


@pytest.mark.parametrize(
    ("x", "weight", "options"),
    [
        (X[:, :, 1:], W, {}),
        (X[..., 1:], W, {}),
        (X[:, :4], W[:, :4], {}),
        (X, W[:8], {}),
        (X, W[:, :, 1:], {}),
        (X, W[..., 1:], {}),
        (X, W[:, :4], {"groups": 2}),
        (X, W, {"padding": 0}),
        (X, W, {"padding": ((1, 1), (1, 0))}),
        (X, W, {"padding": ((0, 1), (1, 1))}),
        (X, W, {"stride": (2, 1)}),
        (X, W, {"stride": (1, 2)}),
        (X, W, {"dilation": (2, 1)}),
        (X, W, {"dilation": (1, 2)}),
        (X, W, {"padding_mode": "reflect"}),
        (X.astype(np.float64), W.astype(np.float64), {}),
        (np.ascontiguousarray(X.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2), W, {}),
        (np.ascontiguousarray(X.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2), W, {}),
    ],
)
def test_another_call_is_another_choice(file, x, weight, options):
    fastconv.load_tuning(written(file))
    assert conv() == "im2col"
    assert conv(x, weight, **options) != "im2col"
    fastconv.load_tuning(written(file, key(x, weight, **options)))
    assert conv() == conv(x, weight, **options) == "im2col"
    assert fastconv.runtime_info()["tuning"] == (file, 2)


def test_a_stride_that_means_nothing_does_not_count():
    assert key(X[:, :, :, :1]) == key(np.ascontiguousarray(X[:, :, :, :1]))
    assert key(X[::2]) == key(X)


def test_an_algorithm_that_is_asked_for_is_used(file):
    fastconv.load_tuning(written(file))
    assert conv(algorithm="direct") == "direct"
    with pytest.raises(ValueError, match=r"window is larger than 1x1.*here 'im2col'"):
        conv(algorithm="1x1")


def test_a_choice_that_does_not_take_the_call_is_ignored(file):
    fastconv.load_tuning(written(file, algorithm="depthwise"))
    assert conv() == DEFAULT
    assert file not in fastconv.explain("conv2d", X, W, padding=1).reason


def test_choices_come_and_go(file):
    """Plans that were made before do not outlive them, nor what a Conv2d remembers."""
    layer = fastconv.Conv2d(W, padding=1)
    written(file, key(), key(prepared=True))
    for _ in range(3):
        assert algorithm(layer, X) == algorithm(layer, X) == PREPARED_DEFAULT
        assert conv() == DEFAULT
        fastconv.load_tuning(file)
        assert algorithm(layer, X) == algorithm(layer, X) == conv() == "im2col"
        fastconv.clear_tuning()


def test_prepared_weights_have_their_own_choices(file, monkeypatch):
    layer = fastconv.Conv2d(W, padding=1)
    fake_times(monkeypatch, default=2.0, im2col=1.0)
    report = tune(file, prepared=True)
    assert "prepared" in report[0].call
    assert algorithm(layer, X) == algorithm(layer, X[:1]) == "im2col"
    assert conv() == DEFAULT
    assert file in fastconv.explain(layer, X).reason
    expected = F.conv2d(X, W, padding=1, algorithm="im2col")
    np.testing.assert_array_equal(layer(X), expected)


def test_prepared_calls_are_measured(file):
    report = fastconv.tune([CALL], prepared=True, file=file, threads=1, seconds=0.01)
    assert set(report[0].ms) >= {"direct", "im2col"}


def test_choices_change_while_others_compute(file):
    x = RNG.integers(-3, 4, INPUT).astype(np.float32)  # exact in the strict order
    w = RNG.integers(-3, 4, WEIGHT).astype(np.float32)
    how = {"padding": 1, "precision": "strict"}
    layer, expected = fastconv.Conv2d(w, **how), F.conv2d(x, w, **how)
    default, prepared_default = conv(x, w, **how), algorithm(layer, x)
    written(file, key(**how), key(prepared=True, **how))
    wrong, done = [], threading.Event()

    def compute():
        while not done.is_set():
            for result in (F.conv2d(x, w, **how, threads=1), layer(x, threads=1)):
                if not np.array_equal(result, expected):
                    wrong.append(result)

    workers = [threading.Thread(target=compute) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(100):
        fastconv.load_tuning(file)
        fastconv.clear_tuning()
    done.set()
    for worker in workers:
        worker.join()
    assert not wrong
    assert (conv(x, w, **how), algorithm(layer, x)) == (default, prepared_default)


# ---- who gets them -------------------------------------------------------------------------------

ASK = f"""
import numpy as np, fastconv
x, w = np.ones({INPUT}, np.float32), np.ones({WEIGHT}, np.float32)
print(fastconv.explain("conv2d", x, w, padding=1).algorithm)
"""


def test_a_file_in_the_cache_is_not_read_unasked(tmp_path):
    place = tmp_path / "fastconv" / "tuning.json"
    place.parent.mkdir()
    written(str(place))
    environment = {"XDG_CACHE_HOME": str(tmp_path), "FASTCONV_TUNE_FILE": None}
    assert children.run(ASK, **environment) == f"{DEFAULT}\n"
    asking = ASK.replace("x, w", "print(fastconv.load_tuning()); x, w", 1)
    assert children.run(asking, **environment) == "1\nim2col\n"


def test_the_variable_asks_for_a_file(file):
    assert children.run(ASK, FASTCONV_TUNE_FILE=written(file)) == "im2col\n"
    assert children.run(ASK, FASTCONV_TUNE_FILE="") == f"{DEFAULT}\n"


@pytest.mark.parametrize("text", [None, "{"])
def test_the_variable_names_no_usable_file(file, text):
    if text is not None:
        with open(file, "w") as out:
            out.write(text)
    done = children.run_unchecked(ASK, FASTCONV_TUNE_FILE=file)
    assert (done.returncode, done.stdout) == (0, f"{DEFAULT}\n")
    assert done.stderr.count("RuntimeWarning") == 1
    assert file in done.stderr


def test_another_tier_does_not_use_it(file, tier):
    other = None if tier == "scalar" else "scalar"
    done = children.run_unchecked(ASK, FASTCONV_TUNE_FILE=written(file), FASTCONV_MAX_ISA=other)
    assert done.returncode == 0
    assert "im2col" not in done.stdout
    assert f"its tier is '{tier}', and here it is '" in done.stderr


def test_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "tune_file", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert tuning_file.path(None) == str(tmp_path / "cache/fastconv/tuning.json")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert tuning_file.path(None) == str(tmp_path / ".cache/fastconv/tuning.json")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert tuning_file.path(None) == str(tmp_path / ".cache/fastconv/tuning.json")
    monkeypatch.setattr(runtime, "tune_file", "/some/where.json")
    assert tuning_file.path(None) == "/some/where.json"
    assert tuning_file.path(tmp_path / "own.json") == str(tmp_path / "own.json")


def test_tune_makes_the_folder_for_its_owner_alone(monkeypatch, tmp_path):
    monkeypatch.setattr(runtime, "tune_file", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fake_times(monkeypatch, default=2.0, im2col=1.0)
    report = tune(None)
    assert report.file == str(tmp_path / "fastconv" / "tuning.json")
    assert stat.S_IMODE(os.stat(tmp_path / "fastconv").st_mode) == 0o700
    assert fastconv.load_tuning() == 1


# ---- what it is made of --------------------------------------------------------------------------


def test_a_probe_of_calls_takes_the_time_of_one():
    probe = turns.Convolution(X, W, {"padding": 1}, 1).probe(calls=50)
    assert 0 < probe.seconds < 0.01
    assert probe.peak is None


def test_the_peak():
    assert _core.measure_peak("float64", 1) > 1e8
    with pytest.raises(ValueError, match="dtype"):
        _core.measure_peak("float16", 1)


def test_turns_are_taken_in_rounds():
    order = []
    timers = [lambda: order.append("a") or 1.0, lambda: order.append("b") or 2.0]
    assert turns.by_turns(timers, 0.0, least=3) == [[1.0] * 3, [2.0] * 3]
    assert order == ["a", "b"] * 3
    assert turns.ratio([1.0, 9.0, 2.0], [1.0, 3.0, 1.0]) == 2.0


@pytest.mark.parametrize("module", [tuning, turns])
def test_examples(module):
    assert doctest.testmod(module).failed == 0
