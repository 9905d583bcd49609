"""What a call costs besides its arithmetic: arguments, checks, plan, result, and back.

    pytest benchmarks/test_fixed_cost.py --benchmark-only

Shapes so small that there is next to nothing to compute. pytest-benchmark times the call a user
makes; ``fixed_ns`` (extra information, and the table at the end) is that less the engine's own
time, by ``fastconv.explain(measure=True)``. Every result is verified first.
"""

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import reference

X = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
W = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
ROWS, MATRIX = X.reshape(5, 5)[:1], np.arange(20, dtype=np.float32).reshape(4, 5)
# name → (what explain takes, the call, its arguments, its keyword arguments, the exact result)
CALLS = {
    "conv2d": ("conv2d", F.conv2d, (X, W), {}),
    "conv2d with options": (
        "conv2d",
        F.conv2d,
        (X, W),
        {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "activation": "relu", "threads": 1},
    ),
    "conv2d padding=same": ("conv2d", F.conv2d, (X, W), {"padding": "same"}),
    "Conv2d": ("Conv2d", fastconv.Conv2d(W), (X,), {}),
    "Conv2d out": ("Conv2d", fastconv.Conv2d(W), (X,), {"out": np.empty((1, 1, 3, 3), np.float32)}),
    "max_pool2d": ("max_pool2d", F.max_pool2d, (X, 2), {}),
    "linear": ("linear", F.linear, (ROWS, MATRIX), {}),
    "relu": ("relu", F.relu, (X,), {}),
}


def expected(name):
    op, _, arguments, options = CALLS[name]
    options = {k: v for k, v in options.items() if k not in ("out", "threads")}
    if op == "Conv2d":
        return reference.conv2d(X, W, **options)
    return getattr(reference, op)(*arguments, **options)


@pytest.mark.parametrize("name", CALLS)
def test_fixed_cost(name, benchmark, fixed_cost):
    _, call, arguments, options = CALLS[name]
    np.testing.assert_array_equal(call(*arguments, **options), expected(name))

    benchmark.group = "fixed cost"
    # Rounds of many calls: the clock's own cost is that of a fifth of one.
    benchmark.pedantic(call, arguments, options, rounds=200, iterations=500, warmup_rounds=5)
    engine = fastconv.explain(call, *arguments, **options, measure=True)
    call_ns = benchmark.stats.stats.median * 1e9 if benchmark.stats else float("nan")
    fixed_ns = call_ns - engine.ms * 1e6
    benchmark.extra_info.update(engine_ns=engine.ms * 1e6, fixed_ns=fixed_ns)
    fixed_cost((name, f"{call_ns:.0f}", f"{engine.ms * 1e6:.0f}", f"{fixed_ns:.0f}"))
