"""The graph of a network: what the passes rewrite and the program is made of.

A ``Graph`` is a list of nodes in an order in which they can be computed. A node takes values and
makes one; shapes are those of one image, because the batch is the first axis of every value and
nothing in the graph looks across it. There are few kinds (``KINDS``), each with the arrays it
holds and its options; ``interpret.py`` says what each means, by the operation it is.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# kind: (arrays, options). 'activation' is None or a name that the engine can end the kind with.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "conv2d": (
        ("weight", "bias"),
        (
            "stride",
            "padding",
            "same",  # the padding's name, where its numbers depend on the image's size; or None
            "dilation",
            "groups",
            "border",
            "activation",
            "algorithm",
        ),
    ),
    "conv_transpose2d": (
        ("weight", "bias"),
        ("stride", "padding", "output_padding", "dilation", "groups", "activation"),
    ),
    "linear": (("weight", "bias"), ("activation",)),
    "pool2d": (
        (),
        (
            "pool",  # 'max', 'avg' or 'lp'
            "kernel",
            "stride",
            "padding",
            "dilation",
            "ceil_mode",
            "count_include_pad",
            "divisor",
            "norm",
            # (oh, ow), either of them None where it is the input's, and then the others mean
            # nothing; or None
            "adaptive",
        ),
    ),
    "batch_norm": (("mean", "var", "weight", "bias"), ("eps", "activation")),
    "prelu": (("weight",), ()),
    "activation": ((), ("name", "alpha", "beta")),
    "softmax": ((), ("axis", "logarithm")),
    "lrn": ((), ("size", "alpha", "beta", "k", "window")),
    "add": ((), ("activation",)),
    "scale": ((), ()),  # of each channel, by the second input
    "concat": ((), ()),  # of channels
    "part": ((), ("start", "stop")),  # those channels of its input
    "pad": ((), ("before", "after", "border", "value")),
    "permute": ((), ("axes",)),
    # size: (oh, ow) or one for both, each a number or (i, axis) of the graph's i-th input; or None
    "interpolate": ((), ("size", "scale", "mode", "align_corners")),
    # sizes: of each axis a number, (axis,) of the input's, or None, once, for what is left
    "reshape": ((), ("sizes",)),
}
# Kinds that the engine can end with an activation.
FUSIBLE = frozenset(kind for kind, (_, options) in KINDS.items() if "activation" in options)


class Value:
    """What a node makes, or an input of the graph.

    shape: of one image, without the batch. node: which makes it; None of an input.
    """

    __slots__ = ("node", "shape")

    def __init__(self, shape: Sequence[int], node: "Node | None" = None) -> None:
        self.shape = tuple(map(int, shape))
        self.node = node

    @property
    def size(self) -> int:
        """Elements of one image."""
        return int(np.prod(self.shape, dtype=np.int64))


class Node:
    """One operation.

    kind: a key of KINDS. inputs: what it takes; a conv2d's second one is its residual. arrays: its
    constants by name, without those that are None. options: all those of its kind. layer: the
    dotted name of the module it came from. output: what it makes.
    """

    __slots__ = ("arrays", "inputs", "kind", "layer", "options", "output")

    def __init__(
        self,
        kind: str,
        inputs: Iterable[Value],
        shape: Sequence[int],
        layer: str = "",
        arrays: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        known_arrays, known_options = KINDS[kind]
        given = {name: a for name, a in (arrays or {}).items() if a is not None}
        options = dict(options or {})
        if not given.keys() <= set(known_arrays) or options.keys() != set(known_options):
            raise ValueError(
                f"{kind}: arrays {sorted(given)} and options {sorted(options)}, expected "
                f"{known_arrays} and {known_options}"
            )
        self.kind = kind
        self.inputs = list(inputs)
        self.arrays = given
        self.options = options
        self.layer = layer
        self.output = Value(shape, self)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.layer or '-'} {self.output.shape}>"


class Graph:
    """Nodes in an order in which they can be computed, between inputs and outputs.

    fixed: why it is for images of these sizes alone; '' where nodes tell the shapes of others.
    """

    def __init__(
        self,
        inputs: list[Value],
        nodes: list[Node],
        outputs: list[Value],
        dtype: Any,
        fixed: str = "",
    ) -> None:
        self.inputs = inputs
        self.nodes = nodes
        self.outputs = outputs
        self.dtype = np.dtype(dtype)
        self.fixed = fixed

    def users(self) -> dict[Value, list[Node]]:
        """Of each value the nodes that take it, once for each time they do."""
        users: dict[Value, list[Node]] = {value: [] for value in self.inputs}
        for node in self.nodes:
            users[node.output] = []
        for node in self.nodes:
            for value in node.inputs:
                users[value].append(node)
        return users

    def replace(self, old: Value, new: Value) -> None:
        """Have everything that takes `old` take `new`."""
        for node in self.nodes:
            node.inputs = [new if value is old else value for value in node.inputs]
        self.outputs = [new if value is old else value for value in self.outputs]

    def check(self) -> None:
        """Raise where the list is out of order or a value comes from nowhere."""
        known = set(self.inputs)
        for node in self.nodes:
            if not known.issuperset(node.inputs):
                raise ValueError(f"{node!r} takes a value before it is made")
            known.add(node.output)
        if not known.issuperset(self.outputs):
            raise ValueError("an output is made by no node")

    def copy(self) -> "Graph":
        """The same nodes anew, with the same arrays."""
        values = {value: Value(value.shape) for value in self.inputs}
        nodes = []
        for node in self.nodes:
            inputs = [values[value] for value in node.inputs]
            new = Node(node.kind, inputs, node.output.shape, node.layer, node.arrays, node.options)
            values[node.output] = new.output
            nodes.append(new)
        inputs = [values[value] for value in self.inputs]
        outputs = [values[value] for value in self.outputs]
        return Graph(inputs, nodes, outputs, self.dtype, self.fixed)

    def __str__(self) -> str:
        names = {value: f"in{i}" for i, value in enumerate(self.inputs)}
        for i, node in enumerate(self.nodes):
            names[node.output] = f"%{i}"
        lines = [f"{names[value]} = input {_shape(value)}" for value in self.inputs]
        for node in self.nodes:
            taken = ", ".join(names[value] for value in node.inputs)
            told = [f"{name} {_shape(array)}" for name, array in node.arrays.items()]
            told += [
                f"{name}={value}"
                for name, value in node.options.items()
                if value is not None and value is not False
            ]
            line = f"{names[node.output]} = {node.kind}({taken}) {_shape(node.output)}"
            line += f"  {'; '.join(told)}" if told else ""
            lines.append(line + (f"  # {node.layer}" if node.layer else ""))
        lines.append("return " + ", ".join(names[value] for value in self.outputs))
        return "\n".join(lines)


def _shape(of: Any) -> str:
    return "×".join(map(str, of.shape)) or "1"
