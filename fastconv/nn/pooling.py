"""Pooling layers: those of ``functional`` with their numbers kept. They have no parameters."""

from typing import Any

from fastconv import functional as F
from fastconv.functional.types import IntOrOne, IntOrPair

from .module import Module


class _Windows(Module):
    """Pooling by windows; the numbers are checked where they are used."""

    def __init__(self, kernel_size, stride, padding=0, ceil_mode=False):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode


def _shown(rank: int, value: Any) -> Any:
    """An int for each axis as a tuple, where PyTorch shows one."""
    return (value,) * rank if isinstance(value, int) else value


class _MaxPool(_Windows):
    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        dilation: IntOrPair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.dilation = dilation
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool2d(_MaxPool):
    """Largest value in each window: ``functional.max_pool2d``, but that return_indices comes before
    ceil_mode.

    Source:
        torch.nn.MaxPool2d.

    >>> import numpy as np
    >>> MaxPool2d(2)(np.array([[[1.0, 5.0], [7.0, 3.0]]]))
    array([[[7.]]])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class MaxPool1d(_MaxPool):
    """Largest value in each window of a signal: ``functional.max_pool1d``.

    Source:
        torch.nn.MaxPool1d.

    >>> import numpy as np
    >>> MaxPool1d(2)(np.array([[1.0, 5.0, 7.0, 3.0]]))
    array([[5., 7.]])
    """

    def forward(self, input: Any) -> Any:
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class AvgPool2d(_Windows):
    """Average of each window: ``functional.avg_pool2d``.

    Source:
        torch.nn.AvgPool2d.

    >>> import numpy as np
    >>> AvgPool2d(2)(np.array([[[1.0, 5.0], [7.0, 3.0]]]))
    array([[[4.]]])
    """

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode)
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_Windows):
    """Average of each window of a signal: ``functional.avg_pool1d``.

    Source:
        torch.nn.AvgPool1d.

    >>> import numpy as np
    >>> AvgPool1d(2)(np.array([[1.0, 5.0, 7.0, 3.0]]))
    array([[3., 5.]])
    """

    def __init__(
        self,
        kernel_size: IntOrOne,
        stride: IntOrOne | None = None,
        padding: IntOrOne = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(_shown(1, kernel_size), _shown(1, stride), _shown(1, padding), ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Any:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _LPPool(_Windows):
    def __init__(
        self,
        norm_type: float,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, 0, ceil_mode)
        self.stride = stride
        self.norm_type = norm_type

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool2d(_LPPool):
    """p-norm of each window, without absolute values: ``functional.lp_pool2d``.

    Source:
        torch.nn.LPPool2d.

    >>> import numpy as np
    >>> LPPool2d(2, (1, 2))(np.array([[[3.0, 4.0]]]))
    array([[[5.]]])
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool2d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPool):
    """p-norm of each window of a signal: ``functional.lp_pool1d``.

    Source:
        torch.nn.LPPool1d.

    >>> import numpy as np
    >>> LPPool1d(2, 2)(np.array([[3.0, 4.0]]))
    array([[5.]])
    """

    def forward(self, input: Any) -> Any:
        return F.lp_pool1d(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)


class _Adaptive(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool2d(_Adaptive):
    """Average of windows for a result of a given size: ``functional.adaptive_avg_pool2d``.

    Source:
        torch.nn.AdaptiveAvgPool2d.

    >>> import numpy as np
    >>> AdaptiveAvgPool2d(1)(np.array([[[1.0, 5.0], [7.0, 3.0]]]))
    array([[[4.]]])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """The same for signals: ``functional.adaptive_avg_pool1d``.

    Source:
        torch.nn.AdaptiveAvgPool1d.

    >>> import numpy as np
    >>> AdaptiveAvgPool1d(1)(np.array([[1.0, 5.0]]))
    array([[3.]])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_avg_pool1d(input, self.output_size)


class _AdaptiveMax(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Largest value in windows for a result of a given size: ``functional.adaptive_max_pool2d``.

    Source:
        torch.nn.AdaptiveMaxPool2d.

    >>> import numpy as np
    >>> AdaptiveMaxPool2d(1)(np.array([[[1.0, 5.0], [7.0, 3.0]]]))
    array([[[7.]]])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMax):
    """The same for signals: ``functional.adaptive_max_pool1d``.

    Source:
        torch.nn.AdaptiveMaxPool1d.

    >>> import numpy as np
    >>> AdaptiveMaxPool1d(1)(np.array([[1.0, 5.0]]))
    array([[5.]])
    """

    def forward(self, input: Any) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class _MaxUnpool(_Windows):
    rank: int

    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: IntOrPair = 0,
    ) -> None:
        rank = self.rank
        super().__init__(_shown(rank, kernel_size), _shown(rank, stride), _shown(rank, padding))

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool2d(_MaxUnpool):
    """Maxima back to where they were found: ``functional.max_unpool2d``.

    Call: ``layer(input, indices, output_size=None)``.

    Source:
        torch.nn.MaxUnpool2d.

    >>> import numpy as np
    >>> pooled = MaxPool2d(2, return_indices=True)(np.array([[[1.0, 5.0], [7.0, 3.0]]]))
    >>> MaxUnpool2d(2)(*pooled)
    array([[[0., 0.],
            [7., 0.]]])
    """

    rank = 2

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool1d(_MaxUnpool):
    """The same for signals: ``functional.max_unpool1d``.

    Source:
        torch.nn.MaxUnpool1d.

    >>> import numpy as np
    >>> MaxUnpool1d(2)(*MaxPool1d(2, return_indices=True)(np.array([[1.0, 5.0]])))
    array([[0., 5.]])
    """

    rank = 1

    def forward(self, input: Any, indices: Any, output_size: Any = None) -> Any:
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )
