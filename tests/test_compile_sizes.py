"""A compiled network is called with images of other sizes than its example's."""

import threading

import layerwise
import numpy as np
import pytest
from drawn_networks import Calls, networks
from hypothesis import given, settings
from hypothesis import strategies as st

import fastconv
from fastconv import Tensor, autograd, models, nn, no_grad
from fastconv import functional as F
from fastconv.graph import compile, load_compiled
from fastconv.graph.compiled import PASSES
from fastconv.graph.passes import remove_identities_here
from fastconv.graph.trace import trace


def resizable(*arguments, **options):
    return compile(*arguments, keep_weights=True, **options)


def normal(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 24, 3, padding=1),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(24 * 16, 10),
    ).eval()


def as_list(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def agree(model, compiled, *inputs):
    """The module's result but for rounding, and the bits of a network compiled for these sizes."""
    with no_grad():
        expected = as_list(model(*map(Tensor, inputs)))
    found = as_list(compiled(*inputs))
    direct = as_list(resizable(model, inputs)(*inputs))
    for a, b, c in zip(expected, found, direct, strict=True):
        a = a.numpy()
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1, np.abs(a).max()))
        np.testing.assert_array_equal(b, c)
    return found


# ---- what can have another size


@pytest.mark.parametrize("batch", [1, 3])
def test_equals_the_module(batch, tier):
    model = network()
    compiled = resizable(model, normal(2, 3, 20, 22))
    for size in ((20, 22), (9, 8), (8, 8), (40, 31), (64, 64)):
        x = normal(batch, 3, *size)
        [found] = agree(model, compiled, x)
        np.testing.assert_array_equal(found, compiled(x, threads=2))
        np.testing.assert_array_equal(found[:1], compiled(x[:1]))
        out = np.full_like(found, np.nan)
        assert compiled(x, out=out) is out
        np.testing.assert_array_equal(out, found)
        assert {step.tier for step in compiled.explain(batch, (3, *size))} == {tier}
    assert compiled(normal(0, 3, 50, 50)).shape == (0, 10)


