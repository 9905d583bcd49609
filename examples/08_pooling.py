"""Pooling: of each window of a map only the largest number stays, or the mean.

A window has a size f and a stride s, and nothing to learn. What it gives up is where in the window
the number was: a picture that is moved a little has nearly the same pooled map.
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv import nn
from fastconv.data import images
from fastconv.pictures import panels

LARGEST = np.array([[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]], np.float32)
MEAN = np.array([[1, 3, 2, 1], [2, 9, 1, 1], [1, 4, 2, 3], [5, 6, 1, 2]], np.float32)
FIVE = np.array(
    [[1, 3, 2, 1, 3], [2, 9, 1, 1, 5], [1, 3, 2, 3, 2], [8, 3, 5, 1, 0], [5, 6, 1, 2, 9]],
    np.float32,
)
SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], np.float32)


def unchanged(steep, window, pixels):
    """How like its own pooled map that of the picture moved to the right is: their correlation."""
    moved = np.roll(steep, pixels, axis=1)
    before, after = (
        F.max_pool2d(np.ascontiguousarray(values)[None], window)[0, :, 1:-1]
        for values in (steep, moved)
    )
    return float(np.corrcoef(before.ravel(), after.ravel())[0, 1])


def small_maps(lesson):
    """The lecture's examples."""
    found = {
        "largest": F.max_pool2d(LARGEST[None], 2)[0],
        "mean": F.avg_pool2d(MEAN[None], 2)[0],
        "five": F.max_pool2d(FIVE[None], 3, stride=1)[0],
    }
    lesson.picture("windows", panels.draw(
        [[panels.Numbers(before, told, f"{len(before)} × {len(before)}", cell=36), panels.Sign("→"),
          panels.Numbers(after, "result", f"{len(after)} × {len(after)}", digits, 36, strong=9)]
         for before, after, told, digits in (
             (LARGEST, found["largest"], "largest, f = 2, s = 2", 0),
             (MEAN, found["mean"], "mean, f = 2, s = 2", 2),
             (FIVE, found["five"], "largest, f = 3, s = 1", 0))],
        "Pooling of small maps",
    ))  # fmt: skip
    return found


def layers(lesson):
    """Hyperparameters, and no parameters."""
    modules = {
        "max": nn.MaxPool2d(2),
        "max, overlapping": nn.MaxPool2d(3, stride=2),
        "average": nn.AvgPool2d(2),
        "average of all": nn.AvgPool2d(28),
    }
    rows = []
    for name, layer in modules.items():
        told = nn.summary(layer, (1, 6, 28, 28))
        height = told.layers[0].output_shape[2]
        f, s = layer.kernel_size, layer.stride
        rows.append((name, f, s, f"28 × 28 × 6 → {height} × {height} × 6", told.parameters))
    lesson.table("layers", ["pooling", "f", "s", "maps", "parameters"], rows)
    return {"parameters": [row[-1] for row in rows]}


def photograph(lesson):
    """An edge map, pooled; then moved and pooled again."""
    rgb = images.resize(images.read(images.SAMPLE), 210, 140)
    grey = images.luminance(rgb)
    steep = np.hypot(*F.conv2d(grey[None], np.stack([SOBEL, SOBEL.T])[:, None], padding=1,
                               padding_mode="replicate"))  # fmt: skip
    pooled = {
        "largest of 7 × 7": F.max_pool2d(steep[None], 7)[0],
        "mean of 7 × 7": F.avg_pool2d(steep[None], 7)[0],
        "every seventh pixel": steep[::7, ::7],
    }
    strongest = {name: float(values.max()) for name, values in pooled.items()}
    lesson.picture("photograph", panels.draw(
        [[panels.Picture(rgb, "photograph"),
          panels.Picture(panels.grey(-steep, -2.5, 0), "its edges")],
         [panels.Picture(panels.grey(-values, -strongest[name], 0), name, "enlarged", 7)
          for name, values in pooled.items()]],
        "An edge map, pooled",
        "The largest keeps whether there was an edge; leaving pixels out loses it.",
    ))  # fmt: skip

    windows, moves = (1, 2, 4, 8), (1, 2, 4)
    shares = {window: [unchanged(steep, window, pixels) for pixels in moves] for window in windows}
    lesson.table(
        "moved",
        ["window", *(f"moved by {pixels} px" for pixels in moves)],
        [["not pooled" if window == 1 else f"{window} × {window}", *(f"{c:.2f}" for c in row)]
         for window, row in shares.items()],
    )  # fmt: skip
    return {"unchanged": shares}


def main(lesson):
    return small_maps(lesson) | layers(lesson) | photograph(lesson)


if __name__ == "__main__":
    course.run(__file__, main)
