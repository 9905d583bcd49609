"""Convolutions drawn at random from a seed, and what the programs that time them share: the command
line, a child process for each instruction set, the results as JSON.

The shapes: 1 to 512 channels, every size as likely as its half and its double; three in five
without groups, the others depthwise or with a few groups, odd ones too; kernels of 1 to 7, square
or not; strides and dilations of 1 to 3; any padding below the window's size; maps 1 to 64 wide.
Seven in eight are float32, the others float64. What takes more than MOST_FLOPS is drawn again: big
layers are what engines are tuned for, and benchmarks/test_layers.py has them; the corners are found
among small ones.
"""

import argparse
import dataclasses
import json
import math
import os
import pathlib
import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
RESULTS = pathlib.Path(__file__).resolve().parent / "results"
sys.path.insert(0, str(TESTS))  # for the layers' notation, which the corpora share

from corpus import Layer  # noqa: E402

import fastconv  # noqa: E402
from fastconv.turns import Convolution  # noqa: E402

MOST_CHANNELS = 512
MOST_FLOPS = 1e9
_GROUPS = (2, 2, 3, 4, 5, 7, 8, 16, 32)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A layer and the type it is computed in."""

    layer: Layer
    dtype: str

    def __str__(self) -> str:
        return str(self.layer) + (" float64" if self.dtype == "float64" else "")

    @property
    def flops(self) -> int:
        return 2 * self.layer.mb * self.layer.macs

    @property
    def bytes(self) -> int:
        """What must be read and written at least once."""
        layer = self.layer
        oh, ow = layer.output_size
        elements = layer.mb * (layer.ic * layer.ih * layer.iw + layer.oc * oh * ow)
        elements += math.prod(layer.weight_shape)
        return elements * np.dtype(self.dtype).itemsize

    def call(self, threads: int, precision: str | None = None) -> Convolution:
        """The layer on data that is neither zero nor subnormal, with an array for the result."""
        layer, generator = self.layer, np.random.default_rng(0)
        x = generator.uniform(-1, 1, layer.input_shape).astype(self.dtype)
        weight = generator.uniform(-1, 1, layer.weight_shape).astype(self.dtype)
        out = np.empty((layer.mb, layer.oc, *layer.output_size), self.dtype)
        options = {
            "stride": layer.stride,
            "padding": layer.padding,
            "dilation": layer.dilation,
            "groups": layer.g,
            "out": out,
            "precision": precision,
        }
        return Convolution(x, weight, options, threads)


def draw(count: int, seed: int, batch: int = 1) -> list[Drawn]:
    """So many different convolutions; the same ones for the same seed, on every machine."""
    chance = random.Random(seed)
    found: dict[Drawn, None] = {}
    while len(found) < count:
        layer = dataclasses.replace(_layer(chance), mb=batch)
        drawn = Drawn(layer, "float64" if chance.random() < 1 / 8 else "float32")
        if min(drawn.layer.output_size) >= 1 and drawn.flops <= MOST_FLOPS:
            found.setdefault(drawn)
    return list(found)


def _layer(chance: random.Random) -> Layer:
    """Any layer; one whose window is larger than its padded input has no output."""
    kind = chance.random()
    if kind < 0.6:
        groups, ic, oc = 1, _skewed(chance, MOST_CHANNELS), _skewed(chance, MOST_CHANNELS)
    elif kind < 0.8:  # depthwise, mostly without a multiplier
        groups = ic = _skewed(chance, MOST_CHANNELS)
        oc = ic * (1 if chance.random() < 0.75 else chance.randint(1, max(1, MOST_CHANNELS // ic)))
    else:
        groups = chance.choice(_GROUPS)
        ic = groups * _skewed(chance, MOST_CHANNELS // groups)
        oc = groups * _skewed(chance, MOST_CHANNELS // groups)
    kh, kw = _pair(chance, lambda: chance.choice((1, 1, 2, 3, 3, 3, 4, 5, 5, 6, 7)))
    sh, sw = _pair(chance, lambda: chance.choice((1, 1, 1, 2, 2, 3)))
    dh, dw = _pair(chance, lambda: chance.choice((1, 1, 1, 1, 2, 3)))
    ih, iw = _pair(chance, lambda: chance.randint(1, 64))
    ph, phe, pw, pwe = _padding(chance, dh * (kh - 1), dw * (kw - 1))
    return Layer(
        kind="conv", ic=ic, ih=ih, iw=iw, oc=oc, kh=kh, kw=kw, sh=sh, sw=sw, dh=dh, dw=dw, g=groups,
        ph=ph, phe=None if phe == ph else phe, pw=pw, pwe=None if pwe == pw else pwe,
    )  # fmt: skip


def _skewed(chance: random.Random, most: int) -> int:
    """1 to most, its logarithm uniform."""
    return min(most, int((most + 1) ** chance.random()))


def _pair(chance: random.Random, one: Callable[[], int]) -> tuple[int, int]:
    first = one()
    return first, first if chance.random() < 0.6 else one()


def _padding(chance: random.Random, reach_h: int, reach_w: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right): none, what keeps the size, or any below the window."""
    kind = chance.random()
    if kind < 0.3:
        return 0, 0, 0, 0
    if kind < 0.7:
        return reach_h // 2, reach_h - reach_h // 2, reach_w // 2, reach_w - reach_w // 2
    return (
        chance.randint(0, reach_h),
        chance.randint(0, reach_h),
        chance.randint(0, reach_w),
        chance.randint(0, reach_w),
    )


