"""Limits for gradients, between backward and step."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv import ops
from fastconv.autograd.core import State, wrap
from fastconv.geometry import flag, real


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    """Scale all gradients, in place, so that their common norm is at most max_norm.

    Formula, over all elements g of all gradients:
        norm = (Σ |g|^norm_type)^(1 / norm_type)
               max |g|, or min over the gradients of their min |g|, where norm_type is inf or -inf
               the number of gradients that are not all 0, where norm_type is 0
        g ← g · min(1, max_norm / (norm + 1e-6))

    Args:
        parameters: a Tensor or an iterable of them; those without a gradient do not count.
        max_norm: the largest norm.
        norm_type: any number, or inf or -inf.
        error_if_nonfinite: whether a norm that is NaN or infinite is an error. Otherwise gradients
            become NaN or 0.

    Returns:
        Tensor of one number: the norm before; float64 if one of the gradients is, else float32.

    The norm is that of partial sums in one order, added up in float64: it does not depend on the
    number of threads.

    Raises:
        RuntimeError: the norm is not finite, and that is an error. No gradient has been changed.
        TypeError, ValueError: parameters are no Tensors; a gradient cannot be changed.

    Source:
        torch.nn.utils.clip_grad_norm_. Pascanu et al., On the difficulty of training recurrent
        neural networks, 2013.

    >>> from fastconv import Tensor, optim
    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> optim.clip_grad_norm_([w], max_norm=5)
    tensor(10.)
    >>> w.grad.numpy().round(3)
    array([3., 4.], dtype=float32)
    """
    op = "clip_grad_norm_"
    max_norm = real(op, "max_norm", max_norm)
    norm_type = real(op, "norm_type", norm_type)
    grads = _gradients(op, parameters)
    arrays = [grad._array for grad in grads]
    norm = _norm(op, arrays, norm_type)
    if flag(op, "error_if_nonfinite", error_if_nonfinite) and not math.isfinite(norm):
        raise RuntimeError(
            f"{op}: the norm of order {norm_type:g} of the gradients is {norm}; look for what made "
            f"it so, or give error_if_nonfinite=False to go on"
        )
    factor = max_norm / (norm + 1e-6)
    if not factor >= 1:  # NaN too
        ops.scale_arrays(op, arrays, factor)
        for grad in grads:
            grad.changed()
    wide = any(array.dtype.type is np.float64 for array in arrays)
    return wrap(np.asarray(norm, np.float64 if wide else np.float32))


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Clamp every element of all gradients, in place.

    Formula:
        g ← min(max(g, -clip_value), clip_value);  NaN stays

    Args:
        parameters: a Tensor or an iterable of them; those without a gradient do not count.
        clip_value: the largest magnitude, at least 0.

    Raises:
        TypeError, ValueError: parameters are no Tensors; a gradient cannot be changed; clip_value
            is negative.

    Source:
        torch.nn.utils.clip_grad_value_.

    >>> from fastconv import Tensor, optim
    >>> w = Tensor([1.0, -3.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> optim.clip_grad_value_(w, 2.5)
    >>> w.grad
    tensor([ 2. , -2.5])
    """
    op = "clip_grad_value_"
    limit = real(op, "clip_value", clip_value)
    if not limit >= 0:
        raise ValueError(f"{op}: clip_value is {clip_value}, expected at least 0; give a magnitude")
    grads = _gradients(op, parameters)
    ops.clamp_arrays(op, [grad._array for grad in grads], limit)
    for grad in grads:
        grad.changed()


def _gradients(op: str, parameters: Any) -> list[State]:
    """The gradients there are, each once."""
    if isinstance(parameters, State):
        parameters = [parameters]
    if not isinstance(parameters, Iterable):
        raise TypeError(
            f"{op}: parameters must be a Tensor or an iterable of them, not "
            f"{type(parameters).__name__}"
        )
    grads = {}
    for number, param in enumerate(parameters):
        if not isinstance(param, State):
            raise TypeError(
                f"{op}: parameter {number} must be a Tensor, not {type(param).__name__}"
            )
        if param._grad is not None:
            grads[id(param._grad)] = param._grad
    return list(grads.values())


def _norm(op: str, arrays: list[np.ndarray], order: float) -> float:
    if order == 2:
        return math.sqrt(ops.sum_of_squares(op, arrays))
    if order == math.inf:
        return ops.greatest_magnitude(op, arrays)
    if order == -math.inf:
        return float(min((np.abs(array).min(initial=math.inf) for array in arrays), default=0.0))
    if order == 0:
        return float(sum(bool(array.any()) for array in arrays))
    with np.errstate(all="ignore"):
        powers = [np.sum(np.abs(array.astype(np.float64)) ** order) for array in arrays]
        return float(np.float64(math.fsum(powers) if powers else 0.0) ** (1.0 / order))
