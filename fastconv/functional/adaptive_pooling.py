"""Pooling to a result of given size: adaptive, and of whole maps."""

from typing import Literal, overload

import numpy as np
from numpy import ndarray

from fastconv import ops

from .layers import layer_of
from .types import IntOrOne, Values


def global_avg_pool2d(
    input: Values, *, out: np.ndarray | None = None, threads: int | None = None
) -> Values:
    """Average of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = (sum over h, w of input[n, c, h, w]) / (H * W)

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: input has a wrong rank, or no channels, rows or columns; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        M. Lin, Q. Chen, S. Yan, "Network In Network", arXiv:1312.4400;
        torch.nn.functional.adaptive_avg_pool2d with output size 1.

    >>> import numpy as np
    >>> global_avg_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[3.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.global_avg_pool2d(input, out, threads)


def global_max_pool2d(
    input: Values, *, out: np.ndarray | None = None, threads: int | None = None
) -> Values:
    """Largest value of each channel's whole plane.

    Formula:
        result[n, c, 0, 0] = max over h, w of input[n, c, h, w], and NaN if any of them is NaN

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, 1, 1), or unbatched (C, 1, 1)

    Args:
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype.
        ValueError: input has a wrong rank, or no channels, rows or columns; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.adaptive_max_pool2d with output size 1.

    >>> import numpy as np
    >>> global_max_pool2d(np.array([[[1.0, 2.0], [3.0, 6.0]]]))
    array([[[6.]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.global_max_pool2d(input, out, threads)


def adaptive_avg_pool2d(
    input: Values,
    output_size: int | tuple[int | None, int | None],
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Average of windows that cover the input, for a result of a given size.

    Formula:
        result[n, c, y, x] = mean of input[n, c, y0:y1, x0:x1]
        with y0 = y*H // OH, y1 = ceil((y+1)*H / OH), and x0, x1 likewise. Windows overlap where the
        sizes do not divide.

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        output_size: (OH, OW), or an int for both; None is input's own size.
        out, threads: see the module.

    Raises:
        TypeError: input is no ndarray of a supported dtype; a size is not an int.
        ValueError: input has a wrong rank or no channels; a size is below 1; out is unfit or
            overlaps input.
        MemoryError: the result does not fit.

    Source:
        torch.nn.functional.adaptive_avg_pool2d.

    >>> import numpy as np
    >>> adaptive_avg_pool2d(np.array([[[1.0, 2.0, 6.0]]]), (1, 2))
    array([[[1.5, 4. ]]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.adaptive_avg_pool2d(input, output_size, out, threads)


def adaptive_avg_pool1d(
    input: Values,
    output_size: IntOrOne,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values:
    """Average of windows that cover a signal, for a result of a given size.

    Formula, Raises:
        as ``adaptive_avg_pool2d`` with one axis

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        out, result: (N, C, output_size), or unbatched

    Args:
        output_size: int or (n,). out, threads: see the module.

    Source:
        torch.nn.functional.adaptive_avg_pool1d.

    >>> import numpy as np
    >>> adaptive_avg_pool1d(np.array([[1.0, 2.0, 6.0]]), 2)
    array([[1.5, 4. ]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.adaptive_avg_pool1d(input, output_size, out, threads)


@overload
def adaptive_max_pool2d(
    input: Values,
    output_size: int | tuple[int | None, int | None],
    return_indices: Literal[False] = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values: ...
@overload
def adaptive_max_pool2d(
    input: Values,
    output_size: int | tuple[int | None, int | None],
    return_indices: Literal[True],
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[Values, Values]: ...


def adaptive_max_pool2d(input, output_size, return_indices=False, *, out=None, threads=None):
    """Largest value in windows that cover the input, for a result of a given size.

    Formula:
        as ``adaptive_avg_pool2d`` with the maximum; indices as for ``max_pool2d``

    Shapes:
        input: (N, C, H, W), where N may be 0, or unbatched (C, H, W)
        out, result, indices: (N, C, OH, OW), or unbatched (C, OH, OW)

    Args:
        output_size: (OH, OW), or an int for both; None is input's own size.
        return_indices: return (result, indices).
        out, threads: see the module.

    Raises:
        as ``adaptive_avg_pool2d``; and TypeError for a return_indices that is not a bool.

    Source:
        torch.nn.functional.adaptive_max_pool2d.

    >>> import numpy as np
    >>> adaptive_max_pool2d(np.array([[[1.0, 2.0, 6.0]]]), (1, 2), return_indices=True)
    (array([[[2., 6.]]]), array([[[1, 2]]]))
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.adaptive_max_pool2d(input, output_size, return_indices, out, threads)


@overload
def adaptive_max_pool1d(
    input: Values,
    output_size: IntOrOne,
    return_indices: Literal[False] = False,
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> Values: ...
@overload
def adaptive_max_pool1d(
    input: Values,
    output_size: IntOrOne,
    return_indices: Literal[True],
    *,
    out: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[Values, Values]: ...


def adaptive_max_pool1d(input, output_size, return_indices=False, *, out=None, threads=None):
    """Largest value in windows that cover a signal, for a result of a given size.

    Formula, Raises:
        as ``adaptive_max_pool2d`` with one axis

    Shapes:
        input: (N, C, L), where N may be 0, or unbatched (C, L)
        out, result, indices: (N, C, output_size), or unbatched

    Args:
        output_size: int or (n,). return_indices, out, threads: as for ``adaptive_max_pool2d``.

    Source:
        torch.nn.functional.adaptive_max_pool1d.

    >>> import numpy as np
    >>> adaptive_max_pool1d(np.array([[1.0, 2.0, 6.0]]), 2)
    array([[2., 6.]])
    """
    layer = ops if type(input) is ndarray else layer_of(input)
    return layer.adaptive_max_pool1d(input, output_size, return_indices, out, threads)