# ---- the programs -------------------------------------------------------------------------------


def parser(description: str, count: int) -> argparse.ArgumentParser:
    """The options that the programs share."""
    result = argparse.ArgumentParser(description=description.splitlines()[0])
    result.add_argument(
        "--tier", action="append", metavar="NAME",
        help="an instruction set (FASTCONV_MAX_ISA); may be given again (default: all)",
    )  # fmt: skip
    result.add_argument("--count", type=int, default=count, help="how many shapes (%(default)s)")
    result.add_argument("--seed", type=int, default=1, help="which shapes (%(default)s)")
    result.add_argument("--batch", type=int, default=1, help="images of each call (%(default)s)")
    result.add_argument("--threads", type=int, default=1, help="of each call (%(default)s)")
    result.add_argument(
        "--slice", type=_slice, default=(1, 1), metavar="I/N",
        help="the I-th of N parts of the shapes (1/1)",
    )  # fmt: skip
    result.add_argument(
        "--results", type=pathlib.Path, default=RESULTS, metavar="FOLDER",
        help="where the figures go, as JSON (benchmarks/results)",
    )  # fmt: skip
    return result


def _slice(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    part, parts = int(part), int(parts)
    if not 1 <= part <= parts:
        raise argparse.ArgumentTypeError(f"{text} is not I/N with I from 1 to N")
    return part, parts


def run(options: argparse.Namespace, measure: Callable[[argparse.Namespace, str], None]) -> int:
    """Call measure(options, tier), each tier in a process of its own: it is settled at import."""
    used = fastconv.runtime_info()["tier_in_use"]
    if options.tier == [used]:
        measure(options, used)
        return 0
    info = fastconv.runtime_info()
    compiled = info["tiers_compiled"]
    offered = compiled[: compiled.index(info["tier_available"]) + 1]
    for tier in options.tier or offered:
        if tier not in offered:
            raise SystemExit(f"no tier {tier!r} here; there are {', '.join(offered)}")
        again = [argument for argument in sys.argv if argument != tier and argument != "--tier"]
        environment = os.environ | {"FASTCONV_MAX_ISA": tier}
        command = [sys.executable, *again, "--tier", tier]
        status = subprocess.run(command, env=environment, check=False).returncode
        if status:
            return status
    return 0


def slice_of(options: argparse.Namespace) -> list[Drawn]:
    """The shapes that the command line asks for."""
    part, parts = options.slice
    return draw(options.count, options.seed, options.batch)[part - 1 :: parts]


def save(
    name: str,
    options: argparse.Namespace,
    tier: str,
    rows: list[dict],
    summary: Callable[[list[dict]], dict],
) -> list[dict]:
    """Write rows and their summary to a file of results, and return the rows.

    What other slices of the same shapes left there stays, so that slices add up; what was measured
    with another seed or version goes.
    """
    made_of = {
        "version": fastconv.__version__,
        "tier": tier,
        "threads": options.threads,
        "batch": options.batch,
        "seed": options.seed,
        "count": options.count,
    }
    file = options.results / f"{name}-{tier}-{options.threads}t-b{options.batch}.json"
    merged: dict[str, dict] = {}
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if {key: before.get(key) for key in made_of} == made_of:
            merged = {row["shape"]: row for row in before["rows"]}
    merged |= {row["shape"]: row for row in rows}
    head = json.dumps(made_of | summary(list(merged.values())), indent=1)
    lines = ",\n".join(json.dumps(_rounded(row)) for row in merged.values())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f'{head[:-2]},\n "rows": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(merged)} of {options.count} shapes are in {file}")
    return list(merged.values())


def _rounded(value: object) -> object:
    """Four digits of every float: no clock says more, and the files stay readable."""
    if isinstance(value, dict):
        return {key: _rounded(entry) for key, entry in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def table(head: tuple[str, ...], rows: list[tuple]) -> None:
    """Print rows of texts under their head; the first column is aligned to the left."""
    lines = [head, *(tuple(map(str, row)) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        print("  ".join(cells))
