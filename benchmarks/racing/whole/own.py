"""fastconv: the compiled network with a bound result, and the module without gradients.

The compiled one is loaded from its file, as others load theirs.
"""

import json
import pathlib
from typing import Any

import numpy as np

import fastconv
from racing.arrays import aligned_empty
from racing.whole import MODEL, WEIGHTS, Call, Makers, NetworkTask

COMPILED, EAGER = "compiled", "eager"
COMPILED_FILE = "network.fcnet"


def networks(task: NetworkTask) -> Makers:
    return {COMPILED: lambda: _compiled(task), EAGER: lambda: _eager(task)}


def _model(folder: str) -> Any:
    # A compiled network that is loaded takes none of it.
    from fastconv import models, nn
    from fastconv.models import safetensors

    path = pathlib.Path(folder)
    what = json.loads((path / MODEL).read_text())
    with nn.init.skip():
        model = models.create(what["name"], **what["options"])
    model.load_state_dict(safetensors.load(path / WEIGHTS))
    return model.eval()


def _compiled(task: NetworkTask) -> Call:
    path = pathlib.Path(task.folder) / COMPILED_FILE
    if not path.exists():
        fastconv.compile(_model(task.folder), task.x, keep_weights=True).save(path)
    network = fastconv.load_compiled(path)
    classes = network.graph.outputs[0].shape
    x, threads = task.x, task.threads
    out = aligned_empty((len(x), *classes), np.float32)

    def call():
        return network(x, out=out, threads=threads)

    return Call(call, lambda: np.array(call()), weights=network.weight_bytes)


def _eager(task: NetworkTask) -> Call:
    model, x, threads = _model(task.folder), task.x, task.threads

    def call():
        with fastconv.no_grad(), fastconv.num_threads(threads):
            return model(x)

    return Call(call, lambda: np.asarray(call()))
