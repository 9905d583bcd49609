"""Inception v3: large windows as rows of small ones, 7 × 7 as 1 × 7 after 7 × 1.

    layer            result (C, H, W)    what
    input               3 × 299 × 299
    Conv2d_1a_3x3      32 × 149 × 149    3 × 3, stride 2
    Conv2d_2a_3x3      32 × 147 × 147    3 × 3
    Conv2d_2b_3x3      64 × 147 × 147    3 × 3, padding 1
    maxpool1           64 ×  73 ×  73    3 × 3, stride 2
    Conv2d_3b_1x1      80 ×  73 ×  73    1 × 1
    Conv2d_4a_3x3     192 ×  71 ×  71    3 × 3
    maxpool2          192 ×  35 ×  35    3 × 3, stride 2
    Mixed_5b          256 ×  35 ×  35    A: 1 × 1; 5 × 5; two 3 × 3; average pooling
    Mixed_5c, 5d      288 ×  35 ×  35    A
    Mixed_6a          768 ×  17 ×  17    B: 3 × 3 and pooling of stride 2
    Mixed_6b to 6e    768 ×  17 ×  17    C: 1 × 1; 1 × 7, 7 × 1; the same twice; average pooling
    Mixed_7a         1280 ×   8 ×   8    D: 3 × 3 and pooling of stride 2
    Mixed_7b, 7c     2048 ×   8 ×   8    E: 1 × 1; 1 × 3 beside 3 × 1, twice; average pooling
    avgpool          2048 ×   1 ×   1    dropout
    fc               1000

Each convolution is followed by batch normalisation and ReLU. While training, a smaller classifier
reads Mixed_6e's result.

Source: C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception
Architecture for Computer Vision", arXiv:1512.00567; sizes and names are torchvision's, and so
those of the authors' published network, which differs a little from the paper's table 1.
"""

from functools import partial
from typing import Any, NamedTuple

from fastconv import nn
from fastconv.autograd import Tensor, cat

from .layers import ConvNormReLU, initialise, scaled

__all__ = ["InceptionV3", "InceptionV3Outputs"]

_ROW, _COLUMN = {"padding": (0, 3)}, {"padding": (3, 0)}  # of 1 × 7, of 7 × 1
_ROW3, _COLUMN3 = {"padding": (0, 1)}, {"padding": (1, 0)}


class InceptionV3Outputs(NamedTuple):
    """Logits while training: of the whole and of the auxiliary classifier."""

    logits: Tensor
    aux_logits: Tensor


