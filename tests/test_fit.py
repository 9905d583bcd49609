"""fit: its loop against one written by hand, resumption to the bit, Ctrl-C, NaN, early stopping."""

import csv
import doctest
import importlib
import os
import pathlib
import signal
import threading

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, nn, optim, random, training
from fastconv import functional as F
from fastconv.data import DataLoader, Dataset
from fastconv.training import (
    CheckpointError,
    History,
    Interrupted,
    NonFinite,
    evaluate,
    fit,
    predict,
    read_checkpoint,
)

RNG = np.random.default_rng(3)
X = RNG.normal(size=(70, 1, 6, 6)).astype(np.float32)
Y = (X.mean(axis=(1, 2, 3)) > 0).astype(np.int64) + (X[:, 0, 0, 0] > 0.5)
TRAIN, DEV = Dataset(X[:50], Y[:50]), Dataset(X[50:], Y[50:])
BATCH, BATCHES = 8, 7  # the last one of an epoch has two examples


@pytest.fixture(autouse=True)
def one_thread():
    """The networks here are tiny, and what they compute does not depend on it."""
    with fastconv.num_threads(1):
        yield


class Noise(nn.Module):
    """Draws from the house's generator while training, as dropout does."""

    def forward(self, x):
        if not self.training:
            return x
        return x * (random.generator().random(x.shape) > 0.2).astype(x.dtype)


class Net(nn.Module):
    def __init__(self, dtype=np.float32):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, dtype=dtype)
        self.noise = Noise()
        self.fc = nn.Linear(4 * 4 * 4, 3, dtype=dtype)
        self.register_buffer("calls", np.zeros(1, dtype))

    def forward(self, x):
        if self.training:
            self.calls.add_(1)
        return self.fc(self.noise(self.conv(x).relu()).flatten(1))


class Halving:
    """A schedule: half the rate every so many steps of its own."""

    def __init__(self, optimizer, every=2):
        self.optimizer, self.every, self.count = optimizer, every, 0

    def step(self):
        self.count += 1
        if self.count % self.every == 0:
            self.optimizer.param_groups[0]["lr"] /= 2

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class Crash(Exception):
    pass


def shifting(x, draws):
    return np.roll(x, 1, axis=3) * np.where(draws.uniform() < 0.5, 1, -1)[:, None, None, None]


shifting.random = True


