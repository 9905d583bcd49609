"""A graph in the making: its inputs and nodes, and what depends on the size of the images."""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from fastconv.autograd import Tensor

from .extents import varies
from .ir import Graph, Node, Value
from .shapes import shape_of
from .traced import Traced, Untraceable


class Recording:
    """Of one trace: the graph so far, the example's batch, and the layer that is running."""

    def __init__(self, dtype: Any, batch: int) -> None:
        self.graph = Graph([], [], [], dtype)
        self.batch = batch
        self.layers: list[str] = []
        self._varying: dict[Value, tuple[bool, ...]] = {}
        # Constants as the graph holds them: shared weights stay shared.
        self._arrays: dict[int, tuple[Any, np.ndarray]] = {}

    def refuse(self, what: str) -> NoReturn:
        """Raise for what a compiled network cannot have."""
        raise Untraceable(
            f"compile: {self._running()} uses {what}, which the compiler does not know"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        self.refuse(f"the operation {name}")

    def input(self, shape: Sequence[int]) -> Traced:
        """A new input of the graph, of images of that shape."""
        value = Value(shape)
        self.graph.inputs.append(value)
        self._varying[value] = False, *(True,) * (len(value.shape) - 1)
        return Traced(self, value)

    # ---- what depends on the size of the images

    def varying(self, value: Value) -> tuple[bool, ...]:
        """Of each axis whether images of another size would have another size there."""
        known = self._varying.get(value)
        if known is None:
            node = value.node
            known = varies(node, [self.varying(taken) for taken in node.inputs])
            self._varying[value] = known
        return known

    def fix(self) -> None:
        """Note that the network decides by the size of its images, which other ones have not."""
        if not self.graph.fixed:
            self.graph.fixed = f"{self._running()} computes with the size of what it is given"

    def _running(self) -> str:
        return f"layer {self.layers[-1]!r}" if self.layers and self.layers[-1] else "the network"

    # ---- pieces

    def _value(self, x: Any) -> Value:
        if not isinstance(x, Traced):
            self.refuse("a constant where its input is expected")
        return x._value

    def _constant(self, array: Any) -> np.ndarray | None:
        """A weight or the like: the module's own memory, read-only."""
        if array is None:
            return None
        if isinstance(array, Traced):
            self.refuse("weights that are computed from its input")
        held = array._array if isinstance(array, Tensor) else array
        known = self._arrays.get(id(held))
        if known is None:
            if held.dtype != self.graph.dtype:
                raise TypeError(
                    f"compile: weights have dtype {held.dtype} and the input "
                    f"{self.graph.dtype}; give an example of the network's dtype"
                )
            shown = np.ascontiguousarray(held).view()
            shown.flags.writeable = False
            # The first keeps the id from being given to another array.
            known = self._arrays[id(held)] = held, shown.reshape(held.shape)
        return known[1]

    def _empty(self, value: Value) -> np.ndarray:
        return np.empty((0, *value.shape), self.graph.dtype)

    def _node(self, kind: str, inputs: list[Any], options: dict[str, Any], **arrays: Any) -> Traced:
        values = [self._value(x) for x in inputs]
        layer = self.layers[-1] if self.layers else ""
        held = {name: self._constant(array) for name, array in arrays.items()}
        node = Node(kind, values, (), layer, held, options)
        images = [value.shape for value in self.graph.inputs]
        node.output.shape = shape_of(node, self.graph.dtype, images)
        self.graph.nodes.append(node)
        return Traced(self, node.output)

    def reshape(self, x: Traced, sizes: tuple[Any, ...]) -> Traced:
        """sizes: as a reshape node has them."""
        shape, varying = x._value.shape, self.varying(x._value)
        same = len(sizes) == len(shape) and all(
            n in ((k,), None) or (n == shape[k] and not varying[k]) for k, n in enumerate(sizes)
        )
        return x if same else self._node("reshape", [x], {"sizes": sizes})

    def _row(self, x: Traced) -> Traced:
        """(N, C, L) as images of one row."""
        return self.reshape(x, ((0,), 1, (1,)))

    def _no_row(self, x: Traced) -> Traced:
        return self.reshape(x, ((0,), (2,)))

    def _plain(self, out: Any, precision: Any = None) -> None:
        if out is not None:
            self.refuse("out=")
        if precision is not None:
            self.refuse("precision=; give it to compile")
