"""The checks of the project's own tree catch what they are there to catch; the README is true."""

import copy
import importlib.util
import io
import itertools
import re
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import transforms

ROOT = Path(__file__).resolve().parent.parent


def tool(name):
    """A script of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(root, files):
    """Make files from a dict of paths and texts."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


# ---- Winograd's matrices -------------------------------------------------------------------------


def test_the_transforms_are_what_the_tool_writes(monkeypatch, tmp_path, capsys):
    winograd = tool("winograd")
    monkeypatch.setattr(sys, "argv", ["winograd.py", "--check"])
    assert winograd.main() == 0
    changed = tmp_path / "winograd_transforms.h"
    changed.write_text(winograd.HEADER.read_text().replace("vec_sub", "vec_add", 1))
    monkeypatch.setattr(winograd, "HEADER", changed)
    assert winograd.main() == 1
    assert "winograd_transforms.h is not what" in capsys.readouterr().err


@pytest.mark.parametrize(("m", "r"), [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5)])
def test_the_proof_of_the_matrices_rejects_wrong_ones(m, r):
    """Each entry of each matrix, changed alone."""
    winograd = tool("winograd")
    proved = winograd.matrices(m, r, winograd.PAIRS[m + r - 1])
    for which, matrix in enumerate(proved):
        for row, column in itertools.product(range(len(matrix)), range(len(matrix[0]))):
            wrong = copy.deepcopy(proved)
            wrong[which][row][column] += winograd.rational(1, 1000)
            with pytest.raises(AssertionError):
                winograd.prove(*wrong)
    winograd.prove(*proved)


def growth(of):
    """max|d| and sum|g| grow to at most |At| |G| |Bt_j| of them in one direction."""
    output, taps, data = (
        np.abs([[float(entry) for entry in row] for row in matrix]) for matrix in of
    )
    return ((output * data.sum(1)) @ taps).max() ** 2


def test_the_growth_that_the_bounds_use():
    winograd = tool("winograd")
    for m, r in [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5)]:
        n = m + r - 1
        of_tile = growth(winograd.matrices(m, r, winograd.PAIRS[n]))
        assert of_tile <= transforms.GROWTH[n] <= 1.001 * of_tile
        for used in range(r + 1 + (r + 1) % 2, n, 2):  # tiles that are cut short
            assert growth(winograd.edge_matrices(n, used, r)) < 0.6 * of_tile


def gradient_growth(matrices):
    """The same of gradients by the taps: entries of |Gt| |A|, each weighted likewise."""
    at, taps, data = (np.abs(np.array(matrix, float)) for matrix in matrices)
    weight = data.sum(1) * at.max(0)
    return (taps.T * weight).sum(1).max() ** 2


def test_the_growth_that_the_bounds_of_gradients_use():
    winograd = tool("winograd")
    for r, n in [(3, 6), (5, 8)]:
        found = gradient_growth(winograd.matrices(4, r, winograd.PAIRS[n]))
        assert found <= transforms.GRADIENT_GROWTH[n] <= 1.001 * found


# ---- layers --------------------------------------------------------------------------------------

SOUND = {
    "fastconv/__init__.py": "from fastconv import functional\n__version__ = '1'\n",
    "fastconv/_core.pyx": "cimport numpy as cnp\nfrom fastconv.fastconv_h cimport *\n",
    "fastconv/fastconv_h.pxd": 'cdef extern from "fastconv.h" nogil:\n    int fc_init()\n',
    "fastconv/ops.py": "import numpy as np\nfrom . import _core\nfrom .runtime import threads\n",
    "fastconv/runtime.py": "from fastconv import _core\n",
    "fastconv/functional.py": "from fastconv import ops\n",
    "fastconv/models/__init__.py": "from .net import forward\n",
    "fastconv/models/net.py": "from .. import functional as F\n",
    "fastconv/data/__init__.py": "from fastconv import functional\n",
    "fastconv/metrics.py": "import numpy\n",
    "fastconv/reference/__init__.py": "import numpy\nfrom . import conv\n",
    "fastconv/reference/conv.py": "import math\n",
    "fastconv/demo/__init__.py": "from fastconv import models, reference\n",
    "csrc/include/fastconv.h": "#include <stddef.h>\n",
    "csrc/base/status.h": '#include "fastconv.h"\n',
    "csrc/simd/vec.h": '#include "../base/status.h"\n#include "vec_avx2.h"\n',
    "csrc/simd/vec_avx2.h": "",
    "csrc/ukr/ukr.h": '#include "../simd/vec.h"\n',
    "csrc/driver/conv.c": '#include "../ukr/ukr.h"\n#include "fastconv.h"\n',
    "csrc/plan/plan.c": '#include "../driver/conv.c"\n',
    # The C tests may look at every layer.
    "csrc/tests/test_plan.c": '#include "../plan/plan.c"\n',
}


def test_this_project_is_in_order():
    assert tool("check_layers").check(ROOT) == []


