"""Losses. Functions take what those of ``ops`` take, with Tensors among the arrays."""

from fastconv import ops

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
