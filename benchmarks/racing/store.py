"""Rows as lines of JSON, one file for a machine and a day: added to one by one, resumed from.

A line {"session": …} says what the rows after it were measured with: machine, versions, commit.
"""

import json
import pathlib
import re
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]


def key(row: Row) -> tuple[str, str, int, bool]:
    return row["layer"], row["dtype"], row["threads"], row["cold"]


def file_name(cpu: str, cores: int, day: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", cpu.lower()).strip("-")
    return f"{slug}-{cores}-cores-{day}.jsonl"


def append(path: pathlib.Path, line: dict[str, Any]) -> None:
    """Add a line; one that was cut short, by a race that was killed, is dropped first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.write(text.encode())


def load(path: pathlib.Path) -> tuple[list[dict[str, Any]], list[Row]]:
    """(sessions, rows): of each layer, dtype, threads and temperature the last row.

    A last line that was cut short counts as not there.
    """
    sessions: list[dict[str, Any]] = []
    rows: dict[tuple, Row] = {}
    if not path.exists():
        return [], []
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError:
            if number < len(lines):
                raise ValueError(f"{path}:{number}: not JSON; remove the line") from None
            continue
        if "layer" not in found:
            sessions.append(found["session"])
        else:
            rows.pop(key(found), None)
            rows[key(found)] = found | {"session": len(sessions) - 1}
    return sessions, list(rows.values())


def source(path: pathlib.Path, folder: pathlib.Path) -> str:
    """A file of results as documents name it: by its place in their folder, if there."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The file that was written to last by the day in its name."""
    return max(folder.glob("*.jsonl"), key=lambda path: path.stem[-10:], default=None)


def missing(
    wanted: Iterable[Any],
    sessions: list[dict[str, Any]],
    rows: Iterable[Row],
    commit: str,
    quick: bool,
) -> list[Any]:
    """Those of `wanted` (with a .key) that have no row of this commit yet, in their order.

    A quick row counts for a quick race alone.
    """
    there = set()
    for row in rows:
        of = sessions[row["session"]]
        if of["commit"] == commit and quick >= of["quick"]:
            there.add(key(row))
    return [row for row in wanted if row.key not in there]
