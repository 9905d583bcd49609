"""GoogLeNet (Inception v1), which won ImageNet's competition of 2014.

    layer          result (C, H, W)    1×1   3×3 reduce   3×3   5×5 reduce   5×5   pool proj
    input             3 × 224 × 224
    conv1            64 × 112 × 112    7 × 7, stride 2, padding 3
    maxpool1         64 ×  56 ×  56    3 × 3, stride 2
    conv2, conv3    192 ×  56 ×  56                  64   192
    maxpool2        192 ×  28 ×  28    3 × 3, stride 2
    inception3a     256 ×  28 ×  28     64           96   128           16    32          32
    inception3b     480 ×  28 ×  28    128          128   192           32    96          64
    maxpool3        480 ×  14 ×  14    3 × 3, stride 2
    inception4a     512 ×  14 ×  14    192           96   208           16    48          64
    inception4b     512 ×  14 ×  14    160          112   224           24    64          64
    inception4c     512 ×  14 ×  14    128          128   256           24    64          64
    inception4d     528 ×  14 ×  14    112          144   288           32    64          64
    inception4e     832 ×  14 ×  14    256          160   320           32   128         128
    maxpool4        832 ×   7 ×   7    3 × 3, stride 2
    inception5a     832 ×   7 ×   7    256          160   320           32   128         128
    inception5b    1024 ×   7 ×   7    384          192   384           48   128         128
    avgpool        1024 ×   1 ×   1    dropout of 40 %
    fc             1000

While training, two smaller classifiers read inception4a's and inception4d's results.

Source: C. Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, table 1. torchvision's
form differs from the paper's: batch normalisation follows each convolution and takes the place of
biases and of the two local response normalisations, the "5×5" are 3 × 3, and maxpool4 is 2 × 2.
"""

from typing import Any, Literal, NamedTuple

from fastconv import functional as F
from fastconv import nn
from fastconv.autograd import Tensor, cat

from .layers import ConvNormReLU, initialise, scaled, small

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "loss_with_auxiliaries"]

