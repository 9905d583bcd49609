"""Optimisers against the reference's formulas; what they keep, save and refuse."""

import doctest
import importlib
import itertools
import pathlib
import re

import children
import numpy as np
import pytest
from engine import trace

import fastconv
from fastconv import Tensor, optim, reference

FOLDER = pathlib.Path(optim.__file__).parent
# Around vectors, the pieces of threads and the folds of norms; an empty and a single one.
SHAPES = [(3, 5), (), (0, 4), (64,), (65,), (1, 1023), (7, 11, 13), (70_001,)]

SGD = [
    {},
    {"weight_decay": 0.1},
    {"momentum": 0.9},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
    {"momentum": 0.5, "dampening": 0.25, "maximize": True},
    {"momentum": -0.0, "dampening": 0.5, "weight_decay": 0.1, "maximize": True},
]
ADAM = [
    {},
    {"weight_decay": 0.1, "betas": (0.5, 0.75)},
    {"amsgrad": True, "maximize": True},
    {"eps": 0.1, "betas": (0.0, 0.9), "amsgrad": True, "weight_decay": 0.1},
]
RMSPROP = [
    {},
    {"weight_decay": 0.1, "alpha": 0.5},
    {"momentum": 0.9, "maximize": True},
    {"centered": True, "eps": 0.1, "weight_decay": 0.1},
    {"centered": True, "eps": 0.1, "momentum": 0.5},
]
CASES = [
    (kind, options | {"lr": 0.1})
    for kind, cases in (
        (optim.SGD, SGD),
        (optim.Adam, ADAM),
        (optim.AdamW, ADAM),
        (optim.RMSprop, RMSPROP),
    )
    for options in cases
]
MIRRORS = {
    "SGD": reference.sgd_step,
    "Adam": reference.adam_step,
    "AdamW": reference.adam_step,
    "RMSprop": reference.rmsprop_step,
}
KEPT = {
    "SGD": ("momentum_buffer",),
    "Adam": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "AdamW": ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    "RMSprop": ("square_avg", "grad_avg", "momentum_buffer"),
}
TOLERANCE = {"float32": 3e-6, "float64": 1e-14}


def case_name(value):
    return value.__name__ if isinstance(value, type) else ",".join(map(str, value)) or "plain"


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def parameters(rng, dtype, shapes=SHAPES):
    return [Tensor(rng.standard_normal(s).astype(dtype), requires_grad=True) for s in shapes]


def give_gradients(rng, params, without=()):
    for i, p in enumerate(params):
        p.grad = None if i in without else Tensor(rng.standard_normal(p.shape).astype(p.dtype))


class Mirror:
    """What the reference makes of the same steps, in float64."""

    def __init__(self, optimizer, params):
        name = type(optimizer).__name__
        self.step_function, self.names = MIRRORS[name], KEPT[name]
        self.options = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
        if "decoupled_weight_decay" in self.options:
            self.options["decoupled"] = self.options.pop("decoupled_weight_decay")
        self.weights = [p.numpy().astype(np.float64) for p in params]
        self.kept = [
            {name: np.zeros(p.shape) for name in self.names} | {"steps": 0} for p in params
        ]

    def step(self, params):
        for i, p in enumerate(params):
            if p.grad is None:
                continue
            kept = self.kept[i]
            kept["steps"] += 1
            states = tuple([kept[name]] for name in self.names)
            one = [self.weights[i]], [p.grad.numpy()], states, [kept["steps"]]
            [self.weights[i]], new = self.step_function(*one, **self.options)
            for name, array in zip(self.names, new, strict=False):
                if array:
                    kept[name] = np.asarray(array[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=case_name)
def test_steps_are_the_formula(kind, options, dtype, rng):
    params = parameters(rng, dtype)
    optimizer = kind(params, **options)
    mirror = Mirror(optimizer, params)
    for number in range(6):
        give_gradients(rng, params, without=[number % 3, 5] if number < 4 else [])
        mirror.step(params)
        optimizer.step()
        for p, wanted in zip(params, mirror.weights, strict=True):
            scale = 10 * TOLERANCE[dtype]
            np.testing.assert_allclose(p.numpy(), wanted, rtol=scale, atol=scale)
    for p, kept in zip(params, mirror.kept, strict=True):
        entry = dict(optimizer.state[p])
        assert entry.pop("step", kept["steps"]) == kept["steps"]
        for name, value in entry.items():
            assert value.dtype == p.dtype
            np.testing.assert_allclose(
                value.numpy(), kept[name], rtol=10 * TOLERANCE[dtype], atol=TOLERANCE[dtype]
            )


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "options"), CASES, ids=case_name)
def test_bits_do_not_depend_on_threads(kind, options, dtype):
    shapes = [(5,), (300_001,), (64, 65), (1,), (200_000,)]

    def after(threads):
        rng = np.random.default_rng(1)
        params = parameters(rng, dtype, shapes)
        optimizer = kind(params, **options)
        with fastconv.num_threads(threads):
            for _ in range(3):
                give_gradients(rng, params)
                optimizer.step()
        kept = [v for p in params for v in optimizer.state[p].values() if isinstance(v, Tensor)]
        return [t.numpy().tobytes() for t in params + kept]

    one = after(1)
    for threads in (2, 3, 7):
        assert after(threads) == one


