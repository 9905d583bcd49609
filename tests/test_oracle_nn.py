"""fastconv.nn against torch.nn: the same weights give the same results, gradients and running
statistics, under the same names. Run with -m oracle; without torch these fail."""

import copy

import numpy as np
import pytest

import fastconv
import fastconv.functional as F
from fastconv import Tensor, nn, no_grad

pytestmark = pytest.mark.oracle
RNG = np.random.default_rng(21)


@pytest.fixture(scope="module")
def torch():
    import torch

    return torch


def normal(*shape):
    return RNG.standard_normal(shape)


IMAGES, LINES, ROWS = normal(3, 4, 9, 8), normal(3, 4, 11), normal(5, 6)
# A layer, of nn of either library; what it is given; whether its text is PyTorch's, too.
LAYERS = [
    (lambda nn: nn.Conv2d(4, 6, 3), IMAGES),
    (lambda nn: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), bias=False), IMAGES),
    (lambda nn: nn.Conv2d(4, 8, 3, padding=2, dilation=2, groups=4), IMAGES),
    (lambda nn: nn.Conv2d(4, 4, 4, padding="same"), IMAGES),
    (lambda nn: nn.Conv2d(4, 4, 3, padding="valid"), IMAGES),
    *(
        (lambda nn, mode=mode: nn.Conv2d(4, 3, (3, 5), padding=(1, 2), padding_mode=mode), IMAGES)
        for mode in ("reflect", "replicate", "circular")
    ),
    (lambda nn: nn.Conv2d(4, 3, 3, padding="same", padding_mode="reflect"), IMAGES),
    (lambda nn: nn.Conv1d(4, 6, 3, 2, 1, groups=2), LINES),
    (lambda nn: nn.Conv1d(4, 6, 3, padding="same", dilation=2, bias=False), LINES),
    (lambda nn: nn.Conv1d(4, 6, 3, padding=2, padding_mode="circular"), LINES),
    (lambda nn: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1, groups=2), IMAGES),
    (lambda nn: nn.ConvTranspose2d(4, 2, (3, 2), dilation=2, bias=False), IMAGES),
    (lambda nn: nn.ConvTranspose1d(4, 6, 4, 3, 1), LINES),
    (lambda nn: nn.Linear(6, 4), ROWS),
    (lambda nn: nn.Linear(8, 3, bias=False), IMAGES),
    (lambda nn: nn.Identity(3), ROWS),
    (lambda nn: nn.Flatten(), IMAGES),
    (lambda nn: nn.Flatten(0, -2), IMAGES),
    (lambda nn: nn.Unflatten(1, (2, 3)), ROWS),
    (lambda nn: nn.MaxPool2d(2), IMAGES),
    (lambda nn: nn.MaxPool2d((3, 2), 2, (1, 0), 1, ceil_mode=True), IMAGES),
    (lambda nn: nn.MaxPool1d(3, 2, 1), LINES),
    (lambda nn: nn.AvgPool2d(3, 2, 1), IMAGES),
    (lambda nn: nn.AvgPool2d(3, 2, 1, True, False), IMAGES),
    (lambda nn: nn.AvgPool2d(2, divisor_override=3), IMAGES),
    (lambda nn: nn.AvgPool1d(3, 1, 1), LINES),
    (lambda nn: nn.LPPool2d(2, 3, stride=2), abs(IMAGES)),
    (lambda nn: nn.LPPool1d(2, 3), abs(LINES)),
    (lambda nn: nn.AdaptiveAvgPool2d((3, None)), IMAGES),
    (lambda nn: nn.AdaptiveAvgPool2d(1), IMAGES),
    (lambda nn: nn.AdaptiveAvgPool1d(4), LINES),
    (lambda nn: nn.AdaptiveMaxPool2d((4, 3)), IMAGES),
    (lambda nn: nn.AdaptiveMaxPool1d(4), LINES),
    (lambda nn: nn.BatchNorm2d(4), IMAGES),
    (lambda nn: nn.BatchNorm2d(4, eps=0.1, momentum=None), IMAGES),
    (lambda nn: nn.BatchNorm2d(4, affine=False, momentum=0.7), IMAGES),
    (lambda nn: nn.BatchNorm2d(4, track_running_stats=False), IMAGES),
    (lambda nn: nn.BatchNorm1d(4), LINES),
    (lambda nn: nn.BatchNorm1d(4, bias=False), LINES),
    (lambda nn: nn.BatchNorm1d(6), ROWS),
    (lambda nn: nn.LocalResponseNorm(3, alpha=0.1, k=2.0), IMAGES),
    (lambda nn: nn.Upsample(scale_factor=2), IMAGES),
    (lambda nn: nn.Upsample((5, 13), mode="bilinear", align_corners=True), IMAGES),
    (lambda nn: nn.Upsample(scale_factor=(1.5, 2), mode="bilinear"), IMAGES),
    (lambda nn: nn.ZeroPad2d((1, 2, 0, 3)), IMAGES),
    (lambda nn: nn.ConstantPad2d(1, 2.5), IMAGES),
    (lambda nn: nn.ConstantPad1d((0, 2), 2.5), LINES),
    (lambda nn: nn.ReflectionPad2d((1, 2, 3, 0)), IMAGES),
    (lambda nn: nn.ReflectionPad1d(2), LINES),
    (lambda nn: nn.ReplicationPad2d(2), IMAGES),
    (lambda nn: nn.ReplicationPad1d((3, 1)), LINES),
    (lambda nn: nn.Unfold((2, 3), padding=1), IMAGES),
    (lambda nn: nn.Fold((4, 5), 2), normal(3, 16, 12)),
    *(
        (lambda nn, name=name: getattr(nn, name)(), 3 * IMAGES)
        for name in (
            "ReLU", "ReLU6", "SiLU", "Hardsigmoid", "Hardswish", "Sigmoid", "Tanh", "GELU",
            "LeakyReLU", "ELU", "Softplus", "PReLU", "Softmax", "LogSoftmax",
        )
    ),
    (lambda nn: nn.ReLU(inplace=True), ROWS),
    (lambda nn: nn.GELU("tanh"), ROWS),
    (lambda nn: nn.LeakyReLU(0.3, inplace=True), ROWS),
    (lambda nn: nn.ELU(alpha=0.5), ROWS),
    (lambda nn: nn.Softplus(2.0, 3.0), ROWS),
    (lambda nn: nn.PReLU(4, 0.1), IMAGES),
    (lambda nn: nn.Softmax(dim=-1), ROWS),
    (lambda nn: nn.LogSoftmax(dim=0), ROWS),
    (lambda nn: nn.Dropout(0.3).eval(), ROWS),
    (lambda nn: nn.Dropout2d().eval(), IMAGES),
]  # fmt: skip
IDS = [f"{i} {make(nn)!r}" for i, (make, _) in enumerate(LAYERS)]


