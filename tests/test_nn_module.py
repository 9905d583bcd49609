"""fastconv.nn.Module: registration, names, state, modes, hooks, copies."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, nn, no_grad


class Block(nn.Module):
    """A parameter, both kinds of buffers, a child, and a child that there is not."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(np.full(2, 2.0, np.float32))
        self.register_parameter("shift", None)
        self.register_buffer("seen", Tensor(np.array(3)))
        self.register_buffer("scratch", np.zeros(2, np.float32), persistent=False)
        self.fc = nn.Linear(2, 2)
        self.skip = None
        self.register_module("more", None)

    def forward(self, x, *, times=1):
        return self.fc(x) * self.scale * times


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Block()
        self.rest = nn.Sequential(nn.ReLU(), Block())

    def forward(self, x):
        return self.rest(self.first(x))


NAMES = [
    "first.scale",
    "first.fc.weight",
    "first.fc.bias",
    "rest.1.scale",
    "rest.1.fc.weight",
    "rest.1.fc.bias",
]
X = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)


def names(pairs):
    return [name for name, _ in pairs]


# ---- what it is made of


def test_parameters_buffers_and_modules_are_found_by_their_names():
    net = Net()
    assert names(net.named_parameters()) == NAMES
    assert names(net.named_parameters("net", recurse=False)) == []
    assert names(net.first.named_parameters("net", recurse=False)) == ["net.scale"]
    assert all(a is b for a, b in zip(net.parameters(), dict(net.named_parameters()).values(),
                                      strict=True))  # fmt: skip
    assert names(net.named_buffers()) == [
        "first.seen", "first.scratch", "rest.1.seen", "rest.1.scratch"
    ]  # fmt: skip
    assert len(list(net.buffers())) == 4
    assert names(net.named_children()) == ["first", "rest"]
    assert list(net.children()) == [net.first, net.rest]
    assert names(net.named_modules()) == [
        "", "first", "first.fc", "rest", "rest.0", "rest.1", "rest.1.fc"
    ]  # fmt: skip
    assert list(net.modules())[:3] == [net, net.first, net.first.fc]
    assert list(net._modules) == ["first", "rest"]
    assert list(net.first._parameters) == ["scale", "shift"]
    assert list(net.first._buffers) == ["seen", "scratch"]


def test_what_is_shared_is_counted_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 3, bias=False)
            self.b = nn.Linear(3, 3, bias=False)
            self.b.weight = self.a.weight
            self.c = self.a

    tied = Tied()
    assert names(tied.named_parameters()) == ["a.weight"]
    assert names(tied.named_parameters(remove_duplicate=False)) == [
        "a.weight", "b.weight", "c.weight"
    ]  # fmt: skip
    assert names(tied.named_children()) == ["a", "b"]
    assert len(list(tied.modules())) == 3
    assert list(tied.state_dict()) == ["a.weight", "b.weight", "c.weight"]
    twin = copy.deepcopy(tied)
    assert twin.a.weight is twin.b.weight is not tied.a.weight
    assert twin.c is twin.a


def test_a_module_below_itself_is_visited_once():
    net = nn.Sequential(nn.ReLU())
    net.top = net
    assert len(list(net.modules())) == 2


def test_assignment_keeps_the_lists():
    block = Block()
    block.shift = nn.Parameter(np.zeros(2, np.float32))
    assert names(block.named_parameters()) == ["scale", "shift", "fc.weight", "fc.bias"]
    block.scale = None
    block.skip = nn.ReLU()
    assert names(block.named_parameters()) == ["shift", "fc.weight", "fc.bias"]
    assert names(block.named_children()) == ["fc", "skip"]
    del block.skip, block.shift
    assert names(block.named_children()) == ["fc"]
    assert not hasattr(block, "skip")
    assert names(block.named_parameters()) == ["fc.weight", "fc.bias"]
    block.fc = nn.Parameter(np.zeros(1, np.float32))  # another kind under the same name
    assert names(block.named_parameters()) == ["fc"]
    assert names(block.named_children()) == []
    block.seen = Tensor(np.array(5))
    assert block.state_dict()["seen"].item() == 5


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("scale", np.zeros(2), "scale is a parameter and cannot become a ndarray"),
        ("scale", Tensor([1.0]), "cannot become a Tensor; assign a Parameter or None"),
        ("fc", 3, "fc is a module and cannot become a int"),
        ("seen", 3, "the buffer seen must be a Tensor or None, not int"),
    ],
)
def test_what_is_registered_cannot_become_something_else(name, value, said):
    block = Block()
    before = getattr(block, name)
    with pytest.raises(TypeError, match=said):
        setattr(block, name, value)
    assert getattr(block, name) is before


