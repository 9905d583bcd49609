"""A model of one operation, for the engines that read ONNX."""

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from racing.engines import Task
from racing.work import output_shape

OPSET = 17
IR_VERSION = 8


def build(task: Task) -> bytes:
    """A serialised model with input x and output y."""
    layer, data = task.layer, task.data
    operator, attributes = _operator(task)
    names = ["x"]
    weights = []
    for name, array in (("weight", data.weight), ("bias", data.bias)):
        if array is not None:
            names.append(name)
            weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, layer.input_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape(layer))],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    checker.check_model(model)
    return model.SerializeToString()


def _operator(task: Task) -> tuple[str, dict]:
    layer = task.layer
    if layer.kind == "linear":
        return "Gemm", {"transB": 1}
    if layer.kind == "globalavgpool":
        return "GlobalAveragePool", {}
    (top, bottom), (left, right) = layer.padding
    window = {
        "kernel_shape": layer.kernel,
        "strides": layer.stride,
        "pads": (top, left, bottom, right),
    }
    if layer.kind == "conv":
        return "Conv", {**window, "dilations": layer.dilation, "group": layer.g}
    window["ceil_mode"] = layer.ceil
    if layer.kind == "maxpool":
        return "MaxPool", {**window, "dilations": layer.dilation}
    return "AveragePool", {**window, "count_include_pad": 1}
