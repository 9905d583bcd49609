"""Photographs from files of any kind as plain arrays: (H, W, 3), uint8, red first.

A file may be of any colour mode (grey, palette, transparent, CMYK, 16 bits a channel), and may say
in its EXIF block that the camera was held sideways. It may also be missing, damaged, no image at
all, or made to exhaust the memory; then it is an ImageError whose text is one line.
"""

import os
import stat
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

__all__ = [
    "ImageError",
    "MissingPillow",
    "load_pillow",
    "luminance",
    "middle",
    "printable",
    "read",
    "resize",
]

MAX_PIXELS = 100_000_000
MAX_FILE_BYTES = 1 << 28

# Formats that Pillow decodes by itself. Not in the list are those that start another program
# (EPS), follow references to other files, or hardly occur as photographs.
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "AVIF", "JPEG2000", "TIFF", "GIF", "BMP", "PPM")


class ImageError(ValueError):
    """A file that cannot be read as a photograph; the text names it and says why, in one line."""


class MissingPillow(ImportError):
    """Pillow is not installed; the text says how to install it."""


def load_pillow() -> tuple[ModuleType, ModuleType]:
    """(PIL.Image, PIL.ImageOps).

    Raises:
        MissingPillow: they cannot be imported.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingPillow(
            "photographs are read with Pillow, which cannot be imported "
            f"({printable(error)}): pip install fastconv[demo]"
        ) from error
    return Image, ImageOps


def read(
    path: str | os.PathLike[str], *, max_pixels: int | None = None, max_bytes: int | None = None
) -> np.ndarray:
    """Read a photograph.

    Args:
        path: a JPEG, PNG, WebP, AVIF, JPEG 2000, TIFF, GIF (its first picture), BMP or PPM file.
        max_pixels, max_bytes: refuse a larger picture, a larger file; None is 100 million pixels,
            256 MiB.

    Returns:
        (H, W, 3) uint8 in RGB, turned upright as EXIF says. Transparent parts are laid on white.
        16-bit channels keep their high bits: 65535 becomes 255.

    Raises:
        ImageError: there is no such file, it is no image, is damaged, or is too large.
        MissingPillow: Pillow is not installed.

    >>> from fastconv.data import images
    >>> images.read(images.SAMPLE).shape
    (300, 451, 3)
    """
    image_module, image_ops = load_pillow()
    path = Path(path)
    max_pixels = MAX_PIXELS if max_pixels is None else max_pixels
    _check_file(path, MAX_FILE_BYTES if max_bytes is None else max_bytes)
    image_module.init()
    formats = [name for name in _FORMATS if name in image_module.OPEN]
    try:
        with warnings.catch_warnings():
            # Pillow warns of harmless oddities, and of sizes that are checked below.
            warnings.simplefilter("ignore")
            with image_module.open(path, formats=formats) as image:
                _check_size(path, image.size, max_pixels)
                rgb = _to_rgb(image_ops.exif_transpose(image), image_module)
    except ImageError:
        raise
    except MemoryError as error:
        raise _refusal(path, "takes more memory than there is") from error
    except image_module.UnidentifiedImageError as error:
        known = ", ".join(formats)
        raise _refusal(path, f"not an image of a kind that is read ({known})") from error
    except image_module.DecompressionBombError as error:
        raise _refusal(path, f"more than the {max_pixels:,} pixels that are read") from error
    # Damaged files make Pillow's decoders raise almost anything: OSError, SyntaxError, KeyError,
    # struct.error, zlib.error, OverflowError, …
    except Exception as error:
        raise _refusal(path, f"damaged or incomplete ({error or type(error).__name__})") from error
    return rgb


def resize(
    rgb: np.ndarray, width: int, height: int, kernel: Literal["bilinear", "bicubic"] = "bilinear"
) -> np.ndarray:
    """The picture in another size, with every source pixel counted when it gets smaller.

    Args:
        rgb: (H, W, 3) uint8.
        kernel: what each new pixel weighs its neighbours with.

    Returns:
        (height, width, 3) uint8.

    Raises:
        MissingPillow: Pillow is not installed. ValueError: there is no such kernel.

    >>> resize(np.full((4, 6, 3), 9, np.uint8), 3, 2).tolist()
    [[[9, 9, 9], [9, 9, 9], [9, 9, 9]], [[9, 9, 9], [9, 9, 9], [9, 9, 9]]]
    """
    if kernel not in ("bilinear", "bicubic"):
        raise ValueError(f"resize: kernel is {kernel!r}, expected 'bilinear' or 'bicubic'")
    image_module, _ = load_pillow()
    resample = image_module.Resampling[kernel.upper()]
    return np.asarray(image_module.fromarray(rgb).resize((width, height), resample))


def middle(
    rgb: np.ndarray,
    shorter: int,
    side: int,
    kernel: Literal["bilinear", "bicubic"] = "bilinear",
) -> np.ndarray:
    """The square in the middle of a picture whose shorter side is first made so many pixels long:
    how most networks for ImageNet are evaluated.

    Args:
        rgb: (H, W, 3) uint8.
        shorter: pixels of the shorter side; the other in proportion, rounded.
        side: pixels of the square, at most shorter. Of an odd rest the one more is cut off below
            and on the right.
        kernel: as for ``resize``.

    Returns:
        (side, side, 3) uint8.

    Raises:
        ValueError: the square does not fit; or as resize. MissingPillow: Pillow is not installed.

    >>> middle(np.full((40, 60, 3), 9, np.uint8), 8, 7).shape
    (7, 7, 3)
    """
    if side > shorter:
        raise ValueError(
            f"middle: side is {side} and the shorter side of the picture {shorter}; give a smaller "
            f"square"
        )
    height, width, _ = rgb.shape
    factor = shorter / min(height, width)
    scaled = resize(rgb, round(width * factor), round(height * factor), kernel)
    top, left = ((size - side) // 2 for size in scaled.shape[:2])
    return scaled[top : top + side, left : left + side]


def luminance(rgb: np.ndarray) -> np.ndarray:
    """How bright each pixel looks: (H, W) float32 in 0 … 1.

    Formula:
        (0.299 R + 0.587 G + 0.114 B) / 255

    Source: ITU-R BT.601.

    >>> luminance(np.array([[[255, 255, 255], [0, 0, 0]]], np.uint8))
    array([[1., 0.]], dtype=float32)
    """
    return (rgb @ np.array([0.299, 0.587, 0.114]) / 255).astype(np.float32)


def printable(text: object) -> str:
    """The text in one line: what a terminal would not show as a character becomes a '?'.

    >>> printable("a\\nb")
    'a?b'
    """
    return "".join(char if char.isprintable() else "?" for char in str(text))


SAMPLE = Path(__file__).resolve().parent / "chelsea.jpg"


def _refusal(path: Path, problem: str) -> ImageError:
    return ImageError(printable(f"{path}: {problem}"))


def _check_file(path: Path, max_bytes: int) -> None:
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise _refusal(path, "no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise _refusal(path, f"cannot be opened ({reason})") from error
    if stat.S_ISDIR(status.st_mode):
        raise _refusal(path, "is a folder, not a file")
    # To open a named pipe would wait for a writer, and a device may never end.
    if not stat.S_ISREG(status.st_mode):
        raise _refusal(path, "is not a regular file")
    if status.st_size == 0:
        raise _refusal(path, "is empty")
    if status.st_size > max_bytes:
        raise _refusal(path, f"has {status.st_size:,} bytes, more than {max_bytes:,}")


def _check_size(path: Path, size: tuple[int, int], max_pixels: int) -> None:
    """Refuse a size that the header announces, before anything is decoded."""
    width, height = size
    if width * height > max_pixels:
        raise _refusal(
            path, f"{width:,} × {height:,} is more than the {max_pixels:,} pixels that are read"
        )


def _to_rgb(image: Any, image_module: ModuleType) -> np.ndarray:
    """(H, W, 3) uint8 from an image of any mode."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        image = image_module.fromarray(_to_eight_bits(np.asarray(image), image.mode))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = image_module.new("RGBA", image.size, "white")
        image = image_module.alpha_composite(white, image)
    return np.array(image.convert("RGB"))


def _to_eight_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """Grey levels of 16 or 32 bits as uint8.

    Where the file's range is known (16 bits; floats in 0 … 1) it is kept, so a dark photograph
    stays dark; where it is not, the levels are stretched from the darkest to the brightest.
    """
    values = np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = values.min(), values.max()
    full = 1.0 if mode == "F" else 65535.0
    if low < 0 or high > full:
        values, full = values - low, high - low
    return np.rint(values * (255.0 / full)).astype(np.uint8)
