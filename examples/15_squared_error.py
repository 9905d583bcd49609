"""Why the loss of a classifier is not the squared error: its cost has plateaus and is not convex.

    a = σ(wᵀx + b)
    squared error   J = 1/m Σ (a - y)²                       of one example dJ/dz = 2 (a-y) a (1-a)
    cross-entropy   J = 1/m Σ -(y log a + (1-y) log(1-a))    of one example dJ/dz = a - y

Where the answer is wrong and sure, a (1 - a) is nearly 0: the squared error has no slope just where
the step should be largest. Along any line through the space of weights, cross-entropy is convex:
its second derivative is a mean of (x · direction)² a (1 - a), which is never negative.
"""

from typing import Any

import course
import numpy as np

from fastconv import data
from fastconv.pictures import charts
from fastconv.pictures.canvas import BLUE, ORANGE

DIGITS = (4, 9)
REACH = 6  # how many times the learned weights, both ways


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def squared_error(z: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The cost, and the mean size of dJ/dz of an example."""
    a = sigmoid(z)
    return float(np.mean((a - y) ** 2)), float(np.mean(np.abs(2 * (a - y) * a * (1 - a))))


def cross_entropy(z: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The same of cross-entropy."""
    return float(np.mean(np.logaddexp(0, z) - y * z)), float(np.mean(np.abs(sigmoid(z) - y)))


def main(lesson: course.Lesson) -> dict[str, Any]:
    """Both costs of telling fours from nines, along the line from wrong weights to good ones."""
    images, labels = data.digits()
    chosen = np.isin(labels, DIGITS)
    x = images[chosen].reshape(chosen.sum(), -1).T / 255
    x = x - x.mean(axis=1, keepdims=True)
    y = (labels[chosen] == DIGITS[1]).astype(float)

    w = np.zeros(len(x))
    for _ in range(200):
        w -= 0.5 * x @ (sigmoid(w @ x) - y) / len(y)

    places = np.linspace(-REACH, REACH, 241)
    costs = {}
    for name, cost in (("squared error", squared_error), ("cross-entropy", cross_entropy)):
        costs[name] = np.array([cost(t * (w @ x), y) for t in places])
    rows = []
    for name, values in costs.items():
        curvature = np.diff(values[:, 0], 2) / (places[1] - places[0]) ** 2
        at_wrong, slope = values[0]
        rows.append((
            name, f"{at_wrong:.3g}", f"{slope:.3f}", f"{curvature.min():.3g}",
            "yes" if curvature.min() > -1e-9 else "no",
        ))  # fmt: skip
    header = ("cost", f"at -{REACH} times", "mean size of dJ/dz", "least curvature", "convex")
    lesson.table("costs", header, rows, within=1e-3)
    chart = [
        charts.Panel(
            name.capitalize(),
            [charts.Line("", places, values[:, 0], colour)],
            "weights, in multiples of those that were learned",
        )
        for (name, values), colour in zip(costs.items(), (ORANGE, BLUE), strict=True)
    ]
    lesson.picture("costs", charts.draw(chart, f"Telling {DIGITS[0]} from {DIGITS[1]}"))
    return costs


if __name__ == "__main__":
    course.run(__file__, main)
