"""Adam, and AdamW whose weight decay does not pass through it."""

from collections.abc import Callable
from typing import Any

from fastconv import ops

from .optimizer import Optimizer
from .options import Options


class Adam(Optimizer):
    """Steps of the size of lr, by running means of the gradient and of its square.

    Formula, for a parameter w with gradient g, in its step number t, m its exp_avg, v its
    exp_avg_sq and u its max_exp_avg_sq, all 0 at first:
        g ← -g                                     if maximize
        g ← g + weight_decay · w                   unless decoupled_weight_decay: w ← w - lr ·
                                                   weight_decay · w
        m ← betas[0] · m + (1 - betas[0]) · g
        v ← betas[1] · v + (1 - betas[1]) · g²
        u ← max(u, v)                              if amsgrad, which then stands for v
        w ← w - lr · m / (1 - betas[0]ᵗ) / (√(v / (1 - betas[1]ᵗ)) + eps)

    Args:
        params: Tensors of float32 or float64, contiguous; or dicts of such 'params' and options.
        lr: the learning rate.
        betas: the shares of the old in the running means, at least 0 and below 1.
        eps, weight_decay: see the formula.
        amsgrad: never enlarge a step again after a large gradient.
        maximize: climb instead of descending.
        decoupled_weight_decay: as ``AdamW``.

    The number of a step is counted for each parameter, where it has a gradient.

    All parameters of a group are updated in one pass over memory, in place; the result does not
    depend on the number of threads. In float32, subnormal numbers count as 0.

    Raises:
        TypeError, ValueError: an option is not in its range; a parameter is no Tensor that can be
            updated.

    Source:
        Kingma and Ba, Adam: a method for stochastic optimization, 2015; Reddi et al., On the
        convergence of Adam and beyond, 2018, of amsgrad. torch.optim.Adam, whose meaning it has.

    >>> from fastconv import Tensor, optim
    >>> w = Tensor([1.0, -3.0], requires_grad=True)
    >>> optimizer = optim.Adam([w], lr=0.25)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.75, -2.75], dtype=float32)
    """

    _NAMES = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    _COUNTS = True

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check(self, options: Options) -> None:
        options.not_negative("lr", "eps", "weight_decay")
        for number, beta in enumerate(options.pair("betas")):
            options.share(f"betas[{number}]", beta)
        options.flags("amsgrad", "maximize", "decoupled_weight_decay")

    def _update(self, group: dict[str, Any]) -> tuple[tuple[str | None, ...], Callable, dict]:
        amsgrad = group["amsgrad"]
        options = {
            "lr": group["lr"],
            "betas": group["betas"],
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "amsgrad": amsgrad,
            "decoupled": group["decoupled_weight_decay"],
            "maximize": group["maximize"],
        }
        return (self._NAMES if amsgrad else self._NAMES[:2]), ops.adam_step, options


class AdamW(Adam):
    """``Adam`` whose weight decay acts on the weights and not on the gradient.

    Formula:
        w ← w - lr · weight_decay · w, and then Adam's without weight_decay

    Args: as of ``Adam``, with a weight_decay.

    Source:
        Loshchilov and Hutter, Decoupled weight decay regularization, 2019. torch.optim.AdamW.

    >>> from fastconv import Tensor, optim
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = optim.AdamW([w], lr=0.25, weight_decay=0.5)
    >>> w.sum().backward()
    >>> optimizer.step()
    >>> w.numpy().round(3)
    array([ 0.625, -2.   ], dtype=float32)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            *(params, lr, betas, eps, weight_decay, amsgrad),
            maximize=maximize,
            decoupled_weight_decay=True,
        )
