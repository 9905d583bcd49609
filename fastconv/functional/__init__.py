"""The operations: NumPy arrays in, new NumPy arrays out, with PyTorch's names and meanings.

Or Tensors in, Tensors out: where an argument is a ``fastconv.Tensor``, the others may be arrays or
Tensors, the result is a Tensor, and its gradient can be had (``backward``).

All functions take float16, float32 and float64 arrays of any byte order and any strides, read-only
or not. float32 and float64 are computed as such; float16 is computed in float32 and rounded at the
end. All arrays of one call have one dtype. Results are C-contiguous, unless ``out`` says otherwise,
and in the machine's byte order.

Keyword arguments that all functions have:
    out: an array to write the result into, which is then returned. It has exactly the shape and
        dtype of the result, any strides, and shares no memory with an input. Not with Tensors.
    threads: how many threads this call may use, at least 1; None is ``fastconv.get_num_threads()``.
        The result is the same to the last bit for any number.

Errors: TypeError for an argument of a wrong type or dtype (lists are not converted; where an int is
needed neither float nor bool will do), ValueError for shapes and values, MemoryError when memory
runs out. Nothing is written before the checks have passed.
"""

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
from .loss import cross_entropy
from .normalization import batch_norm, local_response_norm, log_softmax, softmax
from .pooling import avg_pool1d, avg_pool2d, lp_pool1d, lp_pool2d, max_pool1d, max_pool2d
from .resampling import fold, interpolate, pad, unfold
from .unpooling import max_unpool1d, max_unpool2d

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
    "cross_entropy",
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
