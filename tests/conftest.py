"""What all tests share: the markers, the tier under test, and hooks that never stay armed."""

import datetime
import os
import sys
import zlib

import pytest

_LONGEST = ("test_core_sweeps", "test_core_sweeps_whole")
_ON_REQUEST = {
    "slow": "long sweeps; run them with -m slow",
    "oracle": "compares with PyTorch, which must be installed; run them with -m oracle",
}
_SWEEP = "many cases made by rule, of which --sweeps leaves a part, another each day"


def pytest_configure(config):
    for marker, meaning in _ON_REQUEST.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")
    config.addinivalue_line("markers", f"sweep: {_SWEEP}")


def pytest_addoption(parser):
    parser.addoption(
        "--share",
        default="0/1",
        metavar="I/N",
        help="run the Ith of N parts of the tests, which are drawn by their names",
    )
    parser.addoption(
        "--sweeps",
        default=1,
        type=int,
        metavar="N",
        help="run one of N parts of each sweep, drawn by the names of its cases and the day",
    )


def pytest_collection_modifyitems(config, items):
    """Leave out what is run on request, unless -m says what to do with it, and other shares; begin
    with what takes longest, so that several processes end together."""
    expression = config.option.markexpr or ""
    left_out = [marker for marker in _ON_REQUEST if marker not in expression]
    share, shares = map(int, config.option.share.split("/"))
    today, parts = datetime.date.today().toordinal(), config.option.sweeps

    def drawn(item):
        number = zlib.crc32(item.nodeid.encode())
        if number % shares != share:
            return False
        return (number + today) % parts == 0 or not item.get_closest_marker("sweep")

    out = [
        item
        for item in items
        if any(item.get_closest_marker(name) for name in left_out) or not drawn(item)
    ]
    if out:
        config.hook.pytest_deselected(items=out)
        gone = set(out)
        items[:] = [item for item in items if item not in gone]
    items.sort(key=lambda item: item.originalname not in _LONGEST)


@pytest.fixture(scope="session")
def tier():
    """The instruction-set tier that this process must use.

    FASTCONV_MAX_ISA where it is set; a tier above the CPU's cannot be tested, and this says so.
    """
    import fastconv

    used = fastconv.explain("relu", _one_number()).tier
    wanted = os.environ.get("FASTCONV_MAX_ISA")
    assert wanted in (None, "", used), f"FASTCONV_MAX_ISA={wanted}, but the engine uses {used}"
    return used


@pytest.fixture
def strict():
    """Calls that do not say otherwise are strict: sums of integers are exact in that order alone,
    and the sharpest bounds hold for it. For tests that compare with ==, or with bounds.conv2d."""
    import fastconv

    with fastconv.precision("strict"):
        yield


def _one_number():
    import numpy as np

    return np.ones(1, np.float32)


@pytest.fixture(autouse=True)
def disarmed_hooks():
    """Disarm the engine's test hooks after each test, whatever became of it, and what it tuned."""
    yield
    core = sys.modules.get("fastconv._core")
    if core is not None:
        core._trace(None)
        core._fail_allocation(0)
        core.set_tuning(None, None)
