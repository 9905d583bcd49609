"""SqueezeNet, and version 1.1 with the authors' ImageNet weights.

Version 1.1:

    layer      output (C, H, W)   kernel   fire: squeeze 1×1, expand 1×1, expand 3×3
    input       3, 227, 227
    conv1      64, 114, 114       3×3 /2
    maxpool1   64,  56,  56       3×3 /2
    fire2     128,  56,  56                16,  64,  64
    fire3     128,  56,  56                16,  64,  64
    maxpool3  128,  27,  27       3×3 /2
    fire4     256,  27,  27                32, 128, 128
    fire5     256,  27,  27                32, 128, 128
    maxpool5  256,  13,  13       3×3 /2
    fire6     384,  13,  13                48, 192, 192
    fire7     384,  13,  13                48, 192, 192
    fire8     512,  13,  13                64, 256, 256
    fire9     512,  13,  13                64, 256, 256
    conv10   1000,  13,  13       1×1
    avgpool10 1000,  1,   1       global

Every convolution is followed by ReLU. A fire module squeezes its input to few channels with a 1×1
convolution and expands them again with 1×1 and 3×3 convolutions side by side. Dropout before conv10
does nothing at inference. Version 1.0 begins with 96 kernels of 7×7 /2, not padded, and pools after
conv1, fire4 and fire8; its fire modules are the same.

Source: F. N. Iandola, S. Han, M. W. Moskewicz, K. Ashraf, W. J. Dally, K. Keutzer, "SqueezeNet:
AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size", arXiv:1602.07360, table 1;
version 1.1 moves the pooling forward and starts with 64 kernels of 3×3 instead of 96 of 7×7 (the
authors' SqueezeNet_v1.1/README.md). Where the weights come from: fastconv/data/LICENSES.md.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fastconv import functional, nn
from fastconv.autograd import Tensor, cat
from fastconv.data.packed import read_packed

from . import safetensors
from .layers import initialise, scaled, small

__all__ = [
    "SqueezeNet",
    "imagenet_classes",
    "load_squeezenet1_1",
    "preprocess_caffe",
    "squeezenet1_1_caffe",
    "squeezenet1_1_state",
]

INPUT_SIZE = 227  # pixels, both ways
CLASSES = 1000
FIRES = {  # name → channels of squeeze 1×1, expand 1×1, expand 3×3
    "fire2": (16, 64, 64),
    "fire3": (16, 64, 64),
    "fire4": (32, 128, 128),
    "fire5": (32, 128, 128),
    "fire6": (48, 192, 192),
    "fire7": (48, 192, 192),
    "fire8": (64, 256, 256),
    "fire9": (64, 256, 256),
}

_DATA = Path(__file__).resolve().parent.parent / "data"
WEIGHTS = _DATA / "squeezenet1_1.safetensors.xzp"
_MAX_WEIGHTS = 1 << 22  # bytes; the file's contents are 2.5 MB
_MEAN_BGR = np.array([104.006, 116.669, 122.679], np.float32)  # of ImageNet, in units of 0 … 255


class SqueezeNet(nn.Module):
    """SqueezeNet 1.0 or 1.1; 1,248,424 or 1,235,496 parameters.

    Args:
        version: '1_1' or '1_0'.
        form: 'torchvision', with its names, conv1 not padded and windows of pooling that may hang
            over the end; or 'caffe', the authors' own, which is the module's table.
        classes: how many.
        dropout: probability, before the last convolution, while training.
        width: factor of all channels between input and output.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 3, 224, 224), of 'caffe' (N, 3, 227, 227), or another size; result:
        (N, classes), scores as logits are, but none is negative.

    Raises:
        ValueError: another version or form.

    >>> model = SqueezeNet(form="caffe").eval()
    >>> _ = model.load_state_dict(load_squeezenet1_1())
    >>> model.fire2.squeeze1x1
    Conv2d(64, 16, kernel_size=(1, 1), stride=(1, 1))
    """

    def __init__(
        self,
        version: Literal["1_1", "1_0"] = "1_1",
        form: Literal["torchvision", "caffe"] = "torchvision",
        classes: int = CLASSES,
        dropout: float = 0.5,
        width: float = 1.0,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("version", version, ("1_1", "1_0")),
            ("form", form, ("torchvision", "caffe")),
        ):
            if value not in known:
                raise ValueError(f"SqueezeNet: {name} is {value!r}, expected {' or '.join(known)}")
        caffe, new = form == "caffe", version == "1_1"
        channels = scaled(64 if new else 96, width)
        with nn.init.skip():
            padding = 1 if caffe and new else 0
            conv1 = nn.Conv2d(3, channels, 3 if new else 7, stride=2, padding=padding)
            layers: dict[str, nn.Module] = {"conv1": conv1, "relu1": nn.ReLU()}
            pooled = ("conv1", "fire3", "fire5") if new else ("conv1", "fire4", "fire8")
            for name in ("conv1", *FIRES):
                if name in FIRES:
                    layers[name] = Fire(channels, *(scaled(c, width) for c in FIRES[name]), caffe)
                    channels = layers[name].outputs
                if name in pooled:
                    layers[f"maxpool{name[-1]}"] = nn.MaxPool2d(3, 2, ceil_mode=not caffe)
            last = {
                "drop9": nn.Dropout(dropout),
                "conv10": nn.Conv2d(channels, classes, 1),
                "relu10": nn.ReLU(),
                "avgpool10": nn.AdaptiveAvgPool2d((1, 1)),
            }
            if caffe:
                for name, layer in (layers | last).items():
                    self.register_module(name, layer)
            else:
                self.features = nn.Sequential(*layers.values())
                self.classifier = nn.Sequential(*last.values())
            self.flatten = nn.Flatten()
        for layer in layers.values():
            initialise(layer, nn.init.kaiming_uniform_)
        initialise(last["conv10"], small)
        self.to(dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        return nn.chain(x, *self.children())


class Fire(nn.Module):
    """Few channels by a 1 × 1 convolution, and many again by 1 × 1 beside 3 × 3."""

    def __init__(self, inputs: int, squeeze: int, expand1: int, expand3: int, caffe: bool) -> None:
        super().__init__()
        self._squeeze = "squeeze1x1" if caffe else "squeeze"
        self.register_module(self._squeeze, nn.Conv2d(inputs, squeeze, 1))
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand1, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand3, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()
        self.outputs = expand1 + expand3

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, getattr(self, self._squeeze), self.squeeze_activation)
        one = nn.chain(x, self.expand1x1, self.expand1x1_activation)
        three = nn.chain(x, self.expand3x3, self.expand3x3_activation)
        return cat((one, three), 1)


def squeezenet1_1_caffe(
    params: Mapping[str, np.ndarray], x: np.ndarray, ops: Any = functional
) -> np.ndarray:
    """SqueezeNet 1.1: the probabilities of the 1000 classes of ImageNet.

    ``_caffe`` says which weights it is meant for: the authors' own, trained with Caffe, whose input
    is as preprocess_caffe makes it, and whose convolutions are padded to keep the size while the
    pools are not.

    Args:
        params: layer.weight (OC, IC, KH, KW) and layer.bias (OC,), as load_squeezenet1_1 gives;
            the arithmetic is in x's dtype.
        x: (N, 3, H, W), N may be 0; 227 × 227 is what it was trained on.
        ops: the module that does the arithmetic: fastconv.functional or fastconv.reference.

    Returns:
        (N, 1000) probabilities, in x's dtype (float64 from fastconv.reference).

    Raises:
        KeyError: params lacks a layer. ValueError, TypeError: as ops raises them.

    >>> from fastconv import models
    >>> params = models.load_squeezenet1_1()
    >>> grey = np.zeros((1, 3, 227, 227), np.float32)
    >>> models.squeezenet1_1_caffe(params, grey).shape
    (1, 1000)
    """

    def conv(x: np.ndarray, layer: str, **how: Any) -> np.ndarray:
        # No copy but where ops changes the dtype on the way, as fastconv.reference does.
        weight = params[f"{layer}.weight"].astype(x.dtype, copy=False)
        bias = params[f"{layer}.bias"].astype(x.dtype, copy=False)
        return ops.conv2d(x, weight, bias, activation="relu", **how)

    def fire(x: np.ndarray, layer: str) -> np.ndarray:
        squeezed = conv(x, f"{layer}.squeeze1x1")
        expanded = (
            conv(squeezed, f"{layer}.expand1x1"),
            conv(squeezed, f"{layer}.expand3x3", padding="same"),
        )
        return np.concatenate(expanded, axis=1)

    x = conv(x, "conv1", stride=2, padding="same")
    x = ops.max_pool2d(x, 3, stride=2)
    x = fire(x, "fire2")
    x = fire(x, "fire3")
    x = ops.max_pool2d(x, 3, stride=2)
    x = fire(x, "fire4")
    x = fire(x, "fire5")
    x = ops.max_pool2d(x, 3, stride=2)
    x = fire(x, "fire6")
    x = fire(x, "fire7")
    x = fire(x, "fire8")
    x = fire(x, "fire9")
    x = conv(x, "conv10")
    x = ops.global_avg_pool2d(x)
    return ops.softmax(x.reshape(x.shape[:2]), 1)


def preprocess_caffe(rgb: np.ndarray) -> np.ndarray:
    """A photograph as the network's input: blue, green, red, less their mean over ImageNet.

    Args:
        rgb: (227, 227, 3) uint8, red first.

    Returns:
        (1, 3, 227, 227) float32, blue first, in units of 0 … 255 less the mean.

    Raises:
        TypeError: rgb is not a uint8 array. ValueError: its shape is another.

    >>> preprocess_caffe(np.zeros((227, 227, 3), np.uint8))[0, :, 0, 0]
    array([-104.006, -116.669, -122.679], dtype=float32)
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        raise TypeError("preprocess_caffe: rgb must be a NumPy array of uint8")
    if rgb.shape != (INPUT_SIZE, INPUT_SIZE, 3):
        raise ValueError(
            f"preprocess_caffe: rgb has shape {rgb.shape}, expected ({INPUT_SIZE}, {INPUT_SIZE}, 3)"
        )
    bgr = rgb[:, :, ::-1] - _MEAN_BGR
    return np.ascontiguousarray(bgr.transpose(2, 0, 1)[np.newaxis])


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """name → shape of every parameter of SqueezeNet 1.1.

    >>> shapes = parameter_shapes()
    >>> shapes["fire2.expand3x3.weight"]
    (64, 16, 3, 3)
    >>> sum(int(np.prod(shape)) for shape in shapes.values())
    1235496
    """
    convs = {"conv1": (64, 3, 3, 3)}
    channels = 64
    for fire, (squeeze, expand1, expand3) in FIRES.items():
        convs[f"{fire}.squeeze1x1"] = (squeeze, channels, 1, 1)
        convs[f"{fire}.expand1x1"] = (expand1, squeeze, 1, 1)
        convs[f"{fire}.expand3x3"] = (expand3, squeeze, 3, 3)
        channels = expand1 + expand3
    convs["conv10"] = (CLASSES, channels, 1, 1)
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, shape in convs.items():
        shapes[f"{layer}.weight"] = shape
        shapes[f"{layer}.bias"] = shape[:1]
    return shapes


