"""The race's own arithmetic: what is compared, in which order it runs, what is kept and written.

No other engine is needed here: times come from made-up clocks.
"""

import json
import pathlib
import statistics

import corpus
import numpy as np
import pytest
from racing import children, contest, figures, report, store, tables, work
from racing.engines import ENGINES, FORM, FUNCTIONAL, OWN, PREPARED, Task, own
from racing.timing import block

DENSE = "conv ic64 ih56 iw56 oc64 kh3 kw3 ph1 pw1"
DEPTHWISE = "conv ic32 ih28 iw28 oc32 kh3 kw3 ph1 pw1 g32"
MAXPOOL = "maxpool ic64 ih112 iw112 kh2 kw2 sh2 sw2"


def figure(ms, **more):
    return {"ms": ms, "q1": ms, "q3": ms, "runs": 20, "cpu": 1.0, **more}


def make_row(layer=DENSE, threads=1, dtype="float32", cold=False, **changes):
    row = {
        "layer": layer,
        "dtype": dtype,
        "threads": threads,
        "cold": cold,
        "at": "2026-01-02T03:04:05+00:00",
        "algorithm": "direct",
        "tier": "avx512",
        "peak": 200.0,
        "session": 0,
        "entries": {
            "fastconv/functional": figure(2.0),
            "fastconv/prepared": figure(1.0),
            "torch/nchw": figure(5.0),
            "torch/nhwc": figure(4.0, alone=3.5),
            "torch-keeping/nchw": figure(3.0),
            "onnxruntime/bound": figure(2.5, alone=2.0),
            "openvino/nchw": figure(2.2),
            "mnn/default": {"wrong": "off by 3.0e-04 of Σ|x||w|"},
            "mnn/small tiles": figure(1.5),
            "ncnn/-": {"refused": "no dilated pooling"},
        },
    }
    row["entries"] |= changes.pop("entries", {})
    return row | changes


def make_session(**changes):
    return {
        "at": "2026-01-02T03:00:00+00:00",
        "cpu": "Some CPU",
        "cores": 2,
        "system": "Linux 6",
        "python": "3.12",
        "commit": "abc1234",
        "versions": {"fastconv": "1", "torch": "2"},
        "prepared": True,
        "quick": False,
        "copy GB/s": {"1": {"L2": 200.0, "L3": 90.0, "DRAM": 40.0}},
        "fixed cost us": {"call": 1.25, "engine": 0.25},
        **changes,
    }


# ---- classes and work ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (DENSE, work.WINDOWS),
        ("conv ic16 ih56 iw56 oc64 kh5 kw5 ph2 pw2", work.WINDOWS),
        ("conv ic64 ih56 iw56 oc64 kh1 kw1", work.POINTWISE),
        ("conv ic64 ih56 iw56 oc128 kh3 kw3 sh2 sw2 ph1 pw1", work.POINTWISE),
        ("conv ic3 ih224 iw224 oc64 kh7 kw7 sh2 sw2 ph3 pw3", work.POINTWISE),
        ("conv ic3 ih224 iw224 oc64 kh3 kw3 ph1 pw1", work.POINTWISE),
        (DEPTHWISE, work.UNUSUAL),
        ("conv ic61 ih56 iw56 oc67 kh3 kw3 ph1 pw1", work.UNUSUAL),
        ("conv ic64 ih33 iw33 oc64 kh3 kw3 ph2 pw2 dh2 dw2", work.UNUSUAL),
        ("conv ic1 ih32 iw32 oc6 kh5 kw5", work.UNUSUAL),
        ("conv ic32 ih56 iw56 oc32 kh7 kw7 ph3 pw3", work.OTHER),
        (MAXPOOL, work.POOLING),
        ("linear ic120 oc84", work.LINEAR),
    ],
)
def test_a_layer_has_the_target_of_its_class(line, name):
    assert work.classify(corpus.parse_line(line)) == name


