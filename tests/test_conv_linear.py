"""Convolutions whose window is the whole map: linear layers that read weights where they lie."""

import numpy as np
import pytest
import sweeps

import fastconv
import fastconv.functional as F
from fastconv import reference

DTYPES = (np.float32, np.float64)


def values(shape, *names, dtype):
    """Seeded values whose sums are rounded."""
    return (sweeps.integers(shape, *names) / 7).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=("f32", "f64"))
@pytest.mark.parametrize(
    ("ic", "oc", "size", "groups"),
    [(24, 96, (1, 1), 1), (16, 35, (5, 5), 1), (1100, 9, (1, 1), 1), (18, 12, (7, 10), 3)],
    ids=str,
)
def test_bits_do_not_depend_on_threads_batch_or_layout(ic, oc, size, groups, dtype):
    x = values((15, ic, *size), "x", ic, dtype=dtype)
    w = values((oc, ic // groups, *size), "w", ic, dtype=dtype)
    bias = values((oc,), "bias", dtype=dtype)
    residual = values((15, oc, 1, 1), "residual", ic, dtype=dtype)

    def run(x, w, residual, **how):
        how |= {"groups": groups, "residual": residual, "activation": "relu6"}
        return F.conv2d(x, w, bias, algorithm="linear", **how)

    expected = run(x, w, residual, threads=1)
    for threads in (2, 3, 16):
        np.testing.assert_array_equal(run(x, w, residual, threads=threads), expected, strict=True)
    for step in (1, 4, 7):
        pieces = [run(x[i : i + step], w, residual[i : i + step]) for i in range(0, len(x), step)]
        np.testing.assert_array_equal(np.concatenate(pieces), expected, strict=True)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    wide = np.repeat(np.repeat(x, 2, axis=3), 3, axis=0)[::3, :, :, ::2]
    tall = np.repeat(x, 2, axis=2)[:, :, ::2]
    turned = np.ascontiguousarray(w[:, :, ::-1, ::-1])[:, :, ::-1, ::-1]
    for a in (x, last, wide, tall, x[:, ::-1].copy()[:, ::-1]):
        for b in (w, turned, np.asfortranarray(w)):
            np.testing.assert_array_equal(run(a, b, residual, threads=2), expected, strict=True)
    layer = fastconv.Conv2d(w, bias, groups=groups, activation="relu6", algorithm="linear")
    np.testing.assert_array_equal(layer(x, residual=residual), expected, strict=True)


@pytest.mark.parametrize("threads", [1, 3])
def test_images_are_gathered_a_bounded_number_at_a_time(threads):
    """More of them than are copied at once, from a channels-last source, with a wide result."""
    n, c, size = 53, 700, (9, 8)
    x = sweeps.integers((n, *size, c), "last", dtype=np.float32).transpose(0, 3, 1, 2)
    w = sweeps.integers((3, c, *size), "w", dtype=np.float32)
    residual = sweeps.integers((n, 3, 1, 1), "residual", dtype=np.float32)
    wide = np.full((n, 5, 1, 1), np.nan, np.float32)
    out = wide[:, 1:4]
    how = {"algorithm": "linear", "threads": threads}
    F.conv2d(x, w, residual=residual, out=out, **how)
    np.testing.assert_array_equal(out, reference.conv2d(x, w, residual=residual))
    assert np.isnan(wide[:, [0, 4]]).all()
    told = [fastconv.explain("conv2d", x[:k], w, threads=1).scratch_bytes for k in (1, 20, n)]
    assert told == [x[0].nbytes, 20 * x[0].nbytes, 20 * x[0].nbytes]


def test_it_is_chosen_for_whole_maps_and_refused_elsewhere():
    x = np.ones((1, 16, 5, 5), np.float32)
    w = np.ones((120, 16, 5, 5), np.float32)
    told = fastconv.explain("conv2d", x, w, threads=1)
    assert (told.algorithm, told.packed_weight_bytes, told.scratch_bytes) == ("linear", 0, 0)
    assert fastconv.explain(fastconv.Conv2d(w), x).algorithm == "linear"
    with fastconv.precision("strict"):
        assert fastconv.explain("conv2d", x, w).algorithm == "linear"
    padded = fastconv.explain("conv2d", x, w, padding=1)
    assert "not the whole map" in padded.refusals["linear"]
    for bad in ({"padding": 1}, {"padding": ((0, 1), (0, 0))}):
        with pytest.raises(ValueError, match=r"linear.*not the whole map"):
            F.conv2d(x, w, algorithm="linear", **bad)
    apart = np.zeros((1, 240, 1, 1), np.float32)[:, ::2]
    with pytest.raises(ValueError, match="side by side"):
        F.conv2d(x, w, algorithm="linear", out=apart)
    np.testing.assert_array_equal(F.conv2d(x, w, out=apart), np.full((1, 120, 1, 1), 400))
