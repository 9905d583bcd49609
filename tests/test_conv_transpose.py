"""Transposed convolution: exact on integers, adjoint to convolution, the same for any threads."""

import numpy as np
import pytest
import sweeps
from engine import poison_pool, poisoned, trace

import fastconv.functional as F
from fastconv import reference

pytestmark = pytest.mark.usefixtures("strict")

CASES = [case for seed in (1, 2) for case in sweeps.transposed(150, seed)]
CASES_1D = sweeps.transposed(120, seed=3, rank=1)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))


def run(case, dtype, **more):
    function = F.conv_transpose2d if len(case.input) == 4 else F.conv_transpose1d
    return function(*case.operands(dtype), **dict(case.how), activation=case.activation, **more)


def expected(case):
    function = getattr(
        reference, "conv_transpose2d" if len(case.input) == 4 else "conv_transpose1d"
    )
    return function(*case.operands(), **dict(case.how), activation=case.activation)


@pytest.mark.sweep
@every_dtype
@pytest.mark.parametrize("case", CASES + CASES_1D, ids=str)
def test_exact(case, dtype, tier):
    poison_pool()
    out = poisoned(expected(case).shape, dtype)
    with trace() as executions:
        result = run(case, dtype, out=out)
    assert result is out
    np.testing.assert_array_equal(out, expected(case).astype(dtype), strict=True)
    [(op, algorithm, used, _)] = executions
    assert (op, used) == (f"conv_transpose{len(case.input) - 2}d", tier)
    how, width = dict(case.how), case.input[-1]
    single = case.input[1] == how["groups"] and how["stride"][-1] == 2
    if not single or width > 1:  # from an only column the stride does not show
        assert algorithm == ("depthwise" if single else "phases")


@every_dtype
@pytest.mark.parametrize("case", CASES[::7], ids=str)
def test_layouts_threads_and_batches(case, dtype):
    """Any threads and one image at a time give the same bits. Channels last in and out, and weights
    in any order, may go by another algorithm: the same where sums are exact."""
    x, w, bias = case.operands(dtype)
    rng = np.random.default_rng(3)
    rounded = x + rng.standard_normal(x.shape).astype(dtype)
    how = dict(case.how) | {"activation": case.activation}
    result = F.conv_transpose2d(rounded, w, bias, **how, threads=1)
    for threads in (2, 3):
        np.testing.assert_array_equal(
            F.conv_transpose2d(rounded, w, bias, **how, threads=threads), result
        )
    for image, one in zip(rounded, result, strict=True):
        np.testing.assert_array_equal(F.conv_transpose2d(image, w, bias, **how), one)
    result = F.conv_transpose2d(x, w, bias, **how)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    out = np.moveaxis(poisoned((*np.moveaxis(result, 1, -1).shape,), dtype), -1, 1)
    turned = np.asfortranarray(w)[:, :, ::-1][:, :, ::-1]
    assert F.conv_transpose2d(last, turned, bias, **how, out=out) is out
    np.testing.assert_array_equal(out, result)


@pytest.mark.parametrize("case", CASES[::5], ids=str)
def test_adjoint_to_convolution(case):
    """<conv_transpose(x), y> == <x, conv(y)>, exactly, for whole numbers."""
    x, w, _ = case.operands()
    how = dict(case.how)
    result = F.conv_transpose2d(x, w, **how)
    y = sweeps.integers(result.shape, str(case), "y")
    how.pop("output_padding")
    back = F.conv2d(y, w, **how)
    h, width = x.shape[-2:]  # rows that output_padding put on may make one window more
    assert (result * y).sum() == (x * back[..., :h, :width]).sum()


def test_large_maps_share_threads():
    x = np.ones((2, 16, 40, 40), np.float32)
    w = np.ones((16, 24, 4, 4), np.float32)
    with trace() as executions:
        F.conv_transpose2d(x, w, stride=2, padding=1, threads=2)
    assert executions[0][3] == 2


def test_a_stride_beyond_all_phases_is_refused():
    x, w = np.ones((1, 1, 2, 2)), np.ones((1, 1, 1, 1))
    assert F.conv_transpose2d(x, w, stride=200).shape == (1, 1, 201, 201)
    with pytest.raises(ValueError, match=r"^conv_transpose2d: the engine refused"):
        F.conv_transpose2d(x, w, stride=300)


def test_bias_where_no_window_reaches():
    x, w, bias = np.ones((1, 1, 2, 2)), np.full((1, 2, 1, 1), 3.0), np.array([-1.0, 2.0])
    result = F.conv_transpose2d(x, w, bias, stride=2, activation="relu")
    expected = np.zeros((1, 2, 3, 3))
    expected[0, 1] = 2
    expected[:, :, ::2, ::2] = np.array([2.0, 5.0]).reshape(1, 2, 1, 1)
    np.testing.assert_array_equal(result, expected)
