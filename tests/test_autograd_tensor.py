"""Tensor: how it is made, what comes out of it, copies, pickle, DLPack; Function; gradcheck."""

import copy
import doctest
import importlib
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, autograd, gradcheck, tensor

# ---- making one


def test_arrays_are_shared_and_tensor_copies():
    array = np.arange(4.0)
    shared, copied = Tensor(array), tensor(array)
    array[0] = 9
    assert shared.numpy() is array
    assert shared.tolist() == [9, 1, 2, 3]
    assert copied.tolist() == [0, 1, 2, 3]
    assert Tensor(shared).numpy() is array
    swapped = Tensor(array.astype(">f8"))
    assert swapped.dtype.isnative
    assert swapped.tolist() == [9, 1, 2, 3]


def test_dtypes():
    assert tensor(1.5).dtype == tensor([1.0, 2]).dtype == np.float32
    assert tensor([1, 2]).dtype == np.int64
    assert tensor([True]).dtype == bool
    assert tensor(np.float64(1)).dtype == tensor(np.zeros(2)).dtype == np.float64
    assert tensor([1], dtype=np.float64).dtype == np.float64
    assert Tensor(np.zeros(2), dtype="float16").dtype == np.float16
    for bad in (np.zeros(2, complex), ["a"], np.zeros(2, object), None):
        with pytest.raises(TypeError, match=r"^Tensor: dtype .* is not supported"):
            Tensor(bad)
    for bad in ([1], np.zeros(2, np.float16), [True]):
        with pytest.raises(TypeError, match="cannot require a gradient"):
            Tensor(bad, requires_grad=True)


def test_what_it_is():
    x = Tensor(np.zeros((2, 3), np.float32), True)
    assert (x.shape, x.size(), x.size(1), x.ndim, x.dim()) == ((2, 3), (2, 3), 3, 2, 2)
    assert (x.numel(), x.nbytes, len(x), x.dtype) == (6, 24, 2, np.float32)
    assert x.is_leaf
    assert x.grad_fn is None
    y = x.T
    assert not y.is_leaf
    assert y.grad_fn.name == "Permute"
    assert x.is_contiguous()
    assert not y.is_contiguous()
    assert x.contiguous() is x
    assert hash(x) != hash(y)
    assert x.requires_grad_(False).requires_grad is False
    x.requires_grad = True
    assert x.requires_grad


def test_numbers_out_of_it():
    x = Tensor([2.5], True)
    assert (x.item(), float(x), int(x), bool(x)) == (2.5, 2.5, 2, True)
    assert [10, 20, 30][Tensor(1)] == 20
    assert f"{x:.2f}" == "2.50"
    assert Tensor([[1, 2]]).tolist() == [[1, 2]]
    with pytest.raises(TypeError, match="nothing to iterate"):
        iter(Tensor(1.0))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(Tensor([1, 2]))


def test_repr():
    assert repr(tensor([1.0, 2.5])) == "tensor([1. , 2.5])"
    assert repr(tensor([1], "int32")) == "tensor([1], dtype=int32)"
    x = Tensor([1.0], True)
    assert repr(x) == "tensor([1.], requires_grad=True)"
    assert repr(x * 2) == "tensor([2.], grad_fn=Mul)"


# ---- arrays out of it


def test_arrays_of_what_requires_a_gradient_are_read_only():
    x = Tensor([1.0, 2.0], True)
    for tensor_ in (x, x * 2):
        for array in (tensor_.numpy(), np.asarray(tensor_)):
            assert not array.flags.writeable
    assert np.shares_memory(x.numpy(), x.detach().numpy())
    assert Tensor([1.0]).numpy().flags.writeable
    assert np.array(x).flags.writeable
    assert np.asarray(x, np.float64).dtype == np.float64
    assert np.asarray(x, copy=True) is not x.numpy()
    with pytest.raises(ValueError, match="without a copy"):
        x.__array__(np.float64, copy=False)