@pytest.mark.sweep
@pytest.mark.parametrize(("kind", "options"), CASES, ids=case_name)
def test_nothing_outside_is_touched(kind, options):
    """Arrays against forbidden pages, of every length around a vector."""
    code = f"""
    import numpy as np
    from guard import Guarded
    from fastconv import Tensor, optim, reference

    for count in (*range(1, 36), 63, 64, 65):
        for dtype in (np.float32, np.float64):
            for at_end in (True, False):
                print(count, dtype, at_end, flush=True)
                memory, rng = Guarded(), np.random.default_rng(count)
                def array():
                    return memory.copy(rng.standard_normal(count).astype(dtype), at_end=at_end)
                p = Tensor(array(), requires_grad=True)
                optimizer = optim.{kind.__name__}([p], **{options!r})
                for _ in range(2):
                    p.grad = Tensor(array())
                    optimizer.step()
                    assert np.isfinite(p.numpy()).all()
                    for name, value in optimizer.state[p].items():
                        if isinstance(value, Tensor):
                            guarded = memory.copy(value.numpy(), at_end=at_end)
                            optimizer.state[p][name] = Tensor(guarded)
    """
    children.run(code)


def test_groups_have_their_own_options(rng):
    a, b, c = (Tensor(np.ones(3), requires_grad=True) for _ in range(3))
    optimizer = optim.SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [c], "momentum": 0.5})
    for p in (a, b, c):
        p.grad = Tensor(np.ones(3))
    optimizer.step()
    optimizer.step()
    assert a.tolist() == [0.5] * 3
    assert b.tolist() == [0.0] * 3
    assert c.tolist() == [1 - 0.25 - 0.25 * 1.5] * 3


def test_both_dtypes_in_one_group(rng):
    a = Tensor(np.ones(5, np.float32), requires_grad=True)
    b = Tensor(np.ones(7, np.float64), requires_grad=True)
    optimizer = optim.SGD([b, a], lr=0.25, momentum=0.5)
    a.grad, b.grad = Tensor(np.ones(5, np.float32)), Tensor(np.full(7, 2.0))
    optimizer.step()
    assert a.tolist() == [0.75] * 5
    assert b.tolist() == [0.5] * 7