def same_state(torch, ours, theirs):
    """The names are equal, in their order, with shapes and dtypes; and the values."""
    mine, its = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(its)
    for name, tensor in mine.items():
        np.testing.assert_allclose(
            tensor, its[name].numpy(), rtol=1e-12, atol=1e-12, strict=True, err_msg=name
        )


def close(mine, its, precision):
    tolerance = {np.float32: 2e-5, np.float64: 1e-11}[precision]
    np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("make", "x"), LAYERS, ids=IDS)
@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
def test_layers(make, x, dtype, torch):
    kind = {np.float32: torch.float32, np.float64: torch.float64}[dtype]
    ours, theirs = make(nn).to(dtype), make(torch.nn).to(kind)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    for mode in (True, False):
        if "Dropout" not in repr(ours):
            ours.train(mode)
            theirs.train(mode)
        for _ in range(2):  # running statistics twice
            a = Tensor(x.astype(dtype), True)
            b = torch.tensor(x.astype(dtype), requires_grad=True)
            # Where PyTorch works in place it does not on a leaf.
            one, other = ours(a), theirs(b + 0)
            close(one.numpy(), other.detach().numpy(), dtype)
            start = np.random.default_rng(1).standard_normal(one.shape).astype(dtype)
            ours.zero_grad()
            theirs.zero_grad()
            one.backward(start)
            other.backward(torch.tensor(start))
            # PyTorch's slope of this one is the float32 nearest to 1/6.
            close(a.grad, b.grad.numpy(), np.float32 if type(ours) is nn.Hardsigmoid else dtype)
            for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
                close(mine.grad, its.grad.numpy(), dtype)
        with no_grad(), torch.no_grad():
            close(ours(a).numpy(), theirs(b + 0).numpy(), dtype)
        for (name, mine), its in zip(ours.named_buffers(), theirs.buffers(), strict=True):
            if name == "num_batches_tracked":
                assert mine.item() == its.item() > 0
            else:
                close(mine, its.numpy(), dtype)
    # And back: PyTorch takes what ours has become.
    theirs = make(torch.nn).to(kind)
    theirs.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in ours.state_dict().items()}
    )
    same_state(torch, ours, theirs)


