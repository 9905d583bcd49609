"""Convert the sample photograph to fastconv/data/chelsea.jpg, a JPEG without metadata.

The original is a PNG file of the PyPI package scikit-image 0.26.0. What packs a wheel leaves such a
file as large as it is. As a JPEG of quality 90, with colours at full resolution, it takes 41 KB
instead of 241 and looks the same: pixels differ by 1.8 levels of 255 on the average. Another
version of the JPEG library may write other bytes; those here are of Pillow 13.0's libjpeg-turbo.

    python tools/convert_photograph.py                 # of the installed scikit-image
    python tools/convert_photograph.py chelsea.png     # or is given it
"""

import argparse
import hashlib
import importlib.util
import io
from pathlib import Path

import numpy as np
from PIL import Image

from fastconv.data.files import write_atomically

REQUIREMENT = "scikit-image==0.26.0"
SHA256 = "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"
OUTPUT = Path(__file__).resolve().parent.parent / "fastconv/data/chelsea.jpg"


def find_original() -> Path:
    """The file in the installed package, which is not imported."""
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise SystemExit(f"install it: pip install --no-deps {REQUIREMENT}")
    return Path(found.submodule_search_locations[0], "data", "chelsea.png")


def convert(png: bytes) -> bytes:
    """The photograph as a JPEG file."""
    digest = hashlib.sha256(png).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"not {REQUIREMENT}'s photograph: SHA-256 is {digest}, not {SHA256}")
    with Image.open(io.BytesIO(png)) as image:
        pixels = Image.fromarray(np.array(image.convert("RGB")))  # without metadata
    jpeg = io.BytesIO()
    pixels.save(jpeg, "JPEG", quality=90, subsampling=0, optimize=True, progressive=True)
    return jpeg.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("original", nargs="?", type=Path, help=f"{REQUIREMENT}'s chelsea.png")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    original = arguments.original or find_original()
    write_atomically(arguments.output, [convert(original.read_bytes())])
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
