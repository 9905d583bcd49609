"""VGG: nothing but 3 × 3 convolutions, doubling the channels where pooling halves the sides.

    stage   result (C, H, W)      convolutions 3 × 3, padding 1, each with ReLU
            of its pooling         VGG-11   -13   -16   -19
    input     3 × 224 × 224
    1        64 × 112 × 112             1     2     2     2
    2       128 ×  56 ×  56             1     2     2     2
    3       256 ×  28 ×  28             2     2     3     4
    4       512 ×  14 ×  14             2     2     3     4
    5       512 ×   7 ×   7             2     2     3     4
    fully connected                 4,096, 4,096, 1,000, for all
    parameters                     132,863,336   133,047,848   138,357,544   143,667,240

Two convolutions of 3 × 3 see as much as one of 5 × 5 and have fewer parameters, 18 C² for 25 C².

Source: K. Simonyan, A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", arXiv:1409.1556, table 1, columns A, B, D, E; names and initial values are
torchvision's, but that the linear layers' are uniform, of the same deviation.
"""

from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor

from .layers import he, initialise, scaled, small_uniform

__all__ = ["VGG"]

CONVOLUTIONS = {  # depth → in each stage
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}
CHANNELS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """VGG of 11, 13, 16 or 19 layers; 138,357,544 parameters for 16.

    Args:
        depth: 11, 13, 16 or 19.
        classes: how many.
        batch_norm: whether each convolution is followed by batch normalisation.
        dropout: probability, of the hidden features, while training.
        width: factor of all channels and features between input and output.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), or another size from 32 × 32 on: what comes out is averaged to
        7 × 7; result: (N, classes), logits.

    Raises:
        ValueError: another depth.

    >>> model = VGG(16, width=1 / 64)
    >>> sum(isinstance(part, (nn.Conv2d, nn.Linear)) for part in model.modules())
    16
    """

    def __init__(
        self,
        depth: int = 16,
        classes: int = 1000,
        batch_norm: bool = False,
        dropout: float = 0.5,
        width: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if depth not in CONVOLUTIONS:
            raise ValueError(f"VGG: depth is {depth!r}, expected one of {list(CONVOLUTIONS)}")
        hidden = scaled(4096, width)
        with nn.init.skip():
            self.features = nn.Sequential()
            before = 3
            for count, channels in zip(CONVOLUTIONS[depth], CHANNELS, strict=True):
                after = scaled(channels, width)
                for _ in range(count):
                    self.features.append(nn.Conv2d(before, after, 3, padding=1))
                    if batch_norm:
                        self.features.append(nn.BatchNorm2d(after))
                    self.features.append(nn.ReLU())
                    before = after
                self.features.append(nn.MaxPool2d(2))
            self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
            self.classifier = nn.Sequential(
                nn.Linear(before * 7 * 7, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, hidden),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(hidden, classes),
            )
        initialise(self, he, small_uniform)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
