"""Values back to where max-pooling took them from."""

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of, other_layer
from .types import IntOrOne, IntOrPair, Values


def max_unpool2d(
    input: Values,
    indices: Values,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    output_size: tuple[int, ...] | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Put maxima back to where ``max_pool2d`` found them, among zeros.

    Formula:
        result[n, c, i // OW, i % OW] = input[n, c, y, x] for i = indices[n, c, y, x], else 0
        Of several equal indices the last in row-major order counts.

        OH = (H-1)*sh - 2*ph + KH unless output_size is given, and OW likewise

    Shapes:
        input, indices: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        indices: int64, as max_pool2d returns them.
        kernel_size, stride, padding: as they were given to max_pool2d.
        output_size: (OH, OW), or the whole shape: the size before pooling, where that was larger
            than the one above, or smaller, by less than a stride.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype or indices none of int64; a number is
            not an int; output_size is not a tuple.
        ValueError: input has a wrong rank or no channels; indices has another shape or points
            outside of the result; a number is out of range; output_size is impossible; out is
            unfit or overlaps input or indices.
        MemoryError: the result does not fit.

    Source:
        M. Zeiler, R. Fergus, arXiv:1311.2901; torch.nn.functional.max_unpool2d.

    >>> import numpy as np
    >>> image = np.array([[[1.0, 5.0, 2.0, 7.0]]])
    >>> pooled, indices = max_pool2d(image, (1, 2), return_indices=True)
    >>> max_unpool2d(pooled, indices, (1, 2))
    array([[[0., 5., 0., 7.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.max_unpool2d(
                input, indices, kernel_size, stride, padding, output_size, out, threads
            )
        except TypeError:
            layer = other_layer(layer, indices)


def max_unpool1d(
    input: Values,
    indices: Values,
    kernel_size: IntOrOne,
    stride: IntOrOne | None = None,
    padding: IntOrOne = 0,
    output_size: tuple[int, ...] | None = None,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Put maxima of a signal back to where ``max_pool1d`` found them, among zeros.

    Formula, Raises:
        as ``max_unpool2d`` with one axis

    Shapes:
        input, indices: (N, C, L), where N may be 0, or unbatched (C, L)
        out, result: (N, C, OL), or unbatched (C, OL)

    Args:
        kernel_size, stride, padding: int or (n,); output_size: (OL,) or the whole shape.
        out, threads: see the module.

    Source:
        torch.nn.functional.max_unpool1d.

    >>> import numpy as np
    >>> max_unpool1d(np.array([[5.0, 7.0]]), np.array([[1, 3]]), 2)
    array([[0., 5., 0., 7.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    while True:
        try:
            return layer.max_unpool1d(
                input, indices, kernel_size, stride, padding, output_size, out, threads
            )
        except TypeError:
            layer = other_layer(layer, indices)
