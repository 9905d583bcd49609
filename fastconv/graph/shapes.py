"""Shapes, told by nodes: of what each makes, and of a whole graph for images of another size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastconv.geometry import same_padding

from .interpret import MEANINGS
from .ir import Graph, Node

Shape = tuple[int, ...]

# How many inputs, of kinds that do not take one.
_INPUTS = {"conv2d": (1, 2), "add": (2, 2), "scale": (2, 2), "concat": (1, 2**31)}


def shape_of(node: Node, dtype: Any, images: Sequence[Shape] = ()) -> Shape:
    """The shape of what the node makes of one image: told by the operation itself, of no images.

    Args:
        images: the shapes of the graph's inputs, which an interpolation may refer to.

    Raises:
        TypeError, ValueError: it cannot be done: as the operation says.
    """
    least, most = _INPUTS.get(node.kind, (1, 1))
    if not least <= len(node.inputs) <= most:
        raise ValueError(f"{node.kind} takes {least} to {most} inputs, not {len(node.inputs)}")
    taken = [value.shape for value in node.inputs]
    if node.kind == "reshape":
        return _reshaped(taken[0], node.options["sizes"])
    if node.kind == "part":
        return _part(taken[0], **node.options)
    if node.kind == "add" and taken[0] != taken[1]:
        raise ValueError(f"add: a sum of shapes {taken[0]} and {taken[1]}")
    weight = node.arrays.get("weight")
    if node.kind == "linear" and not isinstance(weight, np.ndarray):
        if taken[0][-1] != weight.shape[1]:
            raise ValueError(
                f"linear: weight has {weight.shape[1]} input features but input has {taken[0][-1]}"
            )
        return *taken[0][:-1], weight.shape[0]
    options = node.options
    if node.kind == "interpolate" and options["size"] is not None:
        options = options | {"size": _size(options["size"], images)}
    arrays = {
        # Of weights that are kept in the engine's form there is the shape.
        name: a if isinstance(a, np.ndarray) else np.broadcast_to(np.zeros((), dtype), a.shape)
        for name, a in node.arrays.items()
    }
    empty = [np.empty((0, *shape), dtype) for shape in taken]
    return MEANINGS[node.kind](arrays.get, options, empty, None, None).shape[1:]


def resized(graph: Graph, images: Sequence[Shape]) -> Graph:
    """The graph for images of these shapes: the same nodes anew, with the same arrays.

    Raises:
        ValueError: it cannot take them; a layer and the sizes are named.
    """
    was, now = (_listed(shapes) for shapes in ([v.shape for v in graph.inputs], images))
    if graph.fixed:
        raise ValueError(
            f"the network takes images of {was}, not of {now}: {graph.fixed}; compile it for them"
        )
    new = graph.copy()
    for value, shape in zip(new.inputs, images, strict=True):
        value.shape = tuple(shape)
    for node in new.nodes:
        try:
            if node.kind == "conv2d" and node.options["same"]:
                node.options["padding"] = _same(node)
            node.output.shape = shape_of(node, graph.dtype, images)
        except ValueError as error:
            layer = f"layer {node.layer!r}" if node.layer else "the network"
            raise ValueError(
                f"the network, compiled for images of {was}, cannot take those of {now}: {layer}, "
                f"which is given {_listed(v.shape for v in node.inputs)}: {error}"
            ) from error
    return new


def _reshaped(shape: Shape, sizes: Sequence[Any]) -> Shape:
    whole = int(np.prod(shape, dtype=np.int64))
    found = [shape[n[0]] if isinstance(n, tuple) else n for n in sizes]
    if None in found:
        others = int(np.prod([n for n in found if n is not None], dtype=np.int64))
        found[found.index(None)] = whole // max(others, 1)
    if int(np.prod(found, dtype=np.int64)) != whole:
        raise ValueError(f"reshape: {whole} elements do not go into {tuple(found)}")
    return tuple(found)


def _part(shape: Shape, start: Any, stop: Any) -> Shape:
    channels = shape[0] if shape else 0
    if type(start) is not int or type(stop) is not int or not 0 <= start < stop <= channels:
        raise ValueError(f"part: there are no channels {start} to {stop} of {channels}")
    return stop - start, *shape[1:]


def _size(size: Any, images: Sequence[Shape]) -> Any:
    """The numbers of an interpolation's size."""
    if not isinstance(size, tuple):
        return size
    return tuple(images[n[0]][n[1]] if isinstance(n, tuple) else n for n in size)


def _same(conv: Node) -> tuple[int, ...]:
    """Both ends of each axis that the padding's name means for the input that there is."""
    o, weight = conv.options, conv.arrays["weight"]
    found: tuple[int, ...] = ()
    for axis in (0, 1):
        found += same_padding(
            conv.inputs[0].shape[1 + axis],
            weight.shape[2 + axis],
            o["stride"][axis],
            o["dilation"][axis],
            odd_one_first=o["same"] == "same_lower",
        )
    return found


def _listed(shapes: Any) -> str:
    return " and ".join("×".join(map(str, shape)) for shape in shapes)
