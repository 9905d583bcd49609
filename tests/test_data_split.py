"""Splits: sizes and classes to the nearest, nothing lost or doubled, nothing silent."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv.data import (
    Dataset,
    SplitNotice,
    SplitWarning,
    mismatched_split,
    train_dev_test_split,
)
from fastconv.data.dataset import permutation
from fastconv.data.shares import allot, part_counts
from fastconv.data.split_report import class_distance


@pytest.fixture(autouse=True)
def nothing_unexpected():
    """A warning that a test does not expect is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def examples(counts):
    """x that names each example, and labels in blocks, as files often have them."""
    y = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(y), dtype=np.float64), y


# ---- numbers of examples -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "parts", "expected"),
    [
        (10_000, (0.7, 0.3), [7000, 3000]),
        (10_000, (0.6, 0.2, 0.2), [6000, 2000, 2000]),
        (1_000_000, (0.98, 0.01, 0.01), [980_000, 10_000, 10_000]),
        (1_000_000, "98/1/1", [980_000, 10_000, 10_000]),
        (5, (0.6, 0.2, 0.2), [3, 1, 1]),
        (7, "60/20/20", [4, 2, 1]),  # 4.2, 1.4, 1.4: the first of equal remainders
        (8, "60/20/20", [5, 2, 1]),  # 4.8, 1.6, 1.6
        (10, "99.5/0.5", [10, 0]),
        (9, (1 / 3, 1 / 3, 1 / 3), [3, 3, 3]),
        (9, (0.333, 0.333, 0.333), [3, 3, 3]),
        (100, (90, 5, 5), [90, 5, 5]),
        (100, (None, 5, 5), [90, 5, 5]),
        (100, np.array([50, 50]), [50, 50]),
        (100, np.array([0.5, 0.5]), [50, 50]),
    ],
)
def test_parts_to_the_nearest(total, parts, expected):
    assert part_counts(total, parts, "split") == expected


@pytest.mark.parametrize(
    ("parts", "error", "says"),
    [
        ((60, 20, 20), ValueError, "add up to 1,000"),
        ((0.6, 0.2), ValueError, "together 1"),
        ((0.6, 0.6, -0.2), ValueError, "none negative"),
        ((0.6, float("nan")), ValueError, "finite"),
        ("60/20", ValueError, "together 100"),
        ("60/x", ValueError, "not percentages"),
        ("60/1/0/", ValueError, "not percentages"),
        ((0.5, 500), TypeError, "all floats"),
        ((True, 999), TypeError, "all floats"),
        ((None, None, 10), ValueError, "one may"),
        ((None, 1001), ValueError, "add up"),
        (0.6, TypeError, r"must be like \(0.6"),
        ((), TypeError, "must be like"),
        ((0.25, 0.25, 0.25, 0.25), ValueError, "two .* or three"),
        ((1.0, 0.0), ValueError, "at least one"),
        ("99.99/0.01", ValueError, "at least one"),
    ],
)
def test_parts_that_are_none(parts, error, says):
    with pytest.raises(error, match=says):
        train_dev_test_split(*examples([500, 500]), parts)


def check_table(classes, parts):
    table = allot(classes, parts)
    total = sum(classes)
    assert [sum(row) for row in table] == classes
    assert [sum(column) for column in zip(*table, strict=True)] == parts
    for c, row in zip(classes, table, strict=True):
        for p, count in zip(parts, row, strict=True):
            assert c * p // total <= count <= -(-c * p // total), (classes, parts, table)


def test_every_small_table_is_within_one_of_proportional():
    for classes in itertools.product(range(1, 5), repeat=3):
        total = sum(classes)
        for first, second in itertools.product(range(total + 1), repeat=2):
            if first + second <= total:
                check_table(list(classes), [first, second, total - first - second])


@given(st.lists(st.integers(1, 300), min_size=1, max_size=40), st.data())
def test_tables_are_within_one_of_proportional(classes, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, sum(classes)), min_size=1, max_size=4)))
    edges = [0, *cuts, sum(classes)]
    check_table(classes, [b - a for a, b in itertools.pairwise(edges)])


