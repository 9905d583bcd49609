# Gradients of pad and interpolate. Included by _core.pyx.


def pad_gradient(
    object grad, object out, tuple sizes, list before, list after, int border, int threads,
    Probe probe,
):
    """For an input of `sizes`; `before` and `after` have a number for each axis."""
    cdef str op = "pad_gradient"
    cdef int kind = float_kind(grad), work = compute_kind(kind), ndim, axis, place
    cdef cnp.ndarray g, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[MAX_DIMS]
    cdef int64_t size, copied = 0
    cdef fc_pad_desc desc
    cdef fc_args args
    cdef bint empty = False

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    g = <cnp.ndarray>grad
    ndim = cnp.PyArray_NDIM(g)
    shape = cnp.PyArray_DIMS(g)
    if ndim < 1 or ndim > FC_PAD_RANK or len(sizes) != ndim:
        return None
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.border = border
    desc.rank = ndim
    for axis in range(FC_PAD_RANK):
        desc.size[axis] = 1
    for axis in range(ndim):
        place = FC_PAD_RANK - ndim + axis
        if (sizes[axis] < 0 or abs(before[axis]) > INT64_MAX // 4
                or abs(after[axis]) > INT64_MAX // 4 or sizes[axis] > INT64_MAX // 4
                or sizes[axis] + before[axis] + after[axis] != shape[axis]):
            return None
        dims[axis] = desc.size[place] = sizes[axis]
        desc.before[place] = before[axis]
        desc.after[place] = after[axis]
        if border != FC_BORDER_ZEROS and (desc.before[place] or desc.after[place]) and (
                desc.before[place] < 0 or desc.after[place] < 0 or dims[axis] == 0
                or not border_fits(border, dims[axis], desc.before[place], desc.after[place])):
            return None
        empty |= dims[axis] == 0
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, ndim, dims, kind, g, None, None, None):
        return None

    # ---- plan
    g = dense(op, g, kind, &copied)
    plan = _pad_gradient_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    result = result_array(op, out, ndim, dims, kind, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>grad, result, copied)
    return finish(op, result, out, kind)


def interpolate_gradient(
    object grad, object out, int64_t size_h, int64_t size_w, double scale_h, double scale_w,
    int mode, bint doubling, int threads, Probe probe,
):
    """Of four axes, for images of size_h x size_w; scale as for interpolate."""
    cdef str op = "interpolate_gradient"
    cdef int kind = float_kind(grad), work = compute_kind(kind)
    cdef cnp.ndarray g, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp dims[4]
    cdef int64_t size, copied = 0
    cdef fc_interpolate_desc desc
    cdef fc_args args
    cdef bint empty

    # ---- acceptance
    if kind < 0 or threads < 1 or size_h < 1 or size_w < 1:
        return None
    g = <cnp.ndarray>grad
    if cnp.PyArray_NDIM(g) != 4 or has_zero(g, 1):
        return None
    shape = cnp.PyArray_DIMS(g)
    dims[0] = shape[0]
    dims[1] = shape[1]
    dims[2] = size_h
    dims[3] = size_w
    size = array_bytes(4, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if out is not None and not usable_out(out, 4, dims, kind, g, None, None, None):
        return None

    # ---- plan
    empty = shape[0] == 0
    g = dense(op, g, kind, &copied)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.mode = mode
    desc.doubling = doubling
    desc.n = 1 if empty else shape[0]
    desc.c = shape[1]
    desc.ih = size_h
    desc.iw = size_w
    desc.oh = shape[2]
    desc.ow = shape[3]
    desc.scale_h = scale_h
    desc.scale_w = scale_w
    plan = _interpolate_gradient_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, desc.c, size_h, size_w)
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    result = result_array(op, out, 4, dims, kind, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>grad, result, copied)
    return finish(op, result, out, kind)
