"""Normalisation."""

from typing import Literal

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of, other_layer
from .types import Activation, Values


def softmax(
    input: Values, dim: int, *, out: np.ndarray | None = None, threads: int | None = None
) -> Values:
    """Softmax along one axis: positive numbers that add up to 1.

    Formula:
        result[i] = exp(input[i] - m) / sum over j of exp(input[j] - m)
        i and j run along axis ``dim``; m is the largest input along it, which cancels, and keeps
        exp from overflowing. A NaN or +inf anywhere on a line, or -inf all along it, makes the
        whole line NaN.

    Shapes:
        input: any shape of rank at least 1, also empty; out, result: the same

    Args:
        dim: the axis, from -rank to rank - 1; it has no default.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; dim is not an int.
        ValueError: input has rank 0; dim is out of range; out is unfit or overlaps input.
        MemoryError: the result or the scratch memory does not fit.

    Source:
        J. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs",
        1990; torch.nn.functional.softmax.

    >>> import numpy as np
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 1000.0]]), dim=1)
    array([[0.5, 0.5],
           [0.5, 0.5]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.softmax(input, dim, out, threads)


def log_softmax(
    input: Values, dim: int, *, out: np.ndarray | None = None, threads: int | None = None
) -> Values:
    """Logarithm of the softmax along one axis, which does not lose small probabilities.

    Formula:
        result[i] = input[i] - m - log(sum over j of exp(input[j] - m))
        i and j run along axis ``dim``; m is the largest input along it.

    Shapes, Args, Raises:
        as for ``softmax``.

    Source:
        torch.nn.functional.log_softmax.

    >>> import numpy as np
    >>> log_softmax(np.array([0.0, -1000.0]), dim=0)
    array([    0., -1000.])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.log_softmax(input, dim, out, threads)


def batch_norm(
    input: Values,
    running_mean: Values | None,
    running_var: Values | None,
    weight: Values | None = None,
    bias: Values | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    activation: Activation | None = None,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Batch normalisation, with known statistics or, when training, with those of the batch.

    Formula:
        result[n, c, ...] = act((input[n, c, ...] - running_mean[c]) * s[c] + bias[c])
        with s[c] = weight[c] / sqrt(running_var[c] + eps), computed in float64.

        When training, the mean of input[:, c] stands for running_mean[c] and the mean of its
        squared distances from that for running_var[c]; and the running statistics
        are updated in place:
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * variance * M / (M - 1)
        with M the elements of a channel.

    Shapes:
        input: (N, C, ...) of rank at least 2
        running_mean, running_var, weight, bias: (C,); out, result: as input

    Args:
        weight, bias: None is 1 and 0.
        running_mean, running_var: None for both where training has nothing to update.
        training: whether to take, and keep account of, the statistics of the batch.
        momentum: how much a batch weighs in the running statistics; no meaning unless training.
        eps: added to the variance.
        activation: None, or the name of an activation without parameters, applied last.
        out, threads: see the module.

    Raises:
        TypeError: an array is no ndarray of a supported dtype or has another dtype than input;
            training is not a bool; momentum or eps is no number.
        ValueError: input has a rank below 2 or no channels; another array has another shape;
            an unknown activation; out is unfit or overlaps an input; when training, a channel has
            one element only or a running statistic is read-only.
        MemoryError: the result does not fit.

    Source:
        S. Ioffe, C. Szegedy, arXiv:1502.03167; torch.nn.functional.batch_norm.

    >>> import numpy as np
    >>> x = np.array([[10.0, 10.0], [30.0, 10.0]])
    >>> batch_norm(x, np.array([20.0, 0.0]), np.array([25.0, 4.0]), eps=0.0)
    array([[-2.,  5.],
           [ 2.,  5.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.batch_norm(
                input, running_mean, running_var, weight, bias, training, momentum, eps,
                activation, out, threads,
            )  # fmt: skip
        except TypeError:
            layer = other_layer(layer, running_mean, running_var, weight, bias)


def local_response_norm(
    input: Values,
    size: int,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    *,
    window: Literal["pytorch", "onnx"] = "pytorch",
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Local response normalisation across neighbouring channels.

    Formula:
        result[n, c, ...] = input[n, c, ...] * (k + alpha/size * sum of input[n, j, ...]**2)**-beta
        j runs from c - size//2 to c + (size-1)//2, over those channels that exist.

        For an even size the window is lopsided; window='onnx' leans the other way, from
        c - (size-1)//2 to c + size//2. alpha is divided by size, in AlexNet's paper it is not.

    Shapes:
        input: (N, C, ...) of rank at least 3; out, result: the same

    Args:
        size: channels of a window, at least 1.
        alpha, beta, k: any numbers.
        window: 'pytorch' or 'onnx'.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; size is not an int; alpha, beta or k
            is no number; window is not a str.
        ValueError: input has a rank below 3 or no channels; size is below 1; an unknown window;
            out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
        Neural Networks", NIPS 2012; torch.nn.functional.local_response_norm; the ONNX operator LRN.

    >>> import numpy as np
    >>> local_response_norm(np.array([[[1.0], [2.0], [4.0]]]), 2, alpha=2.0, beta=1.0, k=0.0)
    array([[[1. ],
            [0.4],
            [0.2]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.local_response_norm(input, size, alpha, beta, k, window, out, threads)
