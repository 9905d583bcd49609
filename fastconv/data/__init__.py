"""Data for experiments: reading it, splitting it, changing it, and handing it out in batches.

>>> import numpy as np
>>> from fastconv import data
>>> images, labels = data.digits()
>>> split = data.train_dev_test_split(images[:, None], labels, "60/20/20", seed=0)
>>> augment = data.transforms.Compose([data.transforms.RandomShift(2), data.transforms.ToFloat()])
>>> loader = data.DataLoader(split.train, 64, shuffle=True, seed=0, transform=augment)
>>> x, y = next(iter(loader))
>>> x.shape, x.dtype, y.shape, y.dtype
((64, 1, 28, 28), dtype('float32'), (64,), dtype('int64'))

docs/data.md explains the method that the splits follow. Modules are imported when a name of theirs
is first asked for.
"""

from typing import TYPE_CHECKING

from fastconv.lazy import lazily

from .digits import digits  # at once: afterwards its module would be what has the name

if TYPE_CHECKING:
    from . import transforms
    from .dataset import Dataset
    from .draws import Draws
    from .files import DataError
    from .folders import ImageFolder, ImageFolderError, read_image_folder
    from .idx import read_idx, write_idx
    from .loader import DataLoader
    from .npz import read_npz
    from .split import mismatched_split, train_dev_test_split
    from .split_report import Split, SplitNotice, SplitWarning
    from .tables import read_csv

__all__ = [
    "DataError",
    "DataLoader",
    "Dataset",
    "Draws",
    "ImageFolder",
    "ImageFolderError",
    "Split",
    "SplitNotice",
    "SplitWarning",
    "digits",
    "mismatched_split",
    "read_csv",
    "read_idx",
    "read_image_folder",
    "read_npz",
    "train_dev_test_split",
    "transforms",
    "write_idx",
]

_MODULES = {
    "dataset": ("Dataset",),
    "draws": ("Draws",),
    "files": ("DataError",),
    "folders": (
        "ImageFolder",
        "ImageFolderError",
        "read_image_folder",
    ),
    "idx": (
        "read_idx",
        "write_idx",
    ),
    "loader": ("DataLoader",),
    "npz": ("read_npz",),
    "split": (
        "mismatched_split",
        "train_dev_test_split",
    ),
    "split_report": (
        "Split",
        "SplitNotice",
        "SplitWarning",
    ),
    "tables": ("read_csv",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__getattr__, __dir__ = lazily(__name__, _MODULE_OF, ("images", "transforms", *_MODULES))
