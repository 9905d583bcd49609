"""A second, independent oracle: PyTorch. Run with -m oracle; without torch these fail.

Integers are compared exactly, and where the default precision chooses a transform within its bound;
torch computes in float64.
"""

import corpus
import numpy as np
import pytest
import sweeps
import transforms
from test_linear_softmax_relu import FEATURES, softmax_shapes
from test_pool2d import DILATED, WINDOWS, ident, values

import fastconv
import fastconv.functional as F

pytestmark = pytest.mark.oracle
DTYPES = (np.float32, np.float64)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))


@pytest.fixture(scope="module")
def torch():
    import torch

    torch.set_num_threads(2)
    return torch


@pytest.fixture(scope="module")
def TF(torch):
    return torch.nn.functional


def tensor(torch, array):
    return None if array is None else torch.from_numpy(np.array(array, np.float64))


def expected_conv2d(torch, case):
    layer, problem = case.layer, sweeps.conv_problem(case)
    (top, bottom), (left, right) = layer.padding
    x = torch.nn.functional.pad(tensor(torch, problem.input), (left, right, top, bottom))
    result = torch.nn.functional.conv2d(
        x,
        tensor(torch, problem.weight),
        tensor(torch, problem.bias),
        layer.stride,
        0,
        layer.dilation,
        layer.g,
    )
    if problem.residual is not None:
        result += tensor(torch, problem.residual)
    match case.activation:
        case "relu":
            result = torch.relu(result)
        case "relu6":
            result = torch.nn.functional.relu6(result)
    return result.numpy()


def assert_conv2d_is(expected, case, dtype):
    problem = sweeps.conv_problem(case)
    np.testing.assert_array_equal(problem.result, expected)
    x, w, bias, residual = problem.operands(dtype)
    how = case.how | {"residual": residual, "activation": case.activation}
    for precision in ("strict", "default"):
        result = F.conv2d(x, w, bias, **how, precision=precision)
        chosen = fastconv.explain(F.conv2d, x, w, bias, **how, precision=precision).algorithm
        assert precision == "default" or chosen not in transforms.TILE
        transforms.assert_meets(result, problem, case.layer, chosen)


CONV = [
    case
    for layers in (
        sweeps.widths()[::2],
        sweeps.pixels()[::4],
        sweeps.channels()[::2],
        sweeps.batches(),
        sweeps.kernels(),
        sweeps.geometries(),
        sweeps.groups(),
        sweeps.depthwise(),
        sweeps.mixtures(200, seed=5),
    )
    for case in sweeps.with_epilogues(layers)
]


@every_dtype
@pytest.mark.parametrize("case", CONV, ids=str)
def test_conv2d(case, dtype, torch):
    assert_conv2d_is(expected_conv2d(torch, case), case, dtype)


@pytest.mark.parametrize("padding", ["valid", "same", 2, (1, 2)], ids=str)
@pytest.mark.parametrize("dilation", [1, (2, 3)])
@pytest.mark.parametrize("kernel", [(3, 3), (2, 4), (1, 6)], ids=str)
def test_conv2d_padding_as_torch_means_it(kernel, dilation, padding, torch, TF):
    x = sweeps.integers((2, 6, 13, 17), "x", kernel)
    w = sweeps.integers((8, 3, *kernel), "w", kernel)
    expected = TF.conv2d(tensor(torch, x), tensor(torch, w), None, 1, padding, dilation, 2)
    result = F.conv2d(x, w, None, 1, padding, dilation, 2)
    np.testing.assert_array_equal(result, expected.numpy())


def layers_of(kind):
    return [
        pytest.param(layer, id=f"{network}:{layer.n}")
        for network in corpus.networks()
        for layer in corpus.load(network)
        if layer.kind == kind
    ]


@pytest.mark.parametrize("layer", layers_of("conv"))
def test_conv2d_of_real_networks(layer, torch):
    case = sweeps.ConvCase(sweeps.thumbnail(layer), bias=True, activation="relu")
    assert_conv2d_is(expected_conv2d(torch, case), case, np.float32)


def as_torch(arguments):
    """torch wants no stride rather than None from Python's side."""
    return {name: value for name, value in arguments.items() if value is not None}


@every_dtype
@pytest.mark.parametrize("case", WINDOWS + DILATED, ids=ident)
def test_max_pool2d(case, dtype, torch, TF):
    shape, arguments = case
    x = values(shape, dtype)
    expected, places = TF.max_pool2d(tensor(torch, x), **as_torch(arguments), return_indices=True)
    result, indices = F.max_pool2d(x, **arguments, return_indices=True)
    np.testing.assert_array_equal(result, expected.numpy().astype(dtype), strict=True)
    np.testing.assert_array_equal(indices, places.numpy(), strict=True)
    np.testing.assert_array_equal(F.max_pool2d(x, **arguments), result)


@pytest.mark.parametrize("arguments", [(3, 2, 1), (2, 1), ((2, 3), 1, 0, 2), (5, 5, 2)], ids=str)
def test_max_pool2d_of_nan(arguments, torch, TF):
    x = sweeps.integers((2, 3, 11, 12), "nan")
    x[np.random.default_rng(9).random(x.shape) < 0.1] = np.nan
    expected, places = TF.max_pool2d(tensor(torch, x), *arguments, return_indices=True)
    result, indices = F.max_pool2d(x, *arguments, return_indices=True)
    np.testing.assert_array_equal(result, expected.numpy())
    np.testing.assert_array_equal(indices, places.numpy())
    assert np.isnan(result).any()