def test_a_tree_in_order_passes(tmp_path):
    write(tmp_path, SOUND)
    assert tool("check_layers").check(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("fastconv/ops.py", "from fastconv import functional", "functional, which stands above"),
        ("fastconv/ops.py", "def f():\n    import fastconv.functional", "ops.py:2"),
        ("fastconv/ops.py", "from .functional import conv2d", "functional, which stands above"),
        (
            "fastconv/ops.py",
            "import importlib\nimportlib.import_module('fastconv.models')",
            "models, which stands above",
        ),
        ("fastconv/ops.py", "from fastconv import __version__", "fastconv, which stands above"),
        ("fastconv/ops.py", "from . import reference", "never a part of the engine"),
        ("fastconv/models/net.py", "from ..demo import sheet", "demo, which stands above"),
        ("fastconv/data/loader.py", "from fastconv import models", "models, which stands above"),
        ("fastconv/metrics.py", "from fastconv import data", "data, which stands beside"),
        ("fastconv/runtime.py", "from fastconv import ops", "ops, which stands above"),
        ("fastconv/_core.pyx", "from fastconv import ops", "ops, which stands above"),
        ("fastconv/_core.pyx", "cdef extern from '../csrc/plan/plan.h':\n  pass", "public header"),
        ("fastconv/reference/conv.py", "from fastconv import _core", "shares nothing"),
        ("fastconv/reference/conv.py", "import scipy", "NumPy and the standard library alone"),
        ("fastconv/functional.py", "import scipy", "does not depend on"),
        ("fastconv/functional.py", "import torch", "belongs to commands alone"),
        (
            "fastconv/functional.py",
            "from PIL import Image",
            "belongs to data, demo, pictures alone",
        ),
        ("fastconv/extra.py", "", "is in no layer"),
        ("csrc/include/fastconv.h", '#include "../base/status.h"', "stands above"),
        ("csrc/base/memory.c", '#include "../ukr/ukr.h"', "base includes ../ukr/ukr.h from ukr"),
        ("csrc/driver/pool.c", '#  include "../plan/plan.c"', "driver includes"),
        ("csrc/ukr/conv.c", '#include "nowhere.h"', "is not in csrc"),
        ("csrc/ukr/conv.c", '#include "../tests/test_plan.c"', "from tests"),
        ("csrc/extra/conv.c", "", "folder extra is in no layer"),
    ],
)
def test_a_planted_breach_is_found(tmp_path, path, text, says):
    write(tmp_path, SOUND | {path: text})
    (line,) = tool("check_layers").check(tmp_path)
    assert line.startswith(path)
    assert says in line


def test_a_breach_makes_the_check_fail(tmp_path, capsys):
    write(tmp_path, SOUND)
    check_layers = tool("check_layers")
    assert check_layers.main([str(tmp_path)]) == 0
    write(tmp_path, {"fastconv/ops.py": "from fastconv import functional\n"})
    assert check_layers.main([str(tmp_path)]) == 1
    assert "fastconv/ops.py:1" in capsys.readouterr().err


# ---- skips ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cases", "status"),
    [
        ('<testcase name="a"/>', 0),
        ("", 1),
        ('<testcase name="a"/><testcase name="b"><skipped type="pytest.skip"/></testcase>', 1),
        ('<testcase name="a"><skipped type="pytest.xfail"/></testcase>', 0),
    ],
)
def test_skipped_and_missing_tests_are_found(tmp_path, cases, status):
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    assert tool("check_skips").main([str(report)]) == status


# ---- distributions -------------------------------------------------------------------------------


def make_dist(folder, check_dist, *, size=0, also=(), without=()):
    """A wheel and a source archive that hold all they must, and what else is asked for."""
    with zipfile.ZipFile(folder / "fastconv-1-any.whl", "w") as wheel:
        for name in [*check_dist.IN_WHEEL, *also]:
            if name not in without:
                wheel.writestr(name, "")
    with tarfile.open(folder / "fastconv-1.tar.gz", "w") as archive:
        for name in [*check_dist.IN_SDIST, "/big"]:
            if name not in without:
                entry = tarfile.TarInfo(f"fastconv-1{name}")
                entry.size = size if name == "/big" else 0
                archive.addfile(entry, io.BytesIO(bytes(entry.size)))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({}, None),
        ({"size": 5_100_000}, "at most 5"),
        ({"also": ["fastconv/_core.pyx"]}, "should not have fastconv/_core.pyx"),
        ({"without": ["fastconv/py.typed"]}, "has no fastconv/py.typed"),
        ({"without": ["/csrc/Makefile"]}, "has no /csrc/Makefile"),
    ],
)
def test_faulty_distributions_are_found(tmp_path, fault, says):
    check_dist = tool("check_dist")
    make_dist(tmp_path, check_dist, **fault)
    found = check_dist.check(tmp_path)
    if says is None:
        assert found == []
    else:
        (line,) = found
        assert says in line


