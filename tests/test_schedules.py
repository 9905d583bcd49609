"""Schedules: the formulas, sequences, saving, and what is refused.

test_oracle_optim.py has PyTorch's values.
"""

import doctest
import importlib
import math
import pathlib
import warnings

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, optim
from fastconv.optim import lr_scheduler

FOLDER = pathlib.Path(lr_scheduler.__file__).parent


def optimizer(*rates, kind=optim.SGD, **options):
    groups = [{"params": Tensor([1.0], requires_grad=True), "lr": rate} for rate in rates or (0.5,)]
    return kind(groups, **options)


def run(schedule, epochs):
    """The rates of each epoch; one list for each group."""
    rates = []
    for _ in range(epochs):
        current = [group["lr"] for group in schedule.optimizer.param_groups]
        assert schedule.get_last_lr() == current
        rates.append(current)
        schedule.optimizer.step()
        schedule.step()
    return np.array(rates)


FORMULAS = {
    "step": (
        lambda o: lr_scheduler.StepLR(o, 3, 0.5),
        lambda t: 0.5 ** (t // 3),
    ),
    "milestones": (
        lambda o: lr_scheduler.MultiStepLR(o, [7, 2, 7], 0.5),
        lambda t: 0.5 ** ((t >= 2) + 2.0 * (t >= 7)),
    ),
    "exponential": (
        lambda o: lr_scheduler.ExponentialLR(o, 0.9),
        lambda t: 0.9**t,
    ),
    "linear": (
        lambda o: lr_scheduler.LinearLR(o, 0.1, 0.8, 12),
        lambda t: 0.1 + 0.7 * np.minimum(t / 12, 1),
    ),
    "cosine": (
        lambda o: lr_scheduler.CosineAnnealingLR(o, 8),
        lambda t: (1 + np.cos(np.pi * t / 8)) / 2,
    ),
    "lambda": (
        lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 1 / (1 + epoch)),
        lambda t: 1 / (1 + t),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name):
    make, factor = FORMULAS[name]
    rates = run(make(optimizer(0.5, 2.0)), 40)
    wanted = factor(np.arange(40.0))
    np.testing.assert_allclose(rates[:, 0], 0.5 * wanted, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(rates[:, 1], 2.0 * wanted, rtol=1e-12, atol=1e-15)


def test_lambdas_for_each_group():
    o = optimizer(0.5, 2.0)
    rates = run(lr_scheduler.LambdaLR(o, [lambda epoch: epoch, lambda epoch: 1.0]), 3)
    assert rates.tolist() == [[0.0, 2.0], [0.5, 2.0], [1.0, 2.0]]


def test_several_schedules_multiply():
    o = optimizer(1.0)
    a = lr_scheduler.StepLR(o, 1, 0.5)
    b = lr_scheduler.ExponentialLR(o, 0.25)
    o.step()
    a.step()
    b.step()
    assert o.param_groups[0]["lr"] == 0.125


def test_a_sequence_begins_each_at_its_first_epoch():
    o = optimizer(1.0)
    parts = [
        lr_scheduler.LinearLR(o, 0.25, total_iters=3),
        lr_scheduler.StepLR(o, 2, 0.5),
        lr_scheduler.ExponentialLR(o, 0.1),
    ]
    rates = run(lr_scheduler.SequentialLR(o, parts, [3, 7]), 10)[:, 0]
    wanted = [0.25, 0.5, 0.75, 1, 1, 0.5, 0.5, 1, 0.1, 0.01]
    np.testing.assert_allclose(rates, wanted, rtol=1e-12)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.RMSprop])
def test_one_cycle(kind):
    o = optimizer(0.5, kind=kind)
    schedule = lr_scheduler.OneCycleLR(
        o, 1.0, total_steps=21, pct_start=0.5, anneal_strategy="linear", div_factor=10
    )
    rates, momenta = [], []
    for _ in range(21):
        group = o.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["betas"][0] if kind is optim.Adam else group["momentum"])
        o.step()
        schedule.step()
    steps = np.arange(21)
    wanted = np.interp(steps, [0, 9.5, 20], [0.1, 1, 1e-5])
    np.testing.assert_allclose(rates, wanted, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        momenta, np.interp(steps, [0, 9.5, 20], [0.95, 0.85, 0.95]), rtol=1e-12
    )
    with pytest.raises(ValueError, match="22 times, expected 21"):
        schedule.step()


