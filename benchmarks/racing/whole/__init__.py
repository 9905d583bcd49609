"""Whole networks, by each engine at its best settings: a module for each.

A module of this package has

    networks(task) -> dict      each way in which this engine can run the network, by name, as a
                                function that makes the Call from the engine's files in a folder

and imports the engine and NumPy alone, so that a fresh process can tell what an engine takes from
its import to its first answer. Whatever has been asked of an engine (threads, precision, layout) is
read back and asserted.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

# The files in the folder: weights by the names of the modules, and which network they belong to;
# the graph and its arrays, for torch; and the formats of the other engines.
WEIGHTS, MODEL = "weights.safetensors", "model.json"
GRAPH, ARRAYS = "graph.json", "graph.bin"
ONNX = "network.onnx"
NCNN_LAYERS, NCNN_WEIGHTS = "ncnn.param", "ncnn.bin"
MNN = "network.mnn"
INPUT = "x.npy"


@dataclasses.dataclass(frozen=True)
class NetworkTask:
    """A network whose files lie in a folder, to be run on x (N, C, H, W)."""

    folder: str
    x: np.ndarray
    threads: int


@dataclasses.dataclass(frozen=True)
class Call:
    """call runs the network once on all of x; result gives what a call computes, (N, classes).

    held is what the engine refers to and does not own. weights: bytes that the engine keeps of
    them, where it says so.
    """

    call: Callable[[], Any]
    result: Callable[[], np.ndarray]
    held: tuple = ()
    weights: int | None = None


Makers = dict[str, Callable[[], Call]]