class InceptionV3(nn.Module):
    """Inception v3; 27,161,264 parameters, 23,834,568 of them without the auxiliary classifier.

    Args:
        classes: how many.
        auxiliary: whether there is an auxiliary classifier.
        dropout: probability, before the last layer, while training.
        width: factor of all channels between input and output.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 299, 299), or another size from 75 × 75 on; result: (N, classes), logits;
        while training, with an auxiliary classifier, which asks for 299 × 299, InceptionV3Outputs.

    >>> model = InceptionV3(width=1 / 32)
    >>> model.Mixed_6b.branch7x7_2.conv.kernel_size
    (1, 7)
    """

    def __init__(
        self,
        classes: int = 1000,
        auxiliary: bool = True,
        dropout: float = 0.5,
        width: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__()

        def w(channels: int) -> int:
            return scaled(channels, width)

        with nn.init.skip():
            self.Conv2d_1a_3x3 = ConvNormReLU(3, w(32), 3, stride=2)
            self.Conv2d_2a_3x3 = ConvNormReLU(w(32), w(32), 3)
            self.Conv2d_2b_3x3 = ConvNormReLU(w(32), w(64), 3, padding=1)
            self.maxpool1 = nn.MaxPool2d(3, 2)
            self.Conv2d_3b_1x1 = ConvNormReLU(w(64), w(80), 1)
            self.Conv2d_4a_3x3 = ConvNormReLU(w(80), w(192), 3)
            self.maxpool2 = nn.MaxPool2d(3, 2)
            self.Mixed_5b = InceptionA(w(192), w, 32)
            self.Mixed_5c = InceptionA(self.Mixed_5b.outputs, w, 64)
            self.Mixed_5d = InceptionA(self.Mixed_5c.outputs, w, 64)
            self.Mixed_6a = InceptionB(self.Mixed_5d.outputs, w)
            channels = self.Mixed_6a.outputs
            for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
                mixed = InceptionC(channels, w, inner)
                self.register_module(f"Mixed_{name}", mixed)
                channels = mixed.outputs
            self.AuxLogits = Auxiliary(channels, w, classes) if auxiliary else None
            self.Mixed_7a = InceptionD(channels, w)
            self.Mixed_7b = InceptionE(self.Mixed_7a.outputs, w)
            self.Mixed_7c = InceptionE(self.Mixed_7b.outputs, w)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.dropout = nn.Dropout(dropout)
            self.fc = nn.Linear(self.Mixed_7c.outputs, classes)
        initialise(self, _initial, _initial)
        if auxiliary:
            nn.init.trunc_normal_(self.AuxLogits.fc.weight, std=0.001)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor | InceptionV3Outputs:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(self.maxpool1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(self.maxpool2(x))))
        half_way = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(half_way)))
        x = self.fc(self.dropout(self.avgpool(x)).flatten(1))
        if self.training and self.AuxLogits is not None:
            return InceptionV3Outputs(x, self.AuxLogits(half_way))
        return x


# torchvision's and the authors' own: deviation 0.1, cut off at 2.
_initial = partial(nn.init.trunc_normal_, std=0.1)


class InceptionA(nn.Module):
    def __init__(self, inputs: int, w: Any, pool: int) -> None:
        super().__init__()
        self.branch1x1 = ConvNormReLU(inputs, w(64), 1)
        self.branch5x5_1 = ConvNormReLU(inputs, w(48), 1)
        self.branch5x5_2 = ConvNormReLU(w(48), w(64), 5, padding=2)
        self.branch3x3dbl_1 = ConvNormReLU(inputs, w(64), 1)
        self.branch3x3dbl_2 = ConvNormReLU(w(64), w(96), 3, padding=1)
        self.branch3x3dbl_3 = ConvNormReLU(w(96), w(96), 3, padding=1)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvNormReLU(inputs, w(pool), 1)
        self.outputs = w(64) + w(64) + w(96) + w(pool)

    def forward(self, x: Any) -> Tensor:
        branch5x5 = self.branch5x5_2(self.branch5x5_1(x))
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        branch_pool = self.branch_pool(self.pool(x))
        return cat((self.branch1x1(x), branch5x5, branch3x3dbl, branch_pool), 1)


class InceptionB(nn.Module):
    def __init__(self, inputs: int, w: Any) -> None:
        super().__init__()
        self.branch3x3 = ConvNormReLU(inputs, w(384), 3, stride=2)
        self.branch3x3dbl_1 = ConvNormReLU(inputs, w(64), 1)
        self.branch3x3dbl_2 = ConvNormReLU(w(64), w(96), 3, padding=1)
        self.branch3x3dbl_3 = ConvNormReLU(w(96), w(96), 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2)
        self.outputs = w(384) + w(96) + inputs

    def forward(self, x: Any) -> Tensor:
        branch3x3dbl = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return cat((self.branch3x3(x), branch3x3dbl, self.pool(x)), 1)