def test_every_layer_of_the_corpora_has_a_class():
    rows = [make_row(str(layer.shape_key)) for layer in corpus.unique_layers().values()]
    groups = figures.grouped(rows)
    assert list(groups) == list(work.CLASSES)
    assert sum(map(len, groups.values())) == len(rows)
    assert all(groups.values())


@pytest.mark.parametrize("line", [DEPTHWISE, "linear mb3 ic7 oc5", "avgpool ic3 ih8 iw8 kh3 kw3"])
def test_a_right_result_passes_and_a_wrong_one_is_told(line):
    layer = corpus.parse_line(line)
    data = work.make_data(layer, "float32")
    exact = work.make_exact(layer, data, "float32")
    for entry in own.entries(Task(layer, data, "float32", 1, "")).values():
        result = entry().result()
        assert result.shape == work.output_shape(layer)
        assert exact.complaint(result) is None
    wrong = result + 1e-3 * exact.magnitude
    assert "off by 1.0e-03" in exact.complaint(wrong)
    assert "off by" in exact.complaint(np.full_like(result, np.nan))
    assert "shape" in exact.complaint(result[:, :1])


def test_the_same_layer_has_the_same_data():
    layer = corpus.parse_line(DEPTHWISE)
    first, second = (work.make_data(layer, "float32") for _ in range(2))
    np.testing.assert_array_equal(first.x, second.x)
    np.testing.assert_array_equal(first.weight, second.weight)


def test_footprint_counts_every_array_once():
    layer = corpus.parse_line("conv ic2 ih4 iw4 oc3 kh1 kw1")
    assert work.footprint(layer, 4) == 4 * (2 * 16 + 3 * 16 + 6 + 3)
    assert work.flops(layer) == 2 * 2 * 3 * 16


def test_padding_is_not_inside():
    line = "conv ic1 ih7 iw4 oc1 kh3 kw3 ph1 pw0"
    assert work.share_inside(corpus.parse_line(line)) == pytest.approx(19 / 21)
    assert work.share_inside(corpus.parse_line("conv ic1 ih9 iw9 oc1 kh3 kw3 sh2 sw2")) == 1


# ---- who runs when ------------------------------------------------------------------------------

F, P = (OWN, FUNCTIONAL), (OWN, PREPARED)
TORCH, SLOW_TORCH, ORT = ("torch", "nchw"), ("torch", "nhwc"), ("onnxruntime", "bound")
RIVALS = [(TORCH, F, "torch"), (SLOW_TORCH, F, "torch"), (ORT, P, "onnxruntime")]


