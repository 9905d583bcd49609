"""Why convolutions: the same few weights at every place, and each number sees few others.

A layer that connects all of 32×32×3 numbers with all of 28×28×6 has 14 million weights; six kernels
of 5×5×3 have 456 with their biases. Written as a matrix, a convolution is mostly zeros (sparse
connections), and what is not zero are the same weights in every row (shared parameters).
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv import nn
from fastconv.pictures import panels


def lenet():
    """The lecture's network in the manner of LeNet-5, for colour pictures of 32×32."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10), nn.Softmax(dim=1),
    )  # fmt: skip


# Of the network's modules, those that the lecture's table has, by their place.
NAMES = {"0": "CONV1 (f = 5, s = 1)", "2": "POOL1", "3": "CONV2 (f = 5, s = 1)", "5": "POOL2",
         "7": "FC3", "9": "FC4", "11": "softmax"}  # fmt: skip


def as_matrix(kernel, side):
    """The matrix that does what the kernel does to a picture of side×side, unrolled: its columns
    are what becomes of pictures that are 1 at one pixel and 0 elsewhere."""
    pixels = np.eye(side * side, dtype=np.float32).reshape(-1, 1, side, side)
    return F.conv2d(pixels, kernel[None, None]).reshape(side * side, -1).T


def main(lesson):
    told = nn.summary(lenet(), (1, 3, 32, 32))
    layers = {layer.name: layer for layer in told.layers}
    rows = [("input", "32 × 32 × 3", 32 * 32 * 3, 0)]
    for place, name in NAMES.items():
        channels, *plane = layers[place].output_shape[1:]
        shape = " × ".join(map(str, (*plane, channels)))
        rows.append((name, shape, channels * int(np.prod(plane)), layers[place].parameters))
    lesson.table("lenet", ["layer", "activations", "how many", "parameters"], rows)

    inputs, outputs = 32 * 32 * 3, 28 * 28 * 6
    convolution = nn.Conv2d(3, 6, 5)
    shared = sum(parameter.numel() for parameter in convolution.parameters())
    lesson.table(
        "shared",
        ["from 32×32×3 to 28×28×6", "weights", "biases", "numbers that each result sees"],
        [["fully connected", inputs * outputs, outputs, inputs],
         ["6 kernels of 5×5×3", shared - 6, 6, 5 * 5 * 3]],
    )  # fmt: skip

    kernel = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], np.float32)
    matrix = as_matrix(kernel, 6)
    lesson.picture("matrix", panels.draw(
        [[panels.Numbers(kernel, "kernel", "3 × 3")],
         [panels.Numbers(matrix, "the same as a matrix of 16 × 36", cell=22)]],
        "A convolution of 6 × 6 pixels, as a matrix",
        "Each row is one place of the kernel. White cells are zero: connections not there.",
    ))  # fmt: skip

    # What a picture's movement does: the map moves along. (Inside; new pixels come in at the edge.)
    picture = lesson.rng.normal(size=(6, 6)).astype(np.float32)
    moved = np.roll(picture, 1, axis=1)
    before, after = (matrix @ p.ravel() for p in (picture, moved))
    moves_along = np.abs(before.reshape(4, 4)[:, :-1] - after.reshape(4, 4)[:, 1:]).max()
    return {"rows": rows, "maps": nn.summary(convolution, (1, 3, 32, 32)).layers[0].output_shape,
            "fully connected": inputs * outputs, "shared": shared,
            "matrix": matrix, "kernel": kernel, "picture": picture,
            "moves along": float(moves_along), "total": told.parameters}  # fmt: skip


if __name__ == "__main__":
    course.run(__file__, main)
