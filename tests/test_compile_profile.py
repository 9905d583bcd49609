"""The profile of a compiled network as a picture."""

import numpy as np
import pytest

from fastconv import nn
from fastconv.graph import Profile, Step, compile
from fastconv.pictures import bars

Image = pytest.importorskip("PIL.Image", reason="Pillow draws the pictures")


def pixels(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def area(picture, colour):
    return int((picture == np.uint8(colour)).all(axis=2).sum())


def test_a_bar_for_each_step(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 8, 1))
    x = np.zeros((1, 3, 32, 32), np.float32)
    for images, name in ((x, "a"), (x[:, :, :16, :20].copy(), "b")):
        compile(model, x).profile(images, repeats=2).plot(tmp_path / f"{name}.png", "Three layers")
        picture = pixels(tmp_path / f"{name}.png")
        assert picture.shape[1] == 1000
        assert area(picture, (0, 114, 178)) > 500


def test_lengths_and_colours(tmp_path):
    def step(algorithm, milliseconds, flops=10**6):
        return Step(
            "conv2d", "a layer", algorithm, "avx2", "", (1, 1, 1, 1), "NCHW", flops, 8, milliseconds
        )

    steps = [step("direct", 8.0), step("winograd_f4", 4.0), step("direct", 1.0, 0), step("", 1.0)]
    profile = Profile(steps, 14.2, 1e11, 2)
    profile.plot(tmp_path / "long.png")
    picture = pixels(tmp_path / "long.png")
    first, second, none = (
        area(picture, colour) for colour in ((0, 114, 178), (213, 94, 0), (150, 156, 163))
    )
    # Squares in the legend are all the same.
    assert first / second == pytest.approx(9 / 4, rel=0.05)
    assert second / none == pytest.approx(4, rel=0.2)
    # Of the same shape in microseconds; and a thousand steps are a picture as well.
    Profile(steps[1:] * 300, 2000.0, 1e11, 1).plot(tmp_path / "many.png")
    assert pixels(tmp_path / "many.png").shape[0] > 900 * 15


def test_many_kinds_and_long_names():
    drawn = [bars.Bar("a" * 200, "b", 1.0 + i, f"kind {i}", "") for i in range(20)]
    picture = np.asarray(bars.draw(drawn, "Many", "", "ms"))
    assert area(picture, (150, 156, 163)) > 1000
    with pytest.raises(ValueError, match="nothing to draw"):
        bars.draw([], "", "", "ms")
