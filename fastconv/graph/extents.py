"""Sizes that are others for images of another size, while a network is recorded."""

import numbers
import operator
from typing import Any

from .ir import Node, Value

Varying = tuple[bool, ...]


def varies(node: Node, taken: list[Varying]) -> Varying:
    """Of each axis of what the node makes whether images of another size have another size there.

    Args:
        taken: the same of its inputs.
    """
    first, o = taken[0], node.options
    if node.kind == "reshape":
        some = any(first)
        return tuple(
            first[n[0]] if isinstance(n, tuple) else n is None and some for n in o["sizes"]
        )
    if node.kind == "permute":
        return tuple(first[axis] for axis in o["axes"])
    if node.kind == "linear":
        return *first[:-1], False
    if node.kind == "pool2d" and o["adaptive"] is not None:
        kept = (varied and n is None for varied, n in zip(first[1:], o["adaptive"], strict=True))
        return first[0], *kept
    if node.kind == "interpolate" and o["size"] is not None:
        size = o["size"] if isinstance(o["size"], tuple) else (o["size"],) * (len(first) - 1)
        return first[0], *(isinstance(n, tuple) for n in size)
    if node.kind in ("conv2d", "conv_transpose2d", "part"):
        return False, *first[1:]
    if node.kind == "scale":
        return first
    return tuple(map(any, zip(*taken, strict=True)))


def _of_number(function: Any) -> Any:
    """An operator of an Extent, as that of its number."""

    def operate(self: "Extent", *others: Any) -> Any:
        return function(operator.index(self), *others)

    return operate


def _after(function: Any) -> Any:
    """The same with the Extent on the right."""

    def operate(self: "Extent", other: Any) -> Any:
        return function(other, operator.index(self))

    return operate


class Extent:
    """The size of an axis that is another one for images of another size.

    It may be handed on, to reshape and the like. Whoever reads it as a number, compares it or
    computes with it decides something by the size of the images, and the network is for images of
    that size: the recorder notes it.
    """

    __slots__ = ("_number", "_recorder", "axis", "value")

    def __init__(self, recorder: Any, value: Value, axis: int) -> None:
        self._recorder, self.value, self.axis = recorder, value, axis
        self._number = value.shape[axis]

    def __index__(self) -> int:
        self._recorder.fix()
        return self._number

    __int__ = __hash__ = __trunc__ = __floor__ = __ceil__ = __index__
    __bool__, __float__, __round__ = _of_number(bool), _of_number(float), _of_number(round)
    __neg__, __pos__, __abs__ = map(_of_number, (operator.neg, operator.pos, abs))
    __eq__, __ne__ = _of_number(operator.eq), _of_number(operator.ne)
    __lt__, __le__ = _of_number(operator.lt), _of_number(operator.le)
    __gt__, __ge__ = _of_number(operator.gt), _of_number(operator.ge)
    __add__, __radd__ = _of_number(operator.add), _after(operator.add)
    __sub__, __rsub__ = _of_number(operator.sub), _after(operator.sub)
    __mul__, __rmul__ = _of_number(operator.mul), _after(operator.mul)
    __floordiv__, __rfloordiv__ = _of_number(operator.floordiv), _after(operator.floordiv)
    __truediv__, __rtruediv__ = _of_number(operator.truediv), _after(operator.truediv)
    __mod__, __rmod__ = _of_number(operator.mod), _after(operator.mod)
    __pow__, __rpow__ = _of_number(operator.pow), _after(operator.pow)
    __divmod__, __rdivmod__ = _of_number(divmod), _after(divmod)

    def __repr__(self) -> str:
        return repr(self._number)

    def __format__(self, spec: str) -> str:
        return format(self._number, spec)


numbers.Integral.register(Extent)
