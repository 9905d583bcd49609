"""The way back: gradients of results run through the graph to the leaves.

    order       the nodes that can be reached, newest first: each after all that use its result
    pending     the gradient of each node's result, as far as it has come together
    owned       the nodes whose pending gradient is an array that nobody else has: it may be added
                to in place, and a leaf may keep it

A node takes its pending gradient out, computes those of its inputs, and gives back what it saved,
so that both are free at the earliest. Nothing here recurses, however deep the graph is; and no
leaf's gradient is touched before everything has been computed: an error leaves them as they were.
"""

import threading
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NoReturn

import numpy as np

from fastconv import ops

from .core import Leaf, Node, State, ndarray, wrap
from .modes import no_grad

_BY_NUMBER = attrgetter("number")
_ACCUMULATING = threading.Lock()


def run(roots: dict[Node, np.ndarray], wanted: set[Node] | None, keep: bool) -> dict:
    """Send the roots' gradients back.

    wanted: None to accumulate into the leaves; else the nodes whose gradients are the result, and
        nothing is computed that does not lead to one of them.
    keep: whether what was saved is kept, for another time.
    """
    order = _order(roots)
    useful = None if wanted is None else _leading_to(wanted, order)
    if useful is not None:
        order = [node for node in order if node in useful]
    for node in order:
        if node.saved is None:
            _refuse_used(node)
        for version, number in node.versions:
            if version[0] != number:
                _refuse_changed(node, version[0] - number)

    pending, owned, arrived = dict(roots), set(), {}
    for node in order:
        gradient = pending.pop(node, None)
        if gradient is None:
            continue
        if node.hooks:
            gradient = _through_hooks(node, gradient)
            owned.discard(node)
        if type(node) is Leaf if wanted is None else node in wanted:
            arrived[node] = gradient, node in owned
        edges = node.edges
        if not edges:
            continue
        if useful is not None:
            edges = tuple([edge if edge in useful else None for edge in edges])
        results = node.backward(gradient, edges)
        if not keep and node.saved:
            node.saved = None
        gradient = None
        fresh = node.fresh
        for edge, result in zip(edges, results, strict=True):
            if edge is None or result is None:
                continue
            held = pending.get(edge)
            if held is not None:
                result = _sum(held, edge in owned, result, fresh)
                owned.add(edge)
            elif fresh:
                owned.add(edge)
            if type(result) is not ndarray and type(result) is not list:
                result = np.asarray(result)  # NumPy makes scalars of what has no dimensions
            pending[edge] = result
        result = results = held = None
    if wanted is not None:
        return {node: own(*found) for node, found in arrived.items()}
    with _ACCUMULATING:
        for leaf, (gradient, is_owned) in arrived.items():
            _accumulate(leaf, gradient, is_owned)
    return {}


def _order(roots: dict[Node, np.ndarray]) -> list[Node]:
    """All nodes that can be reached, newest first."""
    seen = set(roots)
    stack = list(roots)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return sorted(seen, key=_BY_NUMBER, reverse=True)


def _leading_to(wanted: set[Node], order: list[Node]) -> set[Node]:
    """The nodes of `order` from which one of `wanted` can be reached."""
    useful = set(wanted)
    for node in reversed(order):
        if node not in useful and not useful.isdisjoint(node.edges):
            useful.add(node)
    return useful


def _refuse_used(node: Node) -> NoReturn:
    raise RuntimeError(
        f"backward: the graph through {node.name} has been used already, and what it saved was "
        f"given back; give retain_graph=True to the first backward to use it again"
    )


def _refuse_changed(node: Node, times: int) -> NoReturn:
    raise RuntimeError(
        f"backward: an array that {node.name} needs for its gradient has since been changed in "
        f"place ({times} times); change a copy (clone) of it, or change it after backward"
    )


def _sum(held: Any, held_is_owned: bool, more: Any, more_is_fresh: bool) -> Any:
    """The sum of two gradients of one node, in place where one of them belongs to the engine."""
    if type(held) is list:  # of a Function of several results: each comes once, in its own place
        return [b if a is None else a for a, b in zip(held, more, strict=True)]
    if held_is_owned:
        return ops.add(held, more, held)
    if more_is_fresh and type(more) is ndarray:
        return ops.add(held, more, more)
    return ops.add(held, more)


def _through_hooks(node: Node, gradient: np.ndarray) -> np.ndarray:
    with no_grad():
        for hook in list(node.hooks.values()):
            seen = read_only(gradient)
            given = hook(wrap(seen))
            if given is not None:
                gradient = gradient_like("a hook's result", given, gradient.shape, gradient.dtype)
    return gradient


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def own(gradient: np.ndarray, is_owned: bool) -> np.ndarray:
    """The gradient as an array that nobody else has."""
    return gradient if is_owned else np.array(gradient, order="C")


