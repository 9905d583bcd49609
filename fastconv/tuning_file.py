"""The file that keeps tuned choices: a small JSON document, read without trust, written whole.

    {"format": "fastconv tuning", "version": 2,
     "engine": "0.1.0", "cpu": "AMD EPYC, family 26 model 2 stepping 1", "tier": "avx512",
     "choices": [
      {"dtype": "float32", …, "groups": 1,
       "algorithm": "direct", "ms": 0.5, "default": "im2col", "default_ms": 0.9},
      …]}

A choice says which convolution it is for (the fields that _core.TUNED_FIELDS names) and what was
measured. All that it can do is to name one of the engine's algorithms, all of which compute the
same, and none is taken that rounds more than a call's precision allows: what is in the file can
make a program slower, not wrong.

Reading believes nothing: a regular file of at most 1 MiB, every field there, none other, each of
its type and in its range, no number that is not finite, and written by this version of the engine
for this CPU and instruction set. Writing goes to a new file beside it, for its owner alone, that
takes its place when it is on the disk; a lock file beside it keeps two writers from losing each
other's choices.
"""

import contextlib
import json
import math
import os
import platform
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastconv import _core, runtime

FORMAT, VERSION = "fastconv tuning", 2
MOST_BYTES = 1 << 20
MOST_CHOICES = 2000
_MARK = f'{{"format": "{FORMAT}"'.encode()
_WORDS = {
    "dtype": ("float32", "float64"),
    "precision": tuple(_core.PRECISION_CODES),
    "prepared": (False, True),
    "layout": _core.TUNED_LAYOUTS,
    "padding_mode": tuple(_core.BORDER_CODES),
}
_MAY_BE_ZERO = ("top", "bottom", "left", "right")
_MEASURED = ("algorithm", "ms", "default", "default_ms")

# What a choice is for, and what was measured: algorithm, ms, default, default_ms.
Choices = dict[tuple, dict[str, Any]]


class Unusable(Exception):
    """The file is to be ignored, and why."""


def path(given: str | os.PathLike[str] | None) -> str:
    """The file that is meant, absolute, links followed.

    Raises:
        OSError: none is given and there is no home folder to have a cache in.
    """
    given = runtime.tune_file if given is None else os.fspath(given)
    if not given:
        # As freedesktop.org's Base Directory Specification has it: relative ones are not heeded.
        cache = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(cache):
            cache = os.path.join(os.path.expanduser("~"), ".cache")
        if not os.path.isabs(cache):
            raise OSError("fastconv: no home folder for a tuning file; set FASTCONV_TUNE_FILE")
        given = os.path.join(cache, "fastconv", "tuning.json")
    return os.path.realpath(given)


def machine() -> dict[str, str]:
    """What choices were measured with: those of another one mean nothing here."""
    tier = _core.runtime_query()["tier_in_use"]
    return {"engine": runtime.version, "cpu": _cpu(), "tier": tier}


def _cpu() -> str:
    """The CPU's model."""
    wanted = {
        "model name": "{}", "cpu family": "family {}", "model": "model {}",
        "stepping": "stepping {}", "CPU implementer": "implementer {}", "CPU part": "part {}",
        "CPU variant": "variant {}",
    }  # fmt: skip
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon and found:
                break  # the first CPU's paragraph ends
            if name.strip() in wanted:
                found.setdefault(name.strip(), " ".join(value.split()))
    parts = [text.format(found[name]) for name, text in wanted.items() if name in found]
    return ", ".join(parts) or platform.processor() or platform.machine()


# ---- reading ------------------------------------------------------------------------------------


def read(path: str) -> Choices:
    """The choices in the file, the oldest first.

    Raises:
        Unusable: it is missing, cannot be read, is malformed, or from another machine.
    """
    try:
        raw = _bytes_of(path)
    except OSError as error:
        raise Unusable(f"it cannot be read ({error.strerror or error})") from error
    try:
        document = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    # RecursionError: brackets nested by the thousand.
    except (ValueError, RecursionError) as error:
        raise Unusable(f"it is not valid JSON ({error})") from error
    return _choices(document)


