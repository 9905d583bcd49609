"""LeNet-5, the network that read cheques.

    layer   what                                    result (N, …)       parameters
    input   digits of 28 × 28, padded by 2           1 × 32 × 32
    C1      convolution 5 × 5                        6 × 28 × 28                156
    S2      pooling 2 × 2                            6 × 14 × 14
    C3      convolution 5 × 5                       16 × 10 × 10              2,416
    S4      pooling 2 × 2                           16 × 5 × 5
    C5      fully connected, as a 5 × 5 convolution      120                 48,120
    F6      fully connected                               84                 10,164
    output  fully connected                               10                    850
                                                                            61,706

Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proceedings of the IEEE 86 (1998), section II and table I. As is usual today, pooling
has no parameters of its own, F6 is followed by the plain activation (the paper's is 1.7159 ·
tanh(2x/3)), and the output is a linear layer whose softmax is trained by cross-entropy, not
distances to drawn characters.
"""

from typing import Any, Literal

import numpy as np

from fastconv import functional as F
from fastconv import nn
from fastconv.autograd import Tensor

__all__ = ["S2_TO_C3", "LeNet5", "prepare_digits"]

# Table I of the paper: row s has a 1 where the map c of C3 sees the map s of S2. Fewer connections
# were less work, and made the maps learn different things.
S2_TO_C3 = np.array(
    [
        [1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1],
        [1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1],
        [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 1],
        [0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 0, 1, 1],
        [0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1],
        [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 1, 1],
    ]
)

# The paper's grey levels: their mean is about 0 and their variance about 1.
_BACKGROUND, _INK = -0.1, 1.175
_PADDING = 2


class LeNet5(nn.Module):
    """LeNet-5 for images of one channel, 32 × 32; 61,706 parameters for ten classes.

    Args:
        classes: how many.
        activation: 'tanh', as in the paper, or 'relu'.
        pooling: 'average', as in the paper, or 'max'.
        connections: 'dense', every map of C3 sees all of S2; or 'table', those of the paper alone
            (``S2_TO_C3``): 1,516 parameters of C3 are learned instead of 2,416, and the weights of
            the others stay 0.
        dtype: float32, which None is, or float64.

    Shapes:
        input: (N, 1, 32, 32); result: (N, classes), logits.

    >>> LeNet5()(Tensor(np.zeros((2, 1, 32, 32), np.float32))).shape
    (2, 10)
    >>> sum(p.numel() for p in LeNet5().parameters())
    61706
    """

    def __init__(
        self,
        classes: int = 10,
        activation: Literal["tanh", "relu"] = "tanh",
        pooling: Literal["average", "max"] = "average",
        connections: Literal["dense", "table"] = "dense",
        dtype: Any = None,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("activation", activation, ("tanh", "relu")),
            ("pooling", pooling, ("average", "max")),
            ("connections", connections, ("dense", "table")),
        ):
            if value not in known:
                raise ValueError(f"LeNet5: {name} is {value!r}, expected {' or '.join(known)}")
        squash = nn.Tanh if activation == "tanh" else nn.ReLU
        pool = nn.AvgPool2d if pooling == "average" else nn.MaxPool2d
        self.c1 = nn.Conv2d(1, 6, 5, dtype=dtype)
        self.act1 = squash()
        self.s2 = pool(2)
        if connections == "table":
            self.c3 = _TableConv2d(S2_TO_C3, 5, dtype=dtype)
        else:
            self.c3 = nn.Conv2d(6, 16, 5, dtype=dtype)
        self.act3 = squash()
        self.s4 = pool(2)
        self.c5 = nn.Linear(16 * 5 * 5, 120, dtype=dtype)
        self.act5 = squash()
        self.f6 = nn.Linear(120, 84, dtype=dtype)
        self.act6 = squash()
        self.output = nn.Linear(84, classes, dtype=dtype)

    def forward(self, x: Any) -> Tensor:
        x = nn.chain(x, self.c1, self.act1, self.s2)
        x = nn.chain(x, self.c3, self.act3, self.s4)
        x = self.act5(self.c5(x.flatten(1)))
        return self.output(self.act6(self.f6(x)))


class _TableConv2d(nn.Conv2d):
    """A convolution some of whose connections do not exist: their weights are 0 and stay so."""

    def __init__(self, table: np.ndarray, kernel_size: int, dtype: Any = None) -> None:
        super().__init__(*table.shape, kernel_size, dtype=dtype)
        mask = table.T[:, :, np.newaxis, np.newaxis].astype(self.weight.dtype)
        # Not saved: it is the same in each.
        self.register_buffer("connected", mask, persistent=False)
        # The range of nn.Conv2d's initial values, for as many connections as each map has.
        maps = table.sum(axis=0)
        wider = np.sqrt(table.shape[0] / maps).astype(mask.dtype)
        self.weight.detach().mul_(mask * wider[:, np.newaxis, np.newaxis, np.newaxis])
        self.bias.detach().mul_(wider)

    def forward(self, input: Any) -> Tensor:
        # The product lets no gradient through to what is not connected.
        return F.conv2d(input, self.weight * self.connected, self.bias)


def prepare_digits(images: np.ndarray) -> np.ndarray:
    """Digits as LeNet-5 takes them.

    Formula:
        padded with 2 pixels of background on each side; 0 becomes -0.1, 255 becomes 1.175

    Args:
        images: (N, 28, 28) or (N, 1, 28, 28) uint8, ink bright on 0.

    Returns:
        (N, 1, 32, 32) float32.

    Raises:
        TypeError, ValueError: images are not that.

    Source:
        the paper that the module names, section III.A.

    >>> prepare_digits(np.zeros((1, 28, 28), np.uint8))[0, 0, 0, :2]
    array([-0.1, -0.1], dtype=float32)
    """
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        got = getattr(images, "dtype", type(images).__name__)
        raise TypeError(f"prepare_digits: images must be an array of uint8, not {got}")
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.shape[1:] != (28, 28):
        raise ValueError(
            f"prepare_digits: images have shape {images.shape}, expected (N, 28, 28); scale others "
            f"to that size first"
        )
    padded = np.pad(images, ((0, 0), (_PADDING,) * 2, (_PADDING,) * 2))
    levels = np.linspace(_BACKGROUND, _INK, 256, dtype=np.float32)
    return levels[padded][:, np.newaxis]
