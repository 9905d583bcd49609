"""The layers of real networks, exactly; and the files that list them.

Each layer runs in full on the highest tier, on integers, against the reference; on every tier runs
a thumbnail of it: fewer channels and pixels, with the same remainders by blocks and tiles.
"""

import dataclasses
import math

import bounds
import corpus
import numpy as np
import pytest
import sweeps
import transforms
from engine import poisoned, trace

import fastconv.functional as F
from fastconv import reference

NETWORKS = (
    "alexnet",
    "googlenet",
    "lenet5",
    "mobilenet_v1",
    "mobilenet_v2",
    "odd",
    "resnet18",
    "resnet50",
    "signals",
    "squeezenet1_1",
    "vgg16",
    "windows",
)

# Weights with biases, or with the two numbers a channel of batch normalisation (bn), as the
# networks' papers and implementations count them; and multiply-adds of one image.
COUNTED = {
    "lenet5": (61_706, False, 416_520),
    "alexnet": (61_100_840, False, 714_188_480),
    "vgg16": (138_357_544, False, 15_470_264_320),
    "resnet18": (11_689_512, True, 1_814_073_344),
    "resnet50": (25_557_032, True, 4_089_184_256),
    "googlenet": (6_998_552, False, 1_582_671_872),
    "squeezenet1_1": (1_235_496, False, None),
    "mobilenet_v1": (4_231_976, True, 568_740_352),
    "mobilenet_v2": (3_504_872, True, 300_774_272),
}


LAYERS = corpus.unique_layers()
each_layer = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())


def run(layer, dtype, tier):
    """Run one layer on integers and compare."""
    x = sweeps.integers(layer.input_shape, str(layer), dtype=dtype)
    if layer.kind in ("conv", "linear"):
        w = sweeps.integers(layer.weight_shape, "weight", str(layer), dtype=dtype)
        bias = sweeps.integers(layer.oc, "bias", str(layer), dtype=dtype)
    else:
        w = bias = None
    op, arguments = layer.call(x, w, bias)
    bound = 0
    if layer.kind in ("avgpool", "globalavgpool"):
        bound = getattr(bounds, op)(*arguments, dtype=dtype)[1]
    activation = {"activation": "relu"} if layer.kind in ("conv", "linear") else {}
    exact = getattr(reference, op)(*arguments, **activation)
    for precision in ("strict", "default") if layer.kind == "conv" else (None,):
        out = poisoned(exact.shape, dtype)
        how = activation | ({"precision": precision} if precision else {})
        with trace() as executions:
            getattr(F, op)(*arguments, **how, out=out, threads=2)
        [(ran, algorithm, on_tier, _)] = executions
        assert (ran, on_tier) == (op, tier)
        if algorithm in transforms.TILE:
            assert precision == "default"
            tiled = {"padding": layer.padding, "groups": layer.g}
            tiled |= {"dilation": layer.dilation, "stride": layer.stride}
            bound = transforms.bound(x, w, bias, None, algorithm, dtype, **tiled)
        bounds.assert_within(out, exact, bound)


@pytest.mark.sweep
@each_layer
def test_layer(layer, tier):
    run(layer, np.float32, tier)


@pytest.mark.slow
@each_layer
def test_layer_in_float64_and_as_a_batch(layer, tier):
    run(layer, np.float64, tier)
    if layer.macs < 200_000_000:
        run(dataclasses.replace(layer, mb=2), np.float32, tier)


