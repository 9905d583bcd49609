"""Every layer of the corpora (tests/shapes/*.txt), engine against the NumPy reference.

    pytest benchmarks --benchmark-only                          # all of them
    pytest benchmarks --benchmark-only --network resnet18       # those of one network

Each result is verified against the reference before anything is timed. pytest-benchmark times the
call a user makes, Python included; GFLOP/s and percent of peak are of the engine alone, by
``fastconv.explain(measure=True)``, which measures the machine's peak by turns with it. The
reference runs once: it takes seconds where the engine takes milliseconds.
"""

import functools
import time

import bounds
import corpus
import numpy as np
import pytest
import sweeps
import transforms

import fastconv
import fastconv.functional as F
from fastconv import reference

LAYERS = corpus.unique_layers()


@functools.lru_cache(maxsize=1)
def prepared(name):
    """(operation, arguments, exact result, its bound, seconds of the reference) of a layer."""
    layer = LAYERS[name]
    x = sweeps.integers(layer.input_shape, name, dtype=np.float32)
    weight = bias = None
    if layer.kind in ("conv", "linear"):
        weight = sweeps.integers(layer.weight_shape, "weight", name, dtype=np.float32)
        bias = sweeps.integers(layer.oc, "bias", name, dtype=np.float32)
    op, arguments = layer.call(x, weight, bias)
    start = time.perf_counter()
    exact = getattr(reference, op)(*arguments)
    seconds = time.perf_counter() - start
    bound = 0  # small integers: sums are exact
    if layer.kind in ("avgpool", "globalavgpool"):
        bound = getattr(bounds, op)(*arguments, dtype=np.float32)[1]
    algorithm = fastconv.explain(op, *arguments).algorithm
    if algorithm in transforms.TILE:  # in proportion to what the transforms round
        how = {"padding": layer.padding, "groups": layer.g, "dilation": layer.dilation}
        bound = transforms.bound(x, weight, bias, None, algorithm, np.float32, **how)
    return op, arguments, exact, bound, seconds


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", LAYERS)
def test_layer(layer, threads, benchmark, report):
    op, arguments, exact, bound, reference_seconds = prepared(layer)
    function = getattr(F, op)
    bounds.assert_within(function(*arguments, threads=threads), exact, bound)

    benchmark.group = layer
    benchmark(function, *arguments, threads=threads)
    engine = fastconv.explain(op, *arguments, threads=threads, measure=True)
    # the statistics are missing under --benchmark-disable, where the call runs once
    ms = benchmark.stats.stats.median * 1e3 if benchmark.stats else engine.ms
    benchmark.extra_info.update(
        algorithm=engine.algorithm,
        tier=engine.tier,
        threads=engine.threads,
        gflops=engine.gflops,
        percent_of_peak=engine.percent_of_peak,
        reference_ms=reference_seconds * 1e3,
    )
    report(
        (
            layer,
            str(engine.threads),
            engine.algorithm,
            engine.tier,
            f"{ms:.3f}",
            f"{engine.gflops:.1f}",
            f"{engine.percent_of_peak:.1f}",
            f"{reference_seconds * 1e3:.1f}",
            f"{reference_seconds * 1e3 / ms:.0f}",
        )
    )
