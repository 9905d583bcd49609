"""What all schedules have in common, and the one of any function."""

import types
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from fastconv.geometry import integer
from fastconv.optim.optimizer import Optimizer


class LRScheduler:
    """The base of all schedules. A subclass defines ``get_lr``.

    Attributes:
        optimizer: whose groups it changes.
        last_epoch: how often it was stepped.
        base_lrs: the groups' first rates, 'initial_lr'.

    Source:
        torch.optim.lr_scheduler.LRScheduler.
    """

    # While it is made. Most schedules begin with the rate that there is.
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        op = type(self).__name__
        _require_optimizer(op, optimizer)
        last_epoch = integer(op, "last_epoch", last_epoch, -1)
        for number, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise ValueError(
                    f"{op}: last_epoch is {last_epoch} but group {number} has no 'initial_lr'; "
                    f"load the optimizer's state first, or leave out last_epoch to begin"
                )
        self.optimizer = optimizer
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            del self._is_initial

    def step(self) -> None:
        """Go on by one: to be called after the optimiser's step, or at the end of each epoch."""
        if self._step_count == 1 and not self.optimizer._stepped:
            warnings.warn(
                f"{type(self).__name__}: stepped before its optimizer was: the first rate of the "
                f"schedule is never used; call optimizer.step() first",
                UserWarning,
                stacklevel=2,
            )
        self._step_count += 1
        self.last_epoch += 1
        self._set(self.get_lr())

    def _restart(self) -> None:
        """Set the rates of epoch 0, whatever came before."""
        self.last_epoch = 0
        closed_form = getattr(self, "_get_closed_form_lr", self.get_lr)
        self._set(closed_form())

    def _set(self, rates: Sequence[float]) -> None:
        groups = self.optimizer.param_groups
        if len(rates) != len(groups):
            raise ValueError(
                f"{type(self).__name__}: there are rates for {len(rates)} groups of parameters, "
                f"but the optimizer has {len(groups)}; make the schedule when all groups are there"
            )
        for group, rate in zip(groups, rates, strict=True):
            group["lr"] = rate
        self._last_lr = list(rates)

    def get_lr(self) -> list[float]:
        """The groups' rates at ``last_epoch``, from those of the epoch before."""
        raise NotImplementedError

    def get_last_lr(self) -> list[float]:
        """The groups' rates as it has set them last."""
        return self._last_lr

    def _current(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All that it keeps, but for the optimiser, whose state holds the rates themselves."""
        return {k: _copied(v) for k, v in vars(self).items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what ``state_dict`` gave; load the optimiser's state as well.

        Raises:
            TypeError: it is no dict.
            ValueError: it is not that of such a schedule for as many groups; the message lists
                everything that does not fit. Nothing has been changed.
        """
        own = self.state_dict()
        _require_fit(type(self).__name__, own, state_dict)
        vars(self).update({name: _copied(state_dict[name]) for name in own})


class LambdaLR(LRScheduler):
    """The first rate times a function of the epoch.

    Formula:
        lr = initial_lr · lr_lambda(epoch)

    Args:
        optimizer: whose rates are set.
        lr_lambda: a function of the epoch, an int from 0; or a list of one for each group.
        last_epoch: that to go on from, where a saved state is loaded afterwards.

    Functions are not saved; objects that can be called are, by their attributes.

    Source:
        torch.optim.lr_scheduler.LambdaLR.

    >>> from fastconv import Tensor, optim
    >>> optimizer = optim.SGD([Tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step(), schedule.step()
    (None, None)
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = for_each_group("LambdaLR", "lr_lambda", lr_lambda, optimizer)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"LambdaLR: lr_lambda must be a function, not {function!r:.60}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        pairs = zip(self.lr_lambdas, self.base_lrs, strict=True)
        return [rate * function(self.last_epoch) for function, rate in pairs]

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        state["lr_lambdas"] = [
            None if isinstance(f, types.FunctionType) else dict(getattr(f, "__dict__", {}))
            for f in self.lr_lambdas
        ]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        functions = self.lr_lambdas
        super().load_state_dict(state_dict)
        saved, self.lr_lambdas = self.lr_lambdas, functions
        for function, attributes in zip(functions, saved, strict=True):
            if attributes:
                vars(function).update(attributes)


def for_each_group(op: str, name: str, value: Any, optimizer: Optimizer) -> list:
    """A list of one value for each group, given as such or as one for all."""
    _require_optimizer(op, optimizer)
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [value] * groups
    if len(value) != groups:
        raise ValueError(
            f"{op}: {name} has {len(value)} values, expected {groups}, one for each group of "
            f"parameters; give as many, or one for all"
        )
    return list(value)


def _require_optimizer(op: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"{op}: optimizer must be an Optimizer, not {type(optimizer).__name__}; give one of "
            f"fastconv.optim"
        )


def _copied(value: Any) -> Any:
    return value.copy() if isinstance(value, (list, dict)) else value


def _require_fit(op: str, own: dict[str, Any], saved: Any) -> None:
    if not isinstance(saved, dict):
        raise TypeError(f"{op}.load_state_dict: expected a dict, not {type(saved).__name__}")
    wrong = []
    for name, value in own.items():
        if name not in saved:
            wrong.append(f"{name!r} is missing")
        elif value is None or saved[name] is None:
            continue
        elif isinstance(value, list) and (
            not isinstance(saved[name], (list, tuple)) or len(saved[name]) != len(value)
        ):
            wrong.append(f"{name!r} is {saved[name]!r:.60}, expected {len(value)} values")
        elif isinstance(value, (int, float)) != isinstance(saved[name], (int, float)):
            wrong.append(f"{name!r} is {saved[name]!r:.60}, expected such as {value!r:.60}")
        elif isinstance(value, Counter) and not isinstance(saved[name], dict):
            wrong.append(f"{name!r} is {saved[name]!r:.60}, expected numbers of epochs")
    if wrong:
        lines = "".join(f"\n  - {line}" for line in wrong)
        raise ValueError(
            f"{op}.load_state_dict: the state does not fit this schedule, which is as it was:"
            f"{lines}\ngive the state of one of the same class and optimizer"
        )
