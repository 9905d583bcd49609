"""Types that several operations' arguments have."""

from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np

    from fastconv.autograd import Tensor

# Arrays give arrays; where a Tensor is among the arguments the result is one.
Values = TypeVar("Values", bound="np.ndarray | Tensor")
IntOrPair: TypeAlias = int | tuple[int, int]
Padding: TypeAlias = (
    int
    | tuple[int, int]
    | tuple[tuple[int, int], tuple[int, int]]
    | Literal["valid", "same", "same_lower"]
)
Activation: TypeAlias = Literal[
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "silu",
    "hardsigmoid",
    "hardswish",
    "gelu",
    "gelu_tanh",
]
Algorithm: TypeAlias = Literal[
    "direct",
    "1x1",
    "pointwise",
    "im2col",
    "depthwise",
    "planar",
    "linear",
    "winograd_f2",
    "winograd_f4",
    "winograd_f6",
]
Precision: TypeAlias = Literal["strict", "default", "fast"]
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
IntOrOne: TypeAlias = int | tuple[int]
Padding1d: TypeAlias = (
    int | tuple[int] | tuple[tuple[int, int]] | Literal["valid", "same", "same_lower"]
)
FourSides: TypeAlias = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
TwoEnds: TypeAlias = int | tuple[int] | tuple[tuple[int, int]]
