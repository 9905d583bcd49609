"""Random search, and the line that shows how far a training is."""

import io
import math

import numpy as np
import pytest

import fastconv
from fastconv import functional as F
from fastconv import nn, optim, random
from fastconv.data import DataLoader
from fastconv.training import Choice, LogUniform, Uniform, random_search
from fastconv.training.progress import Bar

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype(np.float32)
Y = X.argmax(axis=1)
SPACE = {"lr": LogUniform(1e-4, 3.0), "hidden": Choice([2, 8]), "momentum": Uniform(0.0, 0.9)}


@pytest.fixture(autouse=True)
def one_thread():
    with fastconv.num_threads(1):
        yield


def build(lr, hidden, momentum):
    model = nn.Sequential(nn.Linear(3, hidden), nn.Tanh(), nn.Linear(hidden, 3))
    return {"model": model, "optimizer": optim.SGD(model.parameters(), lr=lr, momentum=momentum)}


def search(trials=6, seed=1, space=SPACE, **more):
    options = {
        "train": (X[:40], Y[:40]),
        "dev": (X[40:], Y[40:]),
        "loss": F.cross_entropy,
        "epochs": 4,
        "metrics": ["accuracy"],
        "monitor": "dev_accuracy",
    }
    return random_search(build, space, trials, seed, **(options | more))


# ---- what is drawn


@pytest.mark.parametrize("u", [0.0, 0.3, 0.999999999])
def test_draws_stay_in_range(u):
    assert -2 <= Uniform(-2.0, 3.0).draw(u) < 3
    assert 1e-5 <= LogUniform(1e-5, 10.0).draw(u) <= 10
    assert Choice("abc").draw(u) in "abc"
    assert Uniform(1, 6).draw(u) in range(1, 7)
    assert LogUniform(1, 512).draw(u) in range(1, 513)


def test_distributions():
    places = (np.arange(10_000) + 0.5) / 10_000
    logs = np.log10([LogUniform(1e-4, 1e-1).draw(u) for u in places])
    assert np.histogram(logs, 3, (-4, -1))[0].tolist() == pytest.approx([3333] * 3, abs=2)
    dice = [Uniform(1, 6).draw(u) for u in places]
    assert np.bincount(dice)[1:].tolist() == pytest.approx([1667] * 6, abs=2)
    assert {type(value) for value in dice} == {int}
    widths = np.bincount([LogUniform(1, 100).draw(u) for u in places])
    assert len(widths) == 101
    assert widths[1] > widths[2] > widths[10] > widths[100] > 0


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1.0, 1.0),
        lambda: Uniform(0, math.inf),
        lambda: LogUniform(0.0, 1.0),
        lambda: LogUniform(2.0, 1.0),
        lambda: LogUniform(math.nan, 1.0),
        lambda: Choice([]),
    ],
)
def test_ranges_that_are_none(make):
    with pytest.raises(ValueError, match=r"low is|nothing to choose"):
        make()


# ---- the search


def test_is_reproducible_and_leaves_the_generator_alone():
    random.manual_seed(3)
    before = random.get_rng_state()
    one, two = search(), search()
    assert random.get_rng_state() == before
    drawn = [(t.number, t.parameters, t.score, t.history.steps) for t in one.trials]
    assert drawn == [(t.number, t.parameters, t.score, t.history.steps) for t in two.trials]
    other = search(seed=2)
    assert {t.parameters["lr"] for t in other.trials}.isdisjoint(
        t.parameters["lr"] for t in one.trials
    )


def test_a_trial_does_not_depend_on_how_many_follow():
    few = {t.number: t for t in search(trials=3).trials}
    many = {t.number: t for t in search(trials=6).trials}
    for number in range(3):
        assert few[number].parameters == many[number].parameters
        assert few[number].history.steps == many[number].history.steps


def test_ranks_by_the_best_epoch():
    seen = []
    result = search(report=seen.append)
    assert [trial.number for trial in seen] == list(range(6))
    scores = [trial.score for trial in result.trials]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    for trial in result.trials:
        column = trial.history.epochs["dev_accuracy"]
        assert trial.score == max(column) == column[trial.epoch - 1]
    losses = [trial.score for trial in search(monitor="dev_loss").trials]
    assert losses == sorted(losses)
    assert result.best is result.trials[0]


