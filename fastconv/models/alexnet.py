"""AlexNet, which won ImageNet's competition of 2012.

    layer   what                                        result (N, …)     parameters
    input                                                 3 × 227 × 227
    conv1   96 filters 11 × 11, stride 4; norm, pool     96 ×  55 ×  55        34,944
    pool1   max 3 × 3, stride 2                          96 ×  27 ×  27
    conv2   256 filters 5 × 5, padding 2; norm, pool    256 ×  27 ×  27       307,456  (614,656)
    pool2   max 3 × 3, stride 2                         256 ×  13 ×  13
    conv3   384 filters 3 × 3, padding 1                384 ×  13 ×  13       885,120
    conv4   384 filters 3 × 3, padding 1                384 ×  13 ×  13       663,936  (1,327,488)
    conv5   256 filters 3 × 3, padding 1                256 ×  13 ×  13       442,624  (884,992)
    pool5   max 3 × 3, stride 2                         256 ×   6 ×   6
    fc6                                                         4,096      37,752,832
    fc7                                                         4,096      16,781,312
    fc8                                                         1,000       4,097,000
                                                                           60,965,224  (62,378,344)

conv2, conv4 and conv5 were halved between two GPUs, each half of which saw its own half of the
channels: two groups. In parentheses: without. Each layer but the last is followed by ReLU, then
"norm" is the local response normalisation.

Source: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet Classification with Deep Convolutional
Neural Networks", NIPS 2012 (it says 224 × 224, but its strides need 227). AlexNetTorchvision: A.
Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv:1404.5997.
"""

from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor

from .layers import initialise, scaled, small

__all__ = ["AlexNet", "AlexNetTorchvision"]


class AlexNet(nn.Module):
    """AlexNet as in the paper; 60,965,224 parameters.

    Args:
        classes: how many.
        groups: 2, as on the paper's two GPUs, or 1.
        norm: whether there is local response normalisation.
        dropout: probability, before fc6 and fc7's results are used, while training.
        width: factor of all channels and features between input and output.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 227, 227); result: (N, classes), logits.

    >>> AlexNet(width=1 / 32).fc6
    Linear(in_features=288, out_features=128, bias=True)
    """

    def __init__(
        self,
        classes: int = 1000,
        groups: int = 2,
        norm: bool = True,
        dropout: float = 0.5,
        width: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = (scaled(c, width, groups) for c in (96, 256, 384, 384, 256))
        hidden = scaled(4096, width)
        # The paper's α multiplies the plain sum of squares, fastconv's (and PyTorch's) their mean.
        response = (lambda: nn.LocalResponseNorm(5, 5e-4, 0.75, 2.0)) if norm else nn.Identity
        with nn.init.skip():
            self.conv1 = nn.Conv2d(3, c1, 11, stride=4)
            self.relu1 = nn.ReLU()
            self.norm1 = response()
            self.pool1 = nn.MaxPool2d(3, 2)
            self.conv2 = nn.Conv2d(c1, c2, 5, padding=2, groups=groups)
            self.relu2 = nn.ReLU()
            self.norm2 = response()
            self.pool2 = nn.MaxPool2d(3, 2)
            self.conv3 = nn.Conv2d(c2, c3, 3, padding=1)
            self.relu3 = nn.ReLU()
            self.conv4 = nn.Conv2d(c3, c4, 3, padding=1, groups=groups)
            self.relu4 = nn.ReLU()
            self.conv5 = nn.Conv2d(c4, c5, 3, padding=1, groups=groups)
            self.relu5 = nn.ReLU()
            self.pool5 = nn.MaxPool2d(3, 2)
            self.drop6 = nn.Dropout(dropout)
            self.fc6 = nn.Linear(c5 * 6 * 6, hidden)
            self.relu6 = nn.ReLU()
            self.drop7 = nn.Dropout(dropout)
            self.fc7 = nn.Linear(hidden, hidden)
            self.relu7 = nn.ReLU()
            self.fc8 = nn.Linear(hidden, classes)
        initialise(self, small, small)
        # Section 5 of the paper: so that ReLUs begin with positive inputs.
        for layer in (self.conv2, self.conv4, self.conv5, self.fc6, self.fc7):
            nn.init.ones_(layer.bias)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self.conv1, self.relu1, self.norm1, self.pool1)
        x = nn.chain(x, self.conv2, self.relu2, self.norm2, self.pool2)
        x = nn.chain(x, self.conv3, self.relu3, self.conv4, self.relu4)
        x = nn.chain(x, self.conv5, self.relu5, self.pool5).flatten(1)
        x = self.relu6(self.fc6(self.drop6(x)))
        x = self.relu7(self.fc7(self.drop7(x)))
        return self.fc8(x)


class AlexNetTorchvision(nn.Module):
    """AlexNet of one tower, with torchvision's names and sizes; 61,100,840 parameters.

    Channels are 64, 192, 384, 256, 256, without normalisation; averaging to 6 × 6 takes images of
    any size from 63 × 63 on.

    Args:
        classes, dropout, width, dtype: as for ``AlexNet``.

    Shapes:
        input: (N, 3, 224, 224); result: (N, classes), logits.

    >>> [name for name, _ in AlexNetTorchvision(width=0.1).named_parameters()][:2]
    ['features.0.weight', 'features.0.bias']
    """

    def __init__(
        self,
        classes: int = 1000,
        dropout: float = 0.5,
        width: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        c1, c2, c3, c4, hidden = (scaled(c, width) for c in (64, 192, 384, 256, 4096))
        self.features = nn.Sequential(
            nn.Conv2d(3, c1, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(c1, c2, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(c2, c3, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c3, c4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c4, c4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(c4 * 6 * 6, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