# ---- one source ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stratify", [True, False])
@pytest.mark.parametrize("parts", ["60/20/20", (0.98, 0.01, 0.01), (700, 200, 100)])
def test_parts_are_the_whole_and_share_nothing(stratify, parts):
    x, y = examples([500, 300, 200])
    split = train_dev_test_split(x, y, parts, stratify=stratify, seed=3)
    taken = np.concatenate([part.indices for part in split])
    np.testing.assert_array_equal(np.sort(taken), np.arange(1000))
    for part in split:
        assert part.indices.dtype == np.int64
        np.testing.assert_array_equal(part.x, x[part.indices])
        np.testing.assert_array_equal(part.y, y[part.indices])
        assert not np.shares_memory(part.x, x)


def test_stratified_classes_are_to_the_nearest():
    split = train_dev_test_split(*examples([501, 302, 197]), "60/20/20")
    assert [len(part) for part in split] == [600, 200, 200]
    for part in split:
        exact = len(part) * np.array([0.501, 0.302, 0.197])
        assert np.abs(np.bincount(part.y) - exact).max() < 1


def test_parts_are_in_random_order():
    """Not class by class: what reads a part without shuffling sees all classes alike."""
    correlations = []
    for seed in range(100):
        for part in train_dev_test_split(*examples([500, 500]), (0.5, 0.25, 0.25), seed=seed):
            place = np.arange(len(part))
            correlations.append(np.corrcoef(place, part.indices)[0, 1] * np.sqrt(len(part)))
    # Of random orders they are normal with deviation 1.
    assert np.std(correlations) == pytest.approx(1, abs=0.15)
    assert np.mean(correlations) == pytest.approx(0, abs=0.3)


def test_the_seed_decides_and_always_did():
    x, y = examples([6, 4])
    split = train_dev_test_split(x, y, "60/20/20", seed=7)
    again = train_dev_test_split(x, y, "60/20/20", seed=7)
    other = train_dev_test_split(x, y, "60/20/20", seed=8)
    for a, b in zip(split, again, strict=True):
        np.testing.assert_array_equal(a.indices, b.indices)
    assert split.train.indices.tolist() != other.train.indices.tolist()
    assert [part.indices.tolist() for part in split] == PINNED


# What seed 7 gave when this was written; it may never give anything else.
PINNED = [[6, 9, 2, 4, 0, 3], [8, 5], [1, 7]]


def test_order_is_that_of_raw_numbers():
    raw = np.random.PCG64(np.random.SeedSequence(5, spawn_key=(0, 9))).random_raw(100)
    assert permutation(100, 5, 0, 9).tolist() == sorted(range(100), key=lambda i: raw[i])


def test_all_orders_are_as_likely():
    counts = np.zeros((4, 4))
    for seed in range(2000):
        counts[np.arange(4), permutation(4, seed)] += 1
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500 * 0.75)


def test_no_test_set_is_said():
    with pytest.warns(SplitNotice, match="no test set"):
        split = train_dev_test_split(*examples([70, 30]), "70/30")
    assert split.test is None
    assert len(list(split)) == 2
    assert "no test set" in str(split)
    train, dev = split
    assert (len(train), len(dev)) == (70, 30)


def test_the_report_has_the_numbers():
    split = train_dev_test_split(*examples([600, 400]), "60/20/20", seed=5)
    text = str(split)
    assert "1,000 examples, stratified, seed 5" in text
    (train, dev) = (next(line for line in text.splitlines() if line.startswith(name))
                    for name in ("train", "dev"))  # fmt: skip
    assert train.split() == ["train", "600", "60.0%", "2", "240", "360", "0.17%"]
    assert dev.split() == ["dev", "200", "20.0%", "2", "80", "120", "0.50%"]
    assert "no test set" not in text


