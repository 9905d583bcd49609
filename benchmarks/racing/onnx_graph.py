"""A graph of fastconv as an ONNX model, for the engines that read that.

What an activation or a residual has been fused with becomes an operator of its own again, so a
graph may be given as it was traced or after any of the compiler's passes.
"""

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from fastconv.graph.ir import Graph, Node, Value
from racing.windows import is_global, whole_windows

OPSET = 17
IR_VERSION = 8
# name -> operator; those that need more than that stand in _activate.
_PLAIN = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "HardSwish",
}


def convert(graph: Graph, batch: int) -> ModelProto:
    """The model for so many images, checked: inputs x0, x1 …; results y0, y1 …

    Raises:
        TypeError: the graph has an operation that is not converted.
    """
    model = _Writer(graph, batch).model()
    checker.check_model(model)
    return model


class _Writer:
    def __init__(self, graph: Graph, batch: int) -> None:
        self.graph = graph
        self.batch = batch
        self.names = {value: f"x{i}" for i, value in enumerate(graph.inputs)}
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        # Arrays that nodes share are written once; holding them keeps their ids their own.
        self._known: dict[int, tuple[np.ndarray, str]] = {}

    def model(self) -> ModelProto:
        for node in self.graph.nodes:
            convert = getattr(self, f"_{node.kind}", None)
            if convert is None:
                raise TypeError(f"{node!r} has no form in ONNX here")
            name = convert(node, [self.names[value] for value in node.inputs])
            self.names[node.output] = self._activate(node.options.get("activation"), name)
        outputs = []
        for i, value in enumerate(self.graph.outputs):
            self._emit("Identity", [self.names[value]], into=f"y{i}")
            outputs.append(self._info(f"y{i}", value))
        inputs = [self._info(self.names[value], value) for value in self.graph.inputs]
        graph = helper.make_graph(self.nodes, "network", inputs, outputs, self.constants)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )

    def _info(self, name: str, value: Value) -> Any:
        kind = helper.np_dtype_to_tensor_dtype(self.graph.dtype)
        return helper.make_tensor_value_info(name, kind, (self.batch, *value.shape))

    def _emit(self, operator: str, inputs: list[str], into: str = "", **attributes: Any) -> str:
        name = into or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def _constant(self, array: np.ndarray) -> str:
        if id(array) not in self._known:
            name = f"w{len(self.constants)}"
            self._known[id(array)] = array, name
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return self._known[id(array)][1]

    def _weights(self, node: Node, *names: str) -> list[str]:
        return [self._constant(node.arrays[name]) for name in names if name in node.arrays]

    # ---- a method for each kind of node

    def _conv2d(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        top, bottom, left, right = o["padding"]
        if o["border"] != "zeros" and any(o["padding"]):
            raise TypeError(f"{node!r} has a border of {o['border']}, which ONNX's Conv lacks")
        name = self._emit(
            "Conv",
            [inputs[0], *self._weights(node, "weight", "bias")],
            kernel_shape=node.arrays["weight"].shape[2:],
            strides=o["stride"],
            pads=(top, left, bottom, right),
            dilations=o["dilation"],
            group=o["groups"],
        )
        return self._emit("Add", [name, inputs[1]]) if len(inputs) > 1 else name

    def _linear(self, node: Node, inputs: list[str]) -> str:
        if len(node.output.shape) != 1:
            raise TypeError(f"{node!r} has several rows for each image, which Gemm has not")
        names = [*inputs, *self._weights(node, "weight", "bias")]
        return self._emit("Gemm", names, transB=1)

    def _pool2d(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        if o["pool"] not in ("max", "avg"):
            raise TypeError(f"{node!r}: ONNX here has maxima and means")
        if is_global(node):
            operator = "GlobalMaxPool" if o["pool"] == "max" else "GlobalAveragePool"
            return self._emit(operator, inputs)
        window = whole_windows(node)
        top, left = window.padding
        attributes = {
            "kernel_shape": window.kernel,
            "strides": window.stride,
            "pads": (top, left, top, left),
            "ceil_mode": int(window.ceil),
        }
        if o["pool"] == "max":
            return self._emit("MaxPool", inputs, dilations=window.dilation, **attributes)
        included = int(o["count_include_pad"])
        return self._emit("AveragePool", inputs, count_include_pad=included, **attributes)

    def _batch_norm(self, node: Node, inputs: list[str]) -> str:
        mean = node.arrays["mean"]
        arrays = {"weight": np.ones_like(mean), "bias": np.zeros_like(mean), **node.arrays}
        names = [self._constant(arrays[name]) for name in ("weight", "bias", "mean", "var")]
        return self._emit("BatchNormalization", [*inputs, *names], epsilon=node.options["eps"])

    def _activation(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        return self._activate(o["name"], inputs[0], o["alpha"])

    def _activate(self, name: str | None, x: str, alpha: float = 0.0) -> str:
        if name is None:
            return x
        if name in _PLAIN:
            return self._emit(_PLAIN[name], [x])
        if name == "relu6":
            ends = [self._scalar(0.0), self._scalar(6.0)]
            return self._emit("Clip", [x, *ends])
        if name == "silu":
            return self._emit("Mul", [x, self._emit("Sigmoid", [x])])
        if name == "hardsigmoid":
            return self._emit("HardSigmoid", [x], alpha=1 / 6, beta=0.5)
        if name == "leaky_relu":
            return self._emit("LeakyRelu", [x], alpha=alpha)
        if name == "elu":
            return self._emit("Elu", [x], alpha=alpha)
        raise TypeError(f"the activation {name} has no form in ONNX here")

    def _scalar(self, value: float) -> str:
        name = f"scalar{value:g}"
        if all(constant.name != name for constant in self.constants):
            array = np.array(value, self.graph.dtype)
            self.constants.append(numpy_helper.from_array(array, name))
        return name

    def _prelu(self, node: Node, inputs: list[str]) -> str:
        slopes = node.arrays["weight"].reshape(-1, *(1,) * (len(node.output.shape) - 1))
        return self._emit("PRelu", [*inputs, self._constant(slopes)])

    def _softmax(self, node: Node, inputs: list[str]) -> str:
        operator = "LogSoftmax" if node.options["logarithm"] else "Softmax"
        return self._emit(operator, inputs, axis=node.options["axis"] + 1)

    def _lrn(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        if o["size"] % 2 == 0:
            raise TypeError(f"{node!r}: ONNX has its even windows elsewhere")
        return self._emit(
            "LRN", inputs, size=o["size"], alpha=o["alpha"], beta=o["beta"], bias=o["k"]
        )

    def _add(self, node: Node, inputs: list[str]) -> str:
        return self._emit("Add", inputs)

    def _scale(self, node: Node, inputs: list[str]) -> str:
        channels, *rest = node.output.shape
        factors = self._reshaped(inputs[1], channels, *(1 for _ in rest))
        return self._emit("Mul", [inputs[0], factors])

    def _concat(self, node: Node, inputs: list[str]) -> str:
        return self._emit("Concat", inputs, axis=1)

    def _part(self, node: Node, inputs: list[str]) -> str:
        ends = (self._integers(node.options[name]) for name in ("start", "stop"))
        return self._emit("Slice", [inputs[0], *ends, self._integers(1)])

    def _pad(self, node: Node, inputs: list[str]) -> str:
        o = node.options
        if o["border"] == "circular":
            raise TypeError(f"{node!r}: this version of ONNX pads with no turns")
        mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}[o["border"]]
        sides = self._integers(0, *o["before"], 0, *o["after"])
        return self._emit("Pad", [inputs[0], sides, self._scalar(o["value"] or 0.0)], mode=mode)

    def _permute(self, node: Node, inputs: list[str]) -> str:
        axes = (0, *(axis + 1 for axis in node.options["axes"]))
        return self._emit("Transpose", inputs, perm=axes)

    def _reshape(self, node: Node, inputs: list[str]) -> str:
        if len(node.output.shape) == 1:
            return self._emit("Flatten", inputs)
        return self._reshaped(inputs[0], *node.output.shape)

    def _reshaped(self, x: str, *shape: int) -> str:
        return self._emit("Reshape", [x, self._integers(self.batch, *shape)])

    def _integers(self, *numbers: int) -> str:
        name = f"integers{len(self.constants)}"
        tensor = helper.make_tensor(name, TensorProto.INT64, [len(numbers)], numbers)
        self.constants.append(tensor)
        return name
