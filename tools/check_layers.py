"""Check that data flows straight down: no import and no #include runs back up.

    python tools/check_layers.py            # this project
    python tools/check_layers.py FOLDER     # another copy of it

Python is read with ast, so imports inside functions and importlib.import_module("…") count; Cython
and C are read line by line. Every module of the package must stand in LAYERS and every folder of
csrc in FOLDERS: what is not in the table has no place in the order yet.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = "fastconv"

# Lowest first. A module may import from lower layers and from its own top-level module or package,
# never from a higher one. `fastconv` itself, the front, stands where its __init__.py does.
LAYERS = [
    ["fastconv_h"],
    ["_core"],
    ["lazy"],
    ["geometry", "random", "runtime"],
    ["tuning_file"],
    ["diagnosis"],
    ["ops"],
    ["autograd"],
    ["optim"],
    ["functional"],
    ["data", "metrics"],
    ["pictures"],
    ["prepared"],
    ["nn"],
    ["graph"],
    ["turns"],
    ["explanation", "tuning"],
    ["models"],
    ["training"],
    ["fastconv"],
    ["commands"],
    ["demo"],
    ["__main__"],
]
# The oracle shares nothing with the engine, in either direction; only the front may name it, and
# what shows it to users.
REFERENCE = "reference"
MAY_IMPORT_REFERENCE = {"fastconv", "demo"}
# NumPy is the only run-time dependency; Pillow is for image files, and asked for where one is read
# or drawn; torch is what the command bench compares with, where it is installed.
THIRD_PARTY = {"numpy": None, "PIL": {"data", "demo", "pictures"}, "torch": {"commands"}}

# Lowest first; a file may include from its own folder and from lower ones.
FOLDERS = ["include", "base", "simd", "ukr", "driver", "plan"]
# Cython may include this and no other header of ours.
PUBLIC_HEADER = "fastconv.h"

_RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
_C_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
_CYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+([\w.]+)\s+c?import\s+\(?([\w\s,*.]+)|c?import\s+([\w\s,.]+))"
)
_CYTHON_EXTERN = re.compile(r"""^\s*cdef\s+extern\s+from\s+["']([^"']+)["']""")
_CYTHON_INCLUDE = re.compile(r"""^\s*include\s+["']([^"']+)["']""")


def check(root: Path) -> list[str]:
    """One line for each import or include under root that breaks the order; empty: none does."""
    found = []
    for file in sorted((root / PACKAGE).rglob("*.p*")):
        if file.suffix == ".py":
            found += _check_python(root, file)
        elif file.suffix in (".pyx", ".pxd", ".pxi"):
            found += _check_cython(root, file)
    for suffix in ("*.c", "*.h", "*.inc"):
        for file in sorted((root / "csrc").rglob(suffix)):
            if file.relative_to(root / "csrc").parts[0] not in ("build", "fuzz", "tests"):
                found += _check_c(root, file)
    return found


# ---- Python and Cython ------------------------------------------------------------------------


def _check_python(root: Path, file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    return _check_imports(root, file, _python_imports(root, file, tree))


def _check_cython(root: Path, file: Path) -> list[str]:
    found, imports = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if match := _CYTHON_IMPORT.match(line):
            module, names, modules = match.groups()
            targets = modules.split(",") if modules else [module]
            if module == PACKAGE:
                targets = [f"{PACKAGE}.{name.strip()}" for name in names.split(",")]
            imports += [(number, target.split()[0]) for target in targets if target.strip()]
        if match := _CYTHON_EXTERN.match(line):
            header = match[1]
            if header != PUBLIC_HEADER and not header.startswith("<") and header != "*":
                found.append(
                    f"{_place(root, file, number)}: Cython includes {header}; the engine's "
                    f"one public header is {PUBLIC_HEADER}"
                )
        if (match := _CYTHON_INCLUDE.match(line)) and "/" in match[1]:
            found.append(f"{_place(root, file, number)}: includes {match[1]} from another folder")
    return found + _check_imports(root, file, imports)


def _python_imports(root: Path, file: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that is imported, relative names made absolute."""
    here = list(file.relative_to(root).with_suffix("").parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # One dot is the folder of this file, whether it is a module or an __init__.
            base = here[: -node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == PACKAGE:
                # `from fastconv import ops` means the module, where there is one of that name;
                # otherwise a name that the front defines.
                for alias in node.names:
                    yield node.lineno, _module_or_front(root, alias.name)
            else:
                yield node.lineno, module
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else (node.func.id if isinstance(node.func, ast.Name) else "")
            )
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value


def _module_or_front(root: Path, name: str) -> str:
    folder = root / PACKAGE
    if (folder / name).is_dir() or any(folder.glob(f"{name}.py*")) or name in _RANK:
        return f"{PACKAGE}.{name}"
    return PACKAGE


def _check_imports(root: Path, file: Path, imports: Iterable[tuple[int, str]]) -> list[str]:
    me = _layer(".".join(file.relative_to(root).with_suffix("").parts))
    found = []
    for number, target in imports:
        problem = _problem(me, target)
        if problem:
            found.append(f"{_place(root, file, number)}: {problem}")
    if me not in _RANK and me != REFERENCE:
        found.append(f"{file.relative_to(root)}: {me} is in no layer of tools/check_layers.py")
    return found


def _layer(module: str) -> str:
    """The name in LAYERS: `fastconv.models.squeezenet` is `models`, `fastconv` the front."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__init__":
        return PACKAGE
    # A package's helpers (_core_arrays.pxi) are included into it, and belong to it.
    return "_core" if parts[1].startswith("_core_") else parts[1]


def _problem(me: str, target: str) -> str | None:
    first = target.split(".")[0]
    if first != PACKAGE:
        if me == REFERENCE and first not in sys.stdlib_module_names and first != "numpy":
            return f"reference imports {first}; it is NumPy and the standard library alone"
        if first in sys.stdlib_module_names or first in ("cpython", "libc", "cython"):
            return None
        if first not in THIRD_PARTY:
            return f"{me} imports {first}, which fastconv does not depend on"
        if THIRD_PARTY[first] is not None and me not in THIRD_PARTY[first]:
            owners = ", ".join(sorted(THIRD_PARTY[first]))
            return f"{me} imports {first}, which belongs to {owners} alone"
        return None
    other = _layer(target)
    if other == me:
        return None
    if me == REFERENCE:
        return f"reference imports {target}; the oracle shares nothing with the engine"
    if other == REFERENCE:
        if me in MAY_IMPORT_REFERENCE:
            return None
        return f"{me} imports {target}: the oracle is never a part of the engine"
    if other not in _RANK or me not in _RANK:
        return None if other in _RANK else f"{me} imports {target}, which is in no layer"
    if _RANK[other] >= _RANK[me]:
        side = "beside" if _RANK[other] == _RANK[me] else "above"
        return f"{me} imports {target}, which stands {side} it"
    return None


# ---- C ----------------------------------------------------------------------------------------


def _check_c(root: Path, file: Path) -> list[str]:
    csrc = root / "csrc"
    me = file.relative_to(csrc).parts[0]
    if me not in FOLDERS:
        return [f"{file.relative_to(root)}: folder {me} is in no layer of tools/check_layers.py"]
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not (match := _C_INCLUDE.match(line)):
            continue
        included = (file.parent / match[1]).resolve()
        if not included.is_file():
            included = (csrc / "include" / match[1]).resolve()
        if not included.is_file() or not included.is_relative_to(csrc.resolve()):
            found.append(f"{_place(root, file, number)}: includes {match[1]}, which is not in csrc")
            continue
        other = included.relative_to(csrc.resolve()).parts[0]
        if other not in FOLDERS or FOLDERS.index(other) > FOLDERS.index(me):
            found.append(
                f"{_place(root, file, number)}: {me} includes {match[1]} from {other}, "
                f"which stands above it"
            )
    return found


def _place(root: Path, file: Path, number: int) -> str:
    return f"{file.relative_to(root)}:{number}"


def main(arguments: list[str]) -> int:
    """Print what breaks the order; 1 when something does."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parent.parent
    found = check(root.resolve())
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
