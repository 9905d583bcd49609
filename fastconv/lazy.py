"""Packages whose names come from modules that are imported when a name is first asked for."""

import importlib
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def lazily(
    package: str, module_of: Mapping[str, str], modules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Args:
        package: its ``__name__``. module_of: the module within it that each name comes from.
        modules: those that are names of the package themselves.

    >>> import fastconv.functional
    >>> getattribute, _ = lazily("fastconv.functional", {"dropout": "regularization"})
    >>> getattribute("dropout").__module__
    'fastconv.functional.regularization'
    """
    modules = frozenset(modules)

    def getattribute(name: str) -> Any:
        if name in modules:
            # Not `from . import …`, which would ask here again.
            return importlib.import_module(f"{package}.{name}")
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{module_of[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        own = vars(sys.modules[package])
        return sorted({*own, *own["__all__"]})

    return getattribute, names
