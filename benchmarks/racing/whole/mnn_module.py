"""MNN: float32, a module made from ONNX, with its fastest Winograd and with a more exact one.

The converter is called beneath its command, mnnconvert, which reports on its users and installs
packages for that.
"""

import contextlib
import pathlib
from typing import Any

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


def convert(source: pathlib.Path, target: pathlib.Path) -> None:
    """Make MNN's own file of one in ONNX; there is none afterwards where that is refused."""
    import _tools  # a part of MNN; not needed by who has the file

    target.unlink(missing_ok=True)
    arguments = ["-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(target)]
    with contextlib.chdir(target.parent):  # it leaves a file where it is run
        _tools.mnnconvert(["mnnconvert", *arguments, "--bizCode", "race"])


def load(path: pathlib.Path, x: str, y: str, threads: int, level: int) -> tuple[Any, Any]:
    """The module of a file, from the input's name to the result's, and what has to live as long."""
    how = {"backend": "CPU", "numThread": threads, "precision": "high"}
    manager = MNN.nn.create_runtime_manager((how,))
    manager.set_hint(WINOGRAD_MEMORY_LEVEL, level)
    module = MNN.nn.load_module_from_file(
        str(path), [x], [y], runtime_manager=manager, shape_mutable=False
    )
    return module, manager


def _module(task: NetworkTask, level: int) -> Call:
    folder = pathlib.Path(task.folder)
    if not (folder / FILE).exists():
        convert(folder / ONNX, folder / FILE)
    if not (folder / FILE).exists():
        raise RuntimeError("its converter refuses the network")
    module, manager = load(folder / FILE, "x0", "y0", task.threads, level)
    x = MNN.expr.const(task.x, task.x.shape, MNN.expr.NCHW)
    batch = len(task.x)

    def call():
        return module.forward(x)

    def result():
        return np.array(call().read()).reshape(batch, -1)

    return Call(call, result, held=(task.x, manager))
