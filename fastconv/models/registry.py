"""Every network by name, with what it costs and where it comes from: one table, ENTRIES."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastconv.nn import Module

from .alexnet import AlexNet, AlexNetTorchvision
from .course import CourseCNN
from .densenet import DenseNet
from .efficientnet import EfficientNetLite0
from .googlenet import GoogLeNet
from .inception_v3 import InceptionV3
from .lenet import LeNet5
from .mobilenet import MobileNetV1, MobileNetV2
from .nin import NiN, NiNImageNet
from .resnet import ResNet
from .resnet_cifar import CifarResNet
from .squeezenet import SqueezeNet
from .vgg import VGG

__all__ = ["ENTRIES", "Entry", "create", "entry", "names", "table"]


@dataclass(frozen=True)
class Entry:
    """One network.

    name: of ``create``. make: its constructor, which takes options by name. input_shape: of one
    image, (C, H, W), that the figures hold for. parameters, multiply_adds: of ``make()``, the
    latter for one image, counted as ``nn.summary`` does. published: parameters and multiply-adds as
    told by whom stands in parentheses; – where they are not. reference: the paper.
    """

    name: str
    make: Callable[..., Module]
    input_shape: tuple[int, int, int]
    parameters: int
    multiply_adds: int
    published: str
    reference: str


CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
PLAIN, PREACT = {"shortcuts": False}, {"preactivation": True}
ALEX = "Krizhevsky et al. 2012"
ALEX2 = "Krizhevsky 2014, arXiv:1404.5997"
DENSE = "Huang et al. 2016, arXiv:1608.06993"
HE = "He et al. 2015, arXiv:1512.03385"
HE2 = "He et al. 2016, arXiv:1603.05027"
LIN = "Lin et al. 2013, arXiv:1312.4400"
SIMONYAN = "Simonyan and Zisserman 2014, arXiv:1409.1556"
SQUEEZE = "Iandola et al. 2016, arXiv:1602.07360"
SZEGEDY = "Szegedy et al. 2014, arXiv:1409.4842"
SZEGEDY3 = "Szegedy et al. 2015, arXiv:1512.00567"

# fmt: off
ENTRIES: tuple[Entry, ...] = (
    Entry("course_cnn", CourseCNN, (3, 39, 39), 27_301, 2_796_590,
          "–", "Ng, Convolutional Neural Networks, week 1"),
    Entry("lenet5", LeNet5, (1, 32, 32), 61_706, 416_520, "–", "LeCun et al. 1998"),
    Entry("alexnet", AlexNet, (3, 227, 227), 60_965_224, 724_406_816, "60 M, – (paper)", ALEX),
    Entry("alexnet_torchvision", AlexNetTorchvision, IMAGENET, 61_100_840, 714_188_480,
          "61,100,840, 0.714 G (torchvision)", ALEX2),
    Entry("vgg11", partial(VGG, 11), IMAGENET, 132_863_336, 7_609_090_048,
          "132,863,336, 7.609 G (torchvision)", SIMONYAN),
    Entry("vgg11_bn", partial(VGG, 11, batch_norm=True), IMAGENET, 132_868_840, 7_609_090_048,
          "132,868,840, 7.609 G (torchvision)", SIMONYAN),
    Entry("vgg13", partial(VGG, 13), IMAGENET, 133_047_848, 11_308_466_176,
          "133,047,848, 11.308 G (torchvision)", SIMONYAN),
    Entry("vgg13_bn", partial(VGG, 13, batch_norm=True), IMAGENET, 133_053_736, 11_308_466_176,
          "133,053,736, 11.308 G (torchvision)", SIMONYAN),
    Entry("vgg16", partial(VGG, 16), IMAGENET, 138_357_544, 15_470_264_320,
          "138,357,544, 15.47 G (torchvision)", SIMONYAN),
    Entry("vgg16_bn", partial(VGG, 16, batch_norm=True), IMAGENET, 138_365_992, 15_470_264_320,
          "138,365,992, 15.47 G (torchvision)", SIMONYAN),
    Entry("vgg19", partial(VGG, 19), IMAGENET, 143_667_240, 19_632_062_464,
          "143,667,240, 19.632 G (torchvision)", SIMONYAN),
    Entry("vgg19_bn", partial(VGG, 19, batch_norm=True), IMAGENET, 143_678_248, 19_632_062_464,
          "143,678,248, 19.632 G (torchvision)", SIMONYAN),
    Entry("nin", NiN, CIFAR, 966_986, 222_486_528, "–", LIN),
    Entry("nin_imagenet", NiNImageNet, IMAGENET, 7_595_176, 1_100_188_800, "–", LIN),
    Entry("googlenet", GoogLeNet, IMAGENET, 13_004_888, 1_498_376_192,
          "–, 1.498 G (torchvision)", SZEGEDY),
    Entry("inception_v3", InceptionV3, (3, 299, 299), 27_161_264, 5_713_216_096,
          "27,161,264, 5.713 G (torchvision)", SZEGEDY3),
    Entry("resnet18", partial(ResNet, 18), IMAGENET, 11_689_512, 1_814_073_344,
          "11,689,512, 1.814 G (torchvision)", HE),
    Entry("resnet34", partial(ResNet, 34), IMAGENET, 21_797_672, 3_663_761_408,
          "21,797,672, 3.664 G (torchvision)", HE),
    Entry("resnet50", partial(ResNet, 50), IMAGENET, 25_557_032, 4_089_184_256,
          "25,557,032, 4.089 G (torchvision)", HE),
    Entry("resnet101", partial(ResNet, 101), IMAGENET, 44_549_160, 7_801_405_440,
          "44,549,160, 7.801 G (torchvision)", HE),
    Entry("resnet152", partial(ResNet, 152), IMAGENET, 60_192_808, 11_513_626_624,
          "60,192,808, 11.514 G (torchvision)", HE),
    Entry("plain18", partial(ResNet, 18, **PLAIN), IMAGENET, 11_515_688, 1_794_805_760, "–", HE),
    Entry("plain34", partial(ResNet, 34, **PLAIN), IMAGENET, 21_623_848, 3_644_493_824, "–", HE),
    Entry("plain50", partial(ResNet, 50, **PLAIN), IMAGENET, 22_780_456, 3_729_522_688, "–", HE),
    Entry("plain101", partial(ResNet, 101, **PLAIN), IMAGENET, 41_772_584, 7_441_743_872, "–", HE),
    Entry("plain152", partial(ResNet, 152, **PLAIN), IMAGENET, 57_416_232, 11_153_965_056, "–", HE),
    Entry("preact_resnet18", partial(ResNet, 18, **PREACT), IMAGENET, 11_687_720, 1_814_073_344,
          "–", HE2),
    Entry("preact_resnet34", partial(ResNet, 34, **PREACT), IMAGENET, 21_795_880, 3_663_761_408,
          "–", HE2),
    Entry("preact_resnet50", partial(ResNet, 50, **PREACT), IMAGENET, 25_549_352, 4_089_184_256,
          "–", HE2),
    Entry("preact_resnet101", partial(ResNet, 101, **PREACT), IMAGENET, 44_541_480, 7_801_405_440,
          "–", HE2),
    Entry("preact_resnet152", partial(ResNet, 152, **PREACT), IMAGENET, 60_185_128, 11_513_626_624,
          "–", HE2),
    Entry("resnet20", partial(CifarResNet, 20), CIFAR, 269_722, 40_551_040,
          "0.27 M, – (paper)", HE),
    Entry("resnet32", partial(CifarResNet, 32), CIFAR, 464_154, 68_862_592,
          "0.46 M, – (paper)", HE),
    Entry("resnet44", partial(CifarResNet, 44), CIFAR, 658_586, 97_174_144,
          "0.66 M, – (paper)", HE),
    Entry("resnet56", partial(CifarResNet, 56), CIFAR, 853_018, 125_485_696,
          "0.85 M, – (paper)", HE),
    Entry("resnet110", partial(CifarResNet, 110), CIFAR, 1_727_962, 252_887_680,
          "1.7 M, – (paper)", HE),
    Entry("plain20", partial(CifarResNet, 20, **PLAIN), CIFAR, 269_722, 40_551_040, "–", HE),
    Entry("plain32", partial(CifarResNet, 32, **PLAIN), CIFAR, 464_154, 68_862_592, "–", HE),
    Entry("plain44", partial(CifarResNet, 44, **PLAIN), CIFAR, 658_586, 97_174_144, "–", HE),
    Entry("plain56", partial(CifarResNet, 56, **PLAIN), CIFAR, 853_018, 125_485_696, "–", HE),
    Entry("plain110", partial(CifarResNet, 110, **PLAIN), CIFAR, 1_727_962, 252_887_680, "–", HE),
    Entry("preact_resnet20", partial(CifarResNet, 20, **PREACT), CIFAR, 269_722, 40_551_040,
          "–", HE2),
    Entry("preact_resnet32", partial(CifarResNet, 32, **PREACT), CIFAR, 464_154, 68_862_592,
          "–", HE2),
    Entry("preact_resnet44", partial(CifarResNet, 44, **PREACT), CIFAR, 658_586, 97_174_144,
          "–", HE2),
    Entry("preact_resnet56", partial(CifarResNet, 56, **PREACT), CIFAR, 853_018, 125_485_696,
          "–", HE2),
    Entry("preact_resnet110", partial(CifarResNet, 110, **PREACT), CIFAR, 1_727_962, 252_887_680,
          "1.7 M, – (paper)", HE2),
    Entry("squeezenet1_0", partial(SqueezeNet, "1_0"), IMAGENET, 1_248_424, 818_924_576,
          "1,248,424, 0.819 G (torchvision)", SQUEEZE),
    Entry("squeezenet1_1", partial(SqueezeNet, "1_1"), IMAGENET, 1_235_496, 349_151_936,
          "1,235,496, 0.349 G (torchvision)", SQUEEZE),
    Entry("squeezenet1_0_caffe", partial(SqueezeNet, "1_0", "caffe"), (3, 227, 227),
          1_248_424, 832_667_936, "1,248,424, – (paper)", SQUEEZE),
    Entry("squeezenet1_1_caffe", partial(SqueezeNet, "1_1", "caffe"), (3, 227, 227),
          1_235_496, 352_932_608, "–", SQUEEZE),
    Entry("densenet121", partial(DenseNet, 121), IMAGENET, 7_978_856, 2_834_161_664,
          "7,978,856, 2.834 G (torchvision)", DENSE),
    Entry("densenet161", partial(DenseNet, 161), IMAGENET, 28_681_000, 7_727_907_072,
          "28,681,000, 7.728 G (torchvision)", DENSE),
    Entry("densenet169", partial(DenseNet, 169), IMAGENET, 14_149_480, 3_359_843_328,
          "14,149,480, 3.36 G (torchvision)", DENSE),
    Entry("densenet201", partial(DenseNet, 201), IMAGENET, 20_013_928, 4_291_365_888,
          "20,013,928, 4.291 G (torchvision)", DENSE),
    Entry("mobilenet_v1", MobileNetV1, IMAGENET, 4_231_976, 568_740_352,
          "4.2 M, 569 M (paper)", "Howard et al. 2017, arXiv:1704.04861"),
    Entry("mobilenet_v2", MobileNetV2, IMAGENET, 3_504_872, 300_774_272,
          "3,504,872, 0.301 G (torchvision)", "Sandler et al. 2018, arXiv:1801.04381"),
    Entry("efficientnet_lite0", EfficientNetLite0, IMAGENET, 4_652_008, 385_187_552,
          "4.7 M, – (authors)", "Tan and Le 2019, arXiv:1905.11946"),
)
# fmt: on
_BY_NAME = {one.name: one for one in ENTRIES}


def names() -> list[str]:
    """The names of all networks.

    >>> names()[:3]
    ['course_cnn', 'lenet5', 'alexnet']
    """
    return list(_BY_NAME)


def entry(name: str) -> Entry:
    """What the table says of a network.

    Raises:
        ValueError: there is none of that name.

    >>> entry("resnet50").parameters
    25557032
    """
    if name not in _BY_NAME:
        near = difflib.get_close_matches(str(name), _BY_NAME, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "models.names() lists all"
        raise ValueError(f"there is no network {name!r}: {hint}")
    return _BY_NAME[name]


def create(name: str, **options: Any) -> Module:
    """A network with initial weights.

    Args:
        name: one of ``names()``.
        **options: those of its constructor: classes, dtype, width, …

    Raises:
        ValueError: there is none of that name. TypeError, ValueError: an option is not its own.

    >>> create("resnet20", classes=100).fc
    Linear(in_features=64, out_features=100, bias=True)
    """
    return entry(name).make(**options)


def table() -> str:
    """All networks as a table in Markdown.

    >>> print(table().splitlines()[0])
    | network | input | parameters | multiply-adds | published | reference |
    """
    lines = [
        "| network | input | parameters | multiply-adds | published | reference |",
        "|---|---|---:|---:|---|---|",
    ]
    for one in ENTRIES:
        size = " × ".join(map(str, one.input_shape))
        figures = f"{one.parameters:,} | {one.multiply_adds:,} | {one.published}"
        lines.append(f"| `{one.name}` | {size} | {figures} | {one.reference} |")
    return "\n".join(lines)
