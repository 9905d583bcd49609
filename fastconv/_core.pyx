# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False, auto_pickle=False
"""The boundary between Python and the C engine.

Each operation here takes arguments that ops.py has brought into plain C types, checks what can only
be checked on the arrays, fills the C descriptor, looks its plan up, allocates the result and makes
one C call without the GIL.

A call that the checks refuse returns None instead of raising: acceptance takes a few comparisons,
whereas saying precisely what is wrong takes code that would stand in the way here. ops.py then asks
diagnosis.py, which goes through the same rules at leisure and raises.

Nothing is written, to `out` or elsewhere, before every check has passed.
"""

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memset

from fastconv.fastconv_h cimport *

import sys
from os import environ
from time import perf_counter_ns

import numpy as np
from numpy import errstate

cnp.import_array()

include "_core_arrays.pxi"
include "_core_plans.pxi"
include "_core_runtime.pxi"

ALGORITHM_CODES = {
    "direct": FC_ALGO_DIRECT,
    "1x1": FC_ALGO_1X1,
    "im2col": FC_ALGO_IM2COL,
    "depthwise": FC_ALGO_DEPTHWISE,
}
ACTIVATION_CODES = {
    "relu": FC_ACT_RELU,
    "relu6": FC_ACT_RELU6,
    "sigmoid": FC_ACT_SIGMOID,
    "tanh": FC_ACT_TANH,
}
POOL_MAX = FC_POOL_MAX
POOL_AVG = FC_POOL_AVG

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