def test_missing_distributions_are_found(tmp_path):
    assert len(tool("check_dist").check(tmp_path)) == 2


# ---- allowed skips ---------------------------------------------------------------------------


def test_a_skip_must_be_listed_and_a_listed_one_must_be_skipped(tmp_path, capsys):
    report, listing = tmp_path / "report.xml", tmp_path / "allowed.txt"
    report.write_text(
        '<testsuites><testsuite><testcase classname="a" name="runs"/>'
        '<testcase classname="a" name="skips"><skipped message="no fork"/></testcase>'
        "</testsuite></testsuites>"
    )
    main = tool("check_skips").main
    for allowed, status, told in (
        ("# nothing\n", 1, "skipped: a::skips: no fork"),
        ("a::skips # where there is no fork\n", 0, ""),
        ("a::skips # so\na::runs # once\n", 1, "not skipped, but listed: a::runs"),
    ):
        listing.write_text(allowed)
        assert main(["--allowed", str(listing), str(report)]) == status
        assert told in capsys.readouterr().err


# ---- objects ---------------------------------------------------------------------------------

LISTING = """
0000000000000000 <kernel>:
   0:	push   %rbp
   1:	mov    {pointer},%rbp
   4:	movups (%rax),%xmm0
   8:	mulps  %xmm1,%xmm0
   b:	mulps  %xmm1,%xmm2
   e:	{instruction}
  14:	cmp    %rcx,%rax
  17:	jb     4 <kernel+0x4>
  19:	ret
"""


@pytest.mark.parametrize(
    ("folder", "instruction", "foreign"),
    [
        ("common", "vaddps %ymm0,%ymm1,%ymm2", True),
        ("common", "movaps %xmm0,%xmm1", False),
        ("common", "xgetbv", False),
        ("common", "verr %ax", False),
        ("scalar", "roundss $0x1,%xmm0,%xmm1", True),
        ("scalar", "popcnt %rax,%rcx", True),
        ("sse2", "pshufb %xmm0,%xmm1", True),
        ("sse2", "shufps $0x44,%xmm0,%xmm1", False),
        ("sse2", "rep stos %al,%es:(%rdi)", False),
        ("sse2", "vzeroupper", True),
        ("avx2", "vfmadd231ps %ymm0,%ymm1,%ymm2", False),
        ("avx2", "vaddps %zmm0,%zmm1,%zmm2", True),
        ("avx2", "vaddps %ymm17,%ymm1,%ymm2", True),
        ("avx2", "vmovups %ymm0,(%rax){%k1}", True),
        ("avx512", "vaddps %zmm0,%zmm1,%zmm2", False),
    ],
)
def test_foreign_instructions_are_found(folder, instruction, foreign):
    check = tool("check_objects")
    listing = LISTING.format(pointer="%rax", instruction=instruction)
    [(name, body)] = check.functions(listing)
    assert name == "kernel"
    assert any(check.foreign_instruction(folder, line) for line in body) == foreign


@pytest.mark.parametrize(
    ("pointer", "instruction", "spilled"),
    [
        ("%rax", "movaps %xmm0,0x10(%rsp)", 1),
        ("%rax", "mulps 0x20(%rsp),%xmm3", 1),
        ("%rax", "movss (%rbp,%rax,1),%xmm2", 0),  # a pointer like any other
        ("%rsp", "movaps %xmm0,-0x10(%rbp)", 1),
        ("%rax", "mov 0x8(%rsp),%rcx", 0),
        ("%rax", "addps %xmm0,%xmm1", 0),
    ],
)
def test_spills_in_hot_loops_are_found(pointer, instruction, spilled):
    check = tool("check_objects")
    [(_, body)] = check.functions(LISTING.format(pointer=pointer, instruction=instruction))
    [(count, found)] = check.tile_loops(body, least=2)
    assert (count, found) == (2 + ("mulps" in instruction), spilled)


# ---- mutants -------------------------------------------------------------------------------------


def test_every_fault_has_its_place():
    mutants = tool("faults").MUTANTS
    assert len({mutant.name for mutant in mutants}) == len(mutants) >= 25
    for mutant in mutants:
        assert mutant.planted(ROOT) != (ROOT / mutant.file).read_text(encoding="utf-8")


# ---- README --------------------------------------------------------------------------------------


def test_the_examples_of_the_readme_run(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # two of them keep files there
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 7
    names = {}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert shown.startswith("(1, 64, 56, 56)\n")
    assert "\n(64, 3, 3, 3)\n" in shown
    assert shown.count("algorithm") == 4  # of three explanations, and a profile's column
    assert "\n(1, 1000) layer " in shown
    assert "of peak" in shown
    assert str(tmp_path) in shown


def test_the_readme_names_only_targets_and_paths_that_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`", text):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"`((?:fastconv|csrc|tools|tests)/[\w/.]+)`", text):
        assert (ROOT / path).exists(), path
