"""OpenVINO: float32 forced, bound input and output, in both layouts."""

import numpy as np
import openvino
from openvino.preprocess import PrePostProcessor

from racing.arrays import aligned, aligned_empty
from racing.engines import Entry, Task, onnx_model
from racing.whole.ov import bind, compile_model

CORE = openvino.Core()


def versions() -> dict[str, str]:
    return {"openvino": openvino.get_version().split("-")[0]}


def entries(task: Task) -> dict:
    model = onnx_model.build(task)
    if task.layer.kind == "linear":
        return {"plain": lambda: _entry(task, model, None)}
    return {
        "nchw": lambda: _entry(task, model, None),
        "nhwc": lambda: _entry(task, model, "NHWC"),
    }


def _entry(task: Task, serialised: bytes, layout: str | None) -> Entry:
    model = CORE.read_model(serialised)
    if layout:
        steps = PrePostProcessor(model)
        steps.input().tensor().set_layout(openvino.Layout(layout))
        steps.input().model().set_layout(openvino.Layout("NCHW"))
        steps.output().tensor().set_layout(openvino.Layout(layout))
        steps.output().model().set_layout(openvino.Layout("NCHW"))
        model = steps.build()
    compiled = compile_model(CORE, model, task.threads)
    x = task.data.x
    if layout:
        x = aligned(x.transpose(0, 2, 3, 1))
    y = aligned_empty(tuple(compiled.output(0).shape), np.float32)
    y.fill(np.nan)
    infer, request = bind(compiled, x, y)

    def call():
        infer({}, True, True)

    call()

    def result():
        return y.transpose(0, 3, 1, 2) if layout else y

    return Entry(call, result, held=(x, compiled, request))
