"""The race of whole networks: graphs in other engines' formats, rows in tables; no engine runs."""

import struct

import numpy as np
import pytest
from racing import figures, graph_file, inference, ncnn_graph, network_report
from racing.engines import ENGINES
from racing.windows import Windows, whole_windows

import fastconv
from fastconv import nn
from fastconv.graph.interpret import interpret
from fastconv.graph.passes import PASSES, fold_batch_norm, fuse_activation, optimize
from fastconv.graph.trace import trace

IMAGE = np.zeros((1, 3, 12, 12), np.float32)


class Branches(nn.Module):
    """A sum and a concatenation of what two convolutions make of one value."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.left = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.right = nn.Conv2d(8, 8, (1, 3), padding=(0, 1))
        self.relu, self.relu6 = nn.ReLU(), nn.ReLU6()
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.mean, self.flat = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.last = nn.Linear(16, 5)

    def forward(self, x):
        x = self.relu(self.stem(x))
        left, right = self.left(x), self.relu6(self.right(x))
        x = fastconv.autograd.cat([self.relu(left + x), right], 1)
        return self.last(self.flat(self.mean(self.pool(x))))


def graph_of(model, image=IMAGE, passes=(fold_batch_norm, fuse_activation)):
    graph, _ = trace(model.eval(), (image,))
    return optimize(graph, passes)


def ncnn_layers(graph, folder):
    """Lines as (kind, inputs, outputs, {key: value}), the head, and the weights' file."""
    parameters, weights = folder / "net.param", folder / "net.bin"
    ncnn_graph.convert(graph, parameters, weights)
    magic, head, *lines = parameters.read_text().splitlines()
    assert magic == "7767517"
    layers = []
    for line in lines:
        kind, _, ins, outs, *rest = line.split()
        ins, outs = int(ins), int(outs)
        keys = dict(pair.split("=") for pair in rest[ins + outs :])
        layers.append((kind, rest[:ins], rest[ins : ins + outs], keys))
    return layers, [int(number) for number in head.split()], weights.read_bytes()


# ---- ncnn ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes", [(fold_batch_norm, fuse_activation), (), PASSES])
def test_ncnn_makes_every_blob_once_before_it_is_taken_once(tmp_path, passes):
    layers, (count, blobs), _ = ncnn_layers(graph_of(Branches(), passes=passes), tmp_path)
    made, taken = [], []
    for _, inputs, outputs, _ in layers:
        assert set(inputs) <= set(made)
        taken += inputs
        made += outputs
    assert len(set(made)) == len(made) == blobs
    assert len(set(taken)) == len(taken)
    assert set(made) - set(taken) == {"y0"}
    assert count == len(layers)


def test_ncnn_layers_say_what_the_network_does(tmp_path):
    graph = graph_of(Branches())
    layers, _, weights = ncnn_layers(graph, tmp_path)
    kinds = [kind for kind, *_ in layers]
    assert kinds == [
        *("Input", "Convolution", "Split", "ConvolutionDepthWise", "Convolution"),
        *("BinaryOp", "ReLU", "Concat", "Pooling", "Pooling", "Flatten", "InnerProduct", "Noop"),
    ]
    keys = {i: told for i, (_, _, _, told) in enumerate(layers)}
    assert keys[1] | {"0": "8", "9": "1", "5": "1", "6": "216"} == keys[1]
    assert keys[3] | {"7": "8", "5": "1", "6": "72"} == keys[3]
    wide = {"1": "3", "11": "1", "4": "1", "15": "1", "14": "0", "16": "0", "9": "3"}
    assert keys[4] | wide | {"-23310": "2,0.0,6.0"} == keys[4]
    assert keys[8] | {"0": "0", "1": "3", "2": "2", "5": "0"} == keys[8]  # windows over the end
    assert keys[9] == {"0": "1", "4": "1"}
    stored = [node for node in graph.nodes if node.arrays]
    expected = b"".join(
        struct.pack("<I", 0) + node.arrays["weight"].tobytes() + node.arrays["bias"].tobytes()
        for node in stored
    )
    assert weights == expected


def test_ncnn_takes_channels_of_an_image(tmp_path):
    class Tail(nn.Module):
        def forward(self, x):
            return x[:, 1:3]

    layers, _, _ = ncnn_layers(graph_of(Tail()), tmp_path)
    assert layers[1][0] == "Crop"
    assert layers[1][3] == {"2": "1", "3": "12", "4": "12", "5": "2"}


