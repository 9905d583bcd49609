"""Initial values of parameters: functions that fill a Tensor in place, and return it.

They draw from the generator of ``fastconv.random`` (``fastconv.manual_seed``), or from a
numpy.random.Generator that is given, and record nothing. Names and meanings are those of
torch.nn.init; the numbers drawn are NumPy's.

>>> import numpy as np
>>> from fastconv import Tensor, nn
>>> nn.init.ones_(Tensor(np.empty((2, 2))))
tensor([[1., 1.],
        [1., 1.]], dtype=float64)
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Literal

import numpy as np

from fastconv import random
from fastconv.autograd import Tensor, no_grad

Generator = np.random.Generator
_FANS = ("fan_in", "fan_out")
_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "sigmoid",
)
# Numbers that are drawn at a time: they stay in the cache, and large layers need no memory beside.
_BLOCK = 1 << 15
_skipping: ContextVar[bool] = ContextVar("skipping", default=False)


@contextlib.contextmanager
def skip() -> Iterator[None]:
    """Within it the functions of this module, and so the constructors of layers, leave Tensors as
    they are: memory that nothing was written to, for whoever fills or loads all of it next.

    It holds for the current context (``contextvars``). Large networks are made in no time, and no
    random numbers are drawn.

    >>> from fastconv import nn
    >>> with skip():
    ...     layer = nn.Linear(25088, 4096)
    >>> zeros_(layer.bias)[0].item()
    0.0
    """
    token = _skipping.set(True)
    try:
        # What is in the memory may be converted to another dtype, as Module.to does.
        with np.errstate(invalid="ignore", over="ignore"):
            yield
    finally:
        _skipping.reset(token)


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights have to be larger so that what follows keeps the variance.

    1 for 'linear', convolutions and 'sigmoid'; 5/3 for 'tanh'; √2 for 'relu'; √(2 / (1 + param²))
    for 'leaky_relu' of slope param, which is 0.01 if None; 3/4 for 'selu'.

    Raises:
        ValueError: another nonlinearity.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in _LINEAR:
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise TypeError(
                f"calculate_gain: param must be a number, not {type(slope).__name__} {slope!r}"
            )
        return math.sqrt(2 / (1 + slope**2))
    gains = {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75}
    if nonlinearity not in gains:
        known = ", ".join(map(repr, (*_LINEAR, *gains, "leaky_relu")))
        raise ValueError(
            f"calculate_gain: nonlinearity is {nonlinearity!r}, expected one of {known}"
        )
    return gains[nonlinearity]


# ---- constants


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with val."""
    return _put("constant_", tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _put("zeros_", tensor, 0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _put("ones_", tensor, 1)


def eye_(tensor: Tensor) -> Tensor:
    """The identity, as far as a matrix that need not be square can be one."""
    _require(tensor, "eye_")
    if tensor.ndim != 2:
        raise ValueError(f"eye_: tensor has shape {tensor.shape}, expected two axes")
    return _put("eye_", tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's weight that leaves its input as it is, as far as there are channels: 1 in the
    kernel's middle where the channel of the result is that of the input, in each group, else 0.

    Source:
        torch.nn.init.dirac_.
    """
    _require(tensor, "dirac_")
    shape = tensor.shape
    if len(shape) not in (3, 4, 5):
        raise ValueError(f"dirac_: tensor has shape {shape}, expected that of a convolution")
    if groups < 1 or shape[0] % groups:
        raise ValueError(
            f"dirac_: groups is {groups}, expected a divisor of the {shape[0]} channels of the "
            f"result"
        )
    values = np.zeros(shape)
    middle = tuple([size // 2 for size in shape[2:]])
    per_group = shape[0] // groups
    for group in range(groups):
        for i in range(min(per_group, shape[1])):
            values[(group * per_group + i, i, *middle)] = 1
    return _put("dirac_", tensor, values)


# ---- distributions


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with uniformly distributed numbers from a up to b."""
    return _draw("uniform_", tensor, _generator(generator).random, b - a, a)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normally distributed numbers."""
    return _draw("normal_", tensor, _generator(generator).standard_normal, std, mean)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normally distributed numbers, of which those outside of a … b are drawn again.

    a and b are bounds of the values, as in PyTorch, and no multiples of std.

    Raises:
        ValueError: there is next to nothing of the distribution between a and b.
    """
    _require(tensor, "trunc_normal_")
    low, high = ((bound - mean) / (std * math.sqrt(2)) for bound in (a, b))
    share = (math.erf(high) - math.erf(low)) / 2
    if not share > 1e-3:
        raise ValueError(
            f"trunc_normal_: {share:.1e} of the values lie between a={a} and b={b}; give bounds "
            f"around mean={mean} that are not far from it in terms of std={std}"
        )
    if _skipping.get():
        return tensor
    drawing = _generator(generator)
    dtype = _draw_dtype(tensor)
    values = drawing.standard_normal(tensor.shape, dtype) * std + mean
    while (outside := (values < a) | (values > b)).any():
        count = np.count_nonzero(outside)
        values[outside] = drawing.standard_normal(count, dtype) * std + mean
    return _put("trunc_normal_", tensor, values)


# ---- by the sizes of a layer


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform from -b to b with b = gain · √(6 / (fan_in + fan_out)).

    Source:
        X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural
        networks", AISTATS 2010.
    """
    bound = gain * math.sqrt(6 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal of mean 0 and standard deviation gain · √(2 / (fan_in + fan_out))."""
    std = gain * math.sqrt(2 / sum(_fans("xavier_normal_", tensor)))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: Literal["fan_in", "fan_out"] = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform from -b to b with b = gain · √(3 / fan).

    Args:
        a: slope of 'leaky_relu'.
        mode: 'fan_in' (inputs that each output is a sum of) or 'fan_out' (outputs that each input
            goes into).
        nonlinearity: what follows, as for ``calculate_gain``.

    Source:
        K. He et al., "Delving Deep into Rectifiers", arXiv:1502.01852.
    """
    std = _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity)
    bound = math.sqrt(3) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: Literal["fan_in", "fan_out"] = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal of mean 0 and standard deviation gain / √fan; arguments as ``kaiming_uniform_``."""
    std = _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows or columns, whichever are fewer, times gain; axes after
    the first count as columns.

    Source:
        A. Saxe, J. McClelland, S. Ganguli, arXiv:1312.6120.
    """
    _require(tensor, "orthogonal_")
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_: tensor has shape {tensor.shape}, expected two axes or more")
    if tensor.numel() == 0 or _skipping.get():
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    draw = _generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(draw)
    # QR alone favours some signs; with these every rotation is as likely.
    q *= np.where(np.diagonal(r) < 0, -1, 1)
    return _put("orthogonal_", tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def fan_in_and_fan_out(op: str, tensor: Tensor) -> tuple[int, int]:
    """Of a layer with this weight: how many inputs make up an output, and the other way round."""
    if tensor.ndim < 2:
        raise ValueError(
            f"{op}: tensor has shape {tensor.shape}, expected that of a weight, with two axes or "
            f"more"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _fans(op: str, tensor: Tensor) -> tuple[int, int]:
    _require(tensor, op)
    fans = fan_in_and_fan_out(op, tensor)
    if not all(fans):
        raise ValueError(f"{op}: tensor has shape {tensor.shape}, expected one without a size of 0")
    return fans


def _kaiming(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in _FANS:
        raise ValueError(f"{op}: mode is {mode!r}, expected 'fan_in' or 'fan_out'")
    fan = _fans(op, tensor)[_FANS.index(mode)]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def _generator(generator: Generator | None) -> Generator:
    return random.generator() if generator is None else generator


def _draw_dtype(tensor: Tensor) -> type:
    return np.float64 if tensor.dtype == np.float64 else np.float32


def _require(tensor: Tensor, op: str) -> None:
    if not isinstance(tensor, Tensor) or tensor.dtype.kind != "f":
        what = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
        raise TypeError(f"{op}: tensor must be a Tensor of floats, not {what}")


def _draw(
    op: str, tensor: Tensor, draw: Callable[..., np.ndarray], scale: float, shift: float
) -> Tensor:
    """Fill with drawn numbers times scale plus shift."""
    _require(tensor, op)
    if _skipping.get():
        return tensor
    array, dtype = tensor._array, _draw_dtype(tensor)
    if not array.flags.c_contiguous:
        return _put(op, tensor, draw(array.shape, dtype) * scale + shift)
    flat = array.reshape(-1)
    for begin in range(0, flat.size, _BLOCK):
        block = flat[begin : begin + _BLOCK]
        block[:] = draw(block.size, dtype) * scale + shift
    return tensor.changed()


def _put(op: str, tensor: Tensor, values: object) -> Tensor:
    _require(tensor, op)
    if _skipping.get():
        return tensor
    with no_grad():
        return tensor.copy_(values)