INCEPTIONS = {  # name → the columns of the table
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


class GoogLeNetOutputs(NamedTuple):
    """Logits while training: of the whole, of the second and of the first auxiliary classifier."""

    logits: Tensor
    aux_logits2: Tensor
    aux_logits1: Tensor


def loss_with_auxiliaries(outputs: Any, target: Any, weight: float = 0.3) -> Tensor:
    """Cross-entropy of the logits, plus weight times that of each auxiliary classifier's.

    Args:
        outputs: a tuple of logits, the first of the whole network; or these alone.
        target: (N,) classes.

    Source:
        the paper, section 5. (For Inception v3 the weight is usually 0.4.)

    >>> import numpy as np
    >>> logits = Tensor(np.zeros((2, 10)))
    >>> loss = loss_with_auxiliaries(GoogLeNetOutputs(logits, logits, logits), np.array([3, 4]))
    >>> bool(np.isclose(loss.item(), 1.6 * np.log(10)))
    True
    """
    logits, *auxiliaries = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = F.cross_entropy(logits, target)
    for one in auxiliaries:
        loss = loss + weight * F.cross_entropy(one, target)
    return loss


class GoogLeNet(nn.Module):
    """GoogLeNet; 13,004,888 parameters, 6,624,904 of them without the auxiliary classifiers.

    Args:
        classes: how many.
        auxiliaries: whether there are auxiliary classifiers.
        form: 'torchvision' or 'paper', as the module describes them.
        dropout, auxiliary_dropout: probabilities, before the last layers, while training.
        width: factor of all channels and features between input and output.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), or another size; result: (N, classes), logits; while training,
        with auxiliary classifiers, GoogLeNetOutputs.

    Raises:
        ValueError: another form.

    >>> GoogLeNet(width=1 / 16).inception3a.branch1.conv.weight.shape
    (4, 12, 1, 1)
    """

    def __init__(
        self,
        classes: int = 1000,
        auxiliaries: bool = True,
        form: Literal["torchvision", "paper"] = "torchvision",
        dropout: float | None = None,
        auxiliary_dropout: float = 0.7,
        width: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if form not in ("torchvision", "paper"):
            raise ValueError(f"GoogLeNet: form is {form!r}, expected 'torchvision' or 'paper'")
        paper = form == "paper"
        norm = not paper
        if dropout is None:
            dropout = 0.4 if paper else 0.2
        c1, c3 = scaled(64, width), scaled(192, width)
        # The paper does not tell the numbers; these are of its reimplementation for Caffe.
        response = (lambda: nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0)) if paper else nn.Identity
        with nn.init.skip():
            self.conv1 = ConvNormReLU(3, c1, 7, norm, stride=2, padding=3)
            self.maxpool1 = nn.MaxPool2d(3, 2, ceil_mode=True)
            self.norm1 = response()
            self.conv2 = ConvNormReLU(c1, c1, 1, norm)
            self.conv3 = ConvNormReLU(c1, c3, 3, norm, padding=1)
            self.norm2 = response()
            self.maxpool2 = nn.MaxPool2d(3, 2, ceil_mode=True)
            sizes, channels = {}, c3
            for name, columns in INCEPTIONS.items():
                columns = [scaled(column, width) for column in columns]
                inception = Inception(channels, *columns, kernel=5 if paper else 3, norm=norm)
                self.register_module(f"inception{name}", inception)
                sizes[name] = channels = columns[0] + columns[2] + columns[4] + columns[5]
            self.maxpool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
            self.maxpool4 = nn.MaxPool2d(3 if paper else 2, 2, ceil_mode=True)
            self.aux1 = self.aux2 = None
            if auxiliaries:
                self.aux1 = Auxiliary(sizes["4a"], classes, auxiliary_dropout, width, norm)
                self.aux2 = Auxiliary(sizes["4d"], classes, auxiliary_dropout, width, norm)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.dropout = nn.Dropout(dropout)
            self.fc = nn.Linear(channels, classes)
        # Without batch norm, so deep a network needs initial weights that keep the variance.
        if paper:
            initialise(self, nn.init.xavier_uniform_, nn.init.xavier_uniform_)
        else:
            # torchvision's; what it cuts off beyond 2 lies 200 deviations out.
            initialise(self, small, small)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor | GoogLeNetOutputs:
        x = self.norm1(self.maxpool1(self.conv1(x)))
        x = self.maxpool2(self.norm2(self.conv3(self.conv2(x))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        a = self.inception4a(x)
        d = self.inception4d(self.inception4c(self.inception4b(a)))
        x = self.maxpool4(self.inception4e(d))
        x = self.inception5b(self.inception5a(x))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        if self.training and self.aux1 is not None:
            return GoogLeNetOutputs(x, self.aux2(d), self.aux1(a))
        return x


class Inception(nn.Module):
    """Four branches side by side, whose channels come one after another."""

    def __init__(
        self,
        inputs: int,
        c1: int,
        reduce3: int,
        c3: int,
        reduce5: int,
        c5: int,
        projection: int,
        kernel: int,
        norm: bool,
    ) -> None:
        super().__init__()
        self.branch1 = ConvNormReLU(inputs, c1, 1, norm)
        self.branch2 = nn.Sequential(
            ConvNormReLU(inputs, reduce3, 1, norm),
            ConvNormReLU(reduce3, c3, 3, norm, padding=1),
        )
        self.branch3 = nn.Sequential(
            ConvNormReLU(inputs, reduce5, 1, norm),
            ConvNormReLU(reduce5, c5, kernel, norm, padding=kernel // 2),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, 1, padding=1),
            ConvNormReLU(inputs, projection, 1, norm),
        )

    def forward(self, x: Any) -> Tensor:
        return cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), 1)


class Auxiliary(nn.Module):
    """A classifier of what has been found half-way."""

    def __init__(self, inputs: int, classes: int, dropout: float, width: float, norm: bool) -> None:
        super().__init__()
        channels, hidden = scaled(128, width), scaled(1024, width)
        self.pool = nn.AdaptiveAvgPool2d((4, 4))
        self.conv = ConvNormReLU(inputs, channels, 1, norm)
        self.fc1 = nn.Linear(channels * 4 * 4, hidden)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, classes)

    def forward(self, x: Any) -> Tensor:
        x = self.conv(self.pool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))
