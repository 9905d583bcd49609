"""fastconv.functional with Tensors: values of the arrays' operations, gradients by differences."""

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, gradcheck, no_grad

RNG = np.random.default_rng(5)
FUSED = (
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "silu",
    "hardsigmoid",
    "hardswish",
    "gelu",
    "gelu_tanh",
)


def normal(*shape):
    return RNG.standard_normal(shape)


X, W, B = normal(2, 4, 5, 6), normal(6, 4, 3, 2) / 3, normal(6)
LINE = normal(2, 4, 7)
# name → (the operation, its arguments, of which arrays of floats can have gradients, its options)
LAYERS = {
    "conv2d": ("conv2d", (X, W, B), {"stride": (2, 1), "padding": 1}),
    "conv2d groups": ("conv2d", (X, normal(6, 2, 3, 3), B), {"groups": 2, "padding": "same"}),
    "conv2d depthwise": ("conv2d", (X, normal(4, 1, 3, 3)), {"groups": 4, "dilation": (1, 2)}),
    "conv2d stride": ("conv2d", (X, W), {"stride": 2, "padding": ((1, 0), (2, 1))}),
    "conv2d unbatched": ("conv2d", (X[0], W, B), {}),
    "conv2d pointwise": ("conv2d", (X, normal(3, 4, 1, 1)), {}),
    "convolve2d": ("convolve2d", (X, W, B), {"padding": "same_lower"}),
    "conv1d": ("conv1d", (LINE, normal(4, 2, 3), normal(4)), {"groups": 2, "stride": 2}),
    "conv_transpose2d": (
        "conv_transpose2d",
        (X[:, :, :3, :3], normal(4, 2, 3, 2), normal(4)),
        {"groups": 2, "stride": (2, 3), "padding": 1, "output_padding": 1},
    ),
    "conv_transpose1d": (
        "conv_transpose1d", (LINE, normal(4, 2, 3), normal(2)), {"stride": 2, "dilation": 2}
    ),
    "linear": ("linear", (normal(3, 5), normal(4, 5), normal(4)), {}),
    "linear of a vector": ("linear", (normal(5), normal(4, 5)), {}),
    "linear of more": ("linear", (normal(2, 3, 5), normal(4, 5), normal(4)), {}),
}  # fmt: skip
ACTIVATIONS = {
    "relu": {},
    "relu6": {},
    "sigmoid": {},
    "tanh": {},
    "silu": {},
    "hardsigmoid": {},
    "hardswish": {},
    "gelu": {},
    "gelu tanh": {"approximate": "tanh"},
    "leaky_relu": {"negative_slope": 0.3},
    "elu": {"alpha": 1.5},
    "softplus": {"beta": 2.0, "threshold": 3.0},
}
for name, how in ACTIVATIONS.items():
    LAYERS[name] = (name.split()[0], (4 * normal(3, 7),), how)


def norm(x, *weight_and_bias, **how):
    """With known statistics, or while training."""
    mean, var = STATISTICS.astype(x.dtype)
    return F.batch_norm(x, mean, var, *weight_and_bias, **how)


def unpool(x, **how):
    indices = F.max_pool2d(np.random.default_rng(1).permutation(160).reshape(1, 4, 8, 5) / 1.0, 2,
                           return_indices=True, **how)[1]  # fmt: skip
    return F.max_unpool2d(x, indices, 2, output_size=(8, 5), **how)


