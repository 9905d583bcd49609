"""Normalisation layers."""

from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.autograd import Tensor
from fastconv.geometry import flag, integer

from . import init
from .module import Module
from .parameter import Parameter


class _BatchNorm(Module):
    ranks: tuple[int, ...]
    expected: str
    _optional_state = ("num_batches_tracked",)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        op = type(self).__name__
        self.num_features = integer(op, "num_features", num_features, 1)
        self.eps = eps
        self.momentum = momentum
        self.affine = flag(op, "affine", affine)
        self.track_running_stats = flag(op, "track_running_stats", track_running_stats)
        dtype = np.float32 if dtype is None else dtype
        size = self.num_features
        flag(op, "bias", bias)
        self.register_parameter("weight", Parameter(np.ones(size, dtype)) if affine else None)
        self.register_parameter(
            "bias", Parameter(np.zeros(size, dtype)) if affine and bias else None
        )
        mean = var = count = None
        if track_running_stats:
            mean, var = Tensor(np.zeros(size, dtype)), Tensor(np.ones(size, dtype))
            count = Tensor(np.array(0, np.int64))
        self.register_buffer("running_mean", mean)
        self.register_buffer("running_var", var)
        self.register_buffer("num_batches_tracked", count)

    def reset_running_stats(self) -> None:
        """Mean 0 and variance 1, of no batches."""
        if self.running_mean is not None:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Initial values: statistics of no batches, weight 1, bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        return self.activated(input)

    def activated(self, input: Any, activation: str | None = None) -> Any:
        """The normalisation, ended by the activation of that name."""
        if input.ndim not in self.ranks:
            raise ValueError(
                f"{type(self).__name__}: input has shape {input.shape}, expected {self.expected}"
            )
        mean, var, batch, momentum = self.running_mean, self.running_var, False, 0.0
        counted = self.training and self.track_running_stats and mean is not None
        if self.training or mean is None:
            batch = True
            if counted:
                momentum = self.momentum
                if momentum is None:  # the mean of all batches, each the same weight
                    momentum = 1 / (self.num_batches_tracked.item() + 1)
            else:
                mean = var = None
        result = F.batch_norm(
            input, mean, var, self.weight, self.bias, batch, momentum, self.eps,
            activation=activation,
        )  # fmt: skip
        if counted:
            count = self.num_batches_tracked
            count._array[()] += 1
            count.changed()
        return result

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images: ``functional.batch_norm`` with all that it learns.

    While training each channel is normalised by the mean and variance of the batch, and the running
    estimates move towards them: running = (1 - momentum) · running + momentum · batch, with the
    unbiased variance. In eval mode the running estimates are what it is normalised by.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: how much a batch weighs in the running estimates; None for the mean of all
            batches so far.
        affine: whether there is a weight and, if bias says so, a bias for each channel.
        track_running_stats: whether there are running estimates; without them the batch's own
            statistics are used in eval mode, too.
        dtype: float32, which None is, or float64.

    Shapes:
        input, result: (N, num_features, H, W)

    Raises:
        ValueError: input has another rank; while training, a channel has one element only.

    Source:
        S. Ioffe, C. Szegedy, arXiv:1502.03167; torch.nn.BatchNorm2d.

    >>> bn = BatchNorm2d(2, momentum=None)
    >>> _ = bn(Tensor(np.full((1, 2, 2, 1), 3.0, np.float32)))
    >>> bn.running_mean, bn.num_batches_tracked
    (tensor([3., 3.]), tensor(1))
    """

    ranks = (4,)
    expected = "four axes (N, C, H, W)"


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of signals or of features; arguments as ``BatchNorm2d``.

    Shapes:
        input, result: (N, num_features) or (N, num_features, L)

    Source:
        S. Ioffe, C. Szegedy, arXiv:1502.03167; torch.nn.BatchNorm1d.

    >>> BatchNorm1d(2).eval()(Tensor([[1.0, 2.0]])).shape
    (1, 2)
    """

    ranks = (2, 3)
    expected = "two or three axes (N, C) or (N, C, L)"


class LocalResponseNorm(Module):
    """Normalisation across neighbouring channels: ``functional.local_response_norm``.

    Source:
        A. Krizhevsky, I. Sutskever, G. Hinton, NIPS 2012; torch.nn.LocalResponseNorm.

    >>> LocalResponseNorm(5)
    LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = integer("LocalResponseNorm", "size", size, 1)
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Any) -> Any:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
