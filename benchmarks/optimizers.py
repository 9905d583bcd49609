"""A step of SGD with momentum: beside a plain copy, and beside PyTorch's if it is installed.

    python benchmarks/optimizers.py [--elements 25000000] [--threads 1 2]

The engines and the copy run by turns; the least time of each is shown, so that a neighbour on the
machine does not count. A step reads three arrays and writes two, a copy reads one and writes one;
rates count these bytes alone.
"""

import argparse
import time

import numpy as np

import fastconv
from fastconv import Tensor, optim

LENET5 = [
    (6, 1, 5, 5),
    (6,),
    (16, 6, 5, 5),
    (16,),
    (120, 400),
    (120,),
    (84, 120),
    (84,),
    (10, 84),
    (10,),
]
OPTIONS = {"lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4}


def own(shapes):
    """One step of fastconv's."""
    params = [Tensor(np.ones(shape, np.float32), requires_grad=True) for shape in shapes]
    for p in params:
        p.grad = Tensor(np.full(p.shape, 0.1, np.float32))
    return optim.SGD(params, **OPTIONS).step


def torch_step(shapes, **how):
    """One step of PyTorch's."""
    import torch

    params = [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]
    for p in params:
        p.grad = torch.full(p.shape, 0.1)
    return torch.optim.SGD(params, **OPTIONS, **how).step


def copy(shapes):
    """A copy of as many elements as the parameters have."""
    count = sum(int(np.prod(shape)) for shape in shapes)
    source, target = np.ones(count, np.float32), np.zeros(count, np.float32)
    return lambda: np.copyto(target, source)


def times(functions, turns, calls):
    """The least time of a call of each, in seconds."""
    least = dict.fromkeys(functions, float("inf"))
    for turn in range(turns + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            for _ in range(calls):
                function()
            if turn:  # the first one touches memory and fills caches
                least[name] = min(least[name], (time.perf_counter() - start) / calls)
    return least


def main():
    """Print a table for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--elements", type=int, default=25_000_000)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    try:
        import torch
    except ImportError:
        torch = None
    sizes = {
        f"{arguments.elements:,} elements in 50 arrays": ([(arguments.elements // 50,)] * 50, 8, 1),
        "LeNet-5": (LENET5, 40, 200),
    }
    for title, (shapes, turns, calls) in sizes.items():
        count = sum(int(np.prod(shape)) for shape in shapes)
        for threads in arguments.threads:
            functions = {"copy (1 thread)": copy(shapes), "fastconv": own(shapes)}
            if torch is not None:
                torch.set_num_threads(threads)
                functions["torch foreach"] = torch_step(shapes, foreach=True)
                functions["torch fused"] = torch_step(shapes, fused=True)
            with fastconv.num_threads(threads):
                found = times(functions, turns, calls)
            print(f"{title}, {threads} thread{'s' if threads > 1 else ''}")
            for name, seconds in found.items():
                moved = count * 4 * (2 if name.startswith("copy") else 5)
                print(f"  {name:16} {seconds * 1e6:10.1f} us  {moved / seconds / 1e9:6.1f} GB/s")


if __name__ == "__main__":
    main()
