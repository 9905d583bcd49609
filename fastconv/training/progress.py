"""One line on a terminal that says how far a training has come."""

import shutil
import sys
import time
from typing import TextIO

__all__ = ["Bar"]

_EVERY = 0.1  # seconds between two drawings of the line
_NARROWEST, _WIDEST = 6, 30  # characters of the bar


class Bar:
    """A line that is drawn again and again in place: epoch, bar, step, loss, speed, time left.

    It writes nothing where the stream is no terminal, and costs a call to the clock in each step.

    Args:
        epochs: how many the training will have.
        batches: of an epoch.
        shown: False writes nothing.
        stream: sys.stderr unless given.

    >>> bar = Bar(2, 10, stream=sys.stdout)  # no terminal here: nothing is written
    >>> bar.step(1, 5, 0.25, 64)
    >>> bar.close()
    """

    def __init__(
        self, epochs: int, batches: int, shown: bool = True, stream: TextIO | None = None
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self.live = bool(shown) and self._stream is not None and self._stream.isatty()
        self._epochs, self._batches = epochs, batches
        self._full, self._half, self._rest = _strokes(self._stream)
        self._begun = self._drawn = time.perf_counter()
        self._examples = self._steps = 0

    def step(self, epoch: int, batch: int, loss: float, examples: int) -> None:
        """A step is done: the batch-th of the epoch-th epoch, both from 1, on so many examples."""
        if not self.live:
            return
        self._examples += examples
        self._steps += 1
        now = time.perf_counter()
        if now - self._drawn < _EVERY and self._steps > 1:
            return
        self._drawn = now
        seconds = max(now - self._begun, 1e-9)
        left = (self._epochs - epoch + 1) * self._batches - batch
        self._draw(
            f"epoch {epoch:>{len(str(self._epochs))}}/{self._epochs} ",
            batch / self._batches,
            f" {batch:>{len(str(self._batches))}}/{self._batches}"
            f"  loss {loss:.4f}  {self._examples / seconds:,.0f}/s"
            f"  {_clock(left * seconds / self._steps)} left",
        )

    def say(self, text: str) -> None:
        """Show a text in place of the bar, until the next step."""
        if self.live:
            self._write(text[: self._columns()])

    def close(self, text: str = "") -> None:
        """Clear the line, and leave this text on it if there is one."""
        if self.live:
            self._write(text[: self._columns()])
            self._stream.write("\n" if text else "")
            self._stream.flush()
            self.live = False

    def _columns(self) -> int:
        return max(shutil.get_terminal_size().columns - 1, 1)

    def _draw(self, before: str, done: float, after: str) -> None:
        room = min(self._columns() - len(before) - len(after), _WIDEST)
        bar = ""
        if room >= _NARROWEST:
            halves = min(round(2 * room * done), 2 * room)
            bar = self._full * (halves // 2) + self._half * (halves % 2)
            bar += self._rest * (room - len(bar))
        self._write((before + bar + after)[: self._columns()])

    def _write(self, line: str) -> None:
        # Back to the first column, the line, and clear what a longer line left of itself.
        self._stream.write(f"\r{line}\x1b[K")
        self._stream.flush()


def _strokes(stream: TextIO) -> tuple[str, str, str]:
    """What the bar is made of: full, half, not yet."""
    try:
        "━╸─".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "#", "-", "."
    return "━", "╸", "─"


def _clock(seconds: float) -> str:
    """1:05 of 65 seconds.

    >>> _clock(65), _clock(7205)
    ('1:05', '2:00:05')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
