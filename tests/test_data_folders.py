"""Folders of images: classes by name, and every file that cannot be used is named."""

import sys
import zlib

import numpy as np
import pytest

from fastconv.data import DataError, ImageFolderError, images, read_image_folder

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the photographs")


@pytest.fixture
def folder(tmp_path):
    """Two classes of 6 × 4 images, with things beside them that are none."""
    rng = np.random.default_rng(0)
    for name in ("dog", "cat"):
        (tmp_path / name).mkdir()
        for number in range(3):
            pixels = rng.integers(0, 256, (6, 4, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "dog" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "README.txt").write_text("beside the classes")
    return tmp_path


def test_classes_are_folders(folder):
    found = read_image_folder(folder)
    assert found.classes == ["cat", "dog"]
    assert found.data.x.shape == (6, 3, 6, 4)
    assert found.data.x.dtype == np.uint8
    assert found.data.y.tolist() == [0, 0, 0, 1, 1, 1]
    for path, x, y in zip(found.paths, found.data.x, found.data.y, strict=True):
        assert path.parent.name == found.classes[y]
        np.testing.assert_array_equal(x, np.asarray(Image.open(path)).transpose(2, 0, 1))
    assert found.skipped == []
    assert str(found).splitlines() == ["6 images of (3, 6, 4) in 2 classes", "  cat: 3", "  dog: 3"]


def test_grey(folder):
    colours = read_image_folder(folder).data.x.astype(np.float64)
    found = read_image_folder(folder, mode="grey").data.x
    assert found.shape == (6, 1, 6, 4)
    expected = np.tensordot(colours, [0.299, 0.587, 0.114], ([1], [0]))
    assert np.abs(found[:, 0] - expected).max() <= 0.501


def test_resize(folder):
    Image.fromarray(np.full((9, 12, 3), 77, np.uint8)).save(folder / "cat" / "large.png")
    with pytest.raises(DataError, match=r"0\.png is 6 × 4 .*large\.png 9 × 12; size="):
        read_image_folder(folder)
    found = read_image_folder(folder, size=(6, 4))
    assert found.data.x.shape == (7, 3, 6, 4)
    assert (found.data.x[3] == 77).all()


def spoil(folder):
    (folder / "cat" / "text.png").write_text("no image")
    (folder / "cat" / "folder").mkdir()
    whole = (folder / "dog" / "0.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "empty.png").write_bytes(b"")
    header = b"IHDR" + (100_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    huge = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + header
    (folder / "dog" / "huge.png").write_bytes(
        huge + zlib.crc32(header).to_bytes(4, "big") + whole[33:]
    )


BROKEN = ["cat/folder", "cat/text.png", "dog/cut.png", "dog/empty.png", "dog/huge.png"]


def test_all_broken_files_are_in_one_error(folder):
    spoil(folder)
    with pytest.raises(ImageFolderError) as caught:
        read_image_folder(folder)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{folder}: 5 files cannot be used")
    assert [line.split(":")[0].strip() for line in lines[1:]] == BROKEN
    reasons = dict(line.strip().split(": ", 1) for line in lines[1:])
    assert reasons["cat/folder"] == "is a folder, not a file"
    assert "not an image" in reasons["cat/text.png"]
    assert reasons["dog/empty.png"] == "is empty"
    assert "pixels that are read" in reasons["dog/huge.png"]
    assert [str(path.relative_to(folder)) for path, _ in caught.value.problems] == BROKEN


def test_broken_files_are_left_out_on_request_and_reported(folder):
    sound = read_image_folder(folder)
    spoil(folder)
    found = read_image_folder(folder, on_error="skip")
    np.testing.assert_array_equal(found.data.x, sound.data.x)
    assert found.paths == sound.paths
    assert [str(path.relative_to(folder)) for path, _ in found.skipped] == BROKEN
    assert "left out: 5" in found.report()
    assert "cut.png: damaged or incomplete" in found.report()


def test_caps(folder):
    assert len(read_image_folder(folder, max_images=6, max_pixels=24, max_bytes=432).paths) == 6
    with pytest.raises(DataError, match="more than the 5 images"):
        read_image_folder(folder, max_images=5)
    with pytest.raises(ImageFolderError, match=r"6 files .*\n.*more than the 23 pixels"):
        read_image_folder(folder, max_pixels=23)
    with pytest.raises(ImageFolderError, match="more than 20"):
        read_image_folder(folder, max_file_bytes=20)
    with pytest.raises(DataError, match="more than the 431 bytes"):
        read_image_folder(folder, max_bytes=431)


def test_folders_without_images(folder, tmp_path):
    (folder / "emu").mkdir()
    with pytest.raises(DataError, match="no usable image of class 'emu'"):
        read_image_folder(folder)
    with pytest.raises(DataError, match="no folders in it"):
        read_image_folder(folder / "emu")
    with pytest.raises(FileNotFoundError):
        read_image_folder(folder / "none")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "L"}, "mode must"),
        ({"on_error": "x"}, "on_error must"),
        ({"size": (0, 1)}, "size"),
    ],
)
def test_unfit_arguments(folder, options, says):
    with pytest.raises(ValueError, match=says):
        read_image_folder(folder, **options)


def test_missing_pillow_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(images.MissingPillow, match=r"pip install fastconv\[demo\]"):
        read_image_folder(folder)
