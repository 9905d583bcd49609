"""Algorithms chosen by measuring them on this machine, for who asks for it.

The engine chooses by rules that are right for most shapes on most machines. ``tune`` tries every
algorithm that takes a call, and where one beats the engine's own choice clearly, notes it in a file
(fastconv.tuning_file). From then on, in this process, calls of that shape use it; later processes
use it when they call ``load_tuning`` or are started with FASTCONV_TUNE_FILE naming the file. Nobody
else is affected: another algorithm adds up in another order, and so may differ in the last bits.

A choice depends on what the engine's own choice depends on: type, layout and shape of one image,
the weights' shape, stride, padding, dilation and groups, the precision, and on whether weights are
packed already (Conv2d). It does not depend on the batch, on threads, on bias or activation, so that
results stay the same for every split of the batch and every number of threads.
"""

import dataclasses
import os
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fastconv import _core, runtime, tuning_file
from fastconv.prepared import Conv2d
from fastconv.turns import Convolution, by_turns, ratio

MARGIN = 0.05
_HOPELESS = 3.0  # times as slow as the best in their first turns: not asked again
_OPTIONS = ("stride", "padding", "dilation", "groups", "padding_mode", "precision")
_NAMES = {code: name for name, code in _core.ALGORITHM_CODES.items()}


@dataclasses.dataclass(frozen=True)
class TunedCall:
    """What ``tune`` found out about one call.

    Attributes:
        call: what was measured, in words.
        default: the algorithm that the engine chooses itself.
        choice: the one that is used from now on; the default, unless another was clearly faster.
        ms: algorithm -> median time of the engine in milliseconds.
        gain: time of the default / time of the choice; 1 where they are the same.
    """

    call: str
    default: str
    choice: str
    ms: dict[str, float] = dataclasses.field(hash=False)
    gain: float


class TuningReport(Sequence[TunedCall]):
    """What ``tune`` found out, call by call; ``str`` is a table.

    Attributes:
        file: where the choices are kept.
    """

    def __init__(self, calls: Iterable[TunedCall], file: str) -> None:
        self._calls = tuple(calls)
        self.file = file

    def __len__(self) -> int:
        return len(self._calls)

    def __getitem__(self, index):
        return self._calls[index]

    def __repr__(self) -> str:
        return f"<TuningReport of {len(self)} calls, {self.file}>"

    def __str__(self) -> str:
        rows = [("call", "default", "choice", "gain", "ms")]
        for found in self:
            ms = ", ".join(f"{name} {found.ms[name]:.4g}" for name in found.ms)
            rows.append((found.call, found.default, found.choice, f"{found.gain:.2f}", ms))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join([*(text.ljust(w) for text, w in zip(row[:4], widths, strict=True)), row[4]])
            for row in rows
        ]
        return "\n".join([*lines, f"file  {self.file}"])


