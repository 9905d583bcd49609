"""Classic networks, as modules or as plain functions of arrays, and readers for their weights.

Each is a class, and each is in the table of ``registry``: ``create`` makes one by its name.
docs/models.md lists them.

>>> from fastconv import models
>>> models.create("lenet5").c1
Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))
>>> models.imagenet_classes()[285]
'Egyptian cat'
"""

from .alexnet import AlexNet, AlexNetTorchvision
from .course import CourseCNN
from .densenet import DenseNet
from .efficientnet import EfficientNetLite0, preprocess_efficientnet_lite0
from .googlenet import GoogLeNet, loss_with_auxiliaries
from .inception_v3 import InceptionV3
from .lenet import LeNet5, prepare_digits
from .mobilenet import MobileNetV1, MobileNetV2
from .nin import NiN, NiNImageNet
from .registry import Entry, create, entry, names, table
from .resnet import ResNet
from .resnet_cifar import CifarResNet
from .squeezenet import (
    SqueezeNet,
    imagenet_classes,
    load_squeezenet1_1,
    preprocess_caffe,
    squeezenet1_1_caffe,
    squeezenet1_1_state,
)
from .vgg import VGG
from .weights import load_weights

__all__ = [
    "VGG",
    "AlexNet",
    "AlexNetTorchvision",
    "CifarResNet",
    "CourseCNN",
    "DenseNet",
    "EfficientNetLite0",
    "Entry",
    "GoogLeNet",
    "InceptionV3",
    "LeNet5",
    "MobileNetV1",
    "MobileNetV2",
    "NiN",
    "NiNImageNet",
    "ResNet",
    "SqueezeNet",
    "create",
    "entry",
    "imagenet_classes",
    "load_squeezenet1_1",
    "load_weights",
    "loss_with_auxiliaries",
    "names",
    "prepare_digits",
    "preprocess_caffe",
    "preprocess_efficientnet_lite0",
    "squeezenet1_1_caffe",
    "squeezenet1_1_state",
    "table",
]
