"""Losses and their gradients, position by position, in float64."""

import numpy as np

from . import checks


def cross_entropy(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray:
    """Cross-entropy of logits (N, C, ...) or (C,) and classes (N, ...) or ().

    >>> bool(cross_entropy(np.zeros((1, 2)), np.array([0])) == np.log(2))
    True
    """
    op = "cross_entropy"
    lines, w, ignored, share = _checked(
        op, input, target, weight, ignore_index, reduction, label_smoothing
    )
    losses, total = np.zeros(target.shape), np.float64(0)
    for at in np.ndindex(*target.shape):
        right = target[at]
        if right == ignored:
            continue
        nll = -_log_softmax(lines[at])
        losses[at] = (1 - share) * w[right] * nll[right] + share / w.size * (w * nll).sum()
        total += w[right]
    if reduction == "none":
        return losses
    with np.errstate(invalid="ignore"):
        return np.asarray(losses.sum() / (total if reduction == "mean" else 1.0))


def cross_entropy_gradient(
    grad: np.ndarray,
    input: np.ndarray,
    target: np.ndarray,
    saved: object,
    weight: np.ndarray | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray:
    """Gradient of cross_entropy by its input: for each class, what the loss says of it, weighed by
    softmax, less what is right. `saved`, which the engine keeps, is not looked at.

    >>> cross_entropy_gradient(np.array(4.0), np.zeros((1, 2)), np.array([0]), None)
    array([[-2.,  2.]])
    """
    op = "cross_entropy_gradient"
    lines, w, ignored, share = _checked(
        op, input, target, weight, ignore_index, reduction, label_smoothing
    )
    checks.companion_array(op, "grad", grad, input)
    shape = target.shape if reduction == "none" else ()
    if grad.shape != shape:
        raise ValueError(f"{op}: grad has shape {grad.shape}, expected {shape}; reshape it")
    total = np.float64(sum(w[t] for t in target.flat if t != ignored))
    result = np.zeros_like(lines)
    for at in np.ndindex(*target.shape):
        if target[at] == ignored:
            continue
        wanted = share / w.size * w
        wanted[target[at]] += (1 - share) * w[target[at]]
        g = np.float64(grad[at] if reduction == "none" else grad[()])
        with np.errstate(invalid="ignore", divide="ignore"):
            g = g / total if reduction == "mean" else g
        result[at] = g * (np.exp(_log_softmax(lines[at])) * wanted.sum() - wanted)
    return np.moveaxis(result, -1, min(1, input.ndim - 1))


def _log_softmax(logits):
    rest = logits - logits.max()
    return rest - np.log(np.exp(rest).sum())


def _checked(op, input, target, weight, ignore_index, reduction, label_smoothing):
    """The logits with the classes along the last axis, the classes' weights, ignore_index and
    label_smoothing."""
    checks.float_array(op, "input", input)
    ignored = checks.integer(op, "ignore_index", ignore_index, -(2**63))
    checks.choice(op, "reduction", reduction, ("none", "mean", "sum"))
    share = checks.real(op, "label_smoothing", label_smoothing)
    if not 0 <= share <= 1:
        raise ValueError(f"{op}: label_smoothing is {share}, expected 0 to 1; give a share")
    axis = min(1, input.ndim - 1)
    if input.ndim == 0 or input.shape[axis] == 0:
        raise ValueError(f"{op}: input has shape {input.shape}, expected (N, C, ...); reshape it")
    if not isinstance(target, np.ndarray) or target.dtype.type is not np.int64:
        raise TypeError(f"{op}: target must be an ndarray of int64; convert it with astype")
    classes = input.shape[axis]
    lines = np.moveaxis(checks.as_float64(input), axis, -1)
    if target.shape != lines.shape[:-1]:
        raise ValueError(
            f"{op}: target has shape {target.shape}, expected {lines.shape[:-1]}; reshape it"
        )
    if weight is not None:
        checks.companion_array(op, "weight", weight, input)
        if weight.shape != (classes,):
            raise ValueError(f"{op}: weight has shape {weight.shape}, expected ({classes},)")
    if any(not 0 <= t < classes and t != ignored for t in target.flat):
        raise ValueError(f"{op}: target holds what is no class of {classes}; give others")
    return lines, np.ones(classes) if weight is None else checks.as_float64(weight), ignored, share
