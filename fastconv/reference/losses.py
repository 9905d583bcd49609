"""Losses, naively in float64."""

import numpy as np


def cross_entropy(
    input: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> np.ndarray:
    """Cross-entropy of logits (N, C, ...) and classes (N, ...), position by position.

    >>> bool(cross_entropy(np.zeros((1, 2)), np.array([0])) == np.log(2))
    True
    """
    classes = input.shape[1]
    w = np.ones(classes) if weight is None else weight.astype(np.float64)
    losses, total = np.zeros(target.shape), 0.0
    for at in np.ndindex(*target.shape):
        if target[at] == ignore_index:
            continue
        logits = input[(at[0], slice(None), *at[1:])].astype(np.float64)
        most = logits.max()
        nll = most + np.log(np.exp(logits - most).sum()) - logits
        own = w[target[at]] * nll[target[at]]
        losses[at] = (1 - label_smoothing) * own + label_smoothing / classes * (w * nll).sum()
        total += w[target[at]]
    if reduction == "none":
        return losses
    with np.errstate(invalid="ignore"):
        return losses.sum() / (np.float64(total) if reduction == "mean" else 1.0)