FUNCTIONS = {
    "convolution": lambda x: F.conv2d(x, normal(5, 4, 3, 3), None, 1, 1),
    "same": lambda x: F.conv2d(x, normal(5, 4, 3, 3), None, 2, "same"),
    "same_lower": lambda x: F.conv2d(x, normal(5, 4, 4, 3), None, (3, 2), "same_lower"),
    "padded and same": lambda x: F.conv2d(
        F.pad(x, (1, 1, 1, 1)), normal(5, 4, 3, 3), None, 2, "same"
    ),
    "transposed": lambda x: F.conv_transpose2d(x, normal(4, 3, 3, 3), None, 2, 1),
    "ceiling": lambda x: F.max_pool2d(x, 3, 2, 0, 1, True),
    "all": lambda x: F.adaptive_avg_pool2d(x, (3, None)),
    "the example's size": lambda x: F.adaptive_max_pool2d(x, 12),
    "means": lambda x: F.linear(x.mean((2, 3)), normal(7, 4)),
    "flattened": lambda x: F.linear(F.global_avg_pool2d(x).view(x.shape[0], -1), normal(7, 4)),
    "squeezed": lambda x: F.linear(F.adaptive_avg_pool2d(x, 1).squeeze(), normal(7, 4)),
    "rows": lambda x: x.flatten(2).softmax(-1),
    "rows of pixels": lambda x: F.linear(x.flatten(2).transpose(1, 2), normal(7, 4)),
    "shuffle": lambda x: (
        x.view(x.shape[0], 2, 2, x.shape[2], x.shape[3]).transpose(1, 2).flatten(1, 2)
    ),
    "as large as the input": lambda x: F.interpolate(F.max_pool2d(x, 2), x.shape[2:]),
    "as large as the input once": lambda x: F.interpolate(
        F.max_pool2d(x, 2), (x.size(2), 7), mode="bilinear"
    ),
    "twice as large": lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"),
    "a size of its own": lambda x: F.interpolate(x, (9, 5)),
    "borders": lambda x: F.conv2d(F.pad(x, (2, 1, 0, 1), "reflect"), normal(5, 4, 3, 3)),
    "gate": lambda x: x * F.conv2d(F.global_avg_pool2d(x), normal(4, 4, 1, 1)).sigmoid(),
    "parts": lambda x: autograd.cat([x, F.max_pool2d(x, 3, 1, 1)], 1).relu(),
    "residual": lambda x: (x.relu() + F.conv2d(x, normal(4, 4, 3, 3), None, 1, 1)).relu(),
    "channels": lambda x: x[:, 1:3] + F.max_pool2d(x, 3, 1, 1)[:, x.shape[1] // 2 :],
    "siblings": lambda x: autograd.cat(
        [
            F.conv2d(F.conv2d(x, normal(n, 4, 1, 1), None, 2, "same"), normal(2, n, 3, 3))
            for n in (3, 8)
        ],
        1,
    ),
    "nothing": lambda x: x,
    "single pixels": lambda x: F.adaptive_avg_pool2d(x, (None, None)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    model = Calls(FUNCTIONS[name]).eval()
    compiled = resizable(model, normal(2, 4, 12, 12))
    for size in ((13, 12), (24, 17), (12, 12), (7, 30)):
        agree(model, compiled, normal(2, 4, *size))


def test_one_axis():
    model = nn.Sequential(nn.Conv1d(3, 4, 5, padding="same"), nn.ReLU(), nn.Conv1d(4, 2, 3, 2))
    compiled = resizable(model.eval(), normal(1, 3, 20))
    for length in (5, 19, 64):
        agree(model, compiled, normal(2, 3, length))


def test_several_inputs():
    model = Calls(lambda x, y: (F.interpolate(x, y.shape[2:]) + y, x.relu())).eval()
    compiled = resizable(model, (normal(1, 3, 5, 6), normal(1, 3, 10, 10)))
    agree(model, compiled, normal(2, 3, 7, 6), normal(2, 3, 9, 20))
    steps = compiled.explain(2, (3, 7, 6), (3, 9, 20))
    assert steps[0].shape == (2, 3, 9, 20)


@given(networks(), st.sampled_from(((8, 12), (13, 9), (18, 22))), st.booleans())
@settings(max_examples=100, deadline=None)
def test_any_network(drawn, size, optimized):
    chosen = PASSES if optimized else ()
    # One may have no twice as large images, and others.
    compiled = compile(drawn, normal(1, *drawn.shape), keep_weights=True, passes=chosen)
    x = normal(2, drawn.shape[0], *size)
    try:
        with no_grad():
            expected = drawn(Tensor(x))
    except ValueError:  # a sum of what was, by chance, as large for the example
        with pytest.raises(ValueError, match="cannot take those of"):
            compiled(x)
        return
    try:
        found = compiled(x)
    except ValueError as error:  # which a Tensor would be broadcast for
        if "a sum of shapes" in str(error):
            return
        raise
    direct = resizable(drawn, x, passes=chosen)(x)
    for a, b, c in zip(expected, found, direct, strict=True):
        a = a.numpy()
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(1, np.abs(a).max()))
        np.testing.assert_array_equal(b, c)


@pytest.mark.parametrize(
    ("name", "options", "shape", "other"),
    [
        ("squeezenet1_1", {"classes": 10}, (3, 64, 64), (3, 80, 50)),
        ("resnet18", {"classes": 10}, (3, 64, 64), (3, 96, 70)),
        ("mobilenet_v2", {"classes": 10}, (3, 64, 64), (3, 50, 90)),
        ("googlenet", {"classes": 10, "auxiliaries": False}, (3, 64, 64), (3, 90, 64)),
    ],
)
def test_models(name, options, shape, other):
    model = models.create(name, **options).eval()
    compiled = resizable(model, normal(1, *shape))
    agree(model, compiled, normal(1, *other))


# ---- what cannot


REFUSED = {
    "features": (lambda x: F.linear(x.flatten(1), normal(3, 4 * 36)), "linear.*144"),
    "view": (lambda x: x.view(-1, 4 * 36), "reshape: 196 elements do not go into"),
    "groups": (lambda x: x.view(-1, 16, 3, 3), "reshape"),
    "a sum": (lambda x: x + F.interpolate(x, (6, 6)), "a sum of shapes"),
    "a window": (lambda x: F.conv2d(x, normal(2, 4, 8, 8), None, 1, 1), None),
    "a product": (lambda x: x.view(-1, 4, x.shape[2] * x.shape[3]), "computes with the size"),
    "a kernel": (lambda x: F.avg_pool2d(x, x.shape[2:]), "computes with the size"),
    "half": (lambda x: F.interpolate(x, (x.shape[2] // 2, 4)), "computes with the size"),
    "a decision": (lambda x: x.relu() if x.shape[2] > 6 else x.tanh(), "computes with the size"),
    "a comparison": (lambda x: x.relu() if x.shape == (1, 4, 6, 6) else x, "computes with"),
    "count": (lambda x: x * (1.0 / x.numel()), "computes with the size"),
    "inner size": (lambda x: F.interpolate(x, (y := x.relu()).shape[2:]) + y, "computes with"),
    "single": (lambda x: F.max_pool2d(x, 6).squeeze(), "computes with the size"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_names_the_layer(name):
    function, told = REFUSED[name]
    model = nn.Sequential(nn.ReLU(), Calls(function)).eval()
    compiled = resizable(model, normal(1, 4, 6, 6))
    before = compiled(normal(1, 4, 6, 6))
    x = normal(1, 4, 7, 7)
    if told is None:  # which fits after all
        assert compiled(x).shape == (1, 2, 2, 2)
        x = normal(1, 4, 5, 5)
        told = "8"
    with pytest.raises(ValueError, match=told) as error:
        compiled(x, out=np.zeros(1, np.float32))
    for part in ("layer '1'", "4×6×6", "×".join(map(str, x.shape[1:]))):
        assert part in str(error.value)
    np.testing.assert_array_equal(compiled(normal(1, 4, 6, 6)), before)


def test_a_linear_layer_that_no_longer_fits():
    model = models.create("lenet5").eval()
    compiled = resizable(model, normal(1, 1, 32, 32))
    told = r"images of 1×32×32, cannot take those of 1×40×36: layer '.+', which is given .*: linear"
    with pytest.raises(ValueError, match=told):
        compiled(normal(1, 1, 40, 36))
    with pytest.raises(ValueError, match="layer"):
        compiled.explain(1, (1, 40, 36))


def test_a_pass_that_settles_the_size():
    model = nn.Sequential(nn.AdaptiveAvgPool2d(6), nn.ReLU())
    compiled = resizable(model, normal(1, 2, 6, 6), passes=(remove_identities_here,))
    with pytest.raises(ValueError, match="layer '0' is left out"):
        compiled(normal(1, 2, 7, 7))


def test_weights_that_were_let_go_keep_their_form():
    """Other sizes take the algorithms of the example's size, whatever would suit them."""
    model = nn.Conv2d(32, 32, 3, padding=1).eval()
    small, large = normal(1, 32, 2, 2), normal(1, 32, 28, 28)
    kept = resizable(model, large)
    assert len({kept.explain(1, x.shape[1:])[0].algorithm for x in (small, large)}) == 2
    agree(model, kept, small)
    compiled = compile(model, large, keep_weights=False)
    held = compiled.weight_bytes
    assert len({compiled.explain(1, x.shape[1:])[0].algorithm for x in (small, large)}) == 1
    agree(model, compiled, large)
    for refreshed in (False, True):
        if refreshed:
            compiled.refresh(model)
        for x in (small, normal(3, 32, 30, 31)):
            with no_grad():
                expected = model(Tensor(x)).numpy()
            np.testing.assert_allclose(compiled(x), expected, rtol=1e-4, atol=1e-4)
            parts = [compiled(x[i : i + 1]) for i in range(len(x))]
            np.testing.assert_array_equal(compiled(x, threads=2), np.concatenate(parts))
    assert compiled.weight_bytes == held


def layouts(compiled, x):
    return {step.layer: step.layout for step in compiled.explain(1, x.shape[1:]) if step.layer}


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "squeezenet1_1", "mobilenet_v2"])
def test_networks_whose_weights_were_let_go(name):
    """What lies channels last does so for all sizes; a residual, a concatenation as its terms."""
    options, size = layerwise.SMALL[name]
    model, images = layerwise.build(name, (64, 64), np.float64, **options)
    compiled = compile(model, images)
    for shape in ((48, 48), size, (97, 64), (64, 128)):
        x = normal(2, 3, *shape, dtype=np.float64)
        with no_grad():
            expected = model.eval()(Tensor(x)).numpy()
        limit = 1e-9 * np.abs(expected).max()
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-9, atol=limit)
        assert layouts(compiled, x) == layouts(compiled, images)


def test_an_algorithm_that_is_none_for_another_size():
    """The whole map's window is a linear layer; the layer is named, and what to do."""
    model = nn.Conv2d(64, 8, 6).eval()
    compiled = compile(model, normal(1, 64, 6, 6))
    assert compiled.explain(1)[0].algorithm == "linear"
    with pytest.raises(ValueError, match=r"layer ''.*keep_weights=True"):
        compiled(normal(1, 64, 9, 9))


# ---- what is kept


def test_sizes_that_a_network_remembers():
    """Eight, of which the one that was used longest ago goes."""
    compiled = resizable(network(), normal(1, 3, 20, 20))
    for n in range(21, 28):
        compiled(normal(1, 3, 20, n))
    compiled(normal(1, 3, 20, 20))
    compiled(normal(1, 3, 40, 40))
    sizes = [shape for (shape,) in compiled._plans.sizes]
    assert sizes == [*((1, 3, 20, n) for n in range(22, 28)), (1, 3, 20, 20), (1, 3, 40, 40)]
    assert compiled(normal(1, 3, 20, 21)).shape == (1, 10)
    assert len(compiled._plans.sizes) == 8


def test_no_second_copy_of_a_form():
    model = nn.Sequential(
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ConvTranspose2d(16, 16, 4, 2, 1),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 512),
    ).eval()
    compiled = resizable(model, normal(32, 16, 48, 48))
    before = compiled.weight_bytes
    for batch, size in ((32, 54), (31, 48), (40, 60), (32, 66)):
        compiled(normal(batch, 16, size, size))
    assert compiled.weight_bytes == before


def test_many_threads():
    model = network()
    compiled = resizable(model, normal(1, 3, 20, 20))
    inputs = [normal(1 + i % 2, 3, 16 + i, 20) for i in range(12)]
    expected = [resizable(model, x)(x) for x in inputs]
    wrong = []

    def call(start):
        for i in range(60):
            k = (start + 5 * i) % len(inputs)
            if not np.array_equal(compiled(inputs[k], threads=1), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(compiled._plans.sizes) == 8


@pytest.mark.parametrize("keep", [False, True])
def test_weights_are_kept_where_asked_for(keep):
    image = normal(1, 3, 28, 28)
    layers = [nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    compiled = compile(nn.Sequential(*layers).eval(), image, keep_weights=keep)
    weight = compiled.graph.nodes[1].arrays["weight"]
    assert (weight.plain is not None) == keep


@pytest.mark.parametrize("keep", [False, True])
def test_refresh_is_for_all_sizes(keep):
    model = network()
    # of all, each tier takes weights in one form
    inputs = [normal(2, 3, 20, 22), normal(1, 3, 24, 24), normal(1, 3, 21, 20)]
    compiled = compile(model, inputs[0], keep_weights=keep)
    for x in inputs:
        compiled(x)
    with no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    compiled.refresh(model)
    assert len(compiled._plans.sizes) == 3
    for x in inputs:
        agree(model, compiled, x)


def test_profile_and_explain():
    compiled = resizable(network(), normal(1, 3, 20, 22))
    x = normal(2, 3, 40, 36)
    profile = compiled.profile(x, repeats=2)
    steps = compiled.explain(2, (3, 40, 36))
    assert [step.op for step in profile.steps] == [step.op for step in steps]
    assert steps[0].shape == profile.steps[0].shape == (2, 16, 40, 36)
    assert compiled.explain()[0].shape == (1, 16, 20, 22)
    # An adaptive pooling to the size that there is, is no step.
    assert "adaptive_pool2d" in [step.op for step in steps]
    assert "adaptive_pool2d" not in [step.op for step in compiled.explain(1, (3, 8, 8))]
    with pytest.raises(ValueError, match="expected"):
        compiled.explain(1, (4, 8, 8))


def test_batches_in_parts():
    model = network()
    x = normal(6, 3, 32, 32)
    expected = resizable(model, x)(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastconv.graph.compiled.cache_share", lambda: 100_000)
        compiled = resizable(model, normal(1, 3, 20, 20))
    np.testing.assert_array_equal(compiled(x), expected)
    program = compiled._plans.of(((6, 3, 32, 32),)).lowered.program
    assert max(step["repeats"] for step in program.steps) > 1


# ---- in a file


def test_a_loaded_network(tmp_path):
    model = network()
    model[1].running_mean[...] = normal(16)
    compile(model, normal(1, 3, 20, 22), keep_weights=True).save(tmp_path / "net")
    loaded = load_compiled(tmp_path / "net")
    for size in ((4, 4), (33, 20)):
        agree(model, loaded, normal(2, 3, *size))
    with no_grad():
        model[0].weight.mul_(2.0)
    loaded.refresh(model)
    agree(model, loaded, normal(2, 3, 33, 20))


@pytest.mark.parametrize("name", ["as large as the input", "same", "shuffle", "all", "a kernel"])
def test_what_a_file_tells_of_sizes(tmp_path, name):
    function = FUNCTIONS[name] if name in FUNCTIONS else REFUSED[name][0]
    model = Calls(function).eval()
    compile(model, normal(2, 4, 12, 12), keep_weights=True).save(tmp_path / "net")
    loaded = load_compiled(tmp_path / "net")
    x = normal(1, 4, 14, 10)
    if name in FUNCTIONS:
        agree(model, loaded, x)
        return
    with pytest.raises(ValueError, match="computes with the size"):
        loaded(x)


def test_plain_weights_are_looked_at_before_they_are_used(tmp_path):
    model = nn.Conv2d(32, 32, 3, padding=1).eval()
    path, large, small = tmp_path / "net", normal(1, 32, 28, 28), normal(1, 32, 2, 2)
    compiled = resizable(model, large)
    compiled.save(path)
    contents = bytearray(path.read_bytes())
    place = contents.find(model.weight.numpy().tobytes()[:64])
    assert place > 0
    contents[place + 5] ^= 16
    path.write_bytes(contents)
    loaded = load_compiled(path)
    np.testing.assert_array_equal(loaded(large), compiled(large))
    with pytest.raises(fastconv.data.DataError, match="checksum"):
        loaded(small)
    with pytest.raises(fastconv.data.DataError, match="checksum"):
        loaded.save(tmp_path / "again")


def test_the_graph_does_not_depend_on_the_example():
    """What is recorded for one size is what is recorded for another, but for the shapes."""
    for function in FUNCTIONS.values():
        graphs = [trace(Calls(function), (normal(1, 4, n, n),))[0] for n in (12, 15)]
        kinds = [[(node.kind, node.options) for node in graph.nodes] for graph in graphs]
        same = [
            [(kind, {k: v for k, v in o.items() if not (o.get("same") and k == "padding")})
             for kind, o in nodes]
            for nodes in kinds
        ]  # fmt: skip
        assert same[0] == same[1]
