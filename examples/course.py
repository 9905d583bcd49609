"""What the lessons share: the command line, and where tables and pictures go.

    python examples/01_edges.py                     the lesson: tables printed, pictures saved
    python examples/01_edges.py --quick             in a shorter form, where it takes long
    python examples/01_edges.py --out docs/course   its page there gets these tables and pictures

A lesson is a file NN_topic.py with a function main(lesson), which returns what it found, and, under
``__name__ == "__main__"``, the line ``course.run(__file__, main)``. Its page is NN_topic.md; each
table stands there between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from photographs import MissingPackage

import fastconv
from fastconv.data.images import MissingPillow

__all__ = ["Block", "Lesson", "block_pattern", "run"]


@dataclass(frozen=True)
class Block:
    """What a page shows between its marks.

    Attributes:
        text: Markdown.
        within: None: the same in the lesson's short form, and on every machine; else its numbers
            are the full form's, and on another machine the same within this relative difference
            (infinity: of one machine alone, as times are, and not compared).
    """

    text: str
    within: float | None


class Lesson:
    """One run of a lesson.

    Attributes:
        quick: whether the lesson should be short: fewer steps, smaller data.
        seed: of all that is drawn at random; fastconv's own generator begins with it, too.
        rng: a generator that begins with it.
        blocks, pictures: what was shown so far, by name.

    Args:
        name: of the file, without its ending: '01_edges'.
        out: the folder for pictures; made if it is missing.
    """

    def __init__(self, name: str, out: Path, *, quick: bool = False, seed: int = 0) -> None:
        self.name, self.out, self.quick, self.seed = name, Path(out), quick, seed
        self.rng = np.random.default_rng(seed)
        self.blocks: dict[str, Block] = {}
        self.pictures: dict[str, Path] = {}
        fastconv.manual_seed(seed)
        self.out.mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        """Print what the page does not show, such as times."""
        print(text)

    def text(self, name: str, text: str, *, within: float | None = None) -> None:
        """Show lines whose columns matter: printed, and a block of the page."""
        self._show(name, f"```\n{text.rstrip()}\n```", within)

    def table(
        self, name: str, header: Sequence[str], rows: Sequence[Sequence[Any]], *,
        within: float | None = None,
    ) -> None:  # fmt: skip
        """Show a table: printed, and a block of the page.

        Args:
            name: of the block.
            rows: cells; integers get commas at the thousands, other things are as str() makes them.
                Columns of numbers are set to the right.
            within: as in Block.
        """
        cells = [[f"{c:,}" if isinstance(c, (int, np.integer)) else str(c) for c in row]
                 for row in rows]  # fmt: skip
        widths = [max(3, *map(len, column)) for column in zip(header, *cells, strict=True)]
        number = re.compile(r"[-–]?\d[\d,.]*[×°%]?( [^\d ]+)?")  # and its unit
        right = [all(map(number.fullmatch, column)) for column in zip(*cells, strict=True)]
        rule = ["-" * (w - r) + ":" * r for w, r in zip(widths, right, strict=True)]
        lines = [
            "| " + " | ".join(c.rjust(w) if r else c.ljust(w)
                              for c, w, r in zip(row, widths, right, strict=True)) + " |"
            for row in (header, rule, *cells)
        ]  # fmt: skip
        self._show(name, "\n".join(lines), within)

    def picture(self, name: str, image: Any) -> None:
        """Save a PIL.Image as NN_topic-name.png in the folder, in 128 colours: a small file."""
        path = self.out / f"{self.name}-{name}.png"
        image.convert("RGB").quantize(128, dither=0).save(path, optimize=True)
        self.pictures[name] = path
        print(path)

    def write_page(self) -> None:
        """Put the blocks into the lesson's page, if the folder has it.

        Raises:
            ValueError: the page's marks are not those of the blocks.
        """
        page = self.out / f"{self.name}.md"
        if not page.exists():
            return
        old = page.read_text(encoding="utf-8")
        marks = re.findall(r"<!-- begin (\S+) -->", old)
        if sorted(marks) != sorted(self.blocks):
            raise ValueError(f"{page} shows {sorted(marks)}, the lesson {sorted(self.blocks)}")
        new = block_pattern().sub(
            lambda found: f"{found[1]}\n{self.blocks[found[2]].text}\n{found[4]}", old
        )
        page.write_text(new, encoding="utf-8")

    def _show(self, name: str, text: str, within: float | None) -> None:
        if name in self.blocks:
            raise ValueError(f"{self.name} shows {name} twice")
        self.blocks[name] = Block(text, within)
        print(f"\n{text}\n")


def block_pattern() -> re.Pattern[str]:
    """Matches a block of a page: groups (first mark, name, what it shows, last mark)."""
    return re.compile(r"(<!-- begin (\S+) -->)\n(.*?)\n?(<!-- end \2 -->)", re.DOTALL)


def run(file: str, main: Callable[[Lesson], Any]) -> None:
    """Run a lesson as its command line says, and write its page if there is one."""
    parser = argparse.ArgumentParser(description=Path(file).stem)
    parser.add_argument("--out", type=Path, default=Path("course-output"), metavar="FOLDER",
                        help="where pictures go (%(default)s)")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="a shorter form")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    given = parser.parse_args()
    lesson = Lesson(Path(file).stem, given.out, quick=given.quick, seed=given.seed)
    try:
        main(lesson)
    except (MissingPillow, MissingPackage) as error:
        parser.exit(1, f"{error}\n")
    if not lesson.quick:
        lesson.write_page()
