"""Training: the loop, checkpoints that resume to the bit, histories, and random search.

``fastconv.fit`` is the function of this package that most programs need; docs/fit.md is an
overview.
"""

from .checkpoint import (
    Checkpoint,
    CheckpointError,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from .evaluation import evaluate, predict
from .fit import fit
from .history import History
from .interruption import Interrupted
from .nonfinite import NonFinite
from .run import Run
from .search import Choice, LogUniform, SearchResult, Trial, Uniform, random_search

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Choice",
    "History",
    "Interrupted",
    "LogUniform",
    "NonFinite",
    "Run",
    "SearchResult",
    "Trial",
    "Uniform",
    "evaluate",
    "fit",
    "load_checkpoint",
    "predict",
    "random_search",
    "read_checkpoint",
    "save_checkpoint",
]
