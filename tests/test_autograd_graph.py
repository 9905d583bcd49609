"""The graph and the way back through it: order, memory, modes, hooks, changes in place, errors."""

import asyncio
import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

import fastconv
from fastconv import Tensor, autograd, enable_grad, is_grad_enabled, no_grad


def leaf(*values):
    return Tensor(list(map(float, values)), True)


# ---- order


def test_a_result_that_is_used_often_is_differentiated_once():
    x = leaf(1.5)
    y = x * x
    calls = []
    y.register_hook(lambda gradient: calls.append(gradient.item()))
    z = y * y + y.exp() - y
    z.backward()
    assert calls == [pytest.approx(2 * 2.25 + np.exp(2.25) - 1)]
    assert x.grad.item() == pytest.approx(calls[0] * 3)


def test_ladders_take_linear_time():
    """As many paths as 2^200."""
    x = leaf(1.0)
    y = x
    for _ in range(200):
        y = y * 0.5 + y * 0.5
    y.backward()
    assert x.grad.item() == 1


def test_a_graph_of_many_layers_runs_and_goes():
    # In a child with little stack: whatever recursed would crash.
    program = """if True:
        import threading, time
        import numpy as np
        from fastconv import Tensor
        threading.stack_size(256 * 1024)
        def work():
            x, w = Tensor(np.ones(3), True), Tensor(np.ones(3), True)
            for layers in (10_000, 100_000):
                for keep in (False, True):
                    y = x
                    for i in range(layers):
                        y = (y * w, y + w, y[:], -y, y.reshape(3))[i % 5]
                    if keep:
                        y.backward(np.ones(3), retain_graph=True)
                        y.backward(np.ones(3))
                    del y
            assert np.isfinite(x.grad.numpy()).all()
            print("done")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=100
    )
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr[-2000:]


def test_gradients_accumulate_until_they_are_cleared():
    x = leaf(1, 2)
    for times in (1, 2, 3):
        (x * 3).sum().backward()
        assert x.grad.tolist() == [3 * times, 3 * times]
    held = x.grad
    (x * 3).sum().backward()
    assert x.grad is held
    x.grad = None
    x.backward(np.array([1.0, 5.0]))
    assert x.grad.tolist() == [1, 5]


def test_a_gradient_of_the_users_is_not_written_into():
    x = leaf(1, 2)
    mine = np.array([1, 1], np.float32)
    x.grad = Tensor(mine)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert mine.tolist() == [1, 1]


def test_gradients_given_to_backward_are_not_written_into():
    start = np.ones(2, np.float32)
    x = leaf(1, 2)
    y = x + 0
    ((y + y) + (y * 3)).backward(start)
    x.grad.zero_()
    assert start.tolist() == [1, 1]


# ---- memory


def test_what_was_saved_is_given_back_as_it_is_used():
    x = leaf(*range(8))
    hidden = x.exp()
    memory = weakref.ref(hidden._array)
    y = (hidden * hidden).sum()
    del hidden
    assert memory() is not None
    y.backward()
    assert memory() is None  # although y still lives


def test_upper_layers_are_free_when_lower_ones_run():
    x = leaf(*range(4))
    first = x.exp()
    second = first.exp()
    upper = weakref.ref(second._array)
    seen = []
    first.register_hook(lambda gradient: seen.append(upper()))
    y = second.sum()
    del second
    y.backward()
    assert seen == [None]


def test_there_are_no_cycles():
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = Swap.apply(x.exp() * x, x.sqrt())[0].max(0).values.sum()
        y.retain_grad()
        places = [weakref.ref(x), weakref.ref(y), weakref.ref(y._array)]
        y.backward()
        del x, y
        assert [place() for place in places] == [None, None, None]
        x = leaf(1, 2)
        y = Swap.apply(x.exp(), x)[1] * 2  # and never run
        places = [weakref.ref(x), weakref.ref(y)]
        del x, y
        assert [place() for place in places] == [None, None]
    finally:
        gc.enable()


class Swap(autograd.Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return y, x

    @staticmethod
    def backward(ctx, by_y, by_x):
        return by_x, by_y


def test_memory_is_flat_over_a_thousand_steps():
    """Blocks that Python has, arrays included, do not become more from step to step."""
    rng = np.random.default_rng(0)
    w1, w2 = (Tensor(rng.standard_normal(s), True) for s in ((16, 8), (8, 1)))
    x = rng.standard_normal((4, 16))

    def step():
        hidden = (x @ w1).maximum(0.0)
        loss = ((hidden @ w2) ** 2).mean() + Swap.apply(w1.sum(), w2.sum())[0]
        loss.backward()
        with no_grad():
            for w in (w1, w2):
                w.sub_(w.grad, alpha=0.001)
                w.grad = None

    gc.collect()
    gc.disable()  # nothing may wait for the collector
    try:
        for _ in range(50):
            step()
        before = sys.getallocatedblocks()
        for _ in range(1000):
            step()
        assert abs(sys.getallocatedblocks() - before) < 200  # not one for each step
    finally:
        gc.enable()


# ---- grad


def test_grad_leaves_tensors_alone_and_computes_what_leads_to_inputs():
    x, w = leaf(1, 2), leaf(3, 4)
    hidden = x * w
    y = (hidden * hidden).sum()
    w.register_hook(lambda gradient: pytest.fail("nobody asked for this gradient"))
    by_hidden, by_x = autograd.grad(y, [hidden, x])
    assert by_hidden.tolist() == [6, 16]
    assert by_x.tolist() == [18, 64]
    assert x.grad is w.grad is None
    assert not by_x.requires_grad


def test_grad_of_several_outputs_with_gradients():
    x = leaf(1, 2)
    outputs = (x * 2, x * x)
    (g,) = autograd.grad(outputs, x, (np.array([1.0, 0.0]), Tensor([0.0, 1.0])))
    assert g.tolist() == [2, 4]
    y = x * 3
    (g,) = autograd.grad((y, y), x, (np.ones(2), np.ones(2)), retain_graph=True)
    assert g.tolist() == [6, 6]
    (g,) = autograd.grad(y, y, np.array([1.0, 5.0]))
    assert g.tolist() == [1, 5]


def test_grad_of_what_is_not_used():
    x, other = leaf(1, 2), leaf(1)
    y = (x * 2).sum()
    with pytest.raises(RuntimeError, match=r"no output depends on inputs\[1\]"):
        autograd.grad(y, (x, other), retain_graph=True)
    assert autograd.grad(y, (x, other), allow_unused=True)[1] is None


# ---- modes


def test_no_grad_and_enable_grad():
    x = leaf(1)
    with no_grad():
        assert not is_grad_enabled()
        assert not (x * 2).requires_grad
        with enable_grad():
            assert (x * 2).requires_grad
        assert not is_grad_enabled()
    assert is_grad_enabled()

    @no_grad()
    def called(depth):
        assert not is_grad_enabled()
        return x * 2 if depth == 0 else called(depth - 1)

    @no_grad
    def bare():
        return x * 2

    assert not called(3).requires_grad
    assert not bare().requires_grad
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert is_grad_enabled()


def test_threads_and_tasks_have_their_own_mode():
    seen = {}

    def thread():
        seen["thread"] = is_grad_enabled()

    async def task(name, mode, other):
        with mode():
            other.set() if name == "first" else await other.wait()
            await asyncio.sleep(0)
            seen[name] = is_grad_enabled()

    async def both():
        event = asyncio.Event()
        await asyncio.gather(task("first", no_grad, event), task("second", enable_grad, event))

    with no_grad():
        worker = threading.Thread(target=thread)
        worker.start()
        worker.join()
        asyncio.run(both())
    assert seen == {"thread": True, "first": False, "second": True}


def test_threads_share_leaves():
    w = Tensor(np.ones(64), True)

    def work():
        for _ in range(200):
            (w * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (w.grad.numpy() == 2 * 200 * 4).all()


# ---- hooks


def test_hooks_see_and_change_gradients():
    x = leaf(1, 2)
    y = x * 2
    seen = []
    hook = y.register_hook(lambda gradient: seen.append(gradient.tolist()))
    y.register_hook(lambda gradient: gradient * 10)
    leafs = x.register_hook(lambda gradient: np.minimum(gradient.numpy(), 5))
    y.sum().backward(retain_graph=True)
    assert seen == [[1, 1]]
    assert x.grad.tolist() == [5, 5]
    hook.remove()
    hook.remove()
    leafs.remove()
    y.sum().backward()
    assert len(seen) == 1
    assert x.grad.tolist() == [25, 25]


def test_hooks_whose_handles_nobody_keeps_are_all_called():
    x, seen = Tensor([1.0], True), []
    for name in "abc":
        x.register_hook(lambda _, name=name: seen.append(name))
    y = x * 1
    y.register_hook(lambda _: seen.append("y"))
    y.retain_grad()
    y.sum().backward()
    assert seen == ["y", "a", "b", "c"]
    assert y.grad is not None


def test_what_a_hook_keeps_does_not_change():
    x = leaf(1, 2)
    seen = []
    x.register_hook(seen.append)
    for _ in range(2):
        (x * 3).sum().backward()
    assert seen[0].tolist() == [3, 3]
    assert x.grad.tolist() == [6, 6]


def test_hooks_cannot_write_into_a_gradient():
    x = leaf(1, 2)
    y = x * 2
    y.register_hook(lambda gradient: gradient.mul_(0))
    with pytest.raises(ValueError, match="read-only"):
        y.sum().backward()
    assert x.grad is None
    x = leaf(1)
    x.register_hook(lambda gradient: np.ones(3))
    with pytest.raises(ValueError, match=r"a hook's result has shape \(3,\), expected \(1,\)"):
        (x * 2).backward()


def test_retained_gradients():
    x = leaf(1, 2)
    y = x * 2
    y.retain_grad()
    x.retain_grad()
    (y * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [4, 8]
    (y * 1).sum().backward()
    assert y.grad.tolist() == [5, 9]
    assert (x * 2).grad is None


# ---- changes in place


def test_a_saved_array_that_was_changed_is_noticed():
    for change in (
        lambda t: t.add_(1),
        lambda t: t.zero_(),
        lambda t: t.__setitem__(0, 5),
        lambda t: t[:1].mul_(2),  # a view
        lambda t: t.reshape(2, 1).detach().fill_(1),
        lambda t: t.detach().clip_(0, 1),
        lambda t: t.numpy().fill(0) or t.changed(),
        lambda t: setattr(t, "data", Tensor([9.0, 9.0])),
    ):
        factor, x = Tensor([1.0, 2.0]), leaf(1, 1)
        y = (x * factor).sum()
        change(factor)
        with pytest.raises(RuntimeError, match=r"Mul needs .* has since been changed in place"):
            y.backward()
        assert x.grad is None


def test_a_saved_result_that_was_changed_is_noticed():
    x = leaf(1, 2)
    y = x.exp()
    z = y.sum()
    with no_grad():
        y.mul_(2)
    with pytest.raises(RuntimeError, match=r"Exp needs .* \(1 times\)"):
        z.backward()


def test_a_step_between_two_uses_is_noticed():
    w, x = leaf(1), leaf(2)
    loss = (w * x).sum()
    loss.backward(retain_graph=True)
    with no_grad():
        w -= w.grad
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()
    assert x.grad.tolist() == [1]


def test_a_gradient_that_was_saved_and_then_added_to_is_noticed():
    x, w = leaf(1, 2), leaf(3, 4)
    (x * 2).sum().backward()
    y = (w * x.grad).sum()
    (x * 2).sum().backward()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_what_was_not_saved_may_change():
    x = leaf(1, 2)
    y = x + 1
    z = y + 1
    with no_grad():
        y.zero_()
    z.sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_recorded_changes_in_place_are_part_of_the_graph():
    x = leaf(1, 2)
    y = x * 1
    before = y
    y += x
    y *= 3
    y -= 1
    y /= 2
    assert y is before
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_changes_in_place_that_would_make_wrong_gradients_are_refused():
    x = leaf(1, 2)
    for change in (lambda: x.add_(1), lambda: x.zero_(), lambda: x.__setitem__(0, 1.0)):
        with pytest.raises(RuntimeError, match=r"^a leaf that requires .*no_grad"):
            change()
    y = x * 2
    part = y[:1]
    for tensor in (y, part):
        with pytest.raises(RuntimeError, match=r"^a Tensor that is a view, or has views"):
            tensor.mul_(2)
    constant = Tensor([1.0, 1.0])
    with pytest.raises(ValueError, match="does not fit into"):
        constant.add_(x.reshape(2, 1))
    assert constant.tolist() == [1, 1]
    with pytest.raises(ValueError, match="read-only"):
        constant.expand(3, 2).add_(1)


# ---- errors of backward


def test_backward_says_what_is_wrong():
    x = leaf(1, 2)
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        Tensor([1.0]).backward()
    with no_grad():
        y = x * 2
    with pytest.raises(RuntimeError, match="no_grad"):
        y.backward()
    y = x * 2
    with pytest.raises(RuntimeError, match=r"shape \(2,\).*give gradient"):
        y.backward()
    with pytest.raises(ValueError, match=r"gradient has shape \(3,\), expected \(2,\)"):
        y.backward(np.ones(3))
    with pytest.raises(TypeError, match=r"gradient must be a Tensor or a numpy.ndarray, not list"):
        y.backward([1, 1])
    with pytest.raises(TypeError, match="gradient has dtype complex128"):
        y.backward(np.ones(2, complex))
    assert x.grad is None
    y.backward(np.ones(2))
    with pytest.raises(TypeError, match=r"inputs\[0\] must be a Tensor, not ndarray"):
        autograd.grad(y.sum(), np.ones(2))
    with pytest.raises(RuntimeError, match=r"inputs\[0\] does not require a gradient"):
        autograd.grad(y.sum(), Tensor([1.0]))
    with pytest.raises(TypeError, match=r"outputs\[0\] must be a Tensor, not int"):
        autograd.grad([1], x)
    with pytest.raises(ValueError, match="2 grad_outputs but 1 outputs"):
        autograd.grad(y, x, (None, None))


def test_a_graph_that_was_used_is_refused():
    x = leaf(1, 2)
    hidden = x * x
    hidden.sum().backward()
    gradient = x.grad.tolist()
    with pytest.raises(RuntimeError, match=r"through Mul has been used already.*retain_graph=True"):
        (hidden * 2).sum().backward()
    assert x.grad.tolist() == gradient
    hidden = x * x
    hidden.sum().backward(retain_graph=True)
    hidden.sum().backward()
    # What saves nothing can be used for ever, as in PyTorch.
    shared = x + 1
    for _ in range(3):
        shared.sum().backward()


def test_hooks_and_grad_need_a_gradient():
    constant = Tensor([1.0])
    with pytest.raises(RuntimeError, match="requires no gradient"):
        constant.register_hook(print)
    with pytest.raises(RuntimeError, match="requires no gradient"):
        constant.retain_grad()
    with pytest.raises(RuntimeError, match="cannot be taken away"):
        (leaf(1) * 2).requires_grad = False
    assert fastconv.is_grad_enabled()
