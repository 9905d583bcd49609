"""Plant faults in the kernels and drivers, one at a time: the tests must notice every one, on every
instruction set of the machine.

    python tools/mutants.py                 # all: about half an hour on two cores
    python tools/mutants.py --sample 3      # some, others each day
    python tools/mutants.py 'reflect'       # those whose name has the word

A fault that survives is a hole in the tests. The tree is copied into build/mutants and compiled
there; each fault is planted in a copy of that, so this one stays as it is. Python needs what the
tests and the build need. ``witnesses.json`` beside this file has for each fault a test that noticed
it, which is asked first: one that no longer does costs time and changes no verdict.
"""

import argparse
import datetime
import functools
import json
import os
import random
import re
import resource
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from faults import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent
WITNESSES = Path(__file__).with_name("witnesses.json")
FAILED, HANGS = 1, -1  # of pytest and of C tests: one failed; below 0 the signal that ended them
NAMELESS = "a crash or a hang outside of the tests"
# A test that takes so long hangs. The processor's time it is: a machine may be busy, or suspended.
CPU_SECONDS = 600
WALL_SECONDS = 3600
CORES = len(os.sched_getaffinity(0))
C_TESTS = tuple(  # short ones first, which tend to be quick
    path.stem
    for path in sorted((ROOT / "csrc/tests").glob("test_*.c"), key=lambda path: path.stat().st_size)
)
FORWARD = (
    *("test_conv2d.py", "test_pointwise.py", "test_conv_linear.py", "test_conv_variants.py"),
    *("test_precision.py", "test_conv_transpose.py", "test_pool2d.py"),
    *("test_pool_variants.py", "test_linear_softmax_relu.py", "test_activations.py"),
    *("test_normalization.py", "test_resampling.py", "test_numerics.py", "test_threads.py"),
)
BACKWARD = (
    *("test_convolution_gradients.py", "test_pooling_gradients.py", "test_gradients.py"),
    *("test_gradient_properties.py", "test_winograd_gradients.py"),
)
UPDATES = ("test_optim.py", "test_clipping.py")
PROGRAMS = ("test_program_steps.py", "test_program.py")
PYTHON_TESTS = tuple(f"tests/{name}" for name in FORWARD + BACKWARD + UPDATES + PROGRAMS)
PYTEST = (
    *(sys.executable, "-m", "pytest", "-x", "-v", "-p", "no:cacheprovider", "--no-header"),
    *("--tb=short", "-k", "not test_layer"),
)


def _run(
    folder: Path, command: tuple[str | Path, ...], tier: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": ""}
    environment["FC_TEST_FIRST"] = "1"  # C tests, too, end with the first failure
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # of those that are installed none is used
    environment.setdefault("GOMP_SPINCOUNT", "0")
    environment.pop("FASTCONV_MAX_ISA", None)
    if tier:
        environment["FASTCONV_MAX_ISA"] = tier
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WALL_SECONDS,
        check=False,
    )


def _must(folder: Path, *command: str | Path) -> str:
    """What a command prints that has to succeed."""
    done = _run(folder, command)
    if done.returncode:
        said = (done.stdout + done.stderr)[-2000:]
        raise RuntimeError(f"{shlex.join(map(str, command))} failed:\n{said}")
    return done.stdout


# ---- copies of the tree --------------------------------------------------------------------------


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


def _good_tree() -> Path:
    """A copy without a fault, compiled, of which those with one are copies."""
    folder = ROOT / "build" / "mutants" / "good"
    shutil.rmtree(folder.parent, ignore_errors=True)
    folder.mkdir(parents=True)
    _copy(folder)
    _must(folder, sys.executable, "setup.py", "-q", "build_ext", "--inplace")
    _must(folder, *PYTEST, "--collect-only", *PYTHON_TESTS)  # keeps them as Python compiles them
    return folder


