"""Functions that a module calls before and after its forward."""

import itertools
import weakref
from collections.abc import Callable
from typing import Any

_next_key = itertools.count().__next__


class Hooks:
    """A module's hooks, by key: (function, whether it wants the keyword arguments)."""

    def __init__(self) -> None:
        self.before: dict[int, tuple[Callable, bool]] = {}
        self.after: dict[int, tuple[Callable, bool]] = {}

    def __bool__(self) -> bool:
        return bool(self.before or self.after)

    def add(self, which: str, hook: Callable, with_kwargs: bool, prepend: bool) -> "Handle":
        """Add to 'before' or 'after', at the end or, with prepend, at the beginning."""
        if not callable(hook):
            raise TypeError(f"a hook must be callable, not {type(hook).__name__} {hook!r}")
        key = _next_key()
        hooks = getattr(self, which)
        # A new dict: hooks may add and remove hooks while they are called.
        new = {key: (hook, with_kwargs)}
        setattr(self, which, new | hooks if prepend else hooks | new)
        return Handle(self, which, key)

    def call(self, module: Any, args: tuple, kwargs: dict) -> Any:
        """module.forward(*args, **kwargs), with what the hooks make of arguments and result."""
        for hook, with_kwargs in self.before.values():
            given = hook(module, args, kwargs) if with_kwargs else hook(module, args)
            if given is None:
                continue
            if not with_kwargs:
                args = given if isinstance(given, tuple) else (given,)
            elif isinstance(given, tuple) and len(given) == 2:
                args, kwargs = given
            else:
                raise RuntimeError(
                    f"a forward pre-hook with kwargs must return None or (args, kwargs), not "
                    f"{type(given).__name__}"
                )
        result = module.forward(*args, **kwargs)
        for hook, with_kwargs in self.after.values():
            given = (
                hook(module, args, kwargs, result) if with_kwargs else hook(module, args, result)
            )
            if given is not None:
                result = given
        return result


class Handle:
    """A hook that was registered; ``remove()``, or the end of a `with` block, ends it."""

    def __init__(self, hooks: Hooks, which: str, key: int) -> None:
        # Weak: a forgotten handle must not keep a module's hooks, and what they refer to.
        self._hooks = weakref.ref(hooks)
        self._which, self._key = which, key

    def remove(self) -> None:
        """Do not call it any more; once is enough, and more do no harm."""
        hooks = self._hooks()
        if hooks is not None:
            left = getattr(hooks, self._which).copy()
            left.pop(self._key, None)
            setattr(hooks, self._which, left)

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()
