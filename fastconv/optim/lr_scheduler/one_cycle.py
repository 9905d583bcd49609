"""The one-cycle policy."""

import math
from collections.abc import Sequence

from fastconv.geometry import choice, flag, integer, real
from fastconv.optim.optimizer import Optimizer

from .base import LRScheduler, for_each_group


class OneCycleLR(LRScheduler):
    """Up to a large rate, and down to almost none, with the momentum the other way round.

    Formula, between the values a and b at the ends of a phase, p the part of it that has passed:
        b + (a - b) / 2 · (1 + cos(π · p))         or a + (b - a) · p, if 'linear'

        phase                     lr                            momentum
        pct_start of the steps    max_lr / div_factor → max_lr  max_momentum → base_momentum
        the rest                  max_lr → least                base_momentum → max_momentum
        where least = max_lr / div_factor / final_div_factor. In three phases the second one is as
        long as the first and leads back to where that began, and the third to the least rate.

    Args:
        optimizer: whose rates and momenta are set: its momentum, or the first of betas.
        max_lr: the largest rate; or a list of one for each group.
        total_steps: how often step() will be called, at least 1; or epochs and steps_per_epoch, of
            which it is the product.
        pct_start: the part of all steps in which the rate rises, 0 to 1.
        anneal_strategy: 'cos' or 'linear'.
        cycle_momentum: whether the momentum changes at all.
        base_momentum, max_momentum: its ends; or lists of one for each group.
        div_factor, final_div_factor: see the formula.
        three_phase: see the formula.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Raises:
        ValueError: from step(), after total_steps.

    Source:
        Smith and Topin, Super-convergence: very fast training of neural networks using large
        learning rates, 2019. torch.optim.lr_scheduler.OneCycleLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], momentum=0.9)
    >>> schedule = OneCycleLR(optimizer, max_lr=0.5, total_steps=10, div_factor=4)
    >>> schedule.get_last_lr(), optimizer.param_groups[0]["momentum"]
    ([0.125], 0.95)
    >>> for _ in range(2):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr(), optimizer.param_groups[0]["momentum"]
    ([0.5], 0.85)
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | Sequence[float] = 0.85,
        max_momentum: float | Sequence[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        op = "OneCycleLR"
        rates = [real(op, "max_lr", r) for r in for_each_group(op, "max_lr", max_lr, optimizer)]
        ends = [
            [real(op, name, m) for m in for_each_group(op, name, value, optimizer)]
            for name, value in (("max_momentum", max_momentum), ("base_momentum", base_momentum))
        ]
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError(
                    f"{op}: there are neither total_steps nor epochs and steps_per_epoch; give how "
                    f"often step() will be called"
                )
            epochs = integer(op, "epochs", epochs, 1)
            total_steps = epochs * integer(op, "steps_per_epoch", steps_per_epoch, 1)
        self.total_steps = integer(op, "total_steps", total_steps, 1)
        pct_start = real(op, "pct_start", pct_start)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"{op}: pct_start is {pct_start}, expected 0 to 1; give a part of all")
        choice(op, "anneal_strategy", anneal_strategy, {"cos": 1, "linear": 2}, optional=False)
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = flag(op, "cycle_momentum", cycle_momentum)
        self.use_beta1 = "betas" in optimizer.defaults
        if self.cycle_momentum and not self.use_beta1 and "momentum" not in optimizer.defaults:
            raise ValueError(
                f"{op}: the optimizer has neither momentum nor betas; give cycle_momentum=False"
            )
        div_factor = real(op, "div_factor", div_factor)
        final_div_factor = real(op, "final_div_factor", final_div_factor)
        self._schedule_phases = _phases(
            self.total_steps, pct_start, flag(op, "three_phase", three_phase)
        )
        if last_epoch == -1:
            for group, rate, most, base in zip(optimizer.param_groups, rates, *ends, strict=True):
                group["initial_lr"] = rate / div_factor
                group["max_lr"] = rate
                group["min_lr"] = group["initial_lr"] / final_div_factor
                if self.cycle_momentum:
                    group["max_momentum"], group["base_momentum"] = most, base
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: stepped {step} times, expected {self.total_steps} steps in all; give "
                f"more total_steps, or stop"
            )
        begin = 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if step <= end or phase is self._schedule_phases[-1]:
                break
            begin = end
        part = (step - begin) / (end - begin)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                momentum = self._between(*ends, part)
                if self.use_beta1:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return rates

    def _between(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start


def _phases(steps: int, start: float, three: bool) -> list[dict]:
    """Each phase's last step, and the groups' entries that hold its ends."""

    def phase(end_step, *ends):
        names = ("start_lr", "end_lr", "start_momentum", "end_momentum")
        return {"end_step": end_step} | dict(zip(names, ends, strict=True))

    rise = phase(float(start * steps) - 1, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three:
        return [rise, phase(steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")]
    return [
        rise,
        phase(
            *(float(2 * start * steps) - 2, "max_lr", "initial_lr"),
            *("base_momentum", "max_momentum"),
        ),
        phase(steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]
