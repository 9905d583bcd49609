"""Losses that compare element by element, made of operations on Tensors."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from fastconv import autograd
from fastconv.geometry import choice, real
from fastconv.ops.losses import REDUCTIONS

from .types import Values

Reduction: TypeAlias = Literal["mean", "sum", "none"]

# exp(-50) is nothing beside 50 in float64, too: from there on softplus is its straight line.
_STRAIGHT = 50.0


def mse_loss(input: Values, target: Values, reduction: Reduction = "mean") -> Values:
    """Mean squared error.

    Formula:
        loss = (input - target)**2, of each element; 'mean' and 'sum' are those of all elements

    Shapes:
        input, target: any shape, the same; result: that for reduction 'none', else ()

    Args:
        reduction: 'mean', 'sum' or 'none'. The mean of no elements is NaN.

    Raises:
        TypeError: an argument is neither a Tensor nor a numpy.ndarray, or no float16, float32 or
            float64; target has another dtype than input.
        ValueError: target has another shape (nothing is broadcast); an unknown reduction.

    Source:
        torch.nn.functional.mse_loss.

    >>> import numpy as np
    >>> mse_loss(np.array([1.0, 2.0]), np.array([1.0, 5.0])).item()
    4.5
    """
    return _loss("mse_loss", lambda x, t: (x - t).square(), input, target, reduction)


def l1_loss(input: Values, target: Values, reduction: Reduction = "mean") -> Values:
    """Mean absolute error; where both are equal the gradient is 0.

    Formula:
        loss = |input - target|

    Shapes, Args, Raises:
        as for ``mse_loss``.

    Source:
        torch.nn.functional.l1_loss.

    >>> import numpy as np
    >>> l1_loss(np.array([1.0, 2.0]), np.array([1.0, 5.0])).item()
    1.5
    """
    return _loss("l1_loss", lambda x, t: abs(x - t), input, target, reduction)


def smooth_l1_loss(
    input: Values, target: Values, reduction: Reduction = "mean", beta: float = 1.0
) -> Values:
    """Absolute error that is a parabola near 0.

    Formula:
        loss = d**2 / (2 * beta) where d < beta, else d - beta / 2, with d = |input - target|

    Shapes, Args, Raises:
        as for ``mse_loss``; beta is a number of at least 0: with 0 it is ``l1_loss``.

    Source:
        R. Girshick, "Fast R-CNN", arXiv:1504.08083; torch.nn.functional.smooth_l1_loss.

    >>> import numpy as np
    >>> smooth_l1_loss(np.array([1.0, 2.0]), np.array([1.5, 5.0]), "none")
    array([0.125, 2.5  ])
    """
    op = "smooth_l1_loss"
    width = real(op, "beta", beta)
    if not width >= 0:
        raise ValueError(f"{op}: beta is {width}, expected at least 0; give a larger number")

    def loss(x: Any, t: Any) -> Any:
        distance = abs(x - t)
        if width == 0:
            return distance
        inside = distance.square() * (0.5 / width)
        return autograd.where(distance < width, inside, distance - 0.5 * width)

    return _loss(op, loss, input, target, reduction)


def binary_cross_entropy(
    input: Values,
    target: Values,
    weight: Values | None = None,
    *,
    reduction: Reduction = "mean",
) -> Values:
    """Cross-entropy of probabilities of yes and what is right.

    Formula:
        loss = -w * (target * log(input) + (1 - target) * log(1 - input)), w = weight or 1
        with logarithms of at least -100, so that certainty that is wrong costs 100, not infinity

        ``binary_cross_entropy_with_logits`` is more accurate and quicker than this after a sigmoid.

    Shapes:
        input, target: any shape, the same; weight: one that is broadcast to it
        result: that shape for reduction 'none', else ()

    Args:
        input: from 0 to 1. target: in general 0 or 1, or between.
        reduction: as for ``mse_loss``.

    Raises:
        as ``mse_loss``; and ValueError for an input that is not from 0 to 1 everywhere.

    Source:
        torch.nn.functional.binary_cross_entropy.

    >>> import numpy as np
    >>> loss = binary_cross_entropy(np.array([0.25, 0.0]), np.array([1.0, 1.0]), reduction="none")
    >>> np.round(loss, 4)
    array([  1.3863, 100.    ])
    """
    op = "binary_cross_entropy"

    def loss(x: Any, t: Any) -> Any:
        values = x.numpy()
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                f"{op}: input is from {values.min()} to {values.max()}, expected 0 to 1; apply a "
                f"sigmoid, or take binary_cross_entropy_with_logits"
            )
        return autograd.binary_cross_entropy(x, t)

    return _loss(op, loss, input, target, reduction, weight)


def binary_cross_entropy_with_logits(
    input: Values,
    target: Values,
    weight: Values | None = None,
    *,
    reduction: Reduction = "mean",
    pos_weight: Values | None = None,
) -> Values:
    """Cross-entropy of logits of yes and what is right, the sigmoid included.

    Formula:
        loss = w * (p * target * log(1 + exp(-input)) + (1 - target) * log(1 + exp(input)))
        with w = weight or 1, p = pos_weight or 1. Nothing overflows, and small losses are accurate.

    Shapes:
        input, target: any shape, the same; weight, pos_weight: ones that are broadcast to it
        result: that shape for reduction 'none', else ()

    Args:
        target: in general 0 or 1, or between.
        pos_weight: how much more a yes weighs than a no, to balance rare ones.
        reduction: as for ``mse_loss``.

    Raises:
        as ``mse_loss``; pos_weight must not require a gradient.

    Source:
        torch.nn.functional.binary_cross_entropy_with_logits.

    >>> import numpy as np
    >>> logits, target = np.array([0.0, 1000.0]), np.array([1.0, 0.0])
    >>> binary_cross_entropy_with_logits(logits, target, reduction="none")
    array([6.93147181e-01, 1.00000000e+03])
    """
    op = "binary_cross_entropy_with_logits"

    def loss(x: Any, t: Any) -> Any:
        yes = t * autograd.softplus(-x, 1.0, _STRAIGHT, None, None)
        no = (1 - t) * autograd.softplus(x, 1.0, _STRAIGHT, None, None)
        if pos_weight is not None:
            yes = yes * _factor(op, "pos_weight", pos_weight, x)
        return yes + no

    return _loss(op, loss, input, target, reduction, weight)


# ---- what they have in common


def _loss(
    op: str,
    function: Callable[[Any, Any], Any],
    input: Any,
    target: Any,
    reduction: str,
    weight: Any = None,
) -> Any:
    """function(input, target) of Tensors, weighed and reduced; an array if both were arrays."""
    choice(op, "reduction", reduction, REDUCTIONS, optional=False)
    x, t = _tensor(op, "input", input), _tensor(op, "target", target)
    if t.dtype != x.dtype:
        raise TypeError(
            f"{op}: target has dtype {t.dtype} but input has dtype {x.dtype}; convert one of them "
            f"with astype"
        )
    if t.shape != x.shape:
        raise ValueError(
            f"{op}: target has shape {t.shape} but input has {x.shape}, expected the same; reshape "
            f"one of them"
        )
    half = x.dtype == np.float16
    if half:  # computed in float32, and rounded at the end
        x, t = x.astype(np.float32), t.astype(np.float32)
    factor = None if weight is None else _factor(op, "weight", weight, x)
    loss = function(x, t)
    if factor is not None:
        loss = loss * factor
    if reduction != "none":
        loss = loss.mean() if reduction == "mean" else loss.sum()
    if half:
        loss = loss.astype(np.float16)
    tensors = any(isinstance(value, autograd.Tensor) for value in (input, target))
    return loss if tensors else loss.numpy()


def _tensor(op: str, name: str, value: Any) -> Any:
    if not isinstance(value, (autograd.Tensor, np.ndarray)):
        raise TypeError(
            f"{op}: {name} must be a Tensor or a numpy.ndarray, not {type(value).__name__}; "
            f"convert it with numpy.asarray"
        )
    if value.dtype.type not in (np.float16, np.float32, np.float64):
        raise TypeError(
            f"{op}: {name} has dtype {value.dtype}, expected float16, float32 or float64; convert "
            f"it with {name}.astype(numpy.float32)"
        )
    return value if isinstance(value, autograd.Tensor) else autograd.Tensor(value)


def _factor(op: str, name: str, value: Any, x: Any) -> Any:
    """What a loss is multiplied by, which must fit it without making it larger."""
    factor = _tensor(op, name, value)
    try:
        fits = np.broadcast_shapes(factor.shape, x.shape) == x.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{op}: {name} has shape {factor.shape}, which is not broadcast to input's {x.shape}; "
            f"reshape it"
        )
    if factor.requires_grad:
        raise ValueError(
            f"{op}: {name} requires a gradient, and there is none; give what detach() makes of it"
        )
    return factor.astype(x.dtype)
