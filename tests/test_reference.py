"""The oracle itself, against arithmetic done on paper and plain loops over every element."""

import ast
import doctest
import importlib
import pathlib

import numpy as np
import pytest

from fastconv import reference

NAN, INF = np.nan, np.inf


def plane(rows, dtype=np.float64):
    """One image of one channel: (1, 1, H, W)."""
    return np.array(rows, dtype=dtype)[np.newaxis, np.newaxis]


def row(*values):
    """One image of one channel and one row: (1, 1, 1, W)."""
    return plane([values])


def assert_is(result, expected):
    """Same values (NaN equals NaN), same shape, and float64."""
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, np.asarray(expected, np.float64), strict=True)


# --- conv2d: worked examples ---------------------------------------------------------------------

VERTICAL_EDGE = plane([[1, 0, -1]] * 3)


def test_conv2d_6x6_vertical_edge():
    image = plane(
        [
            [3, 0, 1, 2, 7, 4],
            [1, 5, 8, 9, 3, 1],
            [2, 7, 2, 5, 1, 3],
            [0, 1, 3, 1, 7, 8],
            [4, 2, 1, 6, 2, 8],
            [2, 4, 5, 2, 3, 9],
        ]
    )
    expected = [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]]
    assert_is(reference.conv2d(image, VERTICAL_EDGE), plane(expected))
    assert_is(reference.conv2d(image, VERTICAL_EDGE, padding="valid"), plane(expected))
    same = reference.conv2d(image, VERTICAL_EDGE, padding="same")
    assert same.shape == (1, 1, 6, 6)
    assert_is(same[..., 1:-1, 1:-1], plane(expected))
    # Top left: the window's first row and column are padding: -(0 + 5). Bottom right: +(2 + 3).
    assert (same[0, 0, 0, 0], same[0, 0, 5, 5]) == (-5, 5)


def test_conv2d_bright_to_dark_edge():
    image = plane([[10, 10, 10, 0, 0, 0]] * 6)
    assert_is(reference.conv2d(image, VERTICAL_EDGE), plane([[0, 30, 30, 0]] * 4))


def test_conv2d_7x7_stride_2():
    image = plane(
        [
            [2, 3, 7, 4, 6, 2, 9],
            [6, 6, 9, 8, 7, 4, 3],
            [3, 4, 8, 3, 8, 9, 7],
            [7, 8, 3, 6, 6, 3, 4],
            [4, 2, 1, 8, 3, 4, 6],
            [3, 2, 4, 1, 9, 8, 3],
            [0, 1, 3, 9, 2, 1, 4],
        ]
    )
    weight = plane([[3, 4, 4], [1, 0, 2], [-1, 0, 3]])
    # Top right: 6*3 + 2*4 + 9*4 + 7*1 + 3*2 - 8*1 + 7*3 = 88.
    expected = [[91, 100, 88], [69, 91, 117], [44, 72, 74]]
    assert_is(reference.conv2d(image, weight, stride=2), plane(expected))


def test_conv2d_does_not_flip_the_kernel():
    assert_is(reference.conv2d(row(1, 2, 3), row(1, 10)), row(21, 32))


def test_conv2d_ones_same_counts_the_pixels_under_the_kernel():
    result = reference.conv2d(plane(np.ones((3, 4))), plane(np.ones((3, 3))), padding="same")
    assert_is(result, plane([[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]]))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"padding": "same", "stride": 2}, [1 + 2 + 3, 3 + 4]),
        ({"padding": "same_lower", "stride": 2}, [1 + 2, 2 + 3 + 4]),
        ({"padding": "same"}, [1 + 2, 1 + 2 + 3, 2 + 3 + 4, 3 + 4]),
        ({"padding": "same_lower"}, [1 + 2, 1 + 2 + 3, 2 + 3 + 4, 3 + 4]),
        ({"padding": "same", "stride": 5}, [1 + 2 + 3]),
        ({"padding": "same", "dilation": 2}, [1 + 3, 2 + 4, 1 + 3, 2 + 4]),
        ({"padding": "same", "dilation": 2, "stride": 3}, [1 + 3, 2 + 4]),
        ({"padding": "same", "dilation": 2, "stride": 4}, [1 + 3]),
        ({"padding": "same_lower", "dilation": 2, "stride": 4}, [2 + 4]),
        ({"padding": (0, 1), "stride": 3}, [1 + 2, 3 + 4]),
        ({"padding": ((0, 0), (2, 0))}, [1, 1 + 2, 1 + 2 + 3, 2 + 3 + 4]),
        ({"padding": [[0, 0], [0, 2]]}, [1 + 2 + 3, 2 + 3 + 4, 3 + 4, 4]),
        ({"padding": "valid", "stride": (1, 2)}, [1 + 2 + 3]),
    ],
)
def test_conv2d_padding_of_1_2_3_4_by_a_kernel_of_three_ones(options, expected):
    assert_is(reference.conv2d(row(1, 2, 3, 4), row(1, 1, 1), **options), row(*expected))


