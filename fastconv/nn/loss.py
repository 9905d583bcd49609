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


class NLLLoss(Module):
    """Negative log-likelihood of the right classes: ``functional.nll_loss``.

    Args:
        as for ``CrossEntropyLoss``.

    Source:
        torch.nn.NLLLoss.
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class BCELoss(Module):
    """Cross-entropy of probabilities of yes: ``functional.binary_cross_entropy``.

    Args:
        weight: of each element, broadcast; or None; a buffer.
        reduction: 'mean', 'sum' or 'none'.

    Source:
        torch.nn.BCELoss.
    """

    def __init__(self, weight: Any = None, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(Module):
    """Cross-entropy of logits of yes: ``functional.binary_cross_entropy_with_logits``.

    Args:
        weight, pos_weight: of each element, and of a yes, broadcast; or None; buffers.
        reduction: 'mean', 'sum' or 'none'.

    Source:
        torch.nn.BCEWithLogitsLoss.
    """

    def __init__(
        self, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class MSELoss(Module):
    """Mean squared error: ``functional.mse_loss``.

    Source:
        torch.nn.MSELoss.
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.mse_loss(input, target, self.reduction)


class L1Loss(Module):
    """Mean absolute error: ``functional.l1_loss``.

    Source:
        torch.nn.L1Loss.
    """

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.l1_loss(input, target, self.reduction)


class SmoothL1Loss(Module):
    """Absolute error that is a parabola near 0: ``functional.smooth_l1_loss``.

    Source:
        torch.nn.SmoothL1Loss.
    """

    def __init__(self, reduction: Reduction = "mean", beta: float = 1.0) -> None:
        super().__init__()
        self.reduction = reduction
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Tensor:
        return F.smooth_l1_loss(input, target, self.reduction, self.beta)
