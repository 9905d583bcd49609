"""A small network: pictures get smaller and deeper, layer by layer, until they are one list.

Three layers of convolutions make of 39×39×3 numbers 7×7×40 = 1,960, which logistic regression or a
softmax then judges. What such a layer costs in parameters does not depend on the picture's size;
what a fully connected one costs does.
"""

import course
import numpy as np

import fastconv
from fastconv import Tensor, nn
from fastconv.pictures import panels


def network():
    """39×39×3 → 37×37×10 → 17×17×20 → 7×7×40 → 1,960 → 10 classes."""
    return nn.Sequential(
        nn.Conv2d(3, 10, 3), nn.ReLU(),
        nn.Conv2d(10, 20, 5, stride=2), nn.ReLU(),
        nn.Conv2d(20, 40, 5, stride=2), nn.ReLU(),
        nn.Flatten(),
        nn.Linear(1960, 10),
    )  # fmt: skip


def field(net, layers, side=39):
    """Which pixels the number in the middle of a layer's first map depends on: where its gradient
    is not zero, each weight being 1 so that nothing cancels and no ReLU stops it."""
    for parameter in net.parameters():
        nn.init.ones_(parameter)
    picture = Tensor(np.ones((1, 3, side, side), np.float32), requires_grad=True)
    with fastconv.precision("strict"):  # Winograd's transforms round what should be zero
        maps = net[:layers](picture)
        middle = maps.shape[2] // 2
        maps[0, 0, middle, middle].backward()
    return picture.grad.numpy()[0, 0] != 0


def width(seen):
    """Columns in which a pixel is seen."""
    return int(seen.any(axis=0).sum())


def parameters(module):
    """How many numbers a layer learns."""
    return sum(parameter.numel() for parameter in module.parameters())


def main(lesson):
    net = network()
    told = nn.summary(net, (1, 3, 39, 39))
    lesson.text("summary", str(told))

    fields = {f"after layer {number}": field(net, 2 * number) for number in (1, 2, 3)}
    lesson.picture("fields", panels.draw(
        [[panels.Picture(panels.grey(seen, 1.4, 0), name, f"{width(seen)} pixels a side", 4)
          for name, seen in fields.items()]],
        "What one number in the middle depends on, of 39 × 39 pixels",
    ))  # fmt: skip

    # Fully connected to 1,000 units; convolution with 10 kernels of 3×3.
    convolution = parameters(nn.Conv2d(3, 10, 3))
    connected = {side: (side * side * 3 + 1) * 1000 for side in (39, 64, 224, 1000)}
    lesson.table(
        "large",
        ["picture", "fully connected, 1,000 units", "as float32", "10 kernels of 3×3×3"],
        [[f"{side} × {side} × 3", count, f"{4 * count / 1e9:.2f} GB", convolution]
         for side, count in connected.items()],
    )  # fmt: skip
    built = parameters(nn.Linear(39 * 39 * 3, 1000))  # the smallest of them, to count its own
    return {"summary": told, "fields": {name: width(seen) for name, seen in fields.items()},
            "connected": connected, "built": built, "convolution": convolution}  # fmt: skip


if __name__ == "__main__":
    course.run(__file__, main)
