"""Whether operations are recorded: a context variable; threads and asyncio see their own."""

from collections.abc import Callable
from contextlib import ContextDecorator
from contextvars import ContextVar, Token
from typing import Any

_RECORDING: ContextVar[bool] = ContextVar("fastconv.autograd.recording", default=True)

is_grad_enabled: Callable[[], bool] = _RECORDING.get


class _Mode(ContextDecorator):
    """A `with` block, or the body of a decorated function, that records or does not."""

    recording: bool

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        mode = super().__new__(cls)
        mode._tokens = []
        # @no_grad stands for @no_grad().
        return mode if function is None else mode(function)

    _tokens: list[Token]

    def _recreate_cm(self) -> "_Mode":
        return type(self)()  # one for each call: calls may overlap in time

    def __enter__(self) -> "_Mode":
        self._tokens.append(_RECORDING.set(self.recording))
        return self

    def __exit__(self, *error: object) -> None:
        _RECORDING.reset(self._tokens.pop())


class no_grad(_Mode):
    """Within it nothing is recorded: results do not require gradients. Also a decorator.

    Source:
        torch.no_grad.

    >>> from fastconv import Tensor, no_grad
    >>> x = Tensor([1.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    recording = False


class enable_grad(_Mode):
    """Within it operations are recorded again, inside of ``no_grad``. Also a decorator.

    Source:
        torch.enable_grad.

    >>> from fastconv import enable_grad, is_grad_enabled, no_grad
    >>> with no_grad(), enable_grad():
    ...     is_grad_enabled()
    True
    """

    recording = True
