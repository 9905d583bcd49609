"""Module: what layers and networks have in common.

A module's parameters, buffers and children are ordinary attributes, so that reading them costs what
reading an attribute costs; ``_kinds`` has their names in the order of registration, and says what
each is. Assignment keeps it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

from fastconv.autograd import Tensor

from . import state
from .hooks import Handle, Hooks
from .parameter import Parameter, convert

Self = TypeVar("Self", bound="Module")

PARAMETER, BUFFER, TRANSIENT, CHILD = "parameter", "buffer", "buffer that is not saved", "module"
_BUFFERS = (BUFFER, TRANSIENT)


class Module:
    """A function with parameters: a layer, or a network made of layers.

    A subclass assigns its parameters (``Parameter``) and its parts (other Modules) to attributes in
    ``__init__`` and computes in ``forward``; it is called like a function. Whatever it is made of
    can then be listed, trained, saved and loaded by the attributes' names, joined by dots.

    Attributes:
        training: whether it behaves as while training (dropout, batch statistics); of a new module
            True. ``train()`` and ``eval()`` set it for all parts.

    Copies by copy.deepcopy and pickle have everything, hooks too.

    Source:
        torch.nn.Module.

    >>> import numpy as np
    >>> from fastconv import Tensor, nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(1, 4, 3)
    ...         self.fc = nn.Linear(4 * 6 * 6, 10)
    ...     def forward(self, x):
    ...         return self.fc(self.conv(x).relu().flatten(1))
    >>> Net()(Tensor(np.zeros((2, 1, 8, 8), np.float32))).shape
    (2, 10)
    >>> [name for name, _ in Net().named_parameters()]
    ['conv.weight', 'conv.bias', 'fc.weight', 'fc.bias']
    """

    training: bool = True
    _hooks: Hooks | None = None
    _kinds: dict[str, str]
    # Names of buffers that a state_dict may lack.
    _optional_state: tuple[str, ...] = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Here, so that a subclass that forgets super().__init__() works all the same.
        module = super().__new__(cls)
        object.__setattr__(module, "_kinds", {})
        return module

    def __init__(self) -> None:
        # Defined so that super().__init__() ends here, whatever else a subclass inherits from.
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; to be defined by subclasses."""
        raise NotImplementedError(
            f"{type(self).__name__} defines no forward: say in it what the module computes"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._hooks is not None:
            return self._hooks.call(self, args, kwargs)
        return self.forward(*args, **kwargs)

    # ---- what it is made of

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._register(name, value, PARAMETER)
        elif isinstance(value, Module):
            self._register(name, value, CHILD)
        else:
            kind = self._kinds.get(name)
            if kind is not None and value is not None:
                if kind not in _BUFFERS:
                    raise TypeError(
                        f"{type(self).__name__}: {name} is a {kind} and cannot become a "
                        f"{type(value).__name__}; assign a {kind.capitalize()} or None, or del it "
                        f"first"
                    )
                _require_tensor(type(self).__name__, name, value)
            object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self._kinds.pop(name, None)

    def _register(self, name: str, value: Any, kind: str) -> None:
        owner = type(self).__name__
        if not isinstance(name, str):
            raise TypeError(
                f"{owner}: the name of a {kind} must be a str, not {type(name).__name__} {name!r}"
            )
        if not name or "." in name:
            raise KeyError(
                f"{owner}: a {kind} cannot have the name {name!r}; give one that is not empty and "
                f"has no dot"
            )
        if hasattr(type(self), name):
            raise KeyError(
                f"{owner}: a {kind} cannot have the name {name!r}, which the class has; give "
                f"another"
            )
        kinds = self._kinds
        if kinds.get(name, kind) != kind:
            del kinds[name]  # it is another thing now, and comes after the others
        kinds[name] = kind
        object.__setattr__(self, name, value)

    def _register_new(self, name: str, value: Any, kind: str) -> None:
        if isinstance(name, str) and name in self.__dict__ and self._kinds.get(name) != kind:
            raise KeyError(
                f"{type(self).__name__}: there is another attribute {name!r} already; give another "
                f"name, or del it first"
            )
        self._register(name, value, kind)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None keeps its place, for example of a bias that there could be."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"register_parameter: {name} must be a Parameter or None, not "
                f"{type(param).__name__}; make it one with nn.Parameter"
            )
        self._register_new(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Add a Tensor that is a part of the module's state but is not trained.

        Args:
            tensor: a Tensor; an array becomes one; or None.
            persistent: whether ``state_dict`` has it.
        """
        if isinstance(tensor, np.ndarray):
            tensor = Tensor(tensor)
        if tensor is not None:
            _require_tensor("register_buffer", name, tensor)
        if self._kinds.get(name) in _BUFFERS:
            self._kinds[name] = BUFFER if persistent else TRANSIENT
        self._register_new(name, tensor, BUFFER if persistent else TRANSIENT)

    def register_module(self, name: str, module: "Module | None") -> None:
        """Add a child, which can then be had as an attribute; ``add_module`` is the same."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"register_module: {name} must be a Module or None, not {type(module).__name__}"
            )
        self._register_new(name, module, CHILD)

    add_module = register_module

    def _own(self, *kinds: str) -> dict[str, Any]:
        """Name → value of what the module itself has of these kinds, also where it is None."""
        values = self.__dict__
        return {name: values[name] for name, kind in self._kinds.items() if kind in kinds}

    @property
    def _parameters(self) -> Mapping[str, Parameter | None]:
        return MappingProxyType(self._own(PARAMETER))

    @property
    def _buffers(self) -> Mapping[str, Tensor | None]:
        return MappingProxyType(self._own(*_BUFFERS))

    @property
    def _modules(self) -> Mapping[str, "Module | None"]:
        return MappingProxyType(self._own(CHILD))

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """(name, child) of each child; one that has several names by its first."""
        seen: set[Module] = set()
        for name, module in self._own(CHILD).items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator["Module"]:
        """The children, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self,
        memo: set["Module"] | None = None,
        prefix: str = "",
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, "Module"]]:
        """(dotted name, module) of itself, named prefix, and of all below it, depth first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._own(CHILD).items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self) -> Iterator["Module"]:
        """Itself and all modules below it, each once."""
        return (module for _, module in self.named_modules())

    def _named(
        self, kinds: tuple[str, ...], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules: Iterable[tuple[str, Module]] = ((prefix, self),)
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        seen: set[int] = set()
        for path, module in modules:
            for name, value in module._own(*kinds).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) of all parameters; one that is shared by its first name."""
        return self._named((PARAMETER,), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, a shared one once: what an optimiser takes."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer) of all buffers."""
        return self._named(_BUFFERS, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> "Module":
        """The module of a dotted name; '' is this one.

        Raises:
            AttributeError: there is none of that name.
        """
        module = self
        for name in target.split(".") if target else ():
            child = module._own(CHILD).get(name)
            if child is None:
                raise AttributeError(
                    f"get_submodule: {type(module).__name__} has no child {name!r} (of "
                    f"{target!r}); it has {', '.join(module._own(CHILD)) or 'none'}"
                )
            module = child
        return module

    def _get_own(self, target: str, kinds: tuple[str, ...]) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        own = module._own(*kinds)
        if own.get(name) is None:
            raise AttributeError(
                f"{type(module).__name__} has no {kinds[0]} {name!r} (of {target!r}); it has "
                f"{', '.join(own) or 'none'}"
            )
        return own[name]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name; AttributeError where there is none."""
        return self._get_own(target, (PARAMETER,))

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name; AttributeError where there is none."""
        return self._get_own(target, _BUFFERS)

    # ---- its state

    state_dict = state.state_dict
    load_state_dict = state.load_state_dict

    def train(self: Self, mode: bool = True) -> Self:
        """Have it and all below it behave as while training, or not. Returns itself."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be a bool, not {type(mode).__name__} {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """``train(False)``: dropout passes everything, and normalisation uses what it has learned.
        It does not stop recording; ``no_grad`` does."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Have all parameters require gradients, or none: those are frozen. Returns itself."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or with set_to_none=False set them to zero in their memory."""
        for parameter in self.parameters():
            if parameter.grad is not None:
                if set_to_none:
                    parameter.grad = None
                else:
                    parameter.grad.zero_()

    def apply(self: Self, fn: Callable[["Module"], Any]) -> Self:
        """Call fn with every module below it and then with itself. Returns itself."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self: Self, *what: Any, dtype: Any = None, device: Any = None) -> Self:
        """Convert all parameters and buffers of floats, in place, to float32 or float64.

        Parameters stay the same objects, which an optimiser may hold, and their gradients are
        converted with them. Devices are there for programs that name one: 'cpu' alone.

        Args:
            *what: a dtype, a device, or both; or by their names.

        Raises:
            TypeError: another dtype. ValueError: another device.
        """
        for value in what:
            if isinstance(value, str) and value.partition(":")[0] in ("cpu", "cuda", "mps"):
                device = value
            else:
                dtype = value
        if device is not None and str(device) != "cpu":
            raise ValueError(f"to: device is {device!r}, expected 'cpu': fastconv computes on CPUs")
        if dtype is None:
            return self
        try:
            kind = np.dtype(dtype)
        except TypeError:
            kind = None
        if kind is None or kind.type not in (np.float32, np.float64):
            raise TypeError(f"to: dtype is {dtype!r}, expected float32 or float64")
        for tensor in itertools.chain(self.parameters(), self.buffers()):
            if tensor.dtype.kind == "f":
                convert(tensor, kind.newbyteorder("="))
        return self

    def float(self: Self) -> Self:
        """``to(float32)``."""
        return self.to(np.float32)

    def double(self: Self) -> Self:
        """``to(float64)``."""
        return self.to(np.float64)

    def cpu(self: Self) -> Self:
        """Itself: it is there already."""
        return self

    # ---- hooks

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Have hook(module, args) called before each forward; what it returns, if not None, takes
        the place of args (which are a tuple).

        Args:
            prepend: before the hooks that there are, not after them.
            with_kwargs: call hook(module, args, kwargs), which returns None or (args, kwargs).

        Returns:
            a handle, whose ``remove()`` ends it.
        """
        return self._hooks_to_add().add("before", hook, with_kwargs, prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Have hook(module, args, result) called after each forward; what it returns, if not None,
        takes the place of the result. Arguments and returned handle as for the pre-hook."""
        return self._hooks_to_add().add("after", hook, with_kwargs, prepend)

    def _hooks_to_add(self) -> Hooks:
        if self._hooks is None:
            object.__setattr__(self, "_hooks", Hooks())
        return self._hooks

    # ---- copies and text

    def __getstate__(self) -> dict[str, Any]:
        values = self.__dict__.copy()
        values["_kinds"] = self._kinds.copy()
        return values

    def __setstate__(self, values: dict[str, Any]) -> None:
        self.__dict__.update(values)

    def extra_repr(self) -> str:
        """What ``repr`` says of it besides its children; for subclasses to define."""
        return ""

    def __repr__(self) -> str:
        own = self.extra_repr()
        children = [
            f"({name}): " + repr(module).replace("\n", "\n  ")
            for name, module in self._own(CHILD).items()
        ]
        if not children:
            return f"{type(self).__name__}({own})"
        lines = own.split("\n") if own else []
        inside = "\n  ".join(lines + children)
        return f"{type(self).__name__}(\n  {inside}\n)"

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[0].isdigit())


def _require_tensor(owner: str, name: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{owner}: the buffer {name} must be a Tensor or None, not {type(value).__name__}; "
            f"make it one with fastconv.Tensor"
        )
