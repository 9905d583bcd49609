"""Pictures: ticks, curves with gaps and on logarithmic axes, kernels, panels, matrices, digits."""

import doctest
import math

import numpy as np
import pytest

pytest.importorskip("PIL.Image", reason="Pillow draws the pictures")

from fastconv.pictures import canvas, charts, matrix, panels, tiles

RNG = np.random.default_rng(0)
RED = (255, 0, 0)


def pixels(picture):
    array = np.asarray(picture)
    assert array.dtype == np.uint8
    assert array.shape[2] == 3
    return array


def paper_around(array):
    """Whether nothing touches the border, as what is cut off would."""
    edge = np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])
    return bool((edge == 255).all())


def count(array, colour):
    return int((array == colour).all(axis=2).sum())


def one(y, **options):
    y = np.asarray(y, float)
    line = charts.Line("line", np.arange(1, len(y) + 1), y, RED, 3)
    return pixels(charts.draw([charts.Panel("Panel", [line], **options)], "Title", "subtitle"))


def runs(array, colour):
    """In how many pieces, from left to right, the colour's columns lie, the legend left out."""
    columns = (array[120:] == colour).all(axis=2).any(axis=0)
    return int(columns[0]) + int(np.count_nonzero(np.diff(columns.astype(int)) == 1))


@pytest.mark.parametrize(
    "module", [canvas, charts, matrix, panels, tiles], ids=lambda m: m.__name__
)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


# ---- legends


@pytest.mark.parametrize("names", [["a"], ["a rather long name", "another one as long"] * 2])
def test_a_legend_keeps_clear_of_the_title(names):
    x = np.array([1.0, 2.0])
    lines = [charts.Line(name, x, x, RED, 3) for name in names]
    picture = pixels(charts.draw([charts.Panel("Norm of each gradient", lines)], "Title"))
    legend = np.argwhere((picture[:118] == RED).all(axis=2))
    assert len(legend) > 20 * len(names)
    title = np.argwhere((picture[78:98, 74:260] < 128).all(axis=2)) + (78, 74)
    across = legend[:, 1].min(), title[:, 1].max()
    assert across[0] > across[1] or legend[:, 0].min() > title[:, 0].max()


# ---- axes


@pytest.mark.parametrize("low", [0, -1, 0.1, 17, 1e-7, -3e5, 0.9991])
@pytest.mark.parametrize("span", [1e-4, 0.05, 1, 7, 12345, 3e8])
@pytest.mark.parametrize("most", [2, 6, 10])
def test_ticks(low, span, most):
    found = charts.ticks(low, low + span, most)
    assert len(found) <= most + 1
    assert all(low - 1e-9 * span <= tick <= low + span * (1 + 1e-9) for tick in found)
    if most > 2:
        assert len(found) >= 2
        steps = np.diff(found)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-4)
        leading = steps[0] / 10.0 ** math.floor(math.log10(steps[0]) + 1e-9)
        assert min(abs(leading - factor) for factor in (1, 2, 5, 10)) < 1e-3


@pytest.mark.parametrize("span", [1.2, 3, 50, 1e6, 1e25])
def test_logarithmic_ticks(span):
    found = charts._log_ticks(0.013, 0.013 * span)
    assert found == sorted(found)
    assert len(found) <= 12
    if span >= 3:
        assert len(found) >= 2


# ---- curves


def test_a_line_goes_from_edge_to_edge_and_up():
    array = one([1, 2, 3, 4])
    assert paper_around(array)
    place = np.argwhere((array[120:] == RED).all(axis=2))
    left, right = place[place[:, 1].argmin()], place[place[:, 1].argmax()]
    assert (left[1], right[1]) == pytest.approx((74, 900 - 26), abs=3)
    assert left[0] > right[0] + 200  # up is towards the top
    assert count(array, RED) > 500


def test_what_is_not_finite_is_a_gap():
    assert runs(one([1, 2, 3, 4, 5, 6]), RED) == 1
    assert runs(one([1, 2, math.nan, 4, 5, 6]), RED) == 2
    assert runs(one([1, 2, math.inf, -math.inf, 5, 6]), RED) == 2
    assert runs(one([1, 2, 0, 4, 5, -1], logarithmic=True), RED) == 2


@pytest.mark.parametrize(
    "y", [[3.0], [0.0, 0.0], [-1e-12, 1e-12], [1e30, 2e30], [5, 5, 5], [1e-250, 1e250]]
)
@pytest.mark.parametrize("options", [{}, {"logarithmic": True}, {"percent": True}])
def test_odd_ranges(y, options):
    if options.get("logarithmic"):
        y = [abs(value) + 1e-250 for value in y]
    array = one(y, **options)
    assert paper_around(array)
    assert count(array, RED) > 20


def test_logarithmic_axes_are():
    """A geometric sequence is a straight line: its middle is half way up."""
    array = one([1, 10, 100, 1000, 10000], logarithmic=True)
    place = np.argwhere((array[120:] == RED).all(axis=2))
    middle = place[np.abs(place[:, 1] - (74 + 800 / 2)) <= 1][:, 0].mean()
    assert middle == pytest.approx((place[:, 0].min() + place[:, 0].max()) / 2, abs=3)


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="nothing to draw"):
        charts.draw([], "Title")
    with pytest.raises(ValueError, match="Panel has no finite number"):
        one([math.nan, math.nan])
    with pytest.raises(ValueError, match="no finite number"):
        one([0.0, -1.0], logarithmic=True)