def test_a_missing_class_is_a_warning():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        split = train_dev_test_split(*examples([200, 1]), (100, 50, 51))
    said = [str(warning.message) for warning in caught]
    assert {warning.category for warning in caught} == {SplitWarning}
    assert said == split.problems
    without = [name for name, part in split.parts.items() if 1 not in part.y]
    assert said == [f"{name} has no example of class 1" for name in without]
    assert len(without) == 2
    assert caught[0].filename == __file__
    assert f"warning: {said[0]}" in str(split)


def test_a_part_of_other_classes_is_a_warning(monkeypatch):
    """Chance does not do that often: here the order is none, and the labels are in blocks."""
    from fastconv.data import split as module

    monkeypatch.setattr(module, "permutation", lambda count, *seed: np.arange(count))
    with pytest.warns(SplitWarning) as caught:
        train_dev_test_split(*examples([500, 500]), (0.6, 0.2, 0.2), stratify=False)
    said = "\n".join(str(warning.message) for warning in caught)
    assert "test has no example of class 0" in said
    assert "the classes of train are distributed otherwise than in the whole" in said
    assert "chi-square" in said


def test_chance_stays_below_the_threshold():
    """And the statistic's mean is its degrees of freedom, though much of the whole is taken."""
    whole = np.repeat(np.arange(3), [500, 300, 200])
    found = [class_distance(whole[permutation(1000, seed)[:400]], whole) for seed in range(3000)]
    statistics = np.array([statistic for statistic, _, _ in found])
    assert np.mean(statistics) == pytest.approx(2, abs=5 * 2 / np.sqrt(3000))
    assert np.count_nonzero(statistics > found[0][2]) <= 10  # 3 are expected, or fewer


def test_a_part_that_is_too_small_to_tell_says_so():
    split = train_dev_test_split(*examples([500, 500]), (990, 5, 5))
    assert any("dev is too small" in note for note in split.notes)
    assert not any("train is too small" in note for note in split.notes)


# ---- the statistic -------------------------------------------------------------------------------


def test_the_statistic_by_hand():
    whole = np.repeat([0, 1], [60, 40])
    statistic, freedom, limit = class_distance(np.repeat([0, 1], [6, 14]), whole)
    # Expected 12 and 8; 36/12 + 36/8 = 7.5; (100 - 1) / (100 - 20)
    assert statistic == pytest.approx(7.5 * 99 / 80)
    assert freedom == 1
    assert limit == pytest.approx(10.83, rel=0.035)  # chi-square's 99.9 % by tables


@pytest.mark.parametrize(
    ("freedom", "table"), [(2, 13.816), (5, 20.515), (9, 27.877), (99, 148.23)]
)
def test_the_limit_is_that_of_tables(freedom, table):
    whole = np.repeat(np.arange(freedom + 1), 100)
    _, found, limit = class_distance(whole[::2], whole)
    assert found == freedom
    assert table * 0.999 <= limit <= table * 1.025


def test_rare_classes_are_put_together():
    whole = np.repeat(np.arange(4), [500, 480, 10, 10])
    # Expected of 100: 50, 48, 1, 1; the two, and then 48, make a group of 50.
    statistic, freedom, _ = class_distance(np.repeat(np.arange(3), [50, 48, 2]), whole)
    assert (statistic, freedom) == (0, 1)


def test_one_class_tells_nothing():
    assert class_distance(np.zeros(5, int), np.zeros(50, int)) == (0, 0, 0)


# ---- two sources ---------------------------------------------------------------------------------


def sources(web=(300, 300), phone=(100, 100)):
    x, y = examples(web)
    other, labels = examples(phone)
    return (x, y), (-1 - other, labels)


def test_dev_and_test_are_of_the_target_alone():
    web, phone = sources()
    split = mismatched_split(web, phone, train_dev=100, seed=1)
    assert {name: len(part) for name, part in split.parts.items()} == {
        "train": 500,
        "train-dev": 100,
        "dev": 100,
        "test": 100,
    }
    for part in (split.train, split.train_dev):
        assert (part.source == 0).all()
        np.testing.assert_array_equal(part.x, web[0][part.indices])
    for part in (split.dev, split.test):
        assert (part.source == 1).all()
        np.testing.assert_array_equal(part.x, phone[0][part.indices])
        np.testing.assert_array_equal(part.y, phone[1][part.indices])
    assert [len(part) for part in split] == [500, 100, 100]  # train, dev, test
    assert "0.0% from the target" in str(split)


