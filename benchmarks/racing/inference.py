"""The race of whole networks: forward passes, fastconv compiled and as it is, against all engines.

Everybody gets the same weights and images. What has to come out is computed by fastconv in float64,
layer by layer.
"""

import dataclasses
import datetime
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import zlib
from typing import Any

import numpy as np

import fastconv
from fastconv import models, nn
from fastconv.graph.passes import (
    fold_batch_norm,
    fold_pad,
    fuse_activation,
    optimize,
    remove_dead,
    remove_identities_here,
)
from fastconv.graph.trace import trace
from fastconv.models import safetensors
from racing import graph_file, ncnn_graph, whole
from racing.children import ANSWER_SECONDS, Child, ChildDied, environment
from racing.contest import Effort, Entry
from racing.engines import COMPETITORS, FORM, FUNCTIONAL, OWN
from racing.referee import compete

COMPILED, EAGER = "compiled", "eager"  # fastconv's forms, as racing.whole.own has them
EFFORT = Effort(runs=20, seconds=0.3, limit=6.0, block_seconds=0.05, block_runs=2)
QUICK = Effort(runs=3, seconds=0.02, limit=1.0, block_seconds=0.01, block_runs=1, alone=False)
STARTS = 3  # fresh processes, the median of which counts
BATCHES = (1, 16)
PATCH = 16  # pixels
# Of the largest output: more than the transforms of all layers together need, and less than any
# arithmetic with half the bits shows.
TOLERANCE = 5e-4

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network of fastconv.models, by its name and options there, and what it is to be called."""

    title: str
    model: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


NETWORKS = {
    "lenet5": Network("LeNet-5", "lenet5"),
    "alexnet": Network("AlexNet", "alexnet", {"groups": 1, "norm": False}),
    "vgg16": Network("VGG-16", "vgg16"),
    "resnet18": Network("ResNet-18", "resnet18"),
    "resnet50": Network("ResNet-50", "resnet50"),
    "googlenet": Network("GoogLeNet", "googlenet", {"auxiliaries": False}),
    "squeezenet1_1": Network("SqueezeNet 1.1", "squeezenet1_1"),
    "mobilenet_v2": Network("MobileNetV2", "mobilenet_v2"),
}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One line of the race."""

    network: str
    batch: int
    threads: int

    @property
    def name(self) -> str:
        return f"{self.network} b{self.batch}"

    @property
    def key(self) -> tuple[str, str, int, bool]:
        return self.name, "float32", self.threads, False


def build(network: str) -> nn.Module:
    """The network with drawn weights, always the same ones, in eval mode.

    They are such that every layer gets numbers of the size that it would get in a trained network:
    variances as He et al. have them, where the papers' would let images come to the same, and
    statistics of batch normalisation those of two images.
    """
    what = NETWORKS[network]
    with nn.init.skip():
        model = models.create(what.model, **what.options).eval()
    rng = np.random.default_rng(zlib.crc32(network.encode()))
    for part in model.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            deviation = np.float32(np.sqrt(2 / np.prod(part.weight.shape[1:])))
            part.weight.data[...] = rng.standard_normal(part.weight.shape, np.float32) * deviation
            if part.bias is not None:
                part.bias.data[...] = rng.normal(0.0, 0.1, part.bias.shape)
    norms = [part for part in model.modules() if isinstance(part, nn.BatchNorm2d)]
    if not norms:
        return model
    for norm in norms:
        norm.weight.data[...] = rng.uniform(0.5, 1.5, norm.weight.shape)
        norm.bias.data[...] = rng.normal(0.0, 0.2, norm.bias.shape)
        norm.running_mean[...], norm.running_var[...] = 0.0, 1.0
        norm.train()
        norm.momentum = 1.0  # the statistics become those of the next batch
    with fastconv.no_grad():
        model(images(network, 2))
    return model.eval()


