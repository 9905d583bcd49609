"""Why an operation refused its arguments.

_core accepts or refuses in a few comparisons; these functions run after a refusal, go through the
same rules one by one, and raise for the first that is broken. Each message names the operation and
the argument, says what was given and what was expected, and how to mend it.
"""

from .arrays import images, unexplained
from .convolution import (
    convolution,
    convolution_arrays,
    convolution_weights,
    linear,
    transposed_convolution,
)
from .convolution_gradients import (
    channel_axis,
    convolution_gradient,
    gradient_arrays,
    gradient_out,
    linear_gradient,
    transposed_gradient,
)
from .elementwise import prelu, unary
from .gradients import (
    batch_norm_refused,
    batch_norm_training,
    classification,
    gradient_of_same_shape,
    local_response_norm_gradient,
    loss_gradient,
    norm_gradient,
    prelu_gradient,
    softmax_gradient,
)
from .normalization import batch_norm, local_response_norm, softmax
from .optimizers import gradients, optimizer_step
from .pooling import adaptive_pool, global_pool2d, pool, unpool, unpooled_size
from .pooling_gradients import (
    adaptive_gradient,
    gradient_by_indices,
    interpolate_gradient,
    pad_gradient,
    pad_gradient_sides,
    pool_gradient,
    resized_by,
)
from .resampling import fold, interpolate, pad, pad_sides, resized, unfold

__all__ = [
    "adaptive_gradient",
    "adaptive_pool",
    "batch_norm",
    "batch_norm_refused",
    "batch_norm_training",
    "channel_axis",
    "classification",
    "convolution",
    "convolution_arrays",
    "convolution_gradient",
    "convolution_weights",
    "fold",
    "global_pool2d",
    "gradient_arrays",
    "gradient_by_indices",
    "gradient_of_same_shape",
    "gradient_out",
    "gradients",
    "images",
    "interpolate",
    "interpolate_gradient",
    "linear",
    "linear_gradient",
    "local_response_norm",
    "local_response_norm_gradient",
    "loss_gradient",
    "norm_gradient",
    "optimizer_step",
    "pad",
    "pad_gradient",
    "pad_gradient_sides",
    "pad_sides",
    "pool",
    "pool_gradient",
    "prelu",
    "prelu_gradient",
    "resized",
    "resized_by",
    "softmax",
    "softmax_gradient",
    "transposed_convolution",
    "transposed_gradient",
    "unary",
    "unexplained",
    "unfold",
    "unpool",
    "unpooled_size",
]
