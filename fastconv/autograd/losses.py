"""Losses. Functions take what those of ``ops`` take, with Tensors among the arrays."""

import numpy as np

from fastconv import diagnosis, ops
from fastconv.geometry import choice, integer
from fastconv.ops.losses import REDUCTIONS

from .core import Operation, parted, record, wrap


class CrossEntropy(Operation):
    __slots__ = ()

    def backward(self, gradient, needed):
        _, how, threads = self.parameters
        x, target, saved, weight = self.saved
        return (
            ops.cross_entropy_gradient(
                gradient, x, target, saved, weight, *how, threads=threads
            ),
        )  # fmt: skip


def cross_entropy(input, target, weight, *how):
    *how, threads = how
    parts = parted("cross_entropy", None, input, target, weight)
    if parts is None:
        return ops.cross_entropy(input, target, weight, *how, threads)
    (x, classes, w), (edge, _, by_weight) = parts
    if by_weight is not None:
        raise ValueError(
            "cross_entropy: weight requires a gradient, and there is none; give what detach() "
            "makes of it"
        )
    loss, kept = ops.cross_entropy(x, classes, w, *how, threads)
    saved = input, target, kept, weight
    how = "cross_entropy", tuple(how), threads
    return record(wrap(loss), CrossEntropy, (edge,), saved, how), kept


class NllLoss(Operation):
    """parameters: its name, and (where the classes' values stand, their share of the loss)"""

    __slots__ = ()

    def backward(self, gradient, needed):
        _, (shape, dtype, axis, places, share) = self.parameters
        result = np.zeros(shape, dtype)
        values = np.expand_dims((-gradient * share).astype(dtype, copy=False), axis)
        np.put_along_axis(result, places, values, axis)
        return (result,)


def nll_loss(input, target, weight, ignore_index, reduction):
    """The loss of logarithms of probabilities; arrays of arrays, a Tensor where there is one."""
    op = "nll_loss"
    parts = parted(op, None, input, target, weight)
    (x, classes, w), edges = parts or ([input, target, weight], (None,) * 3)
    choice(op, "reduction", reduction, REDUCTIONS, optional=False)
    ignored = integer(op, "ignore_index", ignore_index, -(2**63))
    diagnosis.classification(op, x, classes, w, ignored)
    if edges[2] is not None:
        raise ValueError(
            f"{op}: weight requires a gradient, and there is none; give what detach() makes of it"
        )
    axis = min(1, x.ndim - 1)
    counted = classes != ignored
    places = np.expand_dims(np.where(counted, classes, 0), axis)
    values = np.take_along_axis(x, places, axis).squeeze(axis)
    # How much each position weighs; in float32 at least, as everything that is added up.
    share = counted.astype(np.result_type(x.dtype, np.float32))
    if w is not None:
        share *= w[places.squeeze(axis)]
    with np.errstate(invalid="ignore", divide="ignore"):
        loss = np.where(counted, -values * share, 0)
        if reduction == "mean":
            total = share.sum()
            share, loss = share / total, loss.sum() / total
        elif reduction == "sum":
            loss = loss.sum()
    loss = np.asarray(loss, x.dtype.newbyteorder("="))
    if parts is None:
        return loss
    how = op, (x.shape, x.dtype, axis, places, share)
    return record(wrap(loss), NllLoss, edges[:1], (), how)


class BinaryCrossEntropy(Operation):
    __slots__ = ()

    def backward(self, gradient, needed):
        x, t = self.saved
        by_input = by_target = None
        if needed[0] is not None:
            by_input = gradient * (x - t) / np.maximum(x * (1 - x), x.dtype.type(1e-12))
        if needed[1] is not None:
            right, wrong = _clamped_logarithms(x)
            by_target = gradient * (wrong - right)
        return by_input, by_target


def binary_cross_entropy(input, target):
    """-(t·log(x) + (1 - t)·log(1 - x)) of Tensors of one shape; logarithms are at least -100."""
    right, wrong = _clamped_logarithms(input._array)
    t = target._array
    edges = input._node, target._node
    result = wrap(-(t * right + (1 - t) * wrong))
    return record(result, BinaryCrossEntropy, edges, (input, target), ("binary_cross_entropy",))


def _clamped_logarithms(x):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(x), -100), np.maximum(np.log1p(-x), -100)
