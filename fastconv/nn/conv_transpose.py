"""Transposed convolution layers."""

from typing import Any

from fastconv import functional as F
from fastconv.autograd import Tensor
from fastconv.functional.types import FourSides, IntOrOne, IntOrPair, PaddingMode, TwoEnds

from .conv import Convolution, numbers


class _Transposed(Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrOne | IntOrPair,
        stride: IntOrOne | IntOrPair = 1,
        padding: TwoEnds | FourSides = 0,
        output_padding: IntOrOne | IntOrPair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: IntOrOne | IntOrPair = 1,
        padding_mode: PaddingMode = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        op = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{op}: padding_mode is {padding_mode!r}, expected 'zeros'")
        self.output_padding = numbers(self.rank, op, "output_padding", output_padding, 0)
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, dtype=dtype,
        )  # fmt: skip

    def _missing_rows(self, input: Any, output_size: Any) -> tuple[int, ...]:
        """The output_padding with which the result has the size that is asked for."""
        if output_size is None:
            return self.output_padding
        op, rank = type(self).__name__, self.rank
        wanted = tuple(output_size)
        if len(wanted) in (rank + 1, rank + 2):
            wanted = wanted[-rank:]
        if len(wanted) != rank:
            raise ValueError(
                f"{op}: output_size is {tuple(output_size)}, expected {rank} sizes, or the whole "
                f"shape"
            )
        missing = []
        for i, size in enumerate(input.shape[-rank:]):
            cut = self.padding[i]
            cut = sum(cut) if isinstance(cut, tuple) else 2 * cut
            least = (size - 1) * self.stride[i] - cut
            least += self.dilation[i] * (self.kernel_size[i] - 1) + 1
            if not least <= wanted[i] < least + self.stride[i]:
                raise ValueError(
                    f"{op}: output_size is {wanted}, expected {least} to "
                    f"{least + self.stride[i] - 1} on axis {i} for an input of {size}"
                )
            missing.append(wanted[i] - least)
        return tuple(missing)


class ConvTranspose2d(_Transposed):
    """Transposed convolution: ``functional.conv_transpose2d`` with a learned weight and bias.

    Args:
        in_channels, out_channels: channels of input and result.
        kernel_size: int or (h, w).
        stride, padding, output_padding, groups, dilation: as in ``functional.conv_transpose2d``.
        bias: whether there is one.
        padding_mode: 'zeros' alone, as in PyTorch.
        dtype: float32, which None is, or float64.

    Call: ``layer(input, output_size=None)``: output_size, (H, W) or the result's shape, chooses
    between the sizes that a convolution with this stride takes to the input's.

    Shapes:
        input: (N, in_channels, H, W) or unbatched; result: (N, out_channels, OH, OW)
        weight: (in_channels, out_channels / groups, KH, KW); bias: (out_channels,)

    Source:
        torch.nn.ConvTranspose2d.

    >>> import numpy as np
    >>> from fastconv import Tensor
    >>> up = ConvTranspose2d(2, 1, 3, stride=2, padding=1)
    >>> x = Tensor(np.zeros((1, 2, 4, 4), np.float32))
    >>> up(x).shape, up(x, output_size=(8, 8)).shape
    ((1, 1, 7, 7), (1, 1, 8, 8))
    """

    rank = 2

    def forward(self, input: Any, output_size: Any = None) -> Tensor:
        return F.conv_transpose2d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._missing_rows(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_Transposed):
    """One-dimensional transposed convolution: ``functional.conv_transpose1d``.

    Args, Call:
        as for ``ConvTranspose2d`` with one axis.

    Source:
        torch.nn.ConvTranspose1d.

    >>> ConvTranspose1d(4, 2, 3, stride=2)
    ConvTranspose1d(4, 2, kernel_size=(3,), stride=(2,))
    """

    rank = 1

    def forward(self, input: Any, output_size: Any = None) -> Tensor:
        return F.conv_transpose1d(
            input, self.weight, self.bias, self.stride, self.padding,
            self._missing_rows(input, output_size), self.groups, self.dilation,
        )  # fmt: skip
