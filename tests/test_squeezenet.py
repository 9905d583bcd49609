"""SqueezeNet 1.1 as a module, with the ImageNet weights of the function of the same name."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import functional as F
from fastconv import models
from fastconv.data import images
from fastconv.models.squeezenet import FIRES, INPUT_SIZE

Image = pytest.importorskip("PIL.Image", reason="Pillow reads the photographs")


@pytest.fixture(autouse=True)
def one_thread():
    with fastconv.num_threads(1):
        yield


def network(form):
    model = models.SqueezeNet("1_1", form).eval()
    assert model.load_state_dict(models.squeezenet1_1_state(form)) == ([], [])
    return model


def prepared(path):
    """As the network's own evaluation did: the whole photograph is squeezed into the square."""
    return models.preprocess_caffe(images.resize(images.read(path), INPUT_SIZE, INPUT_SIZE))


def test_the_module_is_the_function():
    x = prepared(images.SAMPLE)
    expected = models.squeezenet1_1_caffe(models.load_squeezenet1_1(), x)
    with fastconv.no_grad():
        found = F.softmax(network("caffe")(x), 1).numpy()
    assert found.argmax() == 285
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_each_layer_has_its_own_weights_in_torchvisions_form():
    params, state = models.load_squeezenet1_1(), models.squeezenet1_1_state()
    places = {"conv1": "features.0", "conv10": "classifier.1"}
    numbers = dict(zip(FIRES, (3, 4, 6, 7, 9, 10, 11, 12), strict=True))
    for fire, number in numbers.items():
        places[f"{fire}.squeeze1x1"] = f"features.{number}.squeeze"
        places[f"{fire}.expand1x1"] = f"features.{number}.expand1x1"
        places[f"{fire}.expand3x3"] = f"features.{number}.expand3x3"
    assert len(state) == len(params) == 2 * len(places)
    for layer, place in places.items():
        for part in ("weight", "bias"):
            np.testing.assert_array_equal(state[f"{place}.{part}"], params[f"{layer}.{part}"])
    assert models.squeezenet1_1_state("caffe").keys() == params.keys()
    with pytest.raises(ValueError, match="form is 'onnx'"):
        models.squeezenet1_1_state("onnx")


@pytest.mark.oracle
@pytest.mark.parametrize(("form", "expected"), [("caffe", (12, 19)), ("torchvision", (11, 19))])
def test_labelled_photographs(form, expected):
    """The 20 photographs of ImageNet that foolbox brings along, labels in their names."""
    found = importlib.util.find_spec("foolbox")
    assert found is not None, "install it: pip install --no-deps foolbox==3.3.4"
    files = sorted(Path(found.submodule_search_locations[0], "data").glob("imagenet_*"))
    assert len(files) == 20
    model = network(form)
    first = five = 0
    for file in files:
        label = int(file.stem.split("_")[2])
        with fastconv.no_grad():
            scores = model(prepared(file)).numpy()[0]
        seen = np.argsort(-scores, kind="stable")[:5].tolist()
        first += seen[0] == label
        five += label in seen
    assert (first, five) == expected
