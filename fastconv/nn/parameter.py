"""Parameter: a Tensor that a module learns."""

from typing import Any

import numpy as np

from fastconv.autograd import Tensor
from fastconv.autograd.core import Leaf


class Parameter(Tensor):
    """A Tensor that requires a gradient, and that a Module it is assigned to lists as its own.

    Args:
        data, dtype: as for ``Tensor``.
        requires_grad: False for one that is saved with the others but not trained.

    Raises:
        TypeError: as ``Tensor``; float32 and float64 alone can require a gradient.

    Source:
        torch.nn.Parameter.

    >>> Parameter([1.0, 2.0])
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    # No __slots__: a program may note things on its parameters, as it may on PyTorch's.

    def __init__(self, data: Any, requires_grad: bool = True, dtype: Any = None) -> None:
        super().__init__(data, requires_grad, dtype)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def convert(tensor: Tensor, dtype: np.dtype) -> None:
    """Another dtype for a module's own tensor, which stays the same object: optimisers hold on to
    it. A graph that was recorded before refuses to compute its gradient."""
    if tensor._array.dtype == dtype:
        return
    array = tensor._array.astype(dtype)
    gradient = tensor._grad
    tensor.changed()
    tensor._array = array
    tensor._version = [0, False]
    if gradient is not None:
        tensor._grad = Tensor(gradient._array.astype(dtype))
    before = tensor._node
    if before is not None:
        tensor._node = Leaf(tensor)
        tensor._node.hooks = before.hooks
        before.hooks = {0: _refuse}  # a hook, because it comes before any gradient is written


def _refuse(gradient: Tensor) -> None:
    raise RuntimeError(
        "backward: a parameter has another dtype than when this was computed; compute it again "
        "after Module.to"
    )
