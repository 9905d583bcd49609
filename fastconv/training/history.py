"""What happened in a training, step by step and epoch by epoch."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

__all__ = ["History"]

_WHOLE = ("epoch", "step", "batch")  # columns of whole numbers


class History:
    """The course of a training, as columns of numbers.

    Attributes:
        steps: column → list, one number for each step: 'epoch' (from 1), 'loss' of the batch before
            its step, 'lr' of the first group of parameters; 'gradient_norm' of all gradients
            together, before they were clipped, if they were.
        epochs: column → list, one number for each epoch: 'epoch' (from 1), 'step' (how many had
            been taken at its end), 'loss' and each metric, means over its batches while it was
            trained; 'dev_loss' and 'dev_' + metric at its end; 'lr' in its last step; 'seconds'.
        layers: parameter → list: the Euclidean norm of its gradient in each step, if they were
            asked for.
        best_epoch: that of the best monitored number; None if none is monitored.
        stopped: why it ended: 'epochs' (all done), 'patience', 'callback'; None while it runs.

    >>> history = History()
    >>> history.add_epoch({"epoch": 1, "loss": 0.5})
    >>> history.epochs
    {'epoch': [1], 'loss': [0.5]}
    """

    def __init__(self) -> None:
        self.steps: dict[str, list[float]] = {}
        self.epochs: dict[str, list[float]] = {}
        self.layers: dict[str, list[float]] = {}
        self.best_epoch: int | None = None
        self.stopped: str | None = None

    def __repr__(self) -> str:
        count = len(self.epochs.get("epoch", ()))
        text = f"History of {count} epochs, {len(self.steps.get('loss', ())):,} steps"
        if self.stopped:
            text += f", ended by {self.stopped}"
        shown = [f"{k} {v[-1]:.4g}" for k, v in self.epochs.items() if v and k not in _WHOLE]
        return f"{text}: {', '.join(shown)}" if shown else text

    def add_epoch(self, row: Mapping[str, float]) -> None:
        """Add an epoch's row, with the columns of those before it."""
        if self.epochs and set(row) != set(self.epochs):
            raise ValueError(
                f"History: the epoch has {sorted(row)}, those before it {sorted(self.epochs)}"
            )
        for name, value in row.items():
            self.epochs.setdefault(name, []).append(value)

    # ---- files

    def to_csv(self, path: str | os.PathLike[str], per: Literal["epoch", "step"] = "epoch") -> None:
        """Write the columns as comma-separated values, under their names.

        Args:
            path: where to; an existing file is replaced.
            per: a row for each epoch, or for each step, with the norms of layers' gradients, if
                there are any, as 'gradient_norm.' + parameter.

        Numbers are written so that they read as the same floats.

        Raises:
            ValueError: another per. OSError: the file cannot be written.
        """
        if per not in ("epoch", "step"):
            raise ValueError(f"to_csv: per is {per!r}, expected 'epoch' or 'step'")
        columns = dict(self.epochs)
        if per == "step":
            columns = self.steps | {f"gradient_norm.{k}": v for k, v in self.layers.items()}
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))

    def plot(self, path: str | os.PathLike[str], title: str = "Training") -> None:
        """Draw the curves: the loss of each step and epoch, each metric, and the learning rate.

        Args:
            path: of the picture, a PNG.
            title: above it.

        Raises:
            ValueError: there is no step yet.
            MissingPillow: Pillow is not installed. OSError: the file cannot be written.
        """
        from .curves import draw_history

        draw_history(self, title).save(path, "PNG")

    def plot_gradients(self, path: str | os.PathLike[str], title: str = "Gradients") -> None:
        """Draw the norm of each weight's gradient over the steps, on a logarithmic axis.

        Lines that lie apart by orders of magnitude, early layers far below late ones, show
        gradients that vanish on their way back; lines that rise together show gradients that
        explode.

        Raises:
            ValueError: fit was not asked for gradient_norms.
            MissingPillow: Pillow is not installed. OSError: the file cannot be written.
        """
        from .curves import draw_gradients

        draw_gradients(self, title).save(path, "PNG")

    # ---- as a part of a checkpoint

    def state_dict(self) -> dict[str, Any]:
        """Everything, with columns as arrays of float64."""
        tables = {"steps": self.steps, "epochs": self.epochs, "layers": self.layers}
        state: dict[str, Any] = {
            table: {name: np.array(values, np.float64) for name, values in columns.items()}
            for table, columns in tables.items()
        }
        return state | {"best_epoch": self.best_epoch, "stopped": self.stopped}

    def load_state_dict(self, state: Any) -> None:
        """Take over what ``state_dict`` gave.

        Raises:
            ValueError: it is not that; the history is as it was.
        """
        new = History()
        names = {"steps", "epochs", "layers", "best_epoch", "stopped"}
        if not isinstance(state, dict) or set(state) != names:
            raise ValueError(f"History: expected a dict with {sorted(names)}")
        for table in ("steps", "epochs", "layers"):
            columns = state[table]
            if not isinstance(columns, dict) or not all(map(_is_column, columns.values())):
                raise ValueError(f"History: {table} must map names to arrays of float64")
            if len({len(column) for column in columns.values()}) > 1:
                raise ValueError(f"History: the columns of {table} differ in length")
            setattr(new, table, {k: _numbers(k, column) for k, column in columns.items()})
        steps = len(new.steps.get("loss", ()))
        if any(len(column) != steps for column in new.layers.values()):
            raise ValueError("History: layers and steps differ in length")
        best, stopped = state["best_epoch"], state["stopped"]
        if not (best is None or type(best) is int) or not (stopped is None or type(stopped) is str):
            raise ValueError("History: best_epoch must be an int, stopped a str, or None")
        new.best_epoch, new.stopped = best, stopped
        self.__dict__.update(new.__dict__)


def _is_column(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1


def _numbers(name: str, column: np.ndarray) -> list[float]:
    if name in _WHOLE:
        if not np.array_equal(column, np.rint(column)):
            raise ValueError(f"History: {name} must be whole numbers")
        return column.astype(np.int64).tolist()
    return column.tolist()
