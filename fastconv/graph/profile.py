"""What a compiled network's steps are, and how long each takes."""

import os
import statistics
import time
from dataclasses import dataclass
from typing import Any

from fastconv import _core

from .ir import Node
from .lower import Lowered

_PEAKS = 3


@dataclass(frozen=True)
class Step:
    """One step of a program.

    op, algorithm, tier, reason: the engine's. layer: the dotted name of the module. shape: of the
    result for the whole batch, as the engine counts it. layout: of the result, 'NCHW' or, channels
    last, 'NHWC'. flops, bytes: of what it computes and of what it reads and writes. milliseconds:
    measured, or None.
    """

    op: str
    layer: str
    algorithm: str
    tier: str
    reason: str
    shape: tuple[int, ...]
    layout: str
    flops: int
    bytes: int
    milliseconds: float | None

    @classmethod
    def of(
        cls, told: dict[str, Any], node: Node, channels_last: bool, milliseconds: float | None
    ) -> "Step":
        """From what a program tells of a step."""
        moved = told["src_bytes"] + told["dst_bytes"] + told["weight_bytes"]
        repeats = told["repeats"]
        return cls(
            told["op"], node.layer, told["algorithm"], told["tier"], told["reason"],
            tuple(told["dst_shape"]), "NHWC" if channels_last else "NCHW", told["flops"] * repeats,
            moved * repeats, milliseconds,
        )  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """Steps with their times, the whole call's, and the machine's peak in the same run.

    milliseconds: of a call, measured from outside. peak: multiply-adds a second, doubled, of the
    threads that were given. ``str`` is a table, and ``plot`` draws it.
    """

    steps: list[Step]
    milliseconds: float
    peak: float
    threads: int

    @classmethod
    def measured(
        cls, lowered: Lowered, arrays: list, threads: int, repeats: int, dtype: Any
    ) -> "Profile":
        """Medians of `repeats` runs of either kind, and of peaks before and after them."""
        program = lowered.program
        peaks = [_core.measure_peak(dtype.name, threads) for _ in range(_PEAKS)]
        program.run(arrays, threads)
        times, wholes = [], []
        for _ in range(repeats):
            times.append(program.profile(arrays, threads))
            start = time.perf_counter_ns()
            program.run(arrays, threads)
            wholes.append(time.perf_counter_ns() - start)
        peaks += [_core.measure_peak(dtype.name, threads) for _ in range(_PEAKS)]
        medians = [statistics.median(one) * 1e-6 for one in zip(*times, strict=True)]
        steps = [
            Step.of(*step)
            for step in zip(
                program.steps, lowered.nodes, lowered.channels_last, medians, strict=True
            )
        ]
        return cls(steps, statistics.median(wholes) * 1e-6, statistics.median(peaks), threads)

    def plot(self, path: str | os.PathLike[str], title: str = "Profile") -> None:
        """Draw the steps: a bar for the time of each, coloured by its algorithm, and behind it how
        much of the machine's peak it reaches.

        Args:
            path: of the picture, a PNG.
            title: above it.

        Raises:
            MissingPillow: Pillow is not installed. OSError: the file cannot be written.
        """
        from fastconv.pictures import bars

        total = sum(step.milliseconds for step in self.steps)
        # Of small networks microseconds.
        longest = max((step.milliseconds for step in self.steps), default=0.0)
        unit, factor = ("ms", 1.0) if longest >= 0.5 else ("us", 1e3)
        drawn = []
        for step in self.steps:
            long = step.milliseconds * factor
            text = f"{long:.3g} {unit}"
            if step.flops:
                text += f", {self._of_peak(step):.0%} of peak"
            names = (step.layer, step.op) if step.layer else (step.op, "")
            drawn.append(bars.Bar(*names, long, step.algorithm, text))
        told = (
            f"{len(self.steps)} steps, {total * factor:.4g} {unit} in all",
            f"a call {self.milliseconds * factor:.4g} {unit}",
            "1 thread" if self.threads == 1 else f"{self.threads} threads",
            f"peak {self.peak * 1e-9:.0f} GFLOP/s",
        )
        bars.draw(drawn, title, "; ".join(told), unit).save(path, "PNG")

    def _of_peak(self, step: Step) -> float:
        return step.flops / step.milliseconds * 1e3 / self.peak if step.milliseconds else 0.0

    def __str__(self) -> str:
        header = ("layer", "op", "algorithm", "result", "layout")
        header += ("ms", "share", "GFLOP/s", "% peak", "MB")
        rows = [header]
        total = sum(step.milliseconds for step in self.steps) or 1.0
        for step in self.steps:
            rate = step.flops / step.milliseconds * 1e-6 if step.milliseconds else 0.0
            rows.append(
                (
                    step.layer,
                    step.op,
                    step.algorithm,
                    "×".join(map(str, step.shape)),
                    step.layout,
                    f"{step.milliseconds:.3f}",
                    f"{step.milliseconds / total:.1%}",
                    f"{rate:.1f}" if step.flops else "",
                    f"{self._of_peak(step):.0%}" if step.flops else "",
                    f"{step.bytes * 1e-6:.2f}",
                )
            )
        rows.append(("all steps", "", "", "", "", f"{total:.3f}", "", "", "", ""))
        rows.append(("a call", "", "", "", "", f"{self.milliseconds:.3f}", "", "", "", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if i < 5 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        )
