"""Activations: functions of each element."""

import numpy as np

from fastconv import ops


def relu(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
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
    return ops.relu(input, out, threads)


def relu6(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
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
    return ops.relu6(input, out, threads)


def sigmoid(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
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
    return ops.sigmoid(input, out, threads)


def tanh(
    input: np.ndarray, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
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
    return ops.tanh(input, out, threads)
