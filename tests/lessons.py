"""The lessons of examples/, run in their short form for tests, each once in a process."""

import functools
import importlib
import math
import re
import tempfile
from pathlib import Path

import course
import pytest

import fastconv

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "course"
NAMES = sorted(path.stem for path in (ROOT / "examples").glob("[0-9]*.py"))

# Those that read pictures of other packages, which `make oracles` installs.
OF_OTHERS = {
    name
    for name in NAMES
    if re.search(r"^import photographs$", (ROOT / f"examples/{name}.py").read_text("utf-8"), re.M)
}
# Those whose full form takes minutes: `make examples` is what runs it.
LONG = {"17_choosing", "19_plain_and_residual"}


def params(names=NAMES):
    """The names for pytest's parametrize: those of OF_OTHERS are run where the pictures are."""
    return [
        pytest.param(name, marks=pytest.mark.oracle) if name in OF_OTHERS else name
        for name in names
    ]


@functools.cache
def quick(name: str):
    """(the Lesson with its blocks and pictures, what its main returned)."""
    return run(name, Path(tempfile.mkdtemp(prefix="fastconv-lesson-")), quick=True)


def found(name: str):
    """What the short form of the lesson found."""
    return quick(name)[1]


def run(name: str, out: Path, *, quick: bool):
    """(the Lesson, what its main returned). On one thread: of small networks a second makes none
    faster, and where others use the cores, many slower."""
    lesson = course.Lesson(name, out, quick=quick)
    with fastconv.num_threads(1):
        return lesson, importlib.import_module(name).main(lesson)


def shown(name: str) -> dict[str, str]:
    """The blocks that the lesson's page shows."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    return {block[2]: block[3] for block in course.block_pattern().finditer(page)}


def differences(shown: str, made: str, within: float | None) -> list[str]:
    """Where a page's block is not what the lesson made; numbers may differ by the share within,
    and with infinity everything."""
    if within == math.inf:
        return []
    if within is None:
        return [] if shown == made else [f"the page shows\n{shown}\nthe lesson\n{made}"]
    number = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
    squeezed = [" ".join(re.sub(r"-{3,}", "---", number.sub("0", text)).split())
                for text in (shown, made)]  # fmt: skip
    if squeezed[0] != squeezed[1]:
        return [f"the page shows\n{shown}\nthe lesson\n{made}"]
    pairs = zip(number.findall(shown), number.findall(made), strict=True)
    values = [tuple(float(text.replace(",", "")) for text in pair) for pair in pairs]
    return [f"the page shows {a}, the lesson {b}" for a, b in values
            if abs(a - b) > within * max(abs(a), abs(b))]  # fmt: skip
