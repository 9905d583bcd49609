# Normalisation: softmax, across channels, and by each channel's numbers. Included by _core.pyx.


def softmax(
    str op, bint logarithm, object input, int64_t dim, object out, int threads, Probe probe
):
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
    desc.logarithm = logarithm
    desc.outer = 1 if empty else outer
    desc.length = 1 if empty else dims[dim]
    desc.inner = 1 if empty else inner
    x = dense(op, x, kind, &copied)
    plan = _softmax_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, ndim, cnp.PyArray_DIMS(x), work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


cdef bint channel_array(object value, int kind, cnp.npy_intp channels):
    return float_kind(value) == kind and same_dims(<cnp.ndarray>value, 1, &channels)


def channelwise(
    str op, int kernel, object input, object weight, object bias, object mean, object variance,
    object out, double epsilon, int activation, int threads, Probe probe,
):
    """batch_norm (mean and variance are arrays) or prelu (both are None). `weight` of one element
    counts for all channels of prelu."""
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp *shape
    cdef cnp.npy_intp channels = 1
    cdef int64_t count, size, inner = 1, copied = 0
    cdef fc_channelwise_desc desc
    cdef fc_args args
    cdef list operands = [weight, bias, mean, variance]

    # ---- acceptance
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    shape = cnp.PyArray_DIMS(x)
    if kernel == FC_CHANNELWISE_NORM:
        if ndim < 2 or mean is None or variance is None:
            return None
    elif float_kind(weight) != kind or cnp.PyArray_NDIM(<cnp.ndarray>weight) != 1:
        return None
    if kernel == FC_CHANNELWISE_NORM or cnp.PyArray_SIZE(<cnp.ndarray>weight) != 1:
        if ndim < 2 or shape[1] == 0:
            return None
        channels = shape[1]
    for value in operands:
        if value is not None and not channel_array(value, kind, channels):
            return None
    if out is not None and not usable_out(out, ndim, shape, kind, x, weight, bias, mean):
        return None
    if out is not None and variance is not None and overlapping(<cnp.ndarray>out, variance):
        return None

    # ---- plan
    count = cnp.PyArray_SIZE(x)
    size = count * (8 if work == cnp.NPY_DOUBLE else 4)
    x = dense(op, x, kind, &copied)
    operands = [None if value is None else dense(op, value, kind, &copied) for value in operands]
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.kind = kernel
    desc.activation = activation
    desc.has_weights = weight is not None
    desc.has_bias = bias is not None
    desc.epsilon = epsilon
    desc.channels = channels
    desc.outer = 1
    desc.inner = 1
    if count != 0 and ndim >= 2 and shape[1] == channels:
        for axis in range(2, ndim):
            inner *= shape[axis]
        desc.outer = shape[0]
        desc.inner = inner
    elif count != 0:  # one number for all
        desc.inner = count
    plan = _channelwise_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, count == 0):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, ndim, cnp.PyArray_DIMS(x), work, size)
    if count != 0:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.dst = cnp.PyArray_DATA(result)
        args.weights = data_or_null(operands[0])
        args.bias = data_or_null(operands[1])
        args.mean = data_or_null(operands[2])
        args.variance = data_or_null(operands[3])
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


cdef inline const void *data_or_null(object array) noexcept:
    return NULL if array is None else cnp.PyArray_DATA(<cnp.ndarray>array)


def local_response_norm(
    object input, int64_t length, int64_t before, double alpha, double beta, double k, object out,
    int threads, Probe probe,
):
    """`length` channels of each window, `before` of them before its own."""
    cdef str op = "local_response_norm"
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, result
    cdef cnp.npy_intp *shape
    cdef int64_t count, size, inner = 1, copied = 0
    cdef fc_lrn_desc desc
    cdef fc_args args

    # ---- acceptance
    if kind < 0 or threads < 1 or length < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    shape = cnp.PyArray_DIMS(x)
    if ndim < 3 or shape[1] == 0:
        return None
    if out is not None and not usable_out(out, ndim, shape, kind, x, None, None, None):
        return None

    # ---- plan
    count = cnp.PyArray_SIZE(x)
    size = count * (8 if work == cnp.NPY_DOUBLE else 4)
    x = dense(op, x, kind, &copied)
    for axis in range(2, ndim):
        inner *= shape[axis]
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.alpha = alpha
    desc.beta = beta
    desc.k = k
    desc.size = length
    desc.before = before
    desc.outer = 1 if count == 0 else shape[0]
    desc.channels = shape[1]
    desc.inner = 1 if count == 0 else inner
    plan = _lrn_plans.get(op, &desc, sizeof(desc))
    if probe is not None and probe.describe(op, plan, threads, copied, count == 0):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
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
