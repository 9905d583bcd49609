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
        found["any numbers"],
        [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]],
    )
    equal(found["bright, then dark"], [[0, 30, 30, 0]] * 4)
    equal(found["dark, then bright"], [[0, -30, -30, 0]] * 4)
    equal(
        found["edges of both directions"],
        [[0] * 4, [30, 10, -10, -30], [30, 10, -10, -30], [0] * 4],
    )


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


def test_volumes():
    found = lessons.found("06_volumes")
    edge = np.array([[0, 1, 1, 0]] * 4)
    for name, red, every in (
        ("red beside black", 30, 30),
        ("white beside black", 30, 90),
        ("red beside blue", 30, 0),
        ("white beside red", 0, 60),
    ):
        equal(found[name], [red * edge, every * edge])
    assert found["layer"].shape == (2, 4, 4)
    equal(found["layer"], found["by hand"])
    assert found[10, 3, 3] == 280
    assert found[6, 3, 5] == 456
    red, every = found["photograph"]
    assert red.shape == every.shape == (138, 208)
    assert 0.9 < np.corrcoef(red.ravel(), every.ravel())[0, 1] < 0.999


def test_a_small_network():
    found = lessons.found("07_small_network")
    shapes = [layer.output_shape for layer in found["summary"].layers if layer.kind == "Conv2d"]
    assert shapes == [(1, 10, 37, 37), (1, 20, 17, 17), (1, 40, 7, 7)]
    (flat,) = (layer for layer in found["summary"].layers if layer.kind == "Flatten")
    assert flat.output_shape == (1, 1960)
    assert list(found["fields"].values()) == [3, 7, 15]
    assert found["convolution"] == 280
    assert found["connected"][1000] == 3_000_001_000
    assert found["built"] == found["connected"][39]


def test_pooling():
    found = lessons.found("08_pooling")
    equal(found["largest"], [[9, 2], [6, 3]])
    equal(found["mean"], [[3.75, 1.25], [4, 2]])
    equal(found["five"], [[9, 9, 5], [9, 9, 5], [8, 6, 9]])
    assert found["parameters"] == [0, 0, 0, 0]
    alike = np.array(list(found["unchanged"].values()))
    assert (np.diff(alike, axis=0) > 0).all()  # the larger the window, the less a movement does
    assert (np.diff(alike, axis=1) < 0).all()
    assert alike[-1, 0] > 0.95 > 0.8 > alike[0, 0]


def test_why_convolutions():
    found = lessons.found("09_why_convolutions")
    assert [row[1:] for row in found["rows"]] == [
        ("32 × 32 × 3", 3072, 0),
        ("28 × 28 × 8", 6272, 608),
        ("14 × 14 × 8", 1568, 0),
        ("10 × 10 × 16", 1600, 3216),
        ("5 × 5 × 16", 400, 0),
        ("120", 120, 48120),
        ("84", 84, 10164),
        ("10", 10, 850),
    ]
    assert sum(row[3] for row in found["rows"]) == found["total"] == 62958
    assert found["fully connected"] == 14_450_688
    assert found["maps"] == (1, 6, 28, 28)
    assert found["shared"] == 456


def test_a_convolution_as_a_matrix():
    found = lessons.found("09_why_convolutions")
    matrix, picture = found["matrix"], found["picture"]
    assert matrix.shape == (16, 36)
    assert ((matrix != 0).sum(axis=1) == 9).all()
    assert set(np.unique(matrix)) == set(range(10))
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    np.testing.assert_allclose(
        matrix @ picture.ravel(), (windows * found["kernel"]).sum(axis=(2, 3)).ravel(), rtol=1e-4
    )
    assert found["moves along"] < 1e-4


def test_one_by_one():
    found = lessons.found("10_one_by_one")
    assert found["difference"] < 1e-3  # of numbers up to 255
    assert list(found["costs"].values()) == [(120_422_400, 153_600), (12_443_648, 15_872)]
    assert found["inception"] == (1, 256, 28, 28)
    assert found["all"] == (128_049_152, 308_281_344)
    direct, through = found["times"]
    assert through < direct


def test_four_ways_agree():
    found = lessons.found("11_speed")
    assert found["shape"] == (4, 16, 16)
    assert len(found["differences"]) == 4
    assert max(found["differences"].values()) < 1e-5
    times = found["times"]
    assert times["fastconv"] * 100 < times["loops in Python"]