def setup(seed=0, loader_seed=1, dtype=np.float32):
    """model and the arguments of fit that everything random goes through."""
    random.manual_seed(seed)
    model = Net(dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = DataLoader(
        TRAIN, BATCH, shuffle=True, seed=loader_seed, transform=shifting, prefetch=1
    )
    return model, {
        "train": loader,
        "dev": DEV,
        "loss": F.cross_entropy,
        "optimizer": optimizer,
        "scheduler": Halving(optimizer),
        "epochs": 3,
        "metrics": ["accuracy"],
        "progress": False,
    }


def plain(model, **more):
    """Arguments of fit for a model, as few as possible."""
    return {
        "train": TRAIN,
        "loss": F.cross_entropy,
        "optimizer": optim.SGD(model.parameters(), lr=0.1),
        "epochs": 1,
        "batch_size": BATCH,
        "progress": False,
    } | more


def outcome(model, history):
    """What two runs must agree on, bit for bit."""
    weights = {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}
    epochs = {name: values for name, values in history.epochs.items() if name != "seconds"}
    return (
        weights, epochs, history.steps, history.layers, history.best_epoch, history.stopped,
        random.get_rng_state(),
    )  # fmt: skip


FOLDER = pathlib.Path(training.__file__).parent


@pytest.mark.parametrize("module", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_examples(module):
    name = "fastconv.training" + (f".{module}" if module != "__init__" else "")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_names():
    assert fastconv.training is training
    assert fastconv.fit is training.fit
    assert {"fit", "training"} <= set(dir(fastconv))


# ---- the loop


@pytest.mark.parametrize("every", ["epoch", "batch"])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_is_the_loop_that_one_would_write(every, clip):
    model, arguments = setup()
    history = fit(model, **arguments, scheduler_every=every, clip_norm=clip)

    own, arguments = setup()
    optimizer, scheduler = arguments["optimizer"], arguments["scheduler"]
    losses, rates, norms = [], [], []
    for _ in range(3):
        for x, y in arguments["train"]:
            optimizer.zero_grad()
            loss = F.cross_entropy(own(Tensor(x)), y)
            loss.backward()
            if clip is not None:
                gradients = [p.grad.numpy() for p in own.parameters()]
                norm = np.sqrt(sum((g.astype(float) ** 2).sum() for g in gradients))
                norms.append(norm)
                factor = min(1, clip / (norm + 1e-6))
                for p in own.parameters():
                    p.grad.mul_(factor)
            optimizer.step()
            losses.append(loss.item())
            rates.append(optimizer.param_groups[0]["lr"])
            if every == "batch":
                scheduler.step()
        if every == "epoch":
            scheduler.step()

    assert history.steps["lr"] == rates
    assert history.steps["epoch"] == [1] * BATCHES + [2] * BATCHES + [3] * BATCHES
    for name, tensor in own.state_dict().items():
        found = model.state_dict()[name].numpy()
        if clip is None:
            np.testing.assert_array_equal(found, tensor.numpy())
        else:  # the sum of squares is formed in another order here
            np.testing.assert_allclose(found, tensor.numpy(), rtol=1e-5, atol=1e-6)
    if clip is None:
        assert history.steps["loss"] == losses
    else:
        np.testing.assert_allclose(history.steps["loss"], losses, rtol=1e-5)
        np.testing.assert_allclose(history.steps["gradient_norm"], norms, rtol=1e-5)
        assert max(norms) > clip


def test_gradients_that_are_small_enough_are_not_scaled():
    model, arguments = setup()
    plain_history = fit(model, **arguments, gradient_norms=True)
    squares = np.square(list(plain_history.layers.values())).sum(axis=0)
    model, arguments = setup()
    history = fit(model, **arguments, clip_norm=1.1 * float(np.sqrt(squares.max())))
    assert history.steps["loss"] == plain_history.steps["loss"]
    np.testing.assert_allclose(np.square(history.steps["gradient_norm"]), squares, rtol=1e-6)


def test_epochs_are_means_over_examples():
    model, arguments = setup()
    history = fit(model, **arguments)
    sizes = np.tile([BATCH] * (BATCHES - 1) + [2], 3)
    losses = np.array(history.steps["loss"]) * sizes
    means = losses.reshape(3, -1).sum(axis=1) / len(TRAIN)
    np.testing.assert_allclose(history.epochs["loss"], means, rtol=1e-12)
    assert history.epochs["epoch"] == [1, 2, 3]
    assert history.epochs["step"] == [BATCHES, 2 * BATCHES, 3 * BATCHES]
    assert history.stopped == "epochs"


def test_learns_and_dev_is_what_evaluate_says():
    random.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    arguments = plain(
        model, dev=DEV, epochs=30, metrics={"right": lambda o, y: (o.argmax(1) == y).mean()}
    )
    history = fit(model, **arguments)
    assert history.epochs["right"][-1] > 0.9 > 0.6 > history.epochs["right"][0]
    found = evaluate(model, DEV, loss=F.cross_entropy, metrics=arguments["metrics"])
    assert found == {
        "loss": history.epochs["dev_loss"][-1], "right": history.epochs["dev_right"][-1]
    }  # fmt: skip


def test_order_depends_on_the_seed_alone():
    def losses(start, **more):
        random.manual_seed(start)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
        return fit(model, **plain(model, **more)).steps["loss"]

    assert losses(1) == losses(1)
    assert losses(1, seed=5) == losses(1, seed=5)
    assert losses(1) != losses(1, seed=5)


def test_a_network_of_float64_gets_float64():
    model, arguments = setup(dtype=np.float64)
    seen = set()

    def loss(output, y):
        seen.add(output.dtype)
        return F.cross_entropy(output, y)

    fit(model, **(arguments | {"loss": loss}))
    assert seen == {np.dtype(np.float64)}


def test_modes_are_as_they_were():
    model, arguments = setup()
    model.eval()
    model.noise.training = True
    fit(model, **arguments)
    assert [module.training for module in model.modules()] == [False, False, True, False]


def test_frozen_parameters_stay():
    model, arguments = setup()
    model.conv.requires_grad_(False)
    before = model.conv.weight.numpy().copy()
    history = fit(model, **arguments, gradient_norms=True)
    np.testing.assert_array_equal(model.conv.weight.numpy(), before)
    assert set(history.layers["conv.weight"]) == {0.0}
    assert min(history.layers["fc.weight"]) > 0


def test_gradient_norms():
    model, arguments = setup()
    seen = []

    class Watch:
        def after_step(self, run):
            seen.append([np.linalg.norm(p.grad.numpy().astype(float)) for p in model.parameters()])

    history = fit(model, **arguments, gradient_norms=True, callbacks=[Watch()])
    assert list(history.layers) == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]
    np.testing.assert_allclose(np.array(list(history.layers.values())).T, seen, rtol=1e-6)


# ---- resumption


def run_until(path, crash_at, **more):
    """Train with a checkpoint after each step, and crash after some step's checkpoint."""

    class Breaker:
        def after_step(self, run):
            if run.step == crash_at + 1:
                raise Crash

    model, arguments = setup()
    with pytest.raises(Crash):
        fit(model, **arguments, checkpoint=path, checkpoint_every=1, callbacks=[Breaker()], **more)


@pytest.mark.parametrize("crash_at", [1, 4, BATCHES - 1, BATCHES, BATCHES + 1, 2 * BATCHES, 17])
def test_resumption_is_to_the_bit(tmp_path, crash_at):
    path = tmp_path / "a"
    how = {"clip_norm": 0.7, "gradient_norms": True, "patience": 3}
    model, arguments = setup()
    expected = outcome(model, fit(model, **arguments, **how))

    run_until(path, crash_at, **how)
    model, arguments = setup(seed=77)  # everything that is not loaded would show
    history = fit(model, **arguments, checkpoint=path, checkpoint_every=1, resume=True, **how)
    assert outcome(model, history) == expected
    assert len(history.steps["loss"]) == 3 * BATCHES


def test_resumption_from_between_the_last_step_and_the_evaluation(tmp_path):
    path = tmp_path / "a"
    model, arguments = setup()
    expected = outcome(model, fit(model, **arguments))
    model, arguments = setup()

    def loss(output, y):
        if not model.training:
            raise Crash
        return F.cross_entropy(output, y)

    with pytest.raises(Crash):
        fit(model, **(arguments | {"loss": loss}), checkpoint=path, checkpoint_every=1)
    assert read_checkpoint(path).state["run"]["step"] == BATCHES
    model, arguments = setup(seed=8)
    history = fit(model, **arguments, checkpoint=path, resume=True)
    assert outcome(model, history) == expected


def test_resumption_of_a_pair_takes_over_the_order(tmp_path):
    def build(seed):
        random.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))

    def arguments(model, epochs):
        return plain(model, epochs=epochs)

    model = build(0)
    expected = outcome(model, fit(model, **arguments(model, 4)))
    model = build(0)
    fit(model, **arguments(model, 2), checkpoint=tmp_path / "a")
    model = build(9)
    history = fit(model, **arguments(model, 4), checkpoint=tmp_path / "a", resume=True)
    assert outcome(model, history) == expected


