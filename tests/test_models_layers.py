"""Every architecture, layer by layer, against fastconv.reference: narrow, and slowly in full."""

import children
import layerwise
import numpy as np
import pytest
from test_tiers import LOWER

import fastconv
from fastconv import models

FULL = (
    *("alexnet", "alexnet_torchvision", "vgg16", "nin", "nin_imagenet", "googlenet"),
    *("inception_v3", "resnet18", "resnet50", "resnet110", "plain34", "preact_resnet50"),
    *("squeezenet1_0", "squeezenet1_1_caffe", "mobilenet_v1", "mobilenet_v2", "densenet121"),
)
every_small = pytest.mark.parametrize("name", layerwise.SMALL)


@pytest.fixture(autouse=True)
def one_thread():
    """For layers so small two threads cost more than they give; how many is another test's."""
    with fastconv.num_threads(1):
        yield


def small(name, dtype=np.float32):
    options, size = layerwise.SMALL[name]
    return layerwise.build(name, size, dtype, **options)


@every_small
def test_each_layer(name):
    assert layerwise.check_each(*small(name)) >= 8


@every_small
def test_the_whole(name):
    ours, theirs = layerwise.check_whole(*small(name, np.float64))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())
    assert np.ptp(ours, axis=1).min() > 0.1 * np.abs(ours).max(), "scores alike prove nothing"
    assert (ours[0] != ours[1]).any()


def test_paper_form_of_googlenet():
    model, x = layerwise.build("googlenet", (70, 49), width=1 / 16, form="paper")
    assert model.inception3a.branch3[1].conv.kernel_size == (5, 5)
    assert layerwise.check_each(model, x) > 180


@pytest.mark.parametrize("depth", [50, 18])
def test_paper_form_of_resnet(depth):
    options = {"width": 4, "form": "paper"}
    layerwise.check_each(*layerwise.build(f"resnet{depth}", (65, 48), **options))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_classifiers(name):
    model, _ = small(name)
    for part in (model.aux1, model.aux2) if name == "googlenet" else (model.AuxLogits,):
        conv = next(layer for _, layer in layerwise.leaves(part) if hasattr(layer, "in_channels"))
        x = layerwise.formula_weights.images((2, conv.in_channels, 17, 17)).astype(np.float32)
        assert layerwise.check_each(part, x) >= 8


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "mobilenet_v2"])
def test_threads_change_nothing(name):
    model, x = small(name)
    expected = [result for *_, result in layerwise.run(model, x)]
    with fastconv.num_threads(2):
        for (layer, *_, result), one in zip(layerwise.run(model, x), expected, strict=True):
            np.testing.assert_array_equal(result, one, err_msg=layer)


@pytest.mark.parametrize("lower", LOWER)
def test_lower_tiers(lower):
    """Each kind of layer that the networks are made of, on the tiers below this one."""
    code = """
    import fastconv, layerwise
    fastconv.set_num_threads(1)
    for name in ("alexnet", "googlenet", "resnet20", "mobilenet_v2", "nin"):
        options, size = layerwise.SMALL[name]
        layerwise.check_each(*layerwise.build(name, size, **options))
    print(fastconv.runtime_info()["tier_in_use"])
    """
    assert children.run(code, FASTCONV_MAX_ISA=lower).split() == [lower]


@pytest.mark.parametrize("check", [layerwise.check_each, layerwise.check_whole])
def test_the_first_layer_that_differs_is_named(check):
    def wrong(layer, x):
        result = layerwise.by_reference(layer, x)
        # A millionth, in one element of this layer and of all that follow it.
        if layer is model.layer2[0].conv2 or layer is model.fc:
            result = result.copy()
            result.flat[3] += 1e-5 * np.abs(result).max()
        return result

    model, x = small("resnet20", np.float64)
    with pytest.raises(AssertionError, match=r"first to differ: layer2\.0\.conv2, Conv2d\(10, 10"):
        check(model, x, wrong)


def test_every_family_is_compared():
    with fastconv.nn.init.skip():
        made = {type(models.create(name, **how)) for name, (how, _) in layerwise.SMALL.items()}
        assert made == {type(models.create(name)) for name in models.names()}


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_each_layer_in_full(name):
    model, x = layerwise.build(name)
    layerwise.check_each(model, x[:1])