def _compile(folder: Path, jobs: int) -> None:
    """The C core again, which all faults are in, and a module of it and of Cython's code as is."""
    core = _core(folder)
    [glue] = (folder / "build").glob("temp*/**/_core.o")
    [module] = (folder / "fastconv").glob("_core.*.so")
    settings = json.loads((core / "config.json").read_text(encoding="utf-8"))
    library = core / settings["library"]
    _make(folder, library, jobs)
    exported = "-Wl,--exclude-libs,ALL"
    _must(folder, _compiler(), "-shared", glue, library, exported, *settings["link"], "-o", module)


def _make(folder: Path, target: Path, jobs: int = 1) -> None:
    flags = (f"-j{jobs}", f"BUILD=../build/{_core(folder).name}", f"CC={_compiler()}")
    _must(folder, "make", "-s", "-C", "csrc", *flags, f"../{target.relative_to(folder)}")


def _core(folder: Path) -> Path:
    """Where setup.py has the C core compiled."""
    [core] = (folder / "build").glob("core-*")
    return core


def _compiler() -> str:
    """As setup.py names it: another one would have everything compiled again."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]


def _tiers(folder: Path) -> list[str]:
    code = (
        "import fastconv; info = fastconv.runtime_info(); tiers = list(info['tiers_compiled']);"
        "print(*tiers[: tiers.index(info['tier_in_use']) + 1])"
    )
    return _must(folder, sys.executable, "-c", code).split()


# ---- verdicts ------------------------------------------------------------------------------------


def _test(folder: Path, tier: str, tests: tuple[str, ...]) -> tuple[int, str]:
    """The status that a C test, or some of Python, end with, and what they print."""
    command = (*PYTEST, *tests)
    if tests[0] in C_TESTS:
        command = (_core(folder) / "tests" / tests[0],)
        _make(folder, *command)
    try:
        done = _run(folder, command, tier)
    except subprocess.TimeoutExpired:
        return HANGS, ""
    return done.returncode, done.stdout


def _ask(folder: Path, tier: str, tests: tuple[str, ...]) -> str | None:
    """The first of these tests that fails, crashes or hangs. Those that are not there notice
    nothing: pytest ends with a status of its own."""
    status, said = _test(folder, tier, tests)
    if status >= 0 and status != FAILED:
        return None
    if tests[0] in C_TESTS:
        return tests[0]
    outcome = "PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS"
    begun = re.findall(rf"^(tests/.+?::.+?) *(?:(?:{outcome}) .*)?$", said, re.MULTILINE)
    return begun[-1] if begun else NAMELESS


def _search(mutant: Mutant) -> list[tuple[str, ...]]:
    """All tests, with those first that are likely to notice the fault."""
    backward = "gradient" in mutant.name + mutant.file
    order = BACKWARD + FORWARD if backward else FORWARD + BACKWARD
    for family, tests in (("optimiser", UPDATES), ("program", PROGRAMS)):
        order = tests + order if mutant.name.startswith(family) else order + tests
    return [(name,) for name in C_TESTS] + [tuple(f"tests/{name}" for name in order)]


def _noticed(
    good: Path, tiers: list[str], witnesses: dict[str, str], jobs: int, mutant: Mutant
) -> dict[str, str]:
    """Which test notices the fault on which tier: first on the quickest, where others are searched
    for, and then asked on the next."""
    text = mutant.planted(good)
    folder = good.with_name(f"fault {MUTANTS.index(mutant)}")
    shutil.copytree(good, folder)
    (folder / mutant.file).write_text(text, encoding="utf-8")
    found: dict[str, str] = {}
    try:
        _compile(folder, max(1, CORES // jobs))
        for tier in reversed(tiers):
            hints = dict.fromkeys([*reversed(found.values()), witnesses.get(mutant.name, NAMELESS)])
            asked = [(hint,) for hint in hints if hint != NAMELESS] + _search(mutant)
            answers = (_ask(folder, tier, tests) for tests in asked if tier not in mutant.none_on)
            if test := next(filter(None, answers), None):
                found[tier] = test
    except RuntimeError as error:  # what does not compile is noticed by no test
        print(f"{mutant.name}: {error}", file=sys.stderr)
    finally:
        shutil.rmtree(folder)
    return found


def _failures(good: Path, asked: tuple[str, set[str]]) -> list[str]:
    """Which of these tests fail on a tier without a fault, and should not."""
    tier, tests = asked
    python = tuple(sorted(tests.difference(C_TESTS)))
    calls = [(name,) for name in C_TESTS if name in tests] + ([python] if python else [])
    if NAMELESS in tests:
        calls[-1] = PYTHON_TESTS
    ends = [(names, *_test(good, tier, names)) for names in calls]
    return [f"on {tier}: {names[0]} …\n{said[-1500:]}" for names, status, said in ends if status]


def run(mutants: list[Mutant], jobs: int, witnesses: dict[str, str]) -> list[str]:
    """Plant each; the names of those that survived, with the tier. Witnesses that are new are kept.

    The tests that notice a fault prove nothing unless they pass without one: at the end they must.
    """
    for mutant in mutants:
        mutant.planted(ROOT)  # each has its place
    good = _good_tree()
    tiers = _tiers(good)
    survivors = []
    noticing: dict[str, set[str]] = {tier: set() for tier in tiers}
    pool = ThreadPoolExecutor(jobs)
    try:
        verdict = functools.partial(_noticed, good, tiers, witnesses, jobs)
        planted = {pool.submit(verdict, mutant): mutant for mutant in mutants}
        for number, done in enumerate(as_completed(planted), 1):
            mutant, found = planted[done], done.result()
            alive = [tier for tier in tiers if tier not in found and tier not in mutant.none_on]
            survivors += [f"{mutant.name}, on {tier}" for tier in alive]
            by = ", ".join(sorted(set(found.values())))
            fate = f"SURVIVES on {', '.join(alive)}" if alive else f"killed by {by}"
            print(f"{number:3}/{len(mutants)} {mutant.name}: {fate}", flush=True)
            for tier, test in found.items():
                noticing[tier].add(test)
            _remember(witnesses, mutant.name, found.values())
        for test in sorted(set().union(*noticing.values()).intersection(C_TESTS)):
            _make(good, _core(good) / "tests" / test)
        for failures in pool.map(functools.partial(_failures, good), noticing.items()):
            survivors += [f"without a fault, {failure}" for failure in failures]
    finally:
        pool.shutdown(cancel_futures=True)  # so that Ctrl-C ends it all
    return survivors


def _remember(witnesses: dict[str, str], name: str, tests: Iterable[str]) -> None:
    """Keep the test that noticed this fault on most tiers."""
    for test, _ in Counter(test for test in tests if test != NAMELESS).most_common(1):
        if witnesses.get(name) != test:
            witnesses[name] = test
            _write(witnesses)


def _write(witnesses: dict[str, str]) -> None:
    text = json.dumps(witnesses, indent=1, sort_keys=True, ensure_ascii=False)
    WITNESSES.write_text(text + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Report each fault's fate; 1 when one survives."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("word", nargs="?", default="", help="only faults whose name has it")
    parser.add_argument("--sample", type=int, help="so many faults, others each day")
    parser.add_argument("--jobs", type=int, default=CORES, help="so many faults at a time")
    options = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if options.word in mutant.name]
    # The compiler may well warn of a fault, which is to be run all the same.
    os.environ["WERROR"] = "0"
    if options.sample is not None:
        draw = random.Random(datetime.date.today().toordinal())
        chosen = draw.sample(chosen, min(options.sample, len(chosen)))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))  # inherited by the tests
    begun = time.monotonic()
    witnesses = json.loads(WITNESSES.read_text(encoding="utf-8"))
    survivors = run(chosen, options.jobs, witnesses)
    if len(chosen) == len(MUTANTS):
        names = {mutant.name for mutant in MUTANTS}
        _write({name: test for name, test in witnesses.items() if name in names})
    for survivor in survivors:
        print(f"not noticed by any test: {survivor}", file=sys.stderr)
    minutes = (time.monotonic() - begun) / 60
    print(f"{len(chosen)} faults planted, {len(survivors)} survivals, {minutes:.0f} minutes")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
