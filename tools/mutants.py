"""Plant faults in the kernels and drivers, one at a time: the tests must notice every one, on every
instruction set of the machine.

    python tools/mutants.py                 # all: an hour or two
    python tools/mutants.py --sample 3      # some, others each day
    python tools/mutants.py 'reflect'       # those whose name has the word

A fault that survives is a hole in the tests. The tree is copied into build/mutants and compiled
there, so this one stays as it is; Python needs what the tests and the build need.
"""

import argparse
import datetime
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from faults import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent
FAILED = 1  # pytest: tests ran, and one failed
KERNELS = "csrc/tests/test_kernels.c or test_conv.c"
FORWARD = (
    *("test_conv2d.py", "test_pointwise.py", "test_conv_linear.py", "test_conv_variants.py"),
    *("test_precision.py", "test_conv_transpose.py", "test_pool2d.py"),
    *("test_pool_variants.py", "test_linear_softmax_relu.py", "test_activations.py"),
    *("test_normalization.py", "test_resampling.py", "test_numerics.py", "test_threads.py"),
)
BACKWARD = (
    *("test_convolution_gradients.py", "test_pooling_gradients.py", "test_gradients.py"),
    "test_gradient_properties.py",
)
UPDATES = ("test_optim.py", "test_clipping.py")
PROGRAMS = ("test_program_steps.py", "test_program.py")


def _copy(folder: Path) -> None:
    """The tree, as far as it is compiled and tested."""
    folders = ("csrc", "docs", "fastconv", "tests")
    for part in (*folders, "setup.py", "pyproject.toml", "README.md", "LICENSE"):
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(
                source, target, ignore=shutil.ignore_patterns("build", "*.so", "__pycache__")
            )
        else:
            shutil.copy2(source, target)


def _compile(folder: Path) -> None:
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"does not compile:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _test(folder: Path, tier: str, tests: Collection[str] = ()) -> subprocess.CompletedProcess[str]:
    """These tests, or all, on one tier, up to the first failure. A hang counts as one."""
    environment = os.environ | {"FASTCONV_MAX_ISA": tier, "PYTHONPATH": str(folder)}
    environment.setdefault("GOMP_SPINCOUNT", "0")
    command = [
        *(sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header"),
        *("--tb=line", "-rfE", "-k", "not test_layer"),
        *(tests or [f"tests/{name}" for name in FORWARD + BACKWARD + UPDATES + PROGRAMS]),
    ]
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", "no end after 300 s")


def _test_kernels(folder: Path, tier: str) -> bool:
    """Whether the C tests of the micro-kernels pass, which see what no result of a call shows, and
    those of convolution, which have residuals with strides."""
    [core] = (folder / "build").glob("core-*")
    programs = [core / "tests" / name for name in ("test_kernels", "test_conv")]
    command = [
        "make",
        "-s",
        "-C",
        "csrc",
        f"BUILD=../build/{core.name}",
        *(f"../{program.relative_to(folder)}" for program in programs),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    environment = os.environ | {"FASTCONV_MAX_ISA": tier}
    return not any(
        subprocess.run([program], env=environment, capture_output=True, check=False).returncode
        for program in programs
    )


def _noticed(folder: Path, mutant: Mutant, tiers: list[str]) -> dict[str, str | None]:
    """Which test fails on which tier; None for one that cannot be named: a crash or a hang. What
    fails on one tier is asked first on the next."""
    found: dict[str, str | None] = {}
    test = None
    backward = "gradient" in mutant.name + mutant.file
    order = BACKWARD + FORWARD if backward else FORWARD + BACKWARD
    for family, tests in (("optimiser", UPDATES), ("program", PROGRAMS)):
        order = tests + order if mutant.name.startswith(family) else order + tests
    names = [f"tests/{name}" for name in order]
    for tier in tiers:
        if test == KERNELS:
            if not _test_kernels(folder, tier):
                found[tier] = test
                continue
        elif test and _test(folder, tier, [test]).returncode == FAILED:
            found[tier] = test
            continue
        done = _test(folder, tier, names)
        if done.returncode:
            named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", done.stdout, re.MULTILINE)
            test = named[1] if named and done.returncode == FAILED else None
            found[tier] = test
        elif not _test_kernels(folder, tier):
            found[tier] = test = KERNELS
    return found


def _tiers(folder: Path) -> list[str]:
    code = (
        "import fastconv; info = fastconv.runtime_info(); tiers = list(info['tiers_compiled']);"
        "print(*tiers[: tiers.index(info['tier_in_use']) + 1])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "FASTCONV_MAX_ISA"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def run(mutants: list[Mutant]) -> list[str]:
    """Plant each; the names of those that survived, with the tier.

    The tests that notice a fault prove nothing unless they pass without one: at the end they must.
    """
    folder = ROOT / "build" / "mutants"
    shutil.rmtree(folder, ignore_errors=True)  # what a run compiled last may hold its fault
    folder.mkdir(parents=True)
    _copy(folder)
    _compile(folder)
    tiers = _tiers(folder)
    survivors = []
    witnesses: dict[str, set[str | None]] = {tier: set() for tier in tiers}
    for number, mutant in enumerate(mutants, 1):
        place = folder / mutant.file
        good = place.read_text(encoding="utf-8")
        place.write_text(mutant.planted(folder), encoding="utf-8")
        try:
            _compile(folder)
            noticed = _noticed(
                folder, mutant, [tier for tier in tiers if tier not in mutant.none_on]
            )
        finally:
            place.write_text(good, encoding="utf-8")
        alive = [tier for tier in tiers if tier not in noticed and tier not in mutant.none_on]
        survivors += [f"{mutant.name}, on {tier}" for tier in alive]
        for tier, test in noticed.items():
            witnesses[tier].add(test)
        by = ", ".join(sorted({test or "a crash or a hang" for test in noticed.values()}))
        fate = f"SURVIVES on {', '.join(alive)}" if alive else f"killed by {by}"
        print(f"{number:3}/{len(mutants)} {mutant.name}: {fate}", flush=True)
    _compile(folder)
    for tier, tests in witnesses.items():
        if KERNELS in tests:
            tests.remove(KERNELS)
            if not _test_kernels(folder, tier):
                survivors.append(f"without a fault, on {tier}: {KERNELS} fails")
        done = _test(folder, tier, () if None in tests else tests) if tests else None
        if done and done.returncode:
            survivors.append(
                f"without a fault, on {tier}: {done.stdout[-1500:]}{done.stderr[-500:]}"
            )
    return survivors


def main(arguments: list[str]) -> int:
    """Report each fault's fate; 1 when one survives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("word", nargs="?", default="", help="only faults whose name has it")
    parser.add_argument("--sample", type=int, help="so many faults, others each day")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.word in mutant.name]
    if options.sample is not None:
        draw = random.Random(datetime.date.today().toordinal())
        chosen = draw.sample(chosen, min(options.sample, len(chosen)))
    survivors = run(chosen)
    for survivor in survivors:
        print(f"not noticed by any test: {survivor}", file=sys.stderr)
    print(f"{len(chosen)} faults planted, {len(survivors)} survivals")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
