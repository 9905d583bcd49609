"""Dropout: elements or channels that are left out at random."""

from typing import Any

import numpy as np

from fastconv import autograd, random
from fastconv.geometry import flag, real

from .layers import layer_of
from .types import Values


def dropout(input: Values, p: float = 0.5, training: bool = True) -> Values:
    """Each element 0 with probability p, and the others larger, so that the mean stays.

    Formula:
        result = input * keep / (1 - p), with keep 1 with probability 1 - p, else 0; for p = 1 all 0
        When not training, the input itself.

    Shapes:
        input, result: any shape

    Args:
        p: from 0 to 1. training: whether to do it.

    Random numbers come from the generator of ``fastconv.random``: after ``fastconv.manual_seed``
    the same elements are left out in every run, for float32 and for float64.

    Raises:
        TypeError: input is no float16, float32 or float64; p is no number; training is no bool.
        ValueError: p is not from 0 to 1.

    Source:
        N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting",
        JMLR 15, 2014; torch.nn.functional.dropout.

    >>> import numpy as np
    >>> sorted(set(dropout(np.ones(1000), 0.75).tolist()))
    [0.0, 4.0]
    """
    return _dropped("dropout", input, p, training, None)


def dropout2d(input: Values, p: float = 0.5, training: bool = True) -> Values:
    """Each channel of each image 0 with probability p, as a whole: neighbouring pixels say much the
    same, so that leaving out single ones would leave out little.

    Formula:
        as ``dropout`` with one keep[n, c] for all of input[n, c]

    Shapes:
        input, result: (N, C, H, W) or (N, C, L)

    Args, Raises:
        as for ``dropout``; and ValueError for an input of another rank.

    Source:
        J. Tompson et al., arXiv:1411.4280; torch.nn.functional.dropout2d.

    >>> import numpy as np
    >>> dropout2d(np.ones((1, 6, 2, 2)))[0].std(axis=(1, 2)).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    return _dropped("dropout2d", input, p, training, (3, 4))


def _dropped(op: str, input: Any, p: Any, training: Any, ranks: tuple[int, ...] | None) -> Any:
    share = real(op, "p", p)
    if not 0 <= share <= 1:
        raise ValueError(f"{op}: p is {share}, expected 0 to 1; give a probability")
    if not isinstance(input, (autograd.Tensor, np.ndarray)) and layer_of(input) is autograd:
        raise TypeError(
            f"{op}: input must be a Tensor or a numpy.ndarray, not {type(input).__name__}; convert "
            f"it with numpy.asarray"
        )
    if input.dtype.type not in (np.float16, np.float32, np.float64):
        raise TypeError(
            f"{op}: input has dtype {input.dtype}, expected float16, float32 or float64; convert "
            f"it with astype"
        )
    shape = input.shape
    if ranks is not None:
        if len(shape) not in ranks:
            raise ValueError(
                f"{op}: input has shape {shape}, expected (N, C, H, W) or (N, C, L); use "
                f"reshape to add or join axes"
            )
        shape = shape[:2] + (1,) * (len(shape) - 2)
    if not flag(op, "training", training) or share == 0:
        return input
    # In float32 for every dtype, so that a seed leaves out the same elements of all.
    keep = random.generator().random(shape, np.float32) >= share
    # What survives is divided by its share; of p = 1 nothing does.
    factor = keep * input.dtype.type(1 / (1 - share) if share < 1 else 0)
    return input * factor
