"""Volumes: a colour picture has three channels, and so has each kernel; their products are one sum.

A kernel for 6×6×3 is 3×3×3: 27 products make one number, and the result is 4×4, without channels.
Several kernels make several maps, the channels of the next layer. With a bias for each map and a
ReLU that is one layer of a network: 10 kernels of 3×3×3 have 10·(27 + 1) = 280 parameters, however
large the picture is.
"""

import course
import numpy as np

import fastconv.functional as F
from fastconv import nn
from fastconv.data import images
from fastconv.pictures import panels

VERTICAL = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]], np.float32)
NOTHING = np.zeros((3, 3), np.float32)
ALL = np.stack([VERTICAL, VERTICAL, VERTICAL])
RED = np.stack([VERTICAL, NOTHING, NOTHING])  # its green and blue planes are zero


def colour_edge(left, right):
    """(3, 6, 6): one colour beside another."""
    half = np.ones((1, 6, 3), np.float32)
    sides = (np.array(colour, np.float32).reshape(3, 1, 1) * half for colour in (left, right))
    return np.concatenate(list(sides), axis=2)


def as_pixels(colours):
    """(H, W, 3) uint8 of colours (3, H, W) from 0 to 1."""
    return np.rint(255 * colours).astype(np.uint8).transpose(1, 2, 0)


def two_kernels(lesson):
    """Edges between colours; then, with a bias for each kernel and a ReLU, one layer."""
    edges = {
        "red beside black": colour_edge((10, 0, 0), (0, 0, 0)),
        "white beside black": colour_edge((10, 10, 10), (0, 0, 0)),
        "red beside blue": colour_edge((10, 0, 0), (0, 0, 10)),
        "white beside red": colour_edge((10, 10, 10), (10, 0, 0)),
    }
    kernels = np.stack([RED, ALL])  # (2, 3, 3, 3)
    found = {name: F.conv2d(edge, kernels) for name, edge in edges.items()}  # (2, 4, 4) each
    lesson.picture("edges", panels.draw(
        [[panels.Picture(as_pixels(edge / 10), name, "6 × 6 × 3", 20), panels.Sign("→"),
          panels.Numbers(found[name][0], "kernel for red alone", "4 × 4", strong=90),
          panels.Numbers(found[name][1], "kernel for all channels", "4 × 4", strong=90)]
         for name, edge in edges.items()],
        "Edges between colours, by two kernels of 3 × 3 × 3",
        "The one for all channels sees no edge between colours that are equally bright.",
    ))  # fmt: skip

    bias = np.array([-5, 2], np.float32)
    layer = F.conv2d(edges["white beside black"], kernels, bias, activation="relu")
    by_hand = np.maximum(found["white beside black"] + bias[:, None, None], 0)
    found["layer"], found["by hand"] = layer, by_hand
    lesson.picture("layer", panels.draw(
        [[panels.Numbers(before, "kernel's sums", strong=90), panels.Sign(f"{shift:+.0f}, ReLU:"),
          panels.Numbers(after, f"map {number}", "4 × 4", strong=90)]
         for number, (before, shift, after) in enumerate(
             zip(found["white beside black"], bias, layer, strict=True), 1)],
        "One layer: 6 × 6 × 3 becomes 4 × 4 × 2",
    ))  # fmt: skip
    return found


def parameters(lesson):
    """What layers learn, counted from the modules themselves."""
    shapes = [(10, 3, 3), (2, 3, 3), (6, 3, 5), (64, 3, 7), (512, 512, 3)]
    rows, counts = [], {}
    for maps, channels, f in shapes:
        module = nn.Conv2d(channels, maps, f)
        own = sum(parameter.numel() for parameter in module.parameters())
        formula = f"{maps} · ({f}·{f}·{channels} + 1)"
        rows.append((f"{maps} kernels of {f}×{f}×{channels}", formula, own))
        counts[maps, channels, f] = own
    lesson.table("parameters", ["layer", "weights and biases", "parameters"], rows)
    return counts


def photograph(lesson):
    """The same two kernels on a colour photograph."""
    rgb = images.resize(images.read(images.SAMPLE), 210, 140)
    channels = rgb.transpose(2, 0, 1).astype(np.float32) / 255
    red_edges, all_edges = F.conv2d(channels, np.stack([RED, ALL]))
    lesson.picture("photograph", panels.draw(
        [[panels.Picture(rgb, "photograph"),
          panels.Picture(panels.signed(red_edges, 1.0), "kernel for red alone"),
          panels.Picture(panels.signed(all_edges, 3.0), "kernel for all channels")]],
        "Vertical edges of a colour photograph",
    ))  # fmt: skip
    return {"photograph": (red_edges, all_edges)}


def main(lesson):
    return two_kernels(lesson) | parameters(lesson) | photograph(lesson)


if __name__ == "__main__":
    course.run(__file__, main)
