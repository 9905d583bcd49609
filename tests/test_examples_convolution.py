"""What the lessons on convolution find: the numbers of the lectures, and what the pages say."""

import lessons
import numpy as np
import pytest

pytest.importorskip("PIL.Image", reason="Pillow reads the photograph and draws")

SOBEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


def equal(actual, expected):
    """Whole numbers, but for how convolutions may round."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


def test_edges_of_six_by_six_pixels():
    found = lessons.found("01_edges")
    equal(
        found["first"],
        [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]],
    )
    equal(found["bright to dark"], [[0, 30, 30, 0]] * 4)
    equal(found["dark to bright"], [[0, -30, -30, 0]] * 4)
    equal(found["horizontal"], [[0] * 4, [30, 10, -10, -30], [30, 10, -10, -30], [0] * 4])


def test_slanted_edges():
    found = lessons.found("01_edges")
    assert (found["answers"].argmax(axis=1) == range(4)).all()
    angles = np.deg2rad([0, 45, 70, 90])
    cosines = np.cos(angles[:, None] - angles)
    np.testing.assert_allclose(found["answers"], cosines, atol=0.01)
    wrong = {name: np.abs(seen - np.arange(0, 91, 15)).max()
             for name, seen in found["direction"].items()}  # fmt: skip
    assert wrong["Scharr"] < 0.2 < wrong["Sobel"] < 0.6 < wrong["1, 1, 1"]


def test_edges_of_the_photograph():
    steep = lessons.found("01_edges")["steep"]
    assert steep["Sobel"].shape == (138, 208)
    assert np.corrcoef(steep["Sobel"].ravel(), steep["Scharr"].ravel())[0, 1] > 0.99
    top = np.unravel_index(steep["Sobel"].argmax(), steep["Sobel"].shape)
    assert 25 < top[0] < 75  # one of the eyes


def test_learned_kernels():
    found = lessons.found("02_learned_kernels")
    errors = {name: error[-1] for name, error in found["errors"].items()}
    assert errors["noise"] < 1e-4
    assert errors["photograph, momentum"] < 0.06
    assert errors["photograph"] > 3 * errors["photograph, momentum"]
    assert found["errors"]["noise"][3] < 1e-3
    np.testing.assert_allclose(found["learned"][0, 0], SOBEL, atol=0.06)
    np.testing.assert_allclose(found["learned"][3, 0], -SOBEL.T, atol=0.06)
    large, small = found["curvatures"]["photograph"]
    assert large / small > 1000


def test_padding():
    found = lessons.found("03_padding")
    for (n, f, p), side in found["sizes"].items():
        assert side == n + 2 * p - f + 1
    assert found["sizes"][6, 3, 0] == 4
    assert found["sizes"][6, 3, 1] == 6
    equal(found["uses"]["valid"][:3, :3], [[1, 2, 3], [2, 4, 6], [3, 6, 9]])
    equal(found["uses"]["same"][:2, :2], [[4, 6], [6, 9]])
    equal(found["borders"]["zeros"][1:4, :3], [[0, 0, 0], [0, 0, 1], [0, 0, 5]])
    equal(found["borders"]["reflect"][2], [3, 2, 1, 2, 3, 4, 3, 2])
    equal(found["borders"]["replicate"][2], [1, 1, 1, 2, 3, 4, 4, 4])
    equal(found["borders"]["circular"][2], [3, 4, 1, 2, 3, 4, 1, 2])
    false = found["false edges"]
    assert false["zeros"] > 5 > false["circular"] > 1 > false["replicate"]
    assert false["reflect"] < 1


def test_even_kernels_move_by_half_a_pixel():
    moved = lessons.found("03_padding")["shift"]
    for f, padding, expected in ((3, "same", 0), (2, "same", -4), (2, "same_lower", 4)):
        assert moved[f, padding] == pytest.approx(expected, abs=1e-3)
    assert moved[4, "same"] == pytest.approx(-4, abs=1e-3)


def test_stride():
    found = lessons.found("04_stride")
    equal(found["strided"], [[91, 100, 88], [69, 91, 117], [44, 72, 74]])
    equal(found["strided"], found["dense"][::2, ::2])
    for (n, f, p, s), (side, products) in found["costs"].items():
        assert side == (n + 2 * p - f) // s + 1
        assert products == side**2 * f**2
    assert [edges.shape for edges in found["steep"].values()] == [(160, 240), (80, 120), (40, 60)]


def test_true_convolution():
    found = lessons.found("05_true_convolution")
    equal(found["convolution"], found["flipped"])
    assert np.abs(found["convolution"] - found["correlation"]).max() > 1
    assert found["differences"]["convolution"] < 1e-3
    assert found["differences"]["cross-correlation"] > 10
    equal(found["kernel"][2] * 16, [6, 12, 0, -12, -6])
    np.testing.assert_allclose(found["once"], found["twice"], atol=1e-5)