def test_a_complete_training_resumes_to_itself(tmp_path):
    model, arguments = setup()
    expected = outcome(model, fit(model, **arguments, checkpoint=tmp_path / "a", patience=2))
    model, arguments = setup(seed=5)
    history = fit(model, **arguments, checkpoint=tmp_path / "a", patience=2, resume=True)
    assert outcome(model, history) == expected


def test_resume_auto(tmp_path):
    path = tmp_path / "a"
    model, arguments = setup()
    with pytest.raises(FileNotFoundError):
        fit(model, **arguments, checkpoint=path, resume=True)
    model, arguments = setup()
    one = fit(model, **arguments, checkpoint=path, resume="auto")
    model, arguments = setup()
    two = fit(model, **(arguments | {"epochs": 4}), checkpoint=path, resume="auto")
    assert two.steps["loss"][: 3 * BATCHES] == one.steps["loss"]
    assert len(two.steps["loss"]) == 4 * BATCHES


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"metrics": []}, "metrics"),
        ({"dev": None}, "monitor 'dev_loss', and this fit has None"),
        ({"clip_norm": 1.0}, "clipped"),
        ({"gradient_norms": True}, "gradient_norms"),
        ({"patience": 2}, "keeps_best"),
        ({"scheduler": None}, "scheduler 'Halving', and this fit has None"),
        ({"scheduler_every": "batch"}, "scheduler_every"),
        ({"monitor": "dev_accuracy"}, "monitor"),
    ],
)
def test_resumption_with_other_settings_is_refused(tmp_path, change, match):
    path = tmp_path / "a"
    model, arguments = setup()
    fit(model, **arguments, checkpoint=path)
    file = path.read_bytes()
    model, arguments = setup(seed=4)
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=match):
        fit(model, **(arguments | change), checkpoint=path, resume=True)
    for name, tensor in model.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name])
    assert path.read_bytes() == file


