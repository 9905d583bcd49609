"""LeNet-5 learns the digits of fastconv.data: the recipe, and the pictures of what came of it."""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import data, metrics, random
from fastconv import functional as F
from fastconv.optim import SGD, lr_scheduler
from fastconv.training import History, fit

from . import networks

__all__ = ["CHECKPOINT", "EPOCHS", "Learned", "draw", "learn"]

CHECKPOINT = "lenet5.safetensors"
_PARTS = "80/10/10"  # of the digits
EPOCHS = 30
_MOMENTUM = 0.9
_DECAY = 5e-4
# How far digits are turned, stretched, slanted and moved at random.
_DEGREES, _SCALE, _SHEAR, _SHIFT = 15, 0.15, 0.3, 2
_MOST_MISREAD = 40


@dataclass(frozen=True)
class Learned:
    """What came of a training.

    Attributes:
        network: trained.
        history: its course.
        images, labels, scores: the test part (N, 28, 28), (N,), and the logits (N, 10).
        seconds: of the training, without pictures.
    """

    network: networks.Network
    history: History
    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of the test part that is read rightly."""
        return metrics.accuracy(self.scores, self.labels)


def learn(
    folder: str | os.PathLike[str] | None,
    *,
    epochs: int = EPOCHS,
    batch_size: int = 64,
    learning_rate: float = 0.08,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
    callbacks: Iterable[Callable[[Any], Any]] = (),
    **options: Any,
) -> Learned:
    """Train LeNet-5 on 80 % of the digits, watch it on 10 %, and test it on the rest.

    SGD with Nesterov's momentum, weight decay, a learning rate that falls along half a cosine, and
    digits that are bent a little. The weights are those of the last epoch, where the rate is almost
    0: to pick an epoch by so few digits would be to pick by chance. Everything that is drawn
    depends on the seed.

    Args:
        folder: for the checkpoint; None: none is written.
        options: of ``models.LeNet5``.

    Raises:
        CheckpointError, OSError: the checkpoint cannot be written, or resumed from.
        Interrupted, NonFinite: see ``fit``.
    """
    begun = time.perf_counter()
    images, labels = data.digits()
    split = data.train_dev_test_split(images[:, None], labels, _PARTS, seed=seed)
    random.manual_seed(seed)
    network = networks.build("lenet5", options)
    bend = data.transforms.RandomAffine(_DEGREES, _SCALE, _SHEAR, _SHIFT)
    augment = data.transforms.Compose([bend, network.prepare])
    loader = data.DataLoader(split.train, batch_size, shuffle=True, seed=seed, transform=augment)
    optimizer = SGD(
        network.model.parameters(), lr=learning_rate, momentum=_MOMENTUM, nesterov=True,
        weight_decay=_DECAY,
    )  # fmt: skip
    history = fit(
        network.model,
        loader,
        (network.prepare(split.dev.x), split.dev.y),
        loss=F.cross_entropy,
        optimizer=optimizer,
        scheduler=lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs),
        epochs=epochs,
        metrics=("accuracy",),
        checkpoint=None if folder is None else Path(folder) / CHECKPOINT,
        resume=resume,
        config={"network": "lenet5", "options": options, "seed": seed},
        progress=progress,
        callbacks=callbacks,
    )
    scores = network.scores(split.test.x[:, 0])
    seconds = time.perf_counter() - begun
    return Learned(network, history, split.test.x[:, 0], split.test.y, scores, seconds)


def draw(learned: Learned, folder: str | os.PathLike[str]) -> list[Path]:
    """Write curves, first-layer kernels, confusion matrix and misread digits as PNGs.

    Returns:
        their paths.

    Raises:
        MissingPillow: Pillow is not installed. OSError: a file cannot be written.
    """
    from fastconv.pictures import matrix, tiles

    folder = Path(folder)
    told = f"{len(learned.labels)} digits of the test part, {100 * learned.accuracy:.1f} % right"
    paths = [folder / f"{name}.png" for name in ("curves", "filters", "confusion", "misread")]
    learned.history.plot(paths[0], "LeNet-5 learns handwritten digits")
    weight = learned.network.model.c1.weight.numpy()
    tiles.kernels(weight, "The six kernels of C1").save(paths[1], "PNG")
    counts = metrics.confusion_matrix(learned.scores, learned.labels)
    matrix.confusion(counts, "What was taken for what", told).save(paths[2], "PNG")
    _misread(learned, told).save(paths[3], "PNG")
    return paths


def _misread(learned: Learned, told: str) -> Any:
    """The digits that were taken for others, the surest mistakes first."""
    from fastconv.pictures import tiles

    probabilities = F.softmax(learned.scores, 1)
    taken = learned.scores.argmax(axis=1)
    wrong = np.flatnonzero(taken != learned.labels)
    order = wrong[np.argsort(-probabilities[wrong, taken[wrong]], kind="stable")]
    chosen = order[:_MOST_MISREAD]
    captions = [
        (
            f"{learned.labels[i]} taken for {taken[i]}",
            f"sure by {100 * probabilities[i, taken[i]]:.0f} %",
        )
        for i in chosen
    ]
    if len(chosen) < len(wrong):
        told += f"; {len(chosen)} of {len(wrong)} that are not"
    return tiles.digits(learned.images[chosen], captions, "Misread digits", told)
