"""onnxruntime: every graph optimisation, bound input and output; its threads spinning or not."""

import pathlib

import numpy as np
import onnxruntime

from racing.whole import ONNX, Call, Makers, NetworkTask

onnxruntime.set_default_logger_severity(4)


def networks(task: NetworkTask) -> Makers:
    if task.threads == 1:
        return {"bound": lambda: _session(task, spinning=True)}
    return {
        "spinning": lambda: _session(task, spinning=True),
        "resting": lambda: _session(task, spinning=False),
    }


def make_session(model: str | bytes, threads: int, spinning: bool) -> onnxruntime.InferenceSession:
    """Of a file or of what a file would hold."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    told = session.get_session_options()
    assert told.intra_op_num_threads == threads
    assert told.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert session.get_providers() == ["CPUExecutionProvider"]
    return session


def _session(task: NetworkTask, spinning: bool) -> Call:
    session = make_session(str(pathlib.Path(task.folder) / ONNX), task.threads, spinning)
    x = onnxruntime.OrtValue.ortvalue_from_numpy(task.x)
    shape = session.get_outputs()[0].shape
    y = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x0", x)
    binding.bind_ortvalue_output("y0", y)
    run = session.run_with_iobinding

    def call():
        run(binding)

    def result():
        call()
        return y.numpy()

    return Call(call, result, held=(task.x, x))
