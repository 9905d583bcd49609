"""Fetch one file of one version of a PyPI package, known by its SHA-256, with pip."""

import subprocess
import sys
import tempfile
from pathlib import Path


def fetch(requirement: str, sha256: str, *, source: bool) -> bytes:
    """The bytes of the distribution file (a source archive, or else a wheel) with that digest.

    pip compares the digest before it looks inside, so a source archive's setup.py, which pip runs
    even when it only downloads, is the one that was read when the digest was written down.

    Raises:
        subprocess.CalledProcessError: pip failed, and has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "pins.txt")
        pins.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
        files = Path(folder, "files")
        kind = "--no-binary=:all:" if source else "--only-binary=:all:"
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", kind]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, "-d", files, "-r", pins], check=True
        )
        (file,) = files.iterdir()
        return file.read_bytes()