def test_a_share_of_the_target_is_trained_on_and_train_dev_has_it_too():
    web, phone = sources()
    split = mismatched_split(web, phone, (0.5, 0.25, 0.25), train_dev=0.1, seed=1)
    pool = [split.train, split.train_dev]
    assert [len(part) for part in pool] == [630, 70]
    assert [int(part.source.sum()) for part in pool] == [90, 10]
    kinds = list(split.parts.values())
    everything = np.concatenate([part.x for part in kinds])
    np.testing.assert_array_equal(np.sort(everything), np.sort(np.concatenate([web[0], phone[0]])))
    for part in kinds:
        from_web, from_phone = part.source == 0, part.source == 1
        np.testing.assert_array_equal(part.x[from_web], web[0][part.indices[from_web]])
        np.testing.assert_array_equal(part.x[from_phone], phone[0][part.indices[from_phone]])
    assert "from the train source, 14.3% from the target" in str(split)
    assert "shares of their classes differ by 0.0%" in str(split)
    other = mismatched_split(sources((100, 300))[0], sources((50, 50))[1])
    assert "shares of their classes differ by 25.0%" in str(other)


def test_mismatched_split_is_the_seeds():
    web, phone = sources()
    one, two = (mismatched_split(Dataset(*web), Dataset(*phone), seed=4) for _ in range(2))
    for a, b in zip(one.parts.values(), two.parts.values(), strict=True):
        np.testing.assert_array_equal(a.indices, b.indices)


def test_a_class_that_cannot_be_learnt_is_a_warning():
    web, phone = sources(web=(300,), phone=(50, 50))
    with pytest.warns(SplitWarning, match="no example of the target's class 1"):
        mismatched_split(web, phone)


def test_mismatched_split_without_test_set_says_so():
    with pytest.warns(SplitNotice, match="no test set"):
        split = mismatched_split(*sources(), (0.5, 0.5, 0.0))
    assert split.test is None


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"target_parts": (0.5, 0.5)}, ValueError, "to train on, dev, test"),
        ({"target_parts": (1.0, 0.0, 0.0)}, ValueError, "at least one example for dev"),
        ({"train_dev": 600}, ValueError, "leaves both parts"),
        ({"train_dev": 0}, ValueError, "leaves both parts"),
        ({"train_dev": 1.5}, ValueError, "share between 0 and 1"),
        ({"train_dev": True}, ValueError, "share between 0 and 1"),
        ({"seed": 1.0}, TypeError, "seed must be an int"),
        ({"seed": -1}, ValueError, "2\\*\\*128"),
        ({"target_source": (np.zeros((9, 2)), np.zeros(9, int))}, ValueError, "alike"),
        ({"target_source": np.zeros(9)}, TypeError, "pair"),
    ],
)
def test_mismatched_arguments(change, error, says):
    web, phone = sources()
    arguments = {"train_source": web, "target_source": phone} | change
    with pytest.raises(error, match=says):
        mismatched_split(**arguments)


# ---- datasets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "error", "says"),
    [
        ([1.0], np.array([1]), TypeError, "x must be a NumPy array"),
        (np.zeros(2), [0, 1], TypeError, "y must be a NumPy array"),
        (np.zeros(2), np.zeros(2), TypeError, "integers"),
        (np.zeros(2), np.array(["a", "b"]), TypeError, "return_inverse"),
        (np.array(["a"]), np.array([1]), TypeError, "of numbers"),
        (np.zeros(2), np.zeros(3, int), ValueError, "a label for each"),
        (np.zeros(2), np.zeros((2, 1), int), ValueError, "a label for each"),
        (np.float64(3), np.int64(2), TypeError, "NumPy array"),
    ],
)
def test_datasets_that_are_none(x, y, error, says):
    with pytest.raises(error, match=says):
        Dataset(x, y)
