"""Ctrl-C between two steps instead of in the middle of one."""

import signal
import threading
from types import FrameType, TracebackType

from .history import History

__all__ = ["Interrupted", "Interruption"]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during fit, which has ended between two steps.

    Attributes:
        history: up to there.
    """

    def __init__(self, text: str, history: History) -> None:
        super().__init__(text)
        self.history = history


class Interruption:
    """Within its `with` block the first Ctrl-C sets ``requested``; the second one interrupts.

    In other threads than the main one, and where the program handles SIGINT itself, it changes
    nothing: Python allows no handler there, or there is one that knows better.
    """

    requested = False

    def __enter__(self) -> "Interruption":
        self._before = None
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