def test_table():
    result = search(space=SPACE | {"hidden": 4})
    header, *rows = str(result).splitlines()
    assert header.split() == [
        "trial",
        "lr",
        "hidden",
        "momentum",
        "dev_accuracy",
        "epoch",
        "seconds",
    ]
    assert len({len(line) for line in [header, *rows]}) == 1
    assert [float(row.split()[4]) for row in rows] == pytest.approx(
        [trial.score for trial in result.trials], rel=1e-3
    )
    assert {row.split()[2] for row in rows} == {"4"}


def test_a_failed_trial_comes_last_and_says_why():
    space = SPACE | {"lr": Choice([0.1, 1e39])}
    result = search(trials=8, space=space)
    failed = [trial for trial in result.trials if trial.score is None]
    assert 0 < len(failed) < 8
    assert result.trials[-len(failed) :] == failed
    assert {trial.parameters["lr"] for trial in failed} == {1e39}
    assert f"trial {failed[0].number}: fit: in epoch 1" in str(result)
    assert "–" in str(result)
    with pytest.raises(ValueError, match="every trial failed"):
        _ = search(trials=2, space=SPACE | {"lr": 1e39}).best


def test_search_arguments():
    with pytest.raises(ValueError, match="trials is 0"):
        search(trials=0)
    with pytest.raises(ValueError, match="seed is -1"):
        search(seed=-1)
    with pytest.raises(TypeError, match="train is a loader"):
        search(train=DataLoader((X, Y), 4))
    with pytest.raises(TypeError, match="build must be a function"):
        random_search(None, SPACE, 1, 0)


# ---- the bar


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Narrow(Terminal):
    encoding = "ascii"


def drive(stream, monkeypatch, columns=80, **options):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("fastconv.training.progress._EVERY", 0.0)
    bar = Bar(3, 4, stream=stream, **options)
    for epoch in (1, 2, 3):
        for batch in (1, 2, 3, 4):
            bar.step(epoch, batch, 0.5 / epoch, 10)
    bar.close("done")
    return stream.getvalue()


def test_bar_on_a_terminal(monkeypatch):
    text = drive(Terminal(), monkeypatch)
    lines = text.split("\r")
    assert lines[0] == ""
    assert len(lines) == 1 + 12 + 1
    assert lines[2].startswith("epoch 1/3 ━━━━━")
    assert " 2/4  loss 0.5000  " in lines[2]
    assert "/s  0:00 left\x1b[K" in lines[2]
    full = [line.count("━") for line in lines[1:5]]
    assert full == sorted(full)
    assert "─" not in lines[4]
    assert lines[-1] == "done\x1b[K\n"


@pytest.mark.parametrize("columns", [1, 10, 30, 60, 80, 300])
def test_bar_fits_the_terminal(monkeypatch, columns):
    lines = drive(Terminal(), monkeypatch, columns).replace("\x1b[K", "").split("\r")
    assert max(len(line.rstrip("\n")) for line in lines) <= max(columns - 1, 1)


def test_bar_of_a_narrow_encoding(monkeypatch):
    drive(Narrow(), monkeypatch).encode("ascii")


def test_bar_is_silent_elsewhere(monkeypatch):
    assert drive(io.StringIO(), monkeypatch) == ""
    assert drive(Terminal(), monkeypatch, shown=False) == ""


def test_bar_is_not_drawn_in_each_step(monkeypatch):
    stream = Terminal()
    bar = Bar(1, 10_000, stream=stream)
    for batch in range(10_000):
        bar.step(1, batch, 0.5, 1)
    assert stream.getvalue().count("\r") < 100


def test_fit_draws_it(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    search(trials=1)  # no line: a search has many trainings
    assert stream.getvalue() == ""
    model = nn.Linear(3, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    fastconv.fit(model, (X, Y), loss=F.cross_entropy, optimizer=optimizer, epochs=2)
    text = stream.getvalue()
    assert "\repoch 1/2 " in text
    assert text.endswith("\x1b[K\n")
    assert "History of 2 epochs, 2 steps, ended by epochs: loss" in text