STATISTICS = np.stack([normal(4), RNG.uniform(0.5, 2, 4)])
LAYERS |= {
    "prelu": ("prelu", (X, normal(4)), {}),
    "prelu of one": ("prelu", (X, normal(1)), {}),
    "batch_norm": (norm, (X, normal(4), normal(4)), {}),
    "batch_norm alone": (norm, (X,), {}),
    "batch_norm and relu": (norm, (X, normal(4), normal(4)), {"activation": "relu"}),
    "batch_norm training": (norm, (X, normal(4), normal(4)), {"training": True}),
    "batch_norm training alone": (norm, (LINE,), {"training": True, "eps": 0.1}),
    "batch_norm training and silu": (
        norm, (X, normal(4), normal(4)), {"training": True, "activation": "silu"}
    ),
    "local_response_norm": ("local_response_norm", (X, 3), {"alpha": 0.5, "k": 2.0}),
    "local_response_norm onnx": ("local_response_norm", (X, 2), {"window": "onnx", "alpha": 0.7}),
    "softmax": ("softmax", (normal(3, 5), 1), {}),
    "softmax of channels": ("softmax", (X, 1), {}),
    "log_softmax": ("log_softmax", (normal(3, 5), -1), {}),
    "cross_entropy": ("cross_entropy", (normal(4, 3), np.array([2, 0, -100, 1])), {}),
    "cross_entropy smoothed": (
        "cross_entropy", (normal(2, 3, 4), np.array([[2, 0, 1, 1], [0, 0, 7, 1]])),
        {"ignore_index": 7, "label_smoothing": 0.2, "reduction": "none"},
    ),
    "cross_entropy of one": ("cross_entropy", (normal(5), np.array(3)), {"reduction": "sum"}),
    "max_pool2d": ("max_pool2d", (X, 2), {}),
    "max_pool2d overlapping": ("max_pool2d", (X, 3), {"stride": 1, "padding": 1}),
    "max_pool2d dilated": (
        "max_pool2d", (X, 2), {"dilation": 2, "ceil_mode": True, "return_indices": True}
    ),
    "max_pool1d": ("max_pool1d", (LINE, 3), {"stride": 2, "padding": 1}),
    "avg_pool2d": ("avg_pool2d", (X, 2), {}),
    "avg_pool2d overlapping": (
        "avg_pool2d", (X, (3, 2)), {"stride": 1, "padding": 1, "count_include_pad": False}
    ),
    "avg_pool2d divisor": (
        "avg_pool2d", (X, 3), {"stride": 2, "ceil_mode": True, "divisor_override": 5}
    ),
    "avg_pool1d": ("avg_pool1d", (LINE, 3), {"stride": 2, "padding": 1, "ceil_mode": True}),
    "lp_pool2d": ("lp_pool2d", (X, 2, 2), {}),
    "lp_pool2d of 3": ("lp_pool2d", (abs(X) + 0.2, 3.0, (2, 3)), {"stride": 1, "ceil_mode": True}),
    "lp_pool1d": ("lp_pool1d", (LINE, 2.0, 3), {"stride": 2}),
    "adaptive_avg_pool2d": ("adaptive_avg_pool2d", (X, (2, 4)), {}),
    "adaptive_avg_pool1d": ("adaptive_avg_pool1d", (LINE, 3), {}),
    "adaptive_max_pool2d": ("adaptive_max_pool2d", (X, (3, None)), {}),
    "adaptive_max_pool1d": ("adaptive_max_pool1d", (LINE, 3), {"return_indices": True}),
    "global_avg_pool2d": ("global_avg_pool2d", (X,), {}),
    "global_max_pool2d": ("global_max_pool2d", (X,), {}),
    "max_unpool2d": (unpool, (normal(1, 4, 4, 2),), {}),
    "max_unpool1d": (
        "max_unpool1d", (normal(1, 2, 3), np.array([[[0, 3, 4], [1, 2, 5]]]), 2), {}
    ),
    "pad": ("pad", (X, (1, 2, 0, 1)), {"value": 3.0}),
    "pad less": ("pad", (X, (-1, 2, 0, -2)), {}),
    "pad reflect": ("pad", (X, (2, 1, 3, 2)), {"mode": "reflect"}),
    "pad replicate": ("pad", (LINE, (3, 2)), {"mode": "replicate"}),
    "pad circular": ("pad", (X, (2, 1, 3, 2)), {"mode": "circular"}),
    "unfold": ("unfold", (X, (2, 3)), {"padding": 1, "stride": (2, 1)}),
    "fold": ("fold", (normal(2, 24, 12), (5, 6), (2, 3)), {"stride": 1, "dilation": (2, 1)}),
    "interpolate": ("interpolate", (X,), {"scale_factor": 2.0}),
    "interpolate smaller": ("interpolate", (X,), {"size": (3, 4), "mode": "nearest-exact"}),
    "interpolate linear": ("interpolate", (LINE,), {"size": 12, "mode": "linear"}),
    "interpolate bilinear": ("interpolate", (X,), {"scale_factor": (1.5, 0.5), "mode": "bilinear"}),
    "interpolate corners": (
        "interpolate", (X,), {"size": (7, 9), "mode": "bilinear", "align_corners": True}
    ),
}  # fmt: skip
for mode in ("reflect", "replicate", "circular"):
    LAYERS[f"conv2d {mode}"] = ("conv2d", (X, W), {"padding": 2, "padding_mode": mode})
    LAYERS[f"conv1d {mode}"] = (
        "conv1d", (LINE, normal(2, 4, 3)), {"padding": ((1, 2),), "padding_mode": mode}
    )  # fmt: skip
