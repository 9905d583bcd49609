"""Function: operations whose gradient users write themselves."""

from typing import Any

import numpy as np

from .core import Node, State, ndarray, record, wrap
from .engine import gradient_like, read_only
from .modes import no_grad


class Context:
    """What forward hands over to backward; any attribute may be set.

    needs_input_grad: for each argument whether a gradient is needed
    saved_tensors: in backward, what save_for_backward was given
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple = ()
        self._constant: tuple = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep Tensors or arrays for backward, of inputs, results and what lies between.

        Of Tensors it is noticed when they are changed in place meanwhile. They are given back when
        backward has been.
        """
        for i, value in enumerate(tensors):
            if not (value is None or isinstance(value, (State, ndarray))):
                raise TypeError(
                    f"save_for_backward: argument {i} must be a Tensor or an array, not "
                    f"{type(value).__name__}; set anything else as an attribute of the context"
                )
        self._saved = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say that these results have no gradient."""
        self._constant = tensors


class Function:
    """An operation with a gradient of one's own: subclass it, and call ``apply``.

    forward(ctx, *args) gets the arguments of ``apply``, and returns a Tensor or array or a tuple
    of them. Nothing in it is recorded.

    backward(ctx, *gradients) gets the gradient of each result, read-only, zeros where there is
    none, and returns that of each argument: None where it has none.

    ``fastconv.gradcheck`` compares backward with forward.

    Source:
        torch.autograd.Function.

    >>> from fastconv import Tensor
    >>> class Cube(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, gradient):
    ...         (x,) = ctx.saved_tensors
    ...         return gradient * 3 * x * x
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    """

    @staticmethod
    def forward(ctx: Context, *args: Any) -> Any:
        """The results."""
        raise NotImplementedError("a Function must define forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        """The arguments' gradients by those of the results."""
        raise NotImplementedError("a Function must define backward(ctx, *gradients)")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute forward(*args), and record it."""
        edges = tuple([arg._node if isinstance(arg, State) else None for arg in args])
        ctx = Context(tuple([edge is not None for edge in edges]))
        with no_grad():
            given = cls.forward(ctx, *args)
        several = isinstance(given, tuple)
        results = []
        for i, result in enumerate(given if several else (given,)):
            if not isinstance(result, (State, ndarray, np.generic)):
                raise TypeError(
                    f"{cls.__name__}.forward: result {i} must be a Tensor or an array, not "
                    f"{type(result).__name__}"
                )
            results.append(_fresh(result))
        _record(cls, ctx, edges, args, given if several else (given,), results)
        return tuple(results) if several else results[0]


def _fresh(result: Any) -> Any:
    """A result as a Tensor that has no history and is no argument."""
    if not isinstance(result, State):
        return wrap(result)
    new = wrap(result._array)
    new._version = result._version
    return new


def _record(
    cls: type, ctx: Context, edges: tuple, args: tuple, given: tuple, results: list
) -> None:
    constant = {id(value) for value in ctx._constant}
    differentiable = [
        i
        for i, result in enumerate(results)
        if result._array.dtype.kind == "f" and id(given[i]) not in constant
    ]
    if not differentiable:
        return
    saved, ctx._saved, ctx._constant = ctx._saved, (), ()
    arguments = [
        (arg._array.shape, arg._array.dtype) if isinstance(arg, State) else None for arg in args
    ]
    shapes = [(result._array.shape, result._array.dtype) for result in results]
    how = cls, ctx, arguments, shapes
    if len(results) == 1:
        record(results[0], Applied, edges, saved, how)
        return
    # One node for the function, and one for each result, which puts its gradient in its place.
    whole = record(wrap(np.zeros(())), Applied, edges, saved, how)._node
    if whole is not None:
        for i in differentiable:
            record(results[i], Part, (whole,), (), (i, len(results)))


class Part(Node):
    """One result of several: its gradient as a list with None in the other places."""

    __slots__ = ()
    fresh = False

    def backward(self, gradient, needed):
        i, count = self.parameters
        gradients = [None] * count
        gradients[i] = gradient
        return (gradients,)


class Applied(Node):
    """A Function that was applied."""

    __slots__ = ()
    fresh = False

    @property
    def name(self) -> str:
        return self.parameters[0].__name__

    def backward(self, gradient, needed):
        cls, ctx, arguments, shapes = self.parameters
        gradients = gradient if type(gradient) is list else [gradient]
        gradients = [
            wrap(np.zeros(shape, dtype) if one is None else read_only(one))
            for one, (shape, dtype) in zip(gradients, shapes, strict=True)
        ]
        ctx.needs_input_grad = tuple([edge is not None for edge in needed])
        ctx.saved_tensors = tuple([None if array is None else wrap(array) for array in self.saved])
        try:
            with no_grad():
                given = cls.backward(ctx, *gradients)
        finally:
            del ctx.saved_tensors
        if not isinstance(given, tuple):
            given = (given,)
        if len(given) != len(arguments):
            raise RuntimeError(
                f"{self.name}.backward: {len(given)} gradients were returned but forward had "
                f"{len(arguments)} arguments; return one for each, None where it has none"
            )
        results = []
        for i, (value, edge) in enumerate(zip(given, needed, strict=True)):
            if edge is None or value is None:
                results.append(None)
            else:
                name = f"{self.name}.backward's gradient {i}"
                results.append(gradient_like(name, value, *arguments[i]))
        return tuple(results)
