"""Activations: functions of each element."""

from typing import Literal

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of, other_layer
from .types import Values


def relu(input: Values, *, out: np.ndarray | None = None, threads: int | None = None) -> Values:
    """Rectified linear unit, element by element.

    Formula:
        result = max(input, 0), and NaN where input is NaN

    Shapes:
        input: any shape, also empty or 0-dimensional; out, result: the same

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: out is unfit or overlaps input.
        MemoryError: the result does not fit.

    Source:
        V. Nair, G. Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines",
        ICML 2010; torch.nn.functional.relu.

    >>> import numpy as np
    >>> relu(np.array([-2.0, 0.5, np.nan]))
    array([0. , 0.5, nan])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.relu(input, out, threads)


def relu6(input: Values, *, out: np.ndarray | None = None, threads: int | None = None) -> Values:
    """Rectified linear unit that saturates at 6, element by element.

    Formula:
        result = min(max(input, 0), 6), and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        A. Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010;
        torch.nn.functional.relu6.

    >>> import numpy as np
    >>> relu6(np.array([-2.0, 0.5, 9.0]))
    array([0. , 0.5, 6. ])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.relu6(input, out, threads)


def sigmoid(input: Values, *, out: np.ndarray | None = None, threads: int | None = None) -> Values:
    """Logistic function, element by element: the output of logistic regression.

    Formula:
        result = 1 / (1 + exp(-input)), from 0 for -inf to 1 for +inf, and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        torch.sigmoid.

    >>> import numpy as np
    >>> sigmoid(np.array([-np.inf, 0.0, np.inf]))
    array([0. , 0.5, 1. ])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.sigmoid(input, out, threads)


def tanh(input: Values, *, out: np.ndarray | None = None, threads: int | None = None) -> Values:
    """Hyperbolic tangent, element by element.

    Formula:
        result = (exp(input) - exp(-input)) / (exp(input) + exp(-input)), from -1 for -inf to 1 for
        +inf, and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        torch.tanh.

    >>> import numpy as np
    >>> tanh(np.array([-np.inf, 0.0, np.inf]))
    array([-1.,  0.,  1.])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.tanh(input, out, threads)


