# Operations on each element. Included by _core.pyx.


def unary(
    str op, int activation, double alpha, double beta, object input, object out, int threads,
    Probe probe,
):
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
    desc.alpha = alpha
    desc.beta = beta
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


def add(str op, object a, object b, object out, int threads):
    """a + b of one shape, native, dense and large enough for the pool; out may be one of them."""
    cdef int kind = float_kind(a)
    cdef cnp.ndarray x, y, result
    cdef int64_t size, copied = 0
    cdef fc_add_desc desc
    cdef fc_args args

    # ---- acceptance
    if kind < 0 or kind == cnp.NPY_FLOAT16 or float_kind(b) != kind or threads < 1:
        return None
    x = <cnp.ndarray>a
    y = <cnp.ndarray>b
    size = cnp.PyArray_NBYTES(x)
    if (size < POOLED_BYTES or not is_dense_out(x, kind) or not is_dense_out(y, kind)
            or not same_dims(y, cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x))):
        return None
    if out is not None and (
            out is not a and out is not b or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out)
            or a is not b and overlapping(x, y)):
        return None

    # ---- plan
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(kind)
    desc.has_residual = True
    desc.rows = 1
    desc.length = cnp.PyArray_SIZE(x)
    desc.src_row_stride = desc.residual_row_stride = desc.dst_row_stride = desc.length
    plan = _add_plans.get(op, &desc, sizeof(desc))

    # ---- execution
    if out is not None:
        result = <cnp.ndarray>out
    else:
        result = new_array(op, cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), kind, size)
    memset(&args, 0, sizeof(args))
    args.src = cnp.PyArray_DATA(x)
    args.residual = cnp.PyArray_DATA(y)
    args.dst = cnp.PyArray_DATA(result)
    execute(op, plan, &args, threads, x, result, copied)
    return result
