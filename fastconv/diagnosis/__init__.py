"""Why an operation refused its arguments.

_core accepts or refuses in a few comparisons; these functions run after a refusal, go through the
same rules one by one, and raise for the first that is broken. Each message names the operation and
the argument, says what was given and what was expected, and how to mend it.
"""

from .convolution import convolution, convolution_arrays, linear, transposed_convolution
from .elementwise import unary
from .normalization import softmax
from .pooling import global_pool2d, pool2d

__all__ = [
    "convolution",
    "convolution_arrays",
    "global_pool2d",
    "linear",
    "pool2d",
    "softmax",
    "transposed_convolution",
    "unary",
]
