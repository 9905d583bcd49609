"""The installed package: versions, files, exported symbols, import time, the choice of the tier."""

import importlib.metadata
import os
import re
import struct
import subprocess
import sys
from importlib import resources

import pytest

import fastconv
from fastconv import _core

# Lowest first, by architecture.
TIERS = [["scalar", "sse2", "avx2", "avx512"], ["scalar", "neon"], ["scalar"]]
IMPORT_BUDGET_MS = 40


def python(*arguments, **environment):
    """Run Python apart from this process, the project's folder off its path."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("FASTCONV_")}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


# ---- what is installed ---------------------------------------------------------------------------


def test_every_version_is_the_same():
    assert fastconv.__version__ == importlib.metadata.version("fastconv")
    assert fastconv.__version__ == fastconv.runtime_info()["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", fastconv.__version__)
    shown = python("-m", "fastconv", "--version")
    assert shown.stdout.strip() == f"fastconv {fastconv.__version__}"


def test_numpy_is_the_only_dependency_at_run_time():
    always = [r for r in importlib.metadata.requires("fastconv") if "extra ==" not in r]
    assert [re.match(r"[\w-]+", requirement)[0] for requirement in always] == ["numpy"]


def test_import_and_use_need_no_other_package():
    program = (
        "import sys, numpy as np\n"
        "before = set(sys.modules)\n"
        "import fastconv.functional as F\n"
        "F.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)))\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'numpy', 'fastconv'}))\n"
    )
    result = python("-c", program)
    # Cython registers a module of its own for the types that its modules share.
    assert re.fullmatch(r"\[('_?cython_[\w.]+'(, )?)*\]\n", result.stdout), result


@pytest.mark.parametrize(
    "name",
    ["py.typed", "_core.pyi"]
    + [
        f"data/{file}"
        for file in (
            "LICENSES.md",
            "chelsea.jpg",
            "imagenet_classes.txt",
            "mnist_5k.xzp",
            "squeezenet1_1.safetensors.xzp",
        )
    ],
)
def test_files_that_are_not_code_are_installed(name):
    assert resources.files("fastconv").joinpath(name).is_file()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads ELF")
def test_the_extension_exports_its_init_function_alone():
    with open(_core.__file__, "rb") as file:
        assert list(exported_symbols(file.read())) == ["PyInit__core"]


def exported_symbols(elf):
    """The names that a 64-bit ELF shared object defines for others (.dynsym, not undefined)."""
    assert elf[:5] == b"\x7fELF\x02"
    order = "<" if elf[5] == 1 else ">"
    (headers_at,) = struct.unpack_from(order + "Q", elf, 0x28)
    header_size, header_count = struct.unpack_from(order + "HH", elf, 0x3A)
    # A section header: name, type, flags, address, offset, size, link, info, alignment, entry size.
    headers = [
        struct.unpack_from(order + "IIQQQQIIQQ", elf, headers_at + i * header_size)
        for i in range(header_count)
    ]
    (symbols,) = (header for header in headers if header[1] == 11)
    names_at = headers[symbols[6]][4]
    for at in range(symbols[4], symbols[4] + symbols[5], symbols[9]):
        name, info, _other, section = struct.unpack_from(order + "IBBH", elf, at)
        if section != 0 and info >> 4 != 0:  # defined, and not local
            end = elf.index(b"\0", names_at + name)
            yield elf[names_at + name : end].decode()


def test_import_is_quick_over_numpys_own():
    took = []
    for _ in range(7):
        result = python("-X", "importtime", "-c", "import numpy; import fastconv")
        assert result.returncode == 0, result.stderr
        # "import time: self [us] | cumulative | imported package"; numpy was imported before.
        (cumulative,) = re.findall(r"\|\s*(\d+) \| fastconv$", result.stderr, re.MULTILINE)
        took.append(int(cumulative) / 1000)
    assert min(took) <= IMPORT_BUDGET_MS, f"import fastconv takes {min(took)} ms at best: {took}"


# ---- the tier ------------------------------------------------------------------------------------


def tiers_here():
    """All tiers of this architecture, lowest first."""
    compiled = set(fastconv.runtime_info()["tiers_compiled"])
    return next(tiers for tiers in TIERS if compiled <= set(tiers))


def test_runtime_info_is_consistent():
    info = fastconv.runtime_info()
    order = tiers_here()
    assert list(info["tiers_compiled"]) == [t for t in order if t in info["tiers_compiled"]]
    assert "scalar" in info["tiers_compiled"]
    assert info["tier_in_use"] in info["tiers_compiled"]
    assert order.index(info["tier_in_use"]) <= order.index(info["tier_available"])
    assert info["threads"] >= 1
    assert info["cores"] >= 1
    assert info["memory"].keys() == fastconv.memory_stats().keys()


SHOW = (
    "import fastconv\n"
    "fastconv.show_runtime()\n"
    "print('in use:', fastconv.runtime_info()['tier_in_use'])\n"
)


def tier_shown(**environment):
    """The tier in use in a fresh process, which show_runtime and runtime_info must agree on."""
    result = python("-c", SHOW, **environment)
    assert result.returncode == 0, result.stderr
    (used,) = re.findall(r"^in use: (\w+)$", result.stdout, re.MULTILINE)
    assert re.search(rf"^tier in use +{used}$", result.stdout, re.MULTILINE), result.stdout
    return used


def test_best_tier_is_used_when_nothing_is_asked_for():
    order = tiers_here()
    info = fastconv.runtime_info()
    usable = [t for t in info["tiers_compiled"] if order.index(t) <= best_of_cpu()]
    assert tier_shown() == usable[-1]


def best_of_cpu():
    return tiers_here().index(fastconv.runtime_info()["tier_available"])


@pytest.mark.parametrize("tier", tiers_here())
def test_max_isa_lowers_the_tier_and_never_raises_it(tier):
    order = tiers_here()
    compiled = fastconv.runtime_info()["tiers_compiled"]
    limit = min(order.index(tier), best_of_cpu())
    assert tier_shown(FASTCONV_MAX_ISA=tier) == [t for t in order[: limit + 1] if t in compiled][-1]


@pytest.mark.parametrize("name", ["avx9", "AVX2 ", "vsx", "1"])
def test_max_isa_of_no_tier_is_an_import_error(name):
    assert_import_error(name)


def test_max_isa_of_another_architecture_is_an_import_error():
    for name in {name for tiers in TIERS for name in tiers} - set(tiers_here()):
        assert_import_error(name)


def assert_import_error(name):
    program = (
        "try:\n    import fastconv\nexcept ImportError as error:\n    print('ImportError', error)\n"
    )
    result = python("-c", program, FASTCONV_MAX_ISA=name)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ImportError")
    assert "FASTCONV_MAX_ISA" in result.stdout
    assert name.strip() in result.stdout


def test_the_number_of_threads_comes_from_the_environment():
    program = "import fastconv; print(fastconv.get_num_threads())"
    assert python("-c", program, FASTCONV_NUM_THREADS="3").stdout == "3\n"
