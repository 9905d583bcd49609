"""How good a classifier is: accuracy, confusion, precision, recall and F1 of every class.

All functions take what was predicted first and the true labels second, as
``fastconv.functional.cross_entropy`` does (scikit-learn has them the other way round):

    predictions: (N,) integers, the predicted classes; or (N, K) floats, scores of K classes, of
        which the highest is the prediction (of equal ones the first).
    labels: (N,) integers, the true classes, in 0 … K - 1.

They raise TypeError for what is no array or of an unfit dtype; ValueError where lengths differ,
there are no examples, a label or prediction is out of range, or a score is not a number.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "ClassMetrics",
    "accuracy",
    "classification_report",
    "confusion_matrix",
    "f1_score",
    "precision",
    "precision_recall_f1",
    "recall",
    "top_k_accuracy",
]


@dataclass(frozen=True, eq=False)
class ClassMetrics:
    """Precision, recall and F1 of each class, and their means.

    Attributes:
        precision, recall, f1: (K,) float64.
        support: (K,) int64, examples of each class.
        macro: (precision, recall, f1), the mean over classes that are among the labels or the
            predictions: every class counts alike, however rare.
        micro: (precision, recall, f1) of all decisions together; where each example has one label
            and one prediction, all three are the accuracy.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    macro: tuple[float, float, float]
    micro: tuple[float, float, float]


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose prediction is right; 1 minus the error rate.

    >>> accuracy(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1]))
    0.5
    """
    predicted, labels, _ = _checked("accuracy", predictions, labels, None)
    return float(np.mean(predicted == labels))


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int = 5) -> float:
    """Share of examples whose true class is among the k with the highest scores.

    Of classes with equal scores the one with the lower number comes first, so that a constant
    network is not right about everything.

    Args:
        scores: (N, K) floats; k: 1 … K.

    >>> top_k_accuracy(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), 2)
    0.5
    """
    if not isinstance(scores, np.ndarray) or scores.ndim != 2:
        raise TypeError("top_k_accuracy: scores must be an array (N, K) of floats")
    _, labels, classes = _checked("top_k_accuracy", scores, labels, None)
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise TypeError(f"top_k_accuracy: k must be an int, not {type(k).__name__}")
    if not 1 <= k <= classes:
        raise ValueError(f"top_k_accuracy: k must be in 1 … {classes}, the classes, not {k}")
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(classes) < labels[:, None]
    ahead = (scores > own) | ((scores == own) & before)
    return float(np.mean(np.count_nonzero(ahead, axis=1) < k))


def confusion_matrix(
    predictions: np.ndarray, labels: np.ndarray, classes: int | None = None
) -> np.ndarray:
    """How often each class was taken for each.

    Args:
        classes: their number K; None: that of the scores, or 1 + the highest number that occurs.

    Returns:
        (K, K) int64: entry [i, j] counts the examples of class i that were taken for class j.

    >>> confusion_matrix(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    """
    predicted, labels, count = _checked("confusion_matrix", predictions, labels, classes)
    pairs = np.bincount(labels * count + predicted, minlength=count * count)
    return pairs.reshape(count, count).astype(np.int64)


def precision_recall_f1(
    predictions: np.ndarray,
    labels: np.ndarray,
    classes: int | None = None,
    zero_division: float = 0.0,
) -> ClassMetrics:
    """Precision, recall and F1 of every class.

    Formula:
        precision = hits / examples that were taken for the class
        recall = hits / examples of the class
        F1 = 2 hits / (examples that were taken for it + examples of it), the harmonic mean of both

    Args:
        classes: as for ``confusion_matrix``.
        zero_division: what 0 / 0 is taken for: the precision of a class that was never predicted,
            the recall of one that does not occur, F1 of one that is neither. 0, 1 or nan.

    Source:
        C. van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7; zero_division as
        in scikit-learn.

    >>> found = precision_recall_f1(np.array([0, 1, 1, 1]), np.array([0, 1, 0, 1]))
    >>> found.recall.tolist(), found.macro[1]
    ([0.5, 1.0], 0.75)
    """
    if not (zero_division in (0, 1) or np.isnan(zero_division)):
        raise ValueError(f"precision_recall_f1: zero_division must be 0, 1 or nan, "
                         f"not {zero_division}")  # fmt: skip
    matrix = confusion_matrix(predictions, labels, classes)
    hits, taken, support = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    of_class = [
        _ratio(hits, taken, zero_division),
        _ratio(hits, support, zero_division),
        _ratio(2 * hits, taken + support, zero_division),
    ]
    present = taken + support > 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing but nan is nan
        means = [float(np.nanmean(values[present])) for values in of_class]
    right = float(hits.sum() / matrix.sum())
    return ClassMetrics(*of_class, support, tuple(means), (right, right, right))


def precision(
    predictions: np.ndarray,
    labels: np.ndarray,
    average: str | None = None,
    zero_division: float = 0.0,
) -> np.ndarray | float:
    """Of what was taken for a class, the share that is of it; see ``precision_recall_f1``.

    Args:
        average: None: (K,), one for each class; 'macro': their mean; 'micro': of all together.

    >>> precision(np.array([0, 1, 1]), np.array([0, 1, 0])).tolist()
    [1.0, 0.5]
    """
    return _one("precision", 0, predictions, labels, average, zero_division)


def recall(
    predictions: np.ndarray,
    labels: np.ndarray,
    average: str | None = None,
    zero_division: float = 0.0,
) -> np.ndarray | float:
    """Of the examples of a class, the share that was found; arguments as for ``precision``.

    >>> recall(np.array([0, 1, 1]), np.array([0, 1, 0])).tolist()
    [0.5, 1.0]
    """
    return _one("recall", 1, predictions, labels, average, zero_division)


def f1_score(
    predictions: np.ndarray,
    labels: np.ndarray,
    average: str | None = None,
    zero_division: float = 0.0,
) -> np.ndarray | float:
    """The harmonic mean of precision and recall; arguments as for ``precision``.

    >>> f1_score(np.array([0, 1, 1]), np.array([0, 1, 0]), "macro")
    0.6666666666666666
    """
    return _one("f1_score", 2, predictions, labels, average, zero_division)


def classification_report(
    predictions: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str] | None = None,
    zero_division: float = 0.0,
) -> str:
    """A table of every class's precision, recall, F1 and number of examples.

    Args:
        names: of the classes, as many as there are; None: their numbers.
        zero_division: see ``precision_recall_f1``.

    >>> print(classification_report(np.array([0, 1, 1]), np.array([0, 1, 0]), ["cat", "dog"]))
                precision   recall       F1  examples
    cat             1.000    0.500    0.667         2
    dog             0.500    1.000    0.667         1
    macro mean      0.750    0.750    0.667         3
    accuracy                          0.667         3
    """
    count = None if names is None else len(names)
    found = precision_recall_f1(predictions, labels, count, zero_division)
    shown = [str(name) for name in (range(len(found.support)) if names is None else names)]
    total = int(found.support.sum())
    width = max(len("macro mean"), *map(len, shown))
    lines = [f"{'':<{width}} {'precision':>10}{'recall':>9}{'F1':>9}{'examples':>10}"]
    rows = zip(shown, found.precision, found.recall, found.f1, found.support, strict=True)
    for name, p, r, f, n in [*rows, ("macro mean", *found.macro, total)]:
        lines.append(f"{name:<{width}} {p:>10.3f}{r:>9.3f}{f:>9.3f}{n:>10,}")
    lines.append(f"{'accuracy':<{width}} {'':>10}{'':>9}{found.micro[0]:>9.3f}{total:>10,}")
    never = [name for name, taken in zip(shown, _taken(predictions, len(shown)), strict=True)
             if not taken]  # fmt: skip
    if never:
        lines.append(f"never predicted: {', '.join(never)}; 0 / 0 is shown as {zero_division:g}")
    return "\n".join(lines)


def _taken(predictions: np.ndarray, count: int) -> np.ndarray:
    predicted = predictions.argmax(axis=1) if predictions.ndim == 2 else predictions
    return np.bincount(predicted, minlength=count)


def _one(
    who: str,
    which: int,
    predictions: np.ndarray,
    labels: np.ndarray,
    average: str | None,
    zero_division: float,
) -> np.ndarray | float:
    if average not in (None, "macro", "micro"):
        raise ValueError(f"{who}: average must be None, 'macro' or 'micro', not {average!r}")
    found = precision_recall_f1(predictions, labels, None, zero_division)
    if average == "macro":
        return found.macro[which]
    if average == "micro":
        return found.micro[which]
    return (found.precision, found.recall, found.f1)[which]


def _ratio(part: np.ndarray, whole: np.ndarray, zero_division: float) -> np.ndarray:
    return np.where(whole > 0, part / np.maximum(whole, 1), float(zero_division))


def _checked(
    who: str, predictions: np.ndarray, labels: np.ndarray, classes: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """(predicted classes, labels, number of classes), both int64 and in range."""
    for name, array in (("predictions", predictions), ("labels", labels)):
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{who}: {name} must be a NumPy array, not {type(array).__name__}")
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise TypeError(f"{who}: labels must be (N,) integers, not {labels.shape} {labels.dtype}")
    if classes is not None and classes < 1:
        raise ValueError(f"{who}: classes must be at least 1, not {classes}")
    if predictions.ndim == 2 and predictions.dtype.kind == "f":
        if classes is not None and classes != predictions.shape[1]:
            raise ValueError(
                f"{who}: the scores are of {predictions.shape[1]} classes, not {classes}"
            )
        if np.isnan(predictions).any():
            row = int(np.isnan(predictions).any(axis=1).argmax())
            raise ValueError(f"{who}: the scores of example {row} have nan among them")
        classes = predictions.shape[1]
        if not classes:
            raise ValueError(f"{who}: scores of no classes")
        predicted = predictions.argmax(axis=1)
    elif predictions.ndim == 1 and predictions.dtype.kind in "iu":
        predicted = predictions
    else:
        raise TypeError(
            f"{who}: predictions must be (N,) integers or (N, K) floats, not "
            f"{predictions.shape} {predictions.dtype}"
        )
    if len(predicted) != len(labels):
        raise ValueError(f"{who}: {len(predicted)} predictions for {len(labels)} labels")
    if not len(labels):
        raise ValueError(f"{who}: there are no examples")
    if classes is None:
        classes = 1 + max(int(predicted.max()), int(labels.max()))
    for name, values in (("label", labels), ("prediction", predicted)):
        wrong = (values < 0) | (values >= classes)
        if wrong.any():
            where = int(wrong.argmax())
            raise ValueError(
                f"{who}: {name} {values[where]} of example {where} is not in 0 … {classes - 1}"
            )
    return predicted.astype(np.int64), labels.astype(np.int64), classes
