"""Photographs of every kind read as they look; files that are none are refused in one line."""

import os
import sys
import zlib

import numpy as np
import pytest

from fastconv.data import images

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the photographs")


def scene(height=40, width=60):
    """(H, W, 3) uint8: smooth, so that lossy formats keep it, and different in every corner."""
    y, x = np.mgrid[:height, :width]
    channels = [255 * x / (width - 1), 255 * y / (height - 1), 255 * (x + y) / (width + height - 2)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def assert_close(result, expected, tolerance):
    assert result.dtype == np.uint8
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.ppm", {}, 0),
        ("a.tif", {}, 0),
        ("a.tif", {"compression": "tiff_lzw"}, 0),
        ("a.jpg", {"quality": 95, "subsampling": 0}, 8),
        ("a.jpg", {"quality": 95, "progressive": True, "subsampling": 0}, 8),
    ],
)
def test_formats(tmp_path, name, options, tolerance):
    Image.fromarray(scene()).save(tmp_path / name, **options)
    assert_close(images.read(tmp_path / name), scene(), tolerance)


def test_the_content_counts_not_the_ending(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "photo.jpg", format="PNG")
    assert_close(images.read(str(tmp_path / "photo.jpg")), scene(), 0)


def test_grey(tmp_path):
    grey = scene()[:, :, 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    assert_close(images.read(tmp_path / "a.png"), np.repeat(grey[:, :, None], 3, axis=2), 0)


def test_black_and_white(tmp_path):
    bits = scene()[:, :, 0] > 100
    Image.fromarray(bits).save(tmp_path / "a.png")
    expected = np.repeat(255 * bits[:, :, None].astype(np.uint8), 3, axis=2)
    assert_close(images.read(tmp_path / "a.png"), expected, 0)


def test_transparency_is_laid_on_white(tmp_path):
    rgb = scene()
    alpha = np.zeros(rgb.shape[:2], np.uint8)
    alpha[:, 20:40] = 128
    alpha[:, 40:] = 255
    Image.fromarray(np.dstack([rgb, alpha])).save(tmp_path / "a.png")
    weight = alpha[:, :, None] / 255
    assert_close(images.read(tmp_path / "a.png"), np.rint(rgb * weight + 255 * (1 - weight)), 1)


def test_grey_with_alpha(tmp_path):
    grey = np.full((4, 5), 100, np.uint8)
    alpha = np.full((4, 5), 0, np.uint8)
    alpha[0] = 255
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]).save(tmp_path / "a.png")
    result = images.read(tmp_path / "a.png")
    assert (result[0] == 100).all()
    assert (result[1:] == 255).all()


def test_palette_with_a_transparent_colour(tmp_path):
    indices = np.zeros((4, 6), np.uint8)
    indices[:, 3:] = 1
    picture = Image.fromarray(indices).convert("P")
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putdata(indices.ravel().tolist())
    picture.save(tmp_path / "opaque.png")
    picture.save(tmp_path / "clear.png", transparency=1)
    picture.save(tmp_path / "clear.gif", transparency=1)
    assert images.read(tmp_path / "opaque.png")[0, [0, 5]].tolist() == [
        [10, 20, 30],
        [200, 100, 50],
    ]
    for name in ("clear.png", "clear.gif"):
        assert images.read(tmp_path / name)[0, [0, 5]].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_cmyk(tmp_path):
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "a.jpg", quality=95, subsampling=0)
    assert_close(images.read(tmp_path / "a.jpg"), scene(), 10)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("top", [65535, 3000])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, name, top):
    levels = np.linspace(0, top, 60).astype(np.uint16)
    Image.fromarray(np.tile(levels, (4, 1))).save(tmp_path / name)
    expected = np.rint(levels / 257).astype(int)
    result = images.read(tmp_path / name)
    assert_close(result, np.tile(expected[:, None], (4, 1, 3)), 0)


