"""Steps of optimisers, in float64. Where the engine updates its arguments, these return new arrays.

Arguments are those of fastconv.ops: lists of arrays, and for each a number of its step. Returned
are the new weights, and the new states as a tuple of lists.
"""

import numpy as np

from . import checks


def sgd_step(
    weights, grads, states, steps, *, lr, momentum, dampening, weight_decay, nesterov, maximize
):
    """Gradient descent with momentum; a buffer of step 1 begins as the gradient.

    >>> one = [np.ones(1)]
    >>> options = dict(momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False)
    >>> sgd_step(one, one, (), [1], lr=0.25, maximize=False, **options)
    ([array([0.75])], ())
    """
    new_weights, buffers = [], []
    for i, (w, g) in enumerate(_pairs("sgd_step", weights, grads, states)):
        g = (-g if maximize else g) + (weight_decay * w if weight_decay else 0)
        if momentum:
            if steps[i] == 1:
                buffer = g
            else:
                buffer = momentum * checks.as_float64(states[0][i]) + (1 - dampening) * g
            buffers.append(buffer)
            g = g + momentum * buffer if nesterov else buffer
        new_weights.append(np.asarray(w - lr * g))
    return new_weights, (buffers,) if momentum else ()


def adam_step(
    weights, grads, states, steps, *, lr, betas, eps, weight_decay, amsgrad, decoupled, maximize
):
    """Adam; `decoupled`: AdamW.

    >>> zero, one = [np.zeros(1)], [np.ones(1)]
    >>> options = dict(weight_decay=0.0, amsgrad=False, decoupled=False, maximize=False, eps=0)
    >>> weights, _ = adam_step(zero, one, (zero, zero), [1], lr=0.5, betas=(0.9, 0.99), **options)
    >>> weights[0].round(12)
    array([-0.5])
    """
    new_weights, means, squares, greatest = [], [], [], []
    for i, (w, g) in enumerate(_pairs("adam_step", weights, grads, states)):
        g = -g if maximize else g
        if decoupled:
            w = w - lr * weight_decay * w
        elif weight_decay:
            g = g + weight_decay * w
        mean = betas[0] * checks.as_float64(states[0][i]) + (1 - betas[0]) * g
        square = betas[1] * checks.as_float64(states[1][i]) + (1 - betas[1]) * g**2
        means.append(mean)
        squares.append(square)
        if amsgrad:
            square = np.maximum(checks.as_float64(states[2][i]), square)
            greatest.append(square)
        corrected_mean = mean / (1 - betas[0] ** steps[i])
        corrected_square = square / (1 - betas[1] ** steps[i])
        step = lr * corrected_mean / (np.sqrt(corrected_square) + eps)
        new_weights.append(np.asarray(w - step))
    return new_weights, (means, squares, greatest) if amsgrad else (means, squares)


def rmsprop_step(
    weights, grads, states, steps, *, lr, alpha, eps, weight_decay, momentum, centered, maximize
):
    """RMSprop; states are the mean squares, the means of a centered one (or None), and the momentum
    buffers, if momentum is not 0.

    >>> one = [np.ones(1)]
    >>> options = dict(weight_decay=0.0, momentum=0.0, centered=False, maximize=False)
    >>> rmsprop_step(one, one, (one,), [1], lr=0.5, alpha=0.5, eps=1.0, **options)
    ([array([0.75])], ([array([1.])],))
    """
    new_weights, squares, means, buffers = [], [], [], []
    for i, (w, g) in enumerate(_pairs("rmsprop_step", weights, grads, states)):
        g = (-g if maximize else g) + (weight_decay * w if weight_decay else 0)
        square = alpha * checks.as_float64(states[0][i]) + (1 - alpha) * g**2
        squares.append(square)
        if centered:
            mean = alpha * checks.as_float64(states[1][i]) + (1 - alpha) * g
            means.append(mean)
            square = np.maximum(square - mean**2, 0)
        g = g / (np.sqrt(square) + eps)
        if momentum:
            g = momentum * checks.as_float64(states[2][i]) + g
            buffers.append(g)
        new_weights.append(np.asarray(w - lr * g))
    if momentum:
        return new_weights, (squares, means if centered else None, buffers)
    return new_weights, (squares, means) if centered else (squares,)


def _pairs(op, weights, grads, states):
    """The weights and gradients in float64."""
    if any(len(grads) != len(weights) for grads in (grads, *filter(None, states))):
        raise ValueError(f"{op}: the lists differ in length; give an array for each of weights")
    pairs = []
    for i, (w, g) in enumerate(zip(weights, grads, strict=True)):
        checks.float_array(op, f"parameter {i}", w)
        if checks.float_array(op, f"gradient {i}", g).shape != w.shape:
            raise ValueError(f"{op}: gradient {i} has shape {g.shape}, expected {w.shape}")
        pairs.append((checks.as_float64(w), checks.as_float64(g)))
    return pairs
