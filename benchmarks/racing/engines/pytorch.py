"""PyTorch, eager: torch.nn.functional in inference mode, in both layouts."""

import os
import resource
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as T

from racing import networks
from racing.engines import LEARNING_RATE, MOMENTUM, Entry, Step, StepTask, Task
from racing.whole.pytorch import LAYOUTS, set_threads  # and settings of the process
from racing.work import flat


def versions() -> dict[str, str]:
    found = {"torch": torch.__version__}
    if "MALLOC_TOP_PAD_" in os.environ:
        found["freed memory kept for torch:"] = "yes" if _keeps_memory() else "no"
    return found


def _keeps_memory() -> bool:
    """Whether 64 MB that were freed come back without page faults: more than glibc keeps unasked.

    Aligned blocks wander through the heap for some calls before they find an old place.
    """
    faults = []
    for _ in range(40):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(16 << 20)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return max(faults[-5:]) < 100  # of 16384 pages


def entries(task: Task) -> dict:
    layer = task.layer
    if layer.kind == "linear":
        return {"nchw": lambda: _entry(task, _linear(task))}
    if layer.kind == "conv":
        found = {name: lambda f=f: _entry(task, _conv2d(task, f)) for name, f in LAYOUTS.items()}
        if layer.ih == 1 and layer.kh == 1:
            found["conv1d"] = lambda: _entry(task, _conv1d(task))
        return found
    if layer.kind == "globalavgpool":
        found = {name: lambda f=f: _entry(task, _mean(task, f)) for name, f in LAYOUTS.items()}
        found["adaptive"] = lambda: _entry(task, _adaptive(task))
        return found
    return {name: lambda f=f: _entry(task, _pool(task, f)) for name, f in LAYOUTS.items()}


def training(task: Task) -> dict:
    """Forward and backward, in both layouts."""
    layouts = LAYOUTS if task.layer.kind == "conv" else {"nchw": torch.contiguous_format}
    return {name: lambda f=f: _training(task, f) for name, f in layouts.items()}


def _training(task: Task, layout: torch.memory_format) -> Entry:
    set_threads(task.threads)
    layer, data = task.layer, task.data
    leaves = [
        _tensor(a, layout) if a.ndim == 4 else torch.from_numpy(a)
        for a in (data.x, data.weight, data.bias)
    ]
    grad = _tensor(data.grad, layout) if data.grad.ndim == 4 else torch.from_numpy(data.grad)
    for leaf in leaves:
        leaf.requires_grad_()
    (top, bottom), (left, right) = layer.padding

    def forward():
        x, weight, bias = leaves
        if layer.kind == "linear":
            return T.linear(x, weight, bias)
        if (top, left) == (bottom, right):
            return T.conv2d(x, weight, bias, layer.stride, (top, left), layer.dilation, layer.g)
        x = T.pad(x, (left, right, top, bottom))
        return T.conv2d(x, weight, bias, layer.stride, 0, layer.dilation, layer.g)

    def call():
        y = forward()
        return y, *torch.autograd.grad(y, leaves, grad)

    def result():
        return flat([np.ascontiguousarray(t.detach().numpy()) for t in call()])

    return Entry(call, result)


def steps(task: StepTask) -> dict[str, Callable[[], Step]]:
    """Training steps in both layouts, the optimiser's update fused."""
    return {name: lambda f=f: _step(task, f) for name, f in LAYOUTS.items()}


def _step(task: StepTask, layout: torch.memory_format) -> Step:
    set_threads(task.threads)
    model = networks.build(task.network, torch.nn)
    model.load_state_dict({name: torch.from_numpy(a.copy()) for name, a in task.weights.items()})
    model = model.to(memory_format=layout).train()
    x, labels = _tensor(task.x, layout), torch.from_numpy(task.labels)
    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE, MOMENTUM, fused=True)

    def step() -> float:
        optimizer.zero_grad()
        loss = T.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _entry(task: Task, function) -> Entry:
    set_threads(task.threads)

    def call():
        with torch.inference_mode():
            return function()

    def result():
        return np.ascontiguousarray(call().numpy())

    return Entry(call, result)


def _tensor(array: np.ndarray, layout: torch.memory_format) -> torch.Tensor:
    tensor = torch.from_numpy(array).to(memory_format=layout)
    assert tensor.is_contiguous(memory_format=layout)
    return tensor


def _conv2d(task: Task, layout: torch.memory_format):
    layer = task.layer
    x, weight = _tensor(task.data.x, layout), _tensor(task.data.weight, layout)
    bias = torch.from_numpy(task.data.bias)
    (top, bottom), (left, right) = layer.padding
    how = (layer.stride, (top, left), layer.dilation, layer.g)
    if (top, left) == (bottom, right):
        return lambda: T.conv2d(x, weight, bias, *how)
    how = (layer.stride, 0, layer.dilation, layer.g)  # four paddings are a call of their own
    return lambda: T.conv2d(T.pad(x, (left, right, top, bottom)), weight, bias, *how)


def _conv1d(task: Task):
    layer = task.layer
    x, weight = torch.from_numpy(task.data.x[:, :, 0]), torch.from_numpy(task.data.weight[:, :, 0])
    bias = torch.from_numpy(task.data.bias)
    (left, right) = layer.padding[1]
    if left != right:
        return lambda: T.conv1d(
            T.pad(x, (left, right)), weight, bias, layer.sw, 0, layer.dw, layer.g
        )[:, :, None]
    return lambda: T.conv1d(x, weight, bias, layer.sw, left, layer.dw, layer.g)[:, :, None]


def _linear(task: Task):
    x, weight, bias = map(torch.from_numpy, (task.data.x, task.data.weight, task.data.bias))
    return lambda: T.linear(x, weight, bias)


def _mean(task: Task, layout: torch.memory_format):
    x = _tensor(task.data.x, layout)
    return lambda: x.mean((2, 3), keepdim=True)


def _adaptive(task: Task):
    x = torch.from_numpy(task.data.x)
    return lambda: T.adaptive_avg_pool2d(x, 1)


def _pool(task: Task, layout: torch.memory_format):
    layer, x = task.layer, _tensor(task.data.x, layout)
    window = (layer.kernel, layer.stride, (layer.ph, layer.pw))
    if layer.kind == "maxpool":
        return lambda: T.max_pool2d(x, *window, layer.dilation, bool(layer.ceil))
    return lambda: T.avg_pool2d(x, *window, bool(layer.ceil))