@every_dtype
@pytest.mark.parametrize(
    "rest",
    [{}, {"count_include_pad": False}, {"divisor_override": 3}, {"divisor_override": -2}],
    ids=str,
)
@pytest.mark.parametrize("case", WINDOWS, ids=ident)
def test_avg_pool2d(case, rest, dtype, torch, TF):
    shape, arguments = case
    x = sweeps.integers(shape, shape, dtype=dtype)
    expected = TF.avg_pool2d(tensor(torch, x), **as_torch(arguments), **rest).numpy()
    result = F.avg_pool2d(x, **arguments, **rest)
    assert result.shape == expected.shape
    largest = 4 * 121 * np.finfo(dtype).eps
    np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps, atol=largest)


@every_dtype
@pytest.mark.parametrize("shape", [(2, 17, 7, 7), (1, 3, 30, 31), (3, 1, 1, 1)], ids=str)
def test_global_pools(shape, dtype, torch, TF):
    x = sweeps.integers(shape, shape, dtype=dtype)
    mean = TF.adaptive_avg_pool2d(tensor(torch, x), 1).numpy()
    np.testing.assert_allclose(F.global_avg_pool2d(x), mean, rtol=1e-6, atol=1e-6)
    largest = TF.adaptive_max_pool2d(tensor(torch, x), 1).numpy()
    np.testing.assert_array_equal(F.global_max_pool2d(x), largest.astype(dtype), strict=True)


@every_dtype
@pytest.mark.parametrize("features", FEATURES)
def test_linear(features, dtype, torch, TF):
    for outputs in FEATURES[::2]:
        x = sweeps.integers((2, 3, features), "x", features, dtype=dtype)
        w = sweeps.integers((outputs, features), "w", outputs, dtype=dtype)
        bias = sweeps.integers(outputs, "b", outputs, dtype=dtype)
        expected = TF.linear(*(tensor(torch, array) for array in (x, w, bias))).numpy()
        np.testing.assert_array_equal(F.linear(x, w, bias), expected.astype(dtype), strict=True)


@every_dtype
def test_relu_and_activations(dtype, torch):
    x = np.linspace(-20, 20, 4001).astype(dtype).reshape(1, 1, 1, -1)
    one = np.ones((1, 1, 1, 1), dtype)
    np.testing.assert_array_equal(F.relu(x), torch.relu(tensor(torch, x)).numpy())
    relu6 = torch.nn.functional.relu6(tensor(torch, x)).numpy()
    np.testing.assert_array_equal(F.relu6(x), relu6)
    for name in ("sigmoid", "tanh"):
        expected = getattr(torch, name)(tensor(torch, x)).numpy()
        result = F.conv2d(x, one, activation=name)
        np.testing.assert_array_equal(getattr(F, name)(x), result)
        np.testing.assert_allclose(result, expected, rtol=8 * np.finfo(dtype).eps)


@every_dtype
@pytest.mark.parametrize(("shape", "dim"), list(softmax_shapes()))
def test_softmax(shape, dim, dtype, torch):
    x = sweeps.integers(shape, shape, dtype=dtype)
    expected = torch.softmax(tensor(torch, x), dim).numpy()
    np.testing.assert_allclose(F.softmax(x, dim), expected, rtol=64 * np.finfo(dtype).eps)


REFUSED_BY_BOTH = {
    "padding beyond half the kernel": lambda f, x, w: f.max_pool2d(x, 3, 2, 2),
    "padding beyond half of one side": lambda f, x, w: f.avg_pool2d(x, (5, 2), 2, (1, 2)),
    "an empty result of a pool": lambda f, x, w: f.max_pool2d(x, 20),
    "an empty result of a convolution": lambda f, x, w: f.conv2d(x[..., :2], w),
    "channels": lambda f, x, w: f.conv2d(x, w[:, :1]),
    "groups": lambda f, x, w: f.conv2d(x, w, groups=3),
    "stride 0": lambda f, x, w: f.conv2d(x, w, stride=0),
    "dilation 0": lambda f, x, w: f.conv2d(x, w, dilation=0),
    "padding -1": lambda f, x, w: f.conv2d(x, w, padding=-1),
    "divisor 0": lambda f, x, w: f.avg_pool2d(x, 2, divisor_override=0),
    "features": lambda f, x, w: f.linear(x, w),
    "dim": lambda f, x, w: f.softmax(x, 4),
}


@pytest.mark.parametrize("call", REFUSED_BY_BOTH.values(), ids=REFUSED_BY_BOTH)
def test_what_torch_refuses_is_refused(call, torch, TF):
    x, w = np.ones((1, 4, 9, 9)), np.ones((6, 4, 3, 3))
    with pytest.raises((RuntimeError, IndexError)):
        call(TF, tensor(torch, x), tensor(torch, w))
    with pytest.raises(ValueError, match=": "):
        call(F, x, w)
