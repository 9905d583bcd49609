# Moving pixels: pad, unfold, fold, interpolate. Included by _core.pyx.


def pad(object input, object out, list before, list after, int border, double value, int threads,
        Probe probe):
    """`before` and `after` have a number for each axis."""
    cdef str op = "pad"
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis, place
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[MAX_DIMS]
    cdef int64_t size, length, item, copied = 0
    cdef fc_pad_desc desc
    cdef fc_args args
    cdef bint empty, native

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    shape = cnp.PyArray_DIMS(x)
    if ndim < 1 or ndim > FC_PAD_RANK:
        return None
    for axis in range(ndim):
        length = shape[axis] + <int64_t>before[axis] + <int64_t>after[axis]
        if length < 0 or before[axis] > INT64_MAX // 4 or after[axis] > INT64_MAX // 4:
            return None
        if border != FC_BORDER_ZEROS and (
                before[axis] < 0 or after[axis] < 0
                or ((before[axis] or after[axis]) and shape[axis] == 0)
                or not border_fits(border, shape[axis], before[axis], after[axis])
                and (before[axis] or after[axis])):
            return None
        dims[axis] = length
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, None, None, None):
        return None

    # ---- plan
    item = cnp.PyArray_ITEMSIZE(x)
    native = is_native(x, kind)
    for axis in range(ndim):
        native = native and cnp.PyArray_STRIDES(x)[axis] % item == 0
    if not native:
        x = converted(op, x, kind, &copied)
        item = cnp.PyArray_ITEMSIZE(x)
    empty = False
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.border = border
    desc.rank = ndim
    desc.value = value
    for axis in range(FC_PAD_RANK):
        desc.size[axis] = 1
    for axis in range(ndim):
        place = FC_PAD_RANK - ndim + axis
        desc.size[place] = shape[axis]
        desc.before[place] = before[axis]
        desc.after[place] = after[axis]
        # NumPy leaves strides that are never stepped by arbitrary.
        if shape[axis] > 1 and cnp.PyArray_SIZE(x) != 0:
            desc.src_stride[place] = cnp.PyArray_STRIDES(x)[axis] // item
        elif axis == ndim - 1:
            desc.src_stride[place] = 1
        empty |= dims[axis] == 0
    plan = _pad_plans.get(op, &desc, sizeof(desc))
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
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


cdef void describe_unfold(
    fc_unfold_desc *desc, int work, tuple kernel, tuple stride, tuple padding, tuple dilation
):
    memset(desc, 0, sizeof(desc[0]))
    desc.struct_size = sizeof(desc[0])
    desc.dtype = engine_dtype(work)
    desc.kh, desc.kw = kernel
    desc.stride_h, desc.stride_w = stride
    desc.pad_h, desc.pad_w = padding
    desc.dilation_h, desc.dilation_w = dilation


cdef bint windows_count(const fc_unfold_desc *desc, int64_t *oh, int64_t *ow) noexcept:
    """Windows in either direction; False when there is none, or a number is out of range."""
    if (desc.kh < 1 or desc.kw < 1 or desc.stride_h < 1 or desc.stride_w < 1 or desc.pad_h < 0
            or desc.pad_w < 0 or desc.dilation_h < 1 or desc.dilation_w < 1):
        return False
    oh[0] = window_count(
        desc.ih, desc.pad_h, desc.pad_h, desc.kh, desc.stride_h, desc.dilation_h, 0)
    ow[0] = window_count(
        desc.iw, desc.pad_w, desc.pad_w, desc.kw, desc.stride_w, desc.dilation_w, 0)
    return oh[0] >= 1 and ow[0] >= 1


