"""Train, dev and test set, alike and not: which error says what is wrong.

    human → train          avoidable bias           a larger network, longer training
    train → train-dev      variance                 more data, regularisation
    train-dev → dev        data mismatch            training data more like the target
    dev → test             overfitting to dev       a larger dev set

The dev and test set are of the kind that matters. Where most examples to train on are of another
kind, some of *them* are held out as the train-dev set: of the kind that was trained on, but new.

Source: A. Ng, "Structuring Machine Learning Projects". Human error on digits: Y. LeCun et al.,
"Learning algorithms for classification: a comparison on handwritten digit recognition", 1995; that
of people who tell bricks from grass is taken for 0.
"""

from typing import Any

import course
import numpy as np
import photographs

from fastconv import data, fit, manual_seed, models, nn, optim
from fastconv import functional as F
from fastconv.data import images
from fastconv.training import evaluate

GAPS = ("avoidable bias", "variance", "data mismatch", "overfitting to dev")
HUMAN = {"digits": 0.002, "textures": 0.0}
PARTS = ("train", "train-dev", "dev", "test")
BATCH = 64
TEXTURES = ("brick", "grass", "gravel")


def linear() -> nn.Module:
    """A network that is too small: scores are sums of the weighted means of 4 × 4 pixels."""
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(64, 10))


def lenet() -> nn.Module:
    return models.LeNet5(activation="relu", pooling="max")


def texture_net() -> nn.Module:
    """Two convolutions and the mean over all places: where something is does not matter."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(16, len(TEXTURES)),
    )  # fmt: skip


def texture_squares(blur: float, columns: slice, count: int, seed: int) -> data.Dataset:
    """Squares of 28 × 28 pixels of three photographs of surfaces, blurred like a phone's."""
    rng = np.random.default_rng(seed)
    x = []
    for name in TEXTURES:
        grey = images.read(photographs.installed("skimage", f"data/{name}.png"))[:, columns, 0]
        if blur:
            grey = data.transforms.GaussianBlur(blur)(grey[None, None])[0, 0]
        for _ in range(count):
            top, left = (rng.integers(size - 27) for size in grey.shape)
            x.append(grey[None, top : top + 28, left : left + 28])
    return data.Dataset(np.stack(x), np.repeat(np.arange(len(TEXTURES)), count))


def errors(split: data.Split, build: Any, steps: int, seed: int) -> list[float]:
    """Train on the split's train set, about so many batches; the error on each of PARTS."""
    manual_seed(seed)
    model = build()
    look = data.transforms.Compose([
        lambda x: np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge"),  # 32 × 32 pixels
        data.transforms.ToFloat(),
        data.transforms.Normalize.of(split.train.x),
    ])  # fmt: skip
    epochs = max(1, steps * BATCH // len(split.train))
    fit(
        model, (look(split.train.x), split.train.y), loss=F.cross_entropy,
        optimizer=optim.SGD(model.parameters(), lr=0.03, momentum=0.9), epochs=epochs,
        batch_size=BATCH, seed=seed, progress=False,
    )  # fmt: skip
    sets = [(look(part.x), part.y) for part in split.parts.values()]
    return [1 - evaluate(model, part)["accuracy"] for part in sets]


def gaps(human: float, found: list[float]) -> dict[str, float]:
    """By how much the error rises from each set to the next."""
    return dict(zip(GAPS, np.diff([human, *found]).tolist(), strict=True))


def main(lesson: course.Lesson) -> dict[str, list[float]]:
    """The table of errors, with the largest gap named."""
    x, y = data.digits()
    order = lesson.rng.permutation(len(y))
    first, second = (data.Dataset(x[o, None], y[o]) for o in np.split(order, [3500]))
    few = data.Dataset(first.x[:400], first.y[:400])
    others_x, others_y = photographs.other_digits()
    others = data.Dataset(others_x[:, None], others_y)
    count, steps = (200, 300) if lesson.quick else (1000, 800)
    sharp = texture_squares(0, slice(0, 300), count, 1)
    soft = texture_squares(2.5, slice(300, None), count // 2, 2)
    # What is trained on, what matters, how much of the latter is trained on, and the network.
    settings = {
        "digits, too small a network": (first, second, 0.0, linear),
        "digits, too few examples": (few, second, 0.0, lenet),
        "digits": (first, second, 0.0, lenet),
        "digits, for those of others": (first, others, 0.0, lenet),
        "the same, half of theirs in": (first, others, 0.5, lenet),
        "textures, for blurred ones": (sharp, soft, 0.0, texture_net),
        "the same, half the blurred in": (sharp, soft, 0.5, texture_net),
    }
    rows, found = [], {}
    for name, (source, target, share, build) in settings.items():
        rest = (1 - share) / 2
        split = data.mismatched_split(
            source, target, (share, rest, rest), train_dev=0.15, seed=lesson.seed
        )
        human = HUMAN["textures" if source is sharp else "digits"]
        found[name] = errors(split, build, steps, lesson.seed)
        rises = gaps(human, found[name])
        shown = [f"{100 * error:.1f} %" for error in (human, *found[name])]
        rows.append((name, *shown, max(rises, key=rises.get)))
    lesson.table("errors", ("", "human", *PARTS, "largest gap"), rows, within=np.inf)
    return found


if __name__ == "__main__":
    course.run(__file__, main)
