"""The classic networks: shapes in every row of the papers' tables, parameters, costs, options.

Batches of no images at all have shapes, too: so networks of any size are measured in no time.
"""

import collections
import functools
import math
import pathlib
import pickle
import re

import corpus
import layerwise
import model_tables
import numpy as np
import pytest

import fastconv
from fastconv import Tensor, models, nn, no_grad
from fastconv import functional as F

DOCUMENT = pathlib.Path(__file__).resolve().parent.parent / "docs/models.md"
every_network = pytest.mark.parametrize("name", models.names())


@pytest.fixture(autouse=True)
def one_thread():
    """For layers so small two threads cost more than they give."""
    with fastconv.num_threads(1):
        yield


def unfilled(name, **options):
    with nn.init.skip():
        return models.create(name, **options)


def four_sided(padding, *axes):
    """((top, bottom), (left, right)); 'same' for axes (size, kernel, stride)."""
    if padding != "same":
        return [(p, p) for p in padding]
    totals = [max(((n - 1) // s) * s + k - n, 0) for n, k, s in axes]
    return [(total // 2, total - total // 2) for total in totals]


@functools.cache
def measured(name, **options):
    """(name → shape of each layer's result, multiply-adds of one image, convolutions and linear
    layers as a corpus has them), of a batch of no images."""
    model = unfilled(name, **options).eval()
    shapes, products = {}, []

    def after(layer, args, result, name):
        shapes[name] = result.shape[1:]
        if isinstance(layer, nn.Linear):
            products.append(corpus.Layer(kind="linear", ic=args[0].shape[1], oc=result.shape[1]))
        elif isinstance(layer, nn.Conv2d):
            (sh, sw), (kh, kw) = layer.stride, layer.kernel_size
            _, ic, ih, iw = args[0].shape
            (ph, bottom), (pw, right) = four_sided(layer.padding, (ih, kh, sh), (iw, kw, sw))
            ends = {} if (bottom, right) == (ph, pw) else {"phe": bottom, "pwe": right}
            product = corpus.Layer(
                kind="conv", ic=ic, ih=ih, iw=iw, oc=layer.out_channels, kh=kh, kw=kw,
                sh=sh, sw=sw, ph=ph, pw=pw, g=layer.groups, **ends,
            )  # fmt: skip
            assert result.shape == (0, product.oc, *product.output_size)
            products.append(product)

    for layer, part in model.named_modules():
        part.register_forward_hook(functools.partial(after, name=layer))
    # Not within no_grad, where convolutions would first pack their weights.
    model(Tensor(np.zeros((0, *models.entry(name).input_shape), np.float32)))
    return shapes, sum(layer.macs for layer in products), products


# ---- what they are made of


@pytest.mark.parametrize("name", model_tables.SHAPES)
def test_shapes_of_the_papers_table(name):
    created, _, form = name.partition(" ")
    shapes, _, _ = measured(created, **({"form": form} if form else {}))
    expected = model_tables.SHAPES[name]
    assert {row: shapes[row] for row in expected} == expected


@every_network
def test_parameters_and_multiply_adds(name):
    entry = models.entry(name)
    parameters = sum(parameter.numel() for parameter in unfilled(name).parameters())
    _, multiply_adds, _ = measured(name)
    assert (parameters, multiply_adds) == (entry.parameters, entry.multiply_adds)


@every_network
def test_figures_are_those_published(name):
    """Within one of the last digit: some are cut off and not rounded."""
    entry = models.entry(name)
    if entry.published == "–":
        return
    figures = re.fullmatch(r"(.+), (.+) \((torchvision|paper|authors)\)", entry.published)
    for text, own in zip(figures.groups(), (entry.parameters, entry.multiply_adds), strict=False):
        if text == "–":
            continue
        digits, unit = re.fullmatch(r"([\d,.]+)( [MG])?", text).groups()
        value = float(digits.replace(",", ""))
        step = 10.0 ** -len(digits.partition(".")[2])
        scale = {None: 1, " M": 1e6, " G": 1e9}[unit]
        assert abs(value * scale - own) < (step * scale if unit else 0.5), text


SMALL_COST = [one.name for one in models.registry.ENTRIES if one.multiply_adds < 3e8]


@pytest.mark.parametrize(
    "name",
    [
        name if name in SMALL_COST[::3] else pytest.param(name, marks=pytest.mark.slow)
        for name in models.names()
    ],
)
def test_summary_of_one_image(name):
    entry = models.entry(name)
    told = nn.summary(models.create(name), (1, *entry.input_shape))
    assert (told.parameters, told.multiply_adds) == (entry.parameters, entry.multiply_adds)
    classes = told.layers[0].output_shape[1]
    assert told.layers[0].output_shape == (1, classes)
    assert classes == {1: 10, 3: 10 if entry.input_shape[1] == 32 else 1000}[
        entry.input_shape[0]
    ] or (name, classes) == ("course_cnn", 1)


@pytest.mark.parametrize(("name", "parameters"), model_tables.PARAMETERS.items())
def test_parameters_of_each_layer(name, parameters):
    found = collections.Counter()
    for layer, parameter in unfilled(name).named_parameters():
        found[layer.split(".")[0]] += parameter.numel()
    assert {layer: found[layer] for layer in parameters} == parameters


@pytest.mark.parametrize(("name", "options", "parameters"), model_tables.OPTIONS)
def test_parameters_with_options(name, options, parameters):
    model = unfilled(name, **options)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(("depth", "billions"), [(50, 3.8), (101, 7.6), (152, 11.3)])
def test_resnets_multiply_adds_are_the_papers_in_the_papers_form(depth, billions):
    _, multiply_adds, _ = measured(f"resnet{depth}", form="paper")
    assert abs(multiply_adds / 1e9 - billions) < 0.1


def test_rows_of_googlenets_table():
    """The paper's parameters of its modules (in units of 1,024, as it seems), but for 4c and 5a,
    where its column is 7 and 5 % off what its own sizes make; and its total of multiply-adds."""
    options = {"form": "paper", "auxiliaries": False}
    model = unfilled("googlenet", **options)
    _, total, products = measured("googlenet", **options)
    sizes = collections.Counter()
    for layer, parameter in model.named_parameters():
        if layer.endswith("weight"):
            sizes[layer.split(".")[0].removeprefix("inception")] += parameter.numel() / 1024
    rows = {"3a": 159, "3b": 380, "4a": 364, "4b": 437, "4d": 580, "4e": 840, "5b": 1388}
    for row, thousands in rows.items():
        assert abs(sizes[row] / thousands - 1) < 0.035, row
    assert 1.4e9 < total < 1.6e9  # "1.5 billion multiply-adds at inference time"
    assert sum(layer.kind == "conv" for layer in products) == 57


@pytest.mark.parametrize(("network", "name", "options"), model_tables.CORPORA)
def test_layers_are_those_of_the_corpus(network, name, options):
    """tests/shapes has the layers of some networks, written down apart from these modules."""
    _, _, products = measured(name, **options)
    expected = collections.Counter()
    for layer in corpus.load(network):
        if layer.kind in ("conv", "linear"):
            expected[layer.shape_key] += layer.x
    assert collections.Counter(products) == expected


def test_one_by_one_convolution_reduces_channels():
    conv = nn.Conv2d(192, 32, 1)
    assert conv(Tensor(np.zeros((0, 192, 28, 28), np.float32))).shape == (0, 32, 28, 28)


# ---- the registry


def test_unknown_networks_and_options():
    with pytest.raises(ValueError, match=r"no network 'resnet51': did you mean .*resnet50"):
        models.create("resnet51")
    with pytest.raises(ValueError, match="names"):
        models.entry(5)
    with pytest.raises(TypeError, match="unknown"):
        models.create("resnet18", unknown=1)
    for name, options, said in (
        ("resnet18", {"depth": 19}, None),
        ("resnet18", {"form": "x"}, "form is 'x', expected 'torchvision' or 'paper'"),
        ("googlenet", {"form": "x"}, "form is 'x', expected 'torchvision' or 'paper'"),
        ("squeezenet1_0", {"form": "x"}, "form is 'x', expected torchvision or caffe"),
    ):
        with pytest.raises((ValueError, TypeError), match=said):
            models.create(name, **options)
    for make, said in (
        (lambda: models.VGG(17), r"VGG: depth is 17, expected one of \[11, 13, 16, 19\]"),
        (lambda: models.ResNet(20), "ResNet: depth is 20"),
        (lambda: models.CifarResNet(18), r"CifarResNet: depth is 18, expected 6n \+ 2"),
        (lambda: models.DenseNet(100), "DenseNet: depth is 100"),
        (lambda: models.SqueezeNet("2"), "SqueezeNet: version is '2', expected 1_1 or 1_0"),
    ):
        with pytest.raises(ValueError, match=said):
            make()


def test_the_document_has_the_table():
    assert models.table() in DOCUMENT.read_text(encoding="utf-8"), (
        "docs/models.md is behind: put there what models.table() returns"
    )


def test_the_documents_example_runs(capsys):
    (example,) = re.findall(
        r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    exec(compile(example, "models.md", "exec"), {})
    reference, multiply_adds = capsys.readouterr().out.splitlines()
    assert reference == models.entry("resnet18").reference
    assert int(multiply_adds) > 1e6


def test_names_are_unique_and_entries_frozen():
    assert len(set(models.names())) == len(models.registry.ENTRIES)
    with pytest.raises(AttributeError):
        models.entry("lenet5").parameters = 0


# ---- what they do


@pytest.mark.parametrize("name", layerwise.SMALL)
def test_every_parameter_is_trained(name):
    """In train mode, from their own initial values, all have a gradient; both dtypes; the scores of
    either mode have the shape that is promised; a pickled copy computes the same."""
    options, size = layerwise.SMALL[name]
    fastconv.manual_seed(0)
    model = models.create(name, **options, dtype=np.float64)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float64)}
    channels = models.entry(name).input_shape[0]
    if name == "inception_v3":
        size = (299, 299)  # as its auxiliary classifier asks for
    x = np.random.default_rng(0).standard_normal((3, channels, *size))
    outputs = model(Tensor(x))
    target = np.array([0, 1, 2])
    models.loss_with_auxiliaries(outputs, target).backward()
    for layer, parameter in model.named_parameters():
        assert parameter.grad is not None, layer
        assert np.isfinite(parameter.grad.numpy()).all(), layer
    classes = 1000 if isinstance(outputs, tuple) else outputs.shape[1]
    model.eval()
    with no_grad():
        scores = model(x)
        assert scores.shape == (3, classes)
        assert scores.dtype == np.float64
        copy = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(copy(x).numpy(), scores.numpy())
    if isinstance(outputs, tuple):
        assert all(one.shape == (3, classes) for one in outputs)


def test_initial_values_are_drawn_once(monkeypatch):
    """Of large networks that is most of the time it takes to make them."""
    drawn = 0
    draw = nn.init._draw

    def counted(op, tensor, *how):
        nonlocal drawn
        drawn += 0 if nn.init._skipping.get() else tensor.numel()
        return draw(op, tensor, *how)

    monkeypatch.setattr(nn.init, "_draw", counted)
    for name in layerwise.SMALL:
        drawn = 0
        model = models.create(name, **layerwise.SMALL[name][0])
        if name not in ("inception_v3",):  # whose values trunc_normal_ draws
            assert 0 < drawn <= 1.02 * sum(p.numel() for p in model.parameters()), name


@pytest.mark.parametrize("name", layerwise.SMALL)
def test_initial_scores_are_reasonable(name):
    """Neither vanished nor exploded on the way, for images as they are after normalisation."""
    options, size = layerwise.SMALL[name]
    fastconv.manual_seed(1)
    model = models.create(name, **options).eval()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.train()  # eval mode's statistics are those of no batches
    channels = models.entry(name).input_shape[0]
    x = np.random.default_rng(1).standard_normal((4, channels, *size)).astype(np.float32)
    with no_grad():
        scores = model(Tensor(x)).numpy()
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() < 100


@pytest.mark.parametrize(
    ("network", "options", "layer", "deviation"),
    [
        # √(2 / fan), of 3 × 3 · 128 channels; 1 / √(3 · inputs) is nn.Linear's.
        ("vgg16", {"width": 1 / 4}, "features.28", math.sqrt(2 / (9 * 128))),
        ("vgg16", {"width": 1 / 4}, "classifier.0", 0.01),
        ("resnet18", {"width": 16}, "layer4.0.conv1", math.sqrt(2 / (9 * 128))),
        ("resnet18", {"width": 16}, "fc", 1 / math.sqrt(3 * 128)),
        ("mobilenet_v2", {"width": 0.5}, "features.18.0", math.sqrt(2 / 1280)),
        ("mobilenet_v2", {"width": 0.5}, "classifier.1", 0.01),
        ("densenet121", {"growth": 8}, "features.transition3.conv", math.sqrt(2 / 256)),
        ("alexnet", {"width": 1 / 4}, "conv3", 0.01),
        ("alexnet", {"width": 1 / 4}, "fc6", 0.01),
        ("googlenet", {"width": 1 / 4}, "inception5b.branch2.1.conv", 0.01),
        ("inception_v3", {"width": 1 / 4}, "Mixed_6e.branch7x7_2.conv", 0.1),
        ("inception_v3", {"width": 1 / 4}, "AuxLogits.fc", 0.001),
        ("squeezenet1_1", {}, "features.12.expand3x3", math.sqrt(2 / (9 * 64))),
        ("squeezenet1_1", {}, "classifier.1", 0.01),
    ],
)
def test_initial_values(network, options, layer, deviation):
    fastconv.manual_seed(2)
    values = models.create(network, **options).get_parameter(f"{layer}.weight").detach().numpy()
    # Six deviations of the deviation, and of the mean, of so many draws.
    assert abs(values.std() / deviation - 1) < 6 / math.sqrt(values.size)
    assert abs(values.mean()) < 6 * deviation / math.sqrt(values.size)


def test_alexnets_biases_begin_as_in_the_paper():
    model = models.AlexNet(width=1 / 32)
    biases = {name: p.detach().numpy() for name, p in model.named_parameters() if "bias" in name}
    ones = {"conv2.bias", "conv4.bias", "conv5.bias", "fc6.bias", "fc7.bias"}
    for name, values in biases.items():
        np.testing.assert_array_equal(values, float(name in ones), err_msg=name)


@pytest.mark.parametrize("classes", [1, 4])
def test_the_courses_probabilities(classes):
    model, x = layerwise.build("course_cnn", classes=classes)
    logits = model(x).numpy().astype(np.float64)
    powers = np.exp(logits)
    expected = powers / (1 + powers) if classes == 1 else powers / powers.sum(1, keepdims=True)
    np.testing.assert_allclose(model.probabilities(x).numpy(), expected, rtol=1e-5)


def test_plain_twins_are_the_same_without_shortcuts():
    """With the last scale of each branch 0, a residual network passes its input on, and its twin
    nothing."""
    for name in ("resnet20", "plain20"):
        model, x = layerwise.build(name, (8, 8), width=4)
        for layer, part in model.named_modules():
            if layer.endswith("bn2"):
                nn.init.zeros_(part.weight)
                nn.init.zeros_(part.bias)
        model.eval()
        with no_grad():
            stem = model.relu(model.bn1(model.conv1(x))).numpy()
            out = model.layer1(Tensor(stem)).numpy()
            shrunk = model.layer2(Tensor(stem)).numpy()
        if name == "plain20":
            assert not out.any()
            assert not shrunk.any()
        else:
            np.testing.assert_array_equal(out, stem)
            np.testing.assert_array_equal(shrunk[:, :4], stem[:, :, ::2, ::2])
            assert not shrunk[:, 4:].any()


def test_preactivation_begins_and_ends_as_the_paper_says():
    """The image's first activation is shared, later units add what has not been activated, and all
    is activated at the end."""
    model, x = layerwise.build("preact_resnet20", (8, 8), np.float64, width=4)
    model.eval()
    with no_grad():
        p = {name: value.numpy() for name, value in model.state_dict().items()}

        def activated(y, bn):
            mean, var, w, b = (
                p[f"{bn}.{name}"][:, None, None]
                for name in ("running_mean", "running_var", "weight", "bias")
            )
            return np.maximum((y - mean) / np.sqrt(var + 1e-5) * w + b, 0)

        def conv(y, name):
            return F.conv2d(y, p[f"{name}.weight"], padding=1)

        y = F.conv2d(x, p["conv1.weight"], padding=1)
        for i in range(3):
            unit = f"layer1.{i}"
            a = activated(y, f"{unit}.bn1")
            branch = conv(activated(conv(a, f"{unit}.conv1"), f"{unit}.bn2"), f"{unit}.conv2")
            y = (a if i == 0 else y) + branch
        result = model.layer1(model.conv1(x))
        np.testing.assert_allclose(result.numpy(), y, rtol=1e-9, atol=1e-9 * np.abs(y).max())
        whole = model.layer3(model.layer2(result)).numpy()
        end = activated(whole, "norm").mean(axis=(2, 3)) @ p["fc.weight"].T + p["fc.bias"]
        np.testing.assert_allclose(model(x).numpy(), end, rtol=1e-9)


def test_squeezenet_of_the_authors_is_the_function_of_arrays():
    params = models.load_squeezenet1_1()
    model = models.SqueezeNet(form="caffe").eval()
    model.load_state_dict(params)
    x = np.random.default_rng(0).uniform(-120, 130, (1, 3, 227, 227)).astype(np.float32)
    expected = models.squeezenet1_1_caffe(params, x)
    with no_grad():
        found = F.softmax(model(x), 1).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert found.argmax() == expected.argmax()


def test_groups_and_norm_of_alexnet_are_options():
    model = unfilled("alexnet", groups=1, norm=False)
    assert {part.groups for part in model.modules() if isinstance(part, nn.Conv2d)} == {1}
    assert not any(isinstance(part, nn.LocalResponseNorm) for part in model.modules())
    halved = unfilled("alexnet")
    groups = [part.groups for part in halved.modules() if isinstance(part, nn.Conv2d)]
    assert groups == [1, 2, 1, 2, 2]


def test_loss_with_auxiliaries_weighs_them():
    rng = np.random.default_rng(3)
    logits = [Tensor(rng.standard_normal((2, 5))) for _ in range(3)]
    target = np.array([1, 4])
    one, two, three = (F.cross_entropy(value, target).item() for value in logits)
    loss = models.loss_with_auxiliaries(tuple(logits), target, 0.4).item()
    assert math.isclose(loss, one + 0.4 * (two + three))
    assert models.loss_with_auxiliaries(logits[0], target).item() == one
