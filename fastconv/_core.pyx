# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, auto_pickle=False
"""The boundary between Python and the C engine.

Each operation here takes arguments that ops has brought into plain C types, checks what can only
be checked on the arrays, fills the C descriptor, looks its plan up, allocates the result and makes
one C call without the GIL.

A call that the checks refuse returns None instead of raising: acceptance takes a few comparisons,
whereas saying precisely what is wrong takes code that would stand in the way here. ops then asks
diagnosis, which goes through the same rules at leisure and raises.

Nothing is written, to `out` or elsewhere, before every check has passed.
"""

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from fastconv.fastconv_h cimport *

import sys
from os import environ
from time import perf_counter_ns

import numpy as np
from numpy import errstate

cnp.import_array()

include "_core_arrays.pxi"
include "_core_tuning.pxi"
include "_core_plans.pxi"
include "_core_runtime.pxi"

ALGORITHM_CODES = {
    "direct": FC_ALGO_DIRECT,
    "1x1": FC_ALGO_1X1,
    "pointwise": FC_ALGO_POINTWISE,
    "im2col": FC_ALGO_IM2COL,
    "depthwise": FC_ALGO_DEPTHWISE,
    "planar": FC_ALGO_PLANAR,
    "linear": FC_ALGO_LINEAR,
    "winograd_f2": FC_ALGO_WINOGRAD_F2,
    "winograd_f4": FC_ALGO_WINOGRAD_F4,
    "winograd_f6": FC_ALGO_WINOGRAD_F6,
}
PRECISION_CODES = {
    "strict": FC_PRECISION_STRICT,
    "default": FC_PRECISION_DEFAULT,
    "fast": FC_PRECISION_FAST,
}
PRECISION_IN_FORCE = IN_FORCE
ACTIVATION_CODES = {
    "relu": FC_ACT_RELU,
    "relu6": FC_ACT_RELU6,
    "sigmoid": FC_ACT_SIGMOID,
    "tanh": FC_ACT_TANH,
    "silu": FC_ACT_SILU,
    "hardsigmoid": FC_ACT_HARDSIGMOID,
    "hardswish": FC_ACT_HARDSWISH,
    "gelu": FC_ACT_GELU,
    "gelu_tanh": FC_ACT_GELU_TANH,
}
PARAMETERISED_CODES = {
    "leaky_relu": FC_ACT_LEAKY_RELU,
    "elu": FC_ACT_ELU,
    "softplus": FC_ACT_SOFTPLUS,
}
BORDER_CODES = {
    "zeros": FC_BORDER_ZEROS,
    "reflect": FC_BORDER_REFLECT,
    "replicate": FC_BORDER_REPLICATE,
    "circular": FC_BORDER_CIRCULAR,
}
NORM = FC_CHANNELWISE_NORM
PRELU = FC_CHANNELWISE_PRELU
BATCH_NORM = FC_CHANNEL_BATCH_NORM
BATCH_NORM_GRADIENT = FC_CHANNEL_BATCH_NORM_GRADIENT
NORM_GRADIENT = FC_CHANNEL_NORM_GRADIENT
PRELU_GRADIENT = FC_CHANNEL_PRELU_GRADIENT
REDUCTION_CODES = {
    "none": FC_REDUCTION_NONE,
    "sum": FC_REDUCTION_SUM,
    "mean": FC_REDUCTION_MEAN,
}
INTERPOLATION_CODES = {
    "nearest": FC_INTERPOLATE_NEAREST,
    "nearest-exact": FC_INTERPOLATE_NEAREST_EXACT,
    "bilinear": FC_INTERPOLATE_BILINEAR,
    "corners": FC_INTERPOLATE_BILINEAR_CORNERS,
}
MAX_PAD_RANK = FC_PAD_RANK
ARENA = FC_PLACE_ARENA
ARGUMENT = FC_PLACE_ARGUMENT
WORKER = FC_PLACE_WORKER
SGD = FC_OPTIMIZER_SGD
ADAM = FC_OPTIMIZER_ADAM
RMSPROP = FC_OPTIMIZER_RMSPROP
POOL_MAX = FC_POOL_MAX
POOL_AVG = FC_POOL_AVG
POOL_LP = FC_POOL_LP

initialize()


def overlap(cnp.ndarray a not None, cnp.ndarray b not None):
    """Whether two arrays share an element."""
    return overlapping(a, b)


cdef inline int64_t effective_stride(
    int64_t stride, int64_t padded, int64_t kernel, int64_t dilation
) noexcept:
    """From some size on every stride means the same, a single window: from that of the padded input
    or, because of ceil mode, of the window if that is larger. Both fit int64_t by now."""
    cdef int64_t span = dilation * (kernel - 1) + 1
    cdef int64_t most = padded if padded > span else span
    return stride if stride < most else most


cdef inline int64_t effective_dilation(int64_t dilation, int64_t kernel) noexcept:
    """A single tap has no distance to the next: a dilated 1x1 is the plan of a plain one."""
    return 1 if kernel == 1 else dilation


include "_core_convolution.pxi"
include "_core_convolution_gradients.pxi"
include "_core_prepared.pxi"
include "_core_pooling.pxi"
include "_core_pooling_gradients.pxi"
include "_core_linear.pxi"
include "_core_elementwise.pxi"
include "_core_normalization.pxi"
include "_core_gradients.pxi"
include "_core_resampling.pxi"
include "_core_resampling_gradients.pxi"
include "_core_optimizers.pxi"
include "_core_packed.pxi"
include "_core_program.pxi"
include "_core_program_steps.pxi"
include "_core_program_builder.pxi"