def test_a_damaged_checkpoint_is_not_overwritten(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      more")
    model, arguments = setup()
    with pytest.raises(CheckpointError, match="safetensors"):
        fit(model, **arguments, checkpoint=path, resume="auto")
    assert path.read_bytes() == b"\x08\0\0\0\0\0\0\0{}      more"


# ---- Ctrl-C


class Press:
    """Ctrl-C after some step, as often as is said."""

    def __init__(self, step, times=1):
        self.step, self.times = step, times

    def after_step(self, run):
        if run.step == self.step:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def default_sigint():
    """Python's own handler, which is not there where the tests were started in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("default_sigint")
@pytest.mark.parametrize("step", [3, BATCHES, 2 * BATCHES])
@pytest.mark.parametrize("with_dev", [True, False])
def test_ctrl_c_leaves_a_checkpoint_to_go_on_from(tmp_path, step, with_dev):
    path = tmp_path / "a"
    other = {} if with_dev else {"dev": None}
    model, arguments = setup()
    expected = outcome(model, fit(model, **(arguments | other)))

    model, arguments = setup()
    with pytest.raises(Interrupted, match="resume=True from") as caught:
        fit(model, **(arguments | other), checkpoint=path, callbacks=[Press(step)])
    assert isinstance(caught.value, KeyboardInterrupt)
    assert len(caught.value.history.steps["loss"]) == step
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert model.training

    model, arguments = setup(seed=8)
    history = fit(model, **(arguments | other), checkpoint=path, resume=True)
    assert outcome(model, history) == expected


@pytest.mark.usefixtures("default_sigint")
def test_ctrl_c_while_dev_is_evaluated(tmp_path):
    path = tmp_path / "a"
    model, arguments = setup()
    expected = outcome(model, fit(model, **arguments))

    pressed = []

    def loss(output, y):
        if not model.training and not pressed:
            pressed.append(True)
            os.kill(os.getpid(), signal.SIGINT)
        return F.cross_entropy(output, y)

    model, arguments = setup()
    with pytest.raises(Interrupted):
        fit(model, **(arguments | {"loss": loss}), checkpoint=path)
    assert read_checkpoint(path).state["run"]["trained"] is True
    model, arguments = setup(seed=8)
    history = fit(model, **arguments, checkpoint=path, resume=True)
    assert outcome(model, history) == expected


@pytest.mark.usefixtures("default_sigint")
def test_ctrl_c_without_a_checkpoint():
    model, arguments = setup()
    with pytest.raises(Interrupted, match="no checkpoint"):
        fit(model, **arguments, callbacks=[Press(2)])


@pytest.mark.usefixtures("default_sigint")
def test_ctrl_c_in_the_last_step_finishes_first(tmp_path):
    model, arguments = setup()
    with pytest.raises(Interrupted, match="complete") as caught:
        fit(model, **arguments | {"dev": None}, callbacks=[Press(3 * BATCHES)])
    assert caught.value.history.stopped == "epochs"


@pytest.mark.usefixtures("default_sigint")
def test_two_ctrl_c_interrupt_at_once(tmp_path):
    model, arguments = setup()
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(model, **arguments, checkpoint=tmp_path / "a", callbacks=[Press(2, times=2)])
    assert not isinstance(caught.value, Interrupted)
    assert not (tmp_path / "a").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_in_a_thread():
    found = []

    def work():
        model, arguments = setup()
        with fastconv.num_threads(1):
            found.append(fit(model, **arguments))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].stopped == "epochs"


# ---- NaN


class Poison(nn.Module):
    """Passes on what it is given, and after some calls in train mode a NaN in it."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def forward(self, x):
        if self.training:
            self.left -= 1
        return x * float("nan") if self.left < 0 else x


def poisoned(after=3):
    model, arguments = setup()
    model.noise = nn.Sequential(Noise(), Poison(after))
    return model, arguments


def test_a_nan_stops_before_the_step(tmp_path):
    path = tmp_path / "a"
    model, arguments = poisoned()
    weights = []

    class Keep:
        def after_step(self, run):
            weights.append(model.fc.weight.numpy().copy())

    with pytest.raises(
        NonFinite, match="epoch 1, batch 4, after 3 steps, the loss is nan"
    ) as caught:
        fit(model, **arguments, callbacks=[Keep()], checkpoint=path, checkpoint_every=1)
    error = caught.value
    assert (error.epoch, error.batch, error.step, error.layer) == (1, 4, 3, None)
    assert len(error.history.steps["loss"]) == 3
    np.testing.assert_array_equal(model.fc.weight.numpy(), weights[-1])
    assert read_checkpoint(path).state["run"]["step"] == 3
    assert "find_nan=True" in str(error)


def test_find_nan_names_the_layer():
    model, arguments = poisoned()
    with pytest.raises(NonFinite, match=r"layer 'noise\.1' \(Poison\) made .* NaN of") as caught:
        fit(model, **arguments, find_nan=True)
    assert caught.value.layer == "noise.1"


def test_find_nan_draws_what_was_drawn_and_changes_nothing():
    masks, states = [], []

    class Recorder(Noise):
        def forward(self, x):
            result = super().forward(x)
            masks.append(result._array == 0)
            states.append(random.get_rng_state())
            return result

    model, arguments = poisoned(after=1)
    model.noise[0] = Recorder()
    with pytest.raises(NonFinite):
        fit(model, **arguments, find_nan=True)
    assert len(masks) == 3
    np.testing.assert_array_equal(masks[1], masks[2])
    assert random.get_rng_state() == states[1]
    assert model.calls.numpy() == 2  # a buffer: not of the search
    assert all(module._hooks is None or not module._hooks.after for module in model.modules())


def test_find_nan_in_a_parameter():
    model, arguments = setup()

    class Spoil:
        def after_step(self, run):
            model.fc.weight.detach()[0, 0] = float("inf")

    with pytest.raises(NonFinite, match=r"parameter fc\.weight has 1 infinite of 192") as caught:
        fit(model, **arguments, find_nan=True, callbacks=[Spoil()])
    assert caught.value.layer == "fc.weight"


@pytest.mark.parametrize("last", [True, False])
def test_weights_that_a_step_made_infinite_are_not_saved(tmp_path, last):
    path = tmp_path / "a"
    model, arguments = setup()

    class Spoil:
        def after_step(self, run):
            if run.step == (BATCHES if last else 4):
                model.fc.weight.detach()[0, 0] = float("inf")

    match = r"in epoch 1, after \d steps, the parameter fc\.weight has 1 infinite"
    with pytest.raises(NonFinite, match=match) as caught:
        fit(model, **arguments, checkpoint=path, checkpoint_every=1, callbacks=[Spoil()])
    assert caught.value.layer == "fc.weight"
    assert caught.value.step == (BATCHES if last else 4)
    checkpoint = read_checkpoint(path)
    assert checkpoint.state["run"]["step"] == caught.value.step - 1
    assert np.isfinite(checkpoint.model["fc.weight"]).all()


def test_find_nan_in_the_batch():
    model, arguments = setup()
    bad = X[:50].copy()
    bad[7, 0, 2, 2] = np.nan
    arguments["train"] = DataLoader((bad, Y[:50]), BATCH, seed=0)
    with pytest.raises(NonFinite, match="the batch itself has 1 NaN of 288 numbers") as caught:
        fit(model, **arguments, find_nan=True)
    assert (caught.value.batch, caught.value.layer) == (1, None)


def test_find_nan_between_layers_and_in_the_loss():
    class Between(Net):
        def forward(self, x):
            return self.fc((self.conv(x) - 1e9).log().flatten(1))

    model = Between()
    with pytest.raises(NonFinite, match=r"go into layer 'fc' .* operation between layers"):
        fit(model, **plain(model, find_nan=True))

    model = Net()

    def loss(output, y):
        return F.cross_entropy(output, y) * float("inf")

    with pytest.raises(NonFinite, match="every layer's output is finite: the loss function"):
        fit(model, **plain(model, find_nan=True, loss=loss))


def test_find_nan_in_a_gradient():
    class Root(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(36, 4)
            self.last = nn.Linear(4, 3)

        def forward(self, x):
            # sqrt(0) is 0 and its gradient infinite.
            first = self.first(x.flatten(1))
            return self.last((first - first.detach()).sqrt())

    model = Root()
    before = model.first.weight.numpy().copy()
    with pytest.raises(NonFinite, match="finite but a gradient is not") as caught:
        fit(model, **plain(model, find_nan=True))
    assert caught.value.layer == "first.bias"
    np.testing.assert_array_equal(model.first.weight.numpy(), before)
    with pytest.raises(NonFinite):
        fit(model, **plain(model, clip_norm=1.0))


# ---- early stopping


def scripted(numbers):
    """A metric that gives these numbers for the dev set, one after the other."""
    left = list(numbers)

    def metric(outputs, labels):
        return left.pop(0) if len(labels) == len(DEV) else 0.0

    return {"score": metric}


def test_patience_ends_and_the_best_weights_come_back():
    model, arguments = setup()
    arguments |= {"metrics": scripted([0.1, 0.5, 0.3, 0.5, 0.4, 0.9]), "epochs": 6}
    kept = []
    history = fit(
        model, **arguments, monitor="dev_score", patience=3,
        callbacks=[lambda run: kept.append(model.fc.weight.numpy().copy())],
    )  # fmt: skip
    assert (history.stopped, history.best_epoch, len(kept)) == ("patience", 2, 5)
    np.testing.assert_array_equal(model.fc.weight.numpy(), kept[1])
    assert not np.array_equal(kept[1], kept[4])


def test_of_losses_less_is_better():
    model, arguments = setup()
    values = iter([3.0, 1.0, float("nan"), 2.0, 1.5])

    def loss(output, y):
        result = F.cross_entropy(output, y)
        return result if model.training else result * 0 + next(values)

    history = fit(model, **(arguments | {"loss": loss, "epochs": 5}), patience=10)
    assert (history.stopped, history.best_epoch) == ("epochs", 2)


def test_without_patience_the_last_weights_stay():
    model, arguments = setup()
    arguments |= {"metrics": scripted([0.9, 0.5, 0.3])}
    kept = []
    history = fit(
        model, **arguments, monitor="dev_score",
        callbacks=[lambda run: kept.append(model.fc.weight.numpy().copy())],
    )  # fmt: skip
    assert history.best_epoch == 1
    np.testing.assert_array_equal(model.fc.weight.numpy(), kept[-1])


def test_callbacks_can_stop():
    model, arguments = setup()
    history = fit(
        model, **arguments, callbacks=[lambda run: run.stop() if run.epoch == 2 else None]
    )
    assert (history.stopped, history.epochs["epoch"]) == ("callback", [1, 2])


# ---- arguments


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"epochs": 0}, ValueError, "epochs"),
        ({"epochs": 1.5}, TypeError, "epochs"),
        ({"loss": None}, TypeError, "loss must be a function"),
        ({"optimizer": 3}, TypeError, "optimizer must be one of"),
        ({"clip_norm": 0}, ValueError, "clip_norm is 0"),
        ({"patience": 0, "dev": DEV}, ValueError, "patience"),
        ({"patience": 2}, ValueError, "takes a dev set"),
        ({"monitor": "dev_loss"}, ValueError, "monitor is 'dev_loss', expected one of loss"),
        ({"monitor": "f1", "dev": DEV}, ValueError, "dev_loss"),
        ({"metrics": ["speed"]}, ValueError, "no metric 'speed'"),
        ({"metrics": {"loss": len}}, TypeError, "other than 'loss'"),
        ({"resume": True}, ValueError, "checkpoint=path"),
        ({"resume": "yes", "checkpoint": "x"}, ValueError, "resume is 'yes'"),
        ({"checkpoint_every": 3}, ValueError, "checkpoint=path"),
        ({"scheduler_every": "day"}, ValueError, "scheduler_every"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"train": DataLoader(TRAIN, 4)}, ValueError, "the loader's own"),
        ({"train": 3, "batch_size": None}, TypeError, "train must be"),
        ({"train": [(X, Y), (X, Y), (X, Y)], "batch_size": None}, TypeError, "pair"),
        ({"callbacks": [3]}, TypeError, "callback"),
    ],
)
def test_arguments_that_do_not_fit(change, error, match):
    model = Net()
    before = model.fc.weight.numpy().copy()
    with pytest.raises(error, match=match):
        fit(model, **plain(model, **change))
    np.testing.assert_array_equal(model.fc.weight.numpy(), before)


