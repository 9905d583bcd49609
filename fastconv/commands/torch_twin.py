"""A module of fastconv.nn as one of torch.nn with the same weights: what it is compared with.

A layer becomes torch's layer of the same name. Any other module becomes one of a class whose
methods are its own class's, but for what they call: instead of fastconv.functional and the
functions of fastconv.autograd, torch's of the same names. So networks that are written in the
common words of both, as all in fastconv.models are, need not be written twice.
"""

import inspect
import types
from typing import Any

import numpy as np
import torch

from fastconv import autograd, functional, nn
from fastconv.geometry import same_padding

__all__ = ["twin"]

# Of a module, what is no attribute of the network's own.
_INTERNAL = ("_kinds", "_hooks", "_prepared", "training")


def twin(module: nn.Module) -> torch.nn.Module:
    """The module in torch, in the same mode, its weights copied.

    Activations work in place, which is how torch is fastest; a module that uses what it has given
    to an activation once more has another result in torch.

    Raises:
        TypeError: torch has no layer of that name.
    """
    return _twin(module, {})


def _twin(module: nn.Module, made: dict[int, torch.nn.Module]) -> torch.nn.Module:
    if id(module) not in made:  # a part may occur at several places
        if type(module) is nn.Sequential or type(module).forward is nn.Sequential.forward:
            result = torch.nn.Sequential()
            for name, child in module._own("module").items():
                result.add_module(name, None if child is None else _twin(child, made))
        elif type(module).__module__.startswith("fastconv.nn."):
            result = _layer(module)
        else:
            result = _composite(module, made)
        made[id(module)] = result.train(module.training)
    return made[id(module)]


def _layer(module: nn.Module) -> torch.nn.Module:
    kind = type(module)
    theirs = getattr(torch.nn, kind.__name__, None)
    if theirs is None:
        raise TypeError(f"twin: torch.nn has no {kind.__name__}")
    known = inspect.signature(theirs).parameters
    arguments = {
        name: getattr(module, name)
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if name in known
        and name != "dtype"
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    if "bias" in arguments:
        arguments["bias"] = module.bias is not None
    if "inplace" in arguments:
        arguments["inplace"] = True
    if kind is nn.Conv2d and not _is_torchs(module.padding):
        theirs, arguments["padding"] = _PaddedConv2d, 0
    result = theirs(**arguments)
    if isinstance(result, _PaddedConv2d):
        result.sides = module.padding
    tensors = dict(result.named_parameters()) | dict(result.named_buffers())
    for name, value in module.state_dict().items():
        tensors[name].data = torch.from_numpy(np.array(value))
    return result


def _is_torchs(padding: Any) -> bool:
    """Whether torch's convolution takes it at any stride."""
    return padding == "valid" or all(isinstance(number, int) for number in padding)


class _PaddedConv2d(torch.nn.Conv2d):
    """torch's convolution with fastconv's padding of four sides, or for the same size."""

    sides: Any  # as fastconv.nn.Conv2d has it

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        rows, columns = self.sides if isinstance(self.sides, tuple) else self._for_same_size(input)
        if any((*rows, *columns)):
            input = torch.nn.functional.pad(input, (*columns, *rows))
        return super().forward(input)

    def _for_same_size(self, input: torch.Tensor) -> list[tuple[int, int]]:
        axes = zip(input.shape[2:], self.kernel_size, self.stride, self.dilation, strict=True)
        first = self.sides == "same_lower"
        return [same_padding(*numbers, odd_one_first=first) for numbers in axes]


def _composite(module: nn.Module, made: dict[int, torch.nn.Module]) -> torch.nn.Module:
    result = _class_of(type(module))()
    names = set(module._kinds) | set(_INTERNAL)
    for name, value in vars(module).items():
        if name not in names:
            setattr(result, name, value)
    for name, value in module.named_parameters(recurse=False):
        setattr(result, name, torch.nn.Parameter(torch.from_numpy(np.array(value.detach()))))
    saved = module.state_dict()
    for name, value in module.named_buffers(recurse=False):
        result.register_buffer(name, torch.from_numpy(np.array(value)), name in saved)
    for name, child in module._own("module").items():
        result.add_module(name, None if child is None else _twin(child, made))
    return result


def _class_of(kind: type[nn.Module]) -> type[torch.nn.Module]:
    """A class of torch with the methods that kind has of its own."""
    members: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base is object or base.__module__.startswith("fastconv.nn."):
            continue
        for name, value in vars(base).items():
            if isinstance(value, types.FunctionType) and not name.startswith("__"):
                members[name] = _in_torchs_words(value)
            elif not name.startswith("_"):
                members[name] = value
    return type(kind.__name__, (torch.nn.Module,), members)


def _in_torchs_words(method: types.FunctionType) -> types.FunctionType:
    names = dict(method.__globals__)
    for name, value in names.items():
        if value is functional:
            names[name] = torch.nn.functional
        elif isinstance(value, types.FunctionType) and value.__module__.startswith(
            autograd.__name__
        ):
            names[name] = getattr(torch, value.__name__, value)
    result = types.FunctionType(
        method.__code__, names, method.__name__, method.__defaults__, method.__closure__
    )
    result.__kwdefaults__ = method.__kwdefaults__
    return result