def test_gradients_of_any_layout():
    w = np.arange(12.0).reshape(3, 4)
    p = Tensor(w.copy(), requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    grads = [
        w.T.copy().T,
        np.zeros((6, 8))[::2, ::2] + w,
        np.broadcast_to(w[:1], w.shape),
        w[::-1],
        w.astype(">f8"),
    ]
    for grad in grads:
        p.data = w.copy()
        p._grad = Tensor(np.zeros(1))
        p._grad._array = grad
        optimizer.step()
        np.testing.assert_array_equal(p.numpy(), w - grad)


def test_closure_and_zero_grad():
    p = Tensor([4.0], requires_grad=True)
    optimizer = optim.SGD([p], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with fastconv.no_grad():
        assert optimizer.step(closure).item() == 16
    assert p.item() == 2
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0]
    optimizer.zero_grad()
    assert p.grad is None
    optimizer.step()
    assert p.item() == 2


def test_a_stale_graph_raises():
    p = Tensor(np.ones((2, 2)), requires_grad=True)
    loss = (p * p).sum()
    p.grad = Tensor(np.ones((2, 2)))
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed"):
        loss.backward()


def test_executions_are_traced(tier):
    p = Tensor(np.ones(3), requires_grad=True)
    p.grad = Tensor(np.ones(3))
    with trace() as executions:
        optim.SGD([p], lr=0.1).step()
    assert [(op, used) for op, _, used, _ in executions] == [("SGD", tier)]


# ---- saving


@pytest.mark.parametrize(("kind", "options"), CASES, ids=case_name)
def test_training_goes_on_from_a_saved_state(kind, options, rng):
    shapes = [(3, 5), (4,), (2, 2)]
    params = parameters(rng, np.float32, shapes)
    optimizer = kind([{"params": params[:2]}, {"params": params[2:], "lr": 0.01}], **options)
    for _ in range(3):
        give_gradients(rng, params, without=[1])
        optimizer.step()
    saved = optimizer.state_dict()
    others = [Tensor(p.numpy().copy(), requires_grad=True) for p in params]
    other = kind([{"params": others[:2]}, {"params": others[2:]}], lr=9.0)
    other.load_state_dict(saved)
    assert repr(other) == repr(optimizer)
    for _ in range(2):
        give_gradients(rng, params)
        for p, q in zip(params, others, strict=True):
            q.grad = p.grad
        optimizer.step()
        other.step()
    for p, q in zip(params, others, strict=True):
        assert p.numpy().tobytes() == q.numpy().tobytes()


def test_the_structure_is_pytorchs(rng):
    params = parameters(rng, np.float32, [(2,), (3,)])
    optimizer = optim.SGD([{"params": params[:1]}, {"params": params[1:], "lr": 1.0}], momentum=0.5)
    give_gradients(rng, params, without=[0])
    optimizer.step()
    saved = optimizer.state_dict()
    assert saved["state"].keys() == {1}
    assert saved["state"][1]["momentum_buffer"] is optimizer.state[params[1]]["momentum_buffer"]
    assert [group["params"] for group in saved["param_groups"]] == [[0], [1]]
    assert [group["lr"] for group in saved["param_groups"]] == [1e-3, 1.0]


def test_all_mismatches_in_one_error(rng):
    params = parameters(rng, np.float32, [(2,), (3,)])
    optimizer = optim.SGD(params, lr=0.5, momentum=0.5)
    give_gradients(rng, params)
    optimizer.step()
    before = repr(optimizer), [optimizer.state[p]["momentum_buffer"] for p in params]
    group = optimizer.state_dict()["param_groups"][0]
    wrong = {
        "state": {
            0: {"momentum_buffer": np.zeros(7, np.float32)},
            1: {"exp_avg": np.zeros(3)},
            5: {},
        },
        "param_groups": [
            {k: v for k, v in group.items() if k != "dampening"} | {"lr": -1.0},
            group,
        ],
    }
    with pytest.raises(ValueError, match="does not fit") as error:
        optimizer.load_state_dict(wrong)
    for words in (
        "2 groups of parameters, expected 1",
        "lacks 'dampening'",
        "lr is -1.0",
        "parameter 5",
        r"'momentum_buffer' of parameter 0 has shape (7,)",
        "'exp_avg', which SGD does not keep",
    ):
        assert words in str(error.value), words
    assert before == (repr(optimizer), [optimizer.state[p]["momentum_buffer"] for p in params])
    with pytest.raises(TypeError, match="param_groups"):
        optimizer.load_state_dict({"state": {}})


# ---- what is refused


def one(**changes):
    return Tensor(np.ones((2, 2)), requires_grad=True)


W = one()
BAD = [
    (TypeError, "iterable", lambda: optim.SGD(W)),
    (ValueError, "empty", lambda: optim.SGD([])),
    (TypeError, "must be a Tensor", lambda: optim.SGD([np.ones(3)])),
    (TypeError, "int64", lambda: optim.SGD([fastconv.tensor([1, 2])])),
    (ValueError, "result of an operation", lambda: optim.SGD([W * 2])),
    (ValueError, "given twice", lambda: optim.SGD([W, W])),
    (ValueError, "share memory", lambda: optim.SGD([W, W.detach()])),
    (ValueError, "not contiguous", lambda: optim.SGD([Tensor(np.ones((2, 3)).T)])),
    (TypeError, "a set", lambda: optim.SGD([{"params": {W}}])),
    (TypeError, "dict with 'params'", lambda: optim.SGD([{"lr": 1}])),
    (ValueError, "lr is -1", lambda: optim.SGD([W], lr=-1)),
    (ValueError, "lr is nan", lambda: optim.SGD([W], lr=float("nan"))),
    (TypeError, "lr must be a number", lambda: optim.SGD([W], lr="0.1")),
    (ValueError, "momentum is -0.5", lambda: optim.SGD([W], momentum=-0.5)),
    (ValueError, "nesterov takes", lambda: optim.SGD([W], nesterov=True)),
    (
        ValueError,
        "nesterov takes",
        lambda: optim.SGD([W], momentum=0.9, dampening=0.1, nesterov=True),
    ),
    (TypeError, "nesterov must be", lambda: optim.SGD([W], nesterov=1)),
]


@pytest.mark.parametrize(("error", "words", "call"), BAD, ids=range(len(BAD)))
def test_bad_parameters(error, words, call):
    with pytest.raises(error, match=words):
        call()


def test_a_refused_group_is_not_added():
    optimizer = optim.SGD([one()], lr=0.1)
    with pytest.raises(ValueError, match="lr is -1"):
        optimizer.add_param_group({"params": [one()], "lr": -1})
    assert len(optimizer.param_groups) == 1


def _read_only(p):
    p._array.flags.writeable = False


def _transposed(p):
    p._array = np.ones((2, 4))[:, ::2]


def _own_gradient(p):
    p._grad._array = p._array


def _other_shape(p):
    p._grad._array = np.ones(4)


def _other_dtype(p):
    p._grad._array = np.ones((2, 2), np.float32)


def _small_buffer(optimizer, p):
    optimizer.state[p]["momentum_buffer"] = Tensor(np.ones(3))


def _buffer_is_gradient(optimizer, p):
    optimizer.state[p]["momentum_buffer"] = p.grad


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_read_only, "read-only"),
        (_transposed, "not contiguous"),
        (_own_gradient, "shares memory"),
        (_other_shape, "shape"),
        (_other_dtype, "dtype float32"),
        (_small_buffer, "state 0 of parameter 0 has shape"),
        (_buffer_is_gradient, "state 0 of parameter 0 shares memory"),
    ],
)
def test_nothing_is_changed_when_something_is_wrong(damage, words):
    first, second = one(), one()
    optimizer = optim.SGD([{"params": [first]}, {"params": [second]}], lr=0.5, momentum=0.5)
    for p in (first, second):
        p.grad = Tensor(np.ones((2, 2)))
    damage(optimizer, second) if damage.__code__.co_argcount == 2 else damage(second)
    with pytest.raises(ValueError, match=words):
        optimizer.step()
    assert first.tolist() == [[1.0, 1.0]] * 2
    assert first._version[0] == 0
    assert not optimizer.state[first]


