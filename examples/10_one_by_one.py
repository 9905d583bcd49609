"""1×1 convolutions: a small fully connected layer at every pixel, and a bottleneck.

A kernel of 1×1×C mixes the channels of a pixel and looks at no neighbour. Several make a picture of
C channels one of fewer or more. GoogLeNet's Inception modules shrink 192 channels to 16 before the
costly 5×5 kernels: a tenth of the multiplications, and the maps are as many and as large as before.
"""

import course
import numpy as np

import fastconv
import fastconv.functional as F
from fastconv import nn
from fastconv.data import images
from fastconv.demo.compare import median_ms
from fastconv.pictures import panels

# Rows are the new channels, columns the old ones.
MIXES = {
    "grey": np.array([[0.299, 0.587, 0.114]] * 3, np.float32),
    "sepia": np.array(
        [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]], np.float32
    ),
    "red and blue swapped": np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], np.float32),
}


def mixed(photograph, mix):
    """(3, H, W) by a convolution with three kernels of 1×1×3."""
    return F.conv2d(photograph, mix[:, :, None, None])


def bottleneck(maps, narrow, f):
    """192 channels → narrow ones by 1×1 → maps by f×f."""
    return nn.Sequential(nn.Conv2d(192, narrow, 1), nn.Conv2d(narrow, maps, f, padding=f // 2))


def cost(module):
    """(multiplications, weights) of a module on 28×28×192; biases left out, as in the lecture."""
    told = nn.summary(module, (1, 192, 28, 28))
    weights = sum(p.numel() for name, p in module.named_parameters() if name.endswith("weight"))
    return told.multiply_adds, weights


def milliseconds(module):
    """How long 28×28×192 takes, by the median."""
    maps = np.ones((1, 192, 28, 28), np.float32)
    module.eval()
    with fastconv.no_grad():
        return median_ms(lambda: module(maps), seconds=0.05)


def colours(lesson):
    """Three channels of three, as a fully connected layer makes them of each pixel."""
    rgb = images.resize(images.read(images.SAMPLE), 180, 120)
    photograph = rgb.transpose(2, 0, 1).astype(np.float32)
    results = {name: mixed(photograph, mix) for name, mix in MIXES.items()}
    lesson.picture("mixed", panels.draw(
        [[panels.Picture(rgb, "photograph"),
          *(panels.Picture(np.rint(result.clip(0, 255)).astype(np.uint8).transpose(1, 2, 0), name)
            for name, result in results.items())]],
        "Colours mixed by 1 × 1 convolutions",
    ))  # fmt: skip
    pixels = photograph.reshape(3, -1).T
    one_by_one = (pixels @ MIXES["sepia"].T).T.reshape(photograph.shape)
    return {"difference": float(np.abs(results["sepia"] - one_by_one).max())}


def shrink(lesson):
    """5×5 kernels on 192 channels, and on 16 that a 1×1 convolution makes of them."""
    ways = {
        "5×5 directly": nn.Conv2d(192, 32, 5, padding=2),
        "1×1 to 16 channels, then 5×5": bottleneck(32, 16, 5),
    }
    costs = {name: cost(module) for name, module in ways.items()}
    direct = costs["5×5 directly"][0]
    lesson.table(
        "bottleneck",
        ["28×28×192 → 28×28×32", "multiplications", "of the direct way", "weights"],
        [[name, products, f"{100 * products / direct:.1f} %", weights]
         for name, (products, weights) in costs.items()],
    )  # fmt: skip
    times = {name: milliseconds(module) for name, module in ways.items()}
    for name, time in times.items():
        lesson.say(f"{name:<30} {time:8.3f} ms")
    return {"costs": costs, "times": list(times.values())}


def inception(lesson):
    """GoogLeNet's first Inception module, branch by branch: 64 + 128 + 32 + 32 = 256 channels."""
    branches = {
        "1×1 to 64": (nn.Conv2d(192, 64, 1), nn.Conv2d(192, 64, 1)),
        "3×3 to 128, through 96": (bottleneck(128, 96, 3), nn.Conv2d(192, 128, 3, padding=1)),
        "5×5 to 32, through 16": (bottleneck(32, 16, 5), nn.Conv2d(192, 32, 5, padding=2)),
        "3×3 pooling, 1×1 to 32": (
            nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(192, 32, 1)),
        ) * 2,
    }  # fmt: skip
    maps = np.ones((1, 192, 28, 28), np.float32)
    with fastconv.no_grad():
        outputs = [branch(maps).numpy() for branch, _ in branches.values()]
    rows = [(name, *(cost(module)[0] for module in pair)) for name, pair in branches.items()]
    rows.append(("all, side by side", *(sum(row[i] for row in rows) for i in (1, 2))))
    lesson.table("inception", ["branch", "multiplications", "without the bottleneck"], rows)
    return {"inception": np.concatenate(outputs, axis=1).shape, "all": rows[-1][1:]}


def main(lesson):
    return colours(lesson) | shrink(lesson) | inception(lesson)


if __name__ == "__main__":
    course.run(__file__, main)
