"""Why an operation refused its arguments.

_core accepts or refuses in a few comparisons; these functions run after a refusal, go through the
same rules one by one, and raise for the first that is broken. Each message names the operation and
the argument, says what was given and what was expected, and how to mend it.
"""

from .arrays import images
from .convolution import convolution, convolution_arrays, linear, transposed_convolution
from .elementwise import prelu, unary
from .normalization import batch_norm, local_response_norm, softmax
from .pooling import adaptive_pool, global_pool2d, pool, unpool, unpooled_size

__all__ = [
    "adaptive_pool",
    "batch_norm",
    "convolution",
    "convolution_arrays",
    "global_pool2d",
    "images",
    "linear",
    "local_response_norm",
    "pool",
    "prelu",
    "softmax",
    "transposed_convolution",
    "unary",
    "unpool",
    "unpooled_size",
]
