# Gradients of pooling and of what moves pixels. Included by _core.pyx.


cdef cnp.ndarray result_array(
    str op, object out, int ndim, cnp.npy_intp *dims, int kind, int64_t size
):
    """`out` where the engine can write into it, else a new array."""
    if out is not None and is_dense_out(out, kind):
        return <cnp.ndarray>out
    return new_array(op, ndim, dims, compute_kind(kind), size)


cdef cnp.ndarray dense_indices(str op, cnp.ndarray indices, int64_t *copied):
    cdef cnp.ndarray copy
    if cnp.PyArray_ISBEHAVED_RO(indices) and cnp.PyArray_IS_C_CONTIGUOUS(indices):
        return indices
    copy = new_array(op, cnp.PyArray_NDIM(indices), cnp.PyArray_DIMS(indices), cnp.NPY_INT64,
                     cnp.PyArray_SIZE(indices) * <int64_t>sizeof(int64_t))
    cnp.PyArray_CopyInto(copy, indices)
    copied[0] += cnp.PyArray_SIZE(copy) * <int64_t>sizeof(int64_t)
    return copy


cdef int64_t planes_of(int ndim, const cnp.npy_intp *dims) noexcept:
    cdef int64_t planes = 1
    cdef int axis
    for axis in range(ndim - 2):
        planes *= dims[axis]
    return planes


def pool2d_gradient(
    str op, int pool_kind, object grad, object input, object given, object out, bint adaptive,
    int64_t size_h, int64_t size_w,
    int64_t kernel_h, int64_t kernel_w, int64_t stride_h, int64_t stride_w,
    int64_t pad_h, int64_t pad_w, bint ceil_mode, bint count_include_pad, int64_t divisor,
    double norm, int threads, Probe probe,
):
    """Of averages and norms, for an input of size_h x size_w. `input` and `given`, what a norm took and
    gave, are None for averages. Adaptive: kernel is not looked at."""
    cdef int kind = float_kind(grad), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray g, x = None, y = None, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[4]
    cdef int64_t size, copied = 0
    cdef fc_pool2d_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0:
        return None
    g = <cnp.ndarray>grad
    ndim = cnp.PyArray_NDIM(g)
    if ndim != 3 and ndim != 4 or has_zero(g, ndim - 3) or size_h < 1 or size_w < 1 or threads < 1:
        return None
    shape = cnp.PyArray_DIMS(g)
    if not adaptive:
        if (kernel_h < 1 or kernel_w < 1 or stride_h < 1 or stride_w < 1 or pad_h < 0 or pad_w < 0
                or pad_h > kernel_h // 2 or pad_w > kernel_w // 2):
            return None
        if (pooled_size(size_h, kernel_h, stride_h, pad_h, 1, ceil_mode) != shape[ndim - 2]
                or pooled_size(size_w, kernel_w, stride_w, pad_w, 1, ceil_mode) != shape[ndim - 1]):
            return None
    for axis in range(ndim - 2):
        dims[axis] = shape[axis]
    dims[ndim - 2] = size_h
    dims[ndim - 1] = size_w
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if pool_kind == FC_POOL_LP:
        if float_kind(input) != kind or float_kind(given) != kind:
            return None
        x = <cnp.ndarray>input
        y = <cnp.ndarray>given
        if not same_dims(x, ndim, dims) or not same_dims(y, ndim, shape):
            return None
    if out is not None and not usable_out(out, ndim, dims, kind, g, x, y, None):
        return None

    # ---- plan
    empty = planes_of(ndim, dims) == 0
    g = dense(op, g, kind, &copied)
    if pool_kind == FC_POOL_LP:
        x = dense(op, x, kind, &copied)
        y = dense(op, y, kind, &copied)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.direction = FC_FORWARD
    desc.src_layout = desc.dst_layout = FC_LAYOUT_STRIDED
    desc.kind = pool_kind
    desc.n = 1 if empty or ndim == 3 else shape[0]
    desc.c = shape[ndim - 3]
    desc.ih = size_h
    desc.iw = size_w
    if adaptive:
        desc.adaptive = True
        desc.oh = shape[ndim - 2]
        desc.ow = shape[ndim - 1]
    else:
        desc.kh = kernel_h
        desc.kw = kernel_w
        desc.pad_top = desc.pad_bottom = pad_h
        desc.pad_left = desc.pad_right = pad_w
        desc.stride_h = effective_stride(stride_h, size_h + 2 * pad_h, kernel_h, 1)
        desc.stride_w = effective_stride(stride_w, size_w + 2 * pad_w, kernel_w, 1)
        desc.dilation_h = desc.dilation_w = 1
        desc.ceil_mode = ceil_mode
        desc.count_include_pad = count_include_pad
        desc.divisor_override = divisor
        desc.norm = norm
    desc.src_stride[3] = 1
    desc.src_stride[2] = size_w
    desc.src_stride[1] = size_h * size_w
    desc.src_stride[0] = desc.c * size_h * size_w
    plan = _pool2d_gradient_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, desc.c, size_h, size_w)
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    result = result_array(op, out, ndim, dims, kind, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        if x is not None:
            args.input = cnp.PyArray_DATA(x)
            args.result = cnp.PyArray_DATA(y)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>grad, result, copied)
    return finish(op, result, out, kind)


def gradient_by_indices(
    str op, bint unpooling, object grad, object indices, object out, int64_t size_h, int64_t size_w,
    int threads, Probe probe,
):
    """Of maxima: values added to an array of size_h x size_w by their indices. Of unpooling: values of
    grad, which is size_h x size_w, read by the indices. None also when an index is out of range."""
    cdef int kind = float_kind(grad), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray g, places, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[4]
    cdef int64_t size, copied = 0
    cdef fc_unpool_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1 or size_h < 1 or size_w < 1 or not cnp.PyArray_Check(indices):
        return None
    g = <cnp.ndarray>grad
    places = <cnp.ndarray>indices
    ndim = cnp.PyArray_NDIM(g)
    if (ndim != 3 and ndim != 4 or has_zero(g, ndim - 3) or cnp.PyArray_NDIM(places) != ndim
            or has_zero(places, ndim - 3) or cnp.PyArray_TYPE(places) != cnp.NPY_INT64):
        return None
    shape = cnp.PyArray_DIMS(places)
    for axis in range(ndim - 2):
        dims[axis] = shape[axis]
    dims[ndim - 2] = size_h
    dims[ndim - 1] = size_w
    if unpooling and not same_dims(g, ndim, dims) or not unpooling and not same_dims(g, ndim, shape):
        return None
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    empty = planes_of(ndim, dims) == 0
    desc.planes = 1 if empty else planes_of(ndim, dims)
    desc.src_plane = shape[ndim - 2] * shape[ndim - 1]
    desc.dst_plane = size_h * size_w
    if unpooling:
        dims[ndim - 2] = shape[ndim - 2]
        dims[ndim - 1] = shape[ndim - 1]
        size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if out is not None and not usable_out(out, ndim, dims, kind, g, places, None, None):
        return None

    # ---- plan
    g = dense(op, g, kind, &copied)
    places = dense_indices(op, places, &copied)
    if unpooling:
        plan = _unpool_gradient_plans.get(op, &desc, sizeof(desc))
    else:
        plan = _max_pool_gradient_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    result = result_array(op, out, ndim, dims, kind, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        args.indices = <int64_t *>cnp.PyArray_DATA(places)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        try:
            execute(op, plan, &args, threads, <cnp.ndarray>grad, result, copied)
        except ValueError:  # an index is out of range; diagnosis tells which
            return None
    return finish(op, result, out, kind)
