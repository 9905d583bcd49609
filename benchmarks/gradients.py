"""How near the gradients of convolutions and linear layers come to the machine's peak.

    python benchmarks/gradients.py                     # every layer, one thread
    python benchmarks/gradients.py --threads 2 64@56   # those whose name has the word
    python benchmarks/gradients.py --torch             # weight gradients against torch's

Prints milliseconds and percent of the peak of multiply-adds for the forward operation, the
gradient by its input and that by its weight. The engine's time and the peak are taken by turns in
one run (the median of each), the engine's alone: neither Python nor conversions. Work is that of
the formula: by a transform a convolution may exceed the peak.

With --torch the weight gradient alone: the engine's time and percent of the peak, then the median
of whole calls, of torch's (the better of NCHW and channels_last) and their ratio, above 1 where
this package takes less. The calls are made by turns.
"""

import argparse
import math
import statistics
import time

import numpy as np

from fastconv import _core, ops

# name, batch, channels in and out, size, kernel, stride, padding, groups
LAYERS = (
    ("3x3 64->64@56", 8, 64, 64, 56, 3, 1, 1, 1),
    ("3x3 128->128@28", 8, 128, 128, 28, 3, 1, 1, 1),
    ("3x3 256->256@14", 8, 256, 256, 14, 3, 1, 1, 1),
    ("3x3 512->512@7", 8, 512, 512, 7, 3, 1, 1, 1),
    ("3x3 64->64@56 batch 1", 1, 64, 64, 56, 3, 1, 1, 1),
    ("3x3 256->256@14 batch 1", 1, 256, 256, 14, 3, 1, 1, 1),
    ("3x3 512->512@7 batch 1", 1, 512, 512, 7, 3, 1, 1, 1),
    ("3x3/2 128->256@28", 8, 128, 256, 28, 3, 2, 1, 1),
    ("3x3/2 64->128@56 batch 1", 1, 64, 128, 56, 3, 2, 1, 1),
    ("3x3/2 256->512@14 batch 1", 1, 256, 512, 14, 3, 2, 1, 1),
    ("7x7/2 3->64@224 stem", 4, 3, 64, 224, 7, 2, 3, 1),
    ("3x3 3->64@224 stem", 2, 3, 64, 224, 3, 1, 1, 1),
    ("5x5 1->6@28 lenet", 8, 1, 6, 28, 5, 1, 2, 1),
    ("5x5 6->16@14 lenet", 8, 6, 16, 14, 5, 1, 0, 1),
    ("1x1 64->256@56", 8, 64, 256, 56, 1, 1, 0, 1),
    ("1x1 256->64@56", 8, 256, 64, 56, 1, 1, 0, 1),
    ("1x1 512->2048@7", 8, 512, 2048, 7, 1, 1, 0, 1),
    ("1x1/2 256->512@56", 8, 256, 512, 56, 1, 2, 0, 1),
    ("1x1/2 1024->2048@14 batch 1", 1, 1024, 2048, 14, 1, 2, 0, 1),
    ("depthwise 3x3 128@56", 8, 128, 128, 56, 3, 1, 1, 128),
    ("depthwise 3x3/2 128@56", 8, 128, 128, 56, 3, 2, 1, 128),
    ("depthwise 3x3/2 64@112 batch 1", 1, 64, 64, 112, 3, 2, 1, 64),
    ("depthwise 3x3/2 256@28 batch 1", 1, 256, 256, 28, 3, 2, 1, 256),
    ("depthwise 3x3/2 512@14 batch 1", 1, 512, 512, 14, 3, 2, 1, 512),
    ("depthwise 5x5 256@14", 8, 256, 256, 14, 5, 1, 2, 256),
    ("depthwise 3x3 512@7", 8, 512, 512, 7, 3, 1, 1, 512),
    ("3x3 groups 32 128->128@56", 8, 128, 128, 56, 3, 1, 1, 32),
    ("3x3 groups 8 128->128@28", 8, 128, 128, 28, 3, 1, 1, 8),
    ("depthwise 3x3 64@112", 4, 64, 64, 112, 3, 1, 1, 64),
    ("depthwise 3x3/2 96@112", 4, 96, 96, 112, 3, 2, 1, 96),
    ("depthwise 3x3 512@14", 8, 512, 512, 14, 3, 1, 1, 512),
    ("depthwise 3x3/2 512@14", 8, 512, 512, 14, 3, 2, 1, 512),
    ("depthwise 7x7 96@56", 4, 96, 96, 56, 7, 1, 3, 96),
    ("3x3 groups 32 256->256@14", 8, 256, 256, 14, 3, 1, 1, 32),
    ("3x3/2 3->32@224 mobile stem", 4, 3, 32, 224, 3, 2, 1, 1),
    ("3x3 3->16@32 cifar", 64, 3, 16, 32, 3, 1, 1, 1),
    ("3x3 16->16@32 cifar", 64, 16, 16, 32, 3, 1, 1, 1),
    ("3x3/2 16->32@32 cifar", 64, 16, 32, 32, 3, 2, 1, 1),
    ("3x3 64->64@8 cifar", 64, 64, 64, 8, 3, 1, 1, 1),
    ("1x1 16->96@112", 4, 16, 96, 112, 1, 1, 0, 1),
    ("1x1/2 64->128@56", 8, 64, 128, 56, 1, 2, 0, 1),
    ("1x1 320->1280@7", 8, 320, 1280, 7, 1, 1, 0, 1),
    ("5x5 16->120@5 lenet", 8, 16, 120, 5, 5, 1, 0, 1),
)
LINEAR = ((8, 9216, 4096), (128, 784, 256), (128, 1024, 1024), (1024, 256, 10))


