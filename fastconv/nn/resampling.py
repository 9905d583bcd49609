"""Layers that move pixels: those of ``functional`` with their numbers kept."""

from typing import Any, Literal

from fastconv import functional as F
from fastconv.functional.types import IntOrPair

from .module import Module


class Upsample(Module):
    """Images of another size: ``functional.interpolate``.

    Args:
        size, scale_factor, mode, align_corners: as there.

    Source:
        torch.nn.Upsample.

    >>> import numpy as np
    >>> Upsample(scale_factor=2)(np.array([[[1.0, 3.0]]]))
    array([[[1., 1., 3., 3.]]])
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: Literal["nearest", "nearest-exact", "linear", "bilinear"] = "nearest",
        align_corners: bool | None = None,
    ) -> None:
        super().__init__()
        if (size is None) == (scale_factor is None):
            raise ValueError(
                f"Upsample: size is {size} and scale_factor {scale_factor}, expected exactly one "
                f"of them"
            )
        self.size = size
        if isinstance(scale_factor, (tuple, list)):
            scale_factor = tuple(map(float, scale_factor))
        self.scale_factor = float(scale_factor) if isinstance(scale_factor, int) else scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def forward(self, input: Any) -> Any:
        return F.interpolate(input, self.size, self.scale_factor, self.mode, self.align_corners)

    def extra_repr(self) -> str:
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}, mode={self.mode!r}"


class Unfold(Module):
    """The windows of an image as columns: ``functional.unfold``.

    Source:
        torch.nn.Unfold.
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        dilation: IntOrPair = 1,
        padding: IntOrPair = 0,
        stride: IntOrPair = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Any:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, "
            f"stride={self.stride}"
        )


class Fold(Module):
    """Columns added back into windows: ``functional.fold``.

    Source:
        torch.nn.Fold.
    """

    def __init__(
        self,
        output_size: IntOrPair,
        kernel_size: IntOrPair,
        dilation: IntOrPair = 1,
        padding: IntOrPair = 0,
        stride: IntOrPair = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Any) -> Any:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, "
            f"dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )


class _Pad(Module):
    """A border: ``functional.pad``."""

    rank: int
    mode: Literal["constant", "reflect", "replicate"] = "constant"
    value: float = 0.0

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        count = 2 * self.rank
        self.padding = (padding,) * count if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != count:
            raise ValueError(
                f"{type(self).__name__}: padding has {len(self.padding)} values {padding!r}, "
                f"expected an int or {count}: left, right{', top, bottom' * (self.rank == 2)}"
            )

    def forward(self, input: Any) -> Any:
        value = self.value if self.mode == "constant" else None
        return F.pad(input, self.padding, self.mode, value)

    def extra_repr(self) -> str:
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A border of one value around a signal: padding int or (left, right).

    Source:
        torch.nn.ConstantPad1d.
    """

    rank = 1


class ConstantPad2d(_ConstantPad):
    """A border of one value around an image: padding int or (left, right, top, bottom).

    Source:
        torch.nn.ConstantPad2d.
    """

    rank = 2


class ZeroPad2d(_Pad):
    """A border of zeros around an image: padding int or (left, right, top, bottom).

    Source:
        torch.nn.ZeroPad2d.

    >>> import numpy as np
    >>> ZeroPad2d((1, 0, 0, 1))(np.ones((1, 1, 1, 1)))
    array([[[[0., 1.],
             [0., 0.]]]])
    """

    rank = 2


class ReflectionPad1d(_Pad):
    """The signal mirrored beyond its ends: padding int or (left, right).

    Source:
        torch.nn.ReflectionPad1d.
    """

    rank, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The image mirrored beyond its edges: padding int or (left, right, top, bottom).

    Source:
        torch.nn.ReflectionPad2d.
    """

    rank, mode = 2, "reflect"


class ReplicationPad1d(_Pad):
    """The signal's ends repeated: padding int or (left, right).

    Source:
        torch.nn.ReplicationPad1d.
    """

    rank, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The image's edges repeated: padding int or (left, right, top, bottom).

    Source:
        torch.nn.ReplicationPad2d.
    """

    rank, mode = 2, "replicate"
