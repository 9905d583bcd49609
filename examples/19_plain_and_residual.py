"""Plain and residual networks: what happens when they get deeper.

    plain       a⁽ˡ⁺²⁾ = g(W₂ g(W₁ a⁽ˡ⁾))
    residual    a⁽ˡ⁺²⁾ = g(W₂ g(W₁ a⁽ˡ⁾) + a⁽ˡ⁾)

A deeper plain network can compute all that a shallower one does, if its further layers learn to be
the identity. Gradient descent does not find that: the deeper network is worse on the very examples
that it is trained on. A residual block is the identity as soon as its weights are 0.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016,
section 4.2: 6n + 2 layers, three stages of n blocks with batch normalisation after each
convolution. Where a stage halves the image, the skip takes every second pixel, and channels that it
lacks are 0 (option A). Here half as wide, and for digits.
"""

from typing import Any

import course
import numpy as np

from fastconv import Tensor, data, fit, manual_seed, nn, optim
from fastconv import functional as F
from fastconv.models import CifarResNet
from fastconv.pictures import charts
from fastconv.pictures.canvas import ramp
from fastconv.training import History

DEPTHS = (8, 20, 44)
WIDTH = 8
KINDS = ("plain", "residual")


def identity_of_zero(rng: np.random.Generator) -> bool:
    """Whether a residual block whose last weights are 0 gives back, to the bit, what it is given:
    the output of a layer with ReLU."""
    block = CifarResNet(8, width=WIDTH).layer1[0]
    nn.init.zeros_(block.conv2.weight)
    x = np.maximum(rng.normal(size=(4, WIDTH, 14, 14)), 0).astype(np.float32)
    return bool(np.array_equal(block(Tensor(x)).numpy(), x))


def digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits of 14 × 14 pixels, three times for the three colours: (count, 3, 14, 14) float32, with
    mean 0 and deviation 1."""
    images, labels = data.digits()
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    x = F.avg_pool2d(images[chosen, None].astype(np.float32), 2)
    x = (x - x.mean()) / x.std()
    return np.repeat(x, 3, axis=1), labels[chosen]


def trained(depth: int, kind: str, train: tuple, epochs: int, seed: int) -> History:
    """The course of a training with the paper's learning rate, momentum and weight decay."""
    manual_seed(seed)
    model = CifarResNet(depth, shortcuts=kind == "residual", width=WIDTH)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    return fit(
        model, train, loss=F.cross_entropy, optimizer=optimizer, epochs=epochs, batch_size=64,
        seed=seed, metrics=["accuracy"], progress=False,
    )  # fmt: skip


def main(lesson: course.Lesson) -> dict[str, Any]:
    """Errors on the training set by depth, epoch by epoch."""
    identity = identity_of_zero(lesson.rng)
    lesson.say(f"a residual block of weights 0 is the identity, to the bit: {identity}")
    depths = DEPTHS[:2] if lesson.quick else DEPTHS
    train = digits(1000 if lesson.quick else 2500, lesson.seed)
    epochs = 2 if lesson.quick else 8
    errors = {}
    for kind in KINDS:
        for depth in depths:
            history = trained(depth, kind, train, epochs, lesson.seed)
            errors[kind, depth] = 1 - np.array(history.epochs["accuracy"])
            lesson.say(f"{kind:<9} {depth} layers: {100 * errors[kind, depth][-1]:5.1f} %, "
                       f"{sum(history.epochs['seconds']):.0f} s")  # fmt: skip
    rows = [
        (depth, *(f"{100 * errors[kind, depth][-1]:.1f} %" for kind in KINDS)) for depth in depths
    ]
    lesson.table("errors", ("layers", *KINDS), rows, within=np.inf)
    lesson.picture("errors", picture(errors, depths))
    return {"errors": errors, "identity": identity}


def picture(errors: dict[tuple[str, int], np.ndarray], depths: tuple[int, ...]) -> Any:
    """Errors while training: plain networks above, residual ones below, on the same axis."""
    chart = []
    for kind in KINDS:
        lines = [
            charts.Line(f"{depth} layers", np.arange(1, len(error) + 1), error, colour, dots=True)
            for (of, depth), error in errors.items() if of == kind
            for colour in [dict(zip(depths, ramp(len(depths) + 1), strict=False))[depth]]
        ]  # fmt: skip
        chart.append(charts.Panel(f"{kind.capitalize()} networks: error on the training set", lines,
                                  "epoch", percent=True))  # fmt: skip
    return charts.draw(
        chart, "Deeper is worse, or better", f"2,500 digits, {WIDTH} channels at first"
    )


if __name__ == "__main__":
    course.run(__file__, main)