def test_numpys_functions_do_not_lose_the_graph_in_silence():
    x = Tensor([1.0, 2.0], True)
    array = np.ones(2, np.float32)
    for result in (array + x, array * x, array - x, array / x, np.float32(2) * x, array**x):
        assert type(result) is Tensor
        assert result.requires_grad
    assert type(array > x) is Tensor
    with pytest.raises(TypeError):
        np.exp(x)


def test_dlpack():
    x = Tensor([1.0, 2.0])
    array = np.from_dlpack(x)
    assert np.shares_memory(array, x.numpy())
    assert x.__dlpack_device__() == (1, 0)
    x.requires_grad_()
    with pytest.raises(BufferError, match="detach"):
        np.from_dlpack(x)
    assert np.from_dlpack(x.detach()).tolist() == [1, 2]


# ---- grad and data


def test_assigned_gradients_are_checked():
    x = Tensor([1.0, 2.0], True)
    with pytest.raises(TypeError, match="must be a Tensor or None, not ndarray"):
        x.grad = np.zeros(2)
    with pytest.raises(ValueError, match=r"grad has shape \(1,\), expected \(2,\)"):
        x.grad = Tensor([1.0])
    with pytest.raises(TypeError, match="grad has dtype float64, expected float32"):
        x.grad = Tensor(np.zeros(2))


def test_data_and_detach_share_memory():
    x = Tensor([1.0, 2.0], True)
    y = x * 3
    assert not y.detach().requires_grad
    assert np.shares_memory(y.detach().numpy(), y.numpy())
    x.data.add_(1)
    assert x.tolist() == [2, 3]
    x.data = np.zeros(2, np.float32)
    assert x.tolist() == [0, 0]
    for bad in (np.zeros(3, np.float32), np.zeros(2)):
        with pytest.raises(ValueError, match=r"^data: the values have shape"):
            x.data = bad


# ---- copies


class Parameter(Tensor):
    def __init__(self, data):
        super().__init__(data, True)
        self.name = "weight"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol):
    for x in (Tensor(np.arange(6.0).reshape(2, 3).T, True), Tensor([1, 2]), tensor(2.0)):
        same = pickle.loads(pickle.dumps(x, protocol))
        assert type(same) is Tensor
        assert same.requires_grad == x.requires_grad
        assert same.dtype == x.dtype
        np.testing.assert_array_equal(same, x)
    parameter = pickle.loads(pickle.dumps(Parameter([1.0]), protocol))
    assert type(parameter) is Parameter
    assert parameter.requires_grad
    assert parameter.name == "weight"


def test_deep_copies():
    x = Parameter([1.0, 2.0])
    (x * x).sum().backward()
    same = copy.deepcopy([x, x])
    assert same[0] is same[1]
    assert type(same[0]) is Parameter
    assert same[0].name == "weight"
    assert same[0].grad.tolist() == [2, 4]
    assert not np.shares_memory(same[0].numpy(), x.numpy())
    assert not np.shares_memory(same[0].grad.numpy(), x.grad.numpy())
    (same[0] * 1).sum().backward()
    assert same[0].grad.tolist() == [3, 5]
    assert x.grad.tolist() == [2, 4]


def test_results_cannot_be_pickled():
    x = Tensor([1.0], True)
    for call in (pickle.dumps, copy.deepcopy):
        with pytest.raises(RuntimeError, match="detach"):
            call(x * 2)
        call((x * 2).detach())


def test_results_of_a_subclass_are_tensors():
    assert type(Parameter([1.0]) * 2) is Tensor
    assert type(Parameter([1.0]).detach()) is Tensor


# ---- Function


class Power(autograd.Function):
    @staticmethod
    def forward(ctx, x, exponent):
        ctx.exponent = exponent
        ctx.save_for_backward(x)
        assert not fastconv.is_grad_enabled()
        return x**exponent

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        assert not fastconv.is_grad_enabled()
        assert ctx.needs_input_grad == (True, False)
        return gradient * ctx.exponent * x ** (ctx.exponent - 1), None


