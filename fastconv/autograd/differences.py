"""Gradients against differences: what a Function's backward says, and what its forward does."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .core import State, wrap
from .engine import grad
from .modes import no_grad
from .tensors import Tensor


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Compare the gradients of a function with central differences, entry by entry.

    Formula:
        |a - d| <= atol + rtol·|d| for every output o, input i and element of both, where
        a = d output[o] / d input[i] as backward computes it, and
        d = (function(input[i] + eps) - function(input[i] - eps)) / (2 eps)

    Args:
        function: takes inputs and returns a Tensor or a sequence of them; of equal inputs equal
            results.
        inputs: one argument, or a tuple of them; those that are Tensors and require gradients are
            checked, and have to be float64: in float32 the differences are mostly rounding.
        eps: the step; atol, rtol: how far both may differ.
        raise_exception: raise where they do, or return False.

    Returns:
        whether all entries agree.

    Raises:
        AssertionError: they do not: names the worst entry, and how many there are.
        TypeError: an input that requires a gradient is not float64.
        ValueError: no input requires a gradient, or no output does.

    Source:
        torch.autograd.gradcheck.

    >>> from fastconv import tensor
    >>> gradcheck(lambda x: x * x, tensor([1.0, 2.0], dtype="float64", requires_grad=True))
    True
    """
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    checked = [i for i, value in enumerate(inputs) if isinstance(value, State) and value._node]
    if not checked:
        raise ValueError("gradcheck: no input requires a gradient; give one requires_grad=True")
    for i in checked:
        if inputs[i].dtype != np.float64:
            raise TypeError(
                f"gradcheck: inputs[{i}] has dtype {inputs[i].dtype}, expected float64; convert it "
                f"with astype(numpy.float64)"
            )
    # Own copies: what is called moves no element of the caller's.
    arguments = [
        Tensor(value._array.copy(), i in checked) if isinstance(value, State) else value
        for i, value in enumerate(inputs)
    ]
    outputs = _outputs(function(*arguments))
    if not any(output._node for output in outputs):
        raise ValueError("gradcheck: no output requires a gradient, so there is nothing to check")

    worst, wrong, entries = None, 0, 0
    for i in checked:
        differences = _differences(function, arguments, i, eps)
        for o, output in enumerate(outputs):
            if output._node is None:
                continue
            computed = _computed(output, arguments[i])
            excess = np.abs(computed - differences[o]) - (atol + rtol * np.abs(differences[o]))
            excess = np.where(np.isnan(excess), np.inf, excess)
            entries += excess.size
            wrong += int(np.count_nonzero(excess > 0))
            if excess.size and (worst is None or excess.max() > worst[0]):
                at = np.unravel_index(excess.argmax(), excess.shape)
                worst = excess[at], o, i, at, computed[at], differences[o][at]
    if not wrong:
        return True
    if not raise_exception:
        return False
    _, o, i, at, one, other = worst
    rank = outputs[o].ndim
    raise AssertionError(
        f"gradcheck: {wrong} of {entries} gradients are wrong. The worst is that of output {o} at "
        f"{_place(at[:rank])} by input {i} at {_place(at[rank:])}: backward says {one:.9g}, "
        f"differences say {other:.9g} (they may differ by {atol} + {rtol} of that)"
    )


def _place(at: Sequence) -> str:
    return str(tuple(map(int, at)))


def _outputs(result: Any) -> list:
    results = list(result) if isinstance(result, (tuple, list)) else [result]
    for value in results:
        if not isinstance(value, State):
            raise TypeError(f"gradcheck: function must return Tensors, not {type(value).__name__}")
    return results


def _differences(function: Callable, arguments: list, which: int, eps: float) -> list[np.ndarray]:
    """For each output an array of its shape and then the input's."""
    values = arguments[which]._array
    columns = []
    for at in np.ndindex(values.shape):
        sides = []
        for step in (eps, -eps):
            moved = values.copy()
            moved[at] += step
            with no_grad():
                result = function(*arguments[:which], wrap(moved), *arguments[which + 1 :])
            sides.append([output._array.astype(np.float64) for output in _outputs(result)])
        columns.append([(after - before) / (2 * eps) for after, before in zip(*sides, strict=True)])
    return [
        np.reshape(np.stack(column, axis=-1), (*column[0].shape, *values.shape))
        for column in zip(*columns, strict=True)
    ]


def _computed(output: Any, value: Any) -> np.ndarray:
    """An array of the output's shape and then the input's, by one way back for each element."""
    rows = []
    for at in np.ndindex(output.shape):
        one = np.zeros(output.shape, output.dtype)
        one[at] = 1
        (row,) = grad(output, value, one, retain_graph=True, allow_unused=True)
        rows.append(np.zeros(value.shape) if row is None else row._array)
    return np.reshape(rows, (*output.shape, *value.shape))
