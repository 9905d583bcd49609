"""The same tests on every lower instruction-set tier, each in a process that was told to use it.

This process tests the highest tier (or the one that FASTCONV_MAX_ISA names); the ones below it run
here as whole test sessions, none of whose tests may fail, be skipped or go missing.
"""

import datetime
import os
import platform
import subprocess
import sys
import xml.etree.ElementTree

import children
import pytest

import fastconv

TIERS = {"x86_64": ("scalar", "sse2", "avx2", "avx512"), "aarch64": ("scalar", "neon")}[
    platform.machine()
]
CORE = (
    "test_conv2d.py",
    "test_conv_variants.py",
    "test_conv_transpose.py",
    "test_prepared.py",
    "test_pool2d.py",
    "test_pool_variants.py",
    "test_resampling.py",
    "test_linear_softmax_relu.py",
    "test_activations.py",
    "test_normalization.py",
    "test_numerics.py",
    "test_inputs.py",
    "test_guard_pages.py",
    "test_threads.py",
    "test_corpus.py",
    "test_convolution_gradients.py",
    "test_pooling_gradients.py",
    "test_gradients.py",
    "test_gradient_properties.py",
    "test_optim.py",
    "test_clipping.py",
)
FEWEST_TESTS = 8000
SHARES = 8  # of which `make test` runs one, another each day; `make slow` runs all
LOWER = TIERS[: TIERS.index(fastconv.runtime_info()["tier_in_use"])]


def run_on(lower, report, share):
    """Run a share of the core tests on a lower tier: none may fail, be skipped or go missing."""
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "pytest", "-q", "--maxfail=5", "--no-header"),
            # The corpus in full would take scalar code an hour: thumbnails do.
            *("--tb=short", "-p", "no:cacheprovider", "-k", "not test_layer"),
            *(f"--junitxml={report}", f"--share={share}"),
            *(str(children.TESTS / name) for name in CORE),
        ],
        env=children.environment(FASTCONV_MAX_ISA=lower),
        cwd=children.TESTS.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, f"{lower}:\n{done.stdout[-6000:]}"
    suite = xml.etree.ElementTree.parse(report).getroot().find("testsuite")
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert counts["failures"] == counts["errors"] == counts["skipped"] == 0, counts
    return counts["tests"]


@pytest.mark.parametrize("lower", LOWER)
def test_core_sweeps(lower, tmp_path):
    """A share of them, drawn anew each day."""
    today = datetime.date.today().toordinal() + TIERS.index(lower)
    ran = run_on(lower, tmp_path / "report.xml", f"{today % SHARES}/{SHARES}")
    assert ran >= FEWEST_TESTS / SHARES * 0.9


@pytest.mark.slow
@pytest.mark.parametrize("lower", LOWER)
def test_core_sweeps_whole(lower, tmp_path):
    assert run_on(lower, tmp_path / "report.xml", "0/1") >= FEWEST_TESTS


SAY_TIER = """
import fastconv, numpy as np
from engine import trace
info = fastconv.runtime_info()
with trace() as executions:
    fastconv.functional.conv2d(np.ones((1, 1, 5, 5)), np.ones((1, 1, 3, 3)))
assert executions[0][2] == info["tier_in_use"]
assert info["tier_in_use"] in info["tiers_compiled"]
print(info["tier_in_use"], info["tier_available"])
"""


def test_every_tier_is_in_this_build():
    assert set(fastconv.runtime_info()["tiers_compiled"]) == set(TIERS)


def test_a_tier_above_the_cpus_changes_nothing():
    available = children.run(SAY_TIER, FASTCONV_MAX_ISA=None).split()[1]
    for name in TIERS:
        used, still = children.run(SAY_TIER, FASTCONV_MAX_ISA=name).split()
        assert still == available
        assert used == min(name, available, key=TIERS.index)


def test_an_empty_setting_is_none():
    used, available = children.run(SAY_TIER, FASTCONV_MAX_ISA="").split()
    assert used == available


@pytest.mark.parametrize("name", ["avx1024", "AVX2", "fastest", "0", "avx2 "])
def test_an_unknown_tier_is_an_import_error(name):
    done = children.run_unchecked("import fastconv", FASTCONV_MAX_ISA=name)
    assert done.returncode == 1, children.describe(done)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "FASTCONV_MAX_ISA" in last
    assert name in last
    assert "scalar" in done.stderr, "the message must name the tiers there are"


def test_a_tier_of_another_architecture_is_an_import_error():
    other = "neon" if platform.machine() == "x86_64" else "avx2"
    done = children.run_unchecked("import fastconv", FASTCONV_MAX_ISA=other)
    assert done.returncode == 1, children.describe(done)
    assert "ImportError" in done.stderr
    assert other in done.stderr


def test_the_setting_is_read_at_import():
    code = """
    import os
    import fastconv
    before = fastconv.runtime_info()["tier_in_use"]
    os.environ["FASTCONV_MAX_ISA"] = "scalar"
    assert fastconv.runtime_info()["tier_in_use"] == before
    assert fastconv.explain("relu", __import__("numpy").ones(3)).tier == before
    """
    children.run(code)


def test_tiers_agree():
    """Real numbers: each tier stays within the bound of the exact result, by test_numerics; that
    the lower tiers ran at all is asserted above. Integers give the same bits on all of them."""
    code = """
    import hashlib
    import numpy as np
    import sweeps
    import fastconv.functional as F
    digest = hashlib.sha256()
    for case in sweeps.with_epilogues(sweeps.mixtures(40, seed=9)):
        problem = sweeps.conv_problem(case)
        for dtype in (np.float16, np.float32, np.float64):
            x, w, bias, residual = problem.operands(dtype)
            result = F.conv2d(x, w, bias, **case.how, residual=residual,
                              activation=case.activation)
            digest.update((result + 0).tobytes())  # -0 + 0 is 0
    print(digest.hexdigest())
    """
    digests = {name: children.run(code, FASTCONV_MAX_ISA=name) for name in TIERS}
    assert len(set(digests.values())) == 1, digests


def test_the_environment_of_this_session_is_in_force(tier):
    assert tier == fastconv.runtime_info()["tier_in_use"]
    assert os.environ.get("FASTCONV_MAX_ISA") in (None, "", *TIERS)
