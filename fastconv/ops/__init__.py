"""The operations on plain arrays: arguments into C types, and one call down.

A plain int takes the short way; everything else goes through geometry.py. Whether the arrays fit is
decided in _core, which answers None when they do not, and then diagnosis says why.

Every operation takes a last argument that users do not see: a ``_core.Probe``, filled with what the
call would do (explain).
"""

from .convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    convolve2d,
    linear,
)
from .convolution_gradients import (
    conv1d_input_gradient,
    conv1d_weight_gradient,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    convolve2d_input_gradient,
    convolve2d_weight_gradient,
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
from .linear_gradients import bias_gradient, linear_input_gradient, linear_weight_gradient
from .normalization import batch_norm, local_response_norm, log_softmax, softmax
from .pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    avg_pool1d,
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    lp_pool1d,
    lp_pool2d,
    max_pool1d,
    max_pool2d,
    max_unpool1d,
    max_unpool2d,
)
from .resampling import fold, interpolate, pad, unfold
from .transposed_gradients import (
    conv_transpose1d_input_gradient,
    conv_transpose1d_weight_gradient,
    conv_transpose2d_input_gradient,
    conv_transpose2d_weight_gradient,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
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
    "linear_input_gradient",
    "linear_weight_gradient",
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
