"""Why an update of parameters, or a limit of gradients, refused its arrays."""

from typing import NoReturn

import numpy as np

from fastconv import _core

from .arrays import unexplained


def optimizer_step(op: str, weights: list, grads: list, states: tuple) -> NoReturn:
    """Raise for what is wrong with the arrays of an update."""
    for i, weight in enumerate(weights):
        name = f"parameter {i}"
        _real(op, name, weight)
        _updatable(op, name, weight)
        grad = grads[i]
        others = {"gradient": grad} | {
            f"state {k}": state[i] for k, state in enumerate(states) if state is not None
        }
        for which, other in others.items():
            _real(op, f"the {which} of {name}", other)
            if other.shape != weight.shape or other.dtype.type is not weight.dtype.type:
                raise ValueError(
                    f"{op}: the {which} of {name} has shape {other.shape} and dtype {other.dtype}, "
                    f"expected {weight.shape} and {weight.dtype}, as the parameter; give the one "
                    f"that belongs to it"
                )
            if which != "gradient":
                _updatable(op, f"the {which} of {name}", other)
        together = [("the parameter itself", weight), *others.items()]
        for k, (which, other) in enumerate(together):
            for before, array in together[:k]:
                if _core.overlap(array, other):
                    raise ValueError(
                        f"{op}: the {which} of {name} shares memory with {before}, which would be "
                        f"overwritten while it is read; give a copy of it"
                    )
    unexplained(op, *weights)


def gradients(op: str, grads: list, written: bool) -> NoReturn:
    """Raise for what is wrong with gradients of which a norm is taken, or that are changed."""
    for i, grad in enumerate(grads):
        name = f"gradient {i}"
        _real(op, name, grad)
        strided = zip(grad.shape, grad.strides, strict=True)
        broadcast = grad.size and any(length > 1 and stride == 0 for length, stride in strided)
        if written and (broadcast or not grad.flags.writeable):
            what = "shares one element among several places" if broadcast else "is read-only"
            raise ValueError(f"{op}: {name} {what} and cannot be changed; put a copy in its place")
    unexplained(op, *grads)


def _real(op: str, name: str, value: object) -> None:
    if not isinstance(value, np.ndarray) or value.dtype.type not in (np.float32, np.float64):
        given = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{op}: {name} must be an array of float32 or float64, not {given}")


def _updatable(op: str, name: str, array: np.ndarray) -> None:
    """Require what can be written element by element as it lies."""
    flags, how = array.flags, None
    if not flags.c_contiguous:
        how = f"is not contiguous: strides {array.strides} for shape {array.shape}"
    elif not flags.writeable:
        how = "is read-only"
    elif not flags.aligned or not array.dtype.isnative:
        how = "is not aligned, or not in this machine's byte order"
    if how is not None:
        raise ValueError(
            f"{op}: {name} {how}, and cannot be updated where it lies; make the Tensor from "
            f"numpy.array(values, dtype), which copies"
        )
