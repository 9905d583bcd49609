"""Activations as layers: those of ``functional``.

Where PyTorch has ``inplace``, it is taken, and shown, and changes nothing: the result is always
new, and the input stays what it is.
"""

from typing import Any, Literal

import numpy as np

from fastconv import functional as F
from fastconv.geometry import integer

from .init import constant_
from .module import Module
from .parameter import Parameter


class _Plain(Module):
    """Without numbers."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class ReLU(_Plain):
    """max(input, 0): ``functional.relu``.

    Source:
        torch.nn.ReLU.

    >>> ReLU()(np.array([-2.0, 0.5]))
    array([0. , 0.5])
    """

    def forward(self, input: Any) -> Any:
        return F.relu(input)


class ReLU6(_Plain):
    """min(max(input, 0), 6): ``functional.relu6``.

    Source:
        torch.nn.ReLU6.
    """

    def forward(self, input: Any) -> Any:
        return F.relu6(input)


class SiLU(_Plain):
    """Sigmoid linear unit (swish): ``functional.silu``.

    Source:
        torch.nn.SiLU.
    """

    def forward(self, input: Any) -> Any:
        return F.silu(input)


class Hardsigmoid(_Plain):
    """Sigmoid by straight lines: ``functional.hardsigmoid``.

    Source:
        torch.nn.Hardsigmoid.
    """

    def forward(self, input: Any) -> Any:
        return F.hardsigmoid(input)


class Hardswish(_Plain):
    """Swish with the hard sigmoid: ``functional.hardswish``.

    Source:
        torch.nn.Hardswish.
    """

    def forward(self, input: Any) -> Any:
        return F.hardswish(input)


class Sigmoid(Module):
    """1 / (1 + exp(-input)): ``functional.sigmoid``.

    Source:
        torch.nn.Sigmoid.
    """

    def forward(self, input: Any) -> Any:
        return F.sigmoid(input)


class Tanh(Module):
    """Hyperbolic tangent: ``functional.tanh``.

    Source:
        torch.nn.Tanh.
    """

    def forward(self, input: Any) -> Any:
        return F.tanh(input)


class GELU(Module):
    """Gaussian error linear unit: ``functional.gelu``.

    Args:
        approximate: 'none' or 'tanh'.

    Source:
        torch.nn.GELU.
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class LeakyReLU(Module):
    """input where that is positive, else negative_slope · input: ``functional.leaky_relu``.

    Source:
        torch.nn.LeakyReLU.

    >>> LeakyReLU(0.25)(np.array([-2.0, 3.0]))
    array([-0.5,  3. ])
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """input where that is positive, else alpha · (exp(input) - 1): ``functional.elu``.

    Source:
        torch.nn.ELU.
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        return F.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class Softplus(Module):
    """log(1 + exp(beta · input)) / beta: ``functional.softplus``.

    Source:
        torch.nn.Softplus.
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Any) -> Any:
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class PReLU(Module):
    """input where that is positive, else a learned slope times input: ``functional.prelu``.

    Args:
        num_parameters: one slope for all channels, or as many as there are channels.
        init: the slopes' initial value.
        dtype: float32, which None is, or float64.

    Source:
        torch.nn.PReLU.

    >>> PReLU(2).weight.tolist()
    [0.25, 0.25]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = integer("PReLU", "num_parameters", num_parameters, 1)
        self.init = init
        dtype = np.float32 if dtype is None else dtype
        self.weight = Parameter(np.full(self.num_parameters, init, dtype))

    def reset_parameters(self) -> None:
        """The initial value again."""
        constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class _AlongAxis(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def _axis(self, input: Any) -> int:
        if self.dim is not None:
            return self.dim
        # PyTorch's choice, which it warns of: a single line's own axis, else that of the channels.
        return 0 if input.ndim in (0, 1, 3) else 1

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(_AlongAxis):
    """Softmax along one axis: ``functional.softmax``.

    Args:
        dim: the axis; None is 0 for one and three axes, and 1 otherwise.

    Source:
        torch.nn.Softmax.
    """

    def forward(self, input: Any) -> Any:
        return F.softmax(input, self._axis(input))


class LogSoftmax(_AlongAxis):
    """Logarithm of softmax along one axis: ``functional.log_softmax``; arguments as ``Softmax``.

    Source:
        torch.nn.LogSoftmax.
    """

    def forward(self, input: Any) -> Any:
        return F.log_softmax(input, self._axis(input))
