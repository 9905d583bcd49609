"""Losses as layers: those of ``functional`` with their options kept."""

from typing import Any, Literal

from fastconv import functional as F
from fastconv.autograd import Tensor

from .module import Module

Reduction = Literal["mean", "sum", "none"]


class CrossEntropyLoss(Module):
    """Cross-entropy of logits and the classes that are right: ``functional.cross_entropy``.

    Args:
        weight: (C,) of the input's dtype, or None; a buffer.
        ignore_index, reduction, label_smoothing: as in ``functional.cross_entropy``.

    Source:
        torch.nn.CrossEntropyLoss.

    >>> import numpy as np
    >>> round(float(CrossEntropyLoss()(np.log([[0.25, 0.75]]), np.array([1]))), 4)
    0.2877
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )  # fmt: skip