@pytest.mark.parametrize(
    ("register", "error", "said"),
    [
        (lambda m: m.add_module("a.b", nn.ReLU()), KeyError, "no dot"),
        (lambda m: m.add_module("", nn.ReLU()), KeyError, "not empty"),
        (lambda m: m.add_module("forward", nn.ReLU()), KeyError, "which the class has"),
        (lambda m: m.add_module("scale", nn.ReLU()), KeyError, "another attribute 'scale'"),
        (lambda m: m.add_module("x", 3), TypeError, "must be a Module or None, not int"),
        (lambda m: m.add_module(3, nn.ReLU()), TypeError, "must be a str"),
        (lambda m: m.register_parameter("x", Tensor([1.0])), TypeError, "make it one with"),
        (lambda m: m.register_parameter("fc", None), KeyError, "another attribute 'fc'"),
        (lambda m: m.register_buffer("x", [1.0]), TypeError, "must be a Tensor or None, not list"),
        (lambda m: setattr(m, "training", nn.ReLU()), KeyError, "which the class has"),
    ],
)
def test_bad_registrations_are_refused(register, error, said):
    block = Block()
    kinds = dict(block._kinds)
    with pytest.raises(error, match=said):
        register(block)
    assert block._kinds == kinds


def test_a_buffer_may_change_whether_it_is_saved():
    block = Block()
    block.register_buffer("scratch", Tensor([7.0]))
    assert "scratch" in block.state_dict()
    block.register_buffer("seen", None, persistent=False)
    assert "seen" not in block.state_dict()


def test_parts_by_dotted_names():
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("rest.1.fc") is net.rest[1].fc
    assert net.get_parameter("rest.1.fc.bias") is net.rest[1].fc.bias
    assert net.get_buffer("first.seen") is net.first.seen
    with pytest.raises(AttributeError, match=r"no child 'two' \(of 'rest.two'\); it has 0, 1"):
        net.get_submodule("rest.two")
    with pytest.raises(AttributeError, match="no parameter 'seen'"):
        net.get_parameter("first.seen")
    with pytest.raises(AttributeError, match="no parameter 'shift'"):
        net.get_parameter("first.shift")


def test_a_subclass_may_forget_to_call_init():
    class Forgetful(nn.Module):
        def __init__(self):
            self.fc = nn.Linear(2, 2)

        def forward(self, x):
            return self.fc(x)

    assert Forgetful()(Tensor(X)).shape == (2, 2)
    assert len(list(Forgetful().parameters())) == 2


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module defines no forward"):
        nn.Module()(1)


def test_the_text_shows_what_there_is():
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Block(\n"
        "    (fc): Linear(in_features=2, out_features=2, bias=True)\n"
        "    (more): None\n"
        "  )\n"
        "  (rest): Sequential(\n"
        "    (0): ReLU()\n"
        "    (1): Block(\n"
        "      (fc): Linear(in_features=2, out_features=2, bias=True)\n"
        "      (more): None\n"
        "    )\n"
        "  )\n"
        ")"
    )
    assert repr(nn.ReLU(inplace=True)) == "ReLU(inplace=True)"
    assert repr(nn.Parameter([1.0])).startswith("Parameter containing:\ntensor([1.]")


# ---- state


def test_state_is_loaded_and_shared():
    net, other = Net(), Net()
    state = net.state_dict()
    assert list(state) == [
        "first.scale", "first.seen", "first.fc.weight", "first.fc.bias",
        "rest.1.scale", "rest.1.seen", "rest.1.fc.weight", "rest.1.fc.bias",
    ]  # fmt: skip
    assert not any(tensor.requires_grad for tensor in state.values())
    loaded = other.load_state_dict(state)
    assert loaded == ([], [])
    assert (other(Tensor(X)).numpy() == net(Tensor(X)).numpy()).all()
    with no_grad():
        net.first.scale.fill_(9)
    assert state["first.scale"].tolist() == [9, 9]
    assert other.first.scale.tolist() == [2, 2]
    other.load_state_dict({name: np.array(value) for name, value in state.items()})
    assert other.first.scale.tolist() == [9, 9]
    assert next(iter(net.first.state_dict(prefix="p."))) == "p.scale"


