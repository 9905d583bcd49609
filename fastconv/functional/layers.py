"""Which layer an operation's arguments belong to: arrays to ops, Tensors to autograd.

Every operation looks at the type of its input, and at nothing else: that is all a call on arrays
may cost more. A Tensor among the others shows when ops refuses it. What neither is may name the
layer that it belongs to as its ``_layer``, with functions of autograd's names and arguments: so a
network is given values that tell what it would compute (``fastconv.graph``).
"""

from typing import Any

from fastconv import autograd, ops


def layer_of(input: object) -> Any:
    """The layer of an input that is no array."""
    return getattr(input, "_layer", autograd)


def other_layer(layer: Any, *others: object) -> Any:
    """After a TypeError from `layer`: autograd, if that was ops and one of the others is a Tensor;
    else the error is raised again."""
    if layer is not ops or not any(isinstance(value, autograd.Tensor) for value in others):
        raise
    return autograd
