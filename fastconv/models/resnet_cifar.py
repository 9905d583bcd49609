"""ResNet for CIFAR's images of 32 × 32, its plain twin, and the form with activations first.

    layer     result (C, H, W)   what                              of 20 layers: parameters
    input     3 × 32 × 32
    conv1    16 × 32 × 32        3 × 3, padding 1                                       464
    layer1   16 × 32 × 32        n units of two 3 × 3                                14,016
    layer2   32 × 16 × 16        n units, the first of stride 2                      51,072
    layer3   64 ×  8 ×  8        n units, the first of stride 2                     203,520
    avgpool  64 ×  1 ×  1
    fc       10                                                                         650

    layers (6n + 2)     20         32         44         56         110
    parameters     269,722    464,154    658,586    853,018   1,727,962

Shortcuts have no parameters: where the shape changes, every second pixel, and zeros for channels
that are new (option A). So the plain twin has as many parameters. With 56 layers it trains worse
than with 20; the ResNet trains better.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385, section 4.2 and table 6; the pre-activation form: the same authors,
arXiv:1603.05027.
"""

from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor

from .layers import he, initialise
from .residual import BasicBlock, PaddedShortcut, PreactBasicBlock, stage

__all__ = ["CifarResNet"]


class CifarResNet(nn.Module):
    """ResNet for images of 32 × 32, of 6n + 2 layers; 269,722 parameters for 20.

    Args:
        depth: 8, 14, 20, …
        classes: how many.
        shortcuts: False for the plain twin, which is the same without them.
        preactivation: whether units begin with their activations.
        width: channels of the first layer, on which all others depend.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 32, 32), or another size; result: (N, classes), logits.

    Raises:
        ValueError: another depth.

    >>> same = [CifarResNet(20, shortcuts=how).parameters() for how in (True, False)]
    >>> [sum(p.numel() for p in parameters) for parameters in same]
    [269722, 269722]
    """

    def __init__(
        self,
        depth: int = 20,
        classes: int = 10,
        shortcuts: bool = True,
        preactivation: bool = False,
        width: int = 16,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"CifarResNet: depth is {depth!r}, expected 6n + 2: 8, 14, 20, …")
        count = depth // 6
        block = PreactBasicBlock if preactivation else BasicBlock
        shortcut = PaddedShortcut if shortcuts else None
        first = {"before": "shared"} if preactivation else {}
        with nn.init.skip():
            self.conv1 = nn.Conv2d(3, width, 3, padding=1, bias=False)
            self.bn1 = nn.Identity() if preactivation else nn.BatchNorm2d(width)
            self.relu = nn.Identity() if preactivation else nn.ReLU()
            self.layer1 = stage(block, width, width, count, 1, shortcut, first)
            self.layer2 = stage(block, width, 2 * width, count, 2, shortcut, first)
            self.layer3 = stage(block, 2 * width, 4 * width, count, 2, shortcut, first)
            self.norm = nn.BatchNorm2d(4 * width) if preactivation else nn.Identity()
            self.last = nn.ReLU() if preactivation else nn.Identity()
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(4 * width, classes)
        initialise(self, he)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self.conv1, self.bn1, self.relu)
        x = self.layer3(self.layer2(self.layer1(x)))
        x = nn.chain(x, self.norm, self.last, self.avgpool)
        return self.fc(x.flatten(1))
