"""Gradients of pooling and of what moves pixels against PyTorch's. Run with -m oracle."""

import itertools

import numpy as np
import pytest

import fastconv.functional as F
from fastconv import ops

pytestmark = pytest.mark.oracle
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
SIZE = (17, 23)


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


class Case:
    """An input, and PyTorch's gradient of a function of it, in float64 throughout."""

    def __init__(self, torch, dtype, x=None):
        self.rng = np.random.default_rng(5)
        self.torch = torch
        self.x = (self.rng.standard_normal((2, 3, *SIZE)) if x is None else x).astype(dtype)
        self.leaf = torch.from_numpy(self.x.astype(np.float64)).requires_grad_()

    def check(self, y, back, factor=1.0):
        """back(g) against the gradient of the tensor y; at most some 60 terms of size 4 are added
        up, each rounded a few times."""
        g = self.rng.standard_normal(tuple(y.shape)).astype(self.x.dtype)
        wide = self.torch.from_numpy(g.astype(np.float64))
        (expected,) = self.torch.autograd.grad(y, self.leaf, wide)
        result = back(g)
        assert result.dtype == self.x.dtype
        bound = 1e-10 if self.x.dtype == np.float64 else 250 * 2.0**-24
        np.testing.assert_allclose(result, expected.numpy(), rtol=0, atol=bound * factor)


@every_dtype
@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
def test_windows(kernel, dtype, torch):
    case, T = Case(torch, dtype), torch.nn.functional
    for stride, padding, ceil in itertools.product((1, 2, 3), (0, kernel // 2), (False, True)):
        how = (kernel, stride, padding, ceil)
        for more in ((True, None), (False, None), (True, 7)):
            case.check(
                T.avg_pool2d(case.leaf, *how, *more),
                lambda g, h=how, m=more: ops.avg_pool2d_gradient(g, SIZE, *h, *m),
            )
        maximum = (kernel, stride, padding, 1, ceil, True)
        y, _ = T.max_pool2d(case.leaf, *maximum)
        _, indices = F.max_pool2d(case.x, *maximum)
        case.check(y, lambda g, i=indices: ops.max_pool2d_gradient(g, i, SIZE))


@every_dtype
@pytest.mark.parametrize("norm", [1, 2, 3, 2.5])
def test_norms(norm, dtype, torch):
    x = np.random.default_rng(6).uniform(0.5, 2, (2, 3, *SIZE))
    x[:, 0, :8, :8] = 0  # whole windows of zeros
    case, T = Case(torch, dtype, x), torch.nn.functional
    for how in ((2, None, False), (3, 2, True), (3, 1, False)):
        y = F.lp_pool2d(case.x, norm, *how)
        case.check(
            T.lp_pool2d(case.leaf, norm, *how),
            lambda g, y=y, h=how: ops.lp_pool2d_gradient(g, case.x, y, norm, *h),
            8.0,
        )


@every_dtype
@pytest.mark.parametrize("output", [(1, 1), (7, 7), (5, 23), (20, 30), (3, 1)], ids=str)
def test_adaptive(output, dtype, torch):
    case, T = Case(torch, dtype), torch.nn.functional
    y = T.adaptive_avg_pool2d(case.leaf, output)
    case.check(y, lambda g: ops.adaptive_avg_pool2d_gradient(g, SIZE), 4.0)
    y, _ = T.adaptive_max_pool2d(case.leaf, output, True)
    _, indices = F.adaptive_max_pool2d(case.x, output, True)
    case.check(y, lambda g: ops.max_pool2d_gradient(g, indices, SIZE))


@every_dtype
@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_pad(mode, dtype, torch):
    case, T = Case(torch, dtype), torch.nn.functional
    for pad in ((1, 2, 3, 0), (0, 4, 2, 2), (16, 3, 1, 1)):
        y = T.pad(case.leaf, pad, mode)
        case.check(y, lambda g, p=pad: ops.pad_gradient(g, case.x.shape, p, mode))


@every_dtype
@pytest.mark.parametrize(
    ("mode", "corners"),
    [("nearest", None), ("nearest-exact", None), ("bilinear", False), ("bilinear", True)],
)
def test_interpolate(mode, corners, dtype, torch):
    case, T = Case(torch, np.float64), torch.nn.functional
    sizes = [((34, 46), None), ((5, 7), None), (SIZE, None), ((40, 1), None)]
    for size, factor in [*sizes, (None, 2.0), (None, 1.7), (None, (0.5, 3.1))]:
        y = T.interpolate(case.leaf, size, factor, mode, corners)
        case.check(y, lambda g, f=factor: ops.interpolate_gradient(g, SIZE, f, mode, corners))
        if dtype == np.float32:  # against the same in float64: weights are of the dtype
            g = np.random.default_rng(7).standard_normal(tuple(y.shape)).astype(dtype)
            result = ops.interpolate_gradient(g, SIZE, factor, mode, corners)
            wide = ops.interpolate_gradient(g.astype(np.float64), SIZE, factor, mode, corners)
            np.testing.assert_allclose(result, wide, rtol=0, atol=2e-3)
