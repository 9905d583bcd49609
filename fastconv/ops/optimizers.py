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


def adam_step(
    weights,
    grads,
    states,
    steps,
    *,
    lr,
    betas,
    eps,
    weight_decay,
    amsgrad,
    decoupled,
    maximize,
    check_only=False,
):
    """One step of optim.Adam, or `decoupled` of optim.AdamW.

    Args: as of sgd_step, but
        states: (means, squares), and with amsgrad the greatest squares: lists of arrays.
        steps: for each array the number of this step, from 1.
    """
    _step(
        *("AdamW" if decoupled else "Adam", _core.ADAM, maximize),
        *(False, decoupled, amsgrad, False),
        *(lr, weight_decay, 0.0, 0.0, *betas, eps),
        *(weights, grads, states, steps, check_only),
    )


def rmsprop_step(
    weights,
    grads,
    states,
    steps,
    *,
    lr,
    alpha,
    eps,
    weight_decay,
    momentum,
    centered,
    maximize,
    check_only=False,
):
    """One step of optim.RMSprop.

    Args: as of sgd_step, but
        states: (squares, means, buffers), lists of arrays; means None unless centered, buffers None
            if momentum is 0.
        steps: for each array a number of at least 1.
    """
    _step(
        *("RMSprop", _core.RMSPROP, maximize, False, False, False, centered),
        *(lr, weight_decay, momentum, 0.0, 0.0, alpha, eps),
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
