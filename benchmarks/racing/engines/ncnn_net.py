"""ncnn: float32, Winograd and packed layouts, memory pools, a network of one layer."""

import pathlib
import struct

import ncnn
import numpy as np

from racing.engines import Entry, Task, Unsupported
from racing.whole.ncnn_net import make_net


def versions() -> dict[str, str]:
    return {"ncnn": ncnn.__version__}


def entries(task: Task) -> dict:
    return {"net": lambda: _entry(task)}


def _entry(task: Task) -> Entry:
    layer, data = task.layer, task.data
    if layer.mb != 1 and layer.kind != "linear":
        raise Unsupported("one image at a time")
    net, pools = make_net(task.threads)
    folder = pathlib.Path(task.folder)
    parameters, weights = folder / "ncnn.param", folder / "ncnn.bin"
    parameters.write_text(f"7767517\n2 2\nInput input 0 1 x\n{_line(task)}\n")
    with weights.open("wb") as file:
        if data.weight is not None:
            file.write(struct.pack("<I", 0))  # float32 follows
            data.weight.tofile(file)
            data.bias.tofile(file)
    if net.load_param(str(parameters)) or net.load_model(str(weights)):
        raise Unsupported("does not load the layer")
    # Rows of a batch lie under each other; one is a vector.
    x = ncnn.Mat(data.x[0] if layer.mb == 1 else data.x)

    def call():
        extractor = net.create_extractor()
        extractor.input("x", x)
        return extractor.extract("y")

    def result():
        code, y = call()
        if code:
            raise Unsupported(f"returns {code}")
        array = np.array(y)
        if layer.kind == "linear":
            return array.reshape(layer.mb, layer.oc)
        if layer.kind == "globalavgpool":
            return array.reshape(1, layer.ic, 1, 1)
        return array[None]

    return Entry(call, result, held=(pools, data))


def _line(task: Task) -> str:
    """The layer in ncnn's text format: keys are numbered, 1x is the vertical half of x."""
    layer = task.layer
    if layer.kind == "linear":
        keys = {0: layer.oc, 1: 1, 2: layer.oc * layer.ic}
        return _text("InnerProduct", keys)
    if layer.kind == "globalavgpool":
        return _text("Pooling", {0: 1, 4: 1})
    (top, bottom), (left, right) = layer.padding
    if layer.kind == "conv":
        keys = {
            0: layer.oc,
            1: layer.kw,
            11: layer.kh,
            2: layer.dw,
            12: layer.dh,
            3: layer.sw,
            13: layer.sh,
            4: left,
            14: top,
            15: right,
            16: bottom,
            5: 1,
            6: int(np.prod(layer.weight_shape)),
        }
        if layer.g == 1:
            return _text("Convolution", keys)
        return _text("ConvolutionDepthWise", {**keys, 7: layer.g})
    if layer.dilation != (1, 1):
        raise Unsupported("no dilated pooling")
    keys = {
        0: int(layer.kind == "avgpool"),
        1: layer.kw,
        11: layer.kh,
        2: layer.sw,
        12: layer.sh,
        3: left,
        13: top,
        14: right,
        15: bottom,
        5: 0 if layer.ceil else 1,
        6: 1,
    }
    return _text("Pooling", keys)


def _text(kind: str, keys: dict[int, int]) -> str:
    return " ".join([kind, "layer 1 1 x y", *(f"{key}={value}" for key, value in keys.items())])
