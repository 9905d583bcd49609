"""``python -m fastconv models`` and ``summary``: which networks there are, and what is in one."""

from typing import Any

from fastconv import models, nn

__all__ = ["run_models", "run_summary"]

_HEADER = ("name", "parameters", "multiply-adds", "input", "reference")


def run_models(arguments: Any) -> int:
    """Print all networks of ``models.names``; the exit status, 0."""
    rows = [_HEADER]
    for name in models.names():
        entry = models.entry(name)
        size = " × ".join(map(str, entry.input_shape))
        figures = f"{entry.parameters:,}", f"{entry.multiply_adds:,}"
        rows.append((name, *figures, size, entry.reference))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    for row in rows:
        cells = [
            cell.rjust(width) if i in (1, 2) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    return 0


def run_summary(arguments: Any) -> int:
    """Print the layers of a network, and what each costs; the exit status, 0.

    Raises:
        ValueError: there is no network of that name.
    """
    entry = models.entry(arguments.network)
    with nn.init.skip():  # values do not matter
        model = models.create(entry.name)
    print(nn.summary(model, (arguments.batch, *entry.input_shape)))
    return 0
