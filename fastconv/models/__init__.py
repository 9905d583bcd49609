"""Classic networks as plain functions of arrays, and a reader for their weights.

>>> from fastconv import models
>>> models.imagenet_classes()[285]
'Egyptian cat'
"""

from .squeezenet import (
    imagenet_classes,
    load_squeezenet1_1,
    preprocess_caffe,
    squeezenet1_1_caffe,
)

__all__ = [
    "imagenet_classes",
    "load_squeezenet1_1",
    "preprocess_caffe",
    "squeezenet1_1_caffe",
]
