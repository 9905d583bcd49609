"""What the benchmarks share: which layers, and the table at the end."""

import pytest

ROWS = pytest.StashKey[list]()
HEAD = (
    "layer",
    "threads",
    "algorithm",
    "tier",
    "ms",
    "GFLOP/s",
    "% of peak",
    "reference ms",
    "ratio",
)


def pytest_addoption(parser):
    parser.addoption(
        "--network", action="append", help="only layers of this network; may be given again"
    )


def pytest_configure(config):
    config.stash[ROWS] = []


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--network")
    if not wanted:
        return
    left_out = [
        item for item in items if item.callspec.params["layer"].partition(":")[0] not in wanted
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture
def report(request):
    """Add a row to the table: values in the order of HEAD."""
    return request.config.stash[ROWS].append


def pytest_terminal_summary(terminalreporter, config):
    rows = [HEAD, *config.stash[ROWS]]
    if len(rows) == 1:
        return
    terminalreporter.section("engine against the NumPy reference")
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        terminalreporter.write_line("  ".join(cells))