class Clock:
    """Measures whatever it is told a call takes, and remembers whom it measured."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.order = []

    def __call__(self, entry, seconds, least):
        self.order.append(entry)
        took = self.seconds[entry]
        samples = [took] * max(least, int(seconds / took))
        return {"samples": samples, "spent": sum(samples), "cpu": 1.0}


def test_blocks_alternate_and_hopeless_settings_stop_after_the_first_round():
    clock = Clock({F: 1e-3, P: 1e-3, TORCH: 2e-3, SLOW_TORCH: 9e-3, ORT: 2e-3})
    effort = contest.Effort(alone=False)
    times = contest.hold([F, P], RIVALS, clock, effort)
    assert clock.order[:6] == [F, TORCH, F, SLOW_TORCH, P, ORT]
    assert SLOW_TORCH not in clock.order[6:]
    assert times[SLOW_TORCH].retired
    for entry in (F, P, TORCH, ORT):
        assert len(times[entry].samples) >= effort.runs
    assert times[TORCH].summary()["ms"] == pytest.approx(2)


def test_slow_calls_end_at_the_limit():
    clock = Clock({F: 0.5, P: 0.5, TORCH: 1.0, SLOW_TORCH: 1.0, ORT: 1.0})
    times = contest.hold([F, P], RIVALS, clock, contest.Effort(alone=False))
    assert 2 <= len(times[ORT].samples) <= 4


def test_peers_run_alone_last_and_their_better_figure_counts():
    clock = Clock({F: 1e-3, P: 1e-3, TORCH: 2e-3, SLOW_TORCH: 9e-3, ORT: 2e-3})
    times = contest.hold([F, P], RIVALS, clock, contest.Effort())
    assert clock.order[-2:] == [TORCH, ORT]
    assert times[ORT].summary()["alone"] == pytest.approx(2)
    assert figures.milliseconds(figure(2.0, alone=1.5)) == 1.5
    assert figures.milliseconds(figure(1.0, alone=1.5)) == 1.0


def test_a_cold_row_counts_runs_alone():
    clock = Clock(dict.fromkeys((F, P, TORCH, SLOW_TORCH, ORT), 1e-6))
    effort = contest.Effort().for_cold()
    times = contest.hold([F, P], RIVALS, clock, effort)
    assert effort.runs <= len(times[ORT].samples) < 2 * effort.runs


@pytest.mark.parametrize("cold", [False, True])
def test_a_block_times_single_calls(cold):
    calls, flushes = [], []
    found = block(
        lambda: calls.append(1), 1e-3, 5, 0.0, (lambda: flushes.append(1)) if cold else None
    )
    assert len(found["samples"]) >= 5
    assert min(found["samples"]) > 0
    assert statistics.median(found["samples"]) < 1e-3  # a call may be interrupted
    assert sum(found["samples"]) <= found["spent"] < len(calls)
    assert len(flushes) == (len(found["samples"]) if cold else 0)


# ---- figures ------------------------------------------------------------------------------------


def test_ratios_are_to_the_best_peer_of_the_race_and_of_all():
    row = make_row()
    assert figures.peers(FUNCTIONAL) == ["torch"]
    assert set(figures.peers(None)) == set(ENGINES) == set(FORM)
    assert figures.best(row, "torch") == 3.0
    assert figures.best(row, "onnxruntime") == 2.0
    assert figures.best(row, "mnn") == 1.5, "a wrong result does not count"
    assert figures.best(row, "ncnn") is None
    assert figures.ratio(row, FUNCTIONAL, figures.peers(FUNCTIONAL)) == 1.5
    assert figures.ratio(row, FUNCTIONAL, figures.peers(None)) == 0.75
    assert figures.ratio(row, PREPARED, figures.peers(PREPARED)) == 1.5
    assert figures.ratio(row, PREPARED, ["ncnn"]) is None


def test_means_are_geometric_and_the_least_is_named():
    rows = [
        make_row(),
        make_row(
            DEPTHWISE, entries={"torch-keeping/nchw": figure(2.0), "torch/nhwc": figure(12.0)}
        ),
    ]
    found = figures.summarize(rows, FUNCTIONAL, ["torch"])
    assert found.count == 2
    assert found.mean == pytest.approx(1.5**0.5)
    assert (found.least, found.layer) == (1.0, DEPTHWISE)
    assert figures.summarize(rows, PREPARED, ["ncnn"]) is None
    assert figures.geometric_mean([]) is None


def test_percentages():
    row = make_row(copy=100.0)
    layer = corpus.parse_line(DENSE)
    assert figures.gflops(row, 1.0) == pytest.approx(2e-6 * layer.macs)
    assert figures.percent_of_peak(row, 1.0) == pytest.approx(1e-6 * layer.macs)
    assert figures.percent_of_peak(make_row(MAXPOOL), 1.0) is None
    size = work.footprint(layer, 4)
    assert figures.percent_of_copy(row, 1.0) == pytest.approx(100 * size / 100e9 * 1e3)
    assert figures.percent_of_copy(make_row(), 1.0) is None


def test_scaling_takes_what_is_bound_by_arithmetic_and_long_enough():
    def on(threads, ms, line=DENSE):
        return make_row(line, threads, entries={"fastconv/prepared": figure(ms)})

    smaller = "conv ic64 ih28 iw28 oc64 kh3 kw3 ph1 pw1"
    rows = [on(1, 2.0), on(2, 1.0), on(1, 5.0, DEPTHWISE), on(2, 4.0, DEPTHWISE)]
    rows += [on(1, 0.5, smaller), on(2, 0.4, smaller)]
    assert figures.scaling(rows, PREPARED, 1, 2) == [(2.0, DENSE)]


def test_plausibility_looks_at_dense_layers_on_one_thread():
    macs = corpus.parse_line(DENSE).macs
    expected = 2e-6 * macs / (0.9 * 200.0)  # 90 % of the peak, if padding counted
    row = make_row(entries={"onnxruntime/bound": figure(expected), "openvino/nchw": figure(9.0)})
    told = {engine: (count, fits) for engine, count, _, fits in figures.plausibility([row])}
    assert told == {"onnxruntime": (1, True), "openvino": (1, False)}
    lines = report.self_check([row])
    assert "plausible" in lines[0]
    assert "NOT as known" in lines[1]
    assert all("no dense layer" in line for line in report.self_check([make_row(MAXPOOL)]))


# ---- what is kept -------------------------------------------------------------------------------


def test_a_race_that_was_cut_short_goes_on_where_it_was(tmp_path):
    path = tmp_path / "some" / "rows.jsonl"
    assert store.load(path) == ([], [])
    layers = [corpus.parse_line(line) for line in (DENSE, DEPTHWISE, MAXPOOL)]
    wanted = [work.Row(layer, "float32", n, False) for layer in layers for n in (1, 2)]
    assert store.missing(wanted, [], [], "abc1234", False) == wanted
    store.append(path, {"session": make_session()})
    for row in wanted[:3]:
        kept = make_row(str(row.layer.shape_key), row.threads)
        del kept["session"]
        store.append(path, kept)
    with path.open("a") as file:
        file.write('{"layer":"conv ic1')  # killed here
    sessions, rows = store.load(path)
    assert len(sessions) == 1
    assert [row["session"] for row in rows] == [0, 0, 0]
    assert store.missing(wanted, sessions, rows, "abc1234", False) == wanted[3:]
    assert store.missing(wanted, sessions, rows, "abc1234", True) == wanted[3:]
    assert store.missing(wanted, sessions, rows, "def5678", False) == wanted
    store.append(path, {"session": make_session()})
    assert [len(found) for found in store.load(path)] == [2, 3]
    cold = [work.Row(layers[0], "float32", 1, True), work.Row(layers[0], "float64", 1, False)]
    assert store.missing(cold, sessions, rows, "abc1234", False) == cold


def test_quick_rows_are_measured_again_by_a_race_that_is_not():
    sessions, rows = [make_session(quick=True)], [make_row()]
    wanted = [work.Row(corpus.parse_line(DENSE), "float32", 1, False)]
    assert store.missing(wanted, sessions, rows, "abc1234", True) == []
    assert store.missing(wanted, sessions, rows, "abc1234", False) == wanted


def test_the_last_row_of_a_layer_counts(tmp_path):
    path = tmp_path / "rows.jsonl"
    for commit, peak in (("one", 1.0), ("two", 2.0)):
        store.append(path, {"session": make_session(commit=commit)})
        store.append(path, make_row(peak=peak))
    sessions, rows = store.load(path)
    assert [row["peak"] for row in rows] == [2.0]
    assert sessions[rows[0]["session"]]["commit"] == "two"


def test_a_file_that_was_spoilt_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"layer":\n' + json.dumps(make_row()) + "\n")
    with pytest.raises(ValueError, match=r"rows\.jsonl:1: not JSON"):
        store.load(path)


def test_the_newest_file_by_its_day(tmp_path):
    assert store.latest(tmp_path) is None
    names = [store.file_name("Some (R) CPU", 2, day) for day in ("2026-01-02", "2025-12-31")]
    assert names[0] == "some-r-cpu-2-cores-2026-01-02.jsonl"
    for name in names:
        (tmp_path / name).touch()
    assert store.latest(tmp_path).name == names[0]


# ---- what is written ----------------------------------------------------------------------------


def test_the_document_says_what_was_measured_and_what_was_not():
    rows = [
        make_row(),
        make_row(threads=2, entries={"fastconv/prepared": figure(0.5)}),
        make_row(MAXPOOL, copy=50.0),
        make_row(dtype="float64"),
        make_row(cold=True),
    ]
    text = report.document([make_session()], rows, "rows.jsonl")
    assert "Some CPU, 2 cores" in text
    assert "fastconv at commit" not in text.split("\n")[0]
    assert "| float32 cold, 2 threads | not measured |" in text
    assert "## Linear\n\nNot measured.\n" in text
    assert "the rest is 1.00 µs" in text
    assert "| mnn, default | wrong | outside the tolerance | 5 |" in text
    assert "| ncnn, - | refused | no dilated pooling | 5 |" in text
    assert "64×56×56 → 64, 3×3" in text
    assert "quick" not in text.replace("--quick`: few", "")
    head = (
        "| 3×3 and 5×5, stride 1 | prepared | 1 | 1.50 | 1.50 | 2.0, 1.4 | no, yes | 1.50 | 1.50 |"
    )
    assert head in text
    for line in text.splitlines():
        assert "None" not in line
        assert "nan" not in line
    tables_of_text = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
    assert tables_of_text
    for lines in tables_of_text:
        assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_quick_rows_and_several_commits_are_said():
    sessions = [make_session(quick=True), make_session(commit="def5678", prepared=False)]
    rows = [make_row(), make_row(MAXPOOL, session=1)]
    text = report.document(sessions, rows, "rows.jsonl")
    assert "1 of 2 rows were measured with `--quick`" in text
    assert "several commits**: abc1234, def5678" in text
    assert "has no `Conv2d`" in text


def test_one_line_names_layer_threads_and_ratios():
    line = report.one_line(make_row(threads=2))
    assert line.startswith(f"{DENSE} float32 2T warm")
    assert "×1.50" in line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0, "0"),
        (1234.5, "1234"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (0.000812, "0.00081"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert tables.number(value) == text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("conv ic8 ih9 iw7 oc4 kh3 kw5 sh2 sw1 dh2 dw2 g2", "8×9×7 → 4, 3×5 s2×1 d2 g2"),
        (MAXPOOL, "64×112×112, max 2×2 s2"),
        ("globalavgpool ic3 ih2 iw2", "3×2×2, mean"),
        ("linear mb17 ic129 oc33", "17× 129 → 33"),
    ],
)
def test_a_shape_in_a_few_characters(line, text):
    assert tables.shape(corpus.parse_line(line)) == text


# ---- processes ----------------------------------------------------------------------------------


def test_a_child_answers_rests_and_starts_again_when_it_has_died(tmp_path):
    child = children.Child(OWN, tmp_path)
    try:
        assert child.told["versions"]["numpy"] == np.__version__
        assert child.ask("peak", dtype="float32", threads=1)["rate"] > 0
        child.rest()
        with pytest.raises(children.ChildDied, match="AttributeError"):
            child.ask("nothing")
        child._process.kill()
        child._process.wait()
        assert child.ask("peak", dtype="float32", threads=1)["rate"] > 0
    finally:
        child.stop()
    assert not child.alive


def test_a_child_that_spins_is_halted_until_it_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(children, "REST_SECONDS", 0.01)
    child = children.Child(OWN, tmp_path)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(child, "_running", lambda: True)
            child.rest()
        status = (pathlib.Path("/proc") / str(child._process.pid) / "stat").read_text()
        assert status.rpartition(")")[2].split()[0] == "T"
        assert child.ask("peak", dtype="float32", threads=1)["rate"] > 0
    finally:
        child.stop()


def test_a_process_gets_no_settings_of_somebody_else(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert not {"OMP_NUM_THREADS", "OPENBLAS_CORETYPE"} & children.environment(OWN).keys()
    assert "MALLOC_TOP_PAD_" in children.environment("torch-keeping")
