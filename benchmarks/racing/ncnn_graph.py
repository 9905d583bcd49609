"""A graph of fastconv as ncnn's two files: layers as text, weights as bytes.

Source: ncnn's wiki, "param and model file structure" and "operators".
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fastconv.graph.ir import Graph, Node, Value
from racing.windows import is_global, whole_windows

_MAGIC = 7767517
_FLOAT32 = struct.pack("<I", 0)  # a tag: so the weights that follow are stored
# What Convolution, ConvolutionDepthWise and InnerProduct end with themselves, as their keys.
_FUSED = {
    "relu": {9: 1},
    "relu6": {9: 3, -23310: "2,0.0,6.0"},
    "sigmoid": {9: 4},
    "hardswish": {9: 6, -23310: f"2,{1 / 6:.8f},0.5"},
}
_ACTIVATIONS = {
    "relu": ("ReLU", {}),
    "relu6": ("Clip", {0: "0.0", 1: "6.0"}),
    "sigmoid": ("Sigmoid", {}),
    "tanh": ("TanH", {}),
    "silu": ("Swish", {}),
    "hardswish": ("HardSwish", {0: f"{1 / 6:.8f}", 1: "0.5"}),
    "hardsigmoid": ("HardSigmoid", {0: f"{1 / 6:.8f}", 1: "0.5"}),
}


def convert(graph: Graph, parameters: Path, weights: Path) -> None:
    """Write both files: blobs x0, x1 … in, y0, y1 … out, one image at a time.

    Raises:
        TypeError: the graph has an operation that is not converted.
    """
    with weights.open("wb") as file:
        writer = _Writer(graph, file)
        lines = writer.layers()
    head = f"{_MAGIC}\n{len(lines)} {writer.blobs}\n"
    parameters.write_text(head + "".join(f"{line}\n" for line in lines), encoding="ascii")


class _Writer:
    def __init__(self, graph: Graph, file: BinaryIO) -> None:
        self.graph = graph
        self.file = file
        self.lines: list[str] = []
        self.blobs = 0
        # A blob may be taken once: of each value the names that are still to be taken.
        self.names: dict[Value, list[str]] = {}
        self.uses = {value: len(nodes) for value, nodes in graph.users().items()}
        for value in graph.outputs:
            self.uses[value] += 1

    def layers(self) -> list[str]:
        for i, value in enumerate(self.graph.inputs):
            self._layer("Input", [], {}, into=[f"x{i}"])
            self._made(value, f"x{i}")
        for node in self.graph.nodes:
            convert = getattr(self, f"_{node.kind}", None)
            if convert is None:
                raise TypeError(f"{node!r} has no form in ncnn here")
            inputs = [self.names[value].pop() for value in node.inputs]
            self._made(node.output, convert(node, inputs))
        for i, value in enumerate(self.graph.outputs):
            self._layer("Noop", [self.names[value].pop()], {}, into=[f"y{i}"])
        return self.lines

    def _made(self, value: Value, name: str) -> None:
        uses = self.uses[value]
        self.names[value] = [name]
        if uses > 1:
            copies = [f"{name}_{i}" for i in range(uses)]
            self.names[value] = self._layer("Split", [name], {}, into=copies)

    def _layer(
        self, kind: str, inputs: list[str], keys: dict[int, Any], into: list[str] | None = None
    ) -> list[str]:
        """A line: kind, name, how many blobs in and out, their names, numbered parameters."""
        number = len(self.lines)
        outputs = into or [f"b{number}"]
        told = [f"{key}={value}" for key, value in keys.items()]
        counts = str(len(inputs)), str(len(outputs))
        self.lines.append(" ".join([kind, f"l{number}", *counts, *inputs, *outputs, *told]))
        self.blobs += len(outputs)
        return outputs

    def _one(self, kind: str, inputs: list[str], keys: dict[int, Any]) -> str:
        return self._layer(kind, inputs, keys)[0]

    def _store(self, array: np.ndarray, tagged: bool = False) -> None:
        if tagged:
            self.file.write(_FLOAT32)
        np.ascontiguousarray(array, "<f4").tofile(self.file)

    def _weighted(self, kind: str, node: Node, inputs: list[str], keys: dict[int, Any]) -> str:
        """A layer with weights, its residual and its activation."""
        name = node.options["activation"]
        bias = node.arrays.get("bias")
        # An activation comes after the residual.
        fused = _FUSED.get(name, {}) if len(inputs) == 1 else {}
        self._store(node.arrays["weight"], tagged=True)
        if bias is not None:
            self._store(bias)
        keys = {**keys, 5: int(bias is not None), 6: node.arrays["weight"].size, **fused}
        result = self._one(kind, inputs[:1], keys)
        if len(inputs) > 1:
            result = self._one("BinaryOp", [result, inputs[1]], {0: 0})
        return result if fused else self._activate(name, result)

    # ---- a method for each kind of node

    def _conv2d(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        oc, _, kh, kw = node.arrays["weight"].shape
        top, bottom, left, right = o["padding"]
        if o["border"] != "zeros" and any(o["padding"]):
            raise TypeError(f"{node!r} has a border of {o['border']}")
        keys = {0: oc}
        # Horizontal, and ten further the vertical one.
        for key, (vertical, horizontal) in {1: (kh, kw), 2: o["dilation"], 3: o["stride"]}.items():
            keys |= {key: horizontal, key + 10: vertical}
        keys |= {4: left, 14: top, 15: right, 16: bottom}
        if o["groups"] == 1:
            return self._weighted("Convolution", node, inputs, keys)
        return self._weighted("ConvolutionDepthWise", node, inputs, {**keys, 7: o["groups"]})

    def _linear(self, node: Node, inputs: list[str]) -> str:
        if len(node.output.shape) != 1:
            raise TypeError(f"{node!r} has several rows for each image")
        name, bias = node.options["activation"], node.arrays.get("bias")
        fused = _FUSED.get(name, {})
        self._store(node.arrays["weight"], tagged=True)
        if bias is not None:
            self._store(bias)
        keys = {0: node.output.shape[0], 1: int(bias is not None), 2: node.arrays["weight"].size}
        result = self._one("InnerProduct", inputs, keys | fused)
        return result if fused else self._activate(name, result)

    def _pool2d(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        if o["pool"] not in ("max", "avg"):
            raise TypeError(f"{node!r}: ncnn has maxima and means")
        kind = {0: int(o["pool"] == "avg")}
        if is_global(node):
            return self._one("Pooling", inputs, {**kind, 4: 1})
        window = whole_windows(node)
        if window.dilation != (1, 1):
            raise TypeError(f"{node!r} is dilated")
        (kh, kw), (sh, sw), (ph, pw) = window.kernel, window.stride, window.padding
        keys = {1: kw, 11: kh, 2: sw, 12: sh, 3: pw, 13: ph, 14: pw, 15: ph}
        included = int(o["pool"] == "avg" and o["count_include_pad"])
        return self._one("Pooling", inputs, kind | keys | {5: int(not window.ceil), 6: included})

    def _batch_norm(self, node: Node, inputs: list[str]) -> str:
        mean = node.arrays["mean"]
        arrays = {"weight": np.ones_like(mean), "bias": np.zeros_like(mean), **node.arrays}
        for name in ("weight", "mean", "var", "bias"):
            self._store(arrays[name])
        keys = {0: mean.size, 1: f"{node.options['eps']:e}"}
        return self._activate(node.options["activation"], self._one("BatchNorm", inputs, keys))

    def _activation(self, node: Node, inputs: list[str]) -> str:
        return self._activate(node.options["name"], inputs[0], node.options["alpha"])

    def _activate(self, name: str | None, x: str, alpha: float = 0.0) -> str:
        if name is None:
            return x
        if name == "leaky_relu":
            return self._one("ReLU", [x], {0: f"{alpha:.8f}"})
        if name not in _ACTIVATIONS:
            raise TypeError(f"the activation {name} has no form in ncnn here")
        kind, keys = _ACTIVATIONS[name]
        return self._one(kind, [x], keys)

    def _softmax(self, node: Node, inputs: list[str]) -> str:
        if node.options["logarithm"]:
            raise TypeError(f"{node!r}: ncnn has no logarithm of softmax")
        return self._one("Softmax", inputs, {0: node.options["axis"], 1: 1})

    def _lrn(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        if o["size"] % 2 == 0:
            raise TypeError(f"{node!r}: ncnn has its even windows elsewhere")
        numbers = {2: o["alpha"], 3: o["beta"], 4: o["k"]}
        keys = {0: 0, 1: o["size"], **{key: f"{value:e}" for key, value in numbers.items()}}
        return self._one("LRN", inputs, keys)

    def _add(self, node: Node, inputs: list[str]) -> str:
        return self._activate(node.options["activation"], self._one("BinaryOp", inputs, {0: 0}))

    def _concat(self, node: Node, inputs: list[str]) -> str:
        return self._one("Concat", inputs, {0: 0})

    def _part(self, node: Node, inputs: list[str]) -> str:
        shape = node.output.shape
        if len(shape) != 3:
            raise TypeError(f"{node!r}: only of images parts are taken here")
        _, h, w = shape
        channels = {2: node.options["start"], 5: shape[0]}
        return self._one("Crop", inputs, {3: w, 4: h, **channels})

    def _pad(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        if o["border"] != "constant" or o["before"][0] or o["after"][0] or len(o["before"]) != 3:
            raise TypeError(f"{node!r} is no border of one number around images")
        _, top, left = o["before"]
        _, bottom, right = o["after"]
        keys = {0: top, 1: bottom, 2: left, 3: right, 4: 0, 5: f"{o['value'] or 0.0:e}"}
        return self._one("Padding", inputs, keys)

    def _reshape(self, node: Node, inputs: list[str]) -> str:
        if len(node.output.shape) != 1:
            raise TypeError(f"{node!r}: only rows of features are made of images here")
        return self._one("Flatten", inputs, {})