def conv2d(
    object input, object weight, object bias, object residual, object out,
    int64_t stride_h, int64_t stride_w,
    int64_t top, int64_t bottom, int64_t left, int64_t right,
    int64_t dilation_h, int64_t dilation_w, int64_t groups,
    int activation, int algorithm, int threads, Probe probe,
):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, batched
    cdef cnp.ndarray x, w, result
    cdef cnp.ndarray b = None
    cdef cnp.ndarray r = None
    cdef cnp.npy_intp *kernel
    cdef cnp.npy_intp dims[4]
    cdef Images src, dst
    cdef int64_t channels, size, copied = 0
    cdef fc_conv2d_desc desc
    cdef fc_args args
    cdef bint empty, direct_out = False

    # ---- acceptance
    if kind < 0 or float_kind(weight) != kind:
        return None
    x = <cnp.ndarray>input
    w = <cnp.ndarray>weight
    ndim = cnp.PyArray_NDIM(x)
    if ndim != 3 and ndim != 4 or cnp.PyArray_NDIM(w) != 4:
        return None
    batched = ndim - 3
    if has_zero(x, batched) or has_zero(w, 0):
        return None
    if (stride_h < 1 or stride_w < 1 or dilation_h < 1 or dilation_w < 1 or groups < 1
            or top < 0 or bottom < 0 or left < 0 or right < 0 or threads < 1):
        return None
    kernel = cnp.PyArray_DIMS(w)
    channels = cnp.PyArray_DIMS(x)[batched]
    if channels % groups != 0 or channels // groups != kernel[1] or kernel[0] % groups != 0:
        return None
    dims[0] = cnp.PyArray_DIMS(x)[0]
    dims[batched] = kernel[0]
    dims[batched + 1] = window_count(
        cnp.PyArray_DIMS(x)[batched + 1], top, bottom, kernel[2], stride_h, dilation_h, 0)
    dims[batched + 2] = window_count(
        cnp.PyArray_DIMS(x)[batched + 2], left, right, kernel[3], stride_w, dilation_w, 0)
    if dims[batched + 1] < 1 or dims[batched + 2] < 1:
        return None
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if bias is not None:
        if float_kind(bias) != kind:
            return None
        b = <cnp.ndarray>bias
        if not same_dims(b, 1, kernel):
            return None
    if residual is not None:
        if float_kind(residual) != kind:
            return None
        r = <cnp.ndarray>residual
        if not same_dims(r, ndim, dims):
            return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, w, b, r):
        return None

    # ---- plan
    x = images("conv2d", x, kind, False, &src, &copied)
    w = dense("conv2d", w, kind, &copied)
    if b is not None:
        b = dense("conv2d", b, kind, &copied)
    if r is not None:
        r = dense("conv2d", r, kind, &copied)
    empty = src.size[0] == 0
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.direction = FC_FORWARD
    desc.src_layout = desc.dst_layout = FC_LAYOUT_STRIDED
    desc.algorithm = algorithm
    desc.activation = activation
    desc.has_bias = b is not None
    desc.has_residual = r is not None
    desc.n = 1 if empty else src.size[0]
    desc.ic = channels
    desc.ih = src.size[2]
    desc.iw = src.size[3]
    desc.oc = kernel[0]
    desc.kh = kernel[2]
    desc.kw = kernel[3]
    desc.pad_top = top
    desc.pad_bottom = bottom
    desc.pad_left = left
    desc.pad_right = right
    desc.stride_h = effective_stride(
        stride_h, desc.ih + desc.pad_top + desc.pad_bottom, desc.kh, dilation_h)
    desc.stride_w = effective_stride(
        stride_w, desc.iw + desc.pad_left + desc.pad_right, desc.kw, dilation_w)
    desc.dilation_h = effective_dilation(dilation_h, desc.kh)
    desc.dilation_w = effective_dilation(dilation_w, desc.kw)
    desc.groups = groups
    desc.src_stride = src.stride
    if out is not None:
        direct_out = writable_images(<cnp.ndarray>out, kind, &dst)
    if direct_out:
        desc.dst_stride = dst.stride
    else:
        desc.dst_stride[3] = 1
        desc.dst_stride[2] = dims[batched + 2]
        desc.dst_stride[1] = desc.dst_stride[2] * dims[batched + 1]
        desc.dst_stride[0] = desc.dst_stride[1] * kernel[0]
    plan = _conv2d_plans.get("conv2d", &desc, sizeof(desc))
    check_shape("conv2d", plan, desc.n, kernel[0], dims[batched + 1], dims[batched + 2])
    if probe is not None and probe.describe("conv2d", plan, threads, copied, empty):
        return probe

    # ---- execution
    result = <cnp.ndarray>out if direct_out else new_array("conv2d", ndim, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.weights = cnp.PyArray_DATA(w)
        if b is not None:
            args.bias = cnp.PyArray_DATA(b)
        if r is not None:
            args.residual = cnp.PyArray_DATA(r)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run("conv2d", plan, &args)
            return probe
        execute("conv2d", plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish("conv2d", result, out, kind)


def pool2d(
    str op, int pool_kind, object input, object out, bint whole_plane,
    int64_t kernel_h, int64_t kernel_w, int64_t stride_h, int64_t stride_w,
    int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w,
    bint ceil_mode, bint count_include_pad, int64_t divisor, bint with_indices,
    int threads, Probe probe,
):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, result
    cdef cnp.ndarray indices = None
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[4]
    cdef Images src
    cdef int64_t size, copied = 0
    cdef fc_pool2d_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    if ndim != 3 and ndim != 4 or has_zero(x, ndim - 3):
        return None
    shape = cnp.PyArray_DIMS(x)
    if whole_plane:
        kernel_h = stride_h = shape[ndim - 2]
        kernel_w = stride_w = shape[ndim - 1]
    if (kernel_h < 1 or kernel_w < 1 or stride_h < 1 or stride_w < 1 or dilation_h < 1
            or dilation_w < 1 or pad_h < 0 or pad_w < 0 or threads < 1):
        return None
    if pad_h > kernel_h // 2 or pad_w > kernel_w // 2:
        return None
    for axis in range(ndim - 2):
        dims[axis] = shape[axis]
    dims[ndim - 2] = pooled_size(
        shape[ndim - 2], kernel_h, stride_h, pad_h, dilation_h, ceil_mode)
    dims[ndim - 1] = pooled_size(
        shape[ndim - 1], kernel_w, stride_w, pad_w, dilation_w, ceil_mode)
    if dims[ndim - 2] < 1 or dims[ndim - 1] < 1:
        return None
    # The indices are int64.
    size = array_bytes(ndim, <const Py_ssize_t *>dims,
                       8 if work == cnp.NPY_DOUBLE or with_indices else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, None, None, None):
        return None

    # ---- plan
    x = images(op, x, kind, True, &src, &copied)
    empty = src.size[0] == 0
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.direction = FC_FORWARD
    desc.src_layout = desc.dst_layout = FC_LAYOUT_STRIDED
    desc.kind = pool_kind
    desc.ceil_mode = ceil_mode
    desc.count_include_pad = count_include_pad
    desc.with_indices = with_indices
    desc.n = 1 if empty else src.size[0]
    desc.c = src.size[1]
    desc.ih = src.size[2]
    desc.iw = src.size[3]
    desc.kh = kernel_h
    desc.kw = kernel_w
    desc.pad_top = desc.pad_bottom = pad_h
    desc.pad_left = desc.pad_right = pad_w
    desc.stride_h = effective_stride(
        stride_h, desc.ih + desc.pad_top + desc.pad_bottom, desc.kh, dilation_h)
    desc.stride_w = effective_stride(
        stride_w, desc.iw + desc.pad_left + desc.pad_right, desc.kw, dilation_w)
    desc.dilation_h = effective_dilation(dilation_h, desc.kh)
    desc.dilation_w = effective_dilation(dilation_w, desc.kw)
    desc.divisor_override = divisor
    desc.src_stride = src.stride
    plan = _pool2d_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, desc.c, dims[ndim - 2], dims[ndim - 1])
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    if with_indices:
        indices = new_array(op, ndim, dims, cnp.NPY_INT64, size)
        if work != cnp.NPY_DOUBLE:
            size //= 2
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, ndim, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if with_indices:
            args.indices = <int64_t *>cnp.PyArray_DATA(indices)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    delivered = finish(op, result, out, kind)
    return (delivered, indices) if with_indices else delivered


cdef inline int64_t pooled_size(
    int64_t size, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, bint ceil_mode
) noexcept:
    """Windows along one axis, PyTorch's rule; below 1 when there is none or it does not fit."""
    cdef int64_t count = window_count(
        size, pad, pad, kernel, stride, dilation, stride - 1 if ceil_mode else 0)
    # The last window of ceil mode must start inside the input or the padding before it:
    # (count - 1) * stride < size + pad, written so that it cannot overflow.
    if ceil_mode and count > 1 and (count - 1) > (size + pad - 1) // stride:
        count -= 1
    return count


def linear(
    object input, object weight, object bias, object out, int activation, int threads, Probe probe
):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, w, result
    cdef cnp.ndarray b = None
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp *features
    cdef cnp.npy_intp dims[MAX_DIMS]
    cdef int64_t size, row_stride, rows = 1, copied = 0
    cdef fc_linear_desc desc
    cdef fc_args args

    # ---- acceptance
    if kind < 0 or float_kind(weight) != kind or threads < 1:
        return None
    x = <cnp.ndarray>input
    w = <cnp.ndarray>weight
    ndim = cnp.PyArray_NDIM(x)
    if ndim < 1 or cnp.PyArray_NDIM(w) != 2 or has_zero(w, 0):
        return None
    shape = cnp.PyArray_DIMS(x)
    features = cnp.PyArray_DIMS(w)
    if shape[ndim - 1] != features[1]:
        return None
    for axis in range(ndim - 1):
        dims[axis] = shape[axis]
        rows *= shape[axis]
    dims[ndim - 1] = features[0]
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if bias is not None:
        if float_kind(bias) != kind:
            return None
        b = <cnp.ndarray>bias
        if not same_dims(b, 1, features):
            return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, w, b, None):
        return None

    # ---- plan
    row_stride = row_stride_of(x, kind)
    if row_stride < 0:
        x = converted("linear", x, kind, &copied)
        row_stride = features[1]
    w = dense("linear", w, kind, &copied)
    if b is not None:
        b = dense("linear", b, kind, &copied)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.activation = activation
    desc.has_bias = b is not None
    desc.rows = 1 if rows == 0 else rows
    desc.in_features = features[1]
    desc.out_features = features[0]
    desc.src_row_stride = row_stride
    plan = _linear_plans.get("linear", &desc, sizeof(desc))
    check_shape("linear", plan, desc.rows, features[0], 1, 1)
    if probe is not None and probe.describe("linear", plan, threads, copied, rows == 0):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array("linear", ndim, dims, work, size)
    if rows != 0:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.weights = cnp.PyArray_DATA(w)
        if b is not None:
            args.bias = cnp.PyArray_DATA(b)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run("linear", plan, &args)
            return probe
        execute("linear", plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish("linear", result, out, kind)


cdef int64_t row_stride_of(cnp.ndarray a, int kind) noexcept:
    """Elements from row to row when (..., in) can be read as rows at even distances, else -1.

    The rows' features must be contiguous, and the leading axes must run through the rows in order.
    Rows that overlap or run backwards are left to a copy.
    """
    cdef int last = cnp.PyArray_NDIM(a) - 1, axis
    cdef cnp.npy_intp *dims = cnp.PyArray_DIMS(a)
    cdef cnp.npy_intp *strides = cnp.PyArray_STRIDES(a)
    cdef int64_t item = cnp.PyArray_ITEMSIZE(a), step = -1, expected = 0
    if not is_native(a, kind):
        return -1
    if dims[last] > 1 and strides[last] != item:
        return -1
    for axis in range(last - 1, -1, -1):
        if dims[axis] == 1:
            continue
        if step < 0:
            step = strides[axis]
            if step < dims[last] * item or step % item != 0:
                return -1
        elif strides[axis] != expected:
            return -1
        expected = strides[axis] * dims[axis]
    return dims[last] if step < 0 else step // item


def unary(str op, int activation, object input, object out, int threads, Probe probe):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim
    cdef cnp.ndarray x, result
    cdef int64_t count, size, copied = 0
    cdef fc_unary_desc desc
    cdef fc_args args

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    if out is not None and not usable_out(
            out, ndim, cnp.PyArray_DIMS(x), kind, x, None, None, None):
        return None

    # ---- plan
    count = cnp.PyArray_SIZE(x)
    size = count * (8 if work == cnp.NPY_DOUBLE else 4)
    x = dense(op, x, kind, &copied)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.activation = activation
    desc.count = 1 if count == 0 else count
    plan = _unary_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, count == 0):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    elif x is not input:
        result = x  # the copy is ours to overwrite
    else:
        result = new_array(op, ndim, cnp.PyArray_DIMS(x), work, size)
    if count != 0:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


def softmax(object input, int64_t dim, object out, int threads, Probe probe):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp *dims
    cdef int64_t count, size, outer = 1, inner = 1, copied = 0
    cdef fc_softmax_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    dims = cnp.PyArray_DIMS(x)
    if dim < -ndim or dim >= ndim:
        return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, None, None, None):
        return None

    # ---- plan
    if dim < 0:
        dim += ndim
    for axis in range(ndim):
        if axis < dim:
            outer *= dims[axis]
        elif axis > dim:
            inner *= dims[axis]
    count = cnp.PyArray_SIZE(x)
    empty = count == 0
    size = count * (8 if work == cnp.NPY_DOUBLE else 4)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.outer = 1 if empty else outer
    desc.length = 1 if empty else dims[dim]
    desc.inner = 1 if empty else inner
    x = dense("softmax", x, kind, &copied)
    plan = _softmax_plans.get("softmax", &desc, sizeof(desc))
    if probe is not None and probe.describe("softmax", plan, threads, copied, empty):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array("softmax", ndim, cnp.PyArray_DIMS(x), work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run("softmax", plan, &args)
            return probe
        execute("softmax", plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish("softmax", result, out, kind)
