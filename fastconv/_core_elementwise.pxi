# Operations on each element, and softmax. Included by _core.pyx.


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
