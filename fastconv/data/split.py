"""Train, dev and test sets by the method of A. Ng's "Structuring Machine Learning Projects".

A network is trained on the train set, choices are made by the dev set, and the test set says once,
at the end, how good the result is. Dev and test set come from the distribution that matters.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from .dataset import Dataset, as_dataset, checked_seed, permutation
from .shares import allot, part_counts
from .split_report import NAMES, Split, SplitNotice, SplitWarning, findings

__all__ = ["mismatched_split", "train_dev_test_split"]

Parts = Sequence[float] | Sequence[int | None] | str


def train_dev_test_split(
    x: np.ndarray,
    y: np.ndarray,
    parts: Parts = (0.6, 0.2, 0.2),
    *,
    stratify: bool = True,
    seed: int = 0,
) -> Split:
    """Split examples at random into train, dev and test set.

    Args:
        x: (N, …) examples. y: (N,) labels, integers.
        parts: of the train, dev and test set, or of train and dev set alone, in one of these forms:
            floats: shares, which add up to 1: (0.7, 0.3), (0.6, 0.2, 0.2), (0.98, 0.01, 0.01);
            text: percentages: '70/30', '60/20/20', '98/1/1';
            ints: numbers of examples, which add up to N; one may be None: the rest.
            Shares are rounded to whole examples by largest remainder.
        stratify: give every part the share of each class that it has of the whole, rounded up or
            down so that the parts' sizes stay; else the shares are left to chance.
        seed: the split depends on y, parts, stratify and seed alone; always, to the bit (see
            ``fastconv.data.dataset.permutation``: the raw numbers of NumPy's PCG64).

    Returns:
        Split: train, dev and test (None if there is none), each a Dataset with copies of its
        examples, their labels and their indices. No two parts have an example in common and
        together they have all. ``print(split)`` tells sizes, classes and what was noticed.

    Warns:
        SplitWarning: a class of y is missing from a part, or the classes of a part are distributed
            otherwise than in the whole (chi-square, see ``Split``).
        SplitNotice: there is no test set, and what that means.

    Raises:
        TypeError: x or y is no array, y is not of integers, parts or seed have a wrong type.
        ValueError: lengths differ; parts do not add up, are not two or three, or one gets nothing.

    >>> y = np.repeat([0, 1], [30, 20])
    >>> split = train_dev_test_split(np.arange(50.0), y, "60/20/20")
    >>> [np.bincount(part.y).tolist() for part in split]
    [[18, 12], [6, 4], [6, 4]]
    """
    whole = Dataset(x, y)
    seed = checked_seed(seed, "train_dev_test_split")
    counts = part_counts(len(whole), parts, "train_dev_test_split")
    if len(counts) not in (2, 3):
        raise ValueError(
            f"train_dev_test_split: parts must be two (train, dev) or three (train, dev, test), "
            f"not {len(counts)}: {parts!r}"
        )
    if min(counts) < 1:
        raise ValueError(
            f"train_dev_test_split: of {len(whole)} examples, parts {parts!r} make "
            f"{' + '.join(map(str, counts))}; each must get at least one"
        )
    taken = _draw(whole.y, counts, stratify, seed)
    made = {name: _take(whole, indices) for name, indices in zip(NAMES, taken, strict=False)}
    how = "stratified" if stratify else "not stratified"
    notes, problems = findings(made, dict.fromkeys(made, whole.y), "the whole")
    return _tell(Split(**made, title=f"{len(whole):,} examples, {how}, seed {seed}",
                       notes=notes, problems=problems))  # fmt: skip


def mismatched_split(
    train_source: Dataset | tuple[np.ndarray, np.ndarray],
    target_source: Dataset | tuple[np.ndarray, np.ndarray],
    target_parts: Parts = (0.0, 0.5, 0.5),
    *,
    train_dev: float | int = 0.05,
    stratify: bool = True,
    seed: int = 0,
) -> Split:
    """Split when most examples to train on are of another kind than those that matter.

    Say there are 200,000 photographs from the web and 10,000 from the phones of users, and it is
    the phones' that have to be recognised. Dev and test set then both come from the phones: they
    are the target to aim at. The web's are trained on, with a part of the phones' on request. Some
    of what would be trained on is held out as well, the train-dev set: it has the distribution of
    the train set and has not been trained on, so its error tells variance from mismatch.

    Args:
        train_source: (x, y) or Dataset: examples to train on.
        target_source: those that matter; x of the same dtype and shape but for N.
        target_parts: how the target is parted into (to train on, dev, test), in a form that
            ``train_dev_test_split`` takes. The first may be 0: none to train on. The last may be 0:
            there is no test set, which is said.
        train_dev: share (float) or number (int) of the pool to train on that becomes the train-dev
            set.
        stratify, seed: as for ``train_dev_test_split``; the train-dev set has both sources in the
            pool's proportions.

    Returns:
        Split with train, train_dev, dev, test. ``source`` of a part is 0 for examples of
        train_source and 1 for those of target_source, ``indices`` their places there.

    Warns:
        SplitWarning: a class of the target is missing from the train set; and, as for
            ``train_dev_test_split``, of dev and test against the target, of train-dev against what
            it was taken from. That train set and target differ is what this function is for.
        SplitNotice: there is no test set.

    Raises:
        TypeError, ValueError: as for ``train_dev_test_split``; the sources' examples differ in
        dtype or shape; train_dev leaves nothing to train on, or nothing itself.

    >>> web = np.zeros((200, 1, 2, 2)), np.arange(200) % 2
    >>> phone = np.ones((100, 1, 2, 2)), np.arange(100) % 2
    >>> split = mismatched_split(web, phone, (0.5, 0.25, 0.25), train_dev=10)
    >>> {name: (len(part), int(part.source.sum())) for name, part in split.parts.items()}
    {'train': (240, 48), 'train-dev': (10, 2), 'dev': (25, 25), 'test': (25, 25)}
    """
    who = "mismatched_split"
    first = as_dataset(train_source, f"{who}: train_source")
    second = as_dataset(target_source, f"{who}: target_source")
    if (first.x.dtype, first.x.shape[1:]) != (second.x.dtype, second.x.shape[1:]):
        raise ValueError(
            f"{who}: the examples of train_source are {first.x.shape[1:]} {first.x.dtype}, those "
            f"of target_source {second.x.shape[1:]} {second.x.dtype}; make them alike first"
        )
    seed = checked_seed(seed, who)
    counts = part_counts(len(second), target_parts, who)
    if len(counts) != 3 or counts[1] < 1:
        raise ValueError(
            f"{who}: target_parts must be (to train on, dev, test) with at least one example for "
            f"dev; {target_parts!r} of {len(second)} make {counts}"
        )
    to_train, for_dev, for_test = _draw(second.y, counts, stratify, seed, 1)
    pool = _join(first, second, to_train)
    held = train_dev
    if isinstance(held, (float, np.floating)) and 0 < held < 1:
        held = part_counts(len(pool), (1 - float(held), float(held)), who)[1]
    if isinstance(held, (bool, float, np.floating)) or not 1 <= held < len(pool):
        raise ValueError(
            f"{who}: train_dev={train_dev!r} of {len(pool)} examples to train on; expected a share "
            f"between 0 and 1 or a number, which leaves both parts at least one example"
        )
    # A class of each source is a stratum of its own.
    names, classes = np.unique(pool.y, return_inverse=True)
    strata = pool.source * len(names) + classes
    kept, apart = _draw(strata, [len(pool) - int(held), int(held)], stratify, seed, 2)
    made = {
        "train": _take(pool, kept),
        "train_dev": _take(pool, apart),
        "dev": _take(second, for_dev, 1),
        "test": _take(second, for_test, 1) if len(for_test) else None,
    }
    against = {"train_dev": pool.y, "dev": second.y, "test": second.y}
    notes, problems = findings(made, against, "what it is taken from")
    missing = np.setdiff1d(second.y, made["train"].y)
    if len(missing):
        problems.append(f"train has no example of the target's class {_listed(missing)}")
    share = len(to_train) / len(pool)
    differ = _apart(pool.y, second.y)
    origin = (
        f"train and train-dev: {1 - share:.1%} from the train source, {share:.1%} from the target"
    )
    classes = f"train and target: the shares of their classes differ by {differ:.1%}"
    notes = [
        f"{origin}; dev and test: from the target alone",
        f"{classes} (half the sum of the differences)",
        *notes,
    ]
    title = f"{len(first):,} + {len(second):,} examples of two sources, seed {seed}"
    return _tell(Split(**made, title=title, notes=notes, problems=problems))


def _draw(
    y: np.ndarray, counts: list[int], stratify: bool, seed: int, *stream: int
) -> list[np.ndarray]:
    """Indices of each part, in random order."""
    order = permutation(len(y), seed, *stream)
    if not stratify:
        return np.split(order, np.cumsum(counts)[:-1])
    names, classes = np.unique(y[order], return_inverse=True)
    table = allot(np.bincount(classes, minlength=len(names)).tolist(), counts)
    part_of = np.empty(len(y), np.int64)
    for number, row in enumerate(table):
        part_of[order[classes == number]] = np.repeat(np.arange(len(counts)), row)
    # A second order: in the first, a part's examples of one class tend to come before another's.
    order = permutation(len(y), seed, *stream, 0)
    return [order[part_of[order] == part] for part in range(len(counts))]


def _take(whole: Dataset, chosen: np.ndarray, source: int | None = None) -> Dataset:
    places = chosen if whole.indices is None or source is not None else whole.indices[chosen]
    kinds: Any = None
    if source is not None:
        kinds = np.full(len(chosen), source, np.int8)
    elif whole.source is not None:
        kinds = whole.source[chosen]
    return Dataset(whole.x[chosen], whole.y[chosen], places.astype(np.int64), kinds)


def _join(first: Dataset, second: Dataset, chosen: np.ndarray) -> Dataset:
    return Dataset(
        np.concatenate([first.x, second.x[chosen]]),
        np.concatenate([first.y, second.y[chosen]]),
        np.concatenate([np.arange(len(first)), chosen]),
        np.repeat(np.array([0, 1], np.int8), [len(first), len(chosen)]),
    )


def _apart(some: np.ndarray, others: np.ndarray) -> float:
    """Total variation between the classes of two sets of labels: 0 alike, 1 nothing in common."""
    names = np.union1d(some, others)
    shares = [
        np.bincount(np.searchsorted(names, y), minlength=len(names)) / len(y)
        for y in (some, others)
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _listed(classes: np.ndarray, most: int = 10) -> str:
    shown = ", ".join(str(name) for name in classes[:most])
    return shown if len(classes) <= most else f"{shown}, … ({len(classes)} of them)"


def _tell(split: Split) -> Split:
    """Warn of what the report says: a caller who does not print it shall know."""
    for problem in split.problems:
        warnings.warn(problem, SplitWarning, stacklevel=3)
    if split.test is None:
        warnings.warn(split.no_test, SplitNotice, stacklevel=3)
    return split
