"""What calling a module costs over the function that it calls, on tiny Tensors.

pytest benchmarks/test_module_overhead.py --benchmark-only
"""

import timeit

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, nn

LIMIT_US = 1.0
# Batch normalisation counts its batches, in a Tensor.
LIMITS_US = {"batch_norm training": 2.0}
X = Tensor(np.full((1, 1, 4, 4), 0.5, np.float32))
CONV, LINEAR, NORM = nn.Conv2d(1, 1, 3), nn.Linear(4, 4), nn.BatchNorm2d(1)
EVALUATED = nn.BatchNorm2d(1).eval()


def norm(layer, training):
    return F.batch_norm(
        X, layer.running_mean, layer.running_var, layer.weight, layer.bias, training, 0.1, 1e-5
    )


# name → (a module, what it calls, with the arguments it gives)
CALLS = {
    "relu": (nn.ReLU(), lambda: F.relu(X)),
    "max_pool2d": (nn.MaxPool2d(2), lambda: F.max_pool2d(X, 2, 2, 0, 1, False, False)),
    "linear": (LINEAR, lambda: F.linear(X, LINEAR.weight, LINEAR.bias)),
    "conv2d": (
        CONV,
        lambda: F.conv2d(
            X, CONV.weight, CONV.bias, (1, 1), (0, 0), (1, 1), 1, padding_mode="zeros"
        ),
    ),
    "batch_norm": (EVALUATED, lambda: norm(EVALUATED, False)),
    "batch_norm training": (NORM, lambda: norm(NORM, True)),
}


@pytest.mark.parametrize("name", CALLS)
def test_overhead(name, benchmark):
    module, function = CALLS[name]
    benchmark.group = "nn"
    with fastconv.num_threads(1):
        benchmark(module, X)
        if not benchmark.stats:
            return
        # One after the other, again and again: what disturbs one disturbs the other.
        both = [
            (timeit.timeit(lambda: module(X), number=2000), timeit.timeit(function, number=2000))
            for _ in range(15)
        ]
    own = (min(a for a, _ in both) - min(b for _, b in both)) / 2000 * 1e6
    benchmark.extra_info["own_us"] = round(own, 2)
    assert own < LIMITS_US.get(name, LIMIT_US)
