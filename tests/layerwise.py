"""A network layer by layer: what the engine makes of each layer's input, against an oracle.

An oracle is a function (layer, array) → float64 array that computes what a layer should. There are
two ways to ask it, and both name the first layer that differs:

- ``check_each``: of each layer, the engine's own input. The bounds are those of one layer (see
  bounds), so nothing hides behind errors of the layers before, in float32 and in float64.
- ``check_whole``: every layer is the oracle's, from the image to the scores, and then the results
  of the engine's layers, in float64, are compared with its. A layer of sums of K products adds at
  most (6·√K + 4)·u of the sums of its terms' magnitudes, which are about √K times as large as the
  sums of terms of either sign: together less than 10·K·u of its largest result; and it passes on
  what came in, no more than grown with the results. So layer after layer 10·Σ K·u is the limit.
"""

import math

import bounds
import formula_weights
import numpy as np

from fastconv import Tensor, models, nn, no_grad, precision, reference
from fastconv.models.residual import PaddedShortcut

# Networks that are narrow, and images that are small, but of sizes that are odd, and no squares.
SMALL = {
    "course_cnn": ({"classes": 5}, (39, 39)),
    "lenet5": ({"pooling": "max"}, (32, 32)),
    "alexnet": ({"width": 1 / 32}, (227, 227)),
    "alexnet_torchvision": ({"width": 1 / 16}, (95, 79)),
    "vgg11": ({"width": 1 / 16}, (48, 33)),
    "vgg13_bn": ({"width": 1 / 16}, (48, 33)),
    "vgg16": ({"width": 1 / 16}, (48, 33)),
    "vgg19": ({"width": 1 / 32}, (33, 48)),
    "nin": ({"width": 1 / 12}, (32, 27)),
    "nin_imagenet": ({"width": 1 / 32}, (95, 79)),
    "googlenet": ({"width": 1 / 16}, (70, 49)),
    "inception_v3": ({"width": 1 / 16}, (79, 95)),
    "resnet18": ({"width": 8}, (65, 48)),
    "resnet34": ({"width": 4}, (48, 65)),
    "resnet50": ({"width": 4}, (65, 48)),
    "plain18": ({"width": 8}, (65, 48)),
    "plain50": ({"width": 4}, (65, 48)),
    "preact_resnet18": ({"width": 8}, (65, 48)),
    "preact_resnet50": ({"width": 4}, (65, 48)),
    "resnet20": ({"width": 5}, (32, 27)),
    "plain20": ({"width": 5}, (32, 27)),
    "preact_resnet20": ({"width": 5}, (32, 27)),
    "squeezenet1_0": ({"width": 1 / 8}, (70, 49)),
    "squeezenet1_1": ({"width": 1 / 8}, (70, 49)),
    "squeezenet1_0_caffe": ({"width": 1 / 8}, (70, 49)),
    "squeezenet1_1_caffe": ({"width": 1 / 8}, (70, 49)),
    "mobilenet_v1": ({"width": 1 / 4}, (65, 48)),
    "mobilenet_v2": ({"width": 1 / 4}, (65, 48)),
    "densenet121": ({"growth": 4}, (65, 48)),
    "efficientnet_lite0": ({}, (33, 26)),
}
EXACT = (nn.ReLU, nn.ReLU6, nn.MaxPool2d, nn.Dropout, nn.Identity, nn.Flatten, PaddedShortcut)


def build(name, size=None, dtype=np.float32, **options):
    """A network of the registry with weights, and two images, by formula."""
    network = models.entry(name)
    if network.input_shape[0] != 1:
        options = {"classes": 11, **options}
    with nn.init.skip():
        model = network.make(**options, dtype=dtype)
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    model.load_state_dict(
        {
            key: value if value.dtype == np.int64 else value.astype(dtype)
            for key, value in formula_weights.state(shapes).items()
        }
    )
    channels, *full = network.input_shape
    return model, formula_weights.images((2, channels, *(size or full))).astype(dtype)


def leaves(model):
    """(name, layer) of what has no parts, or is taken as a whole."""
    whole = [name for name, part in model.named_modules() if isinstance(part, PaddedShortcut)]
    for name, part in model.named_modules():
        inside = any(name.startswith(f"{one}.") for one in whole)
        if isinstance(part, PaddedShortcut) or not (inside or any(True for _ in part.children())):
            yield name, part


def by_reference(layer, x):
    """The oracle of fastconv.reference."""
    p = {
        name: tensor.detach().numpy().astype(x.dtype)
        for name, tensor in layer.state_dict().items()
        if name != "num_batches_tracked"
    }
    match layer:
        case nn.Conv2d():
            how = layer.stride, layer.padding, layer.dilation, layer.groups
            return reference.conv2d(x, p["weight"], p.get("bias"), *how)
        case nn.Linear():
            return reference.linear(x, p["weight"], p.get("bias"))
        case nn.BatchNorm2d():
            statistics = p["running_mean"], p["running_var"]
            return reference.batch_norm(x, *statistics, p["weight"], p["bias"], eps=layer.eps)
        case nn.LocalResponseNorm():
            how = layer.size, layer.alpha, layer.beta, layer.k
            return reference.local_response_norm(x, *how)
        case nn.MaxPool2d():
            how = layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode
            return reference.max_pool2d(x, *how)
        case nn.AvgPool2d():
            how = layer.kernel_size, layer.stride, layer.padding, layer.ceil_mode
            return reference.avg_pool2d(x, *how, layer.count_include_pad)
        case nn.AdaptiveAvgPool2d():
            return reference.adaptive_avg_pool2d(x, layer.output_size)
        case PaddedShortcut():
            step = layer.subsample.stride
            return np.pad(x[:, :, ::step, ::step], ((0, 0), (0, layer.added), (0, 0), (0, 0)))
        case nn.Flatten():
            return x.reshape(len(x), -1)
        case nn.Dropout() | nn.Identity():
            return x
    return getattr(reference, type(layer).__name__.lower())(x)


