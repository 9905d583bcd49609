"""MNN: float32, a module made from ONNX, with its fastest Winograd and with a more exact one.

The converter is called beneath its command, mnnconvert, which reports on its users and installs
packages for that.
"""

import pathlib

import MNN
import MNN.expr
import MNN.nn
import numpy as np

from racing.whole import MNN as FILE
from racing.whole import ONNX, Call, Makers, NetworkTask

WINOGRAD_MEMORY_LEVEL = 3  # MNN's HintMode
# Level 3 is MNN's default and its fastest; where that is out of the race's tolerance, level 1,
# which keeps to small tiles, may still be within.
LEVELS = {"default": 3, "small tiles": 1}


def networks(task: NetworkTask) -> Makers:
    return {name: lambda level=level: _module(task, level) for name, level in LEVELS.items()}


def _convert(folder: pathlib.Path) -> pathlib.Path:
    """MNN's own file, made from ONNX when there is none yet."""
    target = folder / FILE
    if not target.exists():
        import _tools  # a part of MNN; not needed by who has the file

        arguments = ["-f", "ONNX", "--modelFile", str(folder / ONNX), "--MNNModel", str(target)]
        _tools.mnnconvert(["mnnconvert", *arguments, "--bizCode", "race"])
    if not target.exists():
        raise RuntimeError("its converter refuses the network")
    return target


def _module(task: NetworkTask, level: int) -> Call:
    path = _convert(pathlib.Path(task.folder))
    how = {"backend": "CPU", "numThread": task.threads, "precision": "high"}
    manager = MNN.nn.create_runtime_manager((how,))
    manager.set_hint(WINOGRAD_MEMORY_LEVEL, level)
    module = MNN.nn.load_module_from_file(
        str(path), ["x0"], ["y0"], runtime_manager=manager, shape_mutable=False
    )
    x = MNN.expr.const(task.x, task.x.shape, MNN.expr.NCHW)
    batch = len(task.x)

    def call():
        return module.forward(x)

    def result():
        return np.array(call().read()).reshape(batch, -1)

    return Call(call, result, held=(manager,))
