"""What the benchmarks share: which layers, and the table at the end."""

import pytest

FIXED_COSTS = pytest.StashKey[list]()
FIXED_COSTS_HEAD = ("fixed cost", "call ns", "engine ns", "fixed ns")
OVERHEADS = pytest.StashKey[list]()
OVERHEADS_HEAD = ("forward and backward", "us", "on arrays us", "own us")
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
    config.stash[FIXED_COSTS] = []
    config.stash[OVERHEADS] = []


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("--network")
    if not wanted:
        return
    left_out = [
        item
        for item in items
        if item.callspec.params.get("layer", "").partition(":")[0] not in wanted
    ]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture
def report(request):
    """Add a row to the table: values in the order of HEAD."""
    return request.config.stash[ROWS].append


@pytest.fixture
def fixed_cost(request):
    """Add a row to the table of fixed costs: values in the order of FIXED_COSTS_HEAD."""
    return request.config.stash[FIXED_COSTS].append


@pytest.fixture
def overhead(request):
    """Add a row to the table of what gradients cost: values in the order of OVERHEADS_HEAD."""
    return request.config.stash[OVERHEADS].append


def pytest_terminal_summary(terminalreporter, config):
    write_table(terminalreporter, "engine against the NumPy reference", HEAD, config.stash[ROWS])
    write_table(
        terminalreporter,
        "a call without its arithmetic",
        FIXED_COSTS_HEAD,
        config.stash[FIXED_COSTS],
    )
    write_table(
        terminalreporter,
        "forward and backward, beside their arithmetic",
        OVERHEADS_HEAD,
        config.stash[OVERHEADS],
    )


def write_table(terminalreporter, title, head, rows):
    if not rows:
        return
    terminalreporter.section(title)
    rows = [head, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        terminalreporter.write_line("  ".join(cells))