def test_a_checkpoint_that_cannot_be_written_is_told_at_once(tmp_path):
    steps = []

    class Watch:
        def after_step(self, run):
            steps.append(run.step)

    for change, error, match in (
        ({"checkpoint": tmp_path / "none" / "a"}, FileNotFoundError, "no folder"),
        ({"checkpoint": tmp_path}, IsADirectoryError, "is a folder"),
        ({"config": {"f": len}}, TypeError, "config.f"),
        ({"scheduler": object()}, TypeError, "scheduler that has state_dict"),
    ):
        model = Net()
        arguments = plain(model, callbacks=[Watch()], checkpoint=tmp_path / "a") | change
        with pytest.raises(error, match=match):
            fit(model, **arguments)
    assert steps == []
    assert list(tmp_path.iterdir()) == []


def test_an_optimizer_of_another_network():
    model = Net()
    with pytest.raises(ValueError, match="none of the model's parameters"):
        fit(model, **plain(Net()))
    with pytest.raises(TypeError, match=r"nn\.Module"):
        fit(F.relu, **plain(model))


def test_a_loader_of_ones_own():
    class Batches:
        def __len__(self):
            return 2

        def __iter__(self):
            return iter([(X[:4], Y[:4]), (X[4:9], Y[4:9])])

    model = Net()
    history = fit(model, **plain(model, train=Batches(), batch_size=None, epochs=2))
    assert len(history.steps["loss"]) == 4
    with pytest.raises(TypeError, match="has none"):
        fit(model, **plain(model, train=Batches(), batch_size=None, checkpoint="x"))