THUMBNAILS = {
    sweeps.thumbnail(layer): name for name, layer in LAYERS.items() if layer.kind != "linear"
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("layer", THUMBNAILS, ids=THUMBNAILS.values())
def test_thumbnail(layer, dtype, tier):
    run(layer, dtype, tier)


# --- the files -----------------------------------------------------------------------------------


def test_the_networks_are_there():
    assert corpus.networks() == list(NETWORKS)


@pytest.mark.parametrize("network", NETWORKS)
def test_each_shape_stands_once_with_a_name(network):
    layers = corpus.load(network)
    assert len({layer.shape_key for layer in layers}) == len(layers)
    names = [layer.n for layer in layers]
    assert all(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("network", COUNTED)
def test_the_network_is_complete(network):
    """Its parameters and multiply-adds add up to what is published for it."""
    layers = corpus.load(network)
    parameters, normalised, macs = COUNTED[network]
    total = 0
    for layer in layers:
        if layer.kind in ("conv", "linear"):
            beside = 2 if normalised and layer.kind == "conv" else 1
            total += layer.x * (math.prod(layer.weight_shape) + beside * layer.oc)
    assert total == parameters
    assert macs in (None, sum(layer.x * layer.macs for layer in layers))


def test_squeezenet_is_the_one_that_fastconv_brings():
    """Every convolution that the model runs is in its corpus, so often as it runs, and no other."""
    from collections import Counter

    from fastconv import models

    seen = Counter()

    class Recorder:
        """Stands for fastconv.functional: notes the convolutions, computes no more than needed."""

        def conv2d(self, x, weight, bias, stride=1, padding=0, activation=None):
            oc, ic, kh, kw = weight.shape
            seen[(ic, *x.shape[2:], oc, kh, kw, stride)] += 1
            size = [-(-side // stride) for side in x.shape[2:]]
            return np.zeros((x.shape[0], oc, *size), np.float32)

        def __getattr__(self, name):
            return getattr(F, name)

    models.squeezenet1_1_caffe(
        models.load_squeezenet1_1(), np.zeros((1, 3, 227, 227), np.float32), ops=Recorder()
    )
    listed = Counter()
    for layer in corpus.load("squeezenet1_1"):
        if layer.kind == "conv":
            key = (layer.ic, layer.ih, layer.iw, layer.oc, layer.kh, layer.kw, layer.sh)
            listed[key] += layer.x
            assert layer.output_size == tuple(-(-side // layer.sh) for side in (layer.ih, layer.iw))
    assert seen == listed


@pytest.mark.parametrize("network", NETWORKS)
def test_lines_are_read_as_they_are_written(network):
    for layer in corpus.load(network):
        assert corpus.parse_line(str(layer)) == layer


def test_a_line():
    layer = corpus.parse_line(
        "conv mb2 ic64 ih56 iw57 oc32 kh3 kw5 sh2 ph1 phe2 pw3 dw2 g4 x7 n:layer1.0.conv1"
    )
    assert layer.input_shape == (2, 64, 56, 57)
    assert layer.weight_shape == (32, 16, 3, 5)
    assert layer.padding == ((1, 2), (3, 3))
    assert (layer.stride, layer.dilation, layer.g, layer.x) == ((2, 1), (1, 2), 4, 7)
    assert layer.output_size == (29, 55)
    assert layer.macs == 32 * 16 * 15 * 29 * 55
    assert layer.n == "layer1.0.conv1"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("deconv ic1 ih1 iw1", "unknown kind 'deconv'"),
        ("conv ic1 ih1 iw1 oc1 kh1", "kw missing"),
        ("conv ic1 ih1 iw1 oc1 kh1 kw1 kw1", "kw is given twice"),
        ("conv ic1 ih1 iw1 oc1 kh1 kw1 dense", "'dense' is not a name and a number"),
        ("conv ic1 ih1 iw1 oc1 kh1 kw-1", "'kw-1' is not a name and a number"),
        ("conv ic0 ih1 iw1 oc1 kh1 kw1", "ic must be at least 1"),
        ("maxpool ic1 ih1 iw1 kh1 kw1 oc4", "maxpool has no 'oc'"),
        ("linear ic1 oc1 g2", "linear has no 'g'"),
    ],
)
def test_a_damaged_line_is_told(line, words):
    with pytest.raises(ValueError, match=words):
        corpus.parse_line(line)