def load_squeezenet1_1(path: str | os.PathLike[str] | None = None) -> dict[str, np.ndarray]:
    """Read SqueezeNet 1.1's parameters, stored as shortened float16, as float32.

    Args:
        path: a safetensors file; None: the ImageNet weights that fastconv brings along.

    Returns:
        name → float32 array, of the names and shapes of parameter_shapes.

    Raises:
        OSError: the file cannot be read. ValueError: it is damaged, or of another network.
        ImportError: path is None and this Python was built without its module lzma.

    >>> load_squeezenet1_1()["conv1.weight"].shape
    (64, 3, 3, 3)
    """
    if path is None:
        path = WEIGHTS
        contents = read_packed(path, max_bytes=_MAX_WEIGHTS)
        params, _ = safetensors.parse(contents, path, np.float32)
    else:
        path = Path(path)
        params = safetensors.load(path, np.float32)
    found = {name: array.shape for name, array in params.items()}
    wrong = dict(parameter_shapes().items() ^ found.items())
    if wrong:
        raise ValueError(f"{path}: not SqueezeNet 1.1: see {', '.join(sorted(wrong)[:3])}")
    for name, array in params.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} is not made of finite floating-point numbers")
    return params


def squeezenet1_1_state(
    form: Literal["torchvision", "caffe"] = "torchvision",
) -> dict[str, np.ndarray]:
    """The ImageNet weights that fastconv brings along, by the names of ``SqueezeNet("1_1", form)``.

    They were trained in the form 'caffe', where 12 of foolbox's 20 photographs are named rightly
    and 19 are among the first five. torchvision's pads conv1 otherwise and pools one row and column
    more: with the same weights and input, preprocess_caffe's, 11 and 19.

    Returns:
        name → float32 array, as ``load_state_dict`` takes it.

    Raises:
        ValueError: another form. ImportError: this Python was built without its module lzma.

    >>> list(squeezenet1_1_state())[:2]
    ['features.0.weight', 'features.0.bias']
    """
    with nn.init.skip():
        names = SqueezeNet("1_1", form).state_dict()
    params = load_squeezenet1_1()
    return {name: params[of] for name, of in zip(names, parameter_shapes(), strict=True)}


def imagenet_classes() -> list[str]:
    """The names of the 1000 classes of ImageNet (ILSVRC 2012), in the network's order.

    >>> imagenet_classes()[967]
    'espresso'
    """
    return (_DATA / "imagenet_classes.txt").read_text(encoding="utf-8").splitlines()