class InceptionC(nn.Module):
    def __init__(self, inputs: int, w: Any, inner: int) -> None:
        super().__init__()
        c, out = w(inner), w(192)
        self.branch1x1 = ConvNormReLU(inputs, out, 1)
        self.branch7x7_1 = ConvNormReLU(inputs, c, 1)
        self.branch7x7_2 = ConvNormReLU(c, c, (1, 7), **_ROW)
        self.branch7x7_3 = ConvNormReLU(c, out, (7, 1), **_COLUMN)
        self.branch7x7dbl_1 = ConvNormReLU(inputs, c, 1)
        self.branch7x7dbl_2 = ConvNormReLU(c, c, (7, 1), **_COLUMN)
        self.branch7x7dbl_3 = ConvNormReLU(c, c, (1, 7), **_ROW)
        self.branch7x7dbl_4 = ConvNormReLU(c, c, (7, 1), **_COLUMN)
        self.branch7x7dbl_5 = ConvNormReLU(c, out, (1, 7), **_ROW)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvNormReLU(inputs, out, 1)
        self.outputs = 4 * out

    def forward(self, x: Any) -> Tensor:
        branch7x7 = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        dbl = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        dbl = self.branch7x7dbl_5(self.branch7x7dbl_4(dbl))
        return cat((self.branch1x1(x), branch7x7, dbl, self.branch_pool(self.pool(x))), 1)


class InceptionD(nn.Module):
    def __init__(self, inputs: int, w: Any) -> None:
        super().__init__()
        c = w(192)
        self.branch3x3_1 = ConvNormReLU(inputs, c, 1)
        self.branch3x3_2 = ConvNormReLU(c, w(320), 3, stride=2)
        self.branch7x7x3_1 = ConvNormReLU(inputs, c, 1)
        self.branch7x7x3_2 = ConvNormReLU(c, c, (1, 7), **_ROW)
        self.branch7x7x3_3 = ConvNormReLU(c, c, (7, 1), **_COLUMN)
        self.branch7x7x3_4 = ConvNormReLU(c, c, 3, stride=2)
        self.pool = nn.MaxPool2d(3, 2)
        self.outputs = w(320) + c + inputs

    def forward(self, x: Any) -> Tensor:
        branch3x3 = self.branch3x3_2(self.branch3x3_1(x))
        y = self.branch7x7x3_2(self.branch7x7x3_1(x))
        y = self.branch7x7x3_4(self.branch7x7x3_3(y))
        return cat((branch3x3, y, self.pool(x)), 1)


class InceptionE(nn.Module):
    def __init__(self, inputs: int, w: Any) -> None:
        super().__init__()
        c = w(384)
        self.branch1x1 = ConvNormReLU(inputs, w(320), 1)
        self.branch3x3_1 = ConvNormReLU(inputs, c, 1)
        self.branch3x3_2a = ConvNormReLU(c, c, (1, 3), **_ROW3)
        self.branch3x3_2b = ConvNormReLU(c, c, (3, 1), **_COLUMN3)
        self.branch3x3dbl_1 = ConvNormReLU(inputs, w(448), 1)
        self.branch3x3dbl_2 = ConvNormReLU(w(448), c, 3, padding=1)
        self.branch3x3dbl_3a = ConvNormReLU(c, c, (1, 3), **_ROW3)
        self.branch3x3dbl_3b = ConvNormReLU(c, c, (3, 1), **_COLUMN3)
        self.pool = nn.AvgPool2d(3, 1, padding=1)
        self.branch_pool = ConvNormReLU(inputs, w(192), 1)
        self.outputs = w(320) + 4 * c + w(192)

    def forward(self, x: Any) -> Tensor:
        y = self.branch3x3_1(x)
        z = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        branches = (
            self.branch1x1(x),
            self.branch3x3_2a(y),
            self.branch3x3_2b(y),
            self.branch3x3dbl_3a(z),
            self.branch3x3dbl_3b(z),
            self.branch_pool(self.pool(x)),
        )
        return cat(branches, 1)


class Auxiliary(nn.Module):
    def __init__(self, inputs: int, w: Any, classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, 3)
        self.conv0 = ConvNormReLU(inputs, w(128), 1)
        self.conv1 = ConvNormReLU(w(128), w(768), 5)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(w(768), classes)

    def forward(self, x: Any) -> Tensor:
        x = self.conv1(self.conv0(self.pool(x)))
        return self.fc(self.avgpool(x).flatten(1))
