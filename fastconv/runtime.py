"""Threads, precision, memory and facts about the engine.

How many threads a call offers the engine:

    its argument > num_threads (context) > set_num_threads > FASTCONV_NUM_THREADS
        > OMP_NUM_THREADS > usable cores (affinity mask and cgroup quota)

and never more than threadpoolctl allows the calling thread. threadpoolctl acts on OpenMP itself
(omp_set_num_threads), so the engine asks OpenMP at each call. What OpenMP answers without any limit
is OMP_NUM_THREADS, which ranks below our own settings here; so only an answer below that start
value counts as a limit, and the engine makes that comparison (a few nanoseconds).

Fewer threads run where the work is too small to share, and one in a child of fork.

How a convolution may round: its argument > precision (context) > set_precision > FASTCONV_PRECISION
> 'default'.
"""

import os
import sys

import numpy as np

from fastconv import _core
from fastconv._core import precision_in_force, thread_count, threads_in_force


def _environment_threads() -> int | None:
    """Threads asked for by the environment, None if it does not say."""
    own = os.environ.get("FASTCONV_NUM_THREADS", "").strip()
    if own:
        if not (own.isascii() and own.isdigit()) or int(own) < 1:
            raise ImportError(
                f"fastconv: the environment variable FASTCONV_NUM_THREADS is {own!r}, expected a "
                f"whole number of at least 1; unset it to use the usable cores"
            )
        return int(own)
    # A list gives the threads of each nesting level. OpenMP itself warns of bad values and ignores
    # them; it is not our variable to refuse.
    openmp = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if openmp.isascii() and openmp.isdigit() and int(openmp) >= 1:
        return int(openmp)
    return None


def _environment_verbose() -> bool:
    value = os.environ.get("FASTCONV_VERBOSE", "").strip()
    if value not in ("", "0", "1"):
        raise ImportError(
            f"fastconv: the environment variable FASTCONV_VERBOSE is {value!r}, expected 0 or 1"
        )
    return value == "1"


def _environment_precision() -> int:
    value = os.environ.get("FASTCONV_PRECISION", "").strip() or "default"
    if value not in _PRECISIONS:
        raise ImportError(
            f"fastconv: the environment variable FASTCONV_PRECISION is {value!r}, expected one of "
            f"{', '.join(_PRECISIONS)}; unset it for 'default'"
        )
    return _PRECISIONS[value]


_PRECISIONS = _core.PRECISION_CODES
_PRECISION_NAMES = {code: name for name, code in _PRECISIONS.items()}

version = ""  # the package's, which it puts here
tune_file = os.environ.get("FASTCONV_TUNE_FILE", "")  # where tuned choices are, or none

_core.set_process_threads(_environment_threads() or _core.cores())
_core.set_process_precision(_environment_precision())
_core.set_verbose(_environment_verbose())


def set_num_threads(n: int) -> None:
    """Set the number of threads of calls that do not say, in the whole process.

    A ``num_threads`` block and a ``threads`` argument take precedence. More than 1024 count as
    1024.

    Raises:
        TypeError: n is not an int.
        ValueError: n is below 1.

    >>> before = get_num_threads()
    >>> set_num_threads(1)
    >>> get_num_threads()
    1
    >>> set_num_threads(before)
    """
    _core.set_process_threads(thread_count("set_num_threads", "n", n))


def get_num_threads() -> int:
    """Threads that a call made here and now without ``threads`` offers the engine.

    >>> with num_threads(1):
    ...     get_num_threads()
    1
    """
    return _core.limited(threads_in_force())


class num_threads:
    """Context manager: calls inside offer the engine ``n`` threads.

    It holds for the current context (``contextvars``): the thread or asyncio task that entered it,
    and tasks started inside. Another thread is not affected. Blocks nest; one object may be
    entered many times. More than 1024 count as 1024.

    Raises:
        TypeError: n is not an int.
        ValueError: n is below 1.

    >>> with num_threads(1):
    ...     get_num_threads()
    1
    """

    __slots__ = ("_threads",)

    def __init__(self, n: int) -> None:
        self._threads = thread_count("num_threads", "n", n)

    def __enter__(self) -> None:
        _core.thread_scope.set((self._threads, _core.thread_scope.get()))

    def __exit__(self, *exception: object) -> None:
        scope = _core.thread_scope.get()
        _core.thread_scope.set(None if scope is None else scope[1])


def set_precision(name: str) -> None:
    """Set how convolutions that do not say may round, in the whole process.

    'strict': one rounded product and one rounded sum for each tap and channel, in one order.
    'default': also transforms (Winograd's) whose error stays near to that: the bounds are in
        docs/numerics.md. A transform may spread a NaN or an infinity over its tile of the result.
    'fast': the same where sums of many channels need not be cut for that: a little faster, and
        several times the error.

    A ``precision`` block and a ``precision`` argument take precedence, and so does an ``algorithm``
    argument, which is taken at any precision.

    Raises:
        TypeError: name is not a str.
        ValueError: it is none of the three.

    >>> before = get_precision()
    >>> set_precision("strict")
    >>> get_precision()
    'strict'
    >>> set_precision(before)
    """
    _core.set_process_precision(_precision_of("set_precision", name))


