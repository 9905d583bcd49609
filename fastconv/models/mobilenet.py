"""MobileNet v1 and v2: convolutions of single channels, and 1 × 1 convolutions across them.

    v1: result (C, H, W)                       v2: result (C, H, W)    t     units   stride
    input      3 × 224 × 224                   input      3 × 224 × 224
    3×3 /2    32 × 112 × 112                   3×3 /2    32 × 112 × 112
    unit      64 × 112 × 112                   units     16 × 112 × 112   1     1       1
    unit /2  128 ×  56 ×  56                   units     24 ×  56 ×  56   6     2       2
    unit     128 ×  56 ×  56                   units     32 ×  28 ×  28   6     3       2
    unit /2  256 ×  28 ×  28                   units     64 ×  14 ×  14   6     4       2
    unit     256 ×  28 ×  28                   units     96 ×  14 ×  14   6     3       1
    unit /2  512 ×  14 ×  14                   units    160 ×   7 ×   7   6     3       2
    5 units  512 ×  14 ×  14                   units    320 ×   7 ×   7   6     1       1
    unit /2 1024 ×   7 ×   7                   1×1     1280 ×   7 ×   7
    unit    1024 ×   7 ×   7                   average 1280
    average 1024                               linear  1000
    linear  1000

A unit of v1 is a 3 × 3 convolution of each channel by itself (depthwise), then 1 × 1 across
channels. A unit of v2 first has t times as many channels by a 1 × 1 convolution, then the depthwise
one, then few again by 1 × 1, without activation; where the shape stays, the input is added. All
convolutions are followed by batch normalisation, and but for that last one by ReLU (v1) or ReLU6.

Sources: A. G. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
Applications", arXiv:1704.04861, table 1; M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen,
"MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv:1801.04381, table 2, with
torchvision's names.
"""

from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor

from .layers import he, initialise, scaled, small

__all__ = ["MobileNetV1", "MobileNetV2"]

V1 = (  # channels and stride of each unit
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip
V2 = (  # expansion t, channels, units, stride of the first
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def conv_norm(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    activation: type[nn.Module] = nn.ReLU6,
) -> nn.Sequential:
    """Convolution that keeps the size but for its stride, batch normalisation, activation."""
    padding = kernel // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        activation(),
    )


class MobileNetV1(nn.Module):
    """MobileNet v1; 4,231,976 parameters.

    Args:
        classes: how many.
        width: factor of all channels between input and output, the paper's α.
        dropout: probability, before the last layer, while training.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), or another size; result: (N, classes), logits.

    >>> MobileNetV1(width=0.25).features[1][0][0].groups
    8
    """

    def __init__(
        self, classes: int = 1000, width: float = 1.0, dropout: float = 0.001, dtype: Any = None
    ) -> None:
        super().__init__()
        channels = scaled(32, width)
        with nn.init.skip():
            layers = [conv_norm(3, channels, 3, 2, activation=nn.ReLU)]
            for base, stride in V1:
                outputs = scaled(base, width)
                depthwise = conv_norm(channels, channels, 3, stride, channels, nn.ReLU)
                pointwise = conv_norm(channels, outputs, 1, activation=nn.ReLU)
                layers.append(nn.Sequential(depthwise, pointwise))
                channels = outputs
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, classes))
        initialise(self, he, small)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class MobileNetV2(nn.Module):
    """MobileNet v2; 3,504,872 parameters.

    Args:
        classes: how many.
        width: factor of all channels between input and output, which are then multiples of 8; the
            last convolution's do not become fewer.
        dropout: probability, before the last layer, while training.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), or another size; result: (N, classes), logits.

    >>> MobileNetV2(width=0.35).features[1].conv[1]
    Conv2d(16, 8, kernel_size=(1, 1), stride=(1, 1), bias=False)
    """

    def __init__(
        self, classes: int = 1000, width: float = 1.0, dropout: float = 0.2, dtype: Any = None
    ) -> None:
        super().__init__()
        channels = multiple_of_8(32 * width)
        last = multiple_of_8(1280 * max(1.0, width))
        with nn.init.skip():
            layers: list[nn.Module] = [conv_norm(3, channels, 3, 2)]
            for t, base, count, stride in V2:
                outputs = multiple_of_8(base * width)
                for i in range(count):
                    layers.append(InvertedResidual(channels, outputs, 1 if i else stride, t))
                    channels = outputs
            layers.append(conv_norm(channels, last, 1))
            self.features = nn.Sequential(*layers)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, classes))
        initialise(self, he, small)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class InvertedResidual(nn.Module):
    """The unit of v2."""

    def __init__(self, inputs: int, outputs: int, stride: int, t: int) -> None:
        super().__init__()
        inner = inputs * t
        self.conv = nn.Sequential(
            *([conv_norm(inputs, inner, 1)] if t != 1 else []),
            conv_norm(inner, inner, 3, stride, inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Any) -> Tensor:
        return nn.chain(x, self.conv, residual=x if self.adds else None)


def multiple_of_8(channels: float) -> int:
    """The nearest one, but no less than nine tenths of channels, as the authors round.

    >>> multiple_of_8(11.2), multiple_of_8(11.9), multiple_of_8(44.8)
    (16, 16, 48)
    """
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