for activation in FUSED:
    LAYERS[f"conv2d and {activation}"] = ("conv2d", (X, W, B), {"activation": activation})
    LAYERS[f"linear and {activation}"] = (
        "linear", (normal(3, 5), normal(4, 5), normal(4)), {"activation": activation}
    )  # fmt: skip


def first(result):
    return result[0] if isinstance(result, tuple) else result


def is_float(value):
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def arrays_of(name, dtype=np.float64):
    """The arguments that can have gradients, which come first."""
    return [value.astype(dtype) for value in LAYERS[name][1] if is_float(value)]


def call(name, inputs):
    op, arguments, options = LAYERS[name]
    others = [value for value in arguments if not is_float(value)]
    return first((getattr(F, op) if isinstance(op, str) else op)(*inputs, *others, **options))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_values_are_those_of_arrays(name, dtype):
    arrays = arrays_of(name, dtype)
    expected = call(name, arrays)
    result = call(name, list(map(Tensor, arrays)))
    assert type(result) is Tensor
    assert result.dtype == dtype
    assert not result.requires_grad
    np.testing.assert_array_equal(result, expected)
    if dtype != np.float16:
        recorded = call(name, [Tensor(array, True) for array in arrays])
        assert recorded.requires_grad
        np.testing.assert_allclose(recorded, expected, rtol=1e-5, atol=1e-6)
        with no_grad():
            assert not call(name, [Tensor(array, True) for array in arrays]).requires_grad


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_central_differences(name):
    inputs = tuple(Tensor(array, True) for array in arrays_of(name))
    assert gradcheck(lambda *given: call(name, given), inputs, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_each_gradient_alone_is_the_same_and_its_own(name, dtype):
    arrays = arrays_of(name, dtype)
    together = [Tensor(array, True) for array in arrays]
    result = call(name, together)
    start = RNG.standard_normal(result.shape).astype(dtype)
    result.backward(start)
    for i, array in enumerate(arrays):
        alone = [Tensor(a, True) if i == j else a for j, a in enumerate(arrays)]
        call(name, alone).backward(start)
        np.testing.assert_array_equal(alone[i].grad, together[i].grad)
        gradient = together[i].grad.numpy()
        assert gradient.dtype == dtype
        assert gradient.shape == array.shape
        for other in (start, result.numpy(), *arrays, *(t.grad.numpy() for t in together[:i])):
            assert not np.shares_memory(gradient, other)


def test_only_what_is_needed_is_computed(monkeypatch):
    from fastconv import _core

    def ran(x, w):
        record = []
        y = F.conv2d(x, w, activation="relu").sum()
        _core._trace(record)
        y.backward()
        _core._trace(None)
        return {entry[0] for entry in record if entry[0].startswith("conv2d")}

    assert ran(Tensor(X), Tensor(W, True)) == {"conv2d_weight_gradient"}
    assert ran(Tensor(X, True), Tensor(W)) == {"conv2d_input_gradient"}
    assert ran(X, Tensor(W, True)) == {"conv2d_weight_gradient"}
    x, w = Tensor(X, True), Tensor(W, True)
    record = []
    y = F.conv2d(x, w).sum()
    _core._trace(record)
    fastconv.autograd.grad(y, x)
    _core._trace(None)
    assert [entry[0] for entry in record] == ["conv2d_input_gradient"]


def test_mixed_arguments():
    """A Tensor among arrays makes the result one."""
    for given in ((X, Tensor(W), B), (Tensor(X), W, B), (Tensor(X), W, Tensor(B, True))):
        result = F.conv2d(*given)
        assert type(result) is Tensor
        np.testing.assert_array_equal(result, F.conv2d(X, W, B))
    b = Tensor(B, True)
    F.conv2d(Tensor(X), W, b).sum().backward()
    np.testing.assert_allclose(b.grad, np.full(6, 2 * 3 * 5))
    arrays = (X, W), {"residual": np.zeros((2, 6, 3, 5))}
    for i, tensor in enumerate((b, Tensor(arrays[1]["residual"], True))):
        bias, residual = (tensor, arrays[1]["residual"]) if i == 0 else (B, tensor)
        result = F.conv2d(*arrays[0], bias, residual=residual)
        assert result.requires_grad
        np.testing.assert_array_equal(result, F.conv2d(X, W, B))


def test_residuals():
    residual = normal(2, 6, 3, 5)
    for activation in (None, "relu", "gelu"):

        def layer(x, w, r, activation=activation):
            return F.conv2d(x, w, residual=r, activation=activation)

        inputs = tuple(Tensor(array, True) for array in (X, W, residual))
        assert gradcheck(layer, inputs, atol=1e-6, rtol=1e-6)
        alone = Tensor(residual, True)
        layer(Tensor(X), W, alone).sum().backward()
        layer(*inputs).sum().backward()
        np.testing.assert_array_equal(alone.grad, inputs[2].grad)
        assert alone.grad.numpy().flags.writeable


def test_out_is_for_arrays():
    with pytest.raises(TypeError, match=r"^conv2d: out is given but an argument is a Tensor"):
        F.conv2d(Tensor(X), Tensor(W), out=np.empty((2, 6, 3, 5)))


def test_errors_are_those_of_arrays():
    for given, message in (
        ((Tensor(X), Tensor(W[:, :2])), "conv2d: weight has 2 input channels per group but input"),
        ((Tensor(X), Tensor(W.astype(np.float32))), "conv2d: weight has dtype float32 but input"),
        (([1], W), "conv2d: input must be a numpy.ndarray, not list"),
        ((Tensor(X), [1]), "conv2d: weight must be a numpy.ndarray, not list"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{message}"):
            F.conv2d(*given)
    with pytest.raises(ValueError, match=r"^conv2d: activation is 'relux'"):
        F.conv2d(Tensor(X, True), Tensor(W), activation="relux")


def test_explain_takes_tensors():
    told = fastconv.explain("conv2d", Tensor(X, True), Tensor(W))
    assert told.algorithm == fastconv.explain("conv2d", X, W).algorithm


def test_methods_are_the_operations():
    x = Tensor(X, True)
    for name in ("relu", "sigmoid", "tanh"):
        np.testing.assert_array_equal(getattr(x, name)(), getattr(F, name)(X))
    for name in ("softmax", "log_softmax"):
        result = getattr(x, name)(1)
        np.testing.assert_array_equal(result, getattr(F, name)(X, 1))
        assert result.grad_fn.name == name


def test_running_statistics_of_tensors_are_updated_and_watched():
    mean, var = Tensor(STATISTICS[0].copy()), Tensor(STATISTICS[1].copy())
    arrays = STATISTICS.copy()
    w = Tensor(normal(4), True)
    evaluated = F.batch_norm(Tensor(X), mean, var, w)
    F.batch_norm(Tensor(X), mean, var, w, training=True, momentum=0.3).sum().backward()
    F.batch_norm(X, *arrays, training=True, momentum=0.3)
    np.testing.assert_array_equal([mean, var], arrays)
    with pytest.raises(RuntimeError, match=r"batch_norm needs .* changed in place"):
        evaluated.sum().backward()
    with pytest.raises(ValueError, match="running_mean or running_var requires a gradient"):
        F.batch_norm(Tensor(X), Tensor(STATISTICS[0], True), var)


def test_what_the_engine_saved_returns_to_its_pool():
    x = Tensor(RNG.standard_normal((2, 16, 64, 64)), True)  # 1 MiB, and so is every result
    w = Tensor(normal(16, 16, 3, 3), True)
    y = F.relu(F.conv2d(F.conv2d(x, w, padding=1), w, padding=1))
    loss = F.global_avg_pool2d(y).sum()
    del y
    saved = fastconv.memory_stats()["in_use_bytes"]
    loss.backward()
    after = fastconv.memory_stats()["in_use_bytes"]
    assert saved - after >= (2 - 1) << 20  # two results went, the gradient by x came
    x.grad = None
    assert saved - fastconv.memory_stats()["in_use_bytes"] >= 2 << 20  # and nobody has that


def test_gradients_have_the_same_bits_for_any_number_of_threads():
    x, w = RNG.standard_normal((3, 8, 30, 30)), normal(16, 8, 3, 3)
    found = []
    for threads in (1, 2, 3):
        inputs = Tensor(x, True), Tensor(w, True)
        with fastconv.num_threads(threads):
            F.max_pool2d(F.conv2d(*inputs, activation="gelu"), 2).mean().backward()
        found.append([value.grad.numpy().tobytes() for value in inputs])
    assert found[0] == found[1] == found[2]


def test_cross_entropy_with_weights():
    x, target, weight = normal(4, 3), np.array([2, 0, 1, 1]), np.array([0.5, 1.0, 2.0])
    inputs = Tensor(x, True)
    assert gradcheck(lambda x: F.cross_entropy(x, Tensor(target), Tensor(weight)), inputs)
    mixed = F.cross_entropy(x, Tensor(target), weight)
    assert type(mixed) is Tensor
    assert mixed.item() == F.cross_entropy(x, target, weight)
    with pytest.raises(ValueError, match="weight requires a gradient"):
        F.cross_entropy(inputs, target, Tensor(weight, True))