def test_marks_and_many_lines():
    colours = canvas.ramp(30)
    assert len(set(colours)) == 30
    x = np.arange(100)
    lines = [
        charts.Line(f"layer {i}" if i in (0, 29) else "", x, np.exp(-x / 50 - i / 4), colour)
        for i, colour in enumerate(colours)
    ]
    panel = charts.Panel("Many", lines, "step", True, (60.0, "here"))
    array = pixels(charts.draw([panel, panel], "Two panels"))
    assert paper_around(array)
    assert all(count(array, colour) > 100 for colour in colours)


def test_ramp_gets_lighter():
    lightness = [0.3 * r + 0.59 * g + 0.11 * b for r, g, b in canvas.ramp(9)]
    assert lightness == sorted(lightness)


def test_text_that_the_typeface_lacks():
    drawing = canvas.Canvas(300, 60)
    drawing.text((10, 10), "naïve – 日本 × \n→", 14)
    assert (pixels(drawing.finish()) != 255).any()


# ---- tiles


def test_kernels_of_one_channel():
    weight = np.zeros((7, 1, 5, 5), np.float32)
    weight[0, 0, 0, 0], weight[3, 0, 2, 2] = 2.0, -2.0
    array = pixels(tiles.kernels(weight, "Kernels"))
    assert paper_around(array)
    side = 24 * 24
    assert count(array, (178, 24, 43)) == pytest.approx(side, rel=0.1)
    assert count(array, (33, 102, 172)) == pytest.approx(side, rel=0.1)


@pytest.mark.parametrize("shape", [(64, 3, 7, 7), (1, 1, 1, 1), (200, 5, 3, 3), (4, 2, 11, 3)])
def test_kernels_of_any_shape(shape):
    array = pixels(tiles.kernels(RNG.normal(size=shape), "Kernels"))
    assert paper_around(array)
    assert len(np.unique(array.reshape(-1, 3), axis=0)) > 3


def test_kernels_of_zeros_and_of_no_shape():
    tiles.kernels(np.zeros((2, 1, 3, 3)), "Nothing")
    with pytest.raises(ValueError, match="expected"):
        tiles.kernels(np.zeros((2, 3)), "Nothing")


@pytest.mark.parametrize("number", [0, 1, 8, 9, 40])
def test_digits(number):
    images = np.zeros((number, 28, 28), np.uint8)
    images[:, 8:20, 13:15] = 255
    captions = [(f"{i} taken for 1", "sure by 99 %") for i in range(number)]
    array = pixels(tiles.digits(images, captions, "Misread", "500 digits"))
    assert paper_around(array)
    ink = 12 * 2 * 9
    assert count(array, (0, 0, 0)) == number * ink


# ---- panels


def test_panels_of_all_kinds():
    photograph = np.zeros((40, 60, 3), np.uint8)
    photograph[...] = RED
    rows = [
        [
            panels.Numbers(np.array([[1.0, -1.0], [0.0, -0.001]]), "kernel", "2 × 2", 1, 40),
            panels.Sign("*"),
            panels.Picture(photograph, "a caption that is wider than the picture", scale=2),
        ],
        [panels.Sign("="), panels.Numbers(np.zeros((3, 20)))],
    ]
    array = pixels(panels.draw(rows, "Title", "subtitle"))
    assert paper_around(array)
    assert count(array, RED) == 120 * 80 - 2 * (120 + 80) + 4  # less the frame
    red, blue = (tuple(map(int, tiles.diverging(np.array(level)))) for level in (0.55, -0.55))
    for colour in (red, blue):  # a cell less its number and its frame
        assert 0.6 * 40 * 40 < count(array, colour) < 40 * 40


def test_panels_stand_in_the_middle_of_their_row():
    tall, low = np.zeros((90, 30, 3), np.uint8), np.zeros((30, 30, 3), np.uint8)
    tall[...], low[...] = RED, (0, 0, 255)
    row = [panels.Picture(tall), panels.Picture(low)]
    array = pixels(panels.draw([row], "Title"))
    red, blue = (
        np.argwhere((array == colour).all(axis=2)).mean(axis=0) for colour in (RED, (0, 0, 255))
    )
    assert red[0] == pytest.approx(blue[0], abs=1)
    assert red[1] + 30 < blue[1]


@pytest.mark.parametrize("digits", [0, 2])
def test_numbers_have_no_negative_zero(digits):
    one, other = (
        pixels(panels.draw([[panels.Numbers(np.array([[v, 1.0]]), digits=digits)]], "Title"))
        for v in (-0.0001, 0.0)
    )
    assert np.abs(one.astype(int) - other).max() <= 2  # the colour of a value near 0


def test_signed_maps():
    values = RNG.normal(size=(40, 50))
    values[0, 0] = 1e6
    colours = panels.signed(values)
    assert colours[0, 0].tolist() == [178, 24, 43]
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) > 100  # one extreme does not fade them
    assert (panels.signed(np.zeros((4, 4))) == 255).all()


def test_no_panels():
    with pytest.raises(ValueError, match="nothing to draw"):
        panels.draw([[]], "Title")


# ---- the matrix


@pytest.mark.parametrize("classes", [1, 2, 10, 40])
def test_confusion(classes):
    counts = RNG.integers(0, 3, (classes, classes)) + 50 * np.eye(classes, dtype=int)
    names = [f"class {i}" for i in range(classes)]
    array = pixels(matrix.confusion(counts, "Matrix", "told", names))
    assert paper_around(array)
    coloured = np.ptp(array.astype(int), axis=2) > 40
    cell = max(26, min(52, 620 // classes))
    assert coloured.sum() > 0.6 * classes * cell**2


def test_confusion_of_classes_that_do_not_occur():
    matrix.confusion(np.zeros((3, 3), int), "Nothing")
    matrix.confusion(np.diag([5, 0, 2]), "No mistakes")
    with pytest.raises(ValueError, match=r"\(K, K\)"):
        matrix.confusion(np.zeros((2, 3), int), "Matrix")