def get_precision() -> str:
    """How a convolution made here and now without ``precision`` may round.

    >>> with precision("fast"):
    ...     get_precision()
    'fast'
    """
    return _PRECISION_NAMES[precision_in_force()]


class precision:
    """Context manager: convolutions inside may round as ``set_precision`` explains.

    It holds for the current context (``contextvars``): the thread or asyncio task that entered it,
    and tasks started inside. Another thread is not affected. Blocks nest; one object may be
    entered many times.

    Raises:
        TypeError: name is not a str.
        ValueError: it is none of 'strict', 'default' and 'fast'.

    >>> with precision("strict"):
    ...     get_precision()
    'strict'
    """

    __slots__ = ("_precision",)

    def __init__(self, name: str) -> None:
        self._precision = _precision_of("precision", name)

    def __enter__(self) -> None:
        _core.precision_scope.set((self._precision, _core.precision_scope.get()))

    def __exit__(self, *exception: object) -> None:
        scope = _core.precision_scope.get()
        _core.precision_scope.set(None if scope is None else scope[1])


def _precision_of(op: str, name: str) -> int:
    listed = ", ".join(map(repr, _PRECISIONS))
    if not isinstance(name, str):
        raise TypeError(
            f"{op}: name must be a str, not {type(name).__name__} {name!r}; give one of {listed}"
        )
    if name not in _PRECISIONS:
        raise ValueError(f"{op}: name is {name!r}, expected one of {listed}; give one of them")
    return _PRECISIONS[name]


def memory_stats() -> dict[str, int]:
    """What the engine's memory pool holds: results of at least 32 KiB, and scratch.

    Returns:
        dict of bytes and counts:
        in_use_bytes: in results that are alive and in calls that are running;
        cached_bytes: kept for the next request;
        peak_bytes: the most that was ever in use;
        limit_bytes: cached_bytes never exceeds it (a quarter of the memory the process may use);
        hits, misses: requests met from the cache, and requests that asked the system.

    >>> sorted(memory_stats())
    ['cached_bytes', 'hits', 'in_use_bytes', 'limit_bytes', 'misses', 'peak_bytes']
    """
    return _core.memory_query()


def empty_cache() -> None:
    """Return the pool's cached memory to the operating system.

    Memory of arrays that are alive stays.

    >>> empty_cache()
    >>> memory_stats()["cached_bytes"]
    0
    """
    _core.pool_trim()


def facts() -> dict[str, object]:
    """What fastconv.runtime_info tells, but for the version."""
    heeded = (
        "FASTCONV_MAX_ISA", "FASTCONV_NUM_THREADS", "FASTCONV_PRECISION", "FASTCONV_TUNE_FILE",
        "FASTCONV_VERBOSE", "OMP_NUM_THREADS",
    )  # fmt: skip
    return {
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        **_core.runtime_query(),
        "threads": get_num_threads(),
        "precision": get_precision(),
        "memory": memory_stats(),
        "tuning": _core.tuning(),
        "environment": {name: os.environ[name] for name in heeded if name in os.environ},
    }


def as_text(info: dict) -> str:
    """The block that fastconv.show_runtime prints."""
    memory = info["memory"]
    openmp = "OpenMP" if info["openmp"] else "no OpenMP: one thread"
    if info["forked_child"]:
        openmp += "; child of fork: one thread"
    lines = {
        "fastconv": f"{info['version']} (Python {info['python']}, NumPy {info['numpy']})",
        "tiers compiled": ", ".join(info["tiers_compiled"]),
        "tier available": info["tier_available"],
        "tier in use": info["tier_in_use"],
        "threads": f"{info['threads']} of {info['cores']} usable cores ({openmp})",
        "precision": info["precision"],
        "caches": ", ".join(
            f"{level} {_size(info[key])}"
            for level, key in (("L1d", "l1d_bytes"), ("L2", "l2_bytes"), ("L3", "l3_bytes"))
        ),
        "memory pool": (
            f"{_size(memory['in_use_bytes'])} in use (at most {_size(memory['peak_bytes'])}), "
            f"{_size(memory['cached_bytes'])} cached (limit {_size(memory['limit_bytes'])}), "
            f"{memory['hits']} hits, {memory['misses']} misses"
        ),
        "tuning": "{1} choices of {0}".format(*info["tuning"]) if info["tuning"] else "-",
        "environment": ", ".join(f"{k}={v}" for k, v in info["environment"].items()) or "-",
    }
    width = max(map(len, lines))
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines.items())


def _size(count: int) -> str:
    """Bytes for people: 48 KiB, 1.5 GiB."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"
