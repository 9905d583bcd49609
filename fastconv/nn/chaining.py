"""Layers one after another, several of which are one operation of the engine.

A convolution whose result is normalised, added to and activated writes it once instead of four
times: the engine's convolution ends with a residual and an activation, and in inference its weights
may be multiplied by the normalisation's factors.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from fastconv.autograd import is_grad_enabled
from fastconv.autograd.core import State

from .activation import GELU, Hardsigmoid, Hardswish, ReLU, ReLU6, Sigmoid, SiLU, Tanh
from .conv import Conv2d
from .linear import Identity
from .module import Module
from .normalization import BatchNorm2d

# Layers that an operation may end with. Their subclasses may do anything.
_ACTIVATIONS = {
    ReLU: "relu",
    ReLU6: "relu6",
    SiLU: "silu",
    Sigmoid: "sigmoid",
    Tanh: "tanh",
    Hardsigmoid: "hardsigmoid",
    Hardswish: "hardswish",
}
_GELUS = {"none": "gelu", "tanh": "gelu_tanh"}


def chain(
    input: Any, *modules: Module, residual: Any = None, activation: Module | None = None
) -> Any:
    """What modules make of an input, each given the result of the one before.

    Formula:
        activation(modules[-1](... modules[0](input)) + residual)

    A ``Conv2d`` or ``BatchNorm2d`` takes the activation that follows it into its own operation. In
    eval mode within ``no_grad`` a ``Conv2d`` takes a ``BatchNorm2d`` in between, and the residual,
    too; rounding differs by that, as weights are multiplied by the normalisation's factors before
    products are summed. ``Sequential`` does the same. Layers with hooks, subclasses and layers
    whose ``forward`` was replaced are called one by one.

    Args:
        input: of the first module.
        residual: a Tensor or array of the last one's result's shape and dtype, or None.
        activation: the module that ends it, or None.

    Raises:
        ValueError: residual has another shape; and as the modules.

    Source:
        what ONNX Runtime and oneDNN call fused convolutions.

    >>> import numpy as np
    >>> from fastconv import Tensor, nn, no_grad
    >>> conv, norm = nn.Conv2d(3, 8, 3, padding=1).eval(), nn.BatchNorm2d(8).eval()
    >>> x = Tensor(np.zeros((1, 3, 5, 5), np.float32))
    >>> with no_grad():
    ...     y = nn.chain(x, conv, norm, nn.ReLU())  # one operation
    >>> y.shape
    (1, 8, 5, 5)
    """
    return run(input, list(_flat(modules)), residual, activation)


def run(
    input: Any, row: list[Module], residual: Any = None, activation: Module | None = None
) -> Any:
    """``chain`` of modules none of which is looked into."""
    at, count = 0, len(row)
    recorded = is_grad_enabled()
    while at < count:
        module = row[at]
        at += 1
        kind = type(module)
        if (kind is not Conv2d and kind is not BatchNorm2d) or _watched(module):
            input = module(input)
            continue
        if kind is BatchNorm2d or recorded or module.training:
            name, at = _activation(row, at)
            input = module.activated(input, name)
            continue
        norm, at = _norm(module, input, row, at)
        name, at = _activation(row, at)
        added = None
        if name is None and _next(row, at) == count:
            at, added, residual = count, residual, None
            if activation is not None and (name := _name(activation)) is not None:
                activation = None
        input = module.infer(input, norm, added, name)
    return _ended(input, residual, activation)


def _ended(result: Any, residual: Any, activation: Module | None) -> Any:
    if residual is not None:
        # Of what records a graph, to ask for sizes would bind the graph to them.
        if isinstance(result, State) and residual.shape != result.shape:
            raise ValueError(
                f"chain: residual has shape {residual.shape}, expected {result.shape}, that of "
                f"what it is added to"
            )
        result = result + residual
    return result if activation is None else activation(result)


def _flat(modules: Iterable[Module]) -> Iterator[Module]:
    """The modules in order, those of a Sequential in its place."""
    from .container import Sequential

    for module in modules:
        if type(module) is Sequential and not _watched(module):
            yield from _flat(module)
        else:
            yield module


def _watched(module: Module) -> bool:
    """Whether someone would see that it is not called: by hooks, or by a forward of its own."""
    return bool(module._hooks) or "forward" in module.__dict__


def _next(row: list[Module], at: int) -> int:
    """The place of the next module that does anything."""
    while at < len(row) and type(row[at]) is Identity and not _watched(row[at]):
        at += 1
    return at


def _norm(conv: Conv2d, input: Any, row: list[Module], at: int) -> tuple[BatchNorm2d | None, int]:
    """The normalisation at that place if the convolution can take it, and the place after it."""
    place = _next(row, at)
    if place < len(row):
        norm = row[place]
        if (
            type(norm) is BatchNorm2d
            and not _watched(norm)
            and getattr(input, "ndim", None) == 4
            and conv.takes(norm)
        ):
            return norm, place + 1
    return None, at


def _activation(row: list[Module], at: int) -> tuple[str | None, int]:
    place = _next(row, at)
    if place < len(row):
        name = _name(row[place])
        if name is not None:
            return name, place + 1
    return None, at


def _name(module: Module) -> str | None:
    """The engine's name of an activation."""
    if _watched(module):
        return None
    if type(module) is GELU:
        return _GELUS.get(module.approximate)
    return _ACTIVATIONS.get(type(module))
