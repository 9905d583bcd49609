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
