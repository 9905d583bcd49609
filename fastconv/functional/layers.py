"""Which layer an operation's arguments belong to: arrays to ops, Tensors to autograd.

Every operation looks at the type of its input, and at nothing else: that is all a call on arrays
may cost more. A Tensor among the others shows when ops refuses it.
"""

from types import ModuleType

from fastconv import autograd


def other_layer(layer: ModuleType, *others: object) -> ModuleType:
    """After a TypeError from `layer`: autograd, if that was ops and one of the others is a Tensor;
    else the error is raised again."""
    if layer is autograd or not any(isinstance(value, autograd.Tensor) for value in others):
        raise
    return autograd
