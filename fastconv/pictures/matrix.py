"""A confusion matrix as a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .canvas import FAINT, GRID, INK, PAPER, Canvas, blend, text_width

__all__ = ["confusion"]

_RIGHT_COLOUR = (33, 113, 120)
_WRONG_COLOUR = (178, 24, 43)
_MARGIN, _HEADER = 24, 124


def confusion(
    matrix: np.ndarray, title: str, subtitle: str = "", names: Sequence[str] | None = None
) -> Any:
    """How often each class (row) was taken for each (column); right ones green, wrong ones red.

    Args:
        matrix: (K, K) integers, as ``metrics.confusion_matrix`` gives.
        names: of the classes; None: their numbers.

    Colours are by the share of the row; the wrong ones' are stretched, as they are few. At the
    right is the recall of each class, below the precision.

    Returns:
        PIL.Image.Image.
    """
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ValueError(f"confusion: matrix has shape {matrix.shape}, expected (K, K)")
    count = len(matrix)
    shown = [str(name) for name in (range(count) if names is None else names)]
    cell = max(26, min(52, 620 // count))
    left = _MARGIN + 34 + max(text_width(name, 13) for name in shown)
    width = max(left + count * cell + 84, 560)
    canvas = Canvas(int(width), _HEADER + count * cell + 74)
    canvas.text((_MARGIN, 18), title, 20, bold=True)
    canvas.text((_MARGIN, 48), subtitle, 13, FAINT)
    canvas.text((left + count * cell / 2, _HEADER - 42), "taken for", 13, FAINT, "ma")
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    share = matrix / np.maximum(rows, 1)[:, np.newaxis]
    wrong = share[~np.eye(count, dtype=bool)].max(initial=0.0) or 1.0
    for i in range(count):
        top = _HEADER + i * cell
        canvas.text((left - 10, top + cell / 2), shown[i], 13, INK, "rm")
        canvas.text((left + (i + 0.5) * cell, _HEADER - 8), shown[i], 13, INK, "ms")
        for j in range(count):
            if i == j:
                fill = blend(PAPER, _RIGHT_COLOUR, 0.15 + 0.75 * share[i, j])
            else:
                fill = blend(
                    PAPER, _WRONG_COLOUR, 0.1 * (share[i, j] > 0) + 0.5 * share[i, j] / wrong
                )
            canvas.box((left + j * cell, top), (cell, cell), fill, GRID)
            if matrix[i, j]:
                dark = i == j and share[i, j] > 0.5
                size = 13 if cell >= 34 else 10
                place = left + (j + 0.5) * cell, top + cell / 2
                canvas.text(place, f"{matrix[i, j]:,}", size, PAPER if dark else INK, "mm")
        recall = f"{100 * share[i, i]:.1f}" if rows[i] else "-"
        canvas.text((left + count * cell + 42, top + cell / 2), recall, 12, FAINT, "rm")
        precision = f"{100 * matrix[i, i] / columns[i]:.1f}" if columns[i] else "-"
        place = left + (i + 0.5) * cell, _HEADER + count * cell + 10
        canvas.text(place, precision, 12, FAINT, "ma")
    canvas.text((left + count * cell + 42, _HEADER - 8), "recall %", 12, FAINT, "ms")
    canvas.text((left, _HEADER + count * cell + 32), "precision %", 12, FAINT, "la")
    canvas.text((_MARGIN, _HEADER - 8), "digit" if names is None else "class", 13, FAINT, "ls")
    return canvas.finish()
