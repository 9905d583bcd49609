"""What an operation on tiny Tensors costs, forward and backward.

    pytest benchmarks/test_autograd_overhead.py --benchmark-only

A chain of fifty operations and its way back, by fifty. ``own`` is that less what the same
computations take on arrays: what recording an operation, running its node and adding up gradients
"""

import timeit

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, ops

LENGTH = 50
LIMIT_US = 6.0
IMAGE = np.full((1, 1, 4, 4), 0.5, np.float32)
KERNEL = np.full((1, 1, 3, 3), 0.1, np.float32)
MATRIX = np.full((4, 4), 0.25, np.float32)
A, B, K, M = (Tensor(array, True) for array in (IMAGE, IMAGE, KERNEL, MATRIX))


def plain_convolution():
    F.conv2d(IMAGE, KERNEL, padding=1)
    ops.conv2d_input_gradient(IMAGE, KERNEL, IMAGE.shape, padding=1)
    ops.conv2d_weight_gradient(IMAGE, IMAGE, KERNEL.shape, padding=1)


def plain_linear():
    F.linear(IMAGE, MATRIX)
    ops.linear_input_gradient(IMAGE, MATRIX)
    ops.linear_weight_gradient(IMAGE, IMAGE)


# name → (the operation, what it takes on arrays forward and backward)
CHAINS = {
    "add": (lambda x: x + B, lambda: IMAGE + IMAGE),
    "mul": (lambda x: x * B, lambda: (IMAGE * IMAGE, IMAGE * IMAGE, IMAGE * IMAGE)),
    "mul number": (lambda x: x * 0.5, lambda: (IMAGE * 0.5, IMAGE * 0.5)),
    "exp": (lambda x: (-x).exp(), lambda: (-IMAGE, np.exp(IMAGE), IMAGE * IMAGE, -IMAGE)),
    "maximum": (lambda x: x.maximum(0.0), lambda: np.maximum(IMAGE, 0.0)),
    "clip": (lambda x: x.clip(0, 1), lambda: np.minimum(np.maximum(IMAGE, 0), 1)),
    "sum": (lambda x: x.sum(3, keepdim=True), lambda: np.add.reduce(IMAGE, 3, keepdims=True)),
    "mean": (lambda x: x.mean(3, keepdim=True), lambda: np.add.reduce(IMAGE, 3, keepdims=True)),
    "reshape": (lambda x: x.reshape(IMAGE.shape), lambda: IMAGE.reshape(IMAGE.shape)),
    "permute": (lambda x: x.permute(0, 1, 3, 2), lambda: IMAGE.transpose(0, 1, 3, 2)),
    "index": (lambda x: x[:, :], lambda: IMAGE[:, :]),
    "matmul": (lambda x: x.reshape(4, 4) @ M, lambda: (MATRIX @ MATRIX,) * 3),
    "relu": (F.relu, lambda: (F.relu(IMAGE), ops.activation_gradient("relu", IMAGE, IMAGE))),
    "linear": (lambda x: F.linear(x, M), plain_linear),
    "conv2d": (lambda x: F.conv2d(x, K, padding=1), plain_convolution),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_overhead(name, benchmark, overhead):
    operation, plain = CHAINS[name]
    start = np.ones(operation(A).shape, np.float32)

    def chain():
        x = A
        for _ in range(LENGTH):
            x = operation(x)
        x.backward(start if x.shape == start.shape else np.ones(x.shape, np.float32))

    chain()
    benchmark.group = "autograd"
    benchmark.pedantic(chain, rounds=100, iterations=5, warmup_rounds=5)
    if not benchmark.stats:
        return
    both = benchmark.stats.stats.min / LENGTH * 1e6
    nodes = 2 if name in ("exp", "matmul") else 1
    arithmetic = min(timeit.repeat(plain, number=2000, repeat=5)) / 2000 * 1e6
    own = (both - arithmetic) / nodes
    benchmark.extra_info.update(us_per_operation=both / nodes, own_us=own)
    overhead((name, f"{both / nodes:.2f}", f"{arithmetic / nodes:.2f}", f"{own:.2f}"))
    assert fastconv.is_grad_enabled()
    assert own <= LIMIT_US
