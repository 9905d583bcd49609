"""fastconv: the functions as a user calls them, and weights prepared once with a bound result."""

import threading
import time
from collections.abc import Callable

import numpy as np

import fastconv
import fastconv.functional as F
from fastconv import _core
from racing import networks
from racing.arrays import aligned_empty
from racing.engines import (
    FUNCTIONAL,
    LEARNING_RATE,
    MOMENTUM,
    PREPARED,
    Entry,
    Step,
    StepTask,
    Task,
)
from racing.work import flat, output_shape


def versions() -> dict[str, str]:
    return {"fastconv": fastconv.__version__, "numpy": np.__version__}


def has_prepared() -> bool:
    return hasattr(fastconv, "Conv2d")


def describe(task: Task) -> dict[str, str]:
    """Which algorithm and tier take the call, and which algorithm the prepared one."""
    operation, arguments = task.layer.call(task.data.x, task.data.weight, task.data.bias)
    told = fastconv.explain(operation, *arguments, threads=task.threads)
    found = {"algorithm": told.algorithm, "tier": told.tier, "used": told.threads}
    if task.layer.kind == "conv" and has_prepared():
        told = fastconv.explain(_conv(task), task.data.x, threads=task.threads)
    return found | {"prepared": told.algorithm}


def _conv(task: Task):
    """The layer with its weights prepared."""
    layer = task.layer
    return fastconv.Conv2d(
        task.data.weight,
        task.data.bias,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.g,
    )


def entries(task: Task) -> dict:
    return {FUNCTIONAL: lambda: _functional(task), PREPARED: lambda: _prepared(task)}


def _functional(task: Task) -> Entry:
    """The call in one line, with a new array for each result, as torch has it."""
    operation, arguments = task.layer.call(task.data.x, task.data.weight, task.data.bias)
    function, threads = getattr(F, operation), task.threads

    def call():
        return function(*arguments, threads=threads)

    return Entry(call, call)


def training(task: Task) -> dict:
    return {FUNCTIONAL: lambda: _training(task)}


def _training(task: Task) -> Entry:
    """Forward, and the gradients by input, weight and bias."""
    leaves = [fastconv.Tensor(a, requires_grad=True) for a in task.data.arrays()]
    operation, arguments = task.layer.call(*leaves)
    function, threads, grad = getattr(F, operation), task.threads, task.data.grad

    def call():
        with fastconv.num_threads(threads):
            y = function(*arguments)
            return y, *fastconv.autograd.grad(y, leaves, grad)

    return Entry(call, lambda: flat([np.asarray(tensor.detach()) for tensor in call()]))


def steps(task: StepTask) -> dict[str, Callable[[], Step]]:
    return {FUNCTIONAL: lambda: _step(task)}


def _step(task: StepTask) -> Step:
    from fastconv import nn, optim

    model = networks.build(task.network, nn)
    model.load_state_dict(task.weights)
    optimizer = optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM)
    x, labels = task.x, task.labels

    def step() -> float:
        with fastconv.num_threads(task.threads):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), labels)
            loss.backward()
            optimizer.step()
            return loss.item()

    return step


def _prepared(task: Task) -> Entry:
    """What can be done once is done before, and the result has its place, as compilers have it.

    Nothing is prepared for pooling and linear layers, and for convolution only by a fastconv that
    has Conv2d: then only the place of the result is bound.
    """
    layer, data, threads = task.layer, task.data, task.threads
    out = aligned_empty(output_shape(layer), task.dtype)
    operation, arguments = layer.call(data.x, data.weight, data.bias)
    if layer.kind == "conv" and has_prepared():
        conv, x = _conv(task), data.x

        def call():
            return conv(x, out=out, threads=threads)

    else:
        function = getattr(F, operation)

        def call():
            return function(*arguments, out=out, threads=threads)

    out.fill(np.nan)
    call()
    return Entry(call, lambda: out)


def peak(dtype: str, threads: int) -> float:
    """FMA flops a second, now: the best of three turns, as the first may wake the threads."""
    return max(_core._measure_peak(dtype, threads) for _ in range(3))


def copy_rate(size: int, threads: int, seconds: float = 5e-3) -> float:
    """Bytes read and written a second by np.copyto where both arrays together have `size` bytes.

    On several threads each copies its part over and over, and the slowest counts: a roof, since
    nobody waits for the others in between.
    """
    source = np.ones(max(size // 2 // 8, threads), np.float64)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    np.copyto(target, source)
    start = time.perf_counter()
    np.copyto(target, source)
    repeats = max(2, int(seconds / max(time.perf_counter() - start, 1e-7)))
    if threads == 1:
        return _copy(*parts[0], repeats)
    rates: list[float] = []
    gate = threading.Barrier(threads)

    def work(part):
        gate.wait()
        rates.append(_copy(*part, repeats))

    workers = [threading.Thread(target=work, args=(part,)) for part in parts]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return min(rates) * threads


def _copy(target: np.ndarray, source: np.ndarray, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        np.copyto(target, source)
        times.append(time.perf_counter() - start)
    return 2 * source.nbytes / float(np.median(times))


def fixed_cost(threads: int) -> dict[str, float]:
    """Seconds of F.conv2d on 1×1×5×5 in float32, and of the engine within it."""
    x = np.ones((1, 1, 5, 5), np.float32)
    weight = np.ones((1, 1, 3, 3), np.float32)
    times = []
    for _ in range(400):
        start = time.perf_counter()
        for _ in range(50):
            F.conv2d(x, weight, threads=threads)
        times.append((time.perf_counter() - start) / 50)
    told = fastconv.explain("conv2d", x, weight, threads=threads, measure=True)
    return {"call": float(np.median(times)), "engine": told.ms * 1e-3}
