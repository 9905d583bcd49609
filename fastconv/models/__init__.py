"""Classic networks, as modules or as plain functions of arrays, and a reader for their weights.

>>> from fastconv import models
>>> models.imagenet_classes()[285]
'Egyptian cat'
"""

from .lenet import LeNet5, prepare_digits
from .squeezenet import (
    imagenet_classes,
    load_squeezenet1_1,
    preprocess_caffe,
    squeezenet1_1_caffe,
)

__all__ = [
    "LeNet5",
    "imagenet_classes",
    "load_squeezenet1_1",
    "prepare_digits",
    "preprocess_caffe",
    "squeezenet1_1_caffe",
]
