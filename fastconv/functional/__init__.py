"""The operations: NumPy arrays in, new NumPy arrays out, with PyTorch's names and meanings.

Or Tensors in, Tensors out: where an argument is a ``fastconv.Tensor``, the others may be arrays or
Tensors, the result is a Tensor, and its gradient can be had (``backward``).

All functions take float16, float32 and float64 arrays of any byte order and any strides, read-only
or not. float32 and float64 are computed as such; float16 is computed in float32 and rounded at the
end. All arrays of one call have one dtype. Results are C-contiguous, unless ``out`` says otherwise,
and in the machine's byte order.

Keyword arguments that all functions have, but for dropout and most losses:
    out: an array to write the result into, which is then returned. It has exactly the shape and
        dtype of the result, any strides, and shares no memory with an input. Not with Tensors.
    threads: how many threads this call may use, at least 1; None is ``fastconv.get_num_threads()``.
        The result is the same to the last bit for any number.

Errors: TypeError for an argument of a wrong type or dtype (lists are not converted; where an int is
needed neither float nor bool will do), ValueError for shapes and values, MemoryError when memory
runs out. Nothing is written before the checks have passed.
"""

from typing import TYPE_CHECKING

from fastconv.lazy import lazily

from .activation import (
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
from .adaptive_pooling import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
)
from .convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    convolve2d,
    linear,
)
from .loss import cross_entropy, nll_loss
from .normalization import batch_norm, local_response_norm, log_softmax, softmax
from .pooling import avg_pool1d, avg_pool2d, lp_pool1d, lp_pool2d, max_pool1d, max_pool2d
from .resampling import fold, interpolate, pad, unfold
from .unpooling import max_unpool1d, max_unpool2d

if TYPE_CHECKING:
    from .elementwise_loss import (
        binary_cross_entropy,
        binary_cross_entropy_with_logits,
        l1_loss,
        mse_loss,
        smooth_l1_loss,
    )
    from .regularization import dropout, dropout2d

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "convolve2d",
    "cross_entropy",
    "dropout",
    "dropout2d",
    "elu",
    "fold",
    "gelu",
    "global_avg_pool2d",
    "global_max_pool2d",
    "hardsigmoid",
    "hardswish",
    "interpolate",
    "l1_loss",
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
    "mse_loss",
    "nll_loss",
    "pad",
    "prelu",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
    "unfold",
]

# What only training needs is imported when it is first asked for.
_TRAINING = {
    "binary_cross_entropy": "elementwise_loss",
    "binary_cross_entropy_with_logits": "elementwise_loss",
    "dropout": "regularization",
    "dropout2d": "regularization",
    "l1_loss": "elementwise_loss",
    "mse_loss": "elementwise_loss",
    "smooth_l1_loss": "elementwise_loss",
}

__getattr__, __dir__ = lazily(__name__, _TRAINING)
