"""Modules that hold others, in a row, as a list, by names; and a row that nothing holds."""

import itertools
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from .chaining import run, watched
from .module import CHILD, Module


class _Numbered(Module):
    """Children named '0', '1', …"""

    def _list(self) -> list[Module]:
        return list(self._own(CHILD).values())

    def _names(self) -> list[str]:
        return list(self._own(CHILD))

    def _position(self, index: Any, size: int | None = None) -> int:
        count = len(self) if size is None else size
        position = operator.index(index)
        if not -count <= position < count:
            raise IndexError(
                f"{type(self).__name__}: index {position} is out of range, there are {count}"
            )
        return position % count if count else 0

    def _replace(self, modules: Iterable[Module]) -> None:
        """Have these children, numbered, in place of those there are."""
        modules = list(modules)
        for module in modules:
            if not isinstance(module, Module):
                raise TypeError(
                    f"{type(self).__name__}: expected Modules, not {type(module).__name__}"
                )
        for name in self._names():
            delattr(self, name)
        for i, module in enumerate(modules):
            self.add_module(str(i), module)

    def __len__(self) -> int:
        return len(self._own(CHILD))

    def __iter__(self) -> Iterator[Module]:
        return iter(self._list())

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._names()[self._position(index)], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = self._list()
        if not isinstance(index, slice):
            index = self._position(index)
        del modules[index]
        self._replace(modules)

    def append(self, module: Module) -> Any:
        """Add one at the end. Returns itself."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several at the end. Returns itself."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Put one before that of index. Returns itself."""
        modules = self._list()
        modules.insert(index if index < 0 else self._position(index, len(self) + 1), module)
        self._replace(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Take one out."""
        modules = self._list()
        module = modules.pop(self._position(index))
        self._replace(modules)
        return module


class Sequential(_Numbered):
    """Modules one after another, each given the result of the one before: ``chain``.

    ``Sequential(a, b)`` names them '0' and '1'; ``Sequential({'first': a, 'second': b})``, or an
    OrderedDict, by its keys. An index takes one of them, a slice a Sequential of several, which
    share their parameters.

    Source:
        torch.nn.Sequential.

    >>> from fastconv import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    >>> model
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
    )
    >>> len(model.append(nn.Linear(3, 1))[1:])
    2
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            for i, module in enumerate(modules):
                self.add_module(str(i), module)

    def forward(self, input: Any) -> Any:
        return run(input, self._list())

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(dict(list(self._own(CHILD).items())[index]))
        return self._list()[self._position(index)]

    def __delitem__(self, index: int | slice) -> None:
        names = self._names()
        gone = names[index] if isinstance(index, slice) else [names[self._position(index)]]
        for name in gone:
            delattr(self, name)
        self._renumber()

    def pop(self, index: int = -1) -> Module:
        """Take one out."""
        module = self[index]
        del self[index]
        return module

    def _renumber(self) -> None:
        if all(name.isdigit() for name in self._names()):
            self._replace(self._list())


class ModuleList(_Numbered):
    """Modules in a list, of which the program that has it makes use.

    Source:
        torch.nn.ModuleList.

    >>> from fastconv import nn
    >>> layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
    >>> len(layers), [name for name, _ in layers.named_parameters()][:2]
    (3, ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> "ModuleList": ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(self._list()[index])
        return self._list()[self._position(index)]

    def __repr__(self) -> str:
        # Neighbours that look the same are one line, as in PyTorch.
        lines, first = [], 0
        for text, same in itertools.groupby(map(repr, self)):
            last = first + len(list(same)) - 1
            name = f"({first})" if last == first else f"({first}-{last})"
            times = "" if last == first else f"{last - first + 1} x "
            lines.append(f"{name}: {times}" + text.replace("\n", "\n  "))
            first = last + 1
        inside = "".join(f"\n  {line}" for line in lines)
        return f"{type(self).__name__}({inside}\n)" if lines else f"{type(self).__name__}()"

    def __iadd__(self, modules: Iterable[Module]) -> "ModuleList":
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        return type(self)([*self, *other])


class ModuleDict(Module):
    """Modules by names, of which the program that has it makes use.

    Source:
        torch.nn.ModuleDict.

    >>> from fastconv import nn
    >>> choices = nn.ModuleDict({"conv": nn.Conv2d(1, 1, 3), "pool": nn.MaxPool2d(3)})
    >>> list(choices), choices["pool"].kernel_size
    (['conv', 'pool'], 3)
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._own(CHILD)[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if key in self:
            setattr(self, key, module)
        else:
            self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        self[key]  # a KeyError where there is none
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._own(CHILD))

    def __iter__(self) -> Iterator[str]:
        return iter(self._own(CHILD))

    def __contains__(self, key: object) -> bool:
        return key in self._own(CHILD)

    def clear(self) -> None:
        """Without any."""
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Module:
        """Take one out."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._own(CHILD).keys()

    def items(self) -> Iterable[tuple[str, Module]]:
        """(name, module) of each."""
        return self._own(CHILD).items()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._own(CHILD).values()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add modules, in place of those of the same names."""
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for key, module in pairs:
            self[key] = module


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


def _flat(modules: Iterable[Module]) -> Iterator[Module]:
    """The modules in order, those of a Sequential in its place."""
    for module in modules:
        if type(module) is Sequential and not watched(module):
            yield from _flat(module)
        else:
            yield module