def function(forward, backward):
    return type("Mine", (autograd.Function,), {
        "forward": staticmethod(forward), "backward": staticmethod(backward)
    })  # fmt: skip


def test_function():
    x = Tensor(np.array([1.0, 2.0]), True)
    y = Power.apply(x, 3)
    assert y.grad_fn.name == "Power"
    y.sum().backward()
    assert x.grad.tolist() == [3, 12]
    with pytest.raises(RuntimeError, match="through Power has been used already"):
        y.sum().backward()
    assert gradcheck(lambda x: Power.apply(x, 3), x)
    assert not Power.apply(Tensor([1.0]), 2).requires_grad
    assert Power.apply(np.ones(2), 2).tolist() == [1, 1]


def test_function_of_several_results_and_arguments():
    seen = []

    def forward(ctx, x, y, scale):
        product, index = x * y * scale, np.arange(3)
        ctx.scale = scale
        ctx.save_for_backward(x, y)
        rounded = np.rint(x.numpy())
        ctx.mark_non_differentiable(rounded)
        return product.numpy(), x + y, index, rounded

    def backward(ctx, by_product, by_sum, by_index, by_rounded):
        x, y = ctx.saved_tensors
        seen.append((by_sum.tolist(), by_index.dtype, by_rounded.tolist(), ctx.needs_input_grad))
        return by_product * y * ctx.scale + by_sum, by_product * x * ctx.scale + by_sum, None

    both = function(forward, backward)
    x, y = (Tensor(np.array(v), True) for v in ([1.0, 2, 3], [4.0, 5, 6]))
    product, total, index, rounded = both.apply(x, y, 2.0)
    assert (index.requires_grad, rounded.requires_grad) == (False, False)
    product.sum().backward(retain_graph=True)
    assert seen == [([0, 0, 0], np.int64, [0, 0, 0], (True, True, False))]
    assert x.grad.tolist() == [8, 10, 12]
    (product * total).sum().backward()
    assert gradcheck(lambda x, y: both.apply(x, y, 2.0)[:2], (x, y))
    seen.clear()
    autograd.grad(both.apply(x, y, 1.0)[1].sum(), y)
    assert seen[0][3] == (False, True, False)


def test_a_function_that_returns_its_argument():
    passing = function(lambda ctx, x: x, lambda ctx, gradient: gradient * -1)
    x = Tensor(np.array([1.0, 2.0]), True)
    y = passing.apply(x)
    assert y is not x
    y.sum().backward()
    assert x.grad.tolist() == [-1, -1]
    assert x.is_leaf


def test_what_a_function_saved_is_watched():
    x = Tensor(np.array([1.0, 2.0]), True)
    y = Power.apply(x, 2)
    with fastconv.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match=r"Power needs .* changed in place"):
        y.sum().backward()


