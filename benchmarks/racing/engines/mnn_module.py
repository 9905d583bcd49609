"""MNN: float32, a module made from ONNX, with its fastest Winograd and with a more exact one.

The converter is called beneath its command, mnnconvert, which reports on its users and installs
packages for that.
"""

import pathlib

import _tools  # a part of MNN
import MNN
import MNN.expr
import MNN.nn
import numpy as np

from racing.engines import Entry, Task, Unsupported, onnx_model
from racing.work import output_shape

WINOGRAD_MEMORY_LEVEL = 3  # MNN's HintMode
# Level 3 is MNN's default and its fastest; on many layers it is out of the race's tolerance, and
# then level 1, which keeps to small tiles, runs in its place.
LEVELS = {"default": 3, "small tiles": 1}


def versions() -> dict[str, str]:
    return {"MNN": MNN.version()}


def entries(task: Task) -> dict:
    folder = pathlib.Path(task.folder)
    source, target = folder / "mnn.onnx", folder / "mnn.mnn"
    source.write_bytes(onnx_model.build(task))
    target.unlink(missing_ok=True)
    arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target)]
    _tools.mnnconvert(["mnnconvert", *arguments, "--bizCode", "race"])
    winograd = task.layer.kind == "conv" and task.layer.kernel != (1, 1)
    levels = LEVELS if winograd else {"default": LEVELS["default"]}
    return {name: lambda level=level: _entry(task, target, level) for name, level in levels.items()}


def _entry(task: Task, model: pathlib.Path, level: int) -> Entry:
    if not model.exists():
        raise Unsupported("its converter refuses the layer")
    how = {"backend": "CPU", "numThread": task.threads, "precision": "high"}
    manager = MNN.nn.create_runtime_manager((how,))
    manager.set_hint(WINOGRAD_MEMORY_LEVEL, level)
    module = MNN.nn.load_module_from_file(
        str(model), ["x"], ["y"], runtime_manager=manager, shape_mutable=False
    )
    x = MNN.expr.const(task.data.x, task.data.x.shape, MNN.expr.NCHW)
    shape = output_shape(task.layer)

    def call():
        return module.forward(x)

    def result():
        return np.array(call().read()).reshape(shape)

    return Entry(call, result, held=(manager,))
