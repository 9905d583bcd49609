# Pooling. Included by _core.pyx.


def pool2d(
    str op, int pool_kind, object input, object out, bint whole_plane, bint adaptive,
    int64_t kernel_h, int64_t kernel_w, int64_t stride_h, int64_t stride_w,
    int64_t pad_h, int64_t pad_w, int64_t dilation_h, int64_t dilation_w,
    bint ceil_mode, bint count_include_pad, int64_t divisor, double norm, bint with_indices,
    int threads, Probe probe,
):
    """`adaptive`: kernel is the size of the result, and all that follows it up to ceil_mode 1."""
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
    if adaptive:
        dims[ndim - 2] = kernel_h
        dims[ndim - 1] = kernel_w
    else:
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
    # Norms want columns side by side, maxima and averages them or channels; positions of maxima are
    # looked for in any order.
    x = images(op, x, kind, False, &src, &copied)
    if src.stride[3] != 1 and not with_indices and (src.stride[1] != 1 or norm != 0):
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
    desc.norm = norm
    if adaptive:
        desc.adaptive = True
        desc.oh = kernel_h
        desc.ow = kernel_w
        desc.kh = desc.kw = desc.stride_h = desc.stride_w = 0  # not looked at
        desc.dilation_h = desc.dilation_w = 0
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


def max_unpool2d(
    str op, object input, object indices, object out, int64_t out_h, int64_t out_w, int threads,
    Probe probe,
):
    """Also None when an index is out of range: nothing is written then."""
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, places, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[4]
    cdef int64_t size, planes = 1, copied = 0
    cdef fc_unpool_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1 or out_h < 1 or out_w < 1 or not cnp.PyArray_Check(indices):
        return None
    x = <cnp.ndarray>input
    places = <cnp.ndarray>indices
    ndim = cnp.PyArray_NDIM(x)
    shape = cnp.PyArray_DIMS(x)
    if (ndim != 3 and ndim != 4 or has_zero(x, ndim - 3) or cnp.PyArray_TYPE(places) != cnp.NPY_INT64
            or not same_dims(places, ndim, shape)):
        return None
    for axis in range(ndim - 2):
        dims[axis] = shape[axis]
        planes *= shape[axis]
    dims[ndim - 2] = out_h
    dims[ndim - 1] = out_w
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, places, None, None):
        return None

    # ---- plan
    empty = planes == 0
    x = dense(op, x, kind, &copied)
    if not (cnp.PyArray_ISBEHAVED_RO(places) and cnp.PyArray_IS_C_CONTIGUOUS(places)):
        places = new_array(
            op, ndim, shape, cnp.NPY_INT64, cnp.PyArray_SIZE(places) * sizeof(int64_t))
        cnp.PyArray_CopyInto(places, <cnp.ndarray>indices)
        copied += cnp.PyArray_SIZE(places) * <int64_t>sizeof(int64_t)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.planes = 1 if empty else planes
    desc.src_plane = shape[ndim - 2] * shape[ndim - 1]
    desc.dst_plane = out_h * out_w
    plan = _unpool_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, ndim, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        args.indices = <int64_t *>cnp.PyArray_DATA(places)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        try:
            execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
        except ValueError:  # an index is out of range; diagnosis tells which
            return None
    return finish(op, result, out, kind)
