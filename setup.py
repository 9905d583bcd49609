"""Builds the C core with make, then the Cython extension on top of it.

Everything that is only data (names, versions, dependencies, packages) is in pyproject.toml.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, PlatformError

ROOT = Path(__file__).resolve().parent


class BuildCore(build_ext):
    """build_ext that first makes csrc's static library, with the compiler the extension gets.

    The library is kept in build/core-PLATFORM between builds, also those of ``pip install -e .``,
    whose own build folder is a new one each time: only what changed is compiled again.
    """

    def build_extension(self, ext: Extension) -> None:
        """Compile the C core, translate the Cython module, compile and link it."""
        # Here rather than above: `pip install` reads this file once before it has them installed.
        import numpy
        from Cython.Build import cythonize

        core = Path("build", f"core-{self.plat_name}")
        with ThreadPoolExecutor(1) as beside:  # translating takes one core alone
            made = beside.submit(self._make_core, core)
            [translated] = cythonize(
                [ext], build_dir=str(Path("build", "cython")), language_level=3, quiet=True
            )
        settings = made.result()
        library = core / settings["library"]
        openmp = [flag for flag in settings["link"] if flag == "-fopenmp"]
        ext.sources = translated.sources
        ext.include_dirs = ["csrc/include", numpy.get_include()]
        ext.define_macros = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
        # For size: this is glue, whose work is done in C below it, and a ninth of all code.
        # Tables for unwinding are left out as they are of the C core: nothing is thrown through it.
        small = ["-Os", "-g0", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
        ext.extra_compile_args = [*small, "-fvisibility=hidden", *openmp]
        ext.extra_objects = [str(library)]
        ext.depends = [str(library), "csrc/include/fastconv.h"]
        ext.extra_link_args = list(settings["link"])
        if sys.platform.startswith("linux"):
            # What the static library brings along stays inside: PyInit__core is all that shows.
            # Functions' names are for profilers and debuggers: FASTCONV_SYMBOLS=1 keeps them.
            keep = os.environ.get("FASTCONV_SYMBOLS", "0") not in ("", "0")
            strip = "-Wl,--strip-debug" if keep else "-Wl,--strip-all"
            ext.extra_link_args += ["-Wl,--exclude-libs,ALL", strip]
        super().build_extension(ext)

    def _make_core(self, folder: Path) -> dict:
        """Run make; what it wrote into config.json."""
        compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
        make = os.environ.get("MAKE") or shutil.which("gmake") or shutil.which("make")
        if make is None:
            raise PlatformError(
                "fastconv's C core is built with GNU make, which is not installed. "
                "Debian, Ubuntu: apt-get install make gcc libc6-dev"
            )
        # The first word only: what Python adds to it (-pthread …) is not the C core's concern.
        program = shlex.split(compiler)[0]
        if shutil.which(program) is None:
            raise PlatformError(
                f"the C compiler {program!r} is not installed. Debian, Ubuntu: "
                "apt-get install gcc libc6-dev; or name another one: CC=clang pip install …"
            )
        if not Path(sysconfig.get_path("include"), "Python.h").is_file():
            raise PlatformError(
                "Python.h, which extension modules are compiled against, is not installed. "
                "Debian, Ubuntu: apt-get install python3-dev"
            )
        # A relative path: make takes no path with a space in it, and the folder of the project may
        # have one.
        command = [make, "-C", "csrc", f"-j{_cores()}", f"BUILD=../{folder}", f"CC={program}"]
        # A make that runs us passes its options on; they are not meant for this one.
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        result = subprocess.run(command, env=environment, check=False)
        if result.returncode != 0:
            raise CompileError(
                f"the C core did not compile: `{shlex.join(command)}` ended with status "
                f"{result.returncode}; what it printed above says why"
            )
        return json.loads((folder / "config.json").read_text(encoding="utf-8"))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# setuptools and make take paths from here, and the sources are named relative to it.
os.chdir(ROOT)
setup(
    ext_modules=[Extension("fastconv._core", ["fastconv/_core.pyx"])],
    cmdclass={"build_ext": BuildCore},
)
