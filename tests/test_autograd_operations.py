"""Operations of a Tensor: values by NumPy, gradients by central differences, dtypes, memory."""

import numpy as np
import pytest
from engine import trace

from fastconv import Tensor, autograd, gradcheck, ops

RNG = np.random.default_rng(11)


def normal(*shape):
    return RNG.standard_normal(shape)


def apart(*shape):
    """Numbers no two of which are near each other or 0, so that differences cross no corner."""
    count = int(np.prod(shape))
    values = np.concatenate([np.arange(1, count + 1), -np.arange(1, count + 1)])
    return RNG.permutation(values)[:count].reshape(shape) / 7


def positive(*shape):
    return RNG.uniform(0.5, 2, shape)


# name → (the operation, its inputs, the same by NumPy or None)
OPERATIONS = {
    "add": (lambda x, y: x + y, (normal(3, 4), normal(4)), np.add),
    "add number": (lambda x: 2 + x, (normal(3),), lambda x: 2 + x),
    "add itself": (lambda x: x + x, (normal(3),), lambda x: x + x),
    "add alpha": (lambda x, y: x.add(y, alpha=-3), (normal(3), normal(3)), lambda x, y: x - 3 * y),
    "sub": (lambda x, y: x - y, (normal(3, 1), normal(2, 1, 4)), np.subtract),
    "rsub": (lambda x: 1 - x, (normal(3),), lambda x: 1 - x),
    "sub alpha": (lambda x, y: x.sub(y, alpha=2), (normal(3), normal(3)), lambda x, y: x - 2 * y),
    "mul": (lambda x, y: x * y, (normal(2, 3, 4), normal(3, 1)), np.multiply),
    "mul itself": (lambda x: x * x, (normal(5),), np.square),
    "square": (lambda x: x.square(), (normal(5),), np.square),
    "mul number": (lambda x: x * 3 * 0.5, (normal(5),), lambda x: x * 1.5),
    "mul array": (lambda x: np.arange(3.0) * x, (normal(3),), lambda x: np.arange(3.0) * x),
    "div": (lambda x, y: x / y, (normal(3, 4), positive(4)), np.divide),
    "rdiv": (lambda x: 2 / x, (positive(3),), lambda x: 2 / x),
    "pow": (lambda x, y: x**y, (positive(3, 2), normal(2)), np.power),
    "pow number": (lambda x: x**3, (normal(4),), lambda x: x**3),
    "pow -2": (lambda x: x**-2.0, (positive(4),), lambda x: x**-2.0),
    "rpow": (lambda x: 2**x, (normal(4),), lambda x: 2**x),
    "neg": (lambda x: -x, (normal(4),), np.negative),
    "pos": (lambda x: +x * 2, (normal(4),), lambda x: 2 * x),
    "abs": (abs, (apart(4),), np.abs),
    "exp": (lambda x: x.exp(), (normal(4, 2),), np.exp),
    "log": (lambda x: x.log(), (positive(4, 2),), np.log),
    "sqrt": (lambda x: x.sqrt(), (positive(4, 2),), np.sqrt),
    "clip": (lambda x: x.clip(-0.5, 0.4), (apart(9),), lambda x: np.clip(x, -0.5, 0.4)),
    "clamp min": (lambda x: x.clamp(min=0.1), (apart(9),), lambda x: np.clip(x, 0.1, None)),
    "clip max": (lambda x: x.clip(max=0.1), (apart(9),), lambda x: np.clip(x, None, 0.1)),
    "where": (
        lambda x, y: autograd.where(np.eye(3, dtype=bool), x, y),
        (normal(3, 3), normal(3)),
        lambda x, y: np.where(np.eye(3, dtype=bool), x, y),
    ),
    "where number": (
        lambda x: x.where(x > 0, 0.5) + autograd.where(x < 0, 2.0, x),
        (apart(5),),
        lambda x: np.where(x > 0, x, 0.5) + np.where(x < 0, 2.0, x),
    ),
    "maximum": (lambda x, y: x.maximum(y), (apart(3, 4), apart(4) + 0.05), np.maximum),
    "minimum": (lambda x: autograd.minimum(0.05, x), (apart(3, 4),), lambda x: np.minimum(x, 0.05)),
    "clone": (lambda x: x.clone() * x, (normal(3),), np.square),
    "contiguous": (lambda x: x.T.contiguous() * 2, (normal(3, 2),), lambda x: x.T * 2),
    "matmul": (lambda x, y: x @ y, (normal(3, 4), normal(4, 2)), np.matmul),
    "matmul vectors": (lambda x, y: x @ y, (normal(4), normal(4)), np.matmul),
    "matmul vector matrix": (lambda x, y: x @ y, (normal(4), normal(4, 2)), np.matmul),
    "matmul matrix vector": (lambda x, y: x @ y, (normal(3, 4), normal(4)), np.matmul),
    "matmul vector stack": (lambda x, y: x @ y, (normal(4), normal(2, 4, 3)), np.matmul),
    "matmul stack vector": (lambda x, y: x @ y, (normal(2, 3, 4), normal(4)), np.matmul),
    "matmul stacks": (
        lambda x, y: autograd.matmul(x, y),
        (normal(2, 1, 3, 4), normal(5, 4, 2)),
        np.matmul,
    ),
    "matmul array": (lambda x: np.ones((2, 3)) @ x, (normal(3, 2),), lambda x: np.ones((2, 3)) @ x),
    "matmul one by one": (lambda x, y: x @ y, (normal(4, 1, 1), normal(1, 3)), np.matmul),
    "sum": (lambda x: x.sum(), (normal(3, 4),), np.sum),
    "sum of a number": (lambda x: x.sum(0), (normal(),), lambda x: x),
    "sum dim": (lambda x: x.sum(1), (normal(3, 4, 2),), lambda x: x.sum(1)),
    "sum dims": (
        lambda x: x.sum((0, -1), True),
        (normal(3, 4, 2),),
        lambda x: x.sum((0, 2), None, None, True),
    ),
    "mean": (lambda x: x.mean(), (normal(3, 4),), np.mean),
    "mean dim": (lambda x: x.mean(dim=(0, 1)), (normal(3, 4, 2),), lambda x: x.mean((0, 1))),
    "mean keep": (
        lambda x: x.mean(1, keepdim=True),
        (normal(3, 4),),
        lambda x: x.mean(1, keepdims=True),
    ),
    "var": (lambda x: x.var(), (normal(3, 4),), lambda x: x.var(ddof=1)),
    "var dim": (lambda x: x.var(0, 0), (normal(3, 4),), lambda x: x.var(0)),
    "std": (
        lambda x: x.std(1, keepdim=True),
        (normal(3, 4),),
        lambda x: x.std(1, ddof=1, keepdims=True),
    ),
    "max": (lambda x: x.max(), (apart(3, 4),), np.max),
    "min": (lambda x: x.min(), (apart(3, 4),), np.min),
    "max dim": (lambda x: x.max(1).values, (apart(3, 4),), lambda x: x.max(1)),
    "max keep": (
        lambda x: x.max(0, keepdim=True)[0],
        (apart(3, 4),),
        lambda x: x.max(0, keepdims=True),
    ),
    "min dim": (lambda x: x.min(-1)[0], (apart(3, 4, 2),), lambda x: x.min(-1)),
    "max of a number": (lambda x: x.max(0).values, (normal(),), lambda x: x),
    "amax": (lambda x: x.amax((0, 2)), (apart(3, 4, 2),), lambda x: x.max((0, 2))),
    "amin": (lambda x: x.amin(1, keepdim=True), (apart(3, 4),), lambda x: x.min(1, keepdims=True)),
    "reshape": (lambda x: x.reshape(2, -1) * 2, (normal(3, 4),), lambda x: x.reshape(2, 6) * 2),
    "reshape of a view": (lambda x: x.T.reshape((6,)), (normal(3, 2),), lambda x: x.T.ravel()),
    "flatten": (lambda x: x.flatten(1), (normal(2, 3, 4),), lambda x: x.reshape(2, 12)),
    "flatten a number": (lambda x: x.flatten(), (normal(),), lambda x: x.reshape(1)),
    "squeeze": (lambda x: x.squeeze(), (normal(1, 3, 1),), np.squeeze),
    "squeeze dim": (lambda x: x.squeeze((0, 1)), (normal(1, 3, 1),), lambda x: x[0]),
    "unsqueeze": (lambda x: x.unsqueeze(-1), (normal(3),), lambda x: x[:, None]),
    "permute": (lambda x: x.permute(2, 0, 1), (normal(2, 3, 4),), lambda x: x.transpose(2, 0, 1)),
    "transpose": (lambda x: x.transpose(0, -1), (normal(2, 3, 4),), lambda x: x.swapaxes(0, 2)),
    "T": (lambda x: x.T, (normal(2, 3),), np.transpose),
    "mT": (lambda x: x.mT, (normal(2, 3, 4),), lambda x: x.swapaxes(1, 2)),
    "expand": (
        lambda x: x.expand(5, 3, -1),
        (normal(1, 4),),
        lambda x: np.broadcast_to(x, (5, 3, 4)),
    ),
    "flip": (lambda x: x.flip(0, 2), (normal(2, 3, 4),), lambda x: np.flip(x, (0, 2))),
    "index": (lambda x: x[1], (normal(3, 4),), lambda x: x[1]),
    "index slices": (lambda x: x[..., ::-2, None], (normal(3, 4),), lambda x: x[..., ::-2, None]),
    "index mask": (lambda x: x[np.eye(3, dtype=bool)], (normal(3, 3),), np.diag),
    "index twice": (lambda x: x[[0, 2, 0], 1:], (normal(3, 4),), lambda x: x[[0, 2, 0], 1:]),
    "index by Tensors": (
        lambda x: x[Tensor([0, 1, 1]), Tensor([2, 0, 0])],
        (normal(3, 4),),
        lambda x: x[[0, 1, 1], [2, 0, 0]],
    ),
    "narrow": (lambda x: x.narrow(1, 1, 2), (normal(3, 4),), lambda x: x[:, 1:3]),
    "split": (lambda x: x.split(2)[-1], (normal(5, 2),), lambda x: x[4:]),
    "split sizes": (lambda x: x.split((1, 3), dim=1)[1], (normal(2, 4),), lambda x: x[:, 1:]),
    "chunk": (lambda x: x.chunk(2, 1)[0], (normal(2, 5),), lambda x: x[:, :3]),
    "unbind": (lambda x: x.unbind(1)[1] * 2, (normal(2, 3),), lambda x: x[:, 1] * 2),
    "iterate": (lambda x: sum(x), (normal(3, 2),), lambda x: x.sum(0)),
    "cat": (
        lambda x, y: autograd.cat([x, y, x], 1),
        (normal(2, 3), normal(2, 1)),
        lambda x, y: np.concatenate([x, y, x], 1),
    ),
    "stack": (
        lambda x, y: autograd.stack((x, y), dim=-1),
        (normal(2, 3), normal(2, 3)),
        lambda x, y: np.stack([x, y], -1),
    ),
    "add_": (
        lambda x, y: (x * 2).add_(y, alpha=3),
        (normal(3, 4), normal(4)),
        lambda x, y: 2 * x + 3 * y,
    ),
    "sub_": (
        lambda x, y: (x * 2).sub_(y, alpha=2),
        (normal(3), normal(3)),
        lambda x, y: 2 * x - 2 * y,
    ),
    "mul_": (lambda x, y: (x * x).mul_(y), (normal(3), normal(3)), lambda x, y: x * x * y),
    "mul_ itself": (lambda x: (lambda y: y.mul_(y))(x * 2), (normal(3),), lambda x: 4 * x * x),
    "div_": (lambda x, y: (x * 2).div_(y), (normal(3), positive(3)), lambda x, y: 2 * x / y),
    "clip_": (lambda x: (x * 2).clip_(-1, 1), (apart(6),), lambda x: np.clip(2 * x, -1, 1)),
    "copy_": (
        lambda x, y: (x * 2).copy_(y) + x,
        (normal(2, 3), normal(3)),
        lambda x, y: np.broadcast_to(y, (2, 3)) + x,
    ),
    "zero_": (lambda x: (x * 2).zero_() + x, (normal(3),), lambda x: x),
    "fill_": (lambda x: (x * 2).fill_(7) * x, (normal(3),), lambda x: 7 * x),
}


