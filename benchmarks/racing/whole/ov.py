"""OpenVINO: float32 forced, the hint of latency, one stream, bound input and output.

Only in NCHW: for a whole network the other layout would save re-ordering three channels of input.
"""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import openvino

from racing.arrays import aligned_empty
from racing.whole import ONNX, Call, Makers, NetworkTask


def networks(task: NetworkTask) -> Makers:
    return {"nchw": lambda: _network(task)}


def _network(task: NetworkTask) -> Call:
    core = openvino.Core()
    model = core.read_model(str(pathlib.Path(task.folder) / ONNX))
    compiled = compile_model(core, model, task.threads)
    y = aligned_empty(tuple(compiled.output(0).shape), np.float32)
    y.fill(np.nan)
    infer, request = bind(compiled, task.x, y)

    def call():
        infer({}, True, True)

    def result():
        call()
        return y

    return Call(call, result, held=(task.x, core, compiled, request))


def compile_model(core: Any, model: Any, threads: int) -> Any:
    """The model for so many threads, at its best settings for single calls."""
    wanted = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(model, "CPU", wanted)
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads
    assert int(compiled.get_property("NUM_STREAMS")) == 1
    return compiled


def bind(compiled: Any, x: np.ndarray, y: np.ndarray) -> tuple[Callable[..., Any], Any]:
    """A function, to be called with ({}, True, True), that computes y of x; and its request."""
    request = compiled.create_infer_request()
    request.set_input_tensor(openvino.Tensor(x, shared_memory=True))
    request.set_output_tensor(openvino.Tensor(y, shared_memory=True))
    # The binding beneath InferRequest.infer, without the dictionaries that it makes of the result.
    return super(openvino.InferRequest, request).infer, request
