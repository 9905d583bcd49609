"""Data for experiments: splitting it, changing it, and handing it out in batches."""

from . import transforms
from .dataset import Dataset
from .draws import Draws
from .loader import DataLoader
from .split import mismatched_split, train_dev_test_split
from .split_report import Split, SplitNotice, SplitWarning

__all__ = [
    "DataLoader",
    "Dataset",
    "Draws",
    "Split",
    "SplitNotice",
    "SplitWarning",
    "mismatched_split",
    "train_dev_test_split",
    "transforms",
]
