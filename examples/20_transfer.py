"""Transfer: what a network has learned from a million photographs, used to learn from a hundred.

    features    the maps of a layer of SqueezeNet, trained on ImageNet, each replaced by its mean
    head        logistic regression on these numbers; the network below it is frozen

The question is that of the lesson on cats and faces: is there a cat on a square of a photograph,
none of which was in the training set? On raw pixels the answers were guesses.
"""

import importlib
from typing import Any

import course
import numpy as np
import photographs

from fastconv import Tensor, models, no_grad
from fastconv import functional as F
from fastconv.data import images
from fastconv.models.squeezenet import INPUT_SIZE
from fastconv.pictures import panels

logistic = importlib.import_module("13_logistic_regression")
LAYERS = ("fire3", "fire5", "fire9")
RATES = {"pixels": logistic.RATE, "fire3": 0.05, "fire5": 0.05, "fire9": 0.05}


def features(squares: np.ndarray) -> dict[str, np.ndarray]:
    """Of (N, 227, 227, 3) uint8 squares the pixels at the size of the lessons before, and the mean
    of each map of LAYERS: (numbers, N) each.
    """
    side = logistic.SIDE
    small = np.stack([images.resize(square, side, side) for square in squares])
    found = {"pixels": small.reshape(len(small), -1).T / np.float32(255)}
    network = models.SqueezeNet(form="caffe").eval()
    network.load_state_dict(models.load_squeezenet1_1())
    means: dict[str, list[np.ndarray]] = {layer: [] for layer in LAYERS}
    with no_grad():
        for square in squares:
            x = Tensor(models.preprocess_caffe(square))
            for name, layer in network.named_children():
                x = layer(x)
                if name in means:
                    means[name].append(F.global_avg_pool2d(x).numpy().reshape(-1))
                if name == LAYERS[-1]:  # of what comes after it nothing is needed
                    break
    for layer, columns in means.items():
        x = np.stack(columns, axis=1)
        found[layer] = x / x.std()
    return found


def without_each(
    x: np.ndarray, y: np.ndarray, numbers: np.ndarray, rate: float, steps: int
) -> np.ndarray:
    """For each photograph: the share of its squares that is answered rightly by a head that was
    trained on those of all the others.
    """
    shares = []
    for number in np.unique(numbers):
        out = numbers == number
        mean = x[:, ~out].mean(axis=1, keepdims=True)
        w, b, _ = logistic.learn(x[:, ~out] - mean, y[~out].astype(x.dtype), rate, steps)
        answers = w @ (x[:, out] - mean) + b > 0
        shares.append(np.mean(answers == y[out]))
    return np.array(shares)


def main(lesson: course.Lesson) -> dict[str, np.ndarray]:
    """Right answers on photographs that were not trained on, by what the head is given."""
    each, steps = (4, 40) if lesson.quick else (10, 300)
    squares, cats, numbers = photographs.cat_crops(INPUT_SIZE, each, lesson.seed)
    inputs = features(squares)
    shares = {
        name: without_each(x, cats, numbers, RATES[name], steps) for name, x in inputs.items()
    }
    _, firsts = np.unique(numbers, return_index=True)
    is_cat = cats[firsts] == 1
    rows = [
        (name, len(inputs[name]), f"{100 * share[is_cat].mean():.0f} %",
         f"{100 * share[~is_cat].mean():.0f} %", int(np.sum(share > 0.5)))
        for name, share in shares.items()
    ]  # fmt: skip
    header = ("head on", "numbers", "cats right", "others right",
              f"of {len(firsts)} photographs most squares right")  # fmt: skip
    lesson.table("accuracy", header, rows, within=np.inf)
    names = [*photographs.CATS, *photographs.OTHERS]
    rows = [
        (name, f"{100 * pixels:.0f} %", f"{100 * fire9:.0f} %")
        for name, pixels, fire9 in zip(names, shares["pixels"], shares["fire9"], strict=True)
    ]
    lesson.table("each", ("photograph", "pixels", "fire9"), rows, within=np.inf)
    lesson.picture("photographs", picture(squares[firsts], names, shares))
    return shares


def picture(squares: np.ndarray, names: list[str], shares: dict[str, np.ndarray]) -> Any:
    """A square of each photograph that may be shown, and how many of its squares are right."""
    shown = [
        panels.Picture(
            images.resize(square, 110, 110), name,
            f"{100 * shares['pixels'][i]:.0f} %, {100 * shares['fire9'][i]:.0f} %",
        )
        for i, (square, name) in enumerate(zip(squares, names, strict=True))
        if name in photographs.FREE
    ]  # fmt: skip
    return panels.draw(
        [shown[k : k + 4] for k in range(0, len(shown), 4)],
        "Answered rightly, though the photograph was not trained on",
        "squares of it by a head on pixels, and by one on the features of fire9",
    )


if __name__ == "__main__":
    course.run(__file__, main)
