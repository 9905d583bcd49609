"""RMSprop."""

from collections.abc import Callable
from typing import Any

from fastconv import ops

from .optimizer import Optimizer
from .options import Options


class RMSprop(Optimizer):
    """Gradient descent with each gradient over the root of its running mean square.

    Formula, for a parameter w with gradient g, v its square_avg, m its grad_avg and b its
    momentum_buffer, all 0 at first:
        g ← -g                                     if maximize
        g ← g + weight_decay · w
        v ← alpha · v + (1 - alpha) · g²
        m ← alpha · m + (1 - alpha) · g            if centered
        d ← g / (√v + eps)                         or g / (√(v - m²) + eps), if centered
        b ← momentum · b + d                       if momentum is not 0, and then d ← b
        w ← w - lr · d

    Args:
        params: Tensors of float32 or float64, contiguous; or dicts of such 'params' and options.
        lr: the learning rate.
        alpha: the share of the old in the running means, at least 0 and below 1.
        eps, weight_decay, momentum: see the formula.
        centered: by the variance of the gradient, not its mean square. Where rounding makes that
            negative it counts as 0.
        maximize: climb instead of descending.

    All parameters of a group are updated in one pass over memory, in place; the result does not
    depend on the number of threads. In float32, subnormal numbers count as 0.

    Raises:
        TypeError, ValueError: an option is not in its range; a parameter is no Tensor that can be
            updated.

    Source:
        Tieleman and Hinton, Neural networks for machine learning, lecture 6.5, 2012; Graves,
        Generating sequences with recurrent neural networks, 2013, of the centered one.
        torch.optim.RMSprop, whose meaning it has: eps is outside of the root.

    >>> from fastconv import Tensor, optim
    >>> w = Tensor([1.0, -3.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([w], lr=0.25, alpha=0.75)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5, -2.5], requires_grad=True)
    """

    _NAMES = ("square_avg", "grad_avg", "momentum_buffer")
    _COUNTS = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "maximize": maximize,
            },
        )

    def _check(self, options: Options) -> None:
        options.not_negative("lr", "eps", "weight_decay", "momentum")
        options.share("alpha", options.group["alpha"])
        options.flags("centered", "maximize")

    def _update(self, group: dict[str, Any]) -> tuple[tuple[str | None, ...], Callable, dict]:
        square, mean, buffer = self._NAMES
        momentum, centered = group["momentum"], group["centered"]
        options = {
            "lr": group["lr"],
            "alpha": group["alpha"],
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "momentum": momentum,
            "centered": centered,
            "maximize": group["maximize"],
        }
        names = square, mean if centered else None, buffer if momentum != 0 else None
        return names, ops.rmsprop_step, options
