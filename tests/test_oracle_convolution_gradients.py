"""Gradients of convolutions against PyTorch's."""

import importlib

import numpy as np
import pytest
import sweeps

from fastconv import ops

pytestmark = pytest.mark.oracle


class _Torch:
    """PyTorch, imported when it is first used: without it these tests fail, and are not skipped."""

    def __getattr__(self, name: str):
        return getattr(importlib.import_module("torch"), name)


torch = _Torch()

LAYERS = sweeps.mixtures(60, seed=21)


def grown(terms: int, dtype) -> float:
    """What a sum of so many products may be off by, relative to the sum of their magnitudes."""
    return 2 * terms * float(np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_gradients(layer, dtype):
    rng = np.random.default_rng(5)
    (top, bottom), (left, right) = layer.padding
    x, w = (rng.standard_normal(shape) for shape in (layer.input_shape, layer.weight_shape))
    grad = rng.standard_normal((layer.mb, layer.oc, *layer.output_size))

    def torches(x, w, grad):
        leaves = [torch.tensor(a, requires_grad=True) for a in (x, w)]
        padded = torch.nn.functional.pad(leaves[0], (left, right, top, bottom))
        result = torch.nn.functional.conv2d(
            padded, leaves[1], None, layer.stride, 0, layer.dilation, layer.g
        )
        result.backward(torch.tensor(grad))
        return [leaf.grad.numpy() for leaf in leaves]

    dx, dw = torches(x, w, grad)
    largest_x, largest_w = torches(*(abs(a) for a in (x, w, grad)))
    options = {
        "stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups":
        layer.g
    }  # fmt: skip
    x, w, grad = (a.astype(dtype) for a in (x, w, grad))
    got = ops.conv2d_weight_gradient(grad, x, w.shape, **options)
    terms = grad[:, 0].size + 3
    assert (abs(got - dw) <= grown(terms, dtype) * largest_w + 1e-30).all()
    got = ops.conv2d_input_gradient(grad, w, x.shape, **options, precision="strict")
    terms = w[:, 0].size + 3
    assert (abs(got - dx) <= grown(terms, dtype) * largest_x + 1e-30).all()
