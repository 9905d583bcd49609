"""Losses: how far predictions are from what they should be."""

from typing import Literal

from numpy import ndarray

from fastconv import autograd, ops

from .layers import layer_of, other_layer
from .types import Values


def cross_entropy(
    input: Values,
    target: Values,
    weight: Values | None = None,
    *,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
    label_smoothing: float = 0.0,
    threads: int | None = None,
) -> Values:
    """Cross-entropy of logits and the classes that are right, softmax included.

    Formula:
        nll[n, c, ...] = -log_softmax(input, 1)[n, c, ...]
        loss[n, ...] = (1 - s) * w[t] * nll[n, t, ...] + s/C * sum over c of w[c] * nll[n, c, ...]
        t = target[n, ...], s = label_smoothing, w = weight or 1; 0 where t is ignore_index

        'mean' divides the sum of losses by the sum of w[t] of all targets that are not ignored,
        which is NaN where there are none.

    Shapes:
        input: (N, C, ...) or (C,); target: (N, ...) or (); weight: (C,)
        result: as target for reduction 'none', else ()

    Args:
        target: int64, from 0 to C - 1, or ignore_index.
        reduction: 'mean', 'sum' or 'none'.
        label_smoothing: from 0 to 1.
        threads: see the module.

    Raises:
        TypeError: input or weight is no ndarray of a supported dtype, or they differ in it; target
            is no int64 ndarray.
        ValueError: shapes do not fit; a target is no class; label_smoothing is not from 0 to 1; an
            unknown reduction.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.cross_entropy; label smoothing: C. Szegedy et al., arXiv:1512.00567.

    >>> import numpy as np
    >>> logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5]]))
    >>> round(float(np.exp(-cross_entropy(logits, np.array([1, 0]), reduction="sum"))), 9)
    0.375
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.cross_entropy(
                input, target, weight, ignore_index, reduction, label_smoothing, threads
            )[0]
        except TypeError:
            layer = other_layer(layer, target, weight)


def nll_loss(
    input: Values,
    target: Values,
    weight: Values | None = None,
    *,
    ignore_index: int = -100,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Values:
    """Negative log-likelihood of the classes that are right, of logarithms of probabilities.

    Formula:
        loss[n, ...] = -w[t] * input[n, t, ...]
        t = target[n, ...], w = weight or 1; 0 where t is ignore_index

        'mean' divides the sum of losses by the sum of w[t] of all targets that are not ignored,
        which is NaN where there are none.

    Shapes, Args, Raises:
        as for ``cross_entropy``, which is nll_loss of log_softmax, in one step.

    Source:
        torch.nn.functional.nll_loss.

    >>> import numpy as np
    >>> logarithms = np.log(np.array([[0.25, 0.75], [0.5, 0.5]]))
    >>> round(float(np.exp(-nll_loss(logarithms, np.array([1, 0]), reduction="sum"))), 9)
    0.375
    """
    return autograd.nll_loss(input, target, weight, ignore_index, reduction)