def silu(input: Values, *, out: np.ndarray | None = None, threads: int | None = None) -> Values:
    """Sigmoid linear unit (swish), element by element.

    Formula:
        result = input / (1 + exp(-input)), and NaN where input is NaN or -inf

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        S. Elfwing, E. Uchibe, K. Doya, arXiv:1702.03118; torch.nn.functional.silu.

    >>> import numpy as np
    >>> silu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.silu(input, out, threads)


def hardsigmoid(
    input: Values, *, out: np.ndarray | None = None, threads: int | None = None
) -> Values:
    """Sigmoid by three straight lines, element by element.

    Formula:
        result = min(max(input + 3, 0), 6) / 6, and NaN where input is NaN

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        A. Howard et al., "Searching for MobileNetV3", arXiv:1905.02244;
        torch.nn.functional.hardsigmoid.

    >>> import numpy as np
    >>> hardsigmoid(np.array([-4.0, 0.0, 1.5, 4.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.hardsigmoid(input, out, threads)


def hardswish(
    input: Values, *, out: np.ndarray | None = None, threads: int | None = None
) -> Values:
    """Swish with the hard sigmoid, element by element.

    Formula:
        result = input * min(max(input + 3, 0), 6) / 6, and NaN where input is NaN or -inf

    Shapes, Args, Raises:
        as for ``relu``.

    Source:
        A. Howard et al., "Searching for MobileNetV3", arXiv:1905.02244;
        torch.nn.functional.hardswish.

    >>> import numpy as np
    >>> hardswish(np.array([-4.0, 0.0, 3.0, 4.0]))
    array([-0.,  0.,  3.,  4.])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.hardswish(input, out, threads)


def gelu(
    input: Values,
    approximate: Literal["none", "tanh"] = "none",
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Gaussian error linear unit, element by element.

    Formula:
        result = input * F(input), with F the standard normal distribution function,
            F(x) = (1 + erf(x / sqrt(2))) / 2; or, with approximate='tanh',
        result = input * (1 + tanh(sqrt(2/pi) * (input + 0.044715 * input**3))) / 2

        The small values of the left tail are accurate too. NaN where input is NaN or -inf.

    Shapes:
        input: any shape; out, result: the same

    Args:
        approximate: 'none' or 'tanh'.
        out, threads: see the module.

    Raises:
        as ``relu``; and TypeError or ValueError for another approximate.

    Source:
        D. Hendrycks, K. Gimpel, arXiv:1606.08415; torch.nn.functional.gelu.

    >>> import numpy as np
    >>> gelu(np.array([-1000.0, 0.0, 1000.0]))
    array([  -0.,    0., 1000.])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.gelu(input, approximate, out, threads)


def leaky_relu(
    input: Values,
    negative_slope: float = 0.01,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Rectified linear unit with a slope on the left, element by element.

    Formula:
        result = input where input > 0, else negative_slope * input

    Shapes:
        input: any shape; out, result: the same

    Args:
        negative_slope: any number.
        out, threads: see the module.

    Raises:
        as ``relu``; and TypeError for a negative_slope that is no number.

    Source:
        A. Maas, A. Hannun, A. Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic
        Models", ICML 2013; torch.nn.functional.leaky_relu.

    >>> import numpy as np
    >>> leaky_relu(np.array([-2.0, 3.0]), 0.25)
    array([-0.5,  3. ])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.leaky_relu(input, negative_slope, out, threads)


def elu(
    input: Values,
    alpha: float = 1.0,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Exponential linear unit, element by element.

    Formula:
        result = input where input > 0, else alpha * (exp(input) - 1)

    Shapes:
        input: any shape; out, result: the same

    Args:
        alpha: any number: the left end is -alpha.
        out, threads: see the module.

    Raises:
        as ``relu``; and TypeError for an alpha that is no number.

    Source:
        D.-A. Clevert, T. Unterthiner, S. Hochreiter, arXiv:1511.07289; torch.nn.functional.elu.

    >>> import numpy as np
    >>> elu(np.array([-np.inf, 3.0]), alpha=0.5)
    array([-0.5,  3. ])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.elu(input, alpha, out, threads)


def softplus(
    input: Values,
    beta: float = 1.0,
    threshold: float = 20.0,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """A smooth rectified linear unit, element by element.

    Formula:
        result = input where beta * input > threshold, else log(1 + exp(beta * input)) / beta

        The small values of the left tail are accurate too.

    Shapes:
        input: any shape; out, result: the same

    Args:
        beta: any number but 0.
        threshold: where the straight line begins. (With float64 the default shows: at 20 the
            function is 2e-9 above the line.)
        out, threads: see the module.

    Raises:
        as ``relu``; and TypeError for a beta or threshold that is no number, ValueError for beta 0.

    Source:
        C. Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option
        Pricing", NIPS 2000; torch.nn.functional.softplus.

    >>> import numpy as np
    >>> softplus(np.array([-np.inf, 30.0]))
    array([ 0., 30.])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.softplus(input, beta, threshold, out, threads)


def prelu(
    input: Values,
    weight: Values,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Rectified linear unit with a slope on the left for each channel.

    Formula:
        result[n, c, ...] = input[n, c, ...] where that is > 0, else weight[c] * input[n, c, ...]

    Shapes:
        input: (N, C, ...), or of any rank with a single weight
        weight: (C,), or (1,) for all channels; out, result: as input

    Args:
        out, threads: see the module.

    Raises:
        TypeError: an array is no ndarray of a supported dtype or weight has another dtype.
        ValueError: weight has another number of elements; out is unfit or overlaps an input.
        MemoryError: the result does not fit.

    Source:
        K. He et al., "Delving Deep into Rectifiers", arXiv:1502.01852; torch.nn.functional.prelu.

    >>> import numpy as np
    >>> prelu(np.array([[-2.0, -2.0, 3.0]]), np.array([0.5, 0.25, 0.0]))
    array([[-1. , -0.5,  3. ]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.prelu(input, weight, out, threads)
        except TypeError:
            layer = other_layer(layer, weight)
