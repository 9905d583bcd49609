"""Network in Network: 1 × 1 convolutions as small networks that slide over the image.

A 1 × 1 convolution is the same linear layer for every pixel, across its channels. The smallest
example: 28 × 28 × 192 becomes 28 × 28 × 32, by 192 · 32 weights:

>>> import numpy as np
>>> from fastconv import nn
>>> reduce = nn.Conv2d(192, 32, 1)
>>> reduce(np.zeros((1, 192, 28, 28), np.float32)).shape, reduce.weight.numel()
((1, 32, 28, 28), 6144)

    for CIFAR                        result (C, H, W)  for ImageNet                    result
    input                              3 × 32 × 32     input                           3 × 224 × 224
    5 × 5, padding 2                 192 × 32 × 32     11 × 11, stride 4              96 × 54 × 54
    1 × 1                            160 × 32 × 32     1 × 1                          96 × 54 × 54
    1 × 1                             96 × 32 × 32     1 × 1                          96 × 54 × 54
    max 3 × 3, stride 2, dropout      96 × 16 × 16     max 3 × 3, stride 2            96 × 27 × 27
    5 × 5, padding 2                 192 × 16 × 16     5 × 5, padding 2              256 × 27 × 27
    1 × 1                            192 × 16 × 16     1 × 1                         256 × 27 × 27
    1 × 1                            192 × 16 × 16     1 × 1                         256 × 27 × 27
    average 3 × 3, stride 2, dropout 192 ×  8 ×  8     max 3 × 3, stride 2           256 × 13 × 13
    3 × 3, padding 1                 192 ×  8 ×  8     3 × 3, padding 1              384 × 13 × 13
    1 × 1                            192 ×  8 ×  8     1 × 1                         384 × 13 × 13
    1 × 1                             10 ×  8 ×  8     1 × 1                         384 × 13 × 13
                                                       max 3 × 3, stride 2, dropout  384 × 6 × 6
                                                       3 × 3, padding 1             1024 × 6 × 6
                                                       1 × 1                        1024 × 6 × 6
                                                       1 × 1                        1000 × 6 × 6
    average of each plane             10 ×  1 ×  1     average of each plane        1000 × 1 × 1
    parameters                             966,986     parameters                      7,595,176

Each convolution is followed by ReLU; windows of pooling may hang over the end. There is no fully
connected layer: the average of a plane is the score of its class.

Source: M. Lin, Q. Chen, S. Yan, "Network In Network", arXiv:1312.4400; sizes are those of the
authors' own networks for Caffe (the Model Zoo's "Network in Network").
"""

from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor

from .layers import he, initialise, scaled

__all__ = ["NiN", "NiNImageNet"]


def mlpconv(inputs: int, channels: tuple[int, int, int], kernel: int, **how: Any) -> list:
    """A convolution and two of 1 × 1: the paper's "mlpconv" layer."""
    c1, c2, c3 = channels
    return [
        nn.Conv2d(inputs, c1, kernel, **how), nn.ReLU(),
        nn.Conv2d(c1, c2, 1), nn.ReLU(),
        nn.Conv2d(c2, c3, 1), nn.ReLU(),
    ]  # fmt: skip


class _Averaged(nn.Module):
    """Layers whose planes' averages are the scores."""

    def __init__(self, layers: list[nn.Module], dtype: Any) -> None:
        super().__init__()
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        initialise(self, he)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return self.avgpool(self.features(x)).flatten(1)


class NiN(_Averaged):
    """Network in Network for images of 32 × 32; 966,986 parameters.

    Args:
        classes: how many.
        dropout: probability, after pooling, while training.
        width: factor of all channels between input and output.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 32, 32), or another size; result: (N, classes), scores as logits are, but
        none is negative.

    >>> len([part for part in NiN().features if isinstance(part, nn.Conv2d)])
    9
    """

    def __init__(
        self, classes: int = 10, dropout: float = 0.5, width: float = 1.0, dtype: Any = None
    ) -> None:
        a, b, c = (scaled(channels, width) for channels in (192, 160, 96))
        with nn.init.skip():
            layers = [
                *mlpconv(3, (a, b, c), 5, padding=2),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Dropout(dropout),
                *mlpconv(c, (a, a, a), 5, padding=2),
                nn.AvgPool2d(3, 2, ceil_mode=True),
                nn.Dropout(dropout),
                *mlpconv(a, (a, a, classes), 3, padding=1),
            ]
        super().__init__(layers, dtype)


class NiNImageNet(_Averaged):
    """Network in Network for ImageNet; 7,595,176 parameters.

    Args:
        as for ``NiN``.

    Shapes:
        input: (N, 3, 224, 224), or another size; result: (N, classes), as of ``NiN``.

    >>> len([part for part in NiNImageNet(width=1 / 16).features if isinstance(part, nn.Conv2d)])
    12
    """

    def __init__(
        self, classes: int = 1000, dropout: float = 0.5, width: float = 1.0, dtype: Any = None
    ) -> None:
        a, b, c, d = (scaled(channels, width) for channels in (96, 256, 384, 1024))
        with nn.init.skip():
            layers = [
                *mlpconv(3, (a, a, a), 11, stride=4),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                *mlpconv(a, (b, b, b), 5, padding=2),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                *mlpconv(b, (c, c, c), 3, padding=1),
                nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.Dropout(dropout),
                *mlpconv(c, (d, d, classes), 3, padding=1),
            ]
        super().__init__(layers, dtype)
