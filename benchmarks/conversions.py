"""Whether other engines compute what they are given: small networks, converted, against our graph.

    python benchmarks/conversions.py

Each network is one that a conversion could get wrong: windows over the end, groups, borders, sums
and concatenations of shared values, each activation. It goes as it was traced and after every pass
of the compiler through ONNX to onnxruntime, OpenVINO and MNN, and into ncnn's and torch's form. It
fails where a result is off; "refused" is what a format does not have.
"""

import importlib
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import numpy as np  # noqa: E402
from racing import graph_file, ncnn_graph, onnx_graph, tables, whole  # noqa: E402
from racing.children import missing_packages  # noqa: E402
from racing.engines import COMPETITORS, OWN  # noqa: E402

import fastconv  # noqa: E402
from fastconv import functional as F  # noqa: E402
from fastconv import nn  # noqa: E402
from fastconv.graph.interpret import interpret  # noqa: E402
from fastconv.graph.passes import PASSES, optimize  # noqa: E402
from fastconv.graph.trace import trace  # noqa: E402

TOLERANCE = 1e-4  # of the largest value: MNN's fastest Winograd is no nearer
SIZE = 13


class Shared(nn.Module):
    """A value that is added to, concatenated and normalised again."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1, bias=False)
        self.norm, self.last = nn.BatchNorm2d(8), nn.BatchNorm2d(16)

    def forward(self, x):
        x = F.relu(self.a(x))
        y = F.relu6(self.norm(self.b(x)) + x)
        return self.last(fastconv.autograd.cat([x, y], 1))


def networks() -> dict[str, nn.Module]:
    """Functions of images (N, 3, 13, 13)."""
    found: dict[str, nn.Module] = {
        "shared values": Shared(),
        "groups": nn.Sequential(nn.Conv2d(3, 12, 3), nn.Conv2d(12, 8, 3, groups=4)),
        "depthwise": nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, 2, 1, groups=8)),
        "stride, dilation": nn.Conv2d(3, 5, (3, 2), (2, 1), padding=(2, 1), dilation=(2, 3)),
        "four borders": nn.Sequential(nn.ZeroPad2d((1, 2, 0, 3)), nn.Conv2d(3, 4, 3)),
        "max over the end": nn.MaxPool2d(2, 2, ceil_mode=True),
        "max in a border": nn.MaxPool2d(3, 2, padding=1),
        "mean with border": nn.AvgPool2d(3, 2, padding=1),
        "mean without": nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
        "global": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)),
        "global maximum": nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()),
        "rows": nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 7), nn.Softmax(1)),
        # Behind a convolution: of an input ncnn dies, and of 3 channels OpenVINO makes errors.
        "responses": nn.Sequential(nn.Conv2d(3, 16, 3), nn.LocalResponseNorm(5, 1e-2, 0.75, 2.0)),
    }
    for kind in (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid):
        found[kind.__name__] = nn.Sequential(nn.Conv2d(3, 6, 3), kind())
    return found


def main() -> int:
    # Engines print what they like; their standard output goes the way of standard error.
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    engines = [name for name in COMPETITORS if name != OWN and not COMPETITORS[name].environment]
    engines = [name for name in engines if not missing_packages(name)]
    wrong = 0
    lines = []
    for title, model in networks().items():
        for how, passes in (("as traced", ()), ("after the passes", PASSES)):
            found = compare(model, passes, engines)
            wrong += sum(isinstance(error, float) and not error <= TOLERANCE for error in found)
            told = [f"{e:.0e}" if isinstance(e, float) else e for e in found]
            lines.append([f"{title}, {how}", *told])
    print(tables.table(["network", *engines], lines), end="", file=answer, flush=True)
    return 1 if wrong else 0


def compare(model: nn.Module, passes: tuple, engines: list[str]) -> list[float | str]:
    """Each engine's largest error, or that the conversion refuses the network."""
    rng = np.random.default_rng(0)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean[...] = rng.normal(size=norm.running_mean.shape)
            norm.running_var[...] = rng.uniform(0.5, 2.0, norm.running_var.shape)
    x = rng.standard_normal((1, 3, SIZE, SIZE), np.float32)
    graph, _ = trace(model.eval(), (x,))
    graph = optimize(graph, passes)
    (expected,) = interpret(graph, [x])
    found: list[float | str] = []
    for name in engines:
        with tempfile.TemporaryDirectory(prefix="conversions-") as folder:
            try:
                result = run(name, graph, pathlib.Path(folder), x)
            except TypeError:
                found.append("refused")
                continue
        error = np.max(np.abs(result.reshape(expected.shape) - expected))
        found.append(float(error / np.max(np.abs(expected))))
    return found


def run(name: str, graph, folder: pathlib.Path, x: np.ndarray) -> np.ndarray:
    """What an engine makes of x; TypeError where its format lacks an operation."""
    if name == "torch":
        graph_file.write(graph, folder / whole.GRAPH, folder / whole.ARRAYS)
    elif name == "ncnn":
        ncnn_graph.convert(graph, folder / whole.NCNN_LAYERS, folder / whole.NCNN_WEIGHTS)
    else:
        model = onnx_graph.convert(graph, len(x))
        (folder / whole.ONNX).write_bytes(model.SerializeToString())
    engine = importlib.import_module(f"racing.whole.{COMPETITORS[name].module}")
    make = next(iter(engine.networks(whole.NetworkTask(str(folder), x, 1)).values()))
    call = make()  # which holds what the engine does not
    return call.result()


if __name__ == "__main__":
    sys.exit(main())
