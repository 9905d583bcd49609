"""What several networks are made of: widths, initial values, a convolution with batch norm."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastconv import nn
from fastconv.autograd import Tensor

__all__ = ["ConvNormReLU", "he", "initialise", "scaled", "small", "small_uniform"]

Filled = Callable[[Tensor], Any]

# K. He et al., arXiv:1502.01852: normal, of variance 2 / fan_out.
he: Filled = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
# Normal of deviation 0.01, as most papers up to 2014 have it; and uniform of the same deviation,
# which is drawn in a third of the time: of large linear layers that is seconds.
small: Filled = partial(nn.init.normal_, std=0.01)
small_uniform: Filled = partial(nn.init.uniform_, a=-0.01 * 3**0.5, b=0.01 * 3**0.5)


def scaled(channels: float, width: float, multiple: int = 1) -> int:
    """channels · width, rounded to a multiple of a number; at least that.

    >>> scaled(64, 0.25), scaled(96, 0.01, 2)
    (16, 2)
    """
    return max(multiple, round(channels * width / multiple) * multiple)


def initialise(network: nn.Module, conv: Filled, linear: Filled | None = None) -> None:
    """Fill the weights of a network that was made within ``nn.init.skip()``; biases become 0.

    Args:
        conv, linear: fill the weights of convolutions and of linear layers; None leaves linear
            layers as ``nn.Linear`` makes them.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear) and linear is None:
            layer.reset_parameters()
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            (conv if isinstance(layer, nn.Conv2d) else linear)(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class ConvNormReLU(nn.Module):
    """Convolution, batch normalisation and ReLU; without the second, a convolution with biases.

    Args:
        **how: stride and padding, as for ``nn.Conv2d``.

    >>> ConvNormReLU(3, 8, 3, padding=1)
    ConvNormReLU(
      (conv): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
      (bn): BatchNorm2d(8, eps=0.001, momentum=0.1, affine=True, bias=True, \
track_running_stats=True)
      (relu): ReLU()
    )
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: Any, batch_norm: bool = True, **how: Any
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, bias=not batch_norm, **how)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001) if batch_norm else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: Any) -> Tensor:
        return nn.chain(x, self.conv, self.bn, self.relu)
