"""Products of matrices, by NumPy's own."""

import numpy as np

from .core import Node, record, wrap
from .elementwise import operand


class Matmul(Node):
    __slots__ = ()

    def backward(self, gradient, needed):
        x, y = self.saved
        (a_shape, a_dtype), (b_shape, b_dtype) = self.parameters
        # Vectors as matrices of one row on the left, of one column on the right.
        if len(a_shape) == 1:
            gradient = gradient[..., np.newaxis, :] if len(b_shape) > 1 else gradient[np.newaxis]
            x = None if x is None else x[np.newaxis]
        if len(b_shape) == 1:
            gradient = gradient[..., np.newaxis]
            y = None if y is None else y[:, np.newaxis]
        by_a = by_b = None
        if needed[0]:
            by_a = _fit(np.matmul(gradient, y.swapaxes(-1, -2)), a_shape, (1, *a_shape[-1:]))
        if needed[1]:
            by_b = _fit(np.matmul(x.swapaxes(-1, -2), gradient), b_shape, (*b_shape[-1:], 1))
        # Of operands of another dtype than the result's.
        if a_dtype is not b_dtype:
            by_a = None if by_a is None else by_a.astype(a_dtype, copy=False)
            by_b = None if by_b is None else by_b.astype(b_dtype, copy=False)
        return by_a, by_b


def _fit(gradient, shape, vector):
    """Sum over the axes along which the matrices were repeated."""
    if gradient.shape == shape:
        return gradient
    matrix = shape if len(shape) > 1 else vector
    more = gradient.ndim - len(matrix)
    axes = (
        *range(more),
        *(more + i for i, n in enumerate(matrix[:-2]) if n == 1 != gradient.shape[more + i]),
    )
    if axes:
        gradient = np.add.reduce(gradient, axis=axes)
    return gradient.reshape(shape)


def matmul(input, other):
    """The product of matrices, of stacks of them whose other axes broadcast, or of vectors."""
    x, a_node = operand("matmul", "input", input)
    y, b_node = operand("matmul", "other", other)
    if not np.ndim(x) or not np.ndim(y):
        raise ValueError(
            "matmul: input and other must have at least one axis; multiply by numbers with *"
        )
    result = wrap(np.matmul(x, y))
    if a_node is None and b_node is None:
        return result
    saved = b_node and input, a_node and other
    how = (x.shape, x.dtype), (y.shape, y.dtype)
    return record(result, Matmul, (a_node, b_node), saved, how)


def rmatmul(input, other):
    """other @ input."""
    return matmul(other, input)