@pytest.mark.parametrize(
    ("padding", "expected"),
    [("same", [3, 5, 3]), ("same_lower", [1, 3, 5]), ((0, 1), [1, 3, 5, 3])],
)
def test_conv2d_even_kernel(padding, expected):
    assert_is(reference.conv2d(row(1, 2, 3), row(1, 1), padding=padding), row(*expected))


def test_conv2d_padding_sides_are_top_bottom_left_right():
    result = reference.conv2d(plane([[5]]), plane([[1]]), padding=((1, 0), (2, 3)))
    assert_is(result, plane([[0] * 6, [0, 0, 5, 0, 0, 0]]))
    assert reference.conv2d(plane([[5]]), plane([[1]]), padding=(1, 2)).shape == (1, 1, 3, 5)


def test_conv2d_dilation():
    assert_is(reference.conv2d(row(1, 2, 3, 4, 5), row(1, 10), dilation=3), row(41, 52))
    image = plane(np.arange(9).reshape(3, 3))
    weight = plane([[1, 10], [100, 1000]])
    assert_is(reference.conv2d(image, weight, dilation=2), plane([[8620]]))
    assert_is(reference.conv2d(image, weight, dilation=(2, 1)), plane([[7610, 8721]]))


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride", "dilation", "expected"),
    [
        (6, 3, 0, 1, 1, 4),
        (6, 3, 1, 1, 1, 6),
        (7, 3, 0, 2, 1, 3),
        (8, 3, 0, 2, 1, 3),
        (227, 11, 0, 4, 1, 55),
        (224, 7, 3, 2, 1, 112),
        (7, 3, 0, 1, 3, 1),
        (7, 3, 2, 2, 2, 4),
        (5, 1, 0, 9, 1, 1),
        (1, 4, 2, 1, 1, 2),
        (227, 3, "same", 2, 1, 114),
        (10, 4, "same", 3, 2, 4),
        (10, 2, "same_lower", 7, 1, 2),
    ],
)
def test_conv2d_output_size(size, kernel, padding, stride, dilation, expected):
    image, weight = np.zeros((1, 1, size, size + 1)), np.zeros((1, 1, kernel, kernel))
    result = reference.conv2d(image[..., :-1], weight, None, stride, padding, dilation)
    assert result.shape == (1, 1, expected, expected)


def test_conv2d_sums_over_channels_and_adds_bias():
    image = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    weight = np.array([[1.0, 10.0, 100.0], [-1.0, 0.0, 1.0]]).reshape(2, 3, 1, 1)
    result = reference.conv2d(image, weight, np.array([0.5, -5.0]))
    assert_is(result, np.array([321.5, -3.0]).reshape(1, 2, 1, 1))


def test_conv2d_groups_and_depthwise_multiplier():
    image = np.array([1.0, 10.0, 100.0, 1000.0]).reshape(1, 4, 1, 1)
    weight = np.array([[1.0, 2.0], [3.0, 4.0]]).reshape(2, 2, 1, 1)
    assert_is(reference.conv2d(image, weight, groups=2).ravel(), [21.0, 4300.0])
    multiplied = np.array([2.0, 3.0, 5.0, 7.0]).reshape(4, 1, 1, 1)
    assert_is(reference.conv2d(image[:, :2], multiplied, groups=2).ravel(), [2.0, 3.0, 50.0, 70.0])
    assert_is(reference.conv2d(image, multiplied, groups=4).ravel(), [2.0, 30.0, 500.0, 7000.0])


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (None, [-9.0, 0.0, 2.0, 7.0]),
        ("relu", [0.0, 0.0, 2.0, 7.0]),
        ("relu6", [0.0, 0.0, 2.0, 6.0]),
        ("tanh", [-1.0, 0.0, 1.0, 1.0]),
        ("sigmoid", [0.0, 0.5, 1.0, 1.0]),
    ],
)
def test_conv2d_activation_comes_after_bias_and_residual(activation, expected):
    far = 1.0 if activation not in ("tanh", "sigmoid") else 1000.0  # where these two are flat
    image = row(-4, 2, 3, 5) * far
    residual = row(-4, -1, 0, 3) * far
    bias = np.array([-1.0]) * far
    result = reference.conv2d(image, row(1), bias, activation=activation, residual=residual)
    assert_is(result, row(*expected))


