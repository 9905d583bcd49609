"""onnxruntime: every graph optimisation, bound input and output; its threads spinning or not."""

import numpy as np
import onnxruntime

from racing.engines import Entry, Task, onnx_model
from racing.whole.ort import make_session
from racing.work import output_shape


def versions() -> dict[str, str]:
    return {"onnxruntime": onnxruntime.__version__}


def entries(task: Task) -> dict:
    model = onnx_model.build(task)
    if task.threads == 1:
        return {"bound": lambda: _entry(task, model, spinning=True)}
    return {
        "spinning": lambda: _entry(task, model, spinning=True),
        "resting": lambda: _entry(task, model, spinning=False),
    }


def _entry(task: Task, model: bytes, spinning: bool) -> Entry:
    session = make_session(model, task.threads, spinning)
    x = onnxruntime.OrtValue.ortvalue_from_numpy(task.data.x)
    y = onnxruntime.OrtValue.ortvalue_from_shape_and_type(
        output_shape(task.layer), np.dtype(task.dtype).type
    )
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", x)
    binding.bind_ortvalue_output("y", y)
    run = session.run_with_iobinding

    def call():
        run(binding)

    call()
    return Entry(call, y.numpy, held=(x,))
