"""Residual units, of which ResNets are made, and the same without their shortcuts.

    unit                 the residual branch F(x)                             result
    BasicBlock           3 × 3, BN, ReLU, 3 × 3, BN                           ReLU(x + F(x))
    Bottleneck           1 × 1, BN, ReLU, 3 × 3, BN, ReLU, 1 × 1, BN          ReLU(x + F(x))
    PreactBasicBlock     BN, ReLU, 3 × 3, BN, ReLU, 3 × 3                     x + F(x)
    PreactBottleneck     BN, ReLU, 1 × 1, BN, ReLU, 3 × 3, BN, ReLU, 1 × 1    x + F(x)

Where F changes the shape, the shortcut does, too: by a projection, which is a 1 × 1 convolution
(the paper's option B), or without parameters, by leaving out pixels and filling up channels with
zeros (option A).

Sources: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition",
arXiv:1512.03385; of the pre-activation units the same authors' "Identity Mappings in Deep Residual
Networks", arXiv:1603.05027.
"""

from collections.abc import Callable
from typing import Any

from fastconv import functional as F
from fastconv import nn
from fastconv.autograd import Tensor

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "PaddedShortcut",
    "PreactBasicBlock",
    "PreactBottleneck",
    "projection",
    "stage",
]

# (channels before, after, stride) → the shortcut of a unit that changes the shape.
Shortcut = Callable[[int, int, int], nn.Module]


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def conv1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """The shortcut of option B: a 1 × 1 convolution and batch normalisation."""
    return nn.Sequential(conv1x1(inputs, outputs, stride), nn.BatchNorm2d(outputs))


class PaddedShortcut(nn.Module):
    """The shortcut of option A: every stride-th pixel, and channels of zeros after the others.

    Shapes:
        input: (N, inputs, H, W); result: (N, outputs, ⌈H / stride⌉, ⌈W / stride⌉)

    >>> import numpy as np
    >>> PaddedShortcut(1, 2, 2)(np.full((1, 1, 2, 2), 5.0)).tolist()
    [[[[5.0]], [[0.0]]]]
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.added = outputs - inputs
        self.subsample = nn.MaxPool2d(1, stride)

    def forward(self, x: Any) -> Any:
        return F.pad(self.subsample(x), (0, 0, 0, 0, 0, self.added))

    def extra_repr(self) -> str:
        return f"added={self.added}"


class _Unit(nn.Module):
    """inputs channels become planes · expansion; downsample is the shortcut where that is not the
    identity; shortcut=False leaves it out."""

    expansion = 1

    def _shortcut(self, x: Tensor) -> Tensor | None:
        """What is added to the branch."""
        if not self.shortcut:
            return None
        return x if self.downsample is None else self.downsample(x)


class BasicBlock(_Unit):
    """Two 3 × 3 convolutions."""

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        shortcut: bool = True,
    ) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, planes, stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU()
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample
        self.shortcut = shortcut

    def forward(self, x: Any) -> Tensor:
        y = nn.chain(x, self.conv1, self.bn1, self.relu)
        x = self._shortcut(x)
        return nn.chain(y, self.conv2, self.bn2, residual=x, activation=self.relu)


class Bottleneck(_Unit):
    """A 3 × 3 convolution between two of 1 × 1, the first of which has a quarter of the channels.

    Args:
        stride_first: whether the first convolution has the stride, as in the paper, and not the
            3 × 3 one, which sees all pixels then and costs more.
    """

    expansion = 4

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        shortcut: bool = True,
        stride_first: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = conv1x1(inputs, planes, first)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, second)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv1x1(planes, planes * self.expansion)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.relu = nn.ReLU()
        self.downsample = downsample
        self.shortcut = shortcut

    def forward(self, x: Any) -> Tensor:
        y = nn.chain(x, self.conv1, self.bn1, self.relu, self.conv2, self.bn2, self.relu)
        x = self._shortcut(x)
        return nn.chain(y, self.conv3, self.bn3, residual=x, activation=self.relu)


class _Preact(_Unit):
    """Units whose first activation is, by `before`: 'own', of the branch alone; 'shared', of branch
    and shortcut, at the beginning of a stage; None, where that has taken place already."""

    def __init__(
        self,
        inputs: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        shortcut: bool = True,
        before: str | None = "own",
    ) -> None:
        super().__init__()
        if before is not None:
            self.bn1 = nn.BatchNorm2d(inputs)
        self.relu = nn.ReLU()
        self.before = before
        self.downsample = downsample
        self.shortcut = shortcut
        self._make_branch(inputs, planes, stride)

    def _make_branch(self, inputs: int, planes: int, stride: int) -> None:
        """The convolutions and what is between them."""
        raise NotImplementedError

    def _activated(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the branch and what the shortcut begin with."""
        if self.before is None:
            return x, x
        y = nn.chain(x, self.bn1, self.relu)
        return y, (y if self.before == "shared" else x)


class PreactBasicBlock(_Preact):
    """Two 3 × 3 convolutions, each after its activation."""

    def _make_branch(self, inputs: int, planes: int, stride: int) -> None:
        self.conv1 = conv3x3(inputs, planes, stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes)

    def forward(self, x: Any) -> Tensor:
        y, x = self._activated(x)
        y = nn.chain(y, self.conv1, self.bn2, self.relu)
        return nn.chain(y, self.conv2, residual=self._shortcut(x))


class PreactBottleneck(_Preact):
    """1 × 1, 3 × 3 and 1 × 1 convolutions, each after its activation."""

    expansion = 4

    def _make_branch(self, inputs: int, planes: int, stride: int) -> None:
        self.conv1 = conv1x1(inputs, planes)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv2 = conv3x3(planes, planes, stride)
        self.bn3 = nn.BatchNorm2d(planes)
        self.conv3 = conv1x1(planes, planes * self.expansion)

    def forward(self, x: Any) -> Tensor:
        y, x = self._activated(x)
        y = nn.chain(y, self.conv1, self.bn2, self.relu, self.conv2, self.bn3, self.relu)
        return nn.chain(y, self.conv3, residual=self._shortcut(x))


def stage(
    block: type[_Unit],
    inputs: int,
    planes: int,
    count: int,
    stride: int,
    shortcut: Shortcut | None,
    first: dict[str, Any] | None = None,
    **each: Any,
) -> nn.Sequential:
    """Units in a row, the first of which may change the shape.

    Args:
        shortcut: makes the shortcut of a unit that changes the shape; None: without any.
        first, each: further arguments of the first unit, of every unit.
    """
    outputs = planes * block.expansion
    downsample = None
    if shortcut is not None and (stride != 1 or inputs != outputs):
        downsample = shortcut(inputs, outputs, stride)
    each["shortcut"] = shortcut is not None
    units = [block(inputs, planes, stride, downsample, **(each | (first or {})))]
    units += [block(outputs, planes, **each) for _ in range(count - 1)]
    return nn.Sequential(*units)