def assign(x, y):
    z = x * 2
    z[0] = y
    z[:, 1:3] = y[1:3]
    z[1, 0] = 5
    return z


def assigned(x, y):
    z = x * 2
    z[0], z[:, 1:3], z[1, 0] = y, y[1:3], 5
    return z


OPERATIONS["setitem"] = (assign, (normal(3, 4), normal(4)), assigned)


@pytest.mark.parametrize("name", OPERATIONS)
def test_values_are_numpys(name):
    operation, arrays, same = OPERATIONS[name]
    result = operation(*map(Tensor, arrays))
    assert type(result) is Tensor
    assert not result.requires_grad
    np.testing.assert_allclose(result, same(*arrays), rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("name", OPERATIONS)
def test_gradients_are_central_differences(name):
    operation, arrays, _ = OPERATIONS[name]
    inputs = tuple(Tensor(array.copy(), True) for array in arrays)
    assert gradcheck(operation, inputs, atol=1e-7, rtol=1e-7)
    for i in range(len(inputs)):  # and where one input alone needs one
        alone = tuple(Tensor(array.copy(), i == j) for j, array in enumerate(arrays))
        assert gradcheck(operation, alone, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_dtypes_and_whose_memory_gradients_are(name, dtype):
    """A dtype stays; each .grad is its own: writing into one changes nothing else."""
    operation, arrays, _ = OPERATIONS[name]
    inputs = [Tensor(array.astype(dtype), True) for array in arrays]
    result = operation(*inputs)
    array_free = "array" not in name
    assert result.dtype == (dtype if array_free else np.float64)
    start = np.ones(result.shape, result.dtype)
    result.backward(start)
    gradients = [x.grad.numpy() for x in inputs]
    assert all(g.dtype == dtype and g.flags.writeable for g in gradients)
    assert all(g.shape == x.shape for g, x in zip(gradients, inputs, strict=True))
    others = [start, result.numpy(), *(x.numpy() for x in inputs)]
    for i, g in enumerate(gradients):
        for other in others + gradients[:i]:
            assert not np.shares_memory(g, other)


@pytest.mark.parametrize("name", ["add", "mul", "div", "pow", "maximum", "matmul", "cat", "stack"])
def test_mixed_dtypes_promote_and_gradients_return_in_each_ones_own(name):
    operation, (a, b), _ = OPERATIONS[name]
    x, y = Tensor(a.astype(np.float32), True), Tensor(b, True)
    result = operation(x, y)
    assert result.dtype == np.float64
    result.sum().backward()
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64


def test_python_numbers_keep_the_dtype():
    for shape in ((), (3,)):
        x = Tensor(np.ones(shape, np.float32), True)
        for result in (x + 1, 1.5 * x, x / 3, 2**x, x**2.5, 1 - x, x.maximum(0.5), x.clip(0, 1.5)):
            assert result.dtype == np.float32
            x.grad = None
            result.sum().backward()
            assert x.grad.dtype == np.float32
    assert (Tensor([1, 2]) * 2).dtype == np.int64
    assert (Tensor([1, 2]) / 2).dtype == np.float64


def test_ties_share_or_take_the_first():
    x = Tensor([[2.0, 5.0, 5.0], [5.0, 1.0, 0.0]], True)
    x.max().backward()
    np.testing.assert_allclose(x.grad, np.array([[0, 1, 1], [1, 0, 0]]) / 3, rtol=1e-6)
    x.grad = None
    values, indices = x.max(1)
    assert indices.tolist() == [1, 0]
    assert indices.dtype == np.int64
    values.sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]
    x.grad = None
    x.amax(1).sum().backward()
    assert x.grad.tolist() == [[0, 0.5, 0.5], [1, 0, 0]]
    y = Tensor([1.0, 2.0], True)
    y.maximum(Tensor([1.0, 1.0])).sum().backward()
    assert y.grad.tolist() == [0.5, 1]


def test_corners():
    x = Tensor([0.0, -1.0, 2.0], True)
    (x**0).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]
    x.grad = None
    abs(x).sum().backward()
    assert x.grad.tolist() == [0, -1, 1]
    x.grad = None
    x.clip(-1, 2).sum().backward()
    assert x.grad.tolist() == [1, 1, 1]
    y = Tensor([0.0, 2.0], True)
    (Tensor([0.0, 0.0]) ** y).sum().backward()
    assert y.grad.tolist() == [0, 0]
    with np.errstate(all="raise"):
        assert Tensor([0.0, -1.0]).log().tolist()[0] == -np.inf
        z = Tensor([0.0], True)
        z.sqrt().backward()
        assert z.grad.item() == np.inf
    assert np.isnan(Tensor([1.0, np.nan]).max().item())
    assert np.isnan(Tensor(np.zeros((0,))).mean().item())


