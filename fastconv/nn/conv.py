"""Convolution layers, and what transposed ones share with them."""

import math
from typing import Any

import numpy as np

from fastconv import functional as F
from fastconv import prepared
from fastconv.autograd import Tensor, is_grad_enabled
from fastconv.autograd.core import State, wrap
from fastconv.functional.types import (
    IntOrOne,
    IntOrPair,
    Padding,
    Padding1d,
    PaddingMode,
)
from fastconv.geometry import choice, ends, flag, integer, pair, sides, single
from fastconv.ops.normalization import multiplied_out

from . import init
from .module import Module
from .normalization import BatchNorm2d
from .parameter import Parameter

_BORDERS = dict.fromkeys(("zeros", "reflect", "replicate", "circular"), 0)
_PADDINGS = dict.fromkeys(("valid", "same", "same_lower"), 0)
# Forms that a layer keeps prepared: more only where it is run with several layers after it.
_MOST_PREPARED = 2


def numbers(rank: int, op: str, name: str, value: Any, minimum: int) -> tuple[int, ...]:
    if rank == 1:
        return (single(op, name, value, minimum),)
    return pair(op, name, value, minimum)


def _border(rank: int, op: str, value: Any, named: bool) -> Any:
    """Padding as given, one number for each axis where it was a single one."""
    if named and isinstance(value, str):
        choice(op, "padding", value, _PADDINGS, optional=False)
        return value
    if rank == 1:
        left, right = ends(op, value, named=named)
        return (left,) if left == right else ((left, right),)
    top, bottom, left, right = sides(op, value, named=named)
    if top == bottom and left == right:
        return top, left
    return (top, bottom), (left, right)


