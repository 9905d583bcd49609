"""A training while it runs: where it stands, and the loop over steps and epochs."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from fastconv import ops, random
from fastconv.autograd import Tensor
from fastconv.nn import Module

from . import nonfinite
from .checkpoint import load_checkpoint, save_checkpoint
from .evaluation import Metric, converted, dtype_of, evaluate
from .history import History
from .interruption import Interrupted, Interruption
from .progress import Bar

__all__ = ["Options", "Run"]

_CLIP_GUARD = 1e-6  # PyTorch's, in the divisor of clip_grad_norm_


@dataclass(frozen=True)
class Options:
    """What fit was asked for; see there."""

    loss: Callable[[Any, Any], Any]
    epochs: int
    metrics: Mapping[str, Metric]
    monitor: str | None
    patience: int | None
    scheduler_every: str
    batch_size: int
    checkpoint: Path | None
    checkpoint_every: int | None
    config: Mapping[str, Any] | None
    clip_norm: float | None
    progress: bool
    find_nan: bool
    gradient_norms: bool
    after_step: tuple[Callable[["Run"], Any], ...]
    after_epoch: tuple[Callable[["Run"], Any], ...]


class Run:
    """A training while it runs; what callbacks are given.

    Attributes:
        model, optimizer, scheduler, loader: those of fit.
        history: up to now.
        epoch: the epoch that is running, or has just ended, from 1.
        step: how many steps have been taken.

    Its state is what a checkpoint needs besides those of its parts.
    """

    def __init__(
        self, model: Module, loader: Any, dev: Any, optimizer: Any, scheduler: Any, options: Options
    ) -> None:
        self.model, self.optimizer, self.scheduler = model, optimizer, scheduler
        self.loader, self.dev, self.options = loader, dev, options
        self.history = History()
        self.step = 0
        self.done = 0  # epochs that are complete
        self.best: dict[str, np.ndarray] | None = None
        self._between_epochs = False
        self._trained = False  # the epoch's steps are done, what follows them is not
        self._sums = dict.fromkeys(("loss", *options.metrics), 0.0)  # over the epoch's examples
        self._examples = 0
        self._seconds = 0.0  # of this epoch in earlier processes
        self._best_value: float | None = None
        self._stop: str | None = None
        self._interruption = Interruption()
        named = dict(model.named_parameters())
        self._names, self._parameters = list(named), list(named.values())

    @property
    def epoch(self) -> int:
        return self.done + (not self._between_epochs)

    def stop(self) -> None:
        """End the training when the epoch is complete; for callbacks."""
        self._stop = "callback"

    # ---- the loop

    def run(self) -> History:
        """Train up to the last epoch, or until something ends it earlier."""
        options = self.options
        bar = Bar(options.epochs, len(self.loader), options.progress)
        modes = {module: module.training for module in self.model.modules()}
        self.model.train()
        self.history.stopped = None
        try:
            with self._interruption:
                while self.done < options.epochs and not self._is_over():
                    self._begun = time.perf_counter()
                    if not self._trained:
                        self._train(bar)
                        self._trained = True
                    if not self._end_epoch(bar):
                        self._interrupted()
                    if self._interruption.requested and self.done < options.epochs:
                        self._interrupted()
                self.history.stopped = self._stop or "epochs"
                if options.checkpoint is not None:
                    self.save()
                if self.best is not None and options.patience is not None:
                    self.model.load_state_dict(self.best)
            bar.close(repr(self.history))
            if self._interruption.requested:
                raise Interrupted("fit: interrupted when it was complete", self.history)
        finally:
            bar.close()
            for module, mode in modes.items():
                module.training = mode
        return self.history

    def _train(self, bar: Bar) -> None:
        """The steps of an epoch, or those that are left of it."""
        # Names of this function: the loop below is what Python costs in each step.
        options, model, optimizer = self.options, self.model, self.optimizer
        loss = options.loss
        dtype, group = dtype_of(model), optimizer.param_groups[0]
        metrics, sums = options.metrics.items(), self._sums
        epochs, losses, rates = (
            self.history.steps.setdefault(name, []) for name in ("epoch", "loss", "lr")
        )
        look = options.clip_norm is not None or options.find_nan or options.gradient_norms
        every_batch = self.scheduler if options.scheduler_every == "batch" else None
        interruption, find_nan, drawn = self._interruption, options.find_nan, None
        epoch, batch, last = self.epoch, self._batch(), len(self.loader)
        for x, y in self.loader:
            batch += 1
            if x.dtype != dtype:
                x = converted(x, dtype)
            if find_nan:
                drawn = random.get_rng_state()
            output = model(Tensor(x))
            value = loss(output, y)
            number = value.item()
            if not math.isfinite(number):
                self._stop_at_loss(number, x, drawn, batch)
            optimizer.zero_grad()
            value.backward()
            if look:
                self._look_at_gradients(batch)
            optimizer.step()

            self.step += 1
            count = len(y)
            epochs.append(epoch)
            losses.append(number)
            rates.append(group["lr"])
            self._examples += count
            sums["loss"] += number * count
            for name, function in metrics:
                sums[name] += float(function(output._array, y)) * count
            # The graph, before the next one is made.
            del output, value
            if every_batch is not None:
                every_batch.step()
            if bar.live:
                bar.step(epoch, batch, number, count)
            for callback in options.after_step:
                callback(self)
            if interruption.requested and batch < last:  # after the last one, _end_epoch sees it
                self._interrupted()
            if options.checkpoint_every and self.step % options.checkpoint_every == 0:
                # The loader, after its last batch, is at the next epoch.
                self._trained = batch >= last
                self.save()

    def _batch(self) -> int:
        """How many batches of the epoch have been taken."""
        state = getattr(self.loader, "state_dict", dict)()
        return state.get("batch", 0) if isinstance(state, dict) else 0

    def _look_at_gradients(self, batch: int) -> None:
        """Norms, clipping, and whether all gradients are finite."""
        options = self.options
        gradients = [None if p._grad is None else p._grad._array for p in self._parameters]
        given = [gradient for gradient in gradients if gradient is not None]
        norm = nonfinite.gradient_norm(given)
        if not math.isfinite(norm) and all(np.isfinite(gradient).all() for gradient in given):
            norm = max(float(np.abs(gradient).max()) for gradient in given)  # squares overflowed
        if not math.isfinite(norm):
            self._stop_at_gradient(gradients, batch)
        if options.gradient_norms:
            for name, gradient in zip(self._names, gradients, strict=True):
                column = self.history.layers.setdefault(name, [])
                column.append(0.0 if gradient is None else nonfinite.gradient_norm([gradient]))
        if options.clip_norm is not None:
            self.history.steps.setdefault("gradient_norm", []).append(norm)
            factor = options.clip_norm / (norm + _CLIP_GUARD)
            if factor < 1:
                ops.scale_arrays("fit", given, factor)

    def _check_weights(self) -> None:
        """Require that the last step has left finite weights, as the next one's loss would show."""
        for name, parameter in zip(self._names, self._parameters, strict=True):
            if not np.isfinite(parameter._array).all():
                text = nonfinite.describe(parameter._array)
                raise nonfinite.NonFinite(
                    f"fit: in epoch {self.epoch}, after {self.step} steps, the parameter {name} "
                    f"has {text}: the last step wrote it; the learning rate may be too high",
                    *(self.epoch, self._batch(), self.step, name, self.history),
                )

    def _end_epoch(self, bar: Bar) -> bool:
        """Evaluate, note, and decide what follows; False: interrupted before anything of it."""
        self._check_weights()
        options, history = self.options, self.history
        row: dict[str, float] = {"epoch": self.epoch, "step": self.step}
        row |= {name: total / self._examples for name, total in self._sums.items()}
        if self.dev is not None:
            bar.say(f"epoch {self.epoch}/{options.epochs}  evaluating …")
            found = evaluate(
                self.model, self.dev, loss=options.loss, metrics=options.metrics,
                batch_size=options.batch_size, stop=lambda: self._interruption.requested,
            )  # fmt: skip
            if not found:
                return False
            row |= {f"dev_{name}": value for name, value in found.items()}
        row["lr"] = history.steps["lr"][-1]
        row["seconds"] = self._seconds + time.perf_counter() - self._begun
        history.add_epoch(row)
        value = None if options.monitor is None else row[options.monitor]
        if value is not None and self._is_better(value):
            self._best_value, history.best_epoch = value, self.epoch
            if options.patience is not None:
                state = self.model.state_dict()
                self.best = {name: tensor._array.copy() for name, tensor in state.items()}
        if self.scheduler is not None and options.scheduler_every != "batch":
            # ReduceLROnPlateau asks for what it watches.
            watched = (row[options.monitor or "loss"],)
            self.scheduler.step(*(watched if options.scheduler_every == "plateau" else ()))
        self.done += 1
        self._trained, self._examples, self._seconds = False, 0, 0.0
        self._sums = dict.fromkeys(self._sums, 0.0)
        self._between_epochs = True
        for callback in options.after_epoch:
            callback(self)
        if options.checkpoint is not None and self.done < options.epochs and not self._is_over():
            self.save()
        self._between_epochs = False
        return True

    def _is_better(self, value: float) -> bool:
        best, monitor = self._best_value, self.options.monitor
        if math.isnan(value):
            return False
        if best is None:
            return True
        return value < best if monitor and monitor.endswith("loss") else value > best

    def _is_over(self) -> bool:
        """Whether there is a reason to end before the last epoch."""
        patience, best = self.options.patience, self.history.best_epoch
        if self._stop is None and patience is not None and self.done - (best or 0) >= patience:
            self._stop = "patience"
        return self._stop is not None

    # ---- ends

    def _interrupted(self) -> NoReturn:
        path = self.options.checkpoint
        if path is not None:
            self.save()
        where = f"epoch {self.done + 1}, after step {self.step}"
        how = (
            f"go on with resume=True from {path}"
            if path
            else "there is no checkpoint to go on from"
        )
        raise Interrupted(f"fit: interrupted in {where}; {how}", self.history)

    def _stop_at_loss(
        self, number: float, x: np.ndarray, drawn: dict[str, Any] | None, batch: int
    ) -> NoReturn:
        layer, why = None, "find_nan=True looks for the layer that made it"
        if drawn is not None:
            layer, why = nonfinite.where_in_forward(self.model, x, drawn)
        self._raise_non_finite(f"the loss is {number}", batch, layer, why)

    def _stop_at_gradient(self, gradients: list, batch: int) -> NoReturn:
        pairs = list(zip(self._names, gradients, strict=True))
        layer, why = nonfinite.where_in_backward(pairs)
        self._raise_non_finite("the loss is finite but a gradient is not", batch, layer, why)

    def _raise_non_finite(self, what: str, batch: int, layer: str | None, why: str) -> NoReturn:
        raise nonfinite.NonFinite(
            f"fit: in epoch {self.epoch}, batch {batch}, after {self.step} steps, {what}; {why}. "
            f"The weights are those before this step",
            *(self.epoch, batch, self.step, layer, self.history),
        )

    # ---- as a part of a checkpoint

    def save(self) -> None:
        """Write the checkpoint; for callbacks, too, of runs that have one."""
        if self.options.checkpoint is None:
            raise ValueError("save: fit was given no checkpoint=path")
        self._check_weights()  # the file may have better ones
        save_checkpoint(
            self.options.checkpoint, self.model, optimizer=self.optimizer,
            scheduler=self.scheduler, loader=self.loader, run=self, best=self.best,
            config=self.options.config,
        )  # fmt: skip

    def restore(self) -> None:
        """Go on where the checkpoint was written; all or nothing."""
        path = self.options.checkpoint
        checkpoint = load_checkpoint(
            path, self.model, optimizer=self.optimizer, scheduler=self.scheduler,
            loader=self.loader, run=self, generator=True,
        )  # fmt: skip
        self.best = checkpoint.best
        if self.step:
            # It was stepped, if in another process; schedules warn where it was not.
            self.optimizer._stepped = True

    def _settings(self) -> dict[str, Any]:
        """What has to be the same where a training goes on: the columns of its history, and what
        its state is of."""
        options = self.options
        return {
            "optimizer": type(self.optimizer).__name__,
            "scheduler": None if self.scheduler is None else type(self.scheduler).__name__,
            "scheduler_every": options.scheduler_every,
            "metrics": sorted(options.metrics),
            "monitor": options.monitor,
            "clipped": options.clip_norm is not None,
            "gradient_norms": options.gradient_norms,
            "keeps_best": options.patience is not None,
        }

    def state_dict(self) -> dict[str, Any]:
        """Where the training stands, apart from its parts."""
        seconds = self._seconds
        if self._examples:
            seconds += time.perf_counter() - self._begun
        return {
            "settings": self._settings(),
            "step": self.step,
            "epochs": self.done,
            "trained": self._trained,
            "sums": dict(self._sums),
            "examples": self._examples,
            "seconds": seconds,
            "best_value": self._best_value,
            "history": self.history.state_dict(),
        }

    def load_state_dict(self, state: Any) -> None:
        """Take over what ``state_dict`` gave; ValueError, and nothing changed, if it does not
        fit."""
        mine = {**self.state_dict(), "best_value": 0.0}
        if not isinstance(state, dict) or set(state) != set(mine):
            raise ValueError(f"expected a dict with {sorted(mine)}")
        problems = [
            f"{name} must be {type(value).__name__}, not {type(state[name]).__name__}"
            for name, value in mine.items()
            if type(state[name]) is not type(value)
            and not (name == "best_value" and state[name] is None)
        ]
        if not problems:
            problems = _differences(state["settings"], self._settings())
            problems += _wrong_numbers(state, self._sums)
        history = History()
        if not problems:
            history.load_state_dict(state["history"])
            if len(history.steps.get("loss", ())) != state["step"]:
                problems.append("history and step differ")
            if len(history.epochs.get("loss", ())) != state["epochs"]:
                problems.append("history and epochs differ")
        if problems:
            raise ValueError("; ".join(problems))
        self.history = history
        self.step, self.done, self._trained = state["step"], state["epochs"], state["trained"]
        self._sums, self._examples = dict(state["sums"]), state["examples"]
        self._seconds, self._best_value = state["seconds"], state["best_value"]


def _differences(given: dict[str, Any], own: dict[str, Any]) -> list[str]:
    if set(given) != set(own):
        return [f"its settings are {sorted(map(str, given))}, expected {sorted(own)}"]
    return [
        f"it was trained with {name} {given[name]!r}, and this fit has {own[name]!r}"
        for name in own
        if given[name] != own[name]
    ]


def _wrong_numbers(state: dict[str, Any], sums: dict[str, float]) -> list[str]:
    problems = [
        f"{name} is {state[name]}, expected at least 0"
        for name in ("step", "epochs", "examples", "seconds")
        if not state[name] >= 0
    ]
    given = state["sums"]
    if set(given) != set(sums) or not all(type(value) is float for value in given.values()):
        problems.append(f"sums must have a float for each of {sorted(sums)}")
    if state["trained"] and not state["examples"]:
        problems.append("an epoch of no examples cannot be trained")
    return problems