def test_every_layer_is_compared():
    compared = {type(make(nn)).__name__ for make, _ in LAYERS}
    elsewhere = {
        "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "MaxUnpool1d",
        "MaxUnpool2d", "Module", "ModuleDict", "ModuleList", "NLLLoss", "Parameter", "Sequential",
        "SmoothL1Loss", "chain", "functional", "init", "summary",
    }  # fmt: skip
    assert compared | elsewhere == set(nn.__all__)


def test_layers_in_a_row(torch):
    """What becomes one operation here is three there."""

    def made(library):
        return library.Sequential(
            library.Conv2d(3, 8, 3, padding=1), library.BatchNorm2d(8), library.ReLU6()
        )

    ours, theirs = made(nn), made(torch.nn)
    x, added = (np.random.default_rng(i).standard_normal((2, 3 + 5 * i, 9, 7)) for i in (0, 1))
    x, added = x.astype(np.float32), added.astype(np.float32)
    theirs(torch.tensor(x))  # moves the running statistics
    ours.load_state_dict(theirs.state_dict())
    ours.eval(), theirs.eval()
    with no_grad(), torch.no_grad():
        expected = theirs(torch.tensor(x))
        np.testing.assert_allclose(ours(Tensor(x)).numpy(), expected.numpy(), atol=1e-5)
        expected = torch.relu(theirs[:2](torch.tensor(x)) + torch.tensor(added))
        got = nn.chain(Tensor(x), *ours[:2], residual=added, activation=nn.ReLU())
        np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", [1, 2])
def test_unpooling(kind, torch):
    x = LINES if kind == 1 else IMAGES
    results = []
    for library, tensor in ((nn, Tensor(x)), (torch.nn, torch.tensor(x))):
        pool = getattr(library, f"MaxPool{kind}d")(3, 2, return_indices=True)
        unpool = getattr(library, f"MaxUnpool{kind}d")(3, 2)
        results.append(unpool(*pool(tensor), output_size=x.shape).numpy())
        results.append(repr((pool, unpool)))
    np.testing.assert_array_equal(results[0], results[2])
    assert results[1] == results[3]


@pytest.mark.parametrize("size", [(17, 16), (18, 17), (3, 6, 17, 17)])
def test_transposed_convolution_to_a_size(size, torch):
    ours, theirs = nn.ConvTranspose2d(4, 6, 3, 2, 1), torch.nn.ConvTranspose2d(4, 6, 3, 2, 1)
    ours.load_state_dict(theirs.state_dict())
    x = IMAGES.astype(np.float32)
    expected = None
    try:
        expected = theirs(torch.tensor(x), output_size=size).detach().numpy()
    except ValueError:
        with pytest.raises(ValueError, match="output_size"):
            ours(Tensor(x), output_size=size)
        return
    np.testing.assert_allclose(ours(Tensor(x), output_size=size).numpy(), expected, atol=1e-5)


# ---- networks


def network(nn):
    class Residual(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.relu = nn.ReLU(inplace=True)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)

        def forward(self, x):
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.bn2(self.conv2(out))
            return self.relu(out + x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)
            )
            self.blocks = nn.ModuleList([Residual(8) for _ in range(2)])
            self.heads = nn.ModuleDict({"a": nn.Linear(8, 5), "b": nn.Linear(8, 5, bias=False)})
            self.pool = nn.AdaptiveAvgPool2d((1, 1))
            self.register_buffer("offset", None)
            for m in self.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
                elif isinstance(m, nn.BatchNorm2d):
                    nn.init.constant_(m.weight, 1)
                    nn.init.constant_(m.bias, 0)

        def forward(self, x):
            x = self.features(x)
            for block in self.blocks:
                x = block(x)
            x = self.pool(x).flatten(1)
            return self.heads["a"](x) + self.heads["b"](x)

    return Net()


