"""What a graph is made of: tensors' state, and a node for each recorded operation.

A node is made when an operation is recorded (``record``) and numbered in that order. Its edges lead
to the nodes of the inputs, which are older; so running nodes by falling number is a topological
order, whatever the graph looks like. A tensor that requires a gradient has a node: that of the
operation it came from, or a ``Leaf``. Nodes never refer to tensors, except for a leaf's weak
reference: there are no cycles, and a graph goes when its last result goes.
"""

import itertools
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from .modes import is_grad_enabled

ndarray = np.ndarray
_next_number = itertools.count(1).__next__
_new = object.__new__


class Node:
    """One recorded operation: where its gradient goes, and what it needs for that.

    edges: for each input the node its gradient goes to, or None where none is required
    saved: the arrays that its gradient is computed from; None once they are given back
    versions: (counter, number) of those of them that a user can reach
    parameters: whatever else the gradient depends on
    number: its place in the order of recording
    hooks: functions that see the gradient first, by key; or None
    """

    __slots__ = ("edges", "hooks", "number", "parameters", "saved", "versions")

    # Whether `backward` returns new arrays, which belong to nobody else and not to each other: such
    # a gradient may be added to in place, and a leaf may keep it.
    fresh = True

    def backward(self, gradient: np.ndarray, needed: tuple) -> tuple:
        """The inputs' gradients by that of the result, as many as there are edges; any value, best
        None, where `needed` is None."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return type(self).__name__


class Leaf(Node):
    """The end of a path: a tensor that requires a gradient and came from no operation."""

    __slots__ = ("owned", "tensor")

    number = 0  # after every operation

    def __init__(self, tensor: "State") -> None:
        self.edges = self.saved = self.versions = ()
        self.hooks = self.parameters = None
        self.tensor = weakref.ref(tensor)
        self.owned: State | None = None  # the .grad that the engine made and may add to


class Operation(Node):
    """An operation of the engine; as it is here, one of one input.

    parameters: its name; and here (function, how, threads), where the gradient is
        function(gradient, *saved, *how, threads=threads)
    """

    __slots__ = ()

    @property
    def name(self) -> str:
        return self.parameters[0]

    def backward(self, gradient, needed):
        _, function, how, threads = self.parameters
        return (function(gradient, *self.saved, *how, threads=threads),)


class State:
    """What a tensor is made of, without its methods, which are ``Tensor``'s.

    _array: the values
    _node: where its gradient goes; None where it requires none
    _grad: the accumulated gradient, a Tensor, or None
    _version: [how often the memory was changed in place, whether it has views]; shared by all
        tensors of one memory
    """

    __slots__ = ("__weakref__", "_array", "_grad", "_node", "_version")

    def __init_subclass__(cls) -> None:
        # Results are made of the first subclass, which is Tensor; not of Tensor's own subclasses.
        global _result_class
        if _result_class is State:
            _result_class = cls


_result_class: type = State


def wrap(array: Any) -> Any:
    """A new Tensor of an array, which it does not copy, or of a NumPy scalar."""
    tensor = _new(_result_class)
    tensor._array = array if type(array) is ndarray else np.asarray(array)
    tensor._node = None
    tensor._grad = None
    tensor._version = [0, False]
    return tensor


def wrap_view(array: np.ndarray, of: State) -> Any:
    """A new Tensor of an array that may share the memory of another Tensor's."""
    tensor = wrap(array)
    if tensor._array.base is not None or array is of._array:
        tensor._version = of._version
        of._version[1] = True
    return tensor


def record(
    result: Any, kind: type[Node], edges: tuple, saved: tuple = (), parameters: Any = None
) -> Any:
    """`result`, with a node of this kind if any edge leads somewhere and operations are recorded.

    saved: Tensors, of which it will be noticed when their values change before the gradient is
        computed; arrays that nobody else has, or numbers; None for what is not needed.
    """
    for edge in edges:
        if edge is not None:
            break
    else:
        return result
    if not is_grad_enabled():
        return result
    node = kind()
    node.edges = edges
    node.number = _next_number()
    node.parameters = parameters
    node.hooks = None
    node.versions = ()
    if saved:
        arrays = []
        for value in saved:
            if isinstance(value, State):
                arrays.append(value._array)
                version = value._version
                node.versions += ((version, version[0]),)
            else:
                arrays.append(value)
        node.saved = tuple(arrays)
    else:
        node.saved = saved
    result._node = node
    return result


def is_recorded(edges: Iterable[Node | None]) -> bool:
    """Whether an operation with these edges would be recorded."""
    return is_grad_enabled() and any(edge is not None for edge in edges)


# ---- arguments of the engine's operations, which may be Tensors or arrays


def parted(op: str, out: Any, *values: Any) -> tuple[list, list] | None:
    """The arrays in values and their nodes, where there is a Tensor among them; else None.

    With Tensors there must be no `out`.
    """
    arrays, nodes, found = [], [], False
    for value in values:
        if isinstance(value, State):
            found = True
            arrays.append(value._array)
            nodes.append(value._node)
        else:
            arrays.append(value)
            nodes.append(None)
    if not found:
        return None
    if out is not None:
        raise TypeError(
            f"{op}: out is given but an argument is a Tensor, and the result of those is always "
            f"new; leave out away, or give arrays"
        )
    return arrays, nodes
