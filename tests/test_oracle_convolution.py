"""Convolution's variants against PyTorch. Run with -m oracle; without torch these fail."""

import itertools

import bounds
import numpy as np
import pytest
import sweeps
import transforms

import fastconv
import fastconv.functional as F

pytestmark = pytest.mark.oracle
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def tensors(torch, *arrays):
    return [None if a is None else torch.from_numpy(np.array(a, np.float64)) for a in arrays]


def activated(torch, result, activation):
    if activation == "relu":
        result = torch.relu(result)
    if activation == "relu6":
        result = torch.nn.functional.relu6(result)
    return result.numpy()


@every_dtype
@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_conv_transpose(seed, rank, dtype, torch):
    name = f"conv_transpose{rank}d"
    for case in sweeps.transposed(60, 100 + seed, rank):
        how = dict(case.how)
        cut = how.pop("padding")
        x, w, bias = tensors(torch, *case.operands())
        # torch takes one number for both ends of an axis: what is cut off is cut off afterwards
        expected = getattr(torch.nn.functional, name)(x, w, bias, **how)
        kept = [slice(a, n - b) for (a, b), n in zip(cut, expected.shape[-rank:], strict=True)]
        expected = activated(torch, expected[(..., *kept)], case.activation)
        how = dict(case.how) | {"activation": case.activation}
        result = getattr(F, name)(*case.operands(dtype), **how, precision="strict")
        np.testing.assert_array_equal(
            result, expected.astype(dtype), strict=True, err_msg=str(case)
        )
        result = getattr(F, name)(*case.operands(dtype), **how)
        bounds.assert_within(result, expected, transforms.transposed_bound(case, dtype))


@pytest.mark.parametrize("rank", [1, 2])
def test_conv_transpose_positional_arguments(rank, torch):
    """stride, padding, output_padding, groups, dilation: groups come before dilation."""
    x = sweeps.integers((2, 4, *(7, 8)[:rank]), "x")
    w = sweeps.integers((4, 3, *(3, 2)[:rank]), "w")
    name = f"conv_transpose{rank}d"
    for stride, padding, extra, groups, dilation in itertools.product(
        (1, 3), (0, 1), (0, 1), (1, 2), (1, 2)
    ):
        if extra >= max(stride, dilation):
            continue
        arguments = (None, stride, padding, extra, groups, dilation)
        expected = getattr(torch.nn.functional, name)(*tensors(torch, x, w), *arguments)
        np.testing.assert_array_equal(getattr(F, name)(x, w, *arguments), expected.numpy())


@every_dtype
@pytest.mark.parametrize(
    ("layer", "mode"), sweeps.bordered(), ids=lambda part: str(part).replace(" ", "_")
)
def test_padding_modes(layer, mode, dtype, torch):
    x, w, _, _ = sweeps.conv_problem(sweeps.ConvCase(layer)).operands(dtype)
    (top, bottom), (left, right) = layer.padding
    tx, tw = tensors(torch, x, w)
    padded = torch.nn.functional.pad(tx, (left, right, top, bottom), mode=mode)
    expected = torch.nn.functional.conv2d(
        padded, tw, None, layer.stride, 0, layer.dilation, layer.g
    )
    how = sweeps.ConvCase(layer).how | {"padding_mode": mode}
    result = F.conv2d(x, w, **how, precision="strict")
    np.testing.assert_array_equal(result, expected.numpy().astype(dtype), strict=True)
    chosen = fastconv.explain(F.conv2d, x, w, **how).algorithm
    bound = 0
    if chosen in transforms.TILE:
        tiled = {"padding": layer.padding, "groups": layer.g, "padding_mode": mode}
        tiled |= {"dilation": layer.dilation, "stride": layer.stride}
        bound = transforms.bound(x, w, None, None, chosen, dtype, **tiled)
    bounds.assert_within(F.conv2d(x, w, **how), expected.numpy(), bound)


@pytest.mark.parametrize("mode", sweeps.BORDERS)
def test_the_module_with_a_padding_mode(mode, torch):
    module = torch.nn.Conv2d(6, 8, (3, 5), padding=(1, 2), padding_mode=mode, groups=2).double()
    x = sweeps.integers((2, 6, 9, 11), mode)
    weight, bias = (p.detach().numpy() for p in (module.weight, module.bias))
    result = F.conv2d(x, weight, bias, padding=(1, 2), groups=2, padding_mode=mode)
    expected = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-13, atol=1e-13)


@every_dtype
@pytest.mark.parametrize("padding", ["valid", "same", 3, (2,)], ids=str)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_conv1d(groups, padding, dtype, torch):
    for length, kernel, dilation in itertools.product((9, 16, 33), (1, 2, 3, 7), (1, 2)):
        if padding == "valid" and dilation * (kernel - 1) >= length:
            continue
        for stride in (1, 2, 5) if padding != "same" else (1,):
            x = sweeps.integers((3, 6, length), length, dtype=dtype)
            w = sweeps.integers((12, 6 // groups, kernel), kernel, dtype=dtype)
            b = sweeps.integers(12, "b", dtype=dtype)
            arguments = (stride, padding, dilation, groups)
            expected = torch.nn.functional.conv1d(*tensors(torch, x, w, b), *arguments)
            result = F.conv1d(x, w, b, *arguments)
            np.testing.assert_array_equal(result, expected.numpy().astype(dtype), strict=True)


REFUSED_BY_BOTH = {
    "output_padding": lambda f, x, w: f.conv_transpose2d(x, w, None, 2, 0, 2),
    "channels": lambda f, x, w: f.conv_transpose2d(x[:, :3], w),
    "groups": lambda f, x, w: f.conv_transpose2d(x, w, groups=3),
    "nothing left": lambda f, x, w: f.conv_transpose2d(x, w, padding=6),
    "stride": lambda f, x, w: f.conv_transpose2d(x, w, stride=0),
    "1-d channels": lambda f, x, w: f.conv1d(x[0], w[0]),
    "1-d kernel": lambda f, x, w: f.conv1d(x[0, :, :2], w[:, :, 0]),
}


@pytest.mark.parametrize("call", REFUSED_BY_BOTH.values(), ids=REFUSED_BY_BOTH)
def test_what_torch_refuses_is_refused(call, torch):
    x, w = np.ones((1, 4, 9, 9)), np.ones((4, 4, 3, 3))
    with pytest.raises(RuntimeError):
        call(torch.nn.functional, *tensors(torch, x, w))
    with pytest.raises(ValueError, match=": "):
        call(F, x, w)