def test_a_network_trains_as_in_torch(torch):
    """The same steps of gradient descent from the same weights lead to the same network."""
    theirs = network(torch.nn).double()
    ours = network(nn).double()
    ours.load_state_dict(theirs.state_dict())
    assert repr(ours).replace("Net(", "", 1) == repr(theirs).replace("Net(", "", 1)
    labels = RNG.integers(0, 5, 6)
    loss = nn.CrossEntropyLoss(label_smoothing=0.1), torch.nn.CrossEntropyLoss(label_smoothing=0.1)
    for step in range(4):
        x = np.random.default_rng(step).standard_normal((6, 3, 10, 10))
        one = loss[0](ours(Tensor(x)), labels)
        other = loss[1](theirs(torch.tensor(x)), torch.tensor(labels))
        np.testing.assert_allclose(one.item(), other.item(), rtol=1e-9)
        for module, value in ((ours, one), (theirs, other)):
            module.zero_grad()
            value.backward()
        with no_grad(), torch.no_grad():
            for parameter in (*ours.parameters(), *theirs.parameters()):
                parameter -= 0.05 * parameter.grad
    for (name, mine), (same, its) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert name == same
        np.testing.assert_allclose(mine, its.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
    ours.eval()
    theirs.eval()
    with no_grad(), torch.no_grad():
        np.testing.assert_allclose(
            ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).numpy(), rtol=1e-8, atol=1e-10
        )
    theirs.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in ours.state_dict().items()}
    )
    same_state(torch, ours, theirs)


def test_listings_are_those_of_torch(torch):
    ours, theirs = network(nn), network(torch.nn)
    for listing in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        mine, its = ([n for n, _ in getattr(m, listing)()] for m in (ours, theirs))
        assert mine == its
    copied = copy.deepcopy(ours)
    assert list(copied.state_dict()) == list(theirs.state_dict())


def test_an_old_state_without_the_number_of_batches_can_be_loaded(torch):
    state = {
        name: value
        for name, value in network(torch.nn).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    assert network(nn).load_state_dict(state) == ([], [])
    network(torch.nn).load_state_dict(dict(state))


# ---- losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses(reduction, torch):
    x, t = normal(6, 4), normal(6, 4)
    share, yes = RNG.uniform(0.01, 0.99, (6, 4)), RNG.integers(0, 2, (6, 4)).astype(float)
    labels, w, p = np.array([0, 3, 1, -100, 2, 2]), RNG.uniform(1, 2, 4), RNG.uniform(1, 2, (6, 1))
    as_ours, as_theirs = Tensor, torch.tensor
    cases = [
        (lambda nn, _, **how: nn.MSELoss(**how), x, t),
        (lambda nn, _, **how: nn.L1Loss(**how), x, t),
        (lambda nn, _, **how: nn.SmoothL1Loss(beta=0.4, **how), x, t),
        (lambda nn, _, **how: nn.BCELoss(**how), share, yes),
        (lambda nn, of, **how: nn.BCELoss(weight=of(p), **how), share, share[::-1].copy()),
        (lambda nn, _, **how: nn.BCEWithLogitsLoss(**how), x, yes),
        (
            lambda nn, of, **how: nn.BCEWithLogitsLoss(of(p), pos_weight=of(w), **how),
            x, share,
        ),
        (lambda nn, _, **how: nn.NLLLoss(**how), x, labels),
        (lambda nn, of, **how: nn.NLLLoss(of(w), ignore_index=2, **how), x, np.maximum(labels, 0)),
        (lambda nn, _, **how: nn.CrossEntropyLoss(**how), x, labels),
        (
            lambda nn, of, **how: nn.CrossEntropyLoss(of(w), label_smoothing=0.2, **how),
            x, labels,
        ),
    ]  # fmt: skip
    for make, values, target in cases:
        ours = make(nn, as_ours, reduction=reduction)
        theirs = make(torch.nn, as_theirs, reduction=reduction)
        assert repr(ours) == repr(theirs)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        soft = target.dtype.kind == "f"
        a, b = Tensor(values.copy(), True), torch.tensor(values, requires_grad=True)
        at = Tensor(target.copy(), soft)
        bt = torch.tensor(target, requires_grad=soft and "BCEW" not in repr(ours))
        one, other = ours(a, at), theirs(b, bt)
        np.testing.assert_allclose(one.numpy(), other.detach().numpy(), rtol=1e-12, atol=1e-14)
        start = np.random.default_rng(1).standard_normal(one.shape)
        one.backward(start)
        other.backward(torch.tensor(start))
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-10, atol=1e-13)
        if bt.requires_grad:
            np.testing.assert_allclose(at.grad, bt.grad.numpy(), rtol=1e-10, atol=1e-13)