# ---- evaluate and predict


def test_predict_by_batches_and_modes():
    model, _ = setup()
    model.train()
    whole = predict(model, X)
    np.testing.assert_array_equal(predict(model, X, batch_size=3), whole)
    assert model.training
    assert model.calls.numpy() == 0
    model.conv.eval()
    evaluate(model, DEV)
    assert [module.training for module in model.modules()] == [True, False, True, True]
    integers = (X > 0).astype(np.uint8)
    np.testing.assert_array_equal(predict(model, integers), predict(model, integers.astype("f4")))
    with pytest.raises(TypeError, match="array"):
        predict(model, [1, 2])
    with pytest.raises(ValueError, match="0 examples"):
        predict(model, X[:0])


def test_evaluate_takes_what_fit_takes():
    model, _ = setup()
    loss = {"loss": F.cross_entropy, "metrics": ["accuracy", "f1_score", "recall"]}
    one = evaluate(model, DEV, **loss)
    two = evaluate(model, DataLoader(DEV, 3), **loss)
    three = evaluate(model, (DEV.x, DEV.y), batch_size=7, **loss)
    assert set(one) == {"loss", "accuracy", "f1_score", "recall"}
    assert one == pytest.approx(two, rel=1e-6) == three
    exact = float(F.cross_entropy(predict(model, DEV.x), DEV.y))
    assert one["loss"] == pytest.approx(exact, rel=1e-6)
    with pytest.raises(ValueError, match="empty"):
        evaluate(model, (X[:0], Y[:0]))


