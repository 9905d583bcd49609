"""Optimisers, schedules and norms of gradients, against PyTorch's."""

import itertools
import math

import numpy as np
import pytest

from fastconv import Tensor, optim
from fastconv.optim import lr_scheduler

pytestmark = pytest.mark.oracle

SHAPES = [(5, 3), (1,), (70,), (2, 3, 4)]
STEPS = 50
OPTIONS = {
    "SGD": {
        "momentum": [0.0, 0.9],
        "dampening": [0.0, 0.3],
        "weight_decay": [0.0, 0.02],
        "nesterov": [False, True],
        "maximize": [False, True],
    },
    "Adam": {
        "betas": [(0.9, 0.999), (0.5, 0.7)],
        "eps": [1e-8, 0.1],
        "weight_decay": [0.0, 0.02],
        "amsgrad": [False, True],
        "maximize": [False, True],
    },
    "RMSprop": {
        "alpha": [0.99, 0.6],
        "eps": [1e-8, 0.1],
        "weight_decay": [0.0, 0.02],
        "momentum": [0.0, 0.9],
        "centered": [False, True],
        "maximize": [False, True],
    },
}
OPTIONS["AdamW"] = OPTIONS["Adam"]


def combinations():
    for kind, options in OPTIONS.items():
        for values in itertools.product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            if chosen.get("nesterov") and (not chosen["momentum"] or chosen["dampening"]):
                continue
            yield pytest.param(kind, chosen, id=f"{kind}-{','.join(map(str, values))}")


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def pair(torch, rng, dtype=np.float64):
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    return ours, [torch.nn.Parameter(torch.tensor(array)) for array in arrays]


def give_gradients(torch, rng, ours, theirs, number):
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        if (number + i) % 5 == 0:  # none
            p.grad = q.grad = None
            continue
        grad = rng.standard_normal(p.shape).astype(p.dtype)
        p.grad, q.grad = Tensor(grad), torch.tensor(grad)


@pytest.mark.parametrize(("kind", "options"), list(combinations()))
def test_optimizers(kind, options, torch):
    rng = np.random.default_rng(4)
    ours, theirs = pair(torch, rng)
    own = getattr(optim, kind)(ours, lr=0.03, **options)
    other = getattr(torch.optim, kind)(theirs, lr=0.03, **options)
    for number in range(STEPS):
        give_gradients(torch, rng, ours, theirs, number)
        own.step()
        other.step()
        for p, q in zip(ours, theirs, strict=True):
            wanted = q.detach().numpy()
            scale = np.abs(wanted).max()
            np.testing.assert_allclose(p.numpy(), wanted, rtol=1e-12, atol=1e-12 * scale)
    saved, wanted = own.state_dict(), other.state_dict()
    assert saved["state"].keys() == wanted["state"].keys()
    for number, entry in saved["state"].items():
        theirs = {k: v for k, v in wanted["state"][number].items() if v is not None}
        assert entry.keys() == theirs.keys()
        for name, value in entry.items():
            np.testing.assert_allclose(
                np.asarray(value), theirs[name].numpy(), rtol=1e-11, atol=1e-12
            )
    for group, theirs in zip(saved["param_groups"], wanted["param_groups"], strict=True):
        assert group.items() <= {k: v for k, v in theirs.items() if k in group}.items()


@pytest.mark.parametrize("kind", OPTIONS)
def test_its_state_is_loaded(kind, torch):
    """Training that PyTorch began goes on here."""
    rng = np.random.default_rng(6)
    options = {"lr": 0.03, "weight_decay": 0.1}
    if kind in ("SGD", "RMSprop"):
        options["momentum"] = 0.9
    ours, theirs = pair(torch, rng)
    own = getattr(optim, kind)(ours, **options)
    other = getattr(torch.optim, kind)(theirs, **options)
    for number in range(6):
        give_gradients(torch, rng, ours, theirs, number)
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        p.data = q.detach().numpy().copy()
    own.load_state_dict(other.state_dict())
    for number in range(6, 9):
        give_gradients(torch, rng, ours, theirs, number)
        own.step()
        other.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=1e-12, atol=1e-13)


