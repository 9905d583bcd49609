"""``python -m fastconv demo``: edges, a classification, a race with the reference, a training."""

import os
import sys
import time
from pathlib import Path

import numpy as np

from fastconv import functional, models, reference
from fastconv.commands import lenet5
from fastconv.data import images

from . import compare, sheet
from .classify import Classifier, best, chart
from .edges import EDGE_MAPS
from .progress import Progress

__all__ = ["run"]

# Layers that stand for the rest: the stem, the first pool, 1×1 and 3×3 at each size of map.
_RACED = (
    "conv1",
    "max_pool2d",
    "fire2.squeeze1x1",
    "fire2.expand3x3",
    "fire5.expand3x3",
    "fire9.expand1x1",
    "fire9.expand3x3",
    "conv10",
)

_EPOCHS = 8  # of the training

_LARGEST = 1600  # pixels of a photograph's longer side; the reference is slow


def run(output: str | os.PathLike[str], photo: str | os.PathLike[str] | None = None) -> int:
    """Run the whole demonstration and print it; the exit status: 1 if the engine and the reference
    do not see the same on the photograph, else 0.

    Args:
        output: the folder for the pictures; made if it is missing.
        photo: the photograph; None: the one that fastconv brings along.

    Raises:
        ImageError, MissingPillow: the photograph cannot be read.
        OSError: a picture cannot be written.
    """
    begun = time.perf_counter()
    photo = images.SAMPLE if photo is None else Path(photo)
    rgb = _at_most(images.read(photo), _LARGEST)
    target = Path(output) / "edges.png"
    target.parent.mkdir(parents=True, exist_ok=True)

    print(f"1. Edges of {images.printable(photo.name)}, {rgb.shape[1]} × {rgb.shape[0]} pixels")
    _edges(rgb, photo.name, target)
    print("\n2. What is on it? SqueezeNet 1.1 with its ImageNet weights")
    classifier = Classifier()
    engine, exact, same = _classify(classifier, rgb)
    print("\n3. The engine against fastconv.reference (NumPy, float64)")
    _race(classifier, rgb, engine, exact)
    print("\n4. LeNet-5 learns to read handwritten digits")
    _train(target.parent)
    print(f"\nDone in {time.perf_counter() - begun:.1f} s. The edge maps are in {target}")
    print("Your own photographs: python -m fastconv classify PHOTO…")
    print("The whole training:   python -m fastconv train lenet5")
    return 0 if same else 1


def _train(folder: Path) -> None:
    """A few epochs, with their line of progress, and the pictures of what came of them."""
    learned = lenet5.learn(None, epochs=_EPOCHS)
    print(
        f"  {_EPOCHS} epochs in {learned.seconds:.1f} s; {100 * learned.accuracy:.1f} % right of "
        f"{len(learned.labels)} digits that it has not seen before"
    )
    for path in lenet5.draw(learned, folder):
        print(f"  {path}")


def _at_most(rgb: np.ndarray, longest: int) -> np.ndarray:
    """The photograph, made smaller if one of its sides is longer than that."""
    height, width, _ = rgb.shape
    scale = longest / max(height, width)
    if scale >= 1:
        return rgb
    return images.resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))


def _edges(rgb: np.ndarray, title: str, target: Path) -> None:
    grey = images.luminance(rgb)
    maps = []
    for edge_map in EDGE_MAPS:
        values = edge_map(grey)
        difference = np.abs(values - edge_map(grey, reference)).max()
        maps.append((edge_map, values))
        print(
            f"  {edge_map.title:<18} {edge_map.padding:<6} {values.shape[0]:>5} × "
            f"{values.shape[1]:<5} largest difference from fastconv.reference {difference:.0e}"
        )
    sheet.draw(rgb, title, maps).save(target)
    print(f"  {target}")


def _classify(
    classifier: Classifier, rgb: np.ndarray
) -> tuple[compare.Recorder, compare.Recorder, bool]:
    """Print the top five by the engine, check them by the reference; both records, and
    whether they agree.
    """
    x = classifier.prepare(rgb)
    engine = compare.Recorder(functional)
    found = models.squeezenet1_1_caffe(classifier.params, x, engine)[0]
    for line in chart(classifier.top(found, 5)):
        print(line)
    sys.stdout.flush()
    with Progress("  the same through fastconv.reference", len(engine.calls)) as progress:
        exact = compare.Recorder(reference, progress.step)
        expected = models.squeezenet1_1_caffe(classifier.params, x, exact)[0]
    same = best(found, 5) == best(expected, 5)
    print(
        f"  {'the same' if same else 'ANOTHER'} top five; largest difference of a probability "
        f"{np.abs(found - expected).max():.1e}"
    )
    return engine, exact, same


def _race(
    classifier: Classifier, rgb: np.ndarray, engine: compare.Recorder, exact: compare.Recorder
) -> None:
    """Print the table: single layers, then the whole network."""
    named = {id(array): name.removesuffix(".weight") for name, array in classifier.params.items()}
    layers = {}
    for ours, theirs in zip(engine.calls, exact.calls, strict=True):
        name = named[id(ours.args[1])] if ours.op == "conv2d" else ours.op
        layers.setdefault(name, (ours, theirs))
    rows = []
    with Progress("  timing", len(_RACED) + 1) as progress:
        for name in _RACED:
            rows.append(compare.race(name, *layers[name], functional))
            progress.step(name)
        x = classifier.prepare(rgb)
        rows.append(
            compare.Row(
                name="SqueezeNet 1.1",
                shape="3×227×227 → 1000",
                engine_ms=compare.median_ms(
                    lambda: models.squeezenet1_1_caffe(classifier.params, x)
                ),
                reference_ms=1e3 * sum(call.seconds for call in exact.calls),
                flops=sum(call.flops for call in engine.calls),
                difference=compare.relative_difference(
                    engine.calls[-1].result, exact.calls[-1].result
                ),
            )
        )
        progress.step("the whole network")
    for line in compare.table(rows):
        print(f"  {line}")
    print(
        "  Engine: median after warm-up, float32. Reference: once. FLOPs: 2 for each "
        "multiplication\n  with its addition, padding counted. Difference: the largest, as a "
        "fraction of the largest value."
    )
