"""Vanishing and exploding gradients: deep plain networks, layer by layer, by initial weights.

    z⁽ˡ⁾ = W⁽ˡ⁾ a⁽ˡ⁻¹⁾,    a⁽ˡ⁾ = g(z⁽ˡ⁾),    dJ/da⁽ˡ⁻¹⁾ = W⁽ˡ⁾ᵀ (g'(z⁽ˡ⁾) · dJ/da⁽ˡ⁾)

A gradient on its way back is multiplied by one matrix for each layer. If each makes it 1.5 times as
long, fifty layers make it 1.5⁵⁰ ≈ 6 · 10⁸ times as long; if each halves it, nothing is left. He's
initial weights, of variance 2 / (number of inputs) for ReLU, and Glorot's for tanh keep its length
about the same.
"""

import itertools
from collections.abc import Callable
from typing import Any

import course
import numpy as np

from fastconv import Tensor, data, fit, manual_seed, nn, optim
from fastconv import functional as F
from fastconv.pictures import charts
from fastconv.pictures.canvas import ramp
from fastconv.training import History, NonFinite

LAYERS, WIDTH = 20, 100
Init = Callable[[Tensor], Tensor]

# Name → activation, initial weights.
NETWORKS: dict[str, tuple[type[nn.Module], Init]] = {
    "sigmoid, Glorot": (nn.Sigmoid, nn.init.xavier_normal_),
    "ReLU, deviation 0.05": (nn.ReLU, lambda w: nn.init.normal_(w, 0.0, 0.05)),
    "ReLU, deviation 0.3": (nn.ReLU, lambda w: nn.init.normal_(w, 0.0, 0.3)),
    "tanh, Glorot": (nn.Tanh, lambda w: nn.init.xavier_normal_(w, 5 / 3)),
    "ReLU, He": (nn.ReLU, lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")),
}


def powers(factor: float, layers: int) -> float:
    """How long a gradient of length 1 is after ``layers`` layers whose matrices are factor · I."""
    layer = nn.Linear(4, 4, bias=False, dtype=np.float64)
    nn.init.eye_(layer.weight).detach().mul_(factor)
    x = Tensor(np.zeros((1, 4)), requires_grad=True)
    result = x
    for _ in range(layers):
        result = layer(result)
    result.backward(Tensor(np.full((1, 4), 0.5)))
    return float(np.linalg.norm(x.grad.numpy()))


def plain(activation: type[nn.Module], init: Init) -> nn.Sequential:
    """LAYERS layers of WIDTH units, and one that gives the ten classes' scores."""
    sizes = [28 * 28] + LAYERS * [WIDTH]
    layers = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
        init(layers[-2].weight)
        nn.init.zeros_(layers[-2].bias)
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(WIDTH, 10))


def main(lesson: course.Lesson) -> dict[str, Any]:
    """Norms of the first step's gradients by layer, and what a training makes of them."""
    rows = [(f"{factor:g} · I", f"{powers(factor, 50):.3g}") for factor in (0.5, 1.0, 1.5)]
    lesson.table("powers", ("each of 50 matrices", "length of the gradient"), rows)

    images, labels = data.digits()
    look = data.transforms.Compose(
        [data.transforms.ToFloat(), data.transforms.Normalize.of(images[:, None])]
    )
    train = look(images[:, None]), labels
    if lesson.quick:
        train = train[0][::4], train[1][::4]
    epochs = 3 if lesson.quick else 8
    norms, losses, rows = {}, {}, []
    for name, (activation, init) in NETWORKS.items():
        manual_seed(lesson.seed)
        history = train_plain(plain(activation, init), train, epochs, lesson.seed)
        # Of the weights, in the first step.
        norms[name] = [n[0] for layer, n in history.layers.items() if layer.endswith("weight")]
        losses[name] = history.steps["loss"]
        rows.append((
            name, f"{norms[name][0]:.2g}", f"{norms[name][-1]:.2g}",
            f"{history.epochs['loss'][-1]:.2f}" if history.epochs else "infinite",
        ))  # fmt: skip
    header = ("network", "first layer", "last layer", f"loss after {epochs} epochs")
    lesson.table("norms", header, rows, within=np.inf)
    lesson.picture("norms", picture(norms, losses))
    return {"norms": norms, "losses": losses}


def train_plain(model: nn.Module, train: tuple, epochs: int, seed: int) -> History:
    """Train it; gradients that explode end the training, and the history says how far it came."""
    try:
        return fit(
            model, train, loss=F.cross_entropy, epochs=epochs, batch_size=64, seed=seed,
            optimizer=optim.SGD(model.parameters(), lr=0.01, momentum=0.9), gradient_norms=True,
            progress=False,
        )  # fmt: skip
    except NonFinite as error:
        return error.history


def picture(norms: dict[str, list[float]], losses: dict[str, list[float]]) -> Any:
    """Norms by layer above, losses by step below."""
    colours = dict(zip(norms, ramp(len(norms)), strict=True))
    by_layer = [
        charts.Line(name, np.arange(1, len(n) + 1), np.array(n), colours[name], dots=True)
        for name, n in norms.items()
    ]
    by_step = [
        charts.Line("", np.arange(1, len(loss) + 1), np.array(loss), colours[name])
        for name, loss in losses.items()
        if len(loss) > 1  # one that exploded is off every scale
    ]
    return charts.draw(
        [
            charts.Panel("Norm of each weight's gradient, first step", by_layer, "layer", True),
            charts.Panel("Loss", by_step, "step"),
        ],
        "Gradients on their way back",
        f"plain networks of {LAYERS} layers of {WIDTH}; layer 1 is the first",
    )


if __name__ == "__main__":
    course.run(__file__, main)
