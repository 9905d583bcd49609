"""Stochastic gradient descent."""

from collections.abc import Callable
from typing import Any

from fastconv import ops

from .optimizer import Optimizer
from .options import Options


class SGD(Optimizer):
    """Gradient descent, with momentum.

    Formula, for a parameter w with gradient g, and v its momentum_buffer:
        g ← -g                                     if maximize
        g ← g + weight_decay · w
        v ← momentum · v + (1 - dampening) · g     if momentum is not 0; at first v ← g
        g ← v                                      or g + momentum · v, if nesterov
        w ← w - lr · g

    Args:
        params: Tensors of float32 or float64, contiguous; or dicts of such 'params' and options.
        lr: the learning rate.
        momentum, dampening, weight_decay: see the formula.
        nesterov: Nesterov's momentum; takes a momentum, and no dampening.
        maximize: climb instead of descending.

    All parameters of a group are updated in one pass over memory, in place; the result does not
    depend on the number of threads. In float32, subnormal numbers count as 0.

    Raises:
        TypeError, ValueError: an option is not in its range; a parameter is no Tensor that can be
            updated.

    Source:
        torch.optim.SGD, whose meaning it has. Sutskever et al., On the importance of initialization
        and momentum in deep learning, 2013, of Nesterov's, with lr outside of v.

    >>> from fastconv import Tensor, optim
    >>> w = Tensor([1.0], requires_grad=True)
    >>> optimizer = optim.SGD([w], lr=0.5, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     w.sum().backward()
    ...     optimizer.step()
    >>> w
    tensor([-0.25], requires_grad=True)
    """

    _NAMES = ("momentum_buffer",)
    _COUNTS = False

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check(self, options: Options) -> None:
        options.not_negative("lr", "momentum", "weight_decay")
        options.finite("dampening")
        options.flags("nesterov", "maximize")
        group = options.group
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"{self._op}: nesterov takes a momentum above 0 and no dampening, but these are "
                f"{group['momentum']} and {group['dampening']}; set them so, or leave out nesterov"
            )

    def _update(self, group: dict[str, Any]) -> tuple[tuple[str | None, ...], Callable, dict]:
        momentum = group["momentum"]
        options = {
            "lr": group["lr"],
            "momentum": momentum,
            "dampening": group["dampening"],
            "weight_decay": group["weight_decay"],
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
        }
        return (self._NAMES if momentum != 0 else ()), ops.sgd_step, options
