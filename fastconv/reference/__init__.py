"""Naive float64 mirror of every fastconv operation: the oracle that the engine is tested against.

Each function here has the name, the arguments (but for ``out``, ``threads`` and ``algorithm``) and
the meaning of its namesake in ``fastconv.functional``, and raises the same kind of exception for
the same bad input. It takes float16, float32 and float64 arrays of any byte order and strides,
computes in float64, and returns float64 (``max_pool2d``'s indices: int64). The gradients have the
names, arguments and meanings of those in ``fastconv.ops``, and so have the steps of optimisers, but
that they return what the engine changes.

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
from .convolution_gradients import (
    bias_gradient,
    conv1d_input_gradient,
    conv1d_weight_gradient,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    convolve2d_input_gradient,
    convolve2d_weight_gradient,
    linear_input_gradient,
    linear_weight_gradient,
)
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
from .elementwise_gradients import (
    activation_gradient,
    prelu_gradient,
)
from .linear import linear
from .losses import (
    cross_entropy,
    cross_entropy_gradient,
)
from .normalization import batch_norm, local_response_norm, log_softmax, softmax
from .normalization_gradients import (
    batch_norm_gradient,
    batch_norm_inference_gradient,
    batch_norm_train,
    local_response_norm_gradient,
    log_softmax_gradient,
    softmax_gradient,
)
from .optimizers import adam_step, rmsprop_step, sgd_step
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
from .pooling_gradients import (
    adaptive_avg_pool1d_gradient,
    adaptive_avg_pool2d_gradient,
    avg_pool1d_gradient,
    avg_pool2d_gradient,
    global_avg_pool2d_gradient,
    lp_pool1d_gradient,
    lp_pool2d_gradient,
    max_pool1d_gradient,
    max_pool2d_gradient,
    max_unpool1d_gradient,
    max_unpool2d_gradient,
)
from .resampling import fold, interpolate, pad, unfold
from .resampling_gradients import (
    fold_gradient,
    interpolate_gradient,
    pad_gradient,
    unfold_gradient,
)
from .transposed_gradients import (
    conv_transpose1d_input_gradient,
    conv_transpose1d_weight_gradient,
    conv_transpose2d_input_gradient,
    conv_transpose2d_weight_gradient,
)

__all__ = [
    "activation_gradient",
    "adam_step",
    "adaptive_avg_pool1d",
    "adaptive_avg_pool1d_gradient",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool2d_gradient",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool1d_gradient",
    "avg_pool2d",
    "avg_pool2d_gradient",
    "batch_norm",
    "batch_norm_gradient",
    "batch_norm_inference_gradient",
    "batch_norm_train",
    "bias_gradient",
    "conv1d",
    "conv1d_input_gradient",
    "conv1d_weight_gradient",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "conv_transpose1d",
    "conv_transpose1d_input_gradient",
    "conv_transpose1d_weight_gradient",
    "conv_transpose2d",
    "conv_transpose2d_input_gradient",
    "conv_transpose2d_weight_gradient",
    "convolve2d",
    "convolve2d_input_gradient",
    "convolve2d_weight_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "elu",
    "fold",
    "fold_gradient",
    "gelu",
    "global_avg_pool2d",
    "global_avg_pool2d_gradient",
    "global_max_pool2d",
    "hardsigmoid",
    "hardswish",
    "interpolate",
    "interpolate_gradient",
    "leaky_relu",
    "linear",
    "linear_input_gradient",
    "linear_weight_gradient",
    "local_response_norm",
    "local_response_norm_gradient",
    "log_softmax",
    "log_softmax_gradient",
    "lp_pool1d",
    "lp_pool1d_gradient",
    "lp_pool2d",
    "lp_pool2d_gradient",
    "max_pool1d",
    "max_pool1d_gradient",
    "max_pool2d",
    "max_pool2d_gradient",
    "max_unpool1d",
    "max_unpool1d_gradient",
    "max_unpool2d",
    "max_unpool2d_gradient",
    "pad",
    "pad_gradient",
    "prelu",
    "prelu_gradient",
    "relu",
    "relu6",
    "rmsprop_step",
    "sgd_step",
    "sigmoid",
    "silu",
    "softmax",
    "softmax_gradient",
    "softplus",
    "tanh",
    "unfold",
    "unfold_gradient",
]
