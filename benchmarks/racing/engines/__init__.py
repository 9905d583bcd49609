"""The competitors, each in a module of its own, so that a process imports only one of them.

A module of this package has

    versions()                  what is raced, by name
    entries(task) -> dict       each way in which this engine can be called for a task, by name, as
                                a function that makes the Entry; it raises Unsupported
    training(task) -> dict      the same for forward and backward, where the engine has it
    steps(task) -> dict         for training steps of a network, where the engine has it: functions
                                that make the Step

What is common to all tasks of a process is set where the module is imported. Whatever has been
asked of an engine (threads, precision, layout) is read back and asserted.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import corpus
import numpy as np

from racing.work import Data


class Unsupported(Exception):
    """The engine has no such operation; the argument says what it lacks."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A layer to compute; folder is for files that the engine wants to read."""

    layer: corpus.Layer
    data: Data
    dtype: str
    threads: int
    folder: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """call computes once; result is what a call computes, as a NumPy array in NCHW.

    held is what the engine refers to and does not own: it lives as long as the entry.
    """

    call: Callable[[], Any]
    result: Callable[[], np.ndarray]
    held: tuple = ()


@dataclasses.dataclass(frozen=True)
class StepTask:
    """A network of racing.networks to train with momentum; arrays: its weights by their names."""

    network: str
    weights: dict[str, np.ndarray]
    x: np.ndarray
    labels: np.ndarray
    threads: int


# One step on the mini-batch, forward, backward and the optimiser's; the loss before it.
Step = Callable[[], float]
LEARNING_RATE, MOMENTUM = 1e-3, 0.9


@dataclasses.dataclass(frozen=True)
class Competitor:
    """A process of the race: the module that drives an engine, and its environment."""

    module: str
    engine: str  # what the tables call it; several processes may race for one engine
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    dtypes: tuple[str, ...] = ("float32",)
    packages: tuple[str, ...] = ()


OWN = "fastconv"
# glibc told to keep freed memory, in bytes: it reads no exponents.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_BOTH = ("float32", "float64")
COMPETITORS = {
    OWN: Competitor("own", OWN, dtypes=_BOTH),
    "torch": Competitor("pytorch", "torch", dtypes=_BOTH, packages=("torch",)),
    "torch-keeping": Competitor("pytorch", "torch", _KEEP_MEMORY, _BOTH, ("torch",)),
    "onnxruntime": Competitor("ort", "onnxruntime", packages=("onnxruntime", "onnx")),
    "openvino": Competitor("ov", "openvino", packages=("openvino", "onnx")),
    "ncnn": Competitor("ncnn_net", "ncnn", packages=("ncnn",)),
    "mnn": Competitor("mnn_module", "mnn", packages=("MNN", "onnx")),
}
# Which of fastconv's forms each engine runs against: called with weights as they are, or prepared.
FUNCTIONAL = "functional"
PREPARED = "prepared"
FORM = {
    "torch": FUNCTIONAL,
    "onnxruntime": PREPARED,
    "openvino": PREPARED,
    "ncnn": PREPARED,
    "mnn": PREPARED,
}
ENGINES = tuple(FORM)