def sixteen_bit_colour_png(pixels):
    """A PNG of 16 bits a channel, which Pillow reads but does not write."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    height, width, _ = pixels.shape
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_sixteen_bit_colour(tmp_path):
    (tmp_path / "a.png").write_bytes(sixteen_bit_colour_png(scene().astype(np.uint16) * 257))
    assert_close(images.read(tmp_path / "a.png"), scene(), 1)


def test_wide_integers_and_floats(tmp_path):
    ramp = np.linspace(0, 1, 60, dtype=np.float32)
    expected = np.tile(np.rint(255 * ramp)[:, None], (4, 1, 3)).astype(int)
    for name, levels in [
        ("unit.tif", ramp),
        ("large.tif", 5e4 * ramp - 100),
        ("int.tif", np.rint(1e6 * ramp).astype(np.int32)),
    ]:
        Image.fromarray(np.tile(levels, (4, 1))).save(tmp_path / name)
        assert_close(images.read(tmp_path / name), expected, 1)


def test_floats_that_are_no_numbers(tmp_path):
    levels = np.array([[0.0, np.nan, 1.0, np.inf, -np.inf]], np.float32)
    Image.fromarray(levels).save(tmp_path / "a.tif")
    assert images.read(tmp_path / "a.tif")[0, :, 0].tolist() == [0, 0, 255, 0, 0]


TURNS = {  # EXIF orientation → what a camera that writes it stored
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_exif_orientation(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(TURNS[orientation](scene()))
    Image.fromarray(stored).save(tmp_path / name, exif=exif, quality=95, subsampling=0)
    assert_close(images.read(tmp_path / name), scene(), 8 if name == "a.jpg" else 0)


def refusal(path):
    with pytest.raises(images.ImageError) as caught:
        images.read(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.isprintable()
    return text


def test_missing_file(tmp_path):
    assert refusal(tmp_path / "nothing.png") == f"{tmp_path / 'nothing.png'}: no such file"


def test_folder(tmp_path):
    assert "folder" in refusal(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.png").touch()
    assert "empty" in refusal(tmp_path / "a.png")


def test_text_file(tmp_path):
    (tmp_path / "a.jpg").write_text("not a photograph")
    assert "not an image" in refusal(tmp_path / "a.jpg")


def test_postscript_is_not_run(tmp_path):
    Image.fromarray(scene()).save(tmp_path / "a.eps")
    assert "not an image" in refusal(tmp_path / "a.eps")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "regular" in refusal(tmp_path / "pipe")


def test_odd_names(tmp_path):
    assert "a?b" in refusal(tmp_path / "a\nb.png")
    refusal("null\0character.png")
    refusal("x" * 5000)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif", "a.bmp", "a.webp"])
def test_truncated(tmp_path, name):
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "damaged" in refusal(path) or "not an image" in refusal(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif", "a.bmp", "a.ppm", "a.webp"])
def test_damaged_bytes_give_a_picture_or_an_image_error(tmp_path, name):
    path = tmp_path / name
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene()).save(path, exif=exif)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(150):
        damaged = bytearray(whole)
        # Half of the damage to the head, where the structure is.
        limit = min(len(whole), 200) if rng.integers(2) else len(whole)
        for place in rng.integers(0, limit, rng.integers(1, 5)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            result = images.read(path)
        except images.ImageError:
            continue
        assert result.dtype == np.uint8
        assert result.shape[2:] == (3,)


def test_giant_size_is_refused_before_it_is_decoded(tmp_path):
    whole = bytearray(sixteen_bit_colour_png(np.zeros((1, 1, 3), np.uint16)))
    for side in (12_000, 100_000):  # above our limit; above Pillow's own as well
        whole[16:24] = side.to_bytes(4, "big") * 2
        whole[29:33] = zlib.crc32(bytes(whole[12:29])).to_bytes(4, "big")
        (tmp_path / "bomb.png").write_bytes(whole)
        assert "pixels that are read" in refusal(tmp_path / "bomb.png")


def test_large_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 10)
    Image.fromarray(scene()).save(tmp_path / "a.png")
    assert "more than 10" in refusal(tmp_path / "a.png")


def test_missing_pillow_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(images.MissingPillow, match=r"pip install fastconv\[demo\]"):
        images.read(images.SAMPLE)


def test_luminance():
    rgb = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    np.testing.assert_allclose(images.luminance(rgb), [[0.299, 0.587, 0.114, 1]], rtol=1e-6)
    assert images.luminance(rgb).dtype == np.float32


def test_resize():
    assert_close(images.resize(scene(), 30, 20)[1:-1, 1:-1], scene(20, 30)[1:-1, 1:-1], 4)