def test_losses_at_their_ends(torch):
    x, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    a, b = Tensor(x, True), torch.tensor(x, requires_grad=True)
    one = F.binary_cross_entropy(a, t, reduction="none")
    other = torch.nn.functional.binary_cross_entropy(b, torch.tensor(t), reduction="none")
    np.testing.assert_array_equal(one.numpy(), other.detach().numpy())
    one.sum().backward()
    other.sum().backward()
    # PyTorch's smallest denominator is the float32 nearest to 1e-12.
    np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-8)


# ---- initial values


@pytest.mark.parametrize(
    ("name", "shape", "how"),
    [
        ("uniform_", (40, 50), {"a": -1.0, "b": 3.0}),
        ("normal_", (40, 50), {"mean": 1.0, "std": 2.0}),
        ("trunc_normal_", (40, 50), {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 3.0}),
        ("xavier_uniform_", (20, 10, 3, 3), {"gain": 2.0}),
        ("xavier_normal_", (20, 10, 3, 3), {}),
        ("kaiming_uniform_", (20, 10, 3, 3), {"a": 0.5}),
        ("kaiming_normal_", (20, 10, 3, 3), {"mode": "fan_out", "nonlinearity": "relu"}),
        ("orthogonal_", (20, 10, 3), {"gain": 3.0}),
    ],
)
def test_initial_values_have_torchs_distribution(name, shape, how, torch):
    """Mean, spread and extremes, which of thousands of draws are near those of as many others."""
    fastconv.manual_seed(0)
    torch.manual_seed(0)
    mine = getattr(nn.init, name)(Tensor(np.empty(shape)), **how).numpy()
    its = getattr(torch.nn.init, name)(torch.empty(shape), **how).numpy()
    spread = its.std()
    assert abs(mine.mean() - its.mean()) < 0.1 * spread
    assert abs(mine.std() / spread - 1) < 0.1
    if ("normal" not in name and "orthogonal" not in name) or "trunc" in name:
        np.testing.assert_allclose(mine.min(), its.min(), atol=0.05 * spread)
        np.testing.assert_allclose(mine.max(), its.max(), atol=0.05 * spread)


def test_initial_values_that_are_not_random(torch):
    for name, shape, how in (
        ("eye_", (3, 4), {}),
        ("dirac_", (4, 3, 3, 4), {}),
        ("dirac_", (6, 2, 3), {"groups": 3}),
        ("constant_", (2, 2), {"val": 0.3}),
    ):
        mine = getattr(nn.init, name)(Tensor(np.empty(shape, np.float32)), **how)
        its = getattr(torch.nn.init, name)(torch.empty(shape), **how)
        np.testing.assert_array_equal(mine.numpy(), its.numpy())
    for arguments in (("linear",), ("conv2d",), ("tanh",), ("relu",), ("leaky_relu",),
                      ("leaky_relu", 0.3), ("selu",), ("sigmoid",)):  # fmt: skip
        assert nn.init.calculate_gain(*arguments) == torch.nn.init.calculate_gain(*arguments)


@pytest.mark.parametrize(
    "make",
    [
        lambda nn: nn.Conv2d(6, 40, 5, groups=2),
        lambda nn: nn.Linear(150, 40),
        lambda nn: nn.ConvTranspose2d(20, 40, 3),
        lambda nn: nn.Conv1d(30, 40, 5),
    ],
)
def test_layers_begin_with_torchs_bounds(make, torch):
    fastconv.manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = make(nn), make(torch.nn)
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        bound = abs(its.detach().numpy()).max()
        assert abs(abs(mine.numpy()).max() / bound - 1) < (0.02 if mine.ndim > 1 else 0.25)