def _accumulate(leaf: Leaf, gradient: np.ndarray, is_owned: bool) -> None:
    tensor = leaf.tensor()
    if tensor is None:
        return  # nobody can ask for it any more
    held = tensor._grad
    if held is None:
        tensor._grad = leaf.owned = wrap(own(gradient, is_owned))
    elif held is leaf.owned:
        ops.add(held._array, gradient, held._array)
        held._version[0] += 1
    else:  # given by the user, whose array it may be
        tensor._grad = leaf.owned = wrap(ops.add(held._array, gradient))


def gradient_like(name: str, value: Any, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """A gradient from outside as an array of this shape and dtype."""
    array = value._array if isinstance(value, State) else value
    if not isinstance(array, (np.ndarray, np.generic, int, float)):
        raise TypeError(
            f"backward: {name} must be a Tensor or a numpy.ndarray, not {type(value).__name__}"
        )
    array = np.asarray(array)
    if array.shape != shape:
        raise ValueError(
            f"backward: {name} has shape {array.shape}, expected {shape}, the shape of what it "
            f"is the gradient of; reshape it or give another"
        )
    if array.dtype.kind not in "fiub":
        raise TypeError(f"backward: {name} has dtype {array.dtype}, expected {dtype}")
    return array.astype(dtype, copy=False)


def _root(name: str, output: State, gradient: Any) -> np.ndarray:
    """The gradient that an output starts with."""
    if output._node is None:
        raise RuntimeError(
            f"backward: {name} does not require a gradient: no input of what computed it did, or "
            f"that was within no_grad; give an input requires_grad=True"
        )
    array = output._array
    if gradient is not None:
        return gradient_like("gradient", gradient, array.shape, array.dtype)
    if array.size != 1:
        raise RuntimeError(
            f"backward: {name} has shape {array.shape}, and only of a single number is it clear "
            f"what the gradient is; give gradient, of that shape, or take the sum first"
        )
    return np.ones(array.shape, array.dtype)


def backward(output: State, gradient: Any = None, retain_graph: bool = False) -> None:
    """Tensor.backward."""
    run({output._node: _root("the tensor", output, gradient)}, None, retain_graph)


def grad(
    outputs: State | Sequence[State],
    inputs: State | Sequence[State],
    grad_outputs: Any = None,
    retain_graph: bool = False,
    allow_unused: bool = False,
) -> tuple:
    """The gradients of outputs by inputs, without touching any tensor's ``.grad``.

    Formula:
        result[i] = sum over o of grad_outputs[o] · d outputs[o] / d inputs[i]

    Nothing else is computed: of a network's layers, say, only what leads to the image.

    Args:
        outputs: a Tensor, or a sequence of them, that require gradients.
        inputs: a Tensor or a sequence: leaves that require gradients, or results on the way.
        grad_outputs: for each output the gradient to start with; None where it is a single number.
        retain_graph: whether the graph can be used once more.
        allow_unused: give None for an input that no output depends on, which is an error otherwise.

    Returns:
        tuple of Tensors, of the inputs' shapes.

    Raises:
        RuntimeError: an output or input does not require a gradient; an input is not used; an
            output is no single number and has no gradient; the graph was used up, or something it
            saved has changed.
        TypeError, ValueError: a gradient is no array, or has a wrong shape.

    Source:
        torch.autograd.grad, without create_graph.

    >>> from fastconv import Tensor, autograd
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> autograd.grad((x * x).sum(), x)
    (tensor([2., 4., 6.]),)
    """
    one = (State, ndarray)
    outputs = (outputs,) if isinstance(outputs, one) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, one) else tuple(inputs)
    if grad_outputs is None:
        grad_outputs = (None,) * len(outputs)
    elif isinstance(grad_outputs, one):
        grad_outputs = (grad_outputs,)
    if len(grad_outputs) != len(outputs):
        raise ValueError(
            f"grad: there are {len(grad_outputs)} grad_outputs but {len(outputs)} outputs; give "
            f"one for each"
        )
    for i, value in enumerate(inputs):
        if not isinstance(value, State):
            raise TypeError(f"grad: inputs[{i}] must be a Tensor, not {type(value).__name__}")
        if value._node is None:
            raise RuntimeError(
                f"grad: inputs[{i}] does not require a gradient; give it requires_grad=True before "
                f"the outputs are computed"
            )
    roots: dict[Node, np.ndarray] = {}
    for i, (output, gradient) in enumerate(zip(outputs, grad_outputs, strict=True)):
        if not isinstance(output, State):
            raise TypeError(f"grad: outputs[{i}] must be a Tensor, not {type(output).__name__}")
        first = _root(f"outputs[{i}]", output, gradient)
        node = output._node
        roots[node] = first if node not in roots else roots[node] + first
    found = run(roots, {value._node for value in inputs}, retain_graph)
    results = []
    for i, value in enumerate(inputs):
        gradient = found.get(value._node)
        if gradient is None and not allow_unused:
            raise RuntimeError(
                f"grad: no output depends on inputs[{i}]; leave it out, or give allow_unused=True "
                f"to get None for it"
            )
        results.append(None if gradient is None else wrap(gradient))
    return tuple(results)