def images(network: str, count: int) -> np.ndarray:
    """Patches of noise with noise upon them, in the network's size; fewer are the first of more.

    Of noise alone, means over the plane would make the same for all images.
    """
    channels, height, width = models.entry(NETWORKS[network].model).input_shape
    rng = np.random.default_rng(zlib.crc32(f"{network} images".encode()))
    shape = channels, -(-height // PATCH), -(-width // PATCH)
    found = np.empty((count, channels, height, width), np.float32)
    for image in found:
        patches = np.kron(rng.standard_normal(shape, np.float32), np.ones((PATCH, PATCH)))
        noise = rng.standard_normal(image.shape, np.float32)
        image[...] = patches[:, :height, :width] + 0.5 * noise
    return found


def complaint(got: np.ndarray, exact: np.ndarray, scale: float) -> tuple[float, str | None]:
    """How far off a result is, in parts of scale, and what is wrong with it, if anything."""
    if got.shape != exact.shape:
        return np.inf, f"shape {got.shape} where {exact.shape} was expected"
    error = float(np.max(np.abs(got - exact))) / scale
    if error <= TOLERANCE:  # False for NaN
        return error, None
    return error, f"off by {error:.1e} of the range of the results"


def spread(exact: np.ndarray) -> float:
    """The largest distance of a score from its mean over the images: what all have in common, as
    the last biases, says nothing of how exact a result is."""
    return float(np.max(np.abs(exact - exact.mean(0))))


class NetworkReferee:
    """A row: files for everybody, checked results, times by turns, fresh processes."""

    def __init__(self, children: dict[str, Child], effort: Effort, starts: int) -> None:
        self.children = children
        self.effort = effort
        self.starts = starts
        self._folder = tempfile.TemporaryDirectory(prefix="race-")
        self._held: tuple[str, int] = "", 0
        self._exact = np.zeros(0)
        self._graph: Any = None

    def close(self) -> None:
        self._folder.cleanup()

    def race(self, row: Wanted) -> Row:
        """The row as it is kept; ChildDied only if fastconv's process has."""
        self._lay_out(row.network, row.batch)
        told: Row = {
            "layer": row.name,
            "network": row.network,
            "batch": row.batch,
            "dtype": "float32",
            "threads": row.threads,
            "cold": False,
            "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "entries": {},
            "errors": {},
        }
        competing = self._prepare(row, told)
        self._time(competing, told)
        for child in self.children.values():
            try:
                child.ask("forget")
            except ChildDied:
                continue  # it shows in the next row
            child.rest()
        told["files MB"] = self._file_sizes()
        told["first"] = self._first_answers(row, told)
        return told

    # ---- files

    def _lay_out(self, network: str, batch: int) -> None:
        """The network's files; those that do not depend on the batch only once."""
        folder = pathlib.Path(self._folder.name)
        if self._held[0] != network:
            for file in folder.iterdir():
                file.unlink()
            self._write_network(network, folder)
        if self._held != (network, batch) and self._needs("onnx"):
            from racing import onnx_graph

            model = onnx_graph.convert(self._graph, batch)
            (folder / whole.ONNX).write_bytes(model.SerializeToString())
            (folder / whole.MNN).unlink(missing_ok=True)
        self._held = network, batch

    def _needs(self, package: str) -> bool:
        return any(package in COMPETITORS[name].packages for name in self.children)

    def _write_network(self, network: str, folder: pathlib.Path) -> None:
        what = NETWORKS[network]
        model = build(network)
        x = images(network, max(BATCHES))
        np.save(folder / whole.INPUT, x)
        (folder / whole.MODEL).write_text(json.dumps({"name": what.model, "options": what.options}))
        weights = {name: np.asarray(array) for name, array in model.state_dict().items()}
        safetensors.save(folder / whole.WEIGHTS, weights)
        traced, _ = trace(model, (x[:1],))
        # onnxruntime, OpenVINO and MNN fold and fuse by themselves, into what they do best.
        self._graph = optimize(traced, (remove_dead, remove_identities_here))
        passes = (remove_dead, remove_identities_here, fold_pad, fold_batch_norm, fuse_activation)
        folded = optimize(traced, passes)
        graph_file.write(folded, folder / whole.GRAPH, folder / whole.ARRAYS)
        ncnn_graph.convert(folded, folder / whole.NCNN_LAYERS, folder / whole.NCNN_WEIGHTS)
        with fastconv.no_grad():
            self._exact = np.asarray(model.to(dtype=np.float64)(x.astype(np.float64)))

    def _file_sizes(self) -> dict[str, float]:
        folder = pathlib.Path(self._folder.name)
        files = {
            OWN: (whole.WEIGHTS,),
            "torch": (whole.ARRAYS,),
            "onnxruntime": (whole.ONNX,),
            "openvino": (whole.ONNX,),
            "ncnn": (whole.NCNN_LAYERS, whole.NCNN_WEIGHTS),
            "mnn": (whole.MNN,),
        }
        found = {}
        for engine in {child.engine for child in self.children.values()}:
            paths = [folder / name for name in files[engine]]
            if all(path.exists() for path in paths):
                found[engine] = round(sum(path.stat().st_size for path in paths) / 2**20, 2)
        return found

    # ---- results and times

    def _prepare(self, row: Wanted, told: Row) -> list[Entry]:
        """Who has computed what he should, and into the row who has not."""
        competing: list[Entry] = []
        exact = self._exact[: row.batch]
        how = {"folder": self._folder.name, "batch": row.batch, "threads": row.threads}
        for name, child in self.children.items():
            try:
                verdicts = child.ask("prepare_network", **how)["entries"]
            except ChildDied as why:
                if name == OWN:
                    raise
                verdicts = {"-": {"refused": str(why)}}
            else:
                child.rest()
            for entry, verdict in verdicts.items():
                key = f"{name}/{entry}"
                if "refused" in verdict:
                    told["entries"][key] = verdict
                    continue
                path = pathlib.Path(verdict["result"])
                error, fault = complaint(np.load(path), exact, spread(self._exact))
                path.unlink()
                told["errors"][key] = float(f"{error:.2g}")
                if "weights" in verdict:
                    told["weights MB"] = round(verdict["weights"] / 2**20, 2)
                if fault:
                    told["entries"][key] = {"wrong": fault}
                else:
                    competing.append((name, entry))
        faults = {k: v for k, v in told["entries"].items() if k.startswith(f"{OWN}/")}
        if faults:
            raise ChildDied(f"fastconv does not compute {row.name}: {faults}")
        return competing

    def _time(self, competing: list[Entry], told: Row) -> None:
        rivals = []
        for entry in competing:
            engine = self.children[entry[0]].engine
            if engine != OWN:
                form = EAGER if FORM[engine] == FUNCTIONAL else COMPILED
                rivals.append((entry, (OWN, form), engine))
        compete(self.children, [(OWN, COMPILED), (OWN, EAGER)], rivals, self.effort, told)

    # ---- fresh processes

    def _first_answers(self, row: Wanted, told: Row) -> dict[str, dict[str, float]]:
        """Of each engine the better of its settings, of each by itself: ms to the first answer, MB
        at most, MB held after it; fastconv's forms apart."""
        found: dict[str, dict[str, float]] = {}
        for key, entry in told["entries"].items():
            name, _, setting = key.partition("/")
            if "ms" not in entry or COMPETITORS[name].environment:
                continue  # told to keep what it freed: it would only hold more
            runs = [_start(name, setting, self._folder.name, row) for _ in range(self.starts)]
            who = key if name == OWN else COMPETITORS[name].engine
            best = found.setdefault(who, {})
            for what in runs[0]:
                value = round(statistics.median(run[what] for run in runs), 2)
                best[what] = min(best.get(what, np.inf), value)
        return found


def _start(name: str, entry: str, folder: str, row: Wanted) -> dict[str, float]:
    """Of a process that lives for one answer."""
    arguments = [COMPETITORS[name].module, entry, folder, str(row.batch), str(row.threads)]
    ended = subprocess.run(
        [sys.executable, "-m", "racing.first_answer", *arguments],
        env=environment(name),
        capture_output=True,
        text=True,
        timeout=ANSWER_SECONDS,
        check=False,
    )
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or [""]
        raise ChildDied(f"{name}/{entry} has no first answer: {lines[-1][:160]}")
    return json.loads(ended.stdout)
