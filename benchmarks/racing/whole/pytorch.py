"""PyTorch, eager: the network's operations in inference mode, in both layouts.

Batch normalisation is multiplied into the weights beforehand, as torch.nn.utils.fusion does it, and
activations and sums work in place: torch's shortest way through the network.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as T

from racing import graph_file
from racing.whole import ARRAYS, GRAPH, Call, Makers, NetworkTask

torch.backends.mkldnn.enabled = True
torch.set_float32_matmul_precision("highest")
assert torch.backends.mkldnn.is_available()
assert torch.get_float32_matmul_precision() == "highest"

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}
Operation = Callable[..., torch.Tensor]
_ACTIVATIONS: dict[str, Operation] = {
    "relu": torch.relu_,
    "relu6": lambda x: T.hardtanh_(x, 0.0, 6.0),
    "sigmoid": torch.sigmoid_,
    "tanh": torch.tanh_,
    "hardswish": lambda x: T.hardswish(x, inplace=True),
    "hardsigmoid": lambda x: T.hardsigmoid(x, inplace=True),
    "silu": lambda x: T.silu(x, inplace=True),
}


def networks(task: NetworkTask) -> Makers:
    return {name: lambda f=f: _network(task, f) for name, f in LAYOUTS.items()}


def set_threads(threads: int) -> None:
    torch.set_num_threads(threads)
    assert torch.get_num_threads() == threads


def _network(task: NetworkTask, layout: torch.memory_format) -> Call:
    set_threads(task.threads)
    folder = pathlib.Path(task.folder)
    run = compose(graph_file.read(folder / GRAPH, folder / ARRAYS), layout)
    x = torch.from_numpy(task.x).to(memory_format=layout)
    assert x.is_contiguous(memory_format=layout)

    def call():
        with torch.inference_mode():
            return run(x)

    return Call(call, lambda: np.ascontiguousarray(call().numpy()))


def compose(graph: dict[str, Any], layout: torch.memory_format) -> Operation:
    """A function of the graph's one input; no result is held longer than it is needed.

    Raises:
        TypeError: the graph has an operation that is not made here.
    """
    last = {}
    for number, node in enumerate(graph["nodes"]):
        for value in node["inputs"]:
            last[value] = number
    steps = []
    for number, node in enumerate(graph["nodes"]):
        free = [value for value in set(node["inputs"]) if last[value] == number]
        free = [value for value in free if value not in graph["outputs"]]
        # In place only where nobody else takes the value, and never in the network's input.
        own = bool(node["inputs"]) and node["inputs"][0] in free and node["inputs"][0] > 0
        steps.append((_operation(node, layout, own), node["inputs"], free))
    (result,) = graph["outputs"]

    def run(x: torch.Tensor) -> torch.Tensor:
        values = [x]
        for operation, inputs, free in steps:
            values.append(operation(*[values[i] for i in inputs]))
            for i in free:
                values[i] = None
        return values[result]

    return run


def _operation(node: dict[str, Any], layout: torch.memory_format, own: bool) -> Operation:
    make = globals().get(f"_make_{node['kind']}")
    if make is None:
        raise TypeError(f"{node['kind']} is not made here")
    operation = make(node["options"], _tensors(node["arrays"], layout), node["shape"], own)
    activation = node["options"].get("activation")
    if activation is None:
        return operation
    activate = _ACTIVATIONS[activation]
    return lambda *inputs: activate(operation(*inputs))


def _tensors(arrays: dict[str, np.ndarray], layout: torch.memory_format) -> dict[str, torch.Tensor]:
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if "weight" in tensors and tensors["weight"].ndim == 4:
        tensors["weight"] = tensors["weight"].to(memory_format=layout)
    return tensors


def _make_conv2d(o, held, shape, own) -> Operation:
    weight, bias = held["weight"], held.get("bias")
    top, bottom, left, right = o["padding"]
    stride, dilation, groups = o["stride"], o["dilation"], o["groups"]
    border = "constant" if o["border"] == "zeros" else o["border"]
    how = (weight, bias, stride, (top, left), dilation, groups)
    even = border == "constant" and (top, left) == (bottom, right)
    if not even:
        how = (weight, bias, stride, 0, dilation, groups)
    sides = (left, right, top, bottom)

    def conv2d(x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        y = T.conv2d(x if even else T.pad(x, sides, border), *how)
        return y if residual is None else y.add_(residual)

    return conv2d


def _make_linear(o, held, shape, own) -> Operation:
    weight, bias = held["weight"], held.get("bias")
    return lambda x: T.linear(x, weight, bias)


def _make_pool2d(o, held, shape, own) -> Operation:
    if o["adaptive"] is not None:
        pool = T.adaptive_max_pool2d if o["pool"] == "max" else T.adaptive_avg_pool2d
        return lambda x: pool(x, o["adaptive"])
    window = o["kernel"], o["stride"], o["padding"]
    if o["pool"] == "max":
        return lambda x: T.max_pool2d(x, *window, o["dilation"], o["ceil_mode"])
    return lambda x: T.avg_pool2d(x, *window, o["ceil_mode"], o["count_include_pad"], o["divisor"])


def _make_batch_norm(o, held, shape, own) -> Operation:
    arrays = [held.get(name) for name in ("mean", "var", "weight", "bias")]
    return lambda x: T.batch_norm(x, *arrays, False, 0.0, o["eps"])


def _make_activation(o, held, shape, own) -> Operation:
    activate = _ACTIVATIONS[o["name"]]
    return activate if own else lambda x: activate(x.clone())


def _make_softmax(o, held, shape, own) -> Operation:
    function, axis = (T.log_softmax if o["logarithm"] else T.softmax), o["axis"] + 1
    return lambda x: function(x, axis)


def _make_lrn(o, held, shape, own) -> Operation:
    if o["window"] != "pytorch":
        raise TypeError(f"torch has no window of {o['window']}")
    return lambda x: T.local_response_norm(x, o["size"], o["alpha"], o["beta"], o["k"])


def _make_add(o, held, shape, own) -> Operation:
    return torch.Tensor.add_ if own else torch.add


def _make_concat(o, held, shape, own) -> Operation:
    return lambda *parts: torch.cat(parts, 1)


def _make_part(o, held, shape, own) -> Operation:
    channels = slice(o["start"], o["stop"])
    return (lambda x: x[:, channels]) if own else (lambda x: x[:, channels].clone())


def _make_reshape(o, held, shape, own) -> Operation:
    if own:
        return lambda x: x.reshape(x.shape[0], *shape)
    # Somebody else still takes what this would be a view of, and later work is done in place.
    return lambda x: x.reshape(x.shape[0], *shape).clone()