# ---- history


@pytest.fixture(scope="module")
def history():
    with fastconv.num_threads(1):
        model, arguments = setup()
        return fit(model, **arguments, gradient_norms=True)


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_csv_reads_as_the_same_numbers(history, tmp_path, per):
    history.to_csv(tmp_path / "a.csv", per)
    with (tmp_path / "a.csv").open(newline="") as file:
        names, *rows = csv.reader(file)
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    expected = dict(history.epochs)
    if per == "step":
        expected = history.steps | {f"gradient_norm.{k}": v for k, v in history.layers.items()}
    assert {name: list(map(float, values)) for name, values in columns.items()} == expected
    assert columns["epoch"][0] == "1"
    with pytest.raises(ValueError, match="per is"):
        history.to_csv(tmp_path / "a.csv", "day")


def test_history_state(history):
    other = History()
    other.load_state_dict(history.state_dict())
    assert vars(other) == vars(history)
    assert type(other.epochs["step"][0]) is int
    before = vars(other).copy()
    good = history.state_dict()
    for bad in (
        None,
        {},
        good | {"more": 1},
        good | {"steps": [1]},
        good | {"steps": good["steps"] | {"loss": np.zeros(2)}},
        good | {"steps": good["steps"] | {"epoch": good["steps"]["epoch"] + 0.5}},
        good | {"layers": {"a": np.zeros(1)}},
        good | {"best_epoch": "1"},
        good | {"stopped": 1},
    ):
        with pytest.raises(ValueError, match="History"):
            other.load_state_dict(bad)
        assert vars(other) == before


def test_pictures(history, tmp_path):
    image = pytest.importorskip("PIL.Image")
    history.plot(tmp_path / "a.png", "A training")
    history.plot_gradients(tmp_path / "b.png")
    for name, colour in (
        ("a.png", (33, 102, 172)),
        ("a.png", (214, 96, 20)),
        ("b.png", (68, 1, 84)),
    ):
        with image.open(tmp_path / name) as picture:
            assert picture.format == "PNG"
            pixels = np.asarray(picture)
        assert (pixels == colour).all(axis=2).sum() > 50, (name, colour)
    with pytest.raises(ValueError, match="no step"):
        History().plot(tmp_path / "c.png")
    with pytest.raises(ValueError, match="gradient_norms=True"):
        History().plot_gradients(tmp_path / "c.png")
    assert not (tmp_path / "c.png").exists()
