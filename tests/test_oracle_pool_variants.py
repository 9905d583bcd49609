"""Pooling's variants against PyTorch. Run with -m oracle; without torch these fail."""

import itertools

import numpy as np
import pytest
from bounds import roundoff
from test_pool_variants import LINES, OUTPUTS, SHAPES, SIZES, values

import fastconv.functional as F

pytestmark = pytest.mark.oracle
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def tensor(torch, array):
    return torch.from_numpy(np.array(array, np.float64))


@every_dtype
@pytest.mark.parametrize(("length", "options"), LINES, ids=str)
def test_pool1d(length, options, dtype, torch):
    x = values((2, 3, length), dtype, str(options))
    functional = torch.nn.functional
    given = {name: value for name, value in options.items() if value is not None}
    for dilation in (1, 2) if options["kernel_size"] * 2 <= length else (1,):
        more = {"dilation": dilation, "return_indices": True}
        expected, places = functional.max_pool1d(tensor(torch, x), **given, **more)
        result, indices = F.max_pool1d(x, **options, **more)
        np.testing.assert_array_equal(result, expected.numpy())
        np.testing.assert_array_equal(indices, places.numpy())
    for include in (False, True):
        expected = functional.avg_pool1d(tensor(torch, x), **given, count_include_pad=include)
        result = F.avg_pool1d(x, **options, count_include_pad=include)
        np.testing.assert_allclose(result, expected.numpy(), rtol=4 * roundoff(dtype))


@every_dtype
@pytest.mark.parametrize("output", [*OUTPUTS, (None, 3), 5], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_adaptive_pool2d(shape, output, dtype, torch):
    x = values(shape, dtype, output)
    functional = torch.nn.functional
    expected = functional.adaptive_avg_pool2d(tensor(torch, x), output).numpy()
    np.testing.assert_allclose(
        F.adaptive_avg_pool2d(x, output), expected, rtol=4 * roundoff(dtype), atol=1e-14
    )
    x[np.random.default_rng(1).random(shape) < 0.02] = np.nan
    for image in (x, x[0]):
        expected, places = functional.adaptive_max_pool2d(tensor(torch, image), output, True)
        result, indices = F.adaptive_max_pool2d(image, output, True)
        np.testing.assert_array_equal(result, expected.numpy())
        np.testing.assert_array_equal(indices, places.numpy())


def test_adaptive_pool1d(torch):
    functional = torch.nn.functional
    for length, size in itertools.product(SIZES, SIZES):
        x = values((2, 3, length), np.float64, size)
        expected, places = functional.adaptive_max_pool1d(tensor(torch, x), size, True)
        result, indices = F.adaptive_max_pool1d(x, size, True)
        np.testing.assert_array_equal(result, expected.numpy())
        np.testing.assert_array_equal(indices, places.numpy())
        expected = functional.adaptive_avg_pool1d(tensor(torch, x), size).numpy()
        np.testing.assert_allclose(F.adaptive_avg_pool1d(x, size), expected, rtol=1e-14, atol=1e-15)


@every_dtype
@pytest.mark.parametrize("norm", [1, 2, 3, 0.5, 2.5, -1.0])
def test_lp_pool(norm, dtype, torch):
    functional = torch.nn.functional
    for sign, kernel, stride, ceil in itertools.product(
        (0.0, 2.0), ((2, 2), (3, 2), (1, 3)), (None, 1, (2, 3)), (False, True)
    ):
        x = (np.random.default_rng(2).random((2, 3, 11, 10)) * (1 + sign) - sign).astype(dtype)
        expected = functional.lp_pool2d(tensor(torch, x), norm, kernel, stride, ceil).numpy()
        result = F.lp_pool2d(x, norm, kernel, stride, ceil)
        assert result.shape == expected.shape
        # of a sum that cancels little can be said
        certain = np.isfinite(expected) & ((np.abs(expected) > 0.1) | (sign == 0))
        assert certain.any() or sign
        np.testing.assert_allclose(result[certain], expected[certain], rtol=1e4 * roundoff(dtype))
    x = (np.random.default_rng(3).random((2, 3, 19)) + 0.1).astype(dtype)
    expected = functional.lp_pool1d(tensor(torch, x), norm, 4, 2, True).numpy()
    np.testing.assert_allclose(
        F.lp_pool1d(x, norm, 4, 2, True), expected, rtol=64 * roundoff(dtype)
    )


@every_dtype
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(2, None, 0), (3, 2, 1), ((2, 3), (3, 3), 0)]
)
def test_unpool(kernel, stride, padding, dtype, torch):
    functional = torch.nn.functional
    for shape in ((2, 3, 9, 12), (1, 2, 13, 15), (3, 8, 10)):
        x = np.random.default_rng(4).permutation(np.prod(shape)).reshape(shape).astype(dtype)
        pooled, indices = F.max_pool2d(x, kernel, stride, padding, return_indices=True)
        arguments = (kernel, stride, padding, shape[-2:])
        expected = functional.max_unpool2d(
            tensor(torch, pooled), torch.from_numpy(indices), *arguments
        )
        result = F.max_unpool2d(pooled, indices, *arguments)
        np.testing.assert_array_equal(result, expected.numpy().astype(dtype), strict=True)
    x = np.random.default_rng(5).standard_normal((2, 3, 21)).astype(dtype)
    pooled, indices = F.max_pool1d(x, 3, 2, return_indices=True)
    expected = functional.max_unpool1d(tensor(torch, pooled), torch.from_numpy(indices), 3, 2)
    np.testing.assert_array_equal(F.max_unpool1d(pooled, indices, 3, 2), expected.numpy())
