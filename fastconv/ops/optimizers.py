"""Updates of parameters, and norms and limits of their gradients, on lists of plain arrays.

Everything is changed in place. The formulas are in ``fastconv.optim``; these functions take what is
in there kept between steps, and check the arrays alone: options are the optimisers' to check.
"""

from fastconv import _core, diagnosis
from fastconv.runtime import threads_in_force


def sgd_step(
    weights,
    grads,
    states,
    steps,
    *,
    lr,
    momentum,
    dampening,
    weight_decay,
    nesterov,
    maximize,
    check_only=False,
):
    """One step of optim.SGD.

    Args:
        weights: list of arrays, which are updated.
        grads: list of their gradients, of the same shapes and dtypes.
        states: (buffers,), a list of arrays of the same shapes, if momentum is not 0; else ().
        steps: for each array 1 if its buffer is new and not to be read, else a larger number.
        check_only: whether to check and change nothing.
    """
    nesterov = nesterov and momentum != 0
    _step(
        *("SGD", _core.SGD, maximize, nesterov, False, False, False),
        *(lr, weight_decay, momentum, dampening if momentum != 0 else 0.0, 0.0, 0.0, 0.0),
        *(weights, grads, states, steps, check_only),
    )


def _step(op, *arguments):
    *options, weights, grads, states, steps, check_only = arguments
    threads = threads_in_force()
    if not _core.optimizer_step(op, *options, weights, grads, states, steps, threads, check_only):
        diagnosis.optimizer_step(op, weights, grads, states)


def sum_of_squares(op, grads):
    """The sum of the squares of all elements of the arrays, in float64."""
    result = _core.gradient_norm(op, False, grads, threads_in_force())
    if result is None:
        diagnosis.gradients(op, grads, written=False)
    return result


def greatest_magnitude(op, grads):
    """The largest magnitude among all elements of the arrays; NaN if there is one."""
    result = _core.gradient_norm(op, True, grads, threads_in_force())
    if result is None:
        diagnosis.gradients(op, grads, written=False)
    return result


def scale_arrays(op, grads, factor):
    """Multiply all elements of the arrays by a number."""
    if not _core.gradient_limit(op, False, factor, grads, threads_in_force()):
        diagnosis.gradients(op, grads, written=True)


def clamp_arrays(op, grads, limit):
    """Clamp all elements of the arrays into -limit to limit, which is at least 0; NaN stays."""
    if not _core.gradient_limit(op, True, limit, grads, threads_in_force()):
        diagnosis.gradients(op, grads, written=True)