BAD = {
    "Mine.forward: result 0 must be a Tensor or an array, not NoneType": (
        TypeError, lambda ctx, x: None, None),
    "Mine.backward: 2 gradients were returned but forward had 1 arguments": (
        RuntimeError, lambda ctx, x: x * 2, lambda ctx, g: (g, g)),
    r"backward: Mine.backward's gradient 0 has shape \(1,\), expected \(2,\)": (
        ValueError, lambda ctx, x: x * 2, lambda ctx, g: g[:1]),
    "backward: Mine.backward's gradient 0 must be a Tensor": (
        TypeError, lambda ctx, x: x * 2, lambda ctx, g: "g"),
    "save_for_backward: argument 0 must be a Tensor or an array, not int": (
        TypeError, lambda ctx, x: ctx.save_for_backward(1), None),
    "output array is read-only": (
        ValueError, lambda ctx, x: x * 2, lambda ctx, g: g.mul_(2)),
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_errors_of_functions(message):
    kind, forward, backward = BAD[message]
    x = Tensor([1.0, 2.0], True)
    with pytest.raises(kind, match=f"^{message}"):
        function(forward, backward).apply(x).sum().backward()
    assert x.grad is None


def test_a_function_without_methods():
    with pytest.raises(NotImplementedError, match="must define forward"):
        autograd.Function.apply(Tensor([1.0]))


# ---- gradcheck


def test_gradcheck_names_the_worst_entry():
    def backward(ctx, gradient):
        wrong = gradient.numpy() * 2
        wrong[1, 2] *= 1.5
        return wrong

    double = function(lambda ctx, x: x * 2, backward)
    x = Tensor(np.ones((2, 3)), True)
    message = (
        r"^gradcheck: 1 of 36 gradients are wrong. The worst is that of output 0 at \(1, 2\) by "
        r"input 0 at \(1, 2\): backward says 3, differences say 2\.?\d* "
    )
    with pytest.raises(AssertionError, match=message):
        gradcheck(double.apply, x)
    assert gradcheck(double.apply, x, raise_exception=False) is False
    missing = function(lambda ctx, x: x * 2, lambda ctx, gradient: None)
    with pytest.raises(AssertionError, match="backward says 0, differences say 2"):
        gradcheck(missing.apply, x)
    nan = function(lambda ctx, x: x * 2, lambda ctx, gradient: gradient * np.nan)
    with pytest.raises(AssertionError, match="backward says nan"):
        gradcheck(nan.apply, x)


def test_gradcheck_refuses_what_it_cannot_check():
    with pytest.raises(TypeError, match=r"inputs\[0\] has dtype float32, expected float64"):
        gradcheck(lambda x: x, Tensor([1.0], True))
    with pytest.raises(ValueError, match="no input requires a gradient"):
        gradcheck(lambda x: x, Tensor([1.0]))
    x = Tensor(np.ones(2), True)
    with pytest.raises(ValueError, match="no output requires a gradient"):
        gradcheck(lambda x: x.detach(), x)
    with pytest.raises(TypeError, match="must return Tensors, not ndarray"):
        gradcheck(lambda x: x.numpy(), x)


def test_gradcheck_leaves_its_inputs_alone():
    x = Tensor(np.array([1.0, 2.0]), True)
    assert gradcheck(lambda x, n, y: (x * y, x.sum() * n), (x, 3, Tensor(np.ones(2))))
    assert x.grad is None
    assert x.tolist() == [1, 2]


# ---- documentation


@pytest.mark.parametrize("module", ["differences", "engine", "function", "modes", "tensors"])
def test_docstrings(module):
    found = doctest.testmod(importlib.import_module(f"fastconv.autograd.{module}"))
    assert found.attempted
    assert not found.failed


def test_the_examples_of_the_documentation_run(capsys):
    text = (Path(__file__).parent.parent / "docs/autograd.md").read_text(encoding="utf-8")
    names = {}
    for example in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        exec(compile(example, "autograd.md", "exec"), names)
    assert capsys.readouterr().out == "(8, 3, 3, 3)\n"


# ---- imports


def test_arrays_alone_import_nothing_of_it():
    program = (
        "import sys, numpy as np\n"
        "import fastconv.functional as F\n"
        "F.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3)))\n"
        "print([m for m in sys.modules if m.startswith('fastconv.autograd.')])\n"
        "import fastconv\n"
        "print(fastconv.Tensor.__name__, fastconv.gradcheck.__name__, fastconv.tensor(1))\n"
    )
    result = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True)
    assert result.stdout == "[]\nTensor gradcheck tensor(1)\n", result.stderr
    assert set(autograd.__all__) <= set(dir(autograd))
    assert all(getattr(autograd, name) for name in autograd.__all__)
    with pytest.raises(AttributeError, match=r"fastconv.autograd.*'nothing'"):
        autograd.nothing  # noqa: B018
