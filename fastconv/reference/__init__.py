"""Naive float64 mirror of every fastconv operation: the oracle that the engine is tested against.

Each function here has the name, the arguments (but for ``out``, ``threads`` and ``algorithm``) and
the meaning of its namesake in ``fastconv.functional``, and raises the same kind of exception for
the same bad input. It takes float16, float32 and float64 arrays of any byte order and strides,
computes in float64, and returns float64 (``max_pool2d``'s indices: int64).

The code is written to be seen to be right, not to be fast: a loop over the kernel's taps, and
whole arrays inside it. It imports NumPy and nothing of the engine, so that an error in the one is
not an error in the other. It is never a fallback.

>>> import numpy as np
>>> from fastconv import reference
>>> image = np.arange(16.0, dtype=np.float32).reshape(1, 1, 4, 4)
>>> reference.max_pool2d(image, 2)
array([[[[ 5.,  7.],
         [13., 15.]]]])
"""

from .conv import conv1d, conv2d, convolve2d
from .conv_transpose import conv_transpose1d, conv_transpose2d
from .elementwise import (
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from .linear import linear
from .normalization import batch_norm, local_response_norm, log_softmax, softmax
from .pool import avg_pool2d, global_avg_pool2d, global_max_pool2d, max_pool2d
from .pool_variants import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    lp_pool1d,
    lp_pool2d,
    max_pool1d,
    max_unpool1d,
    max_unpool2d,
)
from .resampling import fold, interpolate, pad, unfold

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "convolve2d",
    "elu",
    "fold",
    "gelu",
    "global_avg_pool2d",
    "global_max_pool2d",
    "hardsigmoid",
    "hardswish",
    "interpolate",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "lp_pool1d",
    "lp_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_unpool1d",
    "max_unpool2d",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
]
