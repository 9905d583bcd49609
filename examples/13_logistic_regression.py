"""Logistic regression: is it a cat? Derived by hand; in loops, in vectors, and by fastconv.nn.

    x  an image as a column of numbers, 64 · 64 · 3 = 12,288 of them; y is 1 for a cat, else 0
    z = wᵀx + b,    a = σ(z) = 1 / (1 + e^-z), the probability of a cat

    loss, of one example    L(a, y) = -(y log a + (1 - y) log(1 - a))
    cost, of all m          J(w, b) = 1/m Σ L(a⁽ⁱ⁾, y⁽ⁱ⁾)

    backwards    dL/da = -y/a + (1 - y)/(1 - a),    da/dz = a (1 - a),    and so dL/dz = a - y
                 dJ/dw = 1/m Σ x⁽ⁱ⁾ (a⁽ⁱ⁾ - y⁽ⁱ⁾) = 1/m X (A - Y)ᵀ,    dJ/db = 1/m Σ (a⁽ⁱ⁾ - y⁽ⁱ⁾)

With the examples as columns of X (n, m), all sums over examples and pixels are products of
matrices: no loop is left, and the machine computes in vectors.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import course
import numpy as np
import photographs

from fastconv import Tensor, nn
from fastconv import functional as F
from fastconv.pictures import charts
from fastconv.pictures.canvas import BLUE

Gradients = tuple[float, np.ndarray, float]  # cost, dJ/dw, dJ/db
SIDE = 64
RATE = 0.005


def two_loops(w: np.ndarray, b: float, x: np.ndarray, y: np.ndarray) -> Gradients:
    """As the formulas say it: over examples, and for each over its pixels."""
    n, m = x.shape
    cost, dw, db = 0.0, [0.0] * n, 0.0
    weights, pixels, labels = w.tolist(), x.T.tolist(), y.tolist()
    for i in range(m):
        z = b
        for j in range(n):
            z += weights[j] * pixels[i][j]
        a = 1 / (1 + math.exp(-z))
        cost += -(labels[i] * math.log(a) + (1 - labels[i]) * math.log(1 - a))
        dz = a - labels[i]
        for j in range(n):
            dw[j] += pixels[i][j] * dz
        db += dz
    return cost / m, np.array(dw) / m, db / m


def loop_over_examples(w: np.ndarray, b: float, x: np.ndarray, y: np.ndarray) -> Gradients:
    """Products of vectors for the pixels; one loop is left."""
    m = x.shape[1]
    cost, dw, db = 0.0, np.zeros_like(w), 0.0
    for i in range(m):
        a = 1 / (1 + np.exp(-(w @ x[:, i] + b)))
        cost += -(y[i] * np.log(a) + (1 - y[i]) * np.log(1 - a))
        dz = a - y[i]
        dw += x[:, i] * dz
        db += dz
    return cost / m, dw / m, db / m


def vectorised(w: np.ndarray, b: float, x: np.ndarray, y: np.ndarray) -> Gradients:
    """No loop. log a = -log(1 + e^-z) is computed as such: it stays finite where a rounds to 0."""
    m = x.shape[1]
    z = w @ x + b
    a = 1 / (1 + np.exp(-z))
    cost = np.mean(np.logaddexp(0, z) - y * z)
    dz = a - y
    return float(cost), x @ dz / m, float(dz.mean())


def by_nn(w: np.ndarray, b: float, x: np.ndarray, y: np.ndarray) -> Gradients:
    """A linear layer with one output; the gradients come from the recorded graph."""
    layer = nn.Linear(len(w), 1, dtype=w.dtype)
    layer.load_state_dict({"weight": w[np.newaxis], "bias": np.array([b])})
    cost = F.binary_cross_entropy_with_logits(layer(Tensor(x.T))[:, 0], Tensor(y.astype(w.dtype)))
    cost.backward()
    return cost.item(), layer.weight.grad.numpy()[0], layer.bias.grad.item()


FORMS: dict[str, Callable[..., Gradients]] = {
    "two loops": two_loops,
    "loop over examples": loop_over_examples,
    "no loop": vectorised,
    "fastconv.nn": by_nn,
}


def learn(
    x: np.ndarray, y: np.ndarray, rate: float, steps: int
) -> tuple[np.ndarray, float, list[float]]:
    """Gradient descent from zero: w ← w - rate · dJ/dw; (w, b, the cost before each step)."""
    w, b, costs = np.zeros(len(x), x.dtype), 0.0, []
    for _ in range(steps):
        cost, dw, db = vectorised(w, b, x, y)
        costs.append(cost)
        w = w - rate * dw
        b = b - rate * db
    return w, b, costs


def main(lesson: course.Lesson) -> dict[str, Any]:
    """Each form's time, how far they differ, and the cost of gradient descent."""
    squares, y, _ = photographs.cat_crops(SIDE, 20, lesson.seed)
    x = squares.reshape(len(squares), -1).T / 255
    some = x[::16] if lesson.quick else x
    w = lesson.rng.normal(0, 0.01, len(some))
    times, results = {}, {}
    for name, form in FORMS.items():
        begun = time.perf_counter()
        results[name] = form(w, 0.1, some, y)
        times[name] = time.perf_counter() - begun
        lesson.say(f"{name:<20} {1000 * times[name]:8.1f} ms")
    rows = [
        (name, f"{cost:.6f}", f"{np.linalg.norm(dw):.6f}", f"{db:.6f}")
        for name, (cost, dw, db) in results.items()
    ]
    lesson.table("forms", ("form", "cost", "norm of dJ/dw", "dJ/db"), rows, within=1e-5)

    steps = 100 if lesson.quick else 1000
    _, _, costs = learn(x - x.mean(axis=1, keepdims=True), y, RATE, steps)
    line = charts.Line("", np.arange(steps), np.array(costs), BLUE)
    panel = charts.Panel("Cost", [line], "step of gradient descent")
    lesson.picture("cost", charts.draw([panel], "A cat or not: logistic regression on pixels"))
    return {"times": times, "results": results, "costs": costs}


if __name__ == "__main__":
    course.run(__file__, main)
