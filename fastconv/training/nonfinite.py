"""Where the first number that is not finite came from."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastconv import ops, random
from fastconv.autograd import Tensor, no_grad
from fastconv.nn import Module

from .history import History

__all__ = ["NonFinite", "describe", "gradient_norm", "where_in_backward", "where_in_forward"]


class NonFinite(FloatingPointError):
    """A training met a NaN or an infinity, and was stopped before the step that would have spread
    it to the weights.

    Attributes:
        epoch, batch: where, both from 1; batch counts within the epoch.
        step: how many steps had been taken.
        layer: the name of the layer or parameter where it came up first, '' for the model itself;
            None if it was not looked for or lies outside of all layers.
        history: what came before.
    """

    def __init__(
        self, text: str, epoch: int, batch: int, step: int, layer: str | None, history: History
    ) -> None:
        super().__init__(text)
        self.epoch, self.batch, self.step = epoch, batch, step
        self.layer, self.history = layer, history


def gradient_norm(arrays: list[np.ndarray]) -> float:
    """The Euclidean norm of all gradients together."""
    return math.sqrt(ops.sum_of_squares("fit", arrays))


def where_in_forward(
    model: Module, x: np.ndarray, generator_state: dict[str, Any]
) -> tuple[str | None, str]:
    """Run a batch again and watch what every layer takes in and gives out.

    The layers' hooks run in the order in which the layers finish, so that the innermost one is
    found. Buffers (running statistics) are put back afterwards; the generator draws what it drew
    then.

    Returns:
        (name of the layer, or None; a sentence)
    """
    if not np.isfinite(x).all():
        return None, f"the batch itself has {describe(x)}"
    bad = [name for name, p in model.named_parameters() if not np.isfinite(p._array).all()]
    if bad:
        return bad[0], (
            f"the parameter {bad[0]} has {describe(model.get_parameter(bad[0])._array)}"
            + (f", and so have {len(bad) - 1} more" if len(bad) > 1 else "")
            + ": an earlier step wrote it; the learning rate may be too high"
        )
    found: list[tuple[str | None, str]] = []
    handles = []

    def watch(name: str, module: Module) -> None:
        shown = f"layer {name!r} ({type(module).__name__})"

        def before(_: Module, args: tuple) -> None:
            wrong = [a for a in map(_as_array, args) if a is not None and not np.isfinite(a).all()]
            if wrong and not found:
                text = (
                    f"{describe(wrong[0])} go into {shown} and came from no layer: an operation "
                    f"between layers made them"
                )
                found.append((None, text))

        def after(_: Module, args: tuple, result: Any) -> None:
            output = _as_array(result)
            if found or output is None or np.isfinite(output).all():
                return
            inputs = [a for a in map(_as_array, args) if a is not None]
            largest = max((float(np.abs(a).max(initial=0)) for a in inputs), default=0.0)
            text = f"{shown} made {describe(output)} of inputs of at most {largest:.3g}"
            found.append((name, text))

        handles.append(module.register_forward_pre_hook(before, prepend=True))
        handles.append(module.register_forward_hook(after))

    kept = [(buffer, buffer._array.copy()) for buffer in model.buffers()]
    now = random.get_rng_state()
    try:
        for name, module in model.named_modules():
            watch(name, module)
        random.set_rng_state(generator_state)
        with no_grad(), np.errstate(all="ignore"):
            model(Tensor(x))
            for buffer, array in kept:
                buffer.copy_(array)
    finally:
        random.set_rng_state(now)
        for handle in handles:
            handle.remove()
    if found:
        return found[0]
    return None, "every layer's output is finite: the loss function made it"


def where_in_backward(named_gradients: Iterable[tuple[str, np.ndarray | None]]) -> tuple[str, str]:
    """The parameter that a gradient which is not finite reached first: of the last in the order of
    the model, which is the first on the way back.

    Returns:
        (name of the parameter, a sentence)
    """
    bad = [(n, g) for n, g in named_gradients if g is not None and not np.isfinite(g).all()]
    name, gradient = bad[-1]
    text = f"the gradient of {name} has {describe(gradient)}"
    if len(bad) > 1:
        text += f", and so have those of {len(bad) - 1} parameters before it"
    return name, text


def _as_array(value: Any) -> np.ndarray | None:
    array = value._array if isinstance(value, Tensor) else value
    return array if isinstance(array, np.ndarray) and array.dtype.kind == "f" else None


def describe(array: np.ndarray) -> str:
    """How many NaN and infinities are in it."""
    nans, infinities = int(np.isnan(array).sum()), int(np.isinf(array).sum())
    parts = [f"{n:,} {what}" for n, what in ((nans, "NaN"), (infinities, "infinite")) if n]
    return f"{' and '.join(parts)} of {array.size:,} numbers"
