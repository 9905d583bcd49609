"""MNN: float32, a module made from ONNX, with its fastest Winograd and with a more exact one."""

import pathlib

import MNN
import MNN.expr
import numpy as np

from racing.engines import Entry, Task, Unsupported, onnx_model
from racing.whole.mnn_module import LEVELS, convert, load
from racing.work import output_shape


def versions() -> dict[str, str]:
    return {"MNN": MNN.version()}


def entries(task: Task) -> dict:
    folder = pathlib.Path(task.folder)
    source, target = folder / "mnn.onnx", folder / "mnn.mnn"
    source.write_bytes(onnx_model.build(task))
    convert(source, target)
    winograd = task.layer.kind == "conv" and task.layer.kernel != (1, 1)
    levels = LEVELS if winograd else {"default": LEVELS["default"]}
    return {name: lambda level=level: _entry(task, target, level) for name, level in levels.items()}


def _entry(task: Task, model: pathlib.Path, level: int) -> Entry:
    if not model.exists():
        raise Unsupported("its converter refuses the layer")
    module, manager = load(model, "x", "y", task.threads, level)
    x = MNN.expr.const(task.data.x, task.data.x.shape, MNN.expr.NCHW)
    shape = output_shape(task.layer)

    def call():
        return module.forward(x)

    def result():
        return np.array(call().read()).reshape(shape)

    return Entry(call, result, held=(manager,))
