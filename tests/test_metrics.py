"""Metrics by hand, against their definitions as loops, and with what they refuse."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastconv import metrics

PREDICTED = np.array([0, 0, 1, 1, 1, 2, 2, 0])
LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2])


def test_examples_of_the_docstrings():
    assert doctest.testmod(metrics).failed == 0


def test_by_hand():
    assert metrics.accuracy(PREDICTED, LABELS) == 5 / 8
    matrix = metrics.confusion_matrix(PREDICTED, LABELS)
    assert matrix.tolist() == [[2, 1, 0], [0, 2, 1], [1, 0, 1]]
    assert matrix.dtype == np.int64
    found = metrics.precision_recall_f1(PREDICTED, LABELS)
    np.testing.assert_allclose(found.precision, [2 / 3, 2 / 3, 1 / 2])
    np.testing.assert_allclose(found.recall, [2 / 3, 2 / 3, 1 / 2])
    np.testing.assert_allclose(found.f1, [2 / 3, 2 / 3, 1 / 2])
    assert found.support.tolist() == [3, 3, 2]
    assert found.macro == pytest.approx((11 / 18,) * 3)
    assert found.micro == (5 / 8,) * 3


def test_precision_and_recall_are_not_exchanged():
    predicted, labels = np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])
    assert metrics.precision(predicted, labels).tolist() == [1, pytest.approx(1 / 3)]
    assert metrics.recall(predicted, labels).tolist() == [pytest.approx(1 / 3), 1]
    assert metrics.f1_score(predicted, labels).tolist() == [0.5, 0.5]
    for name in ("precision", "recall", "f1_score"):
        of = getattr(metrics, name)
        assert of(predicted, labels, "macro") == pytest.approx(of(predicted, labels).mean())
        assert of(predicted, labels, "micro") == 0.5
        with pytest.raises(ValueError, match="average must be"):
            of(predicted, labels, "weighted")


def test_scores_mean_their_highest_and_the_first_of_equals():
    scores = np.array([[0.1, 0.7, 0.2], [0.4, 0.4, 0.2], [0.0, 0.0, 0.0]], np.float32)
    labels = np.array([1, 1, 0], np.uint8)
    assert metrics.accuracy(scores, labels) == 2 / 3
    assert metrics.confusion_matrix(scores, labels).tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert metrics.top_k_accuracy(scores, labels, 1) == 2 / 3
    assert metrics.top_k_accuracy(scores, labels, 2) == 1
    assert metrics.top_k_accuracy(-np.abs(scores), np.array([2, 0, 2]), 3) == 1


def test_a_constant_network_is_not_right_about_everything():
    scores = np.zeros((10, 10))
    for k in range(1, 11):
        assert metrics.top_k_accuracy(scores, np.arange(10), k) == k / 10


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60))
def test_against_the_definitions(pairs):
    predicted, labels = (np.array(column) for column in zip(*pairs, strict=True))
    found = metrics.precision_recall_f1(predicted, labels, 6)
    for c in range(6):
        hits = sum(p == l == c for p, l in pairs)  # noqa: E741
        taken, there = sum(p == c for p, _ in pairs), sum(true == c for _, true in pairs)
        precision = hits / taken if taken else 0
        recall = hits / there if there else 0
        assert found.precision[c] == precision
        assert found.recall[c] == recall
        f1 = 2 * precision * recall / (precision + recall) if hits else 0
        assert found.f1[c] == pytest.approx(f1)
        assert found.support[c] == there


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_top_k_against_sorting(k, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (20, 6)).astype(np.float64)  # with equal ones
    labels = rng.integers(0, 6, 20)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    expected = np.mean([label in row for label, row in zip(labels, best, strict=True)])
    assert metrics.top_k_accuracy(scores, labels, k) == expected


@pytest.mark.parametrize("value", [0.0, 1.0, float("nan")])
def test_zero_divided_by_zero_is_what_was_asked_for(value):
    """Class 1 is never predicted, class 2 does not occur, class 3 neither."""
    predicted, labels = np.array([0, 0, 2]), np.array([0, 1, 0])
    found = metrics.precision_recall_f1(predicted, labels, 4, value)
    np.testing.assert_array_equal(found.precision, [0.5, value, 0, value])
    np.testing.assert_array_equal(found.recall, [0.5, 0, value, value])
    np.testing.assert_array_equal(found.f1, [0.5, 0, 0, value])
    # Class 3 is in no mean; nan in none either.
    expected = np.nanmean([0.5, value, 0])
    assert found.macro[0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="zero_division"):
        metrics.precision_recall_f1(predicted, labels, 4, 0.5)


def test_report():
    text = metrics.classification_report(np.array([0, 0, 1]), np.array([0, 2, 1]), ["a", "b", "cc"])
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["precision", "recall", "F1", "examples"]
    assert lines[1] == ["a", "0.500", "1.000", "0.667", "1"]
    assert lines[3] == ["cc", "0.000", "0.000", "0.000", "1"]
    assert lines[4] == ["macro", "mean", "0.500", "0.667", "0.556", "3"]
    assert lines[5] == ["accuracy", "0.667", "3"]
    assert text.splitlines()[6] == "never predicted: cc; 0 / 0 is shown as 0"
    scores = np.eye(3)[[0, 0, 1]]
    assert metrics.classification_report(scores, np.array([0, 2, 1]), ["a", "b", "cc"]) == text


@pytest.mark.parametrize(
    ("predictions", "labels", "error", "says"),
    [
        ([0], np.array([0]), TypeError, "predictions must be a NumPy array"),
        (np.array([0]), [0], TypeError, "labels must be a NumPy array"),
        (np.array([0.0]), np.array([0]), TypeError, r"\(N,\) integers or \(N, K\) floats"),
        (np.array([[0]]), np.array([0]), TypeError, r"\(N, K\) floats"),
        (np.array([0]), np.array([0.0]), TypeError, "labels must be"),
        (np.array([0]), np.array([[0]]), TypeError, "labels must be"),
        (np.array([0, 1]), np.array([0]), ValueError, "2 predictions for 1 labels"),
        (np.array([], int), np.array([], int), ValueError, "no examples"),
        (np.array([0, -1]), np.array([0, 0]), ValueError, "prediction -1 of example 1"),
        (np.array([0, 0]), np.array([0, -1]), ValueError, "label -1 of example 1"),
        (np.zeros((2, 3)), np.array([0, 3]), ValueError, "label 3 of example 1 is not in 0 … 2"),
        (np.array([[0, np.nan]]), np.array([0]), ValueError, "example 0 have nan"),
        (np.zeros((1, 0)), np.array([0]), ValueError, "no classes"),
    ],
)
def test_unfit_arguments(predictions, labels, error, says):
    for of in (metrics.accuracy, metrics.confusion_matrix, metrics.classification_report):
        with pytest.raises(error, match=says):
            of(predictions, labels)


def test_numbers_that_do_not_fit():
    with pytest.raises(ValueError, match="not in 0 … 1"):
        metrics.confusion_matrix(PREDICTED, LABELS, 2)
    with pytest.raises(ValueError, match="at least 1"):
        metrics.confusion_matrix(PREDICTED, LABELS, 0)
    with pytest.raises(ValueError, match="scores are of 3 classes, not 4"):
        metrics.confusion_matrix(np.zeros((8, 3)), LABELS, 4)
    for k, error in ((0, ValueError), (4, ValueError), (1.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match="k must be"):
            metrics.top_k_accuracy(np.zeros((8, 3)), LABELS, k)
    with pytest.raises(TypeError, match="scores"):
        metrics.top_k_accuracy(PREDICTED, LABELS, 1)
