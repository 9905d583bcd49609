"""The commands models, summary and bench, and networks of torch made of fastconv's."""

import importlib.util
import re

import numpy as np
import pytest

import fastconv
from fastconv import __main__ as command_line
from fastconv import models, nn
from fastconv.commands import bench


def run(capsys, *arguments):
    status = command_line.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return status, out, err


# ---- models, summary


def test_every_network_has_a_line(capsys):
    status, out, err = run(capsys, "models")
    assert (status, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.split() == ["name", "parameters", "multiply-adds", "input", "reference"]
    assert [line.split()[0] for line in lines] == models.names()
    (line,) = [line for line in lines if line.startswith("resnet50 ")]
    assert re.fullmatch(
        r"resnet50 +25,557,032 +4,089,184,256  3 × 224 × 224 +He et al\. 2015, arXiv:1512\.03385",
        line,
    )
    ends = {re.match(r"\S+ +[\d,]+ +[\d,]+", line).end() for line in lines}
    assert len(ends) == 1, "numbers stand below each other"


def test_summary_of_a_network(capsys):
    status, out, err = run(capsys, "summary", "lenet5", "--batch", "3")
    assert (status, err) == (0, "")
    assert out == f"{nn.summary(models.LeNet5(), (3, 1, 32, 32))}\n"
    assert "61,706" in out


@pytest.mark.parametrize("command", ["summary", "bench"])
def test_an_unknown_network_is_an_error_in_one_line(capsys, command):
    status, out, err = run(capsys, command, "resnet51")
    assert (status, out) == (2, "")
    assert re.fullmatch(r"fastconv: error: there is no network 'resnet51': .*resnet50.*\n", err)


@pytest.mark.parametrize(
    "arguments",
    [
        ["summary"],
        ["bench"],
        ["bench", "lenet5", "--batch", "0"],
        ["bench", "lenet5", "--threads", "0"],
        ["summary", "lenet5", "--batch", "x"],
        ["models", "lenet5"],
    ],
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line.main(arguments)
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


# ---- bench


@pytest.fixture
def short(monkeypatch):
    """Few runs."""
    monkeypatch.setattr(bench, "_SECONDS", 0.01)
    monkeypatch.setattr(bench, "_BLOCK_SECONDS", 0.002)


LINE = r"  (?P<name>.+?) +(?P<ms>\d+\.\d{3}) ms +(?P<rate>\d+\.\d) GFLOP/s(?:  \((.*) × as long\))?"


def test_bench_without_peers(capsys, monkeypatch, short):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "torch" else real(n))
    seen = []
    record = models.LeNet5.forward

    def forward(self, x):
        grad = fastconv.is_grad_enabled()
        seen.append((x.shape, self.training, fastconv.get_num_threads(), grad))
        return record(self, x)

    monkeypatch.setattr(models.LeNet5, "forward", forward)
    status, out, err = run(capsys, "bench", "lenet5", "--batch", 4, "--threads", 1)
    assert (status, err) == (0, "")
    first, ours, compiled, absent = out.splitlines()
    assert first == "lenet5, input (4, 1, 32, 32), 1 thread"
    assert absent.split() == ["torch", "is", "not", "installed"]
    found = re.fullmatch(LINE, ours)
    assert found["name"] == "fastconv"
    rate = 2e-6 * 4 * models.entry("lenet5").multiply_adds / float(found["ms"])
    assert float(found["rate"]) == pytest.approx(rate, rel=0.05)
    assert re.fullmatch(LINE, compiled)["name"] == "fastconv, compiled"
    # Once to be compared, and at least ten times for figures.
    assert len([call for call in seen if call == ((4, 1, 32, 32), False, 1, False)]) >= 11


def test_peers_run_by_turns_and_only_if_they_compute_the_same(capsys, monkeypatch, short):
    order = []

    def peers(model, x, threads):
        assert threads == 1

        def same():
            order.append("same")
            return np.asarray(model(x))

        def other():
            order.append("other")
            return np.asarray(model(x)) + 0.1

        def nothing():
            order.append("nothing")
            return np.full((1, 10), np.nan)

        yield "first", same
        yield "second", other
        yield "third", nothing

    monkeypatch.setattr(bench, "_PEERS", {"numpy": peers})
    take = bench._Times.take

    def taken(self, call):
        order.append("block")
        take(self, call)

    monkeypatch.setattr(bench._Times, "take", taken)
    status, out, _ = run(capsys, "bench", "lenet5", "--threads", 1)
    assert status == 1
    _, ours, first, second, third = out.splitlines()
    assert re.fullmatch(LINE, ours)
    found = re.fullmatch(LINE, first)
    assert found["name"] == "first"
    ratio = float(found["ms"]) / float(re.fullmatch(LINE, ours)["ms"])
    assert float(found[4]) == pytest.approx(ratio, rel=0.02, abs=0.02)
    assert re.fullmatch(r"  second +computes something else: off by \d\.\de[+-]\d\d", second)
    assert third.split()[0] == "third"
    assert "off by nan" in third
    assert order.count("other") == order.count("nothing") == 1
    # Checked first; then a block of ours, which adds nothing to the order, and one of theirs.
    assert order[:4] == ["same", "block", "block", "same"]


# ---- torch


@pytest.mark.oracle
def test_bench_against_torch(capsys, short):
    status, out, _ = run(capsys, "bench", "lenet5", "--threads", 1)
    assert status == 0
    _, *lines = out.splitlines()
    found = [re.fullmatch(LINE, line)["name"] for line in lines]
    assert found == ["fastconv", "fastconv, compiled", "torch contiguous", "torch channels_last"]


NETWORKS = [
    "course_cnn", "lenet5", "nin", "googlenet", "resnet18", "plain34", "preact_resnet50",
    "resnet20", "squeezenet1_0", "squeezenet1_1_caffe", "densenet121", "efficientnet_lite0",
]  # fmt: skip
NARROW = [
    "alexnet", "alexnet_torchvision", "vgg11_bn", "nin_imagenet", "inception_v3", "mobilenet_v1",
    "mobilenet_v2",
]  # fmt: skip


def compare(model, shape):
    """The module, in eval mode, and its twin on the same random input."""
    import torch

    from fastconv.commands.torch_twin import twin

    rng = np.random.default_rng(0)
    state = {name: np.array(tensor) for name, tensor in model.state_dict().items()}
    for name, array in state.items():
        if name.endswith("running_var"):
            array[:] = rng.uniform(0.5, 2, array.shape)
        elif name.endswith("running_mean"):
            array[:] = rng.normal(0, 0.1, array.shape)
    model.load_state_dict(state)
    model.eval()
    x = rng.standard_normal(shape, np.float32)
    with fastconv.no_grad(), fastconv.num_threads(1):
        found = np.asarray(model(x))
    theirs = twin(model)
    assert not theirs.training
    names = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tuple(t.shape) for name, t in theirs.state_dict().items()} == names
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.oracle
@pytest.mark.parametrize("name", [*NETWORKS, *NARROW])
def test_a_network_of_torch_is_made_of_ours(name):
    options = {"width": 0.25} if name in NARROW else {}
    compare(models.create(name, **options), (1, *models.entry(name).input_shape))


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (lambda: models.LeNet5(connections="table"), (2, 1, 32, 32)),
        (lambda: nn.Conv2d(3, 4, 3, 2, "same"), (2, 3, 8, 9)),
        (lambda: nn.Conv2d(3, 4, (3, 2), (2, 3), "same_lower", (2, 1)), (2, 3, 8, 9)),
        (lambda: nn.Conv2d(4, 4, 3, padding=((0, 2), (1, 3)), groups=2), (2, 4, 8, 9)),
        (lambda: nn.Conv2d(4, 4, 3, padding=(1, 0), padding_mode="reflect"), (2, 4, 8, 9)),
        (lambda: nn.Sequential(nn.PReLU(3), nn.ConvTranspose2d(3, 2, 3, 2)), (2, 3, 5, 5)),
        (lambda: nn.Sequential(nn.AvgPool2d(3, 2, 1), nn.Upsample(scale_factor=2)), (2, 3, 8, 8)),
    ],
)
def test_layers_in_torch(model, shape):
    compare(model(), shape)


@pytest.mark.oracle
def test_a_part_that_occurs_twice_is_one_in_torch_too():
    from fastconv.commands.torch_twin import twin

    part = nn.Linear(3, 3)
    theirs = twin(nn.Sequential(part, nn.ReLU(), part))
    assert theirs[0] is theirs[2]


@pytest.mark.oracle
def test_a_layer_that_torch_does_not_have():
    from fastconv.commands.torch_twin import twin

    layer = nn.ReLU()
    other = type("Unheard", (nn.ReLU,), {"__module__": "fastconv.nn.activation"})()
    with pytest.raises(TypeError, match=r"torch\.nn has no Unheard"):
        twin(nn.Sequential(layer, other))
