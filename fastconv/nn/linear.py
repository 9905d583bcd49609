"""Linear layers, and layers that only change the shape."""

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv.autograd import Tensor
from fastconv.geometry import flag, integer

from . import init
from .module import Module
from .parameter import Parameter


class Linear(Module):
    """Linear (fully connected) layer: ``functional.linear`` with a learned weight and bias.

    Args:
        in_features, out_features: sizes of the last axis of input and result.
        bias: whether there is one.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (..., in_features); result: (..., out_features)
        weight: (out_features, in_features); bias: (out_features,)

    Initial values:
        uniform from -b to b with b = 1 / √in_features.

    Source:
        torch.nn.Linear.

    >>> from fastconv import Tensor
    >>> Linear(20, 30)(Tensor(np.zeros((128, 20), np.float32))).shape
    (128, 30)
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = integer("Linear", "in_features", in_features, 1)
        self.out_features = integer("Linear", "out_features", out_features, 1)
        dtype = np.float32 if dtype is None else dtype
        self.weight = Parameter(np.empty((self.out_features, self.in_features), dtype))
        bias = flag("Linear", "bias", bias)
        self.register_parameter(
            "bias", Parameter(np.empty(self.out_features, dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """New initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features)
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Identity(Module):
    """Its input, whatever arguments it was made with: for a place where nothing is to happen.

    Source:
        torch.nn.Identity.

    >>> Identity(54, unused=True)(3)
    3
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """The axes from start_dim to end_dim as one.

    Source:
        torch.nn.Flatten.

    >>> Flatten()(Tensor(np.zeros((2, 3, 4)))).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        if isinstance(input, np.ndarray):
            return Tensor(input).flatten(self.start_dim, self.end_dim).numpy()
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several.

    Args:
        dim: the axis.
        unflattened_size: their sizes, of which one may be -1.

    Source:
        torch.nn.Unflatten.

    >>> Unflatten(1, (3, -1))(Tensor(np.zeros((2, 12)))).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...]) -> None:
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise TypeError(
                f"Unflatten: unflattened_size must be a tuple of ints, not "
                f"{type(unflattened_size).__name__}"
            )
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: Any) -> Any:
        shape = input.shape
        if not -len(shape) <= self.dim < len(shape):
            raise ValueError(
                f"Unflatten: dim is {self.dim}, but the input has shape {shape}; give one of its "
                f"axes"
            )
        dim = self.dim % len(shape)
        sizes = self.unflattened_size
        if -1 not in sizes and math.prod(sizes) != shape[dim]:
            raise ValueError(
                f"Unflatten: unflattened_size is {sizes}, expected sizes whose product is "
                f"{shape[dim]}"
            )
        return input.reshape(*shape[:dim], *sizes, *shape[dim + 1 :])

    def extra_repr(self) -> str:
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
