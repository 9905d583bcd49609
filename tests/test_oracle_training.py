"""Training as PyTorch does it: the same losses, step by step, for each optimiser and schedule.

Run with -m oracle; without torch these fail.
"""

import numpy as np
import pytest

from fastconv import data, models, nn, optim, random
from fastconv import functional as F
from fastconv.training import fit

pytestmark = pytest.mark.oracle

STEPS, EPOCHS = 20, 4  # 5 batches of an epoch, the last one smaller
BATCH = 24

OPTIMIZERS = {
    "SGD": {"lr": 0.1},
    "SGD momentum": {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-3},
    "SGD Nesterov": {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    "SGD dampened": {"lr": 0.1, "momentum": 0.5, "dampening": 0.25},
    "Adam": {"lr": 0.01},
    "Adam decay": {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.01},
    "Adam amsgrad": {"lr": 0.01, "amsgrad": True},
    "AdamW": {"lr": 0.01, "weight_decay": 0.1},
    "RMSprop": {"lr": 0.003},
    "RMSprop centered": {"lr": 0.003, "alpha": 0.9, "centered": True, "momentum": 0.5},
}
SCHEDULES = {
    "StepLR": ("epoch", {"step_size": 2, "gamma": 0.3}),
    "MultiStepLR": ("epoch", {"milestones": [1, 3], "gamma": 0.2}),
    "ExponentialLR": ("batch", {"gamma": 0.9}),
    "CosineAnnealingLR": ("batch", {"T_max": STEPS, "eta_min": 1e-4}),
    "LinearLR": ("batch", {"start_factor": 0.1, "total_iters": 10}),
    "LambdaLR": ("batch", {"lr_lambda": lambda step: 1 / (1 + 0.1 * step)}),
    "OneCycleLR": ("batch", {"max_lr": 0.2, "total_steps": STEPS}),
    "ReduceLROnPlateau": ("epoch", {"factor": 0.5, "patience": 0, "threshold": 0.5}),
}


def examples():
    images, labels = data.digits()
    order = data.dataset.permutation(len(labels), 3)[:110]
    x = models.prepare_digits(images[order])[:, :, 4:28, 4:28]
    return np.ascontiguousarray(x), labels[order]


X, Y = examples()


class Ours(nn.Module):
    def __init__(self):
        super().__init__()
        # No bias before a normalisation: its gradient is 0 but for rounding, which Adam enlarges.
        self.conv1 = nn.Conv2d(1, 4, 5, padding=2, bias=False, dtype=np.float64)
        self.norm = nn.BatchNorm2d(4, dtype=np.float64)
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(4, 8, 3, stride=2, dtype=np.float64)
        self.fc = nn.Linear(8 * 5 * 5, 10, dtype=np.float64)

    def forward(self, x):
        x = self.pool(self.norm(self.conv1(x)).relu())
        return self.fc(self.conv2(x).tanh().flatten(1))


@pytest.fixture(scope="module", autouse=True)
def _torch():
    """PyTorch, with one thread: two would wait for each other in networks as small as these."""
    global torch
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_theirs():
    class Theirs(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 4, 5, padding=2, bias=False)
            self.norm = torch.nn.BatchNorm2d(4)
            self.pool = torch.nn.MaxPool2d(2)
            self.conv2 = torch.nn.Conv2d(4, 8, 3, stride=2)
            self.fc = torch.nn.Linear(8 * 5 * 5, 10)

        def forward(self, x):
            x = self.pool(self.norm(self.conv1(x)).relu())
            return self.fc(self.conv2(x).tanh().flatten(1))

    return Theirs()


def networks(seed=0):
    """Both, in float64, from the same start."""
    random.manual_seed(seed)
    ours, theirs = Ours(), make_theirs().double()
    theirs.load_state_dict(
        {
            name: torch.from_numpy(tensor.numpy().copy())
            for name, tensor in ours.state_dict().items()
        }
    )
    return ours, theirs


def loader():
    return data.DataLoader((X, Y), BATCH, shuffle=True, seed=1)


def torch_losses(model, optimizer, scheduler=None, every="batch", clip=None):
    """The loop as PyTorch's tutorials have it, over the same batches."""
    losses, rates, batches = [], [], loader()
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in batches:
            optimizer.zero_grad()
            output = model(torch.from_numpy(x.astype(np.float64)))
            loss = torch.nn.functional.cross_entropy(output, torch.from_numpy(y))
            loss.backward()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            losses.append(loss.item())
            rates.append(optimizer.param_groups[0]["lr"])
            total += loss.item() * len(y)
            if scheduler is not None and every == "batch":
                scheduler.step()
        if scheduler is not None and every == "epoch":
            plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
            scheduler.step(*([total / len(X)] if plateau else []))
    return losses, rates


def our_losses(model, optimizer, scheduler=None, every="batch", clip=None):
    history = fit(
        model, loader(), loss=F.cross_entropy, optimizer=optimizer, scheduler=scheduler,
        scheduler_every=every, epochs=EPOCHS, clip_norm=clip, progress=False,
    )  # fmt: skip
    return history.steps["loss"], history.steps["lr"]


def check(ours, theirs, found, expected):
    assert len(found[0]) == STEPS
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12)
    assert found[0][-1] < 0.95 * found[0][0]  # it learns: the comparison is of more than the start
    # The losses are those before each step; the last step shows in the weights.
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_allclose(
            ours.state_dict()[name].numpy(), tensor.numpy(), rtol=0, atol=1e-8, err_msg=name
        )


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_every_optimizer(name, clip):
    kind, options = name.split()[0], OPTIMIZERS[name]
    ours, theirs = networks()
    found = our_losses(ours, getattr(optim, kind)(ours.parameters(), **options), clip=clip)
    expected = torch_losses(
        theirs, getattr(torch.optim, kind)(theirs.parameters(), **options), clip=clip
    )
    check(ours, theirs, found, expected)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_every_schedule(name, kind):
    every, options = SCHEDULES[name]
    start = {"lr": 0.1, "momentum": 0.9} if kind == "SGD" else {"lr": 0.01}
    if name == "OneCycleLR" and kind == "Adam":
        options = options | {"max_lr": 0.02}
    ours, theirs = networks()
    optimizer = getattr(optim, kind)(ours.parameters(), **start)
    found = our_losses(
        ours, optimizer, getattr(optim.lr_scheduler, name)(optimizer, **options), every
    )
    optimizer = getattr(torch.optim, kind)(theirs.parameters(), **start)
    expected = torch_losses(
        theirs, optimizer, getattr(torch.optim.lr_scheduler, name)(optimizer, **options), every
    )
    check(ours, theirs, found, expected)
    assert len(set(found[1])) > 1  # the rate did change


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_lenet5(activation, pooling):
    random.manual_seed(2)
    ours = models.LeNet5(10, activation, pooling, dtype=np.float64)
    squash = torch.nn.Tanh if activation == "tanh" else torch.nn.ReLU
    pool = torch.nn.AvgPool2d if pooling == "average" else torch.nn.MaxPool2d
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5), squash(), pool(2), torch.nn.Conv2d(6, 16, 5), squash(), pool(2),
        torch.nn.Flatten(), torch.nn.Linear(400, 120), squash(), torch.nn.Linear(120, 84), squash(),
        torch.nn.Linear(84, 10),
    ).double()  # fmt: skip
    with torch.no_grad():
        for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            other.copy_(torch.from_numpy(own.numpy().copy()))
    images, labels = data.digits()
    chosen = data.dataset.permutation(len(labels), 0)[:64]
    x, y = models.prepare_digits(images[chosen]), labels[chosen]
    history = fit(
        ours, data.DataLoader((x, y), 64), loss=F.cross_entropy, epochs=STEPS, progress=False,
        optimizer=optim.SGD(ours.parameters(), lr=0.1, momentum=0.9),
    )  # fmt: skip
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        output = theirs(torch.from_numpy(x.astype(np.float64)))
        loss = torch.nn.functional.cross_entropy(output, torch.from_numpy(y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(history.steps["loss"], losses, rtol=0, atol=1e-9)
    assert losses[-1] < losses[0]