def bound(layer, x, dtype):
    """How far the engine's result may lie from the exact one, given this input."""
    x = np.abs(x.astype(np.float64))
    u = bounds.roundoff(dtype)
    match layer:
        case nn.Conv2d() | nn.Linear():
            terms = math.prod(layer.weight.shape[1:])
            return bounds.sum_bound(terms, _of_magnitudes(layer, x), dtype)
        case nn.BatchNorm2d():
            # Scale and shift may have been computed first: a rounding for each of a handful of
            # operations, relative to what is added up.
            mean, var, weight, bias = (
                np.abs(tensor.detach().numpy().astype(np.float64))[:, None, None]
                for tensor in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
            )
            scale = weight / np.sqrt(var + layer.eps)
            return 8 * u * ((x + mean) * scale + bias)
        case nn.LocalResponseNorm():
            # A power -β of a sum of `size` squares: β times the sum's roundings, and its own.
            return (layer.size + 4 + 2 * bounds.FUNCTION_ROUNDINGS) * u * x
        case nn.AvgPool2d():
            side = layer.kernel_size
            return bounds.sum_bound(side * side, by_reference(layer, x), dtype)
        case nn.AdaptiveAvgPool2d():
            return bounds.sum_bound(math.prod(x.shape[2:]), by_reference(layer, x), dtype)
        case nn.Tanh():
            exact = np.tanh(x)
            return bounds.function_bound("tanh", x, exact, dtype)
    assert isinstance(layer, EXACT), f"no bound is known for {layer!r}"
    return 0.0


def _of_magnitudes(layer, x):
    """The layer's sums, of magnitudes alone."""
    weight = np.abs(layer.weight.detach().numpy().astype(np.float64))
    bias = None if layer.bias is None else np.abs(layer.bias.detach().numpy().astype(np.float64))
    if isinstance(layer, nn.Linear):
        return reference.linear(x, weight, bias)
    how = layer.stride, layer.padding, layer.dilation, layer.groups
    return reference.conv2d(x, weight, bias, *how)


def run(model, x):
    """[(name, layer, input, result)] of each call of a leaf, in eval mode, by the engine."""
    calls, handles = [], []
    for name, layer in leaves(model):

        def after(layer, args, result, name=name):
            calls.append((name, layer, _array(args[0]), _array(result)))

        handles.append(layer.register_forward_hook(after))
    model.eval()
    try:
        with no_grad():
            model(Tensor(x))
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _array(value):
    # A copy: results of the engine live in a pool.
    return np.array(value.numpy() if isinstance(value, Tensor) else value)


def check_each(model, x, oracle=by_reference):
    """Each layer against the oracle, given the engine's input of it; returns how many there are."""
    with precision("strict"):
        calls = run(model, x)
    assert calls
    for name, layer, given, result in calls:
        exact = np.asarray(oracle(layer, given.astype(np.float64)))
        try:
            assert result.dtype == x.dtype
            bounds.assert_within(result, exact, bound(layer, given, x.dtype))
        except AssertionError as error:
            raise AssertionError(f"first to differ: {name}, {layer!r}: {error}") from error
    return len(calls)


def check_whole(model, x, oracle=by_reference):
    """The engine's network against the oracle's, layer by layer, in float64."""
    with precision("strict"):
        ours = run(model, x)
    theirs = _run_by(oracle, model, x)
    assert [name for name, *_ in ours] == [name for name, _ in theirs]
    products = 0
    for (name, layer, _, result), (_, exact) in zip(ours, theirs, strict=True):
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            products += math.prod(layer.weight.shape[1:])
        assert result.shape == exact.shape, f"first to differ: {name}: {result.shape}"
        limit = 10 * (products + 100) * bounds.roundoff(np.float64) * np.abs(exact).max()
        error = np.abs(result - exact).max()
        assert error <= limit, (
            f"first to differ: {name}, {layer!r}: off by {error:.3g}, limit {limit:.3g}"
        )
    return ours[-1][3], theirs[-1][1]


def _run_by(oracle, model, x):
    """[(name, result)] of each call of a leaf, every one computed by the oracle."""
    results = []
    replaced = list(leaves(model))
    for name, layer in replaced:

        def forward(x, layer=layer, name=name):
            result = np.asarray(oracle(layer, _array(x)))
            results.append((name, result))
            return Tensor(result)

        layer.__dict__["forward"] = forward
    try:
        with no_grad():
            model(Tensor(x))
    finally:
        for _, layer in replaced:
            del layer.__dict__["forward"]
    return results