def test_one_cycle_may_leave_the_momentum():
    o = optimizer(momentum=0.5)
    schedule = lr_scheduler.OneCycleLR(
        o, 1.0, epochs=2, steps_per_epoch=5, cycle_momentum=False, three_phase=True
    )
    assert schedule.total_steps == 10
    run(schedule, 5)
    assert o.param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize(
    ("options", "metrics", "rates"),
    [
        ({"patience": 1}, [3, 2, 2, 2, 1], [1, 1, 1, 0.1, 0.1]),
        ({"patience": 0, "cooldown": 2}, [3, 3, 3, 3, 3, 3], [1, 0.1, 0.1, 0.1, 0.01, 0.01]),
        ({"patience": 0, "mode": "max"}, [3, 4, 2, 5], [1, 1, 0.1, 0.1]),
        ({"patience": 0, "threshold": 0.5}, [4, 3, 1.4], [1, 0.1, 0.1]),
        (
            {"patience": 0, "threshold": 0.5, "threshold_mode": "abs"},
            [4, 3.4, 3, 2.4],
            [1, 1, 0.1, 0.1],
        ),
        (
            {"patience": 0, "threshold": 0.5, "threshold_mode": "abs", "mode": "max"},
            [4, 4.4, 5],
            [1, 0.1, 0.1],
        ),
        ({"patience": 0, "min_lr": 0.5, "factor": 0.7}, [1, 1, 1, 1], [1, 0.7, 0.5, 0.5]),
        ({"patience": 0, "factor": 0.5, "eps": 0.3}, [1, 1, 1], [1, 0.5, 0.5]),
        ({"patience": 0}, [math.nan, math.nan], [0.1, 0.01]),
    ],
)
def test_plateaus(options, metrics, rates):
    o = optimizer(1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(o, **options)
    found = []
    for metric in metrics:
        schedule.step(Tensor([metric]))
        found += schedule.get_last_lr()
    np.testing.assert_allclose(found, rates, rtol=1e-12)


def sequence(o):
    parts = [lr_scheduler.LinearLR(o, 0.5), lr_scheduler.CosineAnnealingLR(o, 9, 0.01)]
    return lr_scheduler.SequentialLR(o, parts, [3])


KINDS = {name: make for name, (make, _) in FORMULAS.items()} | {
    "cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=30),
    "sequence": sequence,
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("epochs", [2, 5])
def test_a_saved_schedule_goes_on(name, epochs):
    first = KINDS[name](optimizer(0.5, 0.1, momentum=0.9))
    run(first, epochs)
    second = KINDS[name](optimizer(0.3, 0.3, momentum=0.9))
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    second.optimizer.step()
    assert second.get_last_lr() == first.get_last_lr()
    np.testing.assert_array_equal(run(first, 12), run(second, 12))
    groups = zip(first.optimizer.param_groups, second.optimizer.param_groups, strict=True)
    assert all(a["momentum"] == b["momentum"] for a, b in groups)


def test_a_saved_plateau_goes_on():
    options = {"patience": 2, "cooldown": 1, "factor": 0.5}
    first = lr_scheduler.ReduceLROnPlateau(optimizer(), **options)
    metrics = [5, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3]
    for metric in metrics[:5]:
        first.step(metric)
    second = lr_scheduler.ReduceLROnPlateau(optimizer(), **options)
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    for metric in metrics[5:]:
        first.step(metric)
        second.step(metric)
        assert first.get_last_lr() == second.get_last_lr()
    assert first.get_last_lr()[0] < 0.25


def test_going_on_from_an_epoch():
    o = optimizer()
    with pytest.raises(ValueError, match="no 'initial_lr'"):
        lr_scheduler.ExponentialLR(o, 0.5, last_epoch=3)
    o.param_groups[0]["initial_lr"] = 0.5
    schedule = lr_scheduler.ExponentialLR(o, 0.5, last_epoch=3)
    assert schedule.last_epoch == 4
    assert schedule.get_last_lr() == [0.5]


def test_functions_that_are_objects_are_saved():
    class Decay:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, epoch):
            return self.factor**epoch

    first = lr_scheduler.LambdaLR(optimizer(), Decay(0.5))
    second = lr_scheduler.LambdaLR(optimizer(), Decay(0.9))
    second.load_state_dict(first.state_dict())
    assert second.lr_lambdas[0].factor == 0.5


def test_a_state_that_does_not_fit():
    schedule = lr_scheduler.StepLR(optimizer(), 3)
    before = schedule.state_dict()
    wrong = before | {"base_lrs": [1.0, 2.0], "gamma": "half"}
    del wrong["step_size"]
    with pytest.raises(ValueError, match="does not fit") as error:
        schedule.load_state_dict(wrong)
    for name in ("base_lrs", "gamma", "step_size"):
        assert name in str(error.value)
    assert schedule.state_dict() == before
    with pytest.raises(TypeError, match="expected a dict"):
        schedule.load_state_dict([])
    o = optimizer()
    parts = [lr_scheduler.LinearLR(o), lr_scheduler.StepLR(o, 2)]
    sequence = lr_scheduler.SequentialLR(o, parts, [3])
    state = sequence.state_dict()
    del state["_schedulers"][1]["gamma"]
    before = sequence.state_dict()
    with pytest.raises(ValueError, match="SequentialLR of StepLR"):
        sequence.load_state_dict(state)
    assert sequence.state_dict() == before


def test_stepping_before_the_optimizer_is_warned_of():
    schedule = lr_scheduler.StepLR(optimizer(), 3)
    with pytest.warns(UserWarning, match="before its optimizer"):
        schedule.step()
    schedule = lr_scheduler.StepLR(optimizer(), 3)
    schedule.optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule.step()


SOME = optimizer()
BAD = [
    (TypeError, "must be an Optimizer", lambda: lr_scheduler.StepLR(None, 3)),
    (TypeError, "must be an Optimizer", lambda: lr_scheduler.OneCycleLR([], 1.0, 3)),
    (ValueError, "step_size is 0", lambda: lr_scheduler.StepLR(SOME, 0)),
    (TypeError, "gamma must be", lambda: lr_scheduler.StepLR(SOME, 1, "0.1")),
    (TypeError, "milestones", lambda: lr_scheduler.MultiStepLR(SOME, [0.5])),
    (ValueError, "start_factor is 0", lambda: lr_scheduler.LinearLR(SOME, 0)),
    (ValueError, "end_factor is 2", lambda: lr_scheduler.LinearLR(SOME, end_factor=2)),
    (ValueError, "T_max is 0", lambda: lr_scheduler.CosineAnnealingLR(SOME, 0)),
    (ValueError, "2 values, expected 1", lambda: lr_scheduler.LambdaLR(SOME, [abs, abs])),
    (TypeError, "must be a function", lambda: lr_scheduler.LambdaLR(SOME, 0.5)),
    (ValueError, "neither total_steps", lambda: lr_scheduler.OneCycleLR(SOME, 1.0, epochs=3)),
    (ValueError, "pct_start is 2", lambda: lr_scheduler.OneCycleLR(SOME, 1.0, 9, pct_start=2)),
    (
        ValueError,
        "anneal_strategy",
        lambda: lr_scheduler.OneCycleLR(SOME, 1.0, 9, anneal_strategy="x"),
    ),
    (ValueError, "factor is 1", lambda: lr_scheduler.ReduceLROnPlateau(SOME, factor=1)),
    (ValueError, "mode is", lambda: lr_scheduler.ReduceLROnPlateau(SOME, mode="low")),
    (ValueError, "2 values", lambda: lr_scheduler.ReduceLROnPlateau(SOME, min_lr=[0, 0])),
    (ValueError, "0 schedulers", lambda: lr_scheduler.SequentialLR(SOME, [], [])),
    (
        TypeError,
        "without a metric",
        lambda: lr_scheduler.SequentialLR(SOME, [lr_scheduler.ReduceLROnPlateau(SOME)], []),
    ),
    (
        ValueError,
        "another optimizer",
        lambda: lr_scheduler.SequentialLR(SOME, [lr_scheduler.StepLR(optimizer(), 1)], []),
    ),
    (
        ValueError,
        "rising",
        lambda: lr_scheduler.SequentialLR(SOME, [lr_scheduler.StepLR(SOME, 1)] * 3, [3, 2]),
    ),
]


@pytest.mark.parametrize(("error", "words", "call"), BAD, ids=range(len(BAD)))
def test_bad_arguments(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_group_added_later():
    o = optimizer()
    of_epoch = lr_scheduler.LambdaLR(o, lambda epoch: 0.5)
    plateau = lr_scheduler.ReduceLROnPlateau(o, patience=0)
    o.add_param_group({"params": Tensor([1.0], requires_grad=True)})
    o.step()
    for step in (of_epoch.step, lambda: plateau.step(math.inf)):
        with pytest.raises(ValueError, match="when all groups are there"):
            step()


@pytest.mark.parametrize("module", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_examples(module):
    name = "fastconv.optim.lr_scheduler" + (f".{module}" if module != "__init__" else "")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_names_are_exported():
    assert fastconv.optim.lr_scheduler is lr_scheduler
    for name, thing in vars(lr_scheduler).items():
        if isinstance(thing, type):
            assert name in lr_scheduler.__all__
