"""Tables in Markdown."""

from collections.abc import Iterable, Sequence

import corpus

from racing import figures
from racing.engines import ENGINES, FUNCTIONAL, PREPARED
from racing.figures import Row

SHORT = {"onnxruntime": "ORT", "openvino": "OpenVINO", "mnn": "MNN"}


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    rule = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, rule, *lines]) + "\n"


def number(value: float | None) -> str:
    """Three significant digits, without an exponent; nothing for None."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    if abs(value) >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.5f}"


def heading(dtype: str, cold: bool, threads: int) -> str:
    count = "1 thread" if threads == 1 else f"{threads} threads"
    return f"{dtype}, {'cold' if cold else 'warm'}, {count}"


def names_of_layers() -> dict[str, str]:
    """Line without name -> network:name of the first layer that has this shape."""
    return {str(layer.shape_key): name for name, layer in corpus.unique_layers().items()}


def shape(layer: corpus.Layer) -> str:
    """A layer in a few characters: 64×56×56 → 128, 3×3 s2."""
    batch = f"{layer.mb}× " if layer.mb > 1 else ""
    if layer.kind == "linear":
        return f"{batch}{layer.ic} → {layer.oc}"
    told = f"{batch}{layer.ic}×{layer.ih}×{layer.iw}"
    if layer.kind == "globalavgpool":
        return f"{told}, mean"
    told += f" → {layer.oc}" if layer.kind == "conv" else ""
    told += f", {layer.kind.removesuffix('pool')} " if layer.kind != "conv" else ", "
    told += f"{layer.kh}×{layer.kw}"
    for letter, pair in (("s", layer.stride), ("d", layer.dilation)):
        if pair != (1, 1):
            told += f" {letter}{pair[0]}" if pair[0] == pair[1] else f" {letter}{pair[0]}×{pair[1]}"
    return told + (f" g{layer.g}" if layer.g > 1 else "")


def _algorithm(row: Row) -> str:
    """What computes the function and, where that is something else, the prepared form."""
    pair = row.get("algorithm", ""), row.get("prepared", "")
    return pair[0] if pair[1] in ("", pair[0]) else f"{pair[0]}, {pair[1]}"


def layer_table(rows: list[Row], names: dict[str, str]) -> str:
    """A line for each row; columns of engines that computed none of them are left out."""
    engines = [engine for engine in ENGINES if any(figures.best(row, engine) for row in rows)]
    compute = any(figures.percent_of_peak(row, 1) for row in rows)
    copied = any("copy" in row for row in rows)
    head = ["layer", "first in", "by"]
    head += ["GFLOP/s", "% peak"] if compute else []
    head += ["% copy"] if copied else []
    head += ["function ms", "prepared ms", *(SHORT.get(engine, engine) for engine in engines)]
    head += ["function: torch", "all", "prepared: compiled", "all"]
    lines = []
    for row in sorted(rows, key=figures.intensity, reverse=True):
        layer = figures.layer_of(row)
        ms = figures.own(row, PREPARED)
        cells = [shape(layer), names.get(row["layer"], ""), _algorithm(row)]
        if compute:
            speed = figures.gflops(row, ms)
            cells += [number(speed) if speed else "", number(figures.percent_of_peak(row, ms))]
        if copied:
            cells.append(number(figures.percent_of_copy(row, ms)))
        cells += [number(figures.own(row, FUNCTIONAL)), number(ms)]
        cells += [number(figures.best(row, engine)) for engine in engines]
        for form in figures.FORMS:
            for peers in (figures.peers(form), figures.peers(None)):
                cells.append(number(figures.ratio(row, form, peers)))
        lines.append(cells)
    return table(head, lines)
