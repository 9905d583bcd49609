"""EfficientNet-Lite0: a small network for small processors, found by search.

    layer         block      kernel  stride  expands  channels  times  result (C, H, W)
    input                                                                 3, 224, 224
    _conv_stem    convolution   3       2                  32      1     32, 112, 112
    _blocks.0     MBConv        3       1       1          16      1     16, 112, 112
    _blocks.1     MBConv        3       2       6          24      2     24,  56,  56
    _blocks.3     MBConv        5       2       6          40      2     40,  28,  28
    _blocks.5     MBConv        3       2       6          80      3     80,  14,  14
    _blocks.8     MBConv        5       1       6         112      3    112,  14,  14
    _blocks.11    MBConv        5       2       6         192      4    192,   7,   7
    _blocks.15    MBConv        3       1       6         320      1    320,   7,   7
    _conv_head    convolution   1       1                1280      1   1280,   7,   7
    pooling, fully connected                                               1000

MBConv is the inverted bottleneck of MobileNetV2: a 1 × 1 convolution makes `expands` times as many
channels, a depthwise convolution looks at each of them, and a 1 × 1 convolution without activation
projects them to few; where neither size nor channels change, the input is added. Each convolution
is followed by batch normalisation; the activation is ReLU6. 4,652,008 parameters.

Against EfficientNet-B0 the "Lite" form has no squeeze-and-excitation, ReLU6 in place of swish, and
the same stem and head at every scale, all of which is easier on integer hardware.

The sizes are TensorFlow's: of an odd number of rows of padding the one more is below. Weights that
were trained so give other answers with symmetric padding.

Sources: M. Tan, Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", ICML 2019, arXiv:1905.11946, table 1; the Lite form and its preprocessing: the authors'
code, tensorflow/tpu, models/official/efficientnet/lite. Names of parameters are those of its port
to PyTorch, so that its weights load.
"""

import math
from functools import partial
from typing import Any

import numpy as np

from fastconv import nn
from fastconv.autograd import Tensor
from fastconv.data import images

from .layers import initialise

__all__ = ["EfficientNetLite0", "preprocess_efficientnet_lite0"]

INPUT_SIZE, _SCALED_SIZE = 224, 256  # pixels
# Kernel, stride, how many times it expands, channels of the result, how many of them in a row.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM, _HEAD = 32, 1280
# TensorFlow's decay of 0.99 is PyTorch's momentum of 0.01.
_EPS, _MOMENTUM = 1e-3, 0.01
_MEAN, _SCALE = 127.0, 128.0


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0; 4,652,008 parameters for the thousand classes of ImageNet.

    The authors' training also skips whole blocks at random (stochastic depth), which this does not.

    Args:
        classes: how many.
        dropout: probability, before the last layer, while training.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, H, W), 224 × 224 is what the authors trained it on; result: (N, classes),
        logits.

    >>> model = EfficientNetLite0(10).eval()
    >>> model(Tensor(np.zeros((1, 3, 64, 64), np.float32))).shape
    (1, 10)
    """

    def __init__(self, classes: int = 1000, dropout: float = 0.2, dtype: Any = None) -> None:
        super().__init__()
        with nn.init.skip():
            self._conv_stem = _conv(3, _STEM, 3, stride=2)
            self._bn0 = _norm(_STEM)
            blocks: list[nn.Module] = []
            channels = _STEM
            for kernel, stride, expansion, width, times in _STAGES:
                for k in range(times):
                    first = stride if k == 0 else 1
                    blocks.append(_MBConv(channels, width, kernel, first, expansion))
                    channels = width
            self._blocks = nn.Sequential(*blocks)
            self._conv_head = _conv(channels, _HEAD, 1)
            self._bn1 = _norm(_HEAD)
            self._activation = nn.ReLU6()
            self._pooling = nn.AdaptiveAvgPool2d(1)
            self._dropout = nn.Dropout(dropout)
            self._fc = nn.Linear(_HEAD, classes)
        bound = 1 / math.sqrt(classes)
        initialise(self, _fan_out_normal, partial(nn.init.uniform_, a=-bound, b=bound))
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self._conv_stem, self._bn0, self._activation, self._blocks)
        x = nn.chain(x, self._conv_head, self._bn1, self._activation)
        return self._fc(self._dropout(self._pooling(x).flatten(1)))


def preprocess_efficientnet_lite0(rgb: np.ndarray) -> np.ndarray:
    """A photograph as the network's input.

    Formula:
        (x - 127) / 128, of the middle 224 × 224 pixels of the photograph whose shorter side is
        scaled to 256 pixels, bicubic

    Args:
        rgb: (H, W, 3) uint8, red first.

    Returns:
        (1, 3, 224, 224) float32.

    Raises:
        TypeError: rgb is not a uint8 array. ValueError: its shape is another.
        MissingPillow: Pillow is not installed.

    >>> preprocess_efficientnet_lite0(np.full((300, 400, 3), 255, np.uint8))[0, :, 0, 0]
    array([1., 1., 1.], dtype=float32)
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        raise TypeError("preprocess_efficientnet_lite0: rgb must be a NumPy array of uint8")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(
            f"preprocess_efficientnet_lite0: rgb has shape {rgb.shape}, expected (H, W, 3)"
        )
    square = images.middle(rgb, _SCALED_SIZE, INPUT_SIZE, "bicubic")
    x = (square.astype(np.float32) - _MEAN) / _SCALE
    return np.ascontiguousarray(x.transpose(2, 0, 1)[np.newaxis])


class _MBConv(nn.Module):
    """Expand, look, project; and add the input where that is possible."""

    def __init__(
        self, channels: int, result: int, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        width = channels * expansion
        self.adds = stride == 1 and channels == result
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = _conv(channels, width, 1)
            self._bn0 = _norm(width)
        self._depthwise_conv = _conv(width, width, kernel, stride, width)
        self._bn1 = _norm(width)
        self._project_conv = _conv(width, result, 1)
        self._bn2 = _norm(result)
        self._activation = nn.ReLU6()

    def forward(self, x: Any) -> Tensor:
        y = x
        if self.expands:
            y = nn.chain(y, self._expand_conv, self._bn0, self._activation)
        y = nn.chain(y, self._depthwise_conv, self._bn1, self._activation)
        return nn.chain(y, self._project_conv, self._bn2, residual=x if self.adds else None)


def _conv(channels: int, result: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, result, kernel, stride, "same", groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, _EPS, _MOMENTUM)


def _fan_out_normal(weight: Tensor) -> Tensor:
    """Normal of variance 2 / fan_out, which of a depthwise convolution is one window."""
    outputs, inputs, height, width = weight.shape
    depthwise = inputs == 1
    return nn.init.normal_(
        weight, std=math.sqrt(2 / (height * width * (1 if depthwise else outputs)))
    )
