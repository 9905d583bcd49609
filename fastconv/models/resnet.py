"""ResNet for ImageNet, its plain twin, and the form with activations first.

    layer     result (C, H, W)   18           34           50           101          152
    input       3 × 224 × 224
    conv1      64 × 112 × 112    7 × 7, stride 2, padding 3
    maxpool    64 ×  56 ×  56    3 × 3, stride 2, padding 1
    layer1     64 ×  56 ×  56    2 units      3 units      3 units      3 units      3 units
    layer2    128 ×  28 ×  28    2            4            4            4            8
    layer3    256 ×  14 ×  14    2            6            6            23           36
    layer4    512 ×   7 ×   7    2            3            3            3            3
    avgpool   512 ×   1 ×   1
    fc        1,000
    parameters                   11,689,512   21,797,672   25,557,032   44,549,160   60,192,808

Units are two 3 × 3 convolutions (18, 34) or 1 × 1, 3 × 3, 1 × 1 (50, 101, 152), whose results have
four times the channels of the table; layer2 to layer4 begin with stride 2. Add what came in, and
deeper networks train better; without, the plain twin, they train worse.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385, table 1; the pre-activation form: the same authors, "Identity Mappings in Deep
Residual Networks", arXiv:1603.05027. Names and initial values are torchvision's.
"""

from typing import Any, Literal

from fastconv import nn
from fastconv.autograd import Tensor

from .layers import he, initialise
from .residual import (
    BasicBlock,
    Bottleneck,
    PreactBasicBlock,
    PreactBottleneck,
    conv1x1,
    projection,
    stage,
)

__all__ = ["ResNet"]

UNITS = {  # depth → of layer1 to layer4
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
_BASIC = (18, 34)


class ResNet(nn.Module):
    """ResNet of 18, 34, 50, 101 or 152 layers; 25,557,032 parameters for 50.

    Args:
        depth: 18, 34, 50, 101 or 152.
        classes: how many.
        shortcuts: False for the plain twin, which is the same without them.
        preactivation: whether units begin with their activations.
        form: where units of three convolutions have their stride: in the 3 × 3 one, as in
            torchvision, or in the first, as in the 'paper'. Parameters are the same.
        width: channels of the first layer, on which all others depend.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), or another size; result: (N, classes), logits.

    Raises:
        ValueError: another depth or form.

    >>> ResNet(18, classes=10, width=8).fc
    Linear(in_features=64, out_features=10, bias=True)
    """

    def __init__(
        self,
        depth: int = 50,
        classes: int = 1000,
        shortcuts: bool = True,
        preactivation: bool = False,
        form: Literal["torchvision", "paper"] = "torchvision",
        width: int = 64,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if depth not in UNITS:
            raise ValueError(f"ResNet: depth is {depth!r}, expected one of {list(UNITS)}")
        if form not in ("torchvision", "paper"):
            raise ValueError(f"ResNet: form is {form!r}, expected 'torchvision' or 'paper'")
        basic = depth in _BASIC
        shortcut, each = projection, {}
        if preactivation:
            block = PreactBasicBlock if basic else PreactBottleneck
            shortcut = conv1x1  # batch normalisation has taken place
        else:
            block = BasicBlock if basic else Bottleneck
            if not basic:
                each["stride_first"] = form == "paper"
        with nn.init.skip():
            self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU()
            self.maxpool = nn.MaxPool2d(3, 2, padding=1)
            channels = width
            for i, count in enumerate(UNITS[depth]):
                first = {"before": "shared" if i else None} if preactivation else {}
                planes, stride = width * 2**i, 2 if i else 1
                units = stage(
                    block, channels, planes, count, stride, shortcut if shortcuts else None,
                    first, **each,
                )  # fmt: skip
                self.register_module(f"layer{i + 1}", units)
                channels = planes * block.expansion
            self.norm = nn.BatchNorm2d(channels) if preactivation else nn.Identity()
            self.last = nn.ReLU() if preactivation else nn.Identity()
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(channels, classes)
        initialise(self, he)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self.conv1, self.bn1, self.relu, self.maxpool)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = nn.chain(x, self.norm, self.last, self.avgpool)
        return self.fc(x.flatten(1))