def test_what_has_no_gradient():
    x = Tensor([[1.0, 4.0, 2.0]], True)
    assert x.argmax().item() == 1
    assert x.argmin(1, keepdim=True).tolist() == [[0]]
    for compared in (x > 1, x >= 1, x < 1, x <= 1, x == 1, x != np.ones((1, 3)), ~(x > 1)):
        assert compared.dtype == bool
        assert not compared.requires_grad
    assert not x.astype(np.int64).requires_grad
    assert x.to(np.float64).requires_grad
    x.double().sum().backward()
    assert x.grad.dtype == np.float32
    assert (x == "text") is False


def test_split_parts_are_those_of_numpy():
    x = np.arange(7)
    assert [part.tolist() for part in Tensor(x).split(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [len(part) for part in Tensor(x).chunk(3)] == [3, 3, 1]
    assert [len(part) for part in Tensor(x[:0]).split(3)] == [0]
    assert [part.item() for part in Tensor(x[:2]).unbind()] == [0, 1]


ERRORS = {
    "add: other must be a Tensor": (TypeError, lambda x: x + "1"),
    "matmul: input and other must have at least one axis": (ValueError, lambda x: x @ 2),
    "exp: input has dtype int64": (TypeError, lambda x: x.astype(int).exp()),
    "mean: input has dtype int64": (TypeError, lambda x: x.astype(int).mean()),
    "clip: min and max are both None": (ValueError, lambda x: x.clip()),
    "clip: max must be a number": (TypeError, lambda x: x.clip(0, x)),
    "where: condition has dtype float64": (TypeError, lambda x: autograd.where(x, x, x)),
    "sum: dim is 2, expected -2 to 1": (ValueError, lambda x: x.sum(2)),
    "sum: dim is .*twice": (ValueError, lambda x: x.sum((0, -2))),
    "max: dim must be an int, not float": (TypeError, lambda x: x.max(1.0)),
    "max: input has shape": (ValueError, lambda x: x[:0].max()),
    "argmin: input has shape": (ValueError, lambda x: x[:0].argmin(0)),
    "permute: dims are": (ValueError, lambda x: x.permute(0, 0)),
    "mT: input has shape": (ValueError, lambda x: x[0].mT),
    "flatten: start_dim=1 is after": (ValueError, lambda x: x.flatten(1, 0)),
    "narrow: start=2 and length=2": (ValueError, lambda x: x.narrow(1, 2, 2)),
    "split: sizes .* add up to 4": (ValueError, lambda x: x.split([2, 2], 1)),
    "split: split_size is 0": (ValueError, lambda x: x.split(0)),
    "chunk: chunks is 0": (ValueError, lambda x: x.chunk(0)),
    "cat: tensors must be a sequence": (TypeError, lambda x: autograd.cat(x)),
    r"stack: tensors\[1\] must be a Tensor": (TypeError, lambda x: autograd.stack([x, "x"])),
}


@pytest.mark.parametrize("message", ERRORS)
def test_errors_say_what_is_wrong(message):
    kind, call = ERRORS[message]
    with pytest.raises(kind, match=f"^{message}"):
        call(Tensor(normal(2, 3)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=("f32", "f64"))
def test_large_sums_are_the_engines(dtype):
    """Forward, and where gradients of two uses meet; NumPy's bits."""
    rng = np.random.default_rng(3)
    a, b = (rng.standard_normal((40, 300)).astype(dtype) for _ in range(2))
    x, y = Tensor(a, requires_grad=True), Tensor(b)
    with trace() as executions:
        total = x + y
        np.testing.assert_array_equal(total.detach().numpy(), a + b, strict=True)
        (total * x).backward(b)
    assert [run[0] for run in executions] == ["add", "add"]
    np.testing.assert_array_equal(x.grad.numpy(), b * a + b * (a + b))


def test_large_sums_that_are_not():
    """Shapes, dtypes, layouts and memory that the engine's sum does not take are NumPy's."""
    a = np.random.default_rng(4).standard_normal((200, 200)).astype(np.float32)
    with trace() as executions:
        for x, y in ((a, a[0]), (a, a.T), (a, a.astype(float)), (a[:, ::2], a[:, 1::2]), (a, 1.5)):
            np.testing.assert_array_equal(ops.add(x, y), x + y, strict=True)
        line = np.arange(20001, dtype=np.float32)
        expected = line[1:] + line[:-1]
        assert ops.add(line[1:], line[:-1], line[1:]) is not None
        np.testing.assert_array_equal(line[1:], expected)
        fixed = a.copy()
        fixed.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            ops.add(fixed, a, fixed)
        assert not executions
        twice = a.copy()
        assert ops.add(twice, twice, twice) is twice
        np.testing.assert_array_equal(twice, 2 * a)
    assert len(executions) == 1
