"""One schedule after the other."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from fastconv.geometry import integer
from fastconv.optim.optimizer import Optimizer

from .base import LRScheduler, _require_fit
from .plateau import ReduceLROnPlateau


class SequentialLR(LRScheduler):
    """Several schedules, each from an epoch on where it begins with its epoch 0.

    Args:
        optimizer: whose rates are set, and of whom all the schedules are.
        schedulers: at least one schedule, made before; none of them is stepped by anyone else.
        milestones: the epochs at which the second and each further one begin, rising.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Source:
        torch.optim.lr_scheduler.SequentialLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> warm_up = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
    >>> decay = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    >>> schedule = SequentialLR(optimizer, [warm_up, decay], milestones=[2])
    >>> rates = []
    >>> for epoch in range(5):
    ...     optimizer.step()
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [0.25, 0.375, 0.5, 0.25, 0.125]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        op = "SequentialLR"
        schedulers, milestones = list(schedulers), list(milestones)
        for number, schedule in enumerate(schedulers):
            if not isinstance(schedule, LRScheduler) or isinstance(schedule, ReduceLROnPlateau):
                raise TypeError(
                    f"{op}: schedulers[{number}] is a {type(schedule).__name__}, expected a "
                    f"schedule that is stepped without a metric"
                )
            if schedule.optimizer is not optimizer:
                raise ValueError(
                    f"{op}: schedulers[{number}] is of another optimizer; make it of this"
                )
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"{op}: there are {len(schedulers)} schedulers and {len(milestones)} milestones, "
                f"expected one more than these; give an epoch between each two schedules"
            )
        milestones = [integer(op, "milestones", epoch, 1) for epoch in milestones]
        if milestones != sorted(set(milestones)):
            raise ValueError(
                f"{op}: milestones are {milestones}, expected rising epochs; sort them"
            )
        self.optimizer = optimizer
        self._schedulers, self._milestones = schedulers, milestones
        self.last_epoch = integer(op, "last_epoch", last_epoch, -1) + 1
        # Each was begun when it was made, and changed the rates; only the first is to begin now.
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        _take_back(self)
        first = schedulers[0]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:
        """Go on by one, and to the next schedule where it begins."""
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        schedule = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            schedule._restart()
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()

    def _restart(self) -> None:
        self.last_epoch = 0
        self._schedulers[0]._restart()
        self._last_lr = self._schedulers[0].get_last_lr()

    def _initial_step(self) -> None:
        self._schedulers[0]._initial_step()
        self._last_lr = self._schedulers[0].get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        state["_schedulers"] = [schedule.state_dict() for schedule in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        own = self.state_dict()
        _require_fit("SequentialLR", own, state_dict)
        for schedule, mine, saved in zip(
            self._schedulers, own["_schedulers"], state_dict["_schedulers"], strict=True
        ):
            _require_fit(f"SequentialLR of {type(schedule).__name__}", mine, saved)
        schedulers = self._schedulers
        super().load_state_dict(state_dict)
        self._schedulers = schedulers
        for schedule, saved in zip(schedulers, state_dict["_schedulers"], strict=True):
            schedule.load_state_dict(saved)


def _take_back(sequence: SequentialLR) -> None:
    """The step that each schedule took when it was made."""
    for schedule in sequence._schedulers:
        if isinstance(schedule, SequentialLR):
            _take_back(schedule)
        else:
            schedule.last_epoch -= 1