def tune(
    calls: Iterable[Sequence[Any] | Mapping[str, Any]],
    *,
    dtype: Any = np.float32,
    threads: int | None = None,
    prepared: bool = False,
    file: str | os.PathLike[str] | None = None,
    margin: float = MARGIN,
    seconds: float = 0.2,
) -> TuningReport:
    """Measure which algorithm is fastest for given convolutions, and use it from now on.

    Args:
        calls: each (input, weight) or (input, weight, options), or a dict with the keys input,
            weight and those of the options. input and weight are shapes, (N, C, H, W) or (C, H, W),
            and (OC, C/groups, KH, KW), or arrays, whose dtype and layout then count. Options are
            stride, padding, dilation, groups, padding_mode and precision of ``functional.conv2d``.
            No algorithm is tried that rounds more than the precision allows, which if it is not
            given is that in force, and the choice holds for calls of that precision.
        dtype: of calls given as shapes: float32, float64, or float16 (computed in float32).
        threads: to measure with; None: as many as a call here and now would offer. The choice holds
            for any number.
        prepared: measure what ``fastconv.Conv2d`` does, whose weights are packed already, instead
            of ``functional.conv2d``. The choices of the two are kept apart.
        file: where the choices are kept; None: FASTCONV_TUNE_FILE, or else tuning.json in the
            folder fastconv of the user's cache ($XDG_CACHE_HOME, or ~/.cache).
        margin: how much faster than the engine's own choice another must be, twice, to be noted;
            0.05 is 5 %.
        seconds: for each call, about; long calls run at least six times with each algorithm.

    Returns:
        TuningReport: for each call the algorithms' times and the choice.

    The file's other choices are kept and used too. Calls that differ in nothing that a choice
    depends on (batch, say) share one: the last of them counts. A file that was written by another
    version, or for another CPU or instruction set, is replaced, with a RuntimeWarning.

    Raises:
        TypeError, ValueError, MemoryError: as the calls themselves would; also for a call or an
            option of another form, for a margin or seconds that is not a number of at least 0, and
            where the file is there and not one of choices (it is not overwritten).
        OSError: the file cannot be written; nothing is changed.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = tune(
    ...         [((1, 8, 14, 14), (8, 8, 3, 3), {"padding": 1})],
    ...         threads=1, seconds=0.01, file=folder + "/tuning.json",
    ...     )
    ...     clear_tuning()
    >>> report[0].choice in report[0].ms
    True
    """
    for name, value in (("margin", margin), ("seconds", seconds)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6:
            raise ValueError(f"tune: {name} is {value!r}, expected a number of at least 0")
    path = tuning_file.writable(file)
    measured = [_call(index, given, np.dtype(dtype), prepared) for index, given in enumerate(calls)]
    if threads is not None:
        threads = runtime.thread_count("tune", "threads", threads)
    found, rows = {}, []
    for words, arguments in measured:
        row, key, choice = _fastest(words, arguments, threads, prepared, margin, seconds)
        found.pop(key, None)  # the last counts, also in the order
        found[key] = choice
        rows.append(row)
    choices, why = tuning_file.update(path, found)
    if why is not None:
        _warn(path, f"{why}; it has been replaced")
    _use(choices, path)
    return TuningReport(rows, path)


def load_tuning(file: str | os.PathLike[str] | None = None) -> int:
    """Use the choices that ``tune`` wrote to a file; before, none of them counts.

    A process started with FASTCONV_TUNE_FILE does this for that file when fastconv is imported.
    What was in force before is not, afterwards.

    Args:
        file: None: FASTCONV_TUNE_FILE, or else the file in the user's cache.

    Returns:
        How many choices are in force. A file that is missing, cannot be read, is malformed or was
        written by another version, or for another CPU or instruction set, is ignored with a
        RuntimeWarning that names it and says why (the same one once in a process): 0.

    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     load_tuning("/nowhere/tuning.json")
    0
    """
    path = tuning_file.path(file)
    try:
        choices = tuning_file.read(path)
    except tuning_file.Unusable as error:
        _warn(path, f"{error}; the engine chooses by itself")
        _core.set_tuning(None, None)
        return 0
    _use(choices, path)
    return len(choices)


def clear_tuning() -> None:
    """Let the engine choose by itself again, in this process; files stay as they are.

    >>> clear_tuning()
    """
    _core.set_tuning(None, None)


def _use(choices: dict[tuple, dict[str, Any]], path: str) -> None:
    codes = _core.ALGORITHM_CODES
    _core.set_tuning({key: codes[choice["algorithm"]] for key, choice in choices.items()}, path)


_warned: set[tuple[str, str]] = set()


def _warn(path: str, why: str) -> None:
    if (path, why) not in _warned:
        _warned.add((path, why))
        warnings.warn(f"fastconv: tuning file {path}: {why}", RuntimeWarning, stacklevel=3)


# ---- one call -----------------------------------------------------------------------------------


class _Prepared(Convolution):
    """The same by a Conv2d, one for each algorithm."""

    def __init__(self, input, weight, options: dict, threads: int | None = None) -> None:
        super().__init__(input, weight, options, threads)
        self._objects: dict[str | None, Conv2d] = {}
        self._weight, self._options = weight, options

    def probe(self, algorithm: str | None = None, calls: int = 0) -> _core.Probe:
        if algorithm not in self._objects:
            self._objects[algorithm] = Conv2d(self._weight, algorithm=algorithm, **self._options)
        probe = _core.Probe(calls=calls)
        arguments = self._arguments
        return self._objects[algorithm].probe(
            probe, arguments["input"], None, None, arguments["threads"]
        )


def _call(index: int, given: Any, dtype: np.dtype, prepared: bool) -> tuple[str, tuple]:
    """A call in words, and (input, weight, options), checked as the operation itself does."""
    if isinstance(given, Mapping):
        options = dict(given)
        missing = [name for name in ("input", "weight") if name not in options]
        if missing:
            raise ValueError(f"tune: call {index} has no {missing[0]}; give input and weight")
        arrays = [options.pop("input"), options.pop("weight")]
    elif isinstance(given, Sequence) and len(given) in (2, 3):
        arrays, options = list(given[:2]), dict(given[2]) if len(given) == 3 else {}
    else:
        raise TypeError(
            f"tune: call {index} is {given!r}, expected (input, weight), (input, weight, options) "
            f"or a dict; give shapes or arrays, such as ((1, 64, 56, 56), (64, 64, 3, 3))"
        )
    for name in options:
        if name not in _OPTIONS:
            raise ValueError(
                f"tune: call {index} has the option {name!r}, expected some of "
                f"{', '.join(_OPTIONS)}; leave out what a choice does not depend on"
            )
    shapes = [_shape(index, given) for given in arrays]
    generator = np.random.default_rng(0)
    x, weight = (
        a if isinstance(a, np.ndarray) else generator.uniform(-1, 1, shape).astype(dtype)
        for a, shape in zip(arrays, shapes, strict=True)
    )
    Convolution(x, weight, options).probe()  # raises what the operation would
    words = [*("x".join(map(str, shape)) for shape in shapes), x.dtype.name]
    words += [f"{name}={options[name]}" for name in _OPTIONS if name in options]
    return " ".join(words + ["prepared"] * prepared), (x, weight, options)


def _shape(index: int, given: Any) -> tuple[int, ...]:
    if isinstance(given, np.ndarray):
        return given.shape
    if isinstance(given, Sequence) and all(type(size) is int and size >= 0 for size in given):
        return tuple(given)
    raise TypeError(
        f"tune: call {index} has {given!r} where a shape or an array is expected; "
        f"give sizes such as (1, 64, 56, 56)"
    )


def _fastest(
    words: str,
    arguments: tuple,
    threads: int | None,
    prepared: bool,
    margin: float,
    seconds: float,
) -> tuple[TunedCall, tuple, dict[str, Any] | None]:
    """The report's row, what the choice depends on, and the choice, or None for the default."""
    call = (_Prepared if prepared else Convolution)(*arguments, threads)
    default = call.probe().automatic
    names = [default, *(name for name in call.takers() if name != default)]
    timers = {name: call.timer(name) for name in names}
    first = {name: timer() for name, timer in timers.items()}
    slow = _HOPELESS * min(first.values())
    running = [name for name in names if name == default or first[name] <= slow]
    times = _round(timers, running, seconds / 2)
    best = min(running, key=lambda name: statistics.median(times[name]))
    gain = 1.0
    if best != default:
        # Of equals the luckiest is fastest: what counts is that it is so again.
        again = _round(timers, [default, best], seconds / 2)
        gain = min(ratio(taken[default], taken[best]) for taken in (times, again))
        if gain < 1 + margin:
            best, gain = default, 1.0
    ms = {name: first[name] * 1e3 for name in names}
    ms |= {name: statistics.median(taken) * 1e3 for name, taken in times.items()}
    choice = {"algorithm": best, "ms": ms[best], "default": default, "default_ms": ms[default]}
    row = TunedCall(words, default, best, ms, gain)
    return row, call.probe().tuned_call, None if best == default else choice


def _round(timers: dict, names: list[str], seconds: float) -> dict[str, list[float]]:
    taken = by_turns([timers[name] for name in names], seconds, least=3)
    return dict(zip(names, taken, strict=True))
