"""DenseNet: every layer sees the results of all layers before it.

    layer          result (C, H, W)     121           161            169           201
    input            3 × 224 × 224
    conv0           64 × 112 × 112      7 × 7, stride 2, padding 3
    pool0           64 ×  56 ×  56      max 3 × 3, stride 2, padding 1
    denseblock1    256 ×  56 ×  56      6 layers      6              6             6
    transition1    128 ×  28 ×  28      1 × 1 to half the channels, average 2 × 2
    denseblock2    512 ×  28 ×  28      12            12             12            12
    transition2    256 ×  14 ×  14
    denseblock3   1024 ×  14 ×  14      24            36             32            48
    transition3    512 ×   7 ×   7
    denseblock4   1024 ×   7 ×   7      16            24             32            32
    avgpool       1024 ×   1 ×   1
    classifier    1000
    growth k                            32            48             32            32
    parameters                          7,978,856     28,681,000     14,149,480    20,013,928

Channels are those of 121. A layer is batch norm, ReLU, 1 × 1 to 4k channels, batch norm, ReLU and
3 × 3 to k channels, which are put after those it was given.

Source: G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger, "Densely Connected Convolutional
Networks", arXiv:1608.06993, table 1 (DenseNet-BC); names are torchvision's.
"""

from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor, cat

from .layers import initialise

__all__ = ["DenseNet"]

SIZES = {  # depth → growth, layers of each block, channels of conv0
    121: (32, (6, 12, 24, 16), 64),
    161: (48, (6, 12, 36, 24), 96),
    169: (32, (6, 12, 32, 32), 64),
    201: (32, (6, 12, 48, 32), 64),
}


class DenseNet(nn.Module):
    """DenseNet of 121, 161, 169 or 201 layers; 7,978,856 parameters for 121.

    Args:
        depth: 121, 161, 169 or 201.
        classes: how many.
        growth: channels that each layer adds; None for the paper's; conv0 has twice as many.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), or another size; result: (N, classes), logits.

    Raises:
        ValueError: another depth.

    >>> DenseNet(121, classes=10, growth=4).classifier
    Linear(in_features=128, out_features=10, bias=True)
    """

    def __init__(
        self,
        depth: int = 121,
        classes: int = 1000,
        growth: int | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if depth not in SIZES:
            raise ValueError(f"DenseNet: depth is {depth!r}, expected one of {list(SIZES)}")
        k, blocks, channels = SIZES[depth]
        if growth is not None:
            k, channels = growth, 2 * growth
        with nn.init.skip():
            layers: dict[str, nn.Module] = {
                "conv0": nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False),
                "norm0": nn.BatchNorm2d(channels),
                "relu0": nn.ReLU(),
                "pool0": nn.MaxPool2d(3, 2, padding=1),
            }
            for i, count in enumerate(blocks, 1):
                layers[f"denseblock{i}"] = DenseBlock(count, channels, k)
                channels += count * k
                if i < len(blocks):
                    layers[f"transition{i}"] = transition(channels)
                    channels //= 2
            layers["norm5"] = nn.BatchNorm2d(channels)
            self.features = nn.Sequential(layers)
            self.relu = nn.ReLU()
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.classifier = nn.Linear(channels, classes)
        initialise(self, nn.init.kaiming_normal_)
        nn.init.zeros_(self.classifier.bias)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self.features, self.relu, self.avgpool)
        return self.classifier(x.flatten(1))


class DenseLayer(nn.Module):
    """What it was given, and k channels made of it."""

    def __init__(self, inputs: int, k: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.relu1 = nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, 4 * k, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * k)
        self.relu2 = nn.ReLU()
        self.conv2 = nn.Conv2d(4 * k, k, 3, padding=1, bias=False)

    def forward(self, x: Any) -> Tensor:
        y = nn.chain(x, self.norm1, self.relu1, self.conv1, self.norm2, self.relu2, self.conv2)
        return cat((x, y), 1)


class DenseBlock(nn.Sequential):
    """Layers that each add to what all before have made."""

    def __init__(self, count: int, inputs: int, k: int) -> None:
        super().__init__(
            {f"denselayer{i + 1}": DenseLayer(inputs + i * k, k) for i in range(count)}
        )


def transition(inputs: int) -> nn.Sequential:
    """Half the channels, half the sides."""
    layers: dict[str, nn.Module] = {
        "norm": nn.BatchNorm2d(inputs),
        "relu": nn.ReLU(),
        "conv": nn.Conv2d(inputs, inputs // 2, 1, bias=False),
        "pool": nn.AvgPool2d(2, 2),
    }
    return nn.Sequential(layers)