SCHEDULES = {
    "step": lambda s, o: s.StepLR(o, 7, 0.3),
    "milestones": lambda s, o: s.MultiStepLR(o, [40, 3, 17, 17, 90], 0.3),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.97),
    "linear": lambda s, o: s.LinearLR(o, 0.2, 0.9, 30),
    "linear defaults": lambda s, o: s.LinearLR(o),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 23, 0.001),
    "cosine, even": lambda s, o: s.CosineAnnealingLR(o, 10),
    "lambda": lambda s, o: s.LambdaLR(o, [lambda t: 0.95**t, lambda t: 1 / (1 + t)]),
    "cycle": lambda s, o: s.OneCycleLR(o, [0.3, 0.9], total_steps=100),
    "cycle, linear": lambda s, o: s.OneCycleLR(
        o, 0.3, epochs=10, steps_per_epoch=11, anneal_strategy="linear", pct_start=0.4
    ),
    "cycle, three phases": lambda s, o: s.OneCycleLR(
        o, 0.3, total_steps=101, three_phase=True, base_momentum=0.7, final_div_factor=100.0
    ),
    "sequence": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=5), s.CosineAnnealingLR(o, 60)], [5]
    ),
    "sequence of all": lambda s, o: s.SequentialLR(
        o,
        [
            s.ExponentialLR(o, 0.9),
            s.StepLR(o, 5, 0.5),
            s.LinearLR(o, 0.5, 1.0, 10),
            s.MultiStepLR(o, [3, 9], 0.2),
            s.LambdaLR(o, lambda t: 0.9**t),
        ],
        [10, 30, 45, 60],
    ),
}


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name, kind, torch):
    momentum = {"momentum": 0.9} if kind == "SGD" else {}
    own = getattr(optim, kind)(
        [{"params": Tensor([1.0])}, {"params": Tensor([2.0]), "lr": 0.07}], lr=0.5, **momentum
    )
    other = getattr(torch.optim, kind)(
        [{"params": torch.ones(1)}, {"params": torch.ones(1), "lr": 0.07}], lr=0.5, **momentum
    )
    ours = SCHEDULES[name](lr_scheduler, own)
    theirs = SCHEDULES[name](torch.optim.lr_scheduler, other)
    for _ in range(100):
        for group, wanted in zip(own.param_groups, other.param_groups, strict=True):
            for option in ("lr", "momentum", "betas"):
                if option in group:
                    np.testing.assert_allclose(group[option], wanted[option], rtol=1e-15, atol=0)
        own.step()
        other.step()
        ours.step()
        theirs.step()
    assert ours.state_dict().keys() <= theirs.state_dict().keys() | {"use_beta1"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mode": "max", "patience": 3, "factor": 0.5},
        {"threshold_mode": "abs", "threshold": 0.3, "patience": 1, "cooldown": 3},
        {"mode": "max", "threshold_mode": "abs", "threshold": 0.3, "patience": 0, "min_lr": 0.02},
        {"patience": 2, "eps": 0.01, "min_lr": [0.1, 0.0], "factor": 0.7},
    ],
)
def test_plateaus(options, torch):
    own = optim.SGD([{"params": Tensor([1.0])}, {"params": Tensor([2.0]), "lr": 0.07}], lr=0.5)
    other = torch.optim.SGD(
        [{"params": torch.ones(1)}, {"params": torch.ones(1), "lr": 0.07}], lr=0.5
    )
    ours = lr_scheduler.ReduceLROnPlateau(own, **options)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **options)
    rng = np.random.default_rng(2)
    for number in range(100):
        metric = 3 * 0.97**number + 0.2 * rng.standard_normal()
        ours.step(metric)
        theirs.step(metric)
        assert ours.get_last_lr() == theirs.get_last_lr()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [2, math.inf, -math.inf, 0, 1, 3])
@pytest.mark.parametrize("most", [0.5, 1e6])
def test_norms(order, most, dtype, torch):
    rng = np.random.default_rng(4)
    ours, theirs = pair(torch, rng, dtype)
    give_gradients(torch, rng, ours, theirs, 1)
    norm = optim.clip_grad_norm_(ours, most, order)
    wanted = torch.nn.utils.clip_grad_norm_(theirs, most, order)
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(norm.numpy(), wanted.numpy(), rtol=tolerance)
    for p, q in zip(ours, theirs, strict=True):
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=tolerance)
    optim.clip_grad_value_(ours, 0.01)
    torch.nn.utils.clip_grad_value_(theirs, 0.01)
    for p, q in zip(ours, theirs, strict=True):
        if p.grad is not None:
            np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=tolerance)
