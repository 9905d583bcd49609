"""ncnn: float32, Winograd and packed layouts, memory pools. One image at a time: so many calls."""

import pathlib

import ncnn
import numpy as np

from racing.whole import NCNN_LAYERS, NCNN_WEIGHTS, Call, Makers, NetworkTask

OFF = (
    "use_fp16_packed",
    "use_fp16_storage",
    "use_fp16_arithmetic",
    "use_bf16_packed",
    "use_bf16_storage",
    "use_vulkan_compute",
)
ON = (
    "use_winograd_convolution",
    "use_winograd23_convolution",
    "use_winograd43_convolution",
    "use_winograd63_convolution",
    "use_sgemm_convolution",
    "use_packing_layout",
    "lightmode",
)


def networks(task: NetworkTask) -> Makers:
    return {"net": lambda: _net(task)}


def make_net(threads: int) -> tuple[ncnn.Net, tuple]:
    """An empty network with the settings above, and the pools that it does not own."""
    net = ncnn.Net()
    options = net.opt
    options.num_threads = threads
    for name in OFF:
        setattr(options, name, False)
    for name in ON:
        setattr(options, name, True)
    pools = ncnn.PoolAllocator(), ncnn.PoolAllocator()
    options.blob_allocator, options.workspace_allocator = pools
    assert net.opt.num_threads == threads
    assert not any(getattr(net.opt, name) for name in OFF)
    assert all(getattr(net.opt, name) for name in ON)
    return net, pools


def _net(task: NetworkTask) -> Call:
    net, pools = make_net(task.threads)
    folder = pathlib.Path(task.folder)
    layers, weights = str(folder / NCNN_LAYERS), str(folder / NCNN_WEIGHTS)
    if net.load_param(layers) or net.load_model(weights):
        raise RuntimeError("ncnn does not load the network")
    images = [ncnn.Mat(image) for image in task.x]

    def run(image: ncnn.Mat) -> ncnn.Mat:
        extractor = net.create_extractor()
        extractor.input("x0", image)
        code, y = extractor.extract("y0")
        if code:
            raise RuntimeError(f"ncnn returns {code}")
        return y

    def call():
        for image in images:
            run(image)

    def result():
        return np.stack([np.array(run(image)).reshape(-1) for image in images])

    return Call(call, result, held=(pools, task.x))
