"""Images in folders: a folder for each class, named after it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import images
from .dataset import Dataset
from .files import DataError

__all__ = ["ImageFolder", "ImageFolderError", "read_image_folder"]


class ImageFolderError(DataError):
    """Files that cannot be used; the text lists all of them, and so does ``problems``.

    Attributes:
        problems: (path, reason) of each.
    """

    def __init__(self, folder: Path, problems: list[tuple[Path, str]]) -> None:
        self.problems = problems
        count = f"{len(problems)} file{'s' if len(problems) != 1 else ''}"
        super().__init__(
            f"{folder}: {count} cannot be used (on_error='skip' leaves them out):\n"
            + _listed(folder, problems)
        )


@dataclass(frozen=True, eq=False)
class ImageFolder:
    """Images read from a folder.

    Attributes:
        data: Dataset; x is (N, C, H, W) uint8.
        classes: the folders' names in alphabetical order; label i is classes[i].
        paths: the file of each image.
        skipped: (path, reason) of files that were left out.
    """

    data: Dataset
    classes: list[str]
    paths: list[Path]
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    def report(self) -> str:
        """How many images each class has, and what was left out."""
        counts = np.bincount(self.data.y, minlength=len(self.classes))
        shape = self.data.x.shape[1:]
        lines = [f"{len(self.paths):,} images of {shape} in {len(self.classes)} classes"]
        for name, count in zip(self.classes, counts, strict=True):
            lines.append(f"  {images.printable(name)}: {count:,}")
        if self.skipped:
            lines.append(f"left out: {len(self.skipped)}")
            lines.append(_listed(Path(), self.skipped))
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.report()


def read_image_folder(
    path: str | os.PathLike[str],
    *,
    mode: str = "rgb",
    size: tuple[int, int] | None = None,
    on_error: str = "raise",
    max_images: int = 1_000_000,
    max_pixels: int = 100_000_000,
    max_file_bytes: int = 1 << 28,
    max_bytes: int = 1 << 31,
) -> ImageFolder:
    """Read path/CLASS/IMAGE for every folder and file there. Needs Pillow.

    Names that begin with a dot are passed over, and files that lie beside the folders of classes.
    All others in a class's folder are to be images, of a kind that ``fastconv.data.images.read``
    knows by its contents.

    Args:
        path: the folder of the classes' folders.
        mode: 'rgb': three channels; 'grey': one, 0.299 R + 0.587 G + 0.114 B, rounded.
        size: (H, W) that every image is brought to, bilinearly and without regard to its
            proportions; None: they have to be of one size.
        on_error: 'raise': files that cannot be used are all listed in one ImageFolderError; 'skip':
            they are left out and listed in the result.
        max_images: refuse a folder with more files. max_pixels, max_file_bytes: of one image: what
            exceeds them cannot be used. max_bytes: refuse when the arrays take more.

    Returns:
        ImageFolder.

    Raises:
        OSError: a folder cannot be read.
        ImageFolderError (a DataError, a ValueError): see on_error.
        DataError: there are no folders of classes, or one without images; images of different size
            and no size given; more images or bytes than allowed.
        ValueError: unknown mode or on_error; size is not two positive numbers.
        fastconv.data.images.MissingPillow (an ImportError): Pillow is not installed.
    """
    if mode not in ("rgb", "grey"):
        raise ValueError(f"read_image_folder: mode must be 'rgb' or 'grey', not {mode!r}")
    if on_error not in ("raise", "skip"):
        raise ValueError(f"read_image_folder: on_error must be 'raise' or 'skip', not {on_error!r}")
    if size is not None and not (len(size) == 2 and min(size) >= 1):
        raise ValueError(f"read_image_folder: size must be (H, W), each at least 1, not {size!r}")
    images.load_pillow()
    path = Path(path)
    classes, files = _found(path, max_images)
    made: list[np.ndarray] = []
    labels: list[int] = []
    used: list[Path] = []
    problems: list[tuple[Path, str]] = []
    total = 0
    for label, file in files:
        try:
            rgb = images.read(file, max_pixels=max_pixels, max_bytes=max_file_bytes)
        except images.ImageError as error:
            problems.append((file, str(error).removeprefix(f"{images.printable(file)}: ")))
            continue
        if size is not None and rgb.shape[:2] != tuple(size):
            rgb = images.resize(rgb, size[1], size[0])
        pixels = _channels_first(rgb, mode)
        total += pixels.nbytes
        if total > max_bytes:
            raise DataError(f"{path}: its images take more than the {max_bytes:,} bytes allowed")
        made.append(pixels)
        labels.append(label)
        used.append(file)
    if problems and on_error == "raise":
        raise ImageFolderError(path, problems)
    _check_made(path, classes, made, labels, used)
    y = np.array(labels, np.int64)
    return ImageFolder(Dataset(np.stack(made), y, np.arange(len(y))), classes, used, problems)


def _found(path: Path, max_images: int) -> tuple[list[str], list[tuple[int, Path]]]:
    """The classes, and (label, file) of every file, in alphabetical order."""
    with os.scandir(path) as entries:
        visible = [entry for entry in entries if not entry.name.startswith(".")]
    folders = sorted(entry.name for entry in visible if entry.is_dir())
    if not folders:
        raise DataError(f"{path}: there are no folders in it; expected one for each class")
    files: list[tuple[int, Path]] = []
    for label, name in enumerate(folders):
        inside = []
        with os.scandir(path / name) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    inside.append(entry.name)
                if len(files) + len(inside) > max_images:
                    raise DataError(f"{path}: more than the {max_images:,} images allowed")
        files += [(label, path / name / file) for file in sorted(inside)]
    return folders, files


def _channels_first(rgb: np.ndarray, mode: str) -> np.ndarray:
    if mode == "grey":
        return np.rint(images.luminance(rgb) * 255).astype(np.uint8)[None]
    return np.ascontiguousarray(rgb.transpose(2, 0, 1))


def _check_made(
    path: Path, classes: list[str], made: list[np.ndarray], labels: list[int], used: list[Path]
) -> None:
    there = set(labels)
    empty = [name for label, name in enumerate(classes) if label not in there]
    if empty:
        shown = ", ".join(ascii(name) for name in empty[:10])
        raise DataError(f"{path}: no usable image of class {shown} ({len(empty)} without)")
    for pixels, file in zip(made, used, strict=True):
        if pixels.shape != made[0].shape:
            (_, h, w), (_, other_h, other_w) = made[0].shape, pixels.shape
            raise DataError(
                f"{path}: {images.printable(used[0])} is {h} × {w} (height × width) and "
                f"{images.printable(file)} {other_h} × {other_w}; size=(H, W) makes them alike"
            )


def _listed(folder: Path, problems: list[tuple[Path, str]]) -> str:
    lines = []
    for file, reason in problems:
        shown = file.relative_to(folder) if file.is_relative_to(folder) else file
        lines.append(f"  {images.printable(shown)}: {reason}")
    return "\n".join(lines)
