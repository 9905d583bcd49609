"""The traps of docs/semantics.md, one test for each row."""

import math
import pathlib
import re

import numpy as np
import pytest

import fastconv
import fastconv.functional as F

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs" / "semantics.md"


def row(*values):
    """One image of one row."""
    return np.array(values, np.float64).reshape(1, 1, 1, -1)


def is_row(result, *values):
    np.testing.assert_allclose(np.asarray(result).ravel(), values, rtol=1e-12)


def test_every_row_has_its_test_and_every_test_its_row():
    named = re.findall(r"\| `(test_\w+)` \|", DOCUMENT.read_text(encoding="utf-8"))
    tests = [name for name in globals() if name.startswith("test_")]
    assert sorted(named) == sorted(tests[1:])


def test_flipping():
    impulse, kernel = row(0, 1, 0), row(1, 2, 3)
    is_row(F.conv2d(impulse, kernel, padding=(0, 1)), 3, 2, 1)
    is_row(F.convolve2d(impulse, kernel, padding=(0, 1)), 1, 2, 3)


def test_same_padding():
    x, kernel = row(1, 2, 4), row(1, 10)
    is_row(F.conv2d(x, kernel, padding="same"), 21, 42, 4)
    is_row(F.conv2d(x, kernel, padding="same_lower"), 10, 21, 42)


def test_same_padding_with_a_stride():
    result = F.conv2d(row(*range(1, 8)), row(1, 1, 1), stride=(1, 3), padding="same")
    is_row(result, 3, 12, 13)
    assert result.shape[-1] == math.ceil(7 / 3)


def test_dilation_one_is_dense():
    is_row(F.conv2d(row(1, 2, 4), row(1, 1), dilation=1), 3, 6)
    is_row(F.conv2d(row(1, 2, 4), row(1, 1), dilation=2), 5)


def test_order_of_arguments():
    x, w = np.ones((1, 2, 5, 5)), np.ones((2, 1, 2, 2))
    np.testing.assert_array_equal(
        F.conv2d(x, w, None, 1, 0, 3, 2), F.conv2d(x, w, dilation=3, groups=2)
    )
    np.testing.assert_array_equal(
        F.conv_transpose2d(x, w, None, 1, 0, 0, 2, 3),
        F.conv_transpose2d(x, w, groups=2, dilation=3),
    )


def test_transposed_padding_cuts():
    x, kernel = row(1, 10), row(1, 2, 3)
    is_row(F.conv_transpose2d(x, kernel, stride=(1, 2)), 1, 2, 13, 20, 30)
    is_row(F.conv_transpose2d(x, kernel, stride=(1, 2), padding=(0, 1)), 2, 13, 20)


def test_output_padding_uncovers():
    x, kernel = row(1, 10), row(1, 2, 3)
    how = {"stride": (1, 2), "padding": (0, 1)}
    is_row(F.conv_transpose2d(x, kernel, **how, output_padding=(0, 1)), 2, 13, 20, 30)


def test_transposed_weights():
    result = F.conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((3, 5, 2, 2)))
    assert result.shape == (1, 5, 5, 5)
    with pytest.raises(ValueError, match=r"^conv_transpose2d: weight is for 5 input channels"):
        F.conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((5, 3, 2, 2)))


def test_infinite_weight_on_padding():
    result = F.conv2d(row(1, 2), row(np.inf, 1), padding=((0, 0), (1, 0)))
    np.testing.assert_array_equal(result.ravel(), [np.nan, np.inf])


def test_precision_of_a_prepared_convolution():
    x, w = np.ones((1, 64, 30, 30), np.float32), np.ones((64, 64, 3, 3), np.float32)
    with fastconv.precision("fast"):
        conv = fastconv.Conv2d(w)
    with fastconv.precision("strict"):
        assert fastconv.explain(conv, x).precision == "strict"
    assert fastconv.explain(conv, x).precision == "default"


def test_prepared_weights_are_a_copy():
    kernel = row(1, 2)
    conv = fastconv.Conv2d(kernel)
    kernel[:] = 0
    is_row(conv(row(1, 1)), 3)
    is_row(F.conv2d(row(1, 1), kernel), 0)


def test_reflect():
    is_row(F.pad(np.array([[1.0, 2.0, 3.0, 4.0]]), (3, 1), "reflect"), 4, 3, 2, 1, 2, 3, 4, 3)
    is_row(np.pad([1.0, 2.0, 3.0, 4.0], (3, 1), "reflect"), 4, 3, 2, 1, 2, 3, 4, 3)
    three = F.conv2d(row(1, 2, 3), row(1, 0, 0), padding=(0, 1), padding_mode="reflect")
    is_row(three, 2, 1, 2)


def test_replicate_and_circular():
    x = np.array([[1.0, 2.0, 3.0]])
    is_row(F.pad(x, (2, 1), "replicate"), *np.pad([1.0, 2.0, 3.0], (2, 1), "edge"))
    is_row(F.pad(x, (2, 1), "circular"), *np.pad([1.0, 2.0, 3.0], (2, 1), "wrap"))


