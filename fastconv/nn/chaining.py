"""Layers one after another, several of which are one operation of the engine.

A convolution whose result is normalised, added to and activated writes it once instead of four
times: the engine's convolution ends with a residual and an activation, and in inference its weights
may be multiplied by the normalisation's factors.
"""

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


def run(
    input: Any, row: list[Module], residual: Any = None, activation: Module | None = None
) -> Any:
    """``chain`` (container.py) of modules none of which is looked into."""
    at, count = 0, len(row)
    recorded = is_grad_enabled()
    while at < count:
        module = row[at]
        at += 1
        kind = type(module)
        if (kind is not Conv2d and kind is not BatchNorm2d) or watched(module):
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


def watched(module: Module) -> bool:
    """Whether someone would see that it is not called: by hooks, or by a forward of its own."""
    return bool(module._hooks) or "forward" in module.__dict__


def _next(row: list[Module], at: int) -> int:
    """The place of the next module that does anything."""
    while at < len(row) and type(row[at]) is Identity and not watched(row[at]):
        at += 1
    return at


def _norm(conv: Conv2d, input: Any, row: list[Module], at: int) -> tuple[BatchNorm2d | None, int]:
    """The normalisation at that place if the convolution can take it, and the place after it."""
    place = _next(row, at)
    if place < len(row):
        norm = row[place]
        if (
            type(norm) is BatchNorm2d
            and not watched(norm)
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
    if watched(module):
        return None
    if type(module) is GELU:
        return _GELUS.get(module.approximate)
    return _ACTIVATIONS.get(type(module))
