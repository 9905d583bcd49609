"""What a split is made of, what is wrong with it, and how that is told."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from .dataset import Dataset

__all__ = ["NAMES", "Split", "SplitNotice", "SplitWarning", "class_distance", "findings"]

NAMES = ("train", "dev", "test")
_LEAST_EXPECTED = 5
_NORMAL_QUANTILE = 3.0902  # of 1 - 0.001


class SplitWarning(UserWarning):
    """A split is likely not what was meant: classes are missing or distributed otherwise."""


class SplitNotice(UserWarning):
    """Something about a split that is allowed and should be known."""


@dataclass(frozen=True, eq=False)
class Split:
    """Parts of a dataset; iterating gives those that there are, in the order train, dev, test.

    Attributes:
        train, dev: Dataset.
        test: Dataset, or None: there is no test set.
        train_dev: Dataset that is distributed like train and is not trained on, or None.
        notes: what should be known. problems: what was warned of.

    Whether the classes of a part are distributed as in the whole is judged by Pearson's statistic,
    Σ (observed - expected)² / expected over the classes, for a sample without replacement (see
    ``class_distance``). Classes of which fewer than 5 are expected are put together first; where
    that leaves a single one, the part is too small to tell. The threshold is the value that a
    random part exceeds once in 1000 times; a stratified one stays far below it.
    """

    train: Dataset
    dev: Dataset
    test: Dataset | None = None
    train_dev: Dataset | None = None
    title: str = ""
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    no_test = (
        "no test set: what is reported for the dev set is optimistic, as choices are made by it; "
        "that will do when no unbiased estimate is needed"
    )

    @property
    def parts(self) -> dict[str, Dataset]:
        """Name → Dataset, of those that there are: train, train-dev, dev, test."""
        named = {
            "train": self.train,
            "train-dev": self.train_dev,
            "dev": self.dev,
            "test": self.test,
        }
        return {name: part for name, part in named.items() if part is not None}

    def __iter__(self) -> Iterator[Dataset]:
        return iter(part for name, part in self.parts.items() if name != "train-dev")

    def __str__(self) -> str:
        return self.report()

    def report(self) -> str:
        """A table of the parts, then what should be known.

        'one is' says how much of the error rate of that part a single example makes: differences
        smaller than a few of these tell nothing.
        """
        total = sum(len(part) for part in self.parts.values())
        titles = f"{'part':<10}{'examples':>10}{'share':>9}{'classes':>9}"
        titles += f"{'smallest class':>16}{'largest':>9}{'one is':>9}"
        lines = [f"split of {self.title}", titles]
        for name, part in self.parts.items():
            sizes = np.unique(part.y, return_counts=True)[1]
            lines.append(
                f"{name:<10}{len(part):>10,}{len(part) / total:>9.1%}{len(sizes):>9,}"
                f"{sizes.min():>16,}{sizes.max():>9,}{1 / len(part):>9.2%}"
            )
        if self.test is None:
            lines.append(self.no_test)
        lines += self.notes
        lines += [f"warning: {problem}" for problem in self.problems]
        return "\n".join(lines)


def findings(
    parts: Mapping[str, Dataset | None], against: Mapping[str, np.ndarray], what: str
) -> tuple[list[str], list[str]]:
    """(notes, problems) of the classes of parts, each compared with the labels of its whole."""
    notes, problems = [], []
    for name, whole in against.items():
        part = parts[name]
        if part is None:
            continue
        shown = name.replace("_", "-")
        missing = np.setdiff1d(whole, part.y)
        if len(missing):
            listed = ", ".join(str(value) for value in missing[:10])
            more = f", … ({len(missing)} of them)" if len(missing) > 10 else ""
            problems.append(f"{shown} has no example of class {listed}{more}")
        statistic, freedom, limit = class_distance(part.y, whole)
        if not freedom:
            notes.append(f"{shown} is too small to compare the distribution of its classes")
        elif statistic > limit:
            problems.append(
                f"the classes of {shown} are distributed otherwise than in {what}: "
                f"chi-square {statistic:.1f} with {freedom} degrees of freedom, where chance alone "
                f"stays below {limit:.1f} in 999 of 1000 cases"
            )
    return notes, problems


def class_distance(part: np.ndarray, whole: np.ndarray) -> tuple[float, int, float]:
    """How far the classes of a part are from those of the whole that it was taken from.

    Formula:
        statistic = (n - 1) / (n - m) · Σ (observed - expected)² / expected, over classes, with
        expected = m · (share of the class in the whole), m of n examples in the part. The factor
        makes its mean k - 1 for a random part, as a part without replacement varies less.
        limit: the 99.9 % quantile of chi-square with k - 1 degrees of freedom by Wilson and
        Hilferty's formula, d (1 - 2/(9d) + 3.0902 √(2/(9d)))³ (3 % above it for d = 1, then less).

    Returns:
        (statistic, degrees of freedom, limit). Degrees of freedom 0: the part is too small for its
        classes to tell anything, or there is only one class; the others are then 0 as well.

    Source:
        E. Wilson, M. Hilferty, "The distribution of chi-square", PNAS 17 (1931).

    >>> whole = np.repeat([0, 1], 100)
    >>> class_distance(np.repeat([0, 1], [5, 15]), whole)[0] > 5
    True
    """
    names, of_whole = np.unique(whole, return_counts=True)
    observed = np.array([np.count_nonzero(part == name) for name in names], np.float64)
    m, n = len(part), len(whole)
    expected = m * of_whole / n
    observed, expected = _pooled(observed, expected)
    freedom = len(expected) - 1
    if freedom < 1:
        return 0.0, 0, 0.0
    statistic = float(((observed - expected) ** 2 / expected).sum())
    if m < n:  # the whole itself differs by nothing
        statistic *= (n - 1) / (n - m)
    spread = 2 / (9 * freedom)
    limit = freedom * (1 - spread + _NORMAL_QUANTILE * math.sqrt(spread)) ** 3
    return statistic, freedom, limit


def _pooled(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rare classes put together, the rarest first, until five examples are expected of each."""
    order = np.argsort(expected, kind="stable")
    observed, expected = observed[order], expected[order]
    rare = int(np.count_nonzero(expected < _LEAST_EXPECTED))
    if rare == 0:
        return observed, expected
    while expected[:rare].sum() < _LEAST_EXPECTED and rare < len(expected):
        rare += 1
    return (
        np.append(observed[:rare].sum(), observed[rare:]),
        np.append(expected[:rare].sum(), expected[rare:]),
    )