def test_order_of_pad():
    assert F.pad(np.ones((1, 1, 4, 5)), (1, 2, 30, 40)).shape == (1, 1, 74, 8)


def test_count_include_pad():
    is_row(F.avg_pool2d(row(2, 4), (1, 2), 1, (0, 1)), 1, 3, 2)
    is_row(F.avg_pool2d(row(2, 4), (1, 2), 1, (0, 1), count_include_pad=False), 2, 3, 4)


def test_ceil_mode():
    x = row(1, 2, 3, 4, 5)
    is_row(F.max_pool2d(x, (1, 2), ceil_mode=True), 2, 4, 5)
    is_row(F.avg_pool2d(x, (1, 2), ceil_mode=True), 1.5, 3.5, 5)
    # a window that would start beyond the input is dropped
    is_row(F.max_pool2d(row(1, 2, 3), (1, 1), (1, 3), ceil_mode=True), 1)
    # what hangs over the padding is no pixel, what lies on it is one
    is_row(F.avg_pool2d(row(4, 4, 4), (1, 3), (1, 3), (0, 1), ceil_mode=True), 8 / 3, 2)


def test_indices():
    x = np.zeros((2, 2, 3, 4))
    x[..., 1, 2] = x[..., 2, 1] = 7
    _, indices = F.max_pool2d(x, 3, 1, 1, return_indices=True)
    assert set(indices[:, :, 1, 1].ravel()) == {1 * 4 + 2}
    x[..., 2, 3] = x[..., 0, 1] = np.nan
    _, indices = F.max_pool2d(x, (3, 4), return_indices=True)
    assert set(indices.ravel()) == {2 * 4 + 3}


def test_padding_of_a_maximum():
    is_row(F.max_pool2d(row(-5, -3), (1, 2), 1, (0, 1)), -5, -3, -3)


def test_adaptive_windows():
    is_row(F.adaptive_max_pool2d(row(1, 2, 3, 4, 5), (1, 3)), 2, 4, 5)
    is_row(F.adaptive_avg_pool2d(row(1, 2, 3, 4, 5), (1, 3)), 1.5, 3, 4.5)


def test_lp_pool():
    assert np.isnan(F.lp_pool2d(row(-3, 1), 3.0, (1, 2))).all()
    is_row(F.lp_pool2d(row(1, 2, 3), 1, (1, 2), ceil_mode=True), 3, 6)


def test_unpool_of_equal_indices():
    is_row(F.max_unpool2d(row(5, 7), np.zeros((1, 1, 1, 2), np.int64), (1, 2)), 7, 0, 0, 0)


def test_lrn_window():
    x = np.array([1.0, 10.0, 100.0]).reshape(1, 3, 1)
    how = {"size": 2, "alpha": 2.0, "beta": 1.0, "k": 0.0}
    is_row(F.local_response_norm(x, **how), 1, 10 / 101, 100 / 10100)
    is_row(F.local_response_norm(x, **how, window="onnx"), 1 / 101, 10 / 10100, 0.01)


def test_lrn_alpha():
    is_row(F.local_response_norm(np.full((1, 1, 1), 2.0), 5, 10.0, 1.0, 0.0), 2 / (10 / 5 * 4))


def test_batch_norm_variance():
    x, zero = np.full((1, 1), 6.0), np.zeros(1)
    is_row(F.batch_norm(x, zero, np.array([3.0]), eps=1.0), 6 / math.sqrt(3 + 1))


def test_gelu():
    is_row(F.gelu(np.array([1.0])), (1 + math.erf(1 / math.sqrt(2))) / 2)
    approximation = (1 + math.tanh(math.sqrt(2 / math.pi) * 1.044715)) / 2
    is_row(F.gelu(np.array([1.0]), "tanh"), approximation)
    assert approximation != (1 + math.erf(1 / math.sqrt(2))) / 2


def test_softplus_threshold():
    below, above = F.softplus(np.array([20.0, 20.0 + 1e-9]))
    assert above < below
    assert above == 20.0 + 1e-9


def test_nearest():
    x = row(0, 1, 2, 3, 4)
    is_row(F.interpolate(x, (1, 3)), 0, 1, 3)
    is_row(F.interpolate(x, (1, 3), mode="nearest-exact"), 0, 2, 4)


def test_align_corners():
    x = row(0, 2)
    is_row(F.interpolate(x, (1, 4), mode="bilinear"), 0, 0.5, 1.5, 2)
    is_row(F.interpolate(x, (1, 3), mode="bilinear", align_corners=True), 0, 1, 2)


def test_linear_weight():
    is_row(F.linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0], [5.0, 6.0]])), 11, 17)


def test_softmax_dim():
    with pytest.raises(TypeError, match="dim"):
        F.softmax(np.ones((2, 2)))
