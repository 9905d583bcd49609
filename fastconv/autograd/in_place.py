"""Operations that change a Tensor in place.

Where operations are recorded, the result is computed beside it, its values are copied into the
Tensor's memory and it takes over the result's history. What had saved the old values notices by
the number of the version.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import choice, elementwise, shaping
from .core import Leaf, Node, State, record, wrap
from .modes import is_grad_enabled


def add_(self, other: Any, *, alpha: Any = 1) -> Any:
    """Add alpha · other in place."""
    if alpha != 1:
        other = elementwise.mul(other, alpha)
    return _changed(self, elementwise.add, np.add, other)


def sub_(self, other: Any, *, alpha: Any = 1) -> Any:
    """Subtract alpha · other in place."""
    if alpha != 1:
        other = elementwise.mul(other, alpha)
    return _changed(self, elementwise.sub, np.subtract, other)


def mul_(self, other: Any) -> Any:
    """Multiply by other in place."""
    return _changed(self, elementwise.mul, np.multiply, other)


def div_(self, other: Any) -> Any:
    """Divide by other in place."""
    return _changed(self, elementwise.div, np.true_divide, other)


def clip_(self, min: Any = None, max: Any = None) -> Any:
    """``clip`` in place."""
    return _become(self, choice.clip(_shadow(self), min, max))


def copy_(self, source: Any) -> Any:
    """Take over the values of source, which may be broadcast and of another dtype."""
    source = elementwise.tensor_operand("copy_", source, "source")
    result = elementwise.astype(source, self._array.dtype)
    if result._array.shape != self._array.shape:
        result = shaping.expand(result, self._array.shape)
    return _become(self, result, forget=True)


def fill_(self, value: Any) -> Any:
    """Make every element value, a number."""
    return copy_(self, value)


def zero_(self) -> Any:
    """Make every element 0."""
    return copy_(self, 0)


def setitem(self, index: Any, value: Any) -> None:
    """Put value, which may be broadcast, where index says."""
    index = shaping.index_arrays(index)
    values, node = elementwise.operand(Any, "value", value)
    if not _is_recorded(self, node):
        self._array[index] = values
        self._version[0] += 1
        return
    _require_changeable(self)
    result = wrap(self._array.copy())
    result._array[index] = values
    part = self._array[index]
    how = index, elementwise.expansion(np.broadcast_to(values, np.shape(values)), part)
    _become(self, record(result, Assigned, (self._node, node), (), how))


class Assigned(Node):
    """What item assignment made of a Tensor."""

    __slots__ = ()

    def backward(self, gradient, needed):
        index, how = self.parameters
        by_value = None
        if needed[1]:
            by_value = elementwise.fit(np.array(gradient[index]), how)
        if needed[0]:
            gradient = gradient.copy()
            gradient[index] = 0
        return gradient, by_value


def _is_recorded(tensor: State, other_node: Node | None) -> bool:
    return (tensor._node is not None or other_node is not None) and is_grad_enabled()


def _require_changeable(tensor: State) -> None:
    """Require that a recorded change in place leads to a right gradient."""
    if type(tensor._node) is Leaf:
        raise RuntimeError(
            "a leaf that requires a gradient cannot be changed in place while operations are "
            "recorded, or its gradient would be that of other values; do it within no_grad()"
        )
    if tensor._version[1]:
        raise RuntimeError(
            "a Tensor that is a view, or has views, cannot be changed in place by a recorded "
            "operation, or the gradient of the others would be wrong; change a clone() of it"
        )


def _shadow(tensor: State) -> Any:
    """What stands for a Tensor's values and history while it is changed in place."""
    if not _is_recorded(tensor, None):
        return tensor
    _require_changeable(tensor)
    shadow = wrap(tensor._array.copy())
    shadow._node = tensor._node
    return shadow


def _changed(tensor: State, operation: Callable, function: np.ufunc, other: Any) -> Any:
    value, node = elementwise.operand(operation.__name__ + "_", "other", other)
    if _is_recorded(tensor, node):
        _require_changeable(tensor)
        shadow = wrap(tensor._array.copy())
        shadow._node = tensor._node
        return _become(tensor, operation(shadow, shadow if other is tensor else other))
    function(tensor._array, value, out=tensor._array, casting="same_kind")
    tensor._version[0] += 1
    return tensor


def _become(tensor: State, result: State, forget: bool = False) -> Any:
    """Take over a result's values and history; `forget` also where it has none."""
    if result._array.shape != tensor._array.shape:
        raise ValueError(
            f"the result has shape {result._array.shape} and does not fit into the Tensor of shape "
            f"{tensor._array.shape} that is to be changed in place"
        )
    node = tensor._node
    if _is_recorded(tensor, result._node):
        _require_changeable(tensor)
        if result._node is not None or forget:
            node = result._node
    np.copyto(tensor._array, result._array, casting="same_kind")
    tensor._version[0] += 1
    tensor._node = node
    return tensor
