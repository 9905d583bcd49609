"""Check the source archive and the wheel that are about to be handed out.

    python tools/check_dist.py dist

Both must be at most 5 MB. The wheel must hold the compiled module, the data, the typing marker and
the licence, and no sources of what is compiled; the archive must hold all that it is built from.
"""

import sys
import tarfile
import zipfile
from pathlib import Path

LARGEST = 5_000_000
IN_WHEEL = [
    "fastconv/__init__.py",
    "fastconv/_core.",
    "fastconv/data/LICENSES.md",
    "fastconv/data/__init__.py",
    "fastconv/data/chelsea.jpg",
    "fastconv/data/imagenet_classes.txt",
    "fastconv/data/mnist_5k.xzp",
    "fastconv/data/squeezenet1_1.safetensors.xzp",
    "fastconv/py.typed",
    "fastconv/_core.pyi",
    "fastconv/reference/__init__.py",
    "fastconv/models/__init__.py",
    "fastconv/demo/__init__.py",
    ".dist-info/licenses/LICENSE",
]
NOT_IN_WHEEL = (".c", ".h", ".inc", ".pyx", ".pxd", ".pxi", ".o", ".a", ".pyc")
IN_SDIST = [
    "/setup.py",
    "/pyproject.toml",
    "/README.md",
    "/LICENSE",
    "/Makefile",
    "/csrc/Makefile",
    "/csrc/include/fastconv.h",
    "/csrc/ukr/ukr_list.inc",
    "/fastconv/_core.pyx",
    "/fastconv/fastconv_h.pxd",
    "/fastconv/data/mnist_5k.xzp",
    "/fastconv/data/squeezenet1_1.safetensors.xzp",
    "/tests/",
    "/tools/",
]
NOT_IN_SDIST = (".so", ".o", ".a", ".d", ".pyc")


def check(folder: Path) -> list[str]:
    """What is wrong with the files in a folder; empty: nothing."""
    found = []
    for pattern, names_of, wanted, unwanted in (
        ("*.whl", _names_in_wheel, IN_WHEEL, NOT_IN_WHEEL),
        ("*.tar.gz", _names_in_sdist, IN_SDIST, NOT_IN_SDIST),
    ):
        files = sorted(folder.glob(pattern))
        if len(files) != 1:
            found.append(f"{folder} holds {len(files)} files {pattern}, not one")
        for file in files:
            found += _problems(file, names_of(file), wanted, unwanted)
    return found


def _names_in_wheel(file: Path) -> list[str]:
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def _names_in_sdist(file: Path) -> list[str]:
    with tarfile.open(file) as archive:
        return archive.getnames()


def _problems(
    file: Path, names: list[str], wanted: list[str], unwanted: tuple[str, ...]
) -> list[str]:
    found = []
    size = file.stat().st_size
    print(f"{file.name}: {size / 1e6:.2f} MB, {len(names)} files")
    if size > LARGEST:
        found.append(f"{file.name} is {size / 1e6:.2f} MB; at most {LARGEST / 1e6:.0f} are allowed")
    found += [
        f"{file.name} has no {want}" for want in wanted if not any(want in name for name in names)
    ]
    found += [f"{file.name} should not have {name}" for name in names if name.endswith(unwanted)]
    return found


def main(arguments: list[str]) -> int:
    """Check each folder; 1 when something is wrong with what is in one of them."""
    found = [problem for folder in arguments for problem in check(Path(folder))]
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found or not arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