def test_a_state_that_does_not_fit_changes_nothing_and_all_is_told():
    net = Net()
    state = {name: np.array(value) for name, value in net.state_dict().items()}
    before = {name: value.copy() for name, value in state.items()}
    state["first.scale"] += 1
    del state["first.fc.bias"], state["rest.1.seen"]
    state["extra"] = state["surplus"] = np.zeros(1)
    state["first.fc.weight"] = np.zeros((3, 2), np.float32)
    state["rest.1.scale"] = np.zeros(2, np.float64)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert "missing: first.fc.bias, rest.1.seen\n" in text
    assert "unexpected: extra, surplus\n" in text
    assert "first.fc.weight has shape (3, 2), expected (2, 2)\n" in text
    assert "rest.1.scale has dtype float64, expected float32\n" in text
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state, strict=False)
    assert "missing" not in str(caught.value)
    assert "first.fc.weight has shape" in str(caught.value)
    for name, value in net.state_dict().items():
        assert (value.numpy() == before[name]).all(), name
    del state["first.fc.weight"], state["rest.1.scale"]
    missing, unexpected = net.load_state_dict(state, strict=False)
    assert missing == [
        "first.fc.weight", "first.fc.bias", "rest.1.scale", "rest.1.seen"
    ]  # fmt: skip
    assert unexpected == ["extra", "surplus"]
    assert net.first.scale.tolist() == [3, 3]


def test_only_a_mapping_can_be_a_state():
    with pytest.raises(TypeError, match="must be a mapping of names to arrays, not list"):
        Net().load_state_dict([1])


def test_loading_is_noticed_by_graphs_that_saved_the_old_values():
    net = Net()
    loss = net(Tensor(X)).sum()
    net.load_state_dict(Net().state_dict())
    with pytest.raises(RuntimeError, match="in place"):
        loss.backward()


# ---- modes and dtypes


def test_train_and_eval_reach_everything():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    net.rest.train()
    assert [module.training for module in (net, net.first, net.rest, net.rest[1].fc)] == [
        False, False, True, True
    ]  # fmt: skip
    with pytest.raises(ValueError, match="mode must be a bool, not int 1"):
        net.train(1)


def test_freezing_and_forgetting_gradients():
    net = Net()
    net(Tensor(X)).sum().backward()
    gradient = net.first.scale.grad
    assert gradient is not None
    net.zero_grad(set_to_none=False)
    assert net.first.scale.grad is gradient
    assert gradient.tolist() == [0, 0]
    net.zero_grad()
    assert all(parameter.grad is None for parameter in net.parameters())
    assert net.first.requires_grad_(False) is net.first
    assert not net.first.fc.weight.requires_grad
    net(Tensor(X)).sum().backward()
    assert net.first.scale.grad is None
    assert net.rest[1].scale.grad is not None


def test_apply_visits_parts_before_the_whole():
    seen = []
    net = Net()
    assert net.apply(seen.append) is net
    assert seen == [net.first.fc, net.first, net.rest[0], net.rest[1].fc, net.rest[1], net.rest,
                    net]  # fmt: skip


def test_to_converts_in_place_and_keeps_the_objects():
    net = Net()
    parameters = list(net.parameters())
    net(Tensor(X)).sum().backward()
    gradient = net.first.scale.grad.numpy().copy()
    graph = net(Tensor(X)).sum()
    assert net.double() is net
    assert all(a is b for a, b in zip(parameters, net.parameters(), strict=True))
    assert {parameter.dtype for parameter in parameters} == {np.dtype(np.float64)}
    assert net.first.seen.dtype == np.int64
    assert net.first.scratch.dtype == np.float64
    assert net.first.scale.grad.dtype == np.float64
    assert (net.first.scale.grad.numpy() == gradient).all()
    with pytest.raises(RuntimeError, match="in place"):
        graph.backward()
    net.zero_grad()
    net(Tensor(X.astype(np.float64))).sum().backward()
    assert net.first.fc.weight.grad.dtype == np.float64
    assert net.to("float32").first.scale.dtype == np.float32
    assert net.to("cpu").to(device="cpu").cpu().float().to(np.float32) is net
    with pytest.raises(TypeError, match="expected float32 or float64"):
        net.to(np.float16)
    with pytest.raises(TypeError, match="expected float32 or float64"):
        net.to("spam")
    with pytest.raises(ValueError, match="expected 'cpu'"):
        net.to(device="cuda")
    with pytest.raises(ValueError, match="device is 'cuda:0', expected 'cpu'"):
        net.to("cuda:0")
    assert net.to("cpu", np.float64).first.scale.dtype == np.float64