def _bytes_of(path: str) -> bytes:
    # Without O_NONBLOCK a named pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unusable("it is not a regular file")
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise Unusable(f"it is larger than {MOST_BYTES:,} bytes")
    return raw


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name occurs twice in an object")
    return result


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def _choices(document: Any) -> Choices:
    here = machine()
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Unusable("it is not a file of tuned choices")
    version = document.get("version")
    if type(version) is not int or version != VERSION:
        raise Unusable(f"its version is {_shown(version)}, and this fastconv knows {VERSION}")
    if set(document) != {"format", "version", "choices", *here}:
        raise Unusable("it lacks a field, or has one too many")
    for field, ours in here.items():
        if document[field] != ours:
            raise Unusable(f"its {field} is {_shown(document[field])}, and here it is {ours!r}")
    entries = document["choices"]
    if not isinstance(entries, list) or len(entries) > MOST_CHOICES:
        raise Unusable(f"choices is not a list of at most {MOST_CHOICES}")
    found: Choices = {}
    for index, entry in enumerate(entries):
        problem = _problem(entry)
        if problem:
            raise Unusable(f"choice {index}: {problem}")
        found[tuple(entry[field] for field in _core.TUNED_FIELDS)] = {
            field: entry[field] for field in _MEASURED
        }
    if len(found) < len(entries):
        raise Unusable("two choices are for the same call")
    return found


def _problem(entry: Any) -> str | None:
    """What is wrong with a choice, or None."""
    if not isinstance(entry, dict) or set(entry) != {*_core.TUNED_FIELDS, *_MEASURED}:
        return "it must have the fields of a choice, and no more"
    for field in _core.TUNED_FIELDS:
        value = entry[field]
        if field in _WORDS:
            # True == 1 to Python, but not here
            right = any(type(value) is type(word) and value == word for word in _WORDS[field])
        else:
            right = type(value) is int and (field not in _MAY_BE_ZERO) <= value < 1 << 63
        if not right:
            return f"{field} is {_shown(value)}"
    for field in ("algorithm", "default"):
        if not isinstance(entry[field], str) or entry[field] not in _core.ALGORITHM_CODES:
            return f"{field} is {_shown(entry[field])}"
    for field in ("ms", "default_ms"):
        value = entry[field]
        if type(value) not in (int, float) or not 0 < value < math.inf:
            return f"{field} is {_shown(value)}"
    return None


def _shown(value: object) -> str:
    """A part of what an untrusted file holds, for a message."""
    return ascii(value)[:60]


# ---- writing ------------------------------------------------------------------------------------


def writable(given: str | os.PathLike[str] | None) -> str:
    """The file that is meant, after a look that nothing else is there.

    Raises:
        ValueError: what is there is not a file of tuned choices.
        OSError: it cannot be read.
    """
    where = path(given)
    try:
        begin = _bytes_of(where)[: len(_MARK)]
    except FileNotFoundError:
        return where
    except Unusable as error:
        raise ValueError(f"tune: {where} is not overwritten: {error}; name another") from None
    if begin and begin != _MARK:
        raise ValueError(
            f"tune: {where} is not overwritten: it is not a file of tuned choices; name another"
        )
    return where


def update(path: str, found: dict[tuple, dict[str, Any] | None]) -> tuple[Choices, str | None]:
    """Put choices into the file, or with None take them out; what it held otherwise stays.

    Returns:
        All choices that are in the file now, and if what was there before could not be kept, why.

    Raises:
        OSError: it cannot be written, and is as it was.
    """
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700, exist_ok=True)
    with _lock(path):
        choices: Choices = {}
        why = None
        if os.path.lexists(path):
            try:
                choices = read(path)
            except Unusable as error:
                why = str(error)
        for key, choice in found.items():
            choices.pop(key, None)
            if choice is not None:
                choices[key] = choice
        while len(choices) > MOST_CHOICES:
            del choices[next(iter(choices))]
        text = _document(choices)
        while len(text) > MOST_BYTES:  # numbers of many digits: the older half goes
            for key in list(choices)[: len(choices) // 2]:
                del choices[key]
            text = _document(choices)
        _replace(path, text)
    return choices, why


def _document(choices: Choices) -> bytes:
    head = json.dumps({"format": FORMAT, "version": VERSION, **machine()}, ensure_ascii=True)
    entries = (
        json.dumps(
            dict(zip(_core.TUNED_FIELDS, key, strict=True))
            | {field: _rounded(choice[field]) for field in _MEASURED}
        )
        for key, choice in choices.items()
    )
    lines = ",\n".join(entries)
    return f'{head[:-1]}, "choices": [\n{lines}\n]}}\n'.encode()


def _rounded(value: object) -> object:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _replace(path: str, text: bytes) -> None:
    """Write the file, for its owner alone, all of it or nothing."""
    descriptor, temporary = tempfile.mkstemp(
        prefix=f".{os.path.basename(path)}.", suffix=".tmp", dir=os.path.dirname(path)
    )
    try:
        with open(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _lock(path: str) -> Iterator[None]:
    """Let one writer at a time into the file; it stays, since to remove it would let two in."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(f"{path}.lock", flags, 0o600)
    try:
        # Where there are no locks (some network file systems) the last writer's choices stay.
        with contextlib.suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
