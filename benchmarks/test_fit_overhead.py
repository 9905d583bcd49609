"""What fit costs beside the engine: LeNet-5, float32, batches of 64.

    pytest benchmarks/test_fit_overhead.py --benchmark-only

A step is forward, loss, backward and the optimiser's update. ``engine`` is the sum of what the
engine says of its own executions in such a step (FASTCONV_VERBOSE); the rest is Python: the loop,
the modules, the graph, NumPy, and waiting for the batch.
"""

import io
import re
import sys

import numpy as np
import pytest

import fastconv
from fastconv import _core, data, models, optim, random
from fastconv import functional as F

BATCH, STEPS = 64, 31
LIMIT = 1 / 3  # of the step's time may be Python's

OPTIMIZERS = {
    "SGD": lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda parameters: optim.Adam(parameters, lr=1e-3),
}


def training(optimizer, metrics):
    """A function that trains an epoch of STEPS full batches, and the list that steps are put in."""
    images, labels = data.digits()
    x, y = models.prepare_digits(images), labels
    order = data.dataset.permutation(len(y), 0)[: BATCH * STEPS]
    random.manual_seed(0)
    model = models.LeNet5()
    loader = data.DataLoader((x[order], y[order]), BATCH, shuffle=True, seed=0)
    made = OPTIMIZERS[optimizer](model.parameters())

    def epoch():
        fastconv.fit(
            model, loader, loss=F.cross_entropy, optimizer=made, epochs=1, metrics=metrics,
            progress=False,
        )  # fmt: skip

    return epoch


def engine_seconds(epoch):
    """The executions of an epoch, added up as the engine times them."""
    stream, before = io.StringIO(), sys.stderr
    _core.set_verbose(True)
    sys.stderr = stream
    try:
        epoch()
    finally:
        sys.stderr = before
        _core.set_verbose(False)
    found = re.findall(r" ([\d.]+) ms", stream.getvalue())
    assert len(found) > 20 * STEPS
    return sum(map(float, found)) / 1e3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("metrics", [(), ("accuracy",)], ids=["plain", "accuracy"])
def test_share_of_python(optimizer, metrics, benchmark, overhead):
    epoch = training(optimizer, metrics)
    epoch()
    benchmark.group = "fit"
    benchmark.pedantic(epoch, rounds=10, iterations=1, warmup_rounds=2)
    if not benchmark.stats:
        return
    step = benchmark.stats.stats.min / STEPS * 1e6
    engine = min(engine_seconds(epoch) for _ in range(5)) / STEPS * 1e6
    share = 1 - engine / step
    benchmark.extra_info.update(us_per_step=step, engine_us=engine, python=share)
    name = f"fit {optimizer} {'with accuracy' if metrics else ''}"
    overhead((name, f"{step:.0f}", f"{engine:.0f}", f"{step - engine:.0f}"))
    assert np.isfinite(step)
    assert share <= LIMIT
