"""A smaller rate when a metric gets no better."""

import math
from collections.abc import Sequence
from typing import Any

from fastconv.geometry import choice, integer, real
from fastconv.optim.optimizer import Optimizer

from .base import LRScheduler, for_each_group


class ReduceLROnPlateau(LRScheduler):
    """The rate times a factor whenever a metric has not become better for some epochs.

    Formula, for the best metric so far, and metric < best to be read as > where mode is 'max':
        better: metric < best · (1 - threshold), 'max': > best · (1 + threshold)     if 'rel'
                metric < best - threshold,       'max': > best + threshold           if 'abs'
        after more than ``patience`` epochs in a row that are not better:
            lr = max(lr · factor, min_lr), where this is less by more than eps
        and then no epoch counts for ``cooldown`` epochs.

    Args:
        optimizer: whose rates are set.
        mode: 'min' or 'max', whichever of the metric is good.
        factor: below 1.
        patience, cooldown: numbers of epochs, at least 0.
        threshold, threshold_mode: see the formula; 'rel' or 'abs'.
        min_lr: the least rate; or a list of one for each group.
        eps: see the formula.

    Source:
        torch.optim.lr_scheduler.ReduceLROnPlateau.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        op = "ReduceLROnPlateau"
        choice(op, "mode", mode, {"min": 1, "max": 2}, optional=False)
        choice(op, "threshold_mode", threshold_mode, {"rel": 1, "abs": 2}, optional=False)
        self.factor = real(op, "factor", factor)
        if not self.factor < 1:
            raise ValueError(f"{op}: factor is {factor}, expected below 1; the rate is to sink")
        self.min_lrs = [
            real(op, "min_lr", rate) for rate in for_each_group(op, "min_lr", min_lr, optimizer)
        ]
        self.optimizer = optimizer
        self.patience = integer(op, "patience", patience, 0)
        self.cooldown = integer(op, "cooldown", cooldown, 0)
        self.eps = real(op, "eps", eps)
        self.threshold = real(op, "threshold", threshold)
        self.mode, self.threshold_mode = mode, threshold_mode
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = self.last_epoch = 0
        self._last_lr = self._current()

    def step(self, metrics: Any) -> None:  # type: ignore[override]
        """Judge an epoch by its metric, a number or a Tensor of one."""
        metric = float(metrics)
        self.last_epoch += 1
        if self._is_better(metric):
            self.best = metric
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = self._current()

    def _reduce(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != len(self.min_lrs):
            raise ValueError(
                f"ReduceLROnPlateau: there is a min_lr for {len(self.min_lrs)} groups of "
                f"parameters, but the optimizer has {len(groups)}; make the schedule "
                f"when all groups are there"
            )
        for group, least in zip(groups, self.min_lrs, strict=True):
            rate = max(group["lr"] * self.factor, least)
            if group["lr"] - rate > self.eps:
                group["lr"] = rate

    def _is_better(self, metric: float) -> bool:
        if self.threshold_mode == "rel":
            if self.mode == "min":
                return metric < self.best * (1.0 - self.threshold)
            return metric > self.best * (self.threshold + 1.0)
        if self.mode == "min":
            return metric < self.best - self.threshold
        return metric > self.best + self.threshold
