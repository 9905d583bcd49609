"""Saying how far a long step has come."""

import sys
import time
from types import TracebackType
from typing import TextIO


class Progress:
    """A line that counts while a step runs, and says at the end how long it took.

    On a terminal the line is rewritten in place, at most ten times a second. Elsewhere (a log) one
    line is written when the step begins and one when it ends.

    >>> import sys
    >>> with Progress("adding", 2, sys.stdout) as progress:
    ...     progress.step("one")
    ...     progress.step("two")  # doctest: +ELLIPSIS
    adding …
    adding: ... s
    """

    def __init__(self, title: str, total: int, stream: TextIO | None = None) -> None:
        """title: what is being done; total: how many steps; stream: sys.stderr unless given."""
        self._title = title
        self._total = total
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._done = 0
        self._shown_at = 0.0
        self.seconds = 0.0

    def __enter__(self) -> "Progress":
        self._begun = time.perf_counter()
        self._stream.write(f"{self._title} …" + ("" if self._live else "\n"))
        self._stream.flush()
        return self

    def step(self, what: str) -> None:
        """One more step is done; what names it."""
        self._done += 1
        now = time.perf_counter()
        if self._live and now - self._shown_at > 0.1:
            self._shown_at = now
            self._rewrite(f"{self._title} … {self._done} of {self._total}  {what}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.seconds = time.perf_counter() - self._begun
        if error is not None:
            if self._live:
                self._rewrite("")
            return
        line = f"{self._title}: {self.seconds:.2f} s"
        if self._live:
            self._rewrite(line)
            line = ""
        self._stream.write(line + "\n")
        self._stream.flush()

    def _rewrite(self, line: str) -> None:
        # Back to the first column, the line, and clear what an older, longer line left of itself.
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()
