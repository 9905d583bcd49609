"""1x1 convolution: which of its two forms takes a map, and that nobody can tell from the result."""

import numpy as np
import pytest
import sweeps

import fastconv
import fastconv.functional as F
from fastconv import reference

DTYPES = (np.float32, np.float64)
# pixels: whole vectors, a whole one and a little, less than one
MAPS = ((7, 7), (8, 8), (14, 14), (3, 3), (1, 33), (5, 13))


def values(shape, *names, dtype):
    """Seeded values whose sums are rounded."""
    return (sweeps.integers(shape, *names) / 7).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
@pytest.mark.parametrize("image", MAPS, ids=str)
@pytest.mark.parametrize("groups", [1, 3])
def test_bits_do_not_depend_on_form_threads_batch_or_layout(image, groups, dtype):
    x = values((5, 69 * groups, *image), "x", image, dtype=dtype)
    w = values((31 * groups, 69, 1, 1), "w", image, dtype=dtype)
    bias = values((31 * groups,), "bias", dtype=dtype)
    residual = values((5, 31 * groups, *image), "residual", image, dtype=dtype)

    def run(x, residual, **how):
        return F.conv2d(x, w, bias, groups=groups, residual=residual, activation="relu6", **how)

    expected = run(x, residual, algorithm="1x1", threads=1)
    for threads in (1, 2, 5):
        result = run(x, residual, algorithm="pointwise", threads=threads)
        np.testing.assert_array_equal(result, expected, strict=True)
    single = [run(x[i : i + 1], residual[i : i + 1]) for i in range(len(x))]
    np.testing.assert_array_equal(np.concatenate(single), expected, strict=True)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for form in (None, "pointwise"):
        np.testing.assert_array_equal(run(last, residual, algorithm=form), expected, strict=True)


@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
@pytest.mark.parametrize("stride", [1, 2, (3, 1), (1, 2)])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_strides_and_views(stride, activation, dtype):
    """Rows that do not follow each other, pixels that are skipped, results within larger ones."""
    wide = sweeps.integers((4, 20, 15, 40), "wide", dtype=dtype)
    w = sweeps.integers((17, 10, 1, 1), "weight", dtype=dtype)
    for x in (wide, wide[:, :, :, 3:34], wide[:, :, ::2], wide[::2, :, 1:8, 5:12], wide[:, ::-1]):
        expected = reference.conv2d(
            x[:, ::2], w, None, stride, activation=activation if activation == "relu" else None
        )
        n, oc, oh, ow = expected.shape
        room = np.full((n, oc, oh + 1, ow + 2), np.nan, dtype)
        out = room[:, :, :-1, 1:-1]
        F.conv2d(x[:, ::2], w, None, stride, activation=activation, out=out, algorithm="pointwise")
        if activation == "relu":
            np.testing.assert_array_equal(out, expected)
        else:
            wanted = reference.sigmoid(expected)
            np.testing.assert_allclose(out, wanted, rtol=2e-5, atol=1e-7)
        assert np.isnan(room[:, :, -1]).all()
        assert np.isnan(room[..., [0, -1]]).all()


def test_planes_are_read_where_they_lie():
    """Without packed weights, and without scratch where planes end with whole panels."""
    w = np.ones((64, 32, 1, 1), np.float32)
    whole = fastconv.explain("conv2d", np.ones((1, 32, 24, 32), np.float32), w, threads=1)
    assert (whole.algorithm, whole.packed_weight_bytes, whole.scratch_bytes) == ("pointwise", 0, 0)
    assert whole.refusals["1x1"]
    x = np.ones((1, 32, 32, 32), np.float32).transpose(0, 2, 3, 1)
    view = np.ascontiguousarray(x).transpose(0, 3, 1, 2)
    if whole.tier != "scalar":  # where a vector is one element, it may come from anywhere
        assert fastconv.explain("conv2d", view, w).algorithm != "pointwise"


def test_channels_last_copies_nothing():
    """From pixels to pixels `1x1` takes no scratch: it reads and writes where they lie."""
    conv = fastconv.Conv2d(np.ones((48, 32, 1, 1), np.float32), algorithm="1x1")
    x = np.ones((2, 9, 9, 32), np.float32).transpose(0, 3, 1, 2)
    out = np.empty((2, 9, 9, 48), np.float32).transpose(0, 3, 1, 2)
    assert fastconv.explain(conv, x, out=out).scratch_bytes == 0
    assert fastconv.explain(conv, np.ascontiguousarray(x), out=out).scratch_bytes > 0
    np.testing.assert_array_equal(conv(x, out=out), 32)
