"""Every architecture, layer by layer, against PyTorch, on every tier of this machine, by one thread
and by two. Run with -m oracle; without torch these fail.

Each layer of ours becomes PyTorch's of the same name, computed in float64. Tolerances are those of
tests/layerwise.py: of one layer from its own terms, of the whole from their sum.
"""

import children
import layerwise
import numpy as np
import pytest
from test_tiers import LOWER

import fastconv
from fastconv import nn
from fastconv.models.residual import PaddedShortcut

pytestmark = pytest.mark.oracle
TIERS = (*LOWER, fastconv.runtime_info()["tier_in_use"])


def by_torch(layer, x):
    """An oracle of layerwise: PyTorch's layer with our weights."""
    import torch

    torch.set_num_threads(1)
    x = torch.from_numpy(np.array(x, np.float64))
    if isinstance(layer, PaddedShortcut):
        step = layer.subsample.stride
        return torch.nn.functional.pad(x[:, :, ::step, ::step], (0, 0, 0, 0, 0, layer.added))
    if isinstance(layer, nn.Conv2d) and layer.padding == "same":
        # PyTorch has it for stride 1 alone. The odd row of an odd number is below.
        borders = []
        for size, kernel, stride in zip(x.shape[2:], layer.kernel_size, layer.stride, strict=True):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            borders = [total // 2, total - total // 2, *borders]
        x = torch.nn.functional.pad(x, borders)
    theirs = _torch_layer(torch.nn, layer).double().eval()
    theirs.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in layer.state_dict().items()}
    )
    with torch.no_grad():
        return theirs(x).numpy()


def _torch_layer(tnn, layer):
    match layer:
        case nn.Conv2d():
            padding = 0 if layer.padding == "same" else layer.padding
            how = layer.kernel_size, layer.stride, padding, layer.dilation, layer.groups
            sizes = layer.in_channels, layer.out_channels
            return tnn.Conv2d(*sizes, *how, bias=layer.bias is not None)
        case nn.Linear():
            return tnn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
        case nn.BatchNorm2d():
            return tnn.BatchNorm2d(layer.num_features, layer.eps)
        case nn.LocalResponseNorm():
            return tnn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k)
        case nn.MaxPool2d():
            how = layer.kernel_size, layer.stride, layer.padding, layer.dilation
            return tnn.MaxPool2d(*how, ceil_mode=layer.ceil_mode)
        case nn.AvgPool2d():
            how = layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode
            return tnn.AvgPool2d(*how, layer.count_include_pad)
        case nn.AdaptiveAvgPool2d():
            return tnn.AdaptiveAvgPool2d(layer.output_size)
    return getattr(tnn, type(layer).__name__)()


def check(names, threads):
    """Each layer in float32, and the whole in float64, of narrow networks."""
    with fastconv.num_threads(threads):
        for name in names:
            options, size = layerwise.SMALL[name]
            layerwise.check_each(*layerwise.build(name, size, **options), by_torch)
            model, x = layerwise.build(name, size, np.float64, **options)
            layerwise.check_whole(model, x, by_torch)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("tier", TIERS)
def test_every_network(tier, threads):
    # Layers so small are slow on two threads where others want the cores, too: a network for each
    # kind of layer has to do.
    code = """
    import sys, fastconv, layerwise, test_oracle_models
    some = ("alexnet", "googlenet", "resnet20", "mobilenet_v2")
    test_oracle_models.check(layerwise.SMALL if sys.argv[1] == "1" else some, int(sys.argv[1]))
    print(fastconv.runtime_info()["tier_in_use"])
    """
    said = children.run(code, str(threads), timeout=600, FASTCONV_MAX_ISA=tier)
    assert said.split() == [tier]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "vgg16", "googlenet", "resnet50", "densenet121"])
def test_networks_in_full(name):
    model, x = layerwise.build(name)
    layerwise.check_each(model, x[:1], by_torch)
