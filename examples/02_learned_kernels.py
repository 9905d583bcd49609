"""Learned kernels: who knows a picture and its edge map can find the kernel that made it.

Edge maps are computed by four kernels, which then are forgotten. Gradient descent begins with
zeros, compares its own maps with the known ones, and moves each weight against the gradient of the
mean squared difference. Nothing in it knows what an edge is.
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv import Tensor, optim
from fastconv.data import images
from fastconv.pictures import canvas, charts, panels

SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)
ANGLES = (0, 45, 70, 90)
SHOWN = (3, 30, 300, 1000)  # steps


def slanted(angle):
    """Sobel's kernel for edges that are turned counterclockwise by so many degrees."""
    radians = np.deg2rad(angle)
    return np.cos(radians) * SOBEL - np.sin(radians) * SOBEL.T


TARGETS = np.stack([slanted(angle) for angle in ANGLES]).astype(np.float32)[:, None]


def learn(picture, steps, learning_rate, momentum=0.0):
    """The kernels (4, 1, 3, 3) before each step and after the last, from pairs alone."""
    edge_maps = F.conv2d(picture, TARGETS)
    kernels = Tensor(np.zeros_like(TARGETS), requires_grad=True)
    optimizer = optim.SGD([kernels], lr=learning_rate, momentum=momentum)
    history = [kernels.numpy().copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.mse_loss(F.conv2d(picture, kernels), edge_maps)
        loss.backward()
        optimizer.step()
        history.append(kernels.numpy().copy())
    return np.stack(history)


def curvatures(picture):
    """Largest and smallest curvature of the loss: the eigenvalues of what its pixels have in common
    with their neighbours in a 3×3 window."""
    windows = np.lib.stride_tricks.sliding_window_view(picture[0, 0], (3, 3)).reshape(-1, 9)
    eigenvalues = np.linalg.eigvalsh(windows.T @ windows / len(windows))
    return float(eigenvalues[-1]), float(eigenvalues[0])


def main(lesson):
    steps = 300 if lesson.quick else 1000
    cat = images.luminance(images.resize(images.read(images.SAMPLE), 180, 120))
    photograph = (cat - cat.mean())[None, None]
    noise = lesson.rng.normal(size=photograph.shape).astype(np.float32)
    steepest = {"photograph": curvatures(photograph), "noise": curvatures(noise)}
    # The loss is a mean over four maps, and so the largest curvature half of the windows' own. With
    # one by that as learning rate, the steepest direction is right after one step; with more than
    # two by that, it would get worse with each.
    rate = {name: 2 / largest for name, (largest, _) in steepest.items()}
    runs = {
        "photograph": learn(photograph, steps, rate["photograph"]),
        "photograph, momentum": learn(photograph, steps, rate["photograph"] / 2, momentum=0.9),
        "noise": learn(noise, steps, rate["noise"]),
    }
    errors = {name: np.abs(run - TARGETS).max(axis=(1, 2, 3, 4)) for name, run in runs.items()}
    shown = [step for step in SHOWN if step <= steps]
    lesson.table(
        "errors",
        ["steps", *runs],
        [[step, *(f"{error[step]:.4f}" for error in errors.values())]
         for step in shown],
        within=0.1,
    )  # fmt: skip
    lesson.table(
        "curvature",
        ["picture", "largest", "smallest", "ratio"],
        [[name, f"{large:.5f}", f"{small:.5f}", round(large / small)]
         for name, (large, small) in steepest.items()],
        within=0.01,
    )  # fmt: skip
    learned = runs["photograph, momentum"]
    rows = [("after no step", learned[0])]
    rows += [(f"after {step} steps", learned[step]) for step in shown]
    rows += [("the target", TARGETS)]
    lesson.picture("kernels", panels.draw(
        [[panels.Numbers(kernel[0], f"{angle} degrees", name, 2, 36, strong=2)
          for angle, kernel in zip(ANGLES, kernels, strict=True)] for name, kernels in rows],
        "Kernels learned from a photograph and its edge maps",
        "By gradient descent with momentum. They are for edges turned by 0 to 90 degrees.",
    ))  # fmt: skip
    colours = (canvas.BLUE, canvas.ORANGE, canvas.FAINT)
    lines = [
        charts.Line(name, np.arange(steps + 1), np.maximum(error, 1e-6), colour)
        for (name, error), colour in zip(errors.items(), colours, strict=True)
    ]
    lesson.picture("errors", charts.draw(
        [charts.Panel("Largest error of a weight", lines, "step", logarithmic=True)],
        "How fast the kernels are found",
    ))  # fmt: skip
    return {"errors": errors, "learned": learned[-1], "curvatures": steepest}


if __name__ == "__main__":
    course.run(__file__, main)