def test_activation_values():
    # e^ln3 = 3: sigmoid = 3/4. tanh(ln 2) = (2 - 1/2) / (2 + 1/2).
    one, weight = np.array([1.0]), np.array([[np.log(3.0)], [np.log(2.0)]])
    sigmoid = reference.linear(one, weight, activation="sigmoid")
    tanh = reference.linear(one, weight, activation="tanh")
    np.testing.assert_allclose(sigmoid, [3 / 4, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(tanh, [0.8, 0.6], rtol=1e-15)
    for name in ("relu", "relu6", "sigmoid", "tanh"):
        assert np.isnan(reference.conv2d(row(NAN), row(1), activation=name)).all()


def test_conv2d_infinite_weight_on_padding_is_nan():
    assert_is(reference.conv2d(row(1, 2), row(INF, 1), padding=((0, 0), (1, 0))), row(NAN, INF))
    assert_is(reference.conv2d(row(1, INF, 3, 4), row(1, 0)), row(NAN, INF, 3))
    assert_is(reference.conv2d(row(1, NAN, 3, 4), row(1, 0)), row(NAN, NAN, 3))


@pytest.mark.parametrize("seed", range(24))
def test_conv2d_element_by_element(seed):
    rng = np.random.default_rng(seed)
    groups, cg, og, kh, kw, n = rng.integers(1, 4, 6)
    h, w = rng.integers(6, 9, 2)
    stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    top, bottom, left, right = (int(p) for p in rng.integers(0, 4, 4))
    x = rng.integers(-9, 10, (n, groups * cg, h, w)).astype(np.float64)
    k = rng.integers(-9, 10, (groups * og, cg, kh, kw)).astype(np.float64)
    bias = rng.integers(-9, 10, groups * og).astype(np.float64)
    result = reference.conv2d(
        x, k, bias, tuple(stride), ((top, bottom), (left, right)), tuple(dilation), groups
    )
    expected = np.empty_like(result)
    for image, o, y, z in np.ndindex(*result.shape):
        total = bias[o]
        for c, i, j in np.ndindex(cg, kh, kw):
            r = y * stride[0] - top + i * dilation[0]
            s = z * stride[1] - left + j * dilation[1]
            if 0 <= r < h and 0 <= s < w:
                total += k[o, c, i, j] * x[image, (o // og) * cg + c, r, s]
        expected[image, o, y, z] = total
    assert_is(result, expected)
    for axis, padded in enumerate((h + top + bottom, w + left + right)):
        span = dilation[axis] * (k.shape[2 + axis] - 1) + 1
        starts = [start for start in range(0, padded, stride[axis]) if start + span <= padded]
        assert result.shape[2 + axis] == len(starts)


# --- pooling -------------------------------------------------------------------------------------

QUARTERS = plane([[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]])


def test_pool_4x4_by_2x2():
    assert_is(reference.max_pool2d(QUARTERS, 2), plane([[9, 2], [6, 3]]))
    assert_is(reference.avg_pool2d(QUARTERS, 2), plane([[3.75, 1.25], [3.75, 2]]))
    assert_is(reference.max_pool2d(QUARTERS, (4, 1)), plane([[5, 9, 2, 3]]))
    assert_is(reference.max_pool2d(QUARTERS, (1, 2), (2, 1)), plane([[3, 3, 2], [3, 3, 3]]))
    assert_is(reference.global_avg_pool2d(QUARTERS), plane([[43 / 16]]))
    assert_is(reference.global_max_pool2d(QUARTERS), plane([[9]]))


def test_max_pool2d_5x5_by_3x3_stride_1():
    rows = [[1, 3, 2, 1, 3], [2, 9, 1, 1, 5], [1, 3, 2, 3, 2], [8, 3, 5, 1, 0], [5, 6, 1, 2, 9]]
    values, indices = reference.max_pool2d(plane(rows), 3, 1, return_indices=True)
    assert_is(values, plane([[9, 9, 5], [9, 9, 5], [8, 6, 9]]))
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, plane([[6, 6, 9], [6, 6, 9], [15, 21, 24]]))


@pytest.mark.parametrize(
    ("values", "options", "expected", "places"),
    [
        ((1, 2, 3, 4, 5), {"ceil_mode": True}, [2, 4, 5], [1, 3, 4]),
        ((1, 2, 3, 4, 5), {"ceil_mode": False}, [2, 4], [1, 3]),
        ((1, 2, 3, 4), {"stride": 1, "ceil_mode": np.True_}, [2, 3, 4], [1, 2, 3]),
        ((1, 2, 3), {"stride": 3, "ceil_mode": True}, [2], [1]),  # the next would start at 3
        ((1, 2), {"stride": 3, "padding": (0, 1), "ceil_mode": True}, [1], [0]),
        ((1, 2, 3), {"stride": 3, "padding": (0, 1), "ceil_mode": True}, [1, 3], [0, 2]),
        ((-1, -2), {"padding": (0, 1)}, [-1, -2], [0, 1]),  # padding is not 0 but -inf
        ((4, 4, 4), {"stride": 1}, [4, 4], [0, 1]),
        ((1, 5, 2, 4), {"stride": 1, "dilation": 2}, [2, 5], [2, 1]),
        ((-INF, -INF, 1), {"stride": 1}, [-INF, 1], [0, 2]),
        ((1, NAN, 3, 4), {"stride": 1}, [NAN, NAN, 4], [1, 1, 3]),
        ((NAN, NAN, INF), {"stride": 1}, [NAN, NAN], [1, 1]),
        ((7,), {"padding": (0, 1), "dilation": 2}, [-INF], [-1]),  # taps at -1 and 1 only
    ],
)
def test_max_pool2d_by_a_window_of_two(values, options, expected, places):
    result, indices = reference.max_pool2d(row(*values), (1, 2), return_indices=True, **options)
    assert_is(result, row(*expected))
    np.testing.assert_array_equal(indices, row(*places))
    assert_is(reference.max_pool2d(row(*values), (1, 2), **options), row(*expected))


def test_max_pool2d_indices_are_row_major_in_each_unpadded_plane():
    image = np.array([[[5.0, 5, 1], [5, 2, 8]], [[0, 0, 0], [0, 0, 0]]])
    values, indices = reference.max_pool2d(image, (2, 2), 2, 1, return_indices=True)
    assert_is(values, [[[5, 5], [5, 8]], [[0, 0], [0, 0]]])
    np.testing.assert_array_equal(indices, [[[0, 1], [3, 5]], [[0, 1], [3, 4]]])


@pytest.mark.parametrize("pool", [reference.max_pool2d, reference.avg_pool2d])
def test_pool_padding_is_at_most_half_the_kernel(pool):
    assert pool(QUARTERS, (3, 4), 1, (1, 2)).shape == (1, 1, 4, 5)
    for padding in ((2, 0), (0, 3)):
        with pytest.raises(ValueError, match="padding must be at most half of kernel_size"):
            pool(QUARTERS, (3, 4), 1, padding)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Windows (-1, 0, 1), (1, 2, 3) and (3, 4, 5): 4 is padding, 5 is beyond it.
        ({}, [3 / 3, 9 / 3, 4 / 2]),
        ({"count_include_pad": False}, [3 / 2, 9 / 3, 4 / 1]),
        ({"divisor_override": 5}, [3 / 5, 9 / 5, 4 / 5]),
        ({"divisor_override": -1, "count_include_pad": False}, [-3, -9, -4]),
        ({"ceil_mode": False}, [3 / 3, 9 / 3]),
    ],
)
def test_avg_pool2d_divisor(options, expected):
    options = {"ceil_mode": True, **options}
    across = reference.avg_pool2d(row(1, 2, 3, 4), (1, 3), 2, (0, 1), **options)
    assert_is(across, row(*expected))
    down = reference.avg_pool2d(row(1, 2, 3, 4).swapaxes(2, 3), (3, 1), 2, (1, 0), **options)
    assert_is(down, across.swapaxes(2, 3))


def test_avg_pool2d_divisor_is_the_product_of_both_directions():
    image = plane(np.outer([1, 2, 3, 4], [1, 2, 3, 4]))
    result = reference.avg_pool2d(image, 3, 2, 1, ceil_mode=True)
    assert_is(result, plane(np.outer([1, 3, 2], [1, 3, 2])))


def test_avg_pool2d_keeps_nan_and_inf_in_their_windows():
    assert_is(reference.avg_pool2d(row(INF, 1, NAN, 1, 2, 4), (1, 2)), row(INF, NAN, 3))
    assert_is(reference.avg_pool2d(row(INF, -INF), (1, 2)), row(NAN))


def test_global_pools_take_nan():
    image = np.array([[[1.0, NAN]], [[3.0, 5.0]]])
    assert_is(reference.global_max_pool2d(image), [[[NAN]], [[5]]])
    assert_is(reference.global_avg_pool2d(image), [[[NAN]], [[4]]])


# --- linear, relu, softmax -----------------------------------------------------------------------


def test_linear():
    weight, bias = np.array([[1.0, 2.0], [3.0, 4.0], [0.0, -1.0]]), np.array([10.0, 20.0, 0.5])
    assert_is(reference.linear(np.array([5.0, 7.0]), weight), [19.0, 43.0, -7.0])
    assert_is(reference.linear(np.array([5.0, 7.0]), weight, bias), [29.0, 63.0, -6.5])
    stack = np.array([[[5.0, 7.0]], [[0.0, 0.0]]])
    relu = reference.linear(stack, weight, bias, activation="relu")
    assert_is(relu, [[[29.0, 63.0, 0.0]], [[10.0, 20.0, 0.5]]])
    assert reference.linear(np.zeros((0, 2)), weight).shape == (0, 3)


def test_relu():
    assert_is(reference.relu(np.array([-INF, -1, 0, 2, INF, NAN])), [0.0, 0, 0, 2, INF, NAN])
    assert_is(reference.relu(np.array(-3.0)), np.array(0.0))
    assert reference.relu(np.zeros((2, 0, 3), np.float32)).shape == (2, 0, 3)


def test_relu6_sigmoid_tanh():
    x = np.array([-INF, -1, 0, 2, 8, INF, NAN])
    assert_is(reference.relu6(x), [0.0, 0, 0, 2, 6, 6, NAN])
    assert_is(reference.sigmoid(np.array([-INF, -1000, 0, INF, NAN])), [0.0, 0, 0.5, 1, NAN])
    assert_is(reference.tanh(np.array([-INF, 0, INF, NAN])), [-1.0, 0, 1, NAN])
    np.testing.assert_allclose(reference.sigmoid(np.log([3.0])), [0.75], rtol=1e-15)
    np.testing.assert_allclose(reference.tanh(np.log([3.0])), [0.8], rtol=1e-15)


def test_softmax():
    quarter = np.array([[0.0, np.log(3.0)]])
    np.testing.assert_allclose(reference.softmax(quarter, 1), [[0.25, 0.75]], rtol=1e-15)
    assert_is(reference.softmax(quarter, dim=0), [[1.0, 1.0]])
    huge = np.array([[1e308, 1e308], [-1e308, 1e308], [-INF, 0.0], [NAN, 0.0], [INF, 0.0]])
    expected = [[0.5, 0.5], [0, 1], [0, 1], [NAN, NAN], [NAN, NAN]]
    assert_is(reference.softmax(huge, -1), expected)
    assert_is(reference.softmax(np.array([-INF, -INF]), 0), [NAN, NAN])
    assert reference.softmax(np.zeros((3, 0)), 1).shape == (3, 0)
    values = np.random.default_rng(1).normal(0, 50, (3, 4, 5)).astype(np.float32)
    for dim in range(-3, 3):
        np.testing.assert_allclose(reference.softmax(values, dim).sum(dim), 1.0, rtol=1e-14)


# --- all operations: arrays of every kind, and bad arguments -------------------------------------

ANY_RANK = (
    *("relu", "relu6", "sigmoid", "tanh", "silu", "hardsigmoid", "hardswish", "gelu", "leaky_relu"),
    *("elu", "softplus", "prelu", "softmax", "log_softmax", "linear", "batch_norm"),
    *("local_response_norm", "pad", "interpolate", "fold"),
)
IMAGE = np.arange(2 * 2 * 4 * 4, dtype=np.float32).reshape(2, 2, 4, 4) / 8
PLACES = np.arange(64).reshape(2, 2, 4, 4)
GOOD = {
    "conv2d": {
        "input": IMAGE,
        "weight": np.ones((4, 2, 3, 3), np.float32),
        "bias": np.ones(4, np.float32),
        "residual": np.ones((2, 4, 2, 2), np.float32),
    },
    "convolve2d": {"input": IMAGE, "weight": np.ones((4, 2, 3, 3), np.float32)},
    "conv1d": {
        "input": IMAGE[0],
        "weight": np.ones((3, 4, 2), np.float32),
        "bias": np.ones(3, np.float32),
        "residual": np.ones((2, 3, 3), np.float32),
    },
    "conv_transpose2d": {
        "input": IMAGE,
        "weight": np.ones((2, 3, 3, 3), np.float32),
        "bias": np.ones(3, np.float32),
        "stride": 2,
    },
    "conv_transpose1d": {"input": IMAGE[0], "weight": np.ones((4, 3, 2), np.float32)},
    "max_pool2d": {"input": IMAGE, "kernel_size": 2},
    "avg_pool2d": {"input": IMAGE, "kernel_size": 2},
    "pad": {"input": IMAGE, "pad": (1, 2, 0, 1)},
    "unfold": {"input": IMAGE, "kernel_size": 2},
    "fold": {"input": np.ones((2, 8, 9), np.float32), "output_size": 4, "kernel_size": 2},
    "interpolate": {"input": IMAGE, "size": (3, 8)},
    "max_pool1d": {"input": IMAGE[0], "kernel_size": 2},
    "avg_pool1d": {"input": IMAGE[0], "kernel_size": 2},
    "lp_pool1d": {"input": IMAGE[0], "norm_type": 2, "kernel_size": 2},
    "lp_pool2d": {"input": IMAGE, "norm_type": 2, "kernel_size": 2},
    "adaptive_avg_pool1d": {"input": IMAGE[0], "output_size": 3},
    "adaptive_max_pool1d": {"input": IMAGE[0], "output_size": 3},
    "adaptive_avg_pool2d": {"input": IMAGE, "output_size": 3},
    "adaptive_max_pool2d": {"input": IMAGE, "output_size": 3},
    "max_unpool2d": {"input": IMAGE, "indices": PLACES, "kernel_size": 2},
    "max_unpool1d": {"input": IMAGE[0], "indices": PLACES[0] % 8, "kernel_size": 2},
    "global_avg_pool2d": {"input": IMAGE},
    "global_max_pool2d": {"input": IMAGE},
    "linear": {
        "input": IMAGE,
        "weight": np.ones((3, 4), np.float32),
        "bias": np.ones(3, np.float32),
    },
    "relu": {"input": IMAGE},
    "relu6": {"input": IMAGE},
    "sigmoid": {"input": IMAGE},
    "tanh": {"input": IMAGE},
    "silu": {"input": IMAGE},
    "hardsigmoid": {"input": IMAGE},
    "hardswish": {"input": IMAGE},
    "gelu": {"input": IMAGE},
    "leaky_relu": {"input": IMAGE},
    "elu": {"input": IMAGE},
    "softplus": {"input": IMAGE},
    "prelu": {"input": IMAGE, "weight": np.ones(2, np.float32)},
    "softmax": {"input": IMAGE, "dim": 1},
    "log_softmax": {"input": IMAGE, "dim": 1},
    "batch_norm": {
        "input": IMAGE,
        "running_mean": np.ones(2, np.float32),
        "running_var": np.ones(2, np.float32),
        "weight": np.ones(2, np.float32),
        "bias": np.ones(2, np.float32),
    },
    "local_response_norm": {"input": IMAGE, "size": 2},
}


def array_variants(array):
    """The same values in other dtypes, byte orders and strides, and read-only."""
    yield from (array.astype(dtype) for dtype in ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8"))
    yield np.asfortranarray(array)
    yield np.flip(np.flip(array).copy())
    frozen = np.repeat(array, 2, axis=-1)[..., ::2]
    frozen.flags.writeable = False
    yield frozen


@pytest.mark.parametrize("op", GOOD)
def test_every_kind_of_array_gives_the_same_float64(op):
    assert set(GOOD) <= set(reference.__all__)
    expected = getattr(reference, op)(**GOOD[op])
    assert expected.dtype == np.float64
    arrays = {
        k: v for k, v in GOOD[op].items() if isinstance(v, np.ndarray) and v.dtype == np.float32
    }
    for variant in zip(*map(array_variants, arrays.values()), strict=True):
        given = GOOD[op] | dict(zip(arrays, variant, strict=True))
        before = [array.copy() for array in variant]
        assert_is(getattr(reference, op)(**given), expected)
        for array, copy in zip(variant, before, strict=True):
            np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("op", [op for op in GOOD if op not in ANY_RANK])
def test_unbatched_and_empty_batch(op):
    function, given = getattr(reference, op), dict(GOOD[op])
    given.pop("residual", None)
    whole = function(**given)
    batched = {name: given[name] for name in ("input", "indices") if name in given}
    for part in (1, slice(0)):
        assert_is(function(**given | {k: v[part] for k, v in batched.items()}), whole[part])


def test_unbatched_residual_and_indices():
    weight, residual = np.ones((1, 1, 1, 1)), np.array([[[3.0, 4.0]]])
    result = reference.conv2d(np.array([[[1.0, 2.0]]]), weight, residual=residual)
    assert_is(result, [[[4.0, 6.0]]])
    _, indices = reference.max_pool2d(IMAGE[0], 2, return_indices=True)
    assert indices.shape == (2, 2, 2)


def bad(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


NOT_FLOAT_ARRAYS = [
    [[[1.0]]],
    None,
    np.float32(1.0),
    *(bad(2, 2, 4, 4, dtype=d) for d in ("i4", "u1", "?", "c8", "O", np.longdouble)),
]
NOT_INTS = [1.0, True, "1", np.bool_(True), np.float32(1), (1, 1.0), (True, 1)]
OUT_OF_RANGE = [0, -1, (1, 0), (1,), (1, 1, 1), (), 2**63]
BAD = [(op, "input", value, TypeError) for op in GOOD for value in NOT_FLOAT_ARRAYS]
BAD += [
    (op, name, value, TypeError)
    for op, names in (("conv2d", ("weight", "bias", "residual")), ("linear", ("weight", "bias")))
    for name in names
    for value in [v for v in NOT_FLOAT_ARRAYS if v is not None] + [bad(4, dtype="f8")]
]
BAD += [
    (op, name, value, error)
    for op, names in (
        ("conv2d", ("stride", "dilation")),
        ("max_pool2d", ("kernel_size", "stride", "dilation")),
        ("avg_pool2d", ("kernel_size", "stride")),
    )
    for name in names
    for values, error in ((NOT_INTS, TypeError), (OUT_OF_RANGE, ValueError))
    for value in values
]
BAD += [
    (op, "padding", value, error)
    for op in ("conv2d", "max_pool2d", "avg_pool2d")
    for value, error in (
        *((v, TypeError) for v in NOT_INTS if v != "1"),
        *((v, ValueError) for v in (-1, (0, -1), (1,), (1, 1, 1))),
        (None, TypeError),
        (((1, 1), 1), TypeError),
    )
]
BAD += [
    (op, "input", value, ValueError)
    for op in GOOD
    if op not in ANY_RANK
    for value in (bad(4), bad(1, 2, 4, 4, 1), bad(2, 0, 4, 4), bad(2, 2, 0, 4), bad(2, 4, 0))
]
BAD += [
    ("conv2d", "input", bad(2, 3, 4, 4), ValueError),
    ("conv2d", "input", bad(2, 2, 2, 4), ValueError),
    ("conv2d", "input", bad(2, 2, 4, 2), ValueError),
    ("conv2d", "weight", bad(4, 1, 3, 3), ValueError),
    ("conv2d", "weight", bad(2, 3, 3), ValueError),
    ("conv2d", "weight", bad(0, 2, 3, 3), ValueError),
    ("conv2d", "weight", bad(4, 2, 0, 3), ValueError),
    ("conv2d", "bias", bad(3), ValueError),
    ("conv2d", "bias", bad(4, 1), ValueError),
    ("conv2d", "groups", 3, ValueError),
    ("conv2d", "groups", 0, ValueError),
    ("conv2d", "groups", 2, ValueError),
    ("conv2d", "groups", (1, 1), TypeError),
    ("conv2d", "groups", 1.0, TypeError),
    ("conv2d", "padding", "SAME", ValueError),
    ("conv2d", "padding", ((1, 1), (1, -1)), ValueError),
    ("conv2d", "padding", ((1, 1), (1, 1, 1)), ValueError),
    ("conv2d", "padding", ((1, 1), (1, 1.0)), TypeError),
    ("conv2d", "dilation", 2, ValueError),
    ("conv2d", "activation", "selu", ValueError),
    ("conv2d", "activation", 1, TypeError),
    ("conv2d", "residual", bad(2, 4, 4, 4), ValueError),
    ("conv2d", "residual", bad(4, 2, 2), ValueError),
    ("max_pool2d", "kernel_size", 5, ValueError),
    ("max_pool2d", "kernel_size", None, TypeError),
    ("max_pool2d", "padding", 2, ValueError),
    ("max_pool2d", "padding", "same", TypeError),
    ("max_pool2d", "dilation", 4, ValueError),
    ("max_pool2d", "ceil_mode", 1, TypeError),
    ("max_pool2d", "return_indices", "yes", TypeError),
    ("avg_pool2d", "kernel_size", (1, 5), ValueError),
    ("avg_pool2d", "padding", (0, 2), ValueError),
    ("avg_pool2d", "ceil_mode", None, TypeError),
    ("avg_pool2d", "count_include_pad", 0, TypeError),
    ("avg_pool2d", "divisor_override", 0, ValueError),
    ("avg_pool2d", "divisor_override", 2.0, TypeError),
    ("avg_pool2d", "divisor_override", False, TypeError),
    ("linear", "input", np.array(1, np.float32), ValueError),
    ("linear", "input", bad(4, 3), ValueError),
    ("linear", "weight", bad(4), ValueError),
    ("linear", "weight", bad(4, 3), ValueError),
    ("linear", "weight", bad(0, 4), ValueError),
    ("linear", "bias", bad(4), ValueError),
    ("linear", "activation", "Relu", ValueError),
    ("linear", "activation", True, TypeError),
    ("softmax", "input", np.array(1, np.float32), ValueError),
    ("softmax", "dim", 4, ValueError),
    ("softmax", "dim", -5, ValueError),
    ("softmax", "dim", 1.0, TypeError),
    ("softmax", "dim", None, TypeError),
    ("softmax", "dim", False, TypeError),
]


@pytest.mark.parametrize(("op", "name", "value", "error"), BAD)
def test_bad_argument_is_refused_by_name(op, name, value, error):
    given = GOOD[op] | {name: value}
    with pytest.raises(error) as caught:
        getattr(reference, op)(**given)
    assert caught.type is error
    assert str(caught.value).startswith(f"{op}: ")
    assert name in str(caught.value)
    assert ";" in str(caught.value)  # what was wrong; how to mend it


def test_channel_mismatch_message():
    with pytest.raises(ValueError, match="conv2d: weight has 3 input channels per group but input"):
        reference.conv2d(np.ones((1, 4, 5, 5)), np.ones((2, 3, 1, 1)))


# --- the package ---------------------------------------------------------------------------------


def modules():
    folder = pathlib.Path(reference.__file__).parent
    return [reference.__name__] + [
        f"{reference.__name__}.{path.stem}"
        for path in sorted(folder.glob("*.py"))
        if path.stem != "__init__"
    ]


@pytest.mark.parametrize("name", modules())
def test_docstring_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", modules())
def test_reference_imports_nothing_of_the_engine(name):
    source = pathlib.Path(importlib.import_module(name).__file__).read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= {
                "itertools",
                "math",
                "numpy",
                "operator",
            }
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1 or node.module == "collections.abc"
