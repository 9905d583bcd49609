"""Dropout layers: those of ``functional``, in train mode alone."""

from typing import Any

from fastconv import functional as F
from fastconv.geometry import real

from .module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        op = type(self).__name__
        if not 0 <= real(op, "p", p) <= 1:
            raise ValueError(f"{op}: p is {p}, expected 0 to 1; give a probability")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Each element 0 with probability p while training: ``functional.dropout``.

    Random numbers come from the generator of ``fastconv.random``. ``inplace`` is taken, as in
    PyTorch, and changes nothing.

    Source:
        torch.nn.Dropout.

    >>> import numpy as np
    >>> Dropout(0.9).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        return F.dropout(input, self.p, self.training)


class Dropout2d(_Dropout):
    """Each channel of each image 0 with probability p while training: ``functional.dropout2d``.

    Source:
        torch.nn.Dropout2d.

    >>> Dropout2d()
    Dropout2d(p=0.5, inplace=False)
    """

    def forward(self, input: Any) -> Any:
        return F.dropout2d(input, self.p, self.training)
