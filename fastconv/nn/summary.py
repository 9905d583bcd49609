"""What a network is made of, layer by layer, and what it costs."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastconv.autograd import Tensor, no_grad

from .conv import Convolution
from .linear import Linear
from .module import Module

# Of a module, what calling it in eval mode and with hooks changes.
_CHANGED = ("training", "_hooks", "_prepared")
_HEADER = ("layer", "type", "output shape", "parameters", "multiply-adds")


@dataclass(frozen=True)
class Layer:
    """One call of one module.

    name: dotted, '' for the whole. kind: its class. output_shape: of its result, or of the first
    Tensor in it; None where there is none. parameters: its own elements, without its children's;
    0 where it, or what shares them, was called before. multiply_adds: of its own products by
    weights: convolution, transposed convolution, linear; 0 for everything else.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    parameters: int
    multiply_adds: int
    depth: int


@dataclass(frozen=True)
class Summary:
    """Layers in the order in which they began, and totals; ``str`` is a table.

    parameters: elements of all parameters, each once, also of those that were not used.
    trained_parameters: of those that require a gradient. multiply_adds: of all layers.
    """

    layers: list[Layer]
    parameters: int
    trained_parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        rows = [
            (
                "  " * layer.depth + (layer.name.rpartition(".")[2] or "(all)"),
                layer.kind,
                "" if layer.output_shape is None else str(layer.output_shape),
                f"{layer.parameters:,}" if layer.parameters else "",
                f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
            )
            for layer in self.layers
        ]
        total = ("total", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,}")
        trained = ("trained", "", "", f"{self.trained_parameters:,}", "")
        table = [_HEADER, *rows, total, trained]
        widths = [max(len(row[i]) for row in table) for i in range(len(_HEADER))]
        lines = [
            "  ".join(
                cell.ljust(width) if i < 3 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in table
        ]
        rule = "─" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-2], rule, *lines[-2:]])


def summary(module: Module, input: Any, dtype: Any = None) -> Summary:
    """Run a module once and tell what each of its layers does.

    It runs in eval mode within ``no_grad``, and is then as it was before.

    Args:
        input: the shape of its input, which is then zeros; or the input; or a tuple of inputs, the
            module's arguments.
        dtype: of those zeros; None is that of the first parameter, or float32.

    Raises:
        TypeError: module is no Module; input is none of these. Whatever the module raises.

    >>> from fastconv import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    >>> told = summary(net, (1, 1, 4, 4))
    >>> told.parameters, told.multiply_adds
    (74, 176)
    >>> print(told)
    layer    type        output shape  parameters  multiply-adds
    ────────────────────────────────────────────────────────────
    (all)    Sequential  (1, 2)
      0      Conv2d      (1, 4, 2, 2)          40            144
      1      Flatten     (1, 16)
      2      Linear      (1, 2)                34             32
    ────────────────────────────────────────────────────────────
    total                                      74            176
    trained                                    74
    """
    if not isinstance(module, Module):
        raise TypeError(f"summary: module must be a Module, not {type(module).__name__}")
    arguments = _arguments(module, input, dtype)
    layers: list[Layer | None] = []
    handles, before = [], []
    counted: set[int] = set()
    for name, part in module.named_modules():
        before.append((part, {key: part.__dict__.get(key) for key in _CHANGED}))
        handles += _watch(name, part, layers, counted)
    try:
        module.eval()
        with no_grad():
            module(*arguments)
    finally:
        for handle in handles:
            handle.remove()
        for part, values in before:
            for key, value in values.items():
                if value is None:
                    part.__dict__.pop(key, None)
                else:
                    part.__dict__[key] = value
    called = [layer for layer in layers if layer is not None]
    parameters = list(module.parameters())
    return Summary(
        called,
        sum(parameter.numel() for parameter in parameters),
        sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        sum(layer.multiply_adds for layer in called),
    )


def _arguments(module: Module, input: Any, dtype: Any) -> tuple:
    if isinstance(input, (tuple, list)) and all(
        isinstance(size, (int, np.integer)) and not isinstance(size, bool) for size in input
    ):
        if dtype is None:
            dtype = next((parameter.dtype for parameter in module.parameters()), np.float32)
        return (Tensor(np.zeros(tuple(input), dtype)),)
    if isinstance(input, (Tensor, np.ndarray)):
        return (input,)
    if isinstance(input, tuple):
        return input
    raise TypeError(
        f"summary: input must be a shape, a Tensor, an array or a tuple of arguments, not "
        f"{type(input).__name__}"
    )


def _watch(name: str, module: Module, layers: list, counted: set[int]) -> list:
    """Hooks that put each call of a module into layers, at the place where it began."""
    places: list[int] = []

    def begin(_module: Module, _args: tuple) -> None:
        places.append(len(layers))
        layers.append(None)

    def end(called: Module, args: tuple, result: Any) -> None:
        own = 0
        for parameter in called._own("parameter").values():
            if parameter is not None and id(parameter) not in counted:
                counted.add(id(parameter))
                own += parameter.numel()
        shape = _shape(result)
        layers[places.pop()] = Layer(
            name,
            type(called).__name__,
            shape,
            own,
            _multiply_adds(called, args, shape),
            name.count(".") + 1 if name else 0,
        )

    # Both the nearest to forward: after what other hooks make of the arguments, before what they
    # make of the result.
    return [
        module.register_forward_pre_hook(begin),
        module.register_forward_hook(end, prepend=True),
    ]


def _shape(result: Any) -> tuple[int, ...] | None:
    if isinstance(result, (Tensor, np.ndarray)):
        return result.shape
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return next((shape for one in result if (shape := _shape(one)) is not None), None)
    return None


def _multiply_adds(module: Module, args: tuple, shape: tuple[int, ...] | None) -> int:
    """Of products by weights, padding included."""
    if shape is None:
        return 0
    if isinstance(module, Linear):
        return math.prod(shape) * module.in_features
    if not isinstance(module, Convolution):
        return 0
    window = math.prod(module.kernel_size)
    if module.transposed:
        # Every pixel of the input goes into a window of the result, of each channel of its group.
        return math.prod(args[0].shape) * module.out_channels // module.groups * window
    return math.prod(shape) * module.in_channels // module.groups * window
