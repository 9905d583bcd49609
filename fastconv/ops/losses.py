"""Losses and their gradients, on plain arrays."""

from fastconv import _core, diagnosis
from fastconv.geometry import choice, integer, real
from fastconv.runtime import thread_count, threads_in_force

REDUCTIONS = _core.REDUCTION_CODES


def cross_entropy(
    input,
    target,
    weight=None,
    ignore_index=-100,
    reduction="mean",
    label_smoothing=0.0,
    threads=None,
):
    """functional.cross_entropy on arrays, with what its gradient needs: (loss, saved)."""
    op = "cross_entropy"
    args = _checked(op, input, target, weight, ignore_index, reduction, label_smoothing, threads)
    return _core.cross_entropy(op, None, input, target, None, weight, *args)


def cross_entropy_gradient(
    grad,
    input,
    target,
    saved,
    weight=None,
    ignore_index=-100,
    reduction="mean",
    label_smoothing=0.0,
    threads=None,
):
    """Gradient of cross_entropy by its input.

    Formula, at each position whose target t is not ignore_index, with p = softmax(input), s =
    label_smoothing, w = weight or 1, C classes and D = 1 or, for 'mean', the sum of w[t] of all:
        result[c] = grad / D * (p[c] * a - [c = t] * (1 - s) * w[t] - s / C * w[c])
        a = (1 - s) * w[t] + s / C * sum of w
        0 where the target is ignore_index

    Shapes:
        grad: () or, for reduction 'none', as target; saved: what cross_entropy returned; result: as
        input
    """
    op = "cross_entropy_gradient"
    args = _checked(op, input, target, weight, ignore_index, reduction, label_smoothing, threads)
    shape = target.shape if reduction == "none" else ()
    diagnosis.loss_gradient(op, grad, input, target, saved, shape)
    return _core.cross_entropy(op, grad, input, target, saved, weight, *args)


def _checked(op, input, target, weight, ignore_index, reduction, label_smoothing, threads):
    ignore_index = integer(op, "ignore_index", ignore_index, -(2**63))
    code = choice(op, "reduction", reduction, REDUCTIONS, optional=False)
    smoothing = real(op, "label_smoothing", label_smoothing)
    if not 0 <= smoothing <= 1:
        raise ValueError(
            f"{op}: label_smoothing is {smoothing}, expected 0 to 1; give a share of the whole"
        )
    threads = threads_in_force() if threads is None else thread_count(op, "threads", threads)
    diagnosis.classification(op, input, target, weight, ignore_index)
    return ignore_index, code, smoothing, threads
