"""Cats and faces from raw pixels: what logistic regression has learned, and on what to ask it.

    answer = wᵀx + b > 0: each pixel has one weight, in each image the same

It is asked about squares that it was not trained on. But squares of one photograph resemble each
other: with some of them in the training set, the others are no test of whether it knows cats. Only
photographs that it has never seen are.
"""

import importlib
from typing import Any

import course
import numpy as np
import photographs

from fastconv import metrics
from fastconv.pictures import panels

logistic = importlib.import_module("13_logistic_regression")
SIDE = logistic.SIDE
FOLDS = 5


def folds(count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Five parts of the examples, at random: for each (count,) bool, which are held out."""
    part = rng.permutation(np.arange(count) % FOLDS)
    return [part == k for k in range(FOLDS)]


def cross_validated(
    x: np.ndarray, y: np.ndarray, held_out: list[np.ndarray], rate: float, steps: int
) -> tuple[float, float]:
    """Share of right answers on what was trained on, and on what was held out, over all folds."""
    right_seen, right_new, new = [], 0, 0
    for out in held_out:
        mean = x[:, ~out].mean(axis=1, keepdims=True)  # what is held out is not looked at
        w, b, _ = logistic.learn(x[:, ~out] - mean, y[~out], rate, steps)
        answers = w @ (x - mean) + b > 0
        right_seen.append(metrics.accuracy(answers[~out].astype(int), y[~out]))
        right_new += int(np.sum(answers[out] == y[out]))
        new += int(out.sum())
    return float(np.mean(right_seen)), right_new / new


def photograph_folds(numbers: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Five parts, each with all squares of one cat and of two other photographs."""
    order = FOLDS + rng.permutation(len(photographs.OTHERS))  # there are as many cats as folds
    return [np.isin(numbers, [k, *order[k::FOLDS]]) for k in range(FOLDS)]


def main(lesson: course.Lesson) -> dict[str, Any]:
    """How often cats and faces are told from what is none."""
    squares, cats, numbers = photographs.cat_crops(SIDE, 20, lesson.seed)
    x = squares.reshape(len(squares), -1).T / 255
    face_squares, is_face = photographs.faces()
    face_x = face_squares.reshape(len(face_squares), -1).T
    steps = 200 if lesson.quick else 1000
    asked = {
        "cats, on other squares": (x, cats, folds(len(cats), lesson.rng), logistic.RATE, steps),
        "cats, on other photographs": (
            x, cats, photograph_folds(numbers, lesson.rng), logistic.RATE, steps,
        ),
        "faces, on other squares": (face_x, is_face, folds(200, lesson.rng), 0.05, steps),
    }  # fmt: skip
    found = {name: cross_validated(*what) for name, what in asked.items()}
    rows = [(name, f"{100 * seen:.1f} %", f"{100 * new:.1f} %")
            for name, (seen, new) in found.items()]  # fmt: skip
    header = ("asked about", "right, of the training set", "right, of what was held out")
    lesson.table("accuracy", header, rows, within=np.inf)
    w, _, _ = logistic.learn(x - x.mean(axis=1, keepdims=True), cats, logistic.RATE, steps)
    face_w, _, _ = logistic.learn(face_x - face_x.mean(axis=1, keepdims=True), is_face, 0.05, steps)
    names = np.array([*photographs.CATS, *photographs.OTHERS])
    free = np.isin(names[numbers], photographs.FREE)  # of the others no square is shown
    lesson.picture("weights", picture(squares[free], cats[free], w, face_squares, face_w))
    return found


def picture(
    squares: np.ndarray, cats: np.ndarray, w: np.ndarray, faces: np.ndarray, face_w: np.ndarray
) -> Any:
    """Some of the squares, and the weights as images of the same form."""
    rows = []
    for kind, caption in ((1, "a cat"), (0, "no cat")):
        some = squares[cats == kind]
        four = some[:: len(some) // 4][:4]
        rows.append([panels.Picture(square, caption, scale=2) for square in four])
    colours = w.reshape(SIDE, SIDE, 3)
    colours = np.clip(colours / np.quantile(np.abs(colours), 0.99), -1, 1)
    colours = np.rint(127.5 * (1 + colours)).astype(np.uint8)
    of_faces = panels.signed(face_w.reshape(faces.shape[1:]))
    rows[0].append(panels.Picture(colours, "weights, cats", "grey is 0", 2))
    rows[1].append(panels.Picture(of_faces, "weights, faces", "red for a face", 5))
    return panels.draw(rows, "What is added up", "each number of an image times its weight")


if __name__ == "__main__":
    course.run(__file__, main)