def measured(call) -> str:
    probe = _core.Probe(measure=True)
    call(probe)
    share = 100 * probe.flops / probe.seconds / probe.peak
    return f"{probe.seconds * 1e3:9.3f} ms {share:4.0f} % {probe.algorithm:<17}"


def operands(layer, dtype):
    _, n, ic, oc, size, k, _, _, groups = layer
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, ic, size, size)).astype(dtype)
    return x, rng.standard_normal((oc, ic // groups, k, k)).astype(dtype)


def convolution(layer, dtype, threads: int, precision: str) -> str:
    *_, stride, padding, groups = layer
    x, w = operands(layer, dtype)
    y = ops.conv2d(
        x, w, None, stride, padding, 1, groups, "zeros", None, None, None, threads, None, precision
    )
    how = {"stride": stride, "padding": padding, "groups": groups, "threads": threads}

    def forward(probe):
        return ops.conv2d(
            x, w, None, stride, padding, 1, groups, "zeros", None, None, None, threads, None,
            precision, probe,
        )  # fmt: skip

    return "  ".join(
        (
            measured(forward),
            measured(
                lambda p: ops.conv2d_input_gradient(
                    y, w, x.shape, **how, precision=precision, probe=p
                )
            ),
            measured(
                lambda p: ops.conv2d_weight_gradient(
                    y, x, w.shape, **how, precision=precision, probe=p
                )
            ),
        )
    )


def against_torch(layer, dtype, threads: int) -> tuple[str, float]:
    """The row of a layer, and the ratio of torch's time to ours."""
    import torch

    torch.set_num_threads(threads)
    *_, stride, padding, groups = layer
    x, w = operands(layer, dtype)
    y = ops.conv2d(
        x, w, None, stride, padding, 1, groups, "zeros", None, None, None, threads, None, "strict"
    )
    how = {"stride": stride, "padding": padding, "groups": groups, "threads": threads}

    def torch_call(form):
        dst, src, weight = (torch.from_numpy(a).contiguous(memory_format=form) for a in (y, x, w))
        return lambda: torch.ops.aten.convolution_backward(
            dst, src, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups,
            [False, True, False],
        )[1]  # fmt: skip

    calls = (
        lambda: ops.conv2d_weight_gradient(y, x, w.shape, **how),
        torch_call(torch.contiguous_format),
        torch_call(torch.channels_last),
    )
    ours, theirs = calls[0](), calls[1]().numpy()
    calls[2]()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3 * abs(theirs).max())
    times, end = [], time.perf_counter() + 0.4
    while len(times) < 5 or time.perf_counter() < end:
        times.append([])
        for call in calls:
            begin = time.perf_counter()
            call()
            times[-1].append(time.perf_counter() - begin)
    own, *others = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    engine = measured(lambda p: ops.conv2d_weight_gradient(y, x, w.shape, **how, probe=p))
    ratio = min(others) / own
    return f"{engine} call {own:8.3f}  torch {min(others):8.3f}  ratio {ratio:5.2f}", ratio


def linear(sizes, dtype, threads: int) -> str:
    rows, features, outputs = sizes
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, features)).astype(dtype)
    w = rng.standard_normal((outputs, features)).astype(dtype)
    y = rng.standard_normal((rows, outputs)).astype(dtype)
    return "  ".join(
        (
            measured(lambda p: ops.linear(x, w, None, None, None, threads, p)),
            measured(lambda p: ops.linear_input_gradient(y, w, threads=threads, probe=p)),
            measured(lambda p: ops.linear_weight_gradient(y, x, threads=threads, probe=p)),
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("words", nargs="*", help="only layers whose name has one of these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=("float32", "float64"))
    parser.add_argument("--precision", default="strict", choices=("strict", "default", "fast"))
    parser.add_argument("--torch", action="store_true", help="weight gradients against torch's")
    given = parser.parse_args()
    dtype = np.dtype(given.dtype)

    def wanted(name: str) -> bool:
        return not given.words or any(word in name for word in given.words)

    if given.torch:
        logs = []
        for layer in LAYERS:
            if wanted(layer[0]):
                row, ratio = against_torch(layer, dtype, given.threads)
                logs.append(math.log(ratio))
                print(f"{layer[0]:<32}{row}", flush=True)
        print(f"geometric mean of {len(logs)} ratios: {math.exp(sum(logs) / len(logs)):.2f}")
        return

    kinds = "  ".join(f"{kind:<34}" for kind in ("forward", "input gradient", "weight gradient"))
    print(f"{'':<32}{kinds}")
    for layer in LAYERS:
        if wanted(layer[0]):
            print(
                f"{layer[0]:<32}{convolution(layer, dtype, given.threads, given.precision)}",
                flush=True,
            )
    for sizes in LINEAR:
        name = "linear {}x{}->{}".format(*sizes)
        if wanted(name):
            print(f"{name:<32}{linear(sizes, dtype, given.threads)}", flush=True)


if __name__ == "__main__":
    main()