@pytest.mark.parametrize("rate", [float("nan"), float("inf")])
def test_a_rate_that_became_no_number(rate):
    first, second = one(), one()
    optimizer = optim.SGD([{"params": [first]}, {"params": [second]}], lr=0.5)
    for p in (first, second):
        p.grad = Tensor(np.ones((2, 2)))
    optimizer.param_groups[1]["lr"] = rate
    with pytest.raises(ValueError, match="not a finite number"):
        optimizer.step()
    assert first.tolist() == [[1.0, 1.0]] * 2


def test_non_finite_gradients_pass_on():
    p = Tensor(np.ones(40, np.float32), requires_grad=True)
    grad = np.zeros(40, np.float32)
    grad[[3, 37]] = np.nan, np.inf
    p.grad = Tensor(grad)
    optim.SGD([p], lr=0.5).step()
    assert np.isnan(p.numpy()[3])
    assert np.isneginf(p.numpy()[37])
    assert (np.delete(p.numpy(), [3, 37]) == 1).all()


@pytest.mark.parametrize("module", sorted(path.stem for path in FOLDER.glob("*.py")))
def test_examples(module):
    name = "fastconv.optim" + (f".{module}" if module != "__init__" else "")
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_document_runs():
    text = (pathlib.Path(__file__).parent.parent / "docs/optim.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(example, "optim.md", "exec"), names)
    assert abs(names["w"].numpy()).max() < 2
    assert names["schedule"].get_last_lr()[0] < 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_variance_below_zero_is_none(dtype):
    """As rounding may leave it behind; its root would be no number."""
    p = Tensor(np.ones(37, dtype), requires_grad=True)
    p.grad = Tensor(np.full(37, 0.5, dtype))
    optimizer = optim.RMSprop([p], lr=0.25, alpha=0.5, eps=0.5, centered=True)
    optimizer.state[p] = {
        "step": 3,
        "square_avg": Tensor(np.full(37, 0.25, dtype)),
        "grad_avg": Tensor(np.full(37, 0.75, dtype)),
    }
    optimizer.step()
    assert (p.numpy() == 0.75).all()


def test_names_are_exported():
    assert fastconv.optim is optim
    for name, thing in itertools.chain(vars(optim).items()):
        if isinstance(thing, type):
            assert name in optim.__all__