def test_ncnn_takes_a_residual_before_the_activation(tmp_path):
    layers, _, _ = ncnn_layers(graph_of(Branches(), passes=PASSES), tmp_path)
    kinds = [kind for kind, *_ in layers]
    place = kinds.index("BinaryOp")
    assert kinds[place - 1 : place + 2] == ["ConvolutionDepthWise", "BinaryOp", "ReLU"]
    assert "9" not in layers[place - 1][3]
    assert layers[place - 1][2][0] in layers[place][1]


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (nn.MaxPool2d(3, dilation=2), "dilated"),
        (nn.AdaptiveAvgPool2d(5), "several sizes"),
        (nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), "border"),
        (nn.GELU(), "gelu"),
        (nn.LocalResponseNorm(4), "even windows"),
    ],
)
def test_ncnn_refuses_what_it_would_do_otherwise(tmp_path, layer, why):
    with pytest.raises(TypeError, match=why):
        ncnn_layers(graph_of(layer, passes=()), tmp_path)


# ---- windows ------------------------------------------------------------------------------------


def windows_of(layer, size):
    graph = graph_of(layer, np.zeros((1, 2, size, size), np.float32), ())
    return whole_windows(graph.nodes[0])


def test_windows_hang_over_only_where_they_count():
    assert windows_of(nn.MaxPool2d(3, 2, ceil_mode=True), 12).ceil
    assert not windows_of(nn.MaxPool2d(3, 2, ceil_mode=True), 13).ceil
    assert windows_of(nn.AdaptiveAvgPool2d(3), 12) == Windows((4, 4), (4, 4))


def test_the_last_window_that_pytorch_leaves_out_is_refused():
    layer = nn.MaxPool2d(2, 3, padding=1, ceil_mode=True)  # of 5: it would begin in the padding
    with pytest.raises(TypeError, match="last window"):
        windows_of(layer, 5)


# ---- the graph as files, and torch --------------------------------------------------------------


def test_a_graph_is_read_as_it_was_written(tmp_path):
    graph = graph_of(Branches())
    graph_file.write(graph, tmp_path / "g.json", tmp_path / "g.bin")
    read = graph_file.read(tmp_path / "g.json", tmp_path / "g.bin")
    assert [node["kind"] for node in read["nodes"]] == [node.kind for node in graph.nodes]
    for told, node in zip(read["nodes"], graph.nodes, strict=True):
        assert told["arrays"].keys() == node.arrays.keys()
        for name, array in node.arrays.items():
            np.testing.assert_array_equal(told["arrays"][name], array)
    held = sum(array.nbytes for node in graph.nodes for array in node.arrays.values())
    assert (tmp_path / "g.bin").stat().st_size == held
    assert read["outputs"] == [len(graph.nodes)]


@pytest.mark.oracle
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("passes", [(), (fold_batch_norm, fuse_activation), PASSES])
def test_torch_computes_the_graph(tmp_path, layout, passes):
    import torch
    from racing.whole import pytorch

    graph = graph_of(Branches(), passes=passes)
    graph_file.write(graph, tmp_path / "g.json", tmp_path / "g.bin")
    read = graph_file.read(tmp_path / "g.json", tmp_path / "g.bin")
    run = pytorch.compose(read, pytorch.LAYOUTS[layout])
    x = np.random.default_rng(0).standard_normal((2, *IMAGE.shape[1:]), np.float32)
    given = x.copy()
    with torch.inference_mode():
        first, second = (run(torch.from_numpy(given)).numpy() for _ in range(2))
    np.testing.assert_array_equal(given, x)  # nothing was done in its place
    np.testing.assert_array_equal(first, second)
    (expected,) = interpret(graph, [x])
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-5)


# ---- results ------------------------------------------------------------------------------------


def test_a_wrong_result_is_told():
    exact = np.array([[1.0, 2.0], [1.5, 2.5]])
    scale = inference.spread(exact)
    assert scale == 0.25
    assert inference.complaint(exact.astype(np.float32), exact, scale) == (0.0, None)
    bent = exact + 0.6 * inference.TOLERANCE * scale
    assert inference.complaint(bent, exact, scale)[1] is None
    assert "off by" in inference.complaint(exact + 2 * inference.TOLERANCE, exact, scale)[1]
    assert "off by" in inference.complaint(exact * np.nan, exact, scale)[1]
    assert "shape" in inference.complaint(exact[:1], exact, scale)[1]