def unfold(
    object input, object out, tuple kernel, tuple stride, tuple padding, tuple dilation,
    int threads, Probe probe,
):
    cdef str op = "unfold"
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, batched
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[3]
    cdef cnp.npy_intp full[5]
    cdef Images src
    cdef int64_t size, oh = 0, ow = 0, copied = 0
    cdef fc_unfold_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    if ndim != 3 and ndim != 4 or has_zero(x, ndim - 3):
        return None
    batched = ndim - 3
    shape = cnp.PyArray_DIMS(x)
    describe_unfold(&desc, work, kernel, stride, padding, dilation)
    desc.ih = shape[batched + 1]
    desc.iw = shape[batched + 2]
    if not windows_count(&desc, &oh, &ow):
        return None
    full[0] = shape[0] if batched else 1
    full[1] = shape[batched] * desc.kh  # each fits: a window is no larger than the padded image
    full[2] = desc.kw
    full[3] = oh
    full[4] = ow
    size = array_bytes(5, <const Py_ssize_t *>full, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    dims[0] = shape[0]
    dims[batched] = full[1] * full[2]
    dims[batched + 1] = oh * ow
    if out is not None and not usable_out(out, batched + 2, dims, kind, x, None, None, None):
        return None

    # ---- plan
    x = images(op, x, kind, False, &src, &copied)
    empty = src.size[0] == 0
    desc.n = 1 if empty else src.size[0]
    desc.c = src.size[1]
    desc.stride_h = effective_stride(
        desc.stride_h, desc.ih + 2 * desc.pad_h, desc.kh, desc.dilation_h)
    desc.stride_w = effective_stride(
        desc.stride_w, desc.iw + 2 * desc.pad_w, desc.kw, desc.dilation_w)
    desc.dilation_h = effective_dilation(desc.dilation_h, desc.kh)
    desc.dilation_w = effective_dilation(desc.dilation_w, desc.kw)
    desc.src_stride = src.stride
    plan = _unfold_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, dims[batched], dims[batched + 1], 1)
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, batched + 2, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


def fold(
    object input, object out, tuple output_size, tuple kernel, tuple stride, tuple padding,
    tuple dilation, int threads, Probe probe,
):
    cdef str op = "fold"
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, batched
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[4]
    cdef int64_t size, taps, oh = 0, ow = 0, copied = 0
    cdef fc_unfold_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    if ndim != 2 and ndim != 3 or has_zero(x, ndim - 2):
        return None
    batched = ndim - 2
    shape = cnp.PyArray_DIMS(x)
    describe_unfold(&desc, work, kernel, stride, padding, dilation)
    desc.ih, desc.iw = output_size
    if desc.ih < 1 or desc.iw < 1 or not windows_count(&desc, &oh, &ow):
        return None
    if desc.kh > shape[batched] or desc.kw > shape[batched]:
        return None
    taps = desc.kh * desc.kw if desc.kh <= INT64_MAX // desc.kw else INT64_MAX
    if shape[batched] % taps != 0 or oh > shape[batched + 1] or ow > shape[batched + 1]:
        return None
    if oh * ow != shape[batched + 1]:
        return None
    dims[0] = shape[0]
    dims[batched] = shape[batched] // taps
    dims[batched + 1] = desc.ih
    dims[batched + 2] = desc.iw
    size = array_bytes(batched + 3, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, batched + 3, dims, kind, x, None, None, None):
        return None

    # ---- plan
    x = dense(op, x, kind, &copied)
    empty = batched and shape[0] == 0
    desc.n = 1 if empty or not batched else shape[0]
    desc.c = dims[batched]
    desc.stride_h = effective_stride(
        desc.stride_h, desc.ih + 2 * desc.pad_h, desc.kh, desc.dilation_h)
    desc.stride_w = effective_stride(
        desc.stride_w, desc.iw + 2 * desc.pad_w, desc.kw, desc.dilation_w)
    desc.dilation_h = effective_dilation(desc.dilation_h, desc.kh)
    desc.dilation_w = effective_dilation(desc.dilation_w, desc.kw)
    plan = _fold_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, desc.c, desc.ih, desc.iw)
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, batched + 3, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


def interpolate(
    object input, object out, int64_t out_h, int64_t out_w, double scale_h, double scale_w,
    int mode, bint doubling, int threads, Probe probe,
):
    """Of images with four axes; scale is in pixels of the input for one of the result."""
    cdef str op = "interpolate"
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp dims[4]
    cdef Images src
    cdef int64_t size, copied = 0
    cdef fc_interpolate_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1 or out_h < 1 or out_w < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    if ndim != 4 or has_zero(x, 1):
        return None
    dims[0] = cnp.PyArray_DIMS(x)[0]
    dims[1] = cnp.PyArray_DIMS(x)[1]
    dims[2] = out_h
    dims[3] = out_w
    size = array_bytes(4, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, 4, dims, kind, x, None, None, None):
        return None

    # ---- plan
    x = images(op, x, kind, True, &src, &copied)
    empty = src.size[0] == 0
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.mode = mode
    desc.doubling = doubling
    desc.n = 1 if empty else src.size[0]
    desc.c = src.size[1]
    desc.ih = src.size[2]
    desc.iw = src.size[3]
    desc.oh = out_h
    desc.ow = out_w
    desc.scale_h = scale_h
    desc.scale_w = scale_w
    desc.src_stride = src.stride
    plan = _interpolate_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, desc.c, out_h, out_w)
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, 4, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)
