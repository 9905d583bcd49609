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
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")


def load(path: pathlib.Path) -> tuple[list[dict[str, Any]], list[Row]]:
    """(sessions, rows): of each layer, dtype, threads and temperature the last row.

    A last line that was cut short, by a race that was killed, counts as not there.
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
        if "session" in found:
            sessions.append(found["session"])
        else:
            rows.pop(key(found), None)
            rows[key(found)] = found | {"session": len(sessions) - 1}
    return sessions, list(rows.values())


def latest(folder: pathlib.Path) -> pathlib.Path | None:
    """The file that was written to last by the day in its name."""
    return max(folder.glob("*.jsonl"), key=lambda path: path.stem[-10:], default=None)


def missing(wanted: Iterable[Any], rows: Iterable[Row]) -> list[Any]:
    """Those of `wanted` (with a .key) that have no row yet, in their order."""
    there = {key(row) for row in rows}
    return [row for row in wanted if row.key not in there]
