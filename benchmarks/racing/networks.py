"""Networks whose training steps are raced, for torch.nn and fastconv.nn alike.

Dropout is left out: it would draw other numbers in each engine. Classes and sizes are those of the
papers; the residual networks have batch normalization, the others none.
"""

import dataclasses
from collections.abc import Iterable
from types import ModuleType
from typing import Any


@dataclasses.dataclass(frozen=True)
class Training:
    """A mini-batch of a network: images of `shape` (channels, height, width)."""

    batch: int
    shape: tuple[int, int, int]
    classes: int


STEPS = {
    "lenet5": Training(64, (1, 32, 32), 10),
    "resnet20": Training(64, (3, 32, 32), 10),
    "alexnet": Training(16, (3, 227, 227), 1000),
    "resnet18": Training(8, (3, 224, 224), 1000),
    "vgg16": Training(4, (3, 224, 224), 1000),
}


def build(name: str, nn: ModuleType) -> Any:
    """The network of this name out of the modules of `nn`."""
    return _MAKERS[name](nn)


def _lenet5(nn: ModuleType) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh()),
        nn.Linear(84, 10),
    )


def _alexnet(nn: ModuleType) -> Any:
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *_head(nn, 9216),
    )


def _vgg16(nn: ModuleType) -> Any:
    layers: list[Any] = []
    channels = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, *_head(nn, 25088))


def _head(nn: ModuleType, features: int) -> Iterable[Any]:
    """The three fully connected layers of AlexNet and VGG."""
    return (
        *(nn.Flatten(), nn.Linear(features, 4096), nn.ReLU()),
        *(nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)),
    )


def _resnet20(nn: ModuleType) -> Any:
    return nn.Sequential(
        *_normalized(nn, 3, 16, 3),
        *(nn.ReLU(), *_stages(nn, 16, ((16, 3), (32, 3), (64, 3)))),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )


def _resnet18(nn: ModuleType) -> Any:
    return nn.Sequential(
        *_normalized(nn, 3, 64, 7, 2),
        *(nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
        *_stages(nn, 64, ((64, 2), (128, 2), (256, 2), (512, 2))),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)),
    )


def _stages(nn: ModuleType, channels: int, stages: Iterable[tuple[int, int]]) -> Iterable[Any]:
    """Residual blocks, the first one of each later stage at half the size."""

    class Block(nn.Module):
        def __init__(self, ic: int, oc: int, stride: int) -> None:
            super().__init__()
            self.residual = nn.Sequential(
                *_normalized(nn, ic, oc, 3, stride), nn.ReLU(), *_normalized(nn, oc, oc, 3)
            )
            plain = ic == oc and stride == 1
            self.shortcut = nn.Sequential(*(() if plain else _normalized(nn, ic, oc, 1, stride)))
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.residual(x) + self.shortcut(x))

    first = True
    for width, depth in stages:
        for k in range(depth):
            yield Block(channels, width, 2 if k == 0 and not first else 1)
            channels = width
        first = False


def _normalized(nn: ModuleType, ic: int, oc: int, kernel: int, stride: int = 1) -> tuple[Any, Any]:
    """A convolution that keeps the size, but for the stride, and its batch normalization."""
    conv = nn.Conv2d(ic, oc, kernel, stride=stride, padding=kernel // 2, bias=False)
    return conv, nn.BatchNorm2d(oc)


_MAKERS = {
    "lenet5": _lenet5,
    "resnet20": _resnet20,
    "alexnet": _alexnet,
    "resnet18": _resnet18,
    "vgg16": _vgg16,
}
