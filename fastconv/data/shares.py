"""Whole numbers of examples from shares: of the parts, and of each class in each part."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["allot", "part_counts"]


def part_counts(total: int, parts: Any, who: str) -> list[int]:
    """How many of the examples each part gets.

    Args:
        total: number of examples.
        parts: shares as floats, percentages as text, or numbers as ints with None for the rest.

    Raises:
        TypeError: parts has another form. ValueError: it does not add up.

    >>> part_counts(1003, (0.98, 0.01, 0.01), "split"), part_counts(10, (None, 2, 3), "split")
    ([983, 10, 10], [5, 2, 3])
    """
    if isinstance(parts, str):
        try:
            shares = [Fraction(text) / 100 for text in parts.split("/")]
        except (ValueError, ZeroDivisionError) as error:
            raise ValueError(
                f"{who}: parts {parts!r} is not percentages, as '60/20/20' is"
            ) from error
        return _by_share(total, shares, parts, who)
    parts = list(parts) if isinstance(parts, (Sequence, np.ndarray)) else parts
    if not isinstance(parts, list) or not parts:
        raise TypeError(f"{who}: parts must be like (0.6, 0.2, 0.2), not {parts!r}")
    if all(isinstance(part, (float, np.floating)) for part in parts):
        if not np.isfinite(parts).all():
            raise ValueError(f"{who}: parts must be finite, not {parts}")
        # 0.1 means a tenth and not the float next to it.
        shares = [Fraction(float(part)).limit_denominator(10**9) for part in parts]
        return _by_share(total, shares, parts, who)
    counts = [None if part is None else _whole(part, parts, who) for part in parts]
    if counts.count(None) == 1:
        rest = total - sum(count for count in counts if count is not None)
        counts = [rest if count is None else count for count in counts]
    if None in counts or min(counts) < 0 or sum(counts) != total:
        raise ValueError(
            f"{who}: parts {parts} are numbers of examples, which must add up to {total:,} (one "
            f"may be None: the rest); for shares write (0.6, 0.2, 0.2) or '60/20/20'"
        )
    return counts


def _whole(part: Any, parts: list, who: str) -> int:
    if isinstance(part, (bool, np.bool_)) or not isinstance(part, (int, np.integer)):
        raise TypeError(f"{who}: parts must be all floats (shares) or all ints, not {parts}")
    return int(part)


def _by_share(total: int, shares: list[Fraction], parts: Any, who: str) -> list[int]:
    # Thirds written with a few digits are meant to be thirds.
    if min(shares) < 0 or abs(sum(shares) - 1) > Fraction(1, 1000):
        unit, said = ("100", "percentages") if isinstance(parts, str) else ("1", "shares")
        raise ValueError(f"{who}: parts {parts!r} are {said}: none negative, together {unit}")
    return largest_remainder(total, [share / sum(shares) for share in shares])


def largest_remainder(total: int, shares: list[Fraction]) -> list[int]:
    """Round shares that add up to 1: down, then the largest remainders up, the first of equals."""
    exact = [total * share for share in shares]
    counts = [int(value) for value in exact]
    order = sorted(range(len(shares)), key=lambda part: (counts[part] - exact[part], part))
    for part in order[: total - sum(counts)]:
        counts[part] += 1
    return counts


def allot(classes: list[int], parts: list[int]) -> list[list[int]]:
    """How many examples of each class each part gets: proportional, in whole numbers.

    Formula:
        table[c][p] is classes[c] * parts[p] / total, rounded down or up; its rows add up to
        classes, its columns to parts. The largest remainders are rounded up first, as far as rows
        and columns allow; where that leads nowhere, some are exchanged.

        Such a table always exists: the fractions themselves are a way to send what is missing from
        rows to columns, at most 1 a cell, and such a flow can be had in whole numbers (L. Ford,
        D. Fulkerson, "Flows in Networks", 1962: integrality).

    >>> allot([5, 5], [6, 2, 2])
    [[3, 1, 1], [3, 1, 1]]
    >>> allot([1, 1, 1], [1, 1, 1])
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """
    total = sum(classes)
    table = [[c * p // total for p in parts] for c in classes]
    left = {(i, j): c * p % total for i, c in enumerate(classes) for j, p in enumerate(parts)}
    of_row = [c - sum(row) for c, row in zip(classes, table, strict=True)]
    of_column = [p - sum(row[j] for row in table) for j, p in enumerate(parts)]
    up: set[tuple[int, int]] = set()
    for cell in sorted((cell for cell in left if left[cell]), key=lambda cell: (-left[cell], cell)):
        i, j = cell
        if of_row[i] and of_column[j]:
            up.add(cell)
            of_row[i] -= 1
            of_column[j] -= 1
    for i, missing in enumerate(of_row):
        for _ in range(missing):
            of_column[_augment(i, left, up, of_column)] -= 1
    for i, j in up:
        table[i][j] += 1
    return table


def _augment(
    row: int, left: dict[tuple[int, int], int], up: set[tuple[int, int]], of_column: list[int]
) -> int:
    """Round one more cell of the row up, others of other rows down and up in exchange, by a
    shortest path to a column that lacks something; that column."""
    rows = 1 + max(i for i, _ in left)
    came: dict[int, tuple[int, int]] = {}  # column → (row that rounds up in it, column it left)
    queue = [(row, -1)]
    for i, before in queue:
        for j in range(len(of_column)):
            if j in came or not left[i, j] or (i, j) in up:
                continue
            came[j] = (i, before)
            if of_column[j]:
                column = j
                while column >= 0:
                    i, before = came[column]
                    up.add((i, column))
                    if before >= 0:
                        up.remove((i, before))
                    column = before
                return j
            queue += [(other, j) for other in range(rows) if (other, j) in up]
    raise AssertionError("no table of whole numbers: rows and columns do not add up alike")
