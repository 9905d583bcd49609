"""Normalisation."""

import numpy as np

from fastconv import ops


def softmax(
    input: np.ndarray, dim: int, *, out: np.ndarray | None = None, threads: int | None = None
) -> np.ndarray:
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
    return ops.softmax(input, dim, out, threads)