class Convolution(Module):
    """What convolutions of one and two axes, also transposed ones, have in common."""

    rank: int
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrOne | IntOrPair,
        stride: IntOrOne | IntOrPair = 1,
        padding: Padding | Padding1d = 0,
        dilation: IntOrOne | IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: PaddingMode = "zeros",
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        op, rank = type(self).__name__, self.rank
        self.in_channels = integer(op, "in_channels", in_channels, 1)
        self.out_channels = integer(op, "out_channels", out_channels, 1)
        self.kernel_size = numbers(rank, op, "kernel_size", kernel_size, 1)
        self.stride = numbers(rank, op, "stride", stride, 1)
        self.padding = _border(rank, op, padding, named=not self.transposed)
        self.dilation = numbers(rank, op, "dilation", dilation, 1)
        self.groups = integer(op, "groups", groups, 1)
        self.padding_mode = padding_mode
        choice(op, "padding_mode", padding_mode, _BORDERS, optional=False)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(
                    f"{op}: {name} is {getattr(self, name)} and groups {self.groups}, expected a "
                    f"divisor; every group has the same number of channels"
                )
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        shape = first, second // self.groups, *self.kernel_size
        dtype = np.float32 if dtype is None else dtype
        self.weight = Parameter(np.empty(shape, dtype))
        bias = Parameter(np.empty(self.out_channels, dtype)) if flag(op, "bias", bias) else None
        self.register_parameter("bias", bias)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """New initial values: uniform from -b to b with b = 1 / √fan_in, as in PyTorch."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init.fan_in_and_fan_out(type(self).__name__, self.weight)
            init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def extra_repr(self) -> str:
        shown = [str(self.in_channels), str(self.out_channels)]
        shown += [f"kernel_size={self.kernel_size}", f"stride={self.stride}"]
        if self.padding not in ((0,), (0, 0)):
            shown.append(f"padding={self.padding}")
        if set(self.dilation) != {1}:
            shown.append(f"dilation={self.dilation}")
        if self.transposed and any(self.output_padding):
            shown.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            shown.append(f"groups={self.groups}")
        if self.bias is None:
            shown.append("bias=False")
        if self.padding_mode != "zeros":
            shown.append(f"padding_mode={self.padding_mode}")
        return ", ".join(shown)


class Conv2d(Convolution):
    """Two-dimensional convolution: ``functional.conv2d`` with a weight and bias that are learned.

    In eval mode within ``no_grad`` it keeps its weights in the engine's packed layout
    (``fastconv.Conv2d``) until they change or ``train()`` is called, which takes as much memory
    again. Changes by methods of Tensors, by optimisers and by load_state_dict are noticed; whoever
    writes into an array that shares their memory says so by ``weight.changed()``.

    Args:
        in_channels, out_channels: channels of input and result.
        kernel_size: int or (h, w).
        stride, padding, dilation, groups, padding_mode: as in ``functional.conv2d``.
        bias: whether there is one.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, in_channels, H, W) or unbatched; result: (N, out_channels, OH, OW)
        weight: (out_channels, in_channels / groups, KH, KW); bias: (out_channels,)

    Initial values:
        uniform from -b to b with b = 1 / √(in_channels / groups · KH · KW).

    Raises:
        TypeError, ValueError: as ``functional.conv2d``, here for what concerns numbers.

    Source:
        torch.nn.Conv2d.

    >>> from fastconv import Tensor
    >>> conv = Conv2d(3, 8, 3, padding=1)
    >>> conv
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> conv(Tensor(np.zeros((2, 3, 5, 5), np.float32))).shape
    (2, 8, 5, 5)
    """

    rank = 2
    # What was prepared, by the normalisation and the activation after it: the values it was made
    # of, how, and the convolution.
    _prepared: dict[tuple, tuple] | None = None

    def forward(self, input: Any) -> Tensor:
        return self.activated(input)

    def activated(self, input: Any, activation: str | None = None) -> Tensor:
        """The convolution, ended by the activation of that name."""
        if not self.training and not is_grad_enabled():
            return self.infer(input, None, None, activation)
        return F.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
            padding_mode=self.padding_mode, activation=activation,
        )  # fmt: skip

    def takes(self, norm: BatchNorm2d) -> bool:
        """Whether this normalisation of the result can be multiplied into the weights."""
        mean = norm.running_mean
        return (
            mean is not None
            and not norm.training
            and norm.num_features == self.out_channels
            and mean._array.dtype == self.weight._array.dtype
        )

    def infer(
        self, input: Any, norm: BatchNorm2d | None, residual: Any, activation: str | None
    ) -> Tensor:
        """activation(norm(convolution) + residual) with weights in the engine's packed layout.

        Args:
            norm: one that ``takes`` agrees to.
        """
        array = input._array if isinstance(input, State) else input
        if isinstance(residual, State):
            residual = residual._array
        return wrap(self._in_packed_layout(norm, activation)(array, residual=residual))

    def _in_packed_layout(
        self, norm: BatchNorm2d | None, activation: str | None
    ) -> prepared.Conv2d:
        """The convolution prepared with what weight, bias and normalisation are now."""
        how = self.stride, self.padding, self.dilation, self.groups, self.padding_mode
        values = self.weight, self.bias
        if norm is not None:
            values += norm.running_mean, norm.running_var, norm.weight, norm.bias
            how += (norm.eps,)
        key = norm, activation
        # One read: another thread may put others there at any time.
        known = self._prepared or {}
        kept = known.get(key)
        if kept is not None:
            made_of, kept_how, conv = kept
            if kept_how == how and _unchanged(values, made_of):
                return conv
        # The numbers before the values: what changes in between is noticed at the next call.
        made_of = [
            (None, None, 0) if value is None else (value._array, value._version, value._version[0])
            for value in values
        ]
        arrays = [array for array, _, _ in made_of]
        weight, bias = arrays[:2]
        if norm is not None:
            # What is wrong with its numbers: no images are none too many to be told.
            none = np.zeros((0, self.out_channels), weight.dtype)
            F.batch_norm(none, *arrays[2:], eps=norm.eps)
            weight, bias = multiplied_out(*arrays, norm.eps)
        conv = prepared.borrowing(
            weight, bias, self.stride, self.padding, self.dilation, self.groups, self.padding_mode,
            activation,
        )  # fmt: skip
        others = [item for item in known.items() if item[0] != key]
        now = dict(others[-(_MOST_PREPARED - 1) :])
        now[key] = made_of, how, conv
        object.__setattr__(self, "_prepared", now)
        return conv

    def train(self, mode: bool = True) -> "Conv2d":
        """As ``Module.train``; in train mode without the packed weights."""
        super().train(mode)
        if mode:
            self.__dict__.pop("_prepared", None)
        return self

    def __getstate__(self) -> dict[str, Any]:
        values = super().__getstate__()
        values.pop("_prepared", None)
        return values


def _unchanged(values: tuple, made_of: list) -> bool:
    """Whether Tensors have the memory, at the version, that something was made of."""
    for value, (array, version, number) in zip(values, made_of, strict=True):
        if value is None:
            if array is not None:
                return False
        elif array is not value._array or version is not value._version or number != version[0]:
            return False
    return True


class Conv1d(Convolution):
    """One-dimensional convolution: ``functional.conv1d`` with a learned weight and bias.

    Args:
        as for ``Conv2d``; kernel_size, stride and dilation are int or (n,), padding as in
        ``functional.conv1d``.

    Shapes:
        input: (N, in_channels, L) or unbatched; result: (N, out_channels, OL)
        weight: (out_channels, in_channels / groups, KL); bias: (out_channels,)

    Source:
        torch.nn.Conv1d.

    >>> Conv1d(4, 8, 3, stride=2).weight.shape
    (8, 4, 3)
    """

    rank = 1

    def forward(self, input: Any) -> Tensor:
        return F.conv1d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups,
            padding_mode=self.padding_mode,
        )  # fmt: skip
