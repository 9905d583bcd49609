"""Batches made ahead by one thread, for one reader, in order, and never more than a few."""

import atexit
import contextvars
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

__all__ = ["Prefetcher"]


class Prefetcher:
    """Calls make(first), make(first + 1), … in a thread, at most ``depth`` ahead of ``take``.

    Args:
        make: what makes the i-th batch.
        first, stop: the numbers of the first, and after the last.
        depth: how many made ones may wait, at least 1.

    ``close`` ends the thread and waits for it (for the batch that it is at). Threads that are
    still there when the interpreter exits are ended then, before anything they use is taken down.
    """

    def __init__(self, make: Callable[[int], Any], first: int, stop: int, depth: int) -> None:
        self._shared = _Shared(depth)
        self._process = os.getpid()
        # num_threads, precision and numpy.errstate are of the context, and shall hold there too.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(_work, self._shared, make, first, stop), name="fastconv-data"
        )
        # The interpreter waits for other threads before it calls what atexit has: these would wait
        # for a reader that is not coming.
        self._thread.daemon = True
        self._thread.start()
        _running.add(self)

    def take(self) -> Any:
        """The next batch, as soon as it is made.

        Raises:
            Whatever ``make`` raised, with its traceback.
            RuntimeError: this is another process than the one that began.
        """
        self._check_process()
        made, error = self._shared.take()
        if error is None:
            return made
        try:
            raise error
        finally:
            del error  # its traceback has this frame: a cycle

    def close(self) -> None:
        if os.getpid() != self._process:  # the thread did not come along
            return
        self._shared.stop()
        # The garbage collector may run in that very thread and finalise its reader there.
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError(
                "DataLoader: this epoch was begun before a fork, and its thread is in the parent; "
                "begin a new one in the child, or use prefetch=0"
            )


class _Shared:
    """A bounded queue of (batch, error), without a reference to its reader, whom it would keep."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._made: deque[tuple[Any, BaseException | None]] = deque()
        self._stopped = False
        # Reentrant: see Prefetcher.close on the garbage collector.
        self._changed = threading.Condition(threading.RLock())

    def put(self, made: Any, error: BaseException | None = None) -> bool:
        """Wait for room and put; False: nobody wants more."""
        with self._changed:
            while len(self._made) >= self._depth and not self._stopped:
                self._changed.wait()
            if not self._stopped:
                self._made.append((made, error))
                self._changed.notify_all()
            return not self._stopped

    def take(self) -> tuple[Any, BaseException | None]:
        with self._changed:
            while not self._made:
                if self._stopped:
                    raise RuntimeError("DataLoader: this epoch has been closed")
                self._changed.wait()
            self._changed.notify_all()
            return self._made.popleft()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._made.clear()
            self._changed.notify_all()


def _work(shared: _Shared, make: Callable[[int], Any], first: int, stop: int) -> None:
    for number in range(first, stop):
        try:
            made = make(number)
        except BaseException as error:  # also SystemExit: whoever reads decides
            shared.put(None, error)
            return
        if not shared.put(made):
            return
        del made  # not kept while the next is made


_running: "weakref.WeakSet[Prefetcher]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for prefetcher in list(_running):
        prefetcher.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_running.clear)
