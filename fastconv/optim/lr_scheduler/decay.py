"""Schedules that change the rate by a factor, or along a line or a cosine."""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from fastconv.geometry import integer, real
from fastconv.optim.optimizer import Optimizer

from .base import LRScheduler


class StepLR(LRScheduler):
    """A factor each so many epochs.

    Formula:
        lr = initial_lr · gamma^⌊epoch / step_size⌋

    Args:
        optimizer: whose rates are set.
        step_size: epochs from one change to the next, at least 1.
        gamma: the factor.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Source:
        torch.optim.lr_scheduler.StepLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = StepLR(optimizer, step_size=1, gamma=0.25)
    >>> optimizer.step(), schedule.step()
    (None, None)
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = integer("StepLR", "step_size", step_size, 1)
        self.gamma = real("StepLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size != 0:
            return self._current()
        return [rate * self.gamma for rate in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        return [rate * self.gamma ** (self.last_epoch // self.step_size) for rate in self.base_lrs]


class MultiStepLR(LRScheduler):
    """A factor at each of some epochs.

    Formula:
        lr = initial_lr · gamma^(number of milestones up to epoch)

    Args:
        optimizer: whose rates are set.
        milestones: epochs, in any order; one that is there twice counts twice.
        gamma: the factor.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Source:
        torch.optim.lr_scheduler.MultiStepLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = MultiStepLR(optimizer, milestones=[1, 30, 80], gamma=0.25)
    >>> optimizer.step(), schedule.step()
    (None, None)
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        op = "MultiStepLR"
        self.milestones = Counter(integer(op, "milestones", epoch, 0) for epoch in milestones)
        self.gamma = real(op, "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch not in self.milestones:
            return self._current()
        factor = self.gamma ** self.milestones[self.last_epoch]
        return [rate * factor for rate in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        passed = bisect_right(sorted(Counter(self.milestones).elements()), self.last_epoch)
        return [rate * self.gamma**passed for rate in self.base_lrs]


class ExponentialLR(LRScheduler):
    """A factor each epoch.

    Formula:
        lr = initial_lr · gamma^epoch

    Args:
        optimizer: whose rates are set.
        gamma: the factor.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Source:
        torch.optim.lr_scheduler.ExponentialLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = ExponentialLR(optimizer, gamma=0.5)
    >>> optimizer.step(), schedule.step()
    (None, None)
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = real("ExponentialLR", "gamma", gamma)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._current()
        return [rate * self.gamma for rate in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        return [rate * self.gamma**self.last_epoch for rate in self.base_lrs]


class LinearLR(LRScheduler):
    """A line from one factor to another: a warm-up, say.

    Formula:
        lr = initial_lr · (start_factor + (end_factor - start_factor) · min(epoch / total_iters, 1))

    Args:
        optimizer: whose rates are set.
        start_factor: above 0, at most 1.
        end_factor: 0 to 1.
        total_iters: epochs until the end factor, at least 1.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Source:
        torch.optim.lr_scheduler.LinearLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = LinearLR(optimizer, start_factor=0.25, total_iters=3)
    >>> schedule.get_last_lr()
    [0.125]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        op = "LinearLR"
        self.start_factor = real(op, "start_factor", start_factor)
        self.end_factor = real(op, "end_factor", end_factor)
        self.total_iters = integer(op, "total_iters", total_iters, 1)
        if not 0 < self.start_factor <= 1:
            raise ValueError(
                f"{op}: start_factor is {start_factor}, expected above 0 and at most 1; the "
                f"largest rate is the optimizer's"
            )
        if not 0 <= self.end_factor <= 1:
            raise ValueError(
                f"{op}: end_factor is {end_factor}, expected 0 to 1; the largest rate is the "
                f"optimizer's"
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [rate * self.start_factor for rate in self._current()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._current()
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [rate * (1.0 + rise / before) for rate in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        rise = self.end_factor - self.start_factor
        epochs = min(self.total_iters, self.last_epoch)
        return [
            rate * (self.start_factor + rise * epochs / self.total_iters) for rate in self.base_lrs
        ]


class CosineAnnealingLR(LRScheduler):
    """Down half a cosine, and up again.

    Formula:
        lr = eta_min + (initial_lr - eta_min) · (1 + cos(π · epoch / T_max)) / 2

    Args:
        optimizer: whose rates are set.
        T_max: epochs until the least rate, at least 1.
        eta_min: the least rate.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Source:
        torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov and Hutter, SGDR: stochastic gradient
        descent with warm restarts, 2017, without the restarts.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step(), schedule.step()
    (None, None)
    >>> round(schedule.get_last_lr()[0], 12)
    0.25
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = integer("CosineAnnealingLR", "T_max", T_max, 1)
        self.eta_min = real("CosineAnnealingLR", "eta_min", eta_min)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._current()
        epoch, half, least = self.last_epoch, self.T_max, self.eta_min
        if (epoch - 1 - half) % (2 * half) == 0:  # from the least rate, of which a factor is none
            return [
                rate + (first - least) * (1 - math.cos(math.pi / half)) / 2
                for first, rate in zip(self.base_lrs, self._current(), strict=True)
            ]
        factor = (1 + math.cos(math.pi * epoch / half)) / (
            1 + math.cos(math.pi * (epoch - 1) / half)
        )
        return [factor * (rate - least) + least for rate in self._current()]

    def _get_closed_form_lr(self) -> list[float]:
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (first - self.eta_min) * height / 2 for first in self.base_lrs]
