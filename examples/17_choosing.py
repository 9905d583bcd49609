"""Choosing: learning rate, layers and their sizes are drawn at random, and the dev set decides.

    train set    each network learns from it
    dev set      which network: the one with the least error on it
    test set     how good the chosen one is; asked once, after all choices have been made

Random places are better than a grid: of nine trials, each tells something of nine learning rates,
not of three. The learning rate is drawn by orders of magnitude.

The chosen one's error on the dev set is too good: of many networks of about the same error it is
the one that was luckiest with these examples.

Source: J. Bergstra, Y. Bengio, "Random search for hyper-parameter optimization", JMLR 13 (2012).
"""

from typing import Any

import course
import numpy as np

from fastconv import data, fit, manual_seed, models, nn, optim
from fastconv import functional as F
from fastconv.pictures import charts
from fastconv.pictures.canvas import ramp
from fastconv.training import Choice, LogUniform, Trial, Uniform, evaluate, random_search


def linear(_width: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10))


def dense(width: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(32 * 32, 16 * width), nn.ReLU(), nn.Linear(16 * width, 10)
    )


def convolutional(width: int) -> nn.Module:
    """Two stages of convolution and pooling, the second twice as wide."""
    return nn.Sequential(
        nn.Conv2d(1, width, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * width * 25, 10),
    )  # fmt: skip


def lenet(_width: int) -> nn.Module:
    return models.LeNet5(activation="relu", pooling="max")


ARCHITECTURES = {"linear": linear, "dense": dense, "conv": convolutional, "LeNet-5": lenet}
SPACE = {
    "architecture": Choice(list(ARCHITECTURES)),
    "width": Uniform(4, 12),
    "lr": LogUniform(1e-3, 0.3),
    "momentum": Uniform(0.5, 0.95),
}


def build(architecture: str, width: int, lr: float, momentum: float) -> dict[str, Any]:
    """What ``fit`` needs of a trial."""
    model = ARCHITECTURES[architecture](width)
    return {"model": model, "optimizer": optim.SGD(model.parameters(), lr=lr, momentum=momentum)}


def main(lesson: course.Lesson) -> dict[str, Any]:
    """Search on the dev set, train the chosen one on, and test it once."""
    images, labels = data.digits()
    split = data.train_dev_test_split(images[:, None], labels, "80/10/10", seed=lesson.seed)
    train, dev, test = ((models.prepare_digits(part.x), part.y) for part in split)
    trials, epochs, count = (6, 1, 1000) if lesson.quick else (24, 2, 2000)
    options = {"loss": F.cross_entropy, "dev": dev, "metrics": ["accuracy"]}
    found = random_search(
        build, SPACE, trials, lesson.seed, monitor="dev_accuracy", epochs=epochs,
        train=(train[0][:count], train[1][:count]), **options,
    )  # fmt: skip
    ranked = [trial for trial in found.trials if trial.score is not None]
    rows = [
        (place, *(shown(trial.parameters[name]) for name in SPACE), percent(1 - trial.score))
        for place, trial in enumerate(ranked, 1)
    ]
    lesson.say(f"{len(found.trials) - len(ranked)} of {trials} trials met an infinite loss")
    kept = rows if len(rows) <= 8 else [*rows[:5], *rows[-3:]]
    lesson.table("trials", ("place", *SPACE, "dev error"), kept, within=np.inf)

    # The chosen one, trained for as long as it gets better; then the test set, once.
    manual_seed(lesson.seed)
    chosen = build(**found.best.parameters)
    history = fit(
        train=train, epochs=2 if lesson.quick else 15, patience=4, monitor="dev_accuracy",
        seed=lesson.seed, progress=False, **chosen, **options,
    )  # fmt: skip
    best = history.epochs["dev_accuracy"][history.best_epoch - 1]
    tested = evaluate(chosen["model"], test)["accuracy"]
    one = 1 / len(test[1])
    rows = [
        ("dev, in the search", percent(1 - found.best.score)),
        ("dev, after all choices", percent(1 - best)),
        ("test, once", f"{percent(1 - tested)} ± {percent((one * tested * (1 - tested)) ** 0.5)}"),
    ]
    lesson.table("chosen", ("set", "error of the chosen network"), rows, within=np.inf)
    lesson.picture("trials", picture(ranked))
    return {"ranked": ranked, "dev": 1 - best, "test": 1 - tested}


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def shown(value: Any) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def picture(ranked: list[Trial]) -> Any:
    """Each trial's error on the dev set, epoch by epoch; the best one dark."""
    lines = [
        charts.Line(
            trial.parameters["architecture"] if place in (0, len(ranked) - 1) else "",
            np.array(trial.history.epochs["epoch"], float),
            1 - np.array(trial.history.epochs["dev_accuracy"]), colour, dots=True,
        )
        for place, (trial, colour) in enumerate(zip(ranked, ramp(len(ranked)), strict=True))
    ]  # fmt: skip
    panel = charts.Panel("Error on the dev set", lines, "epoch", percent=True)
    told = "a line for each trial, from the best (dark) to the worst (light)"
    return charts.draw([panel], "Random search", told)


if __name__ == "__main__":
    course.run(__file__, main)