def test_a_graph_of_another_dtype_writes_nothing_and_hooks_of_parameters_stay():
    linear = nn.Linear(2, 2, bias=True)
    seen = []
    hook = linear.bias.register_hook(seen.append)
    other = Tensor([1.0, 1.0], True)
    graph = (other + linear.bias).sum()  # which has saved no values
    linear.double()
    with pytest.raises(RuntimeError, match="another dtype than when this was computed"):
        graph.backward()
    assert linear.bias.grad is None
    assert other.grad is None
    assert seen == []
    linear(Tensor(X.astype(np.float64))).sum().backward()
    assert linear.bias.grad.dtype == np.float64
    assert [gradient.dtype for gradient in seen] == [np.float64]
    hook.remove()
    linear(Tensor(X.astype(np.float64))).sum().backward()
    assert len(seen) == 1


# ---- hooks


def test_hooks_see_and_replace():
    block = Block()
    calls = []
    plain = block(Tensor(X)).numpy()

    def before(module, args):
        calls.append(("before", module, args))
        return (args[0] * 2,)

    def after(module, args, result):
        calls.append(("after", module, args))
        return result + 1

    first = block.register_forward_pre_hook(before)
    second = block.register_forward_hook(after)
    x = Tensor(X)
    expected = block.forward(x * 2).numpy() + 1
    assert np.array_equal(block(x).numpy(), expected)
    assert [(what, module) for what, module, _ in calls] == [("before", block), ("after", block)]
    assert calls[0][2][0] is x
    assert calls[1][2][0] is not x
    first.remove()
    first.remove()
    second.remove()
    assert np.array_equal(block(x).numpy(), plain)
    assert len(calls) == 2


def test_hooks_come_in_order_and_with_keyword_arguments():
    block, order = Block(), []
    block.register_forward_pre_hook(lambda *_: order.append("b"))
    block.register_forward_pre_hook(lambda *_: order.append("a"), prepend=True)
    block.register_forward_hook(lambda *_: order.append("c"))
    block.register_forward_hook(
        lambda _module, _args, kwargs, _result: order.append(kwargs), with_kwargs=True
    )
    with block.register_forward_pre_hook(
        lambda _module, args, kwargs: (args, {"times": 3}), with_kwargs=True
    ):
        tripled = block(Tensor(X), times=2)
    assert order == ["a", "b", "c", {"times": 3}]
    assert np.array_equal(tripled.numpy(), block.forward(Tensor(X), times=3).numpy())
    block(Tensor(X))
    assert order[4:] == ["a", "b", "c", {}]


def test_a_hook_may_remove_itself_and_a_bad_one_is_refused():
    block, calls = Block(), []

    def once(module, args):
        calls.append(1)
        handle.remove()

    handle = block.register_forward_pre_hook(once)
    block(Tensor(X))
    block(Tensor(X))
    assert calls == [1]
    with pytest.raises(TypeError, match="a hook must be callable, not int 3"):
        block.register_forward_hook(3)
    block.register_forward_pre_hook(lambda *_: 3, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"must return None or \(args, kwargs\), not int"):
        block(Tensor(X))


# ---- copies


@pytest.mark.parametrize(
    "how",
    [copy.copy, copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_compute_the_same(how):
    net = Net().eval()
    net.first.fc.weight.requires_grad_(False)
    twin = how(net)
    assert np.array_equal(twin(Tensor(X)).numpy(), net(Tensor(X)).numpy())
    assert names(twin.named_parameters()) == NAMES
    assert not twin.training
    assert not twin.first.fc.weight.requires_grad
    twin.another = nn.ReLU()
    assert names(net.named_children()) == ["first", "rest"]
    if how is not copy.copy:
        with no_grad():
            twin.first.scale.zero_()
        assert net.first.scale.tolist() == [2, 2]
        assert twin.first.scratch is not net.first.scratch


def test_a_module_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        net = Net()
        net.register_forward_hook(lambda *_: None)
        net(Tensor(X)).sum().backward()
        gone = weakref.ref(net), weakref.ref(net.first.scale)
        del net
        assert [ref() for ref in gone] == [None, None]
    finally:
        gc.enable()


def test_a_network_learns():
    fastconv.manual_seed(0)
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((64, 1, 6, 6)).astype(np.float32))
    y = (x.numpy()[:, 0, :3].sum((1, 2)) > x.numpy()[:, 0, 3:].sum((1, 2))).astype(np.int64)
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 2)
    )
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(100):
        loss = criterion(net(x), y)
        net.zero_grad()
        loss.backward()
        with no_grad():
            for parameter in net.parameters():
                parameter -= 0.2 * parameter.grad
        losses.append(loss.item())
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