def test_a_network_is_drawn_alike_each_time_and_its_scores_differ_by_image():
    one, two = (inference.build("lenet5") for _ in range(2))
    x = inference.images("lenet5", 3)
    with fastconv.no_grad():
        first, second = np.asarray(one(x)), np.asarray(two(x))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(inference.images("lenet5", 2), x[:2])
    assert inference.spread(first) > 1e-3 * np.abs(first).max()


def test_every_network_has_a_target_for_each_case():
    assert len(network_report.TARGETS) == 4 * len(inference.NETWORKS)
    assert all(1 < target <= 2.5 for target in network_report.TARGETS.values())


# ---- what is written ----------------------------------------------------------------------------


def figure(ms, **more):
    return {"ms": ms, "q1": ms, "q3": ms, "runs": 20, "cpu": 1.0, **more}


def make_row(network="resnet18", batch=1, threads=1, **changes):
    entries = {
        "fastconv/compiled": figure(10.0),
        "fastconv/eager": figure(16.0),
        "torch/nchw": figure(32.0),
        "torch-keeping/nhwc": figure(24.0),
        "onnxruntime/bound": figure(20.0, alone=19.0),
        "openvino/nchw": figure(21.0),
        "mnn/default": {"wrong": "off by 1.0e-03 of the range of the results"},
        "mnn/small tiles": figure(40.0),
    }
    first = {"ms": 100.0, "MB": 90.0, "MB held": 80.0}
    row = {
        "layer": f"{network} b{batch}",
        "network": network,
        "batch": batch,
        "dtype": "float32",
        "threads": threads,
        "cold": False,
        "at": "2026-01-02T03:04:05+00:00",
        "peak": 200.0,
        "session": 0,
        "entries": entries | changes.pop("entries", {}),
        "errors": {"fastconv/compiled": 1e-6, "mnn/default": 1e-3, "torch/nchw": 2e-6},
        "files MB": {"fastconv": 44.6, "torch": 44.6, "onnxruntime": 44.7},
        "weights MB": 153.0,
        "first": {"fastconv/compiled": first, "torch": {**first, "ms": 1500.0}},
    }
    return row | changes


def session(**changes):
    told = {
        "cpu": "Some CPU",
        "cores": 2,
        "commit": "abc1234",
        "versions": {"fastconv": "0.1.0", "torch": "2.13.0"},
        "quick": False,
    }
    return told | changes


def test_the_ratio_is_of_the_best_peers_time_to_the_compiled_networks():
    row = make_row()
    assert network_report.ratio(row) == pytest.approx(1.9)
    assert figures.ratio(row, inference.EAGER, ["torch"]) == pytest.approx(1.5)
    assert network_report.raced([row]) == ["torch", "onnxruntime", "openvino", "mnn"]
    line = network_report.one_line(row)
    assert line == "resnet18 b1 1T  compiled 10.0 ms  eager 16.0  best peer onnxruntime 19.0  ×1.90"


def test_the_document_has_a_table_for_each_batch_and_number_of_threads():
    rows = [make_row(threads=2), make_row("lenet5", 16), make_row()]
    text = network_report.document([session()], rows, "networks/rows.jsonl")
    assert "Some CPU, 2 cores" in text
    assert "--quick" not in text
    assert text.index("## Batch 1, 1 thread") < text.index("## Batch 1, 2 threads")
    assert "## Batch 16, 1 thread" in text
    assert (
        "| ResNet-18 | 10.0 | 16.0 | 24.0 | 19.0 | 21.0 | 40.0 | ORT | 1.90 | 1.90 | yes | 1.50 |"
        in text
    )
    assert "Of 3 rows, 3 are faster than the best peer and 3 reach their target" in text
    assert "| ResNet-18 | 90.0 (80.0) |  | 90.0 (80.0) |  |  |  |" in text
    assert "| mnn/default | wrong | off by 1.0e-03 of the range of the results |" in text
    assert "None" not in text
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
    assert len(tables) == 12
    for lines in tables:
        assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_a_row_in_which_nobody_else_ran_has_no_ratio():
    own = {name: figure(1.0) for name in ("fastconv/compiled", "fastconv/eager")}
    row = make_row() | {"entries": own}
    text = network_report.document([session(quick=True)], [row], "rows.jsonl")
    assert "measured with `--quick`" in text
    assert "rows are faster" not in text
    assert "None" not in text
    assert figures.best_peer(row, ENGINES) is None
