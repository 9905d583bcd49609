# Gradients of activations, normalisations and losses, and batch normalisation with the batch's own
# statistics. Included by _core.pyx.

cdef inline bint same_kind(object value, int kind, cnp.ndarray like) noexcept:
    """Whether it is an array of that type and of the shape of `like`."""
    return float_kind(value) == kind and same_dims(
        <cnp.ndarray>value, cnp.PyArray_NDIM(like), cnp.PyArray_DIMS(like))


cdef inline int64_t computed_bytes(cnp.ndarray a, int work) noexcept:
    return cnp.PyArray_SIZE(a) * (8 if work == cnp.NPY_DOUBLE else 4)


cdef cnp.ndarray result_like(str op, cnp.ndarray like, object out, int kind):
    """Where the engine writes a result of the shape of `like`."""
    cdef int work = compute_kind(kind)
    if out is not None and is_dense_out(out, kind):
        return <cnp.ndarray>out
    return new_array(op, cnp.PyArray_NDIM(like), cnp.PyArray_DIMS(like), work,
                     computed_bytes(like, work))


def unary_gradient(
    str op, int activation, double alpha, double beta, object grad, object saved, object out,
    int threads,
):
    cdef int kind = float_kind(grad)
    cdef cnp.ndarray g, x, result
    cdef int64_t copied = 0
    cdef fc_unary_desc desc
    cdef fc_args args
    if kind < 0 or threads < 1 or not same_kind(saved, kind, <cnp.ndarray>grad):
        return None
    g = <cnp.ndarray>grad
    if out is not None and not usable_out(
            out, cnp.PyArray_NDIM(g), cnp.PyArray_DIMS(g), kind, g, saved, None, None):
        return None
    g = dense(op, g, kind, &copied)
    x = dense(op, <cnp.ndarray>saved, kind, &copied)
    result = result_like(op, g, out, kind)
    if cnp.PyArray_SIZE(g) != 0:
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(compute_kind(kind))
        desc.activation = activation
        desc.alpha = alpha
        desc.beta = beta
        desc.count = cnp.PyArray_SIZE(g)
        plan = _unary_gradient_plans.get(op, &desc, sizeof(desc))
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.diff_dst = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        execute(op, plan, &args, threads, g, result, copied)
    return finish(op, result, out, kind)


def softmax_gradient(
    str op, bint logarithm, object grad, object saved, int64_t dim, object out, int threads
):
    cdef int kind = float_kind(grad), ndim, axis
    cdef cnp.ndarray g, y, result
    cdef int64_t copied = 0, outer = 1, inner = 1
    cdef cnp.npy_intp *dims
    cdef fc_softmax_desc desc
    cdef fc_args args
    if kind < 0 or threads < 1 or not same_kind(saved, kind, <cnp.ndarray>grad):
        return None
    g = <cnp.ndarray>grad
    ndim = cnp.PyArray_NDIM(g)
    dims = cnp.PyArray_DIMS(g)
    if dim < -ndim or dim >= ndim:
        return None
    if out is not None and not usable_out(out, ndim, dims, kind, g, saved, None, None):
        return None
    if dim < 0:
        dim += ndim
    for axis in range(ndim):
        if axis < dim:
            outer *= dims[axis]
        elif axis > dim:
            inner *= dims[axis]
    g = dense(op, g, kind, &copied)
    y = dense(op, <cnp.ndarray>saved, kind, &copied)
    result = result_like(op, g, out, kind)
    if cnp.PyArray_SIZE(g) != 0:
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(compute_kind(kind))
        desc.logarithm = logarithm
        desc.outer = outer
        desc.length = cnp.PyArray_DIMS(g)[dim]
        desc.inner = inner
        plan = _softmax_gradient_plans.get(op, &desc, sizeof(desc))
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(y)
        args.diff_dst = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        execute(op, plan, &args, threads, g, result, copied)
    return finish(op, result, out, kind)


def local_response_norm_gradient(
    object grad, object input, int64_t length, int64_t before, double alpha, double beta, double k,
    object out, int threads,
):
    cdef str op = "local_response_norm_gradient"
    cdef int kind = float_kind(grad), ndim, axis
    cdef cnp.ndarray g, x, result
    cdef int64_t copied = 0
    cdef fc_lrn_desc desc
    cdef fc_args args
    if kind < 0 or threads < 1 or length < 1 or not same_kind(input, kind, <cnp.ndarray>grad):
        return None
    g = <cnp.ndarray>grad
    ndim = cnp.PyArray_NDIM(g)
    if ndim < 3 or cnp.PyArray_DIMS(g)[1] == 0:
        return None
    if out is not None and not usable_out(
            out, ndim, cnp.PyArray_DIMS(g), kind, g, input, None, None):
        return None
    g = dense(op, g, kind, &copied)
    x = dense(op, <cnp.ndarray>input, kind, &copied)
    result = result_like(op, g, out, kind)
    if cnp.PyArray_SIZE(g) != 0:
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(compute_kind(kind))
        desc.alpha = alpha
        desc.beta = beta
        desc.k = k
        desc.size = length
        desc.before = before
        desc.outer = cnp.PyArray_DIMS(g)[0]
        desc.channels = cnp.PyArray_DIMS(g)[1]
        desc.inner = 1
        for axis in range(2, ndim):
            desc.inner *= cnp.PyArray_DIMS(g)[axis]
        plan = _lrn_gradient_plans.get(op, &desc, sizeof(desc))
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.diff_dst = cnp.PyArray_DATA(g)
        args.dst = cnp.PyArray_DATA(result)
        execute(op, plan, &args, threads, g, result, copied)
    return finish(op, result, out, kind)


# ---- channels -----------------------------------------------------------------------------------

def channel_gradient(
    str op, int kernel, object grad, object input, object weight, object bias, object mean,
    object variance, double epsilon, int activation, object out, int threads,
):
    """One of fc_channel_gradient_kind: the result (its float16 rounded) and three arrays of channels
    in the type of computation, of which each kind fills its own. mean and variance have that type
    where they come from batch_norm_train."""
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis, stats = kind
    cdef cnp.ndarray x, g, result
    cdef cnp.npy_intp channels = 1
    cdef int64_t copied = 0
    cdef fc_channel_gradient_desc desc
    cdef fc_args args
    cdef list operands, sums
    if kind < 0 or threads < 1:
        return None
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    if kernel != FC_CHANNEL_BATCH_NORM and not same_kind(grad, kind, x):
        return None
    if kernel == FC_CHANNEL_PRELU_GRADIENT:
        if float_kind(weight) != kind or cnp.PyArray_NDIM(<cnp.ndarray>weight) != 1:
            return None
        channels = cnp.PyArray_SIZE(<cnp.ndarray>weight)
        if channels != 1 and (ndim < 2 or cnp.PyArray_DIMS(x)[1] != channels) or channels == 0:
            return None
    else:
        if ndim < 2 or cnp.PyArray_DIMS(x)[1] == 0:
            return None
        channels = cnp.PyArray_DIMS(x)[1]
    if kernel == FC_CHANNEL_BATCH_NORM_GRADIENT:
        stats = work
    for value in (weight, bias):
        if value is not None and not channel_array(value, kind, channels):
            return None
    if kernel == FC_CHANNEL_BATCH_NORM_GRADIENT or kernel == FC_CHANNEL_NORM_GRADIENT:
        if not (channel_array(mean, stats, channels) and channel_array(variance, stats, channels)):
            return None
    if out is not None and not usable_out(
            out, ndim, cnp.PyArray_DIMS(x), kind, x, grad, weight, bias):
        return None
    if out is not None:
        for value in (mean, variance):
            if value is not None and overlapping(<cnp.ndarray>out, <cnp.ndarray>value):
                return None

    x = dense(op, x, kind, &copied)
    g = None if grad is None else dense(op, <cnp.ndarray>grad, kind, &copied)
    operands = [None if value is None else dense(op, <cnp.ndarray>value, kind, &copied)
                for value in (weight, bias)]
    operands += [None if value is None else dense(op, <cnp.ndarray>value, stats, &copied)
                 for value in (mean, variance)]
    result = result_like(op, x, out, kind)
    sums = [cnp.PyArray_ZEROS(1, &channels, work, 0) for _ in range(3)]
    if cnp.PyArray_SIZE(x) != 0:
        memset(&desc, 0, sizeof(desc))
        desc.struct_size = sizeof(desc)
        desc.dtype = engine_dtype(work)
        desc.kind = kernel
        desc.activation = activation
        desc.has_weights = weight is not None
        desc.has_bias = bias is not None
        desc.epsilon = epsilon
        desc.channels = channels
        desc.outer = desc.inner = 1
        if ndim >= 2 and cnp.PyArray_DIMS(x)[1] == channels:
            desc.outer = cnp.PyArray_DIMS(x)[0]
            for axis in range(2, ndim):
                desc.inner *= cnp.PyArray_DIMS(x)[axis]
        else:  # one number for all
            desc.inner = cnp.PyArray_SIZE(x)
        plan = _channel_gradient_plans.get(op, &desc, sizeof(desc))
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.diff_dst = data_or_null(g)
        args.dst = cnp.PyArray_DATA(result)
        args.weights = data_or_null(operands[0])
        args.bias = data_or_null(operands[1])
        args.mean = data_or_null(operands[2])
        args.variance = data_or_null(operands[3])
        for axis in range(3):
            args.channel_dst[axis] = cnp.PyArray_DATA(<cnp.ndarray>sums[axis])
        execute(op, plan, &args, threads, x, result, copied)
    return finish(op, result, out, kind), sums[0], sums[1], sums[2]


# ---- losses -------------------------------------------------------------------------------------

def cross_entropy(
    str op, object grad, object input, object target, object saved, object weight, int64_t ignored,
    int reduction, double smoothing, int threads,
):
    """Forward where grad is None: (loss, saved); else the gradient by input. The target holds int64 and
    has been looked at."""
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, axis
    cdef cnp.ndarray x, g, y, result, kept, w
    cdef cnp.npy_intp *dims
    cdef cnp.npy_intp[64] shape
    cdef int64_t copied = 0, positions
    cdef fc_cross_entropy_desc desc
    cdef fc_args args
    x = <cnp.ndarray>input
    ndim = cnp.PyArray_NDIM(x)
    dims = cnp.PyArray_DIMS(x)
    x = dense(op, x, kind, &copied)
    y = <cnp.ndarray>np.asarray(target, np.int64, order="C")
    positions = cnp.PyArray_SIZE(y)
    w = None if weight is None else dense(op, <cnp.ndarray>weight, kind, &copied)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.diff_src = grad is not None
    desc.reduction = reduction
    desc.has_weights = weight is not None
    desc.ignored = ignored
    desc.smoothing = smoothing
    desc.outer = 1 if ndim == 1 else dims[0]
    desc.classes = dims[0] if ndim == 1 else dims[1]
    desc.inner = 1
    for axis in range(2, ndim):
        desc.inner *= dims[axis]
    memset(&args, 0, sizeof(args))
    args.src = cnp.PyArray_DATA(x)
    args.indices = <int64_t *>cnp.PyArray_DATA(y)
    args.weights = data_or_null(w)
    if grad is None:
        shape[0] = 2
        for axis in range(cnp.PyArray_NDIM(y)):
            shape[axis + 1] = cnp.PyArray_DIMS(y)[axis]
        kept = new_array(op, cnp.PyArray_NDIM(y) + 1, shape, work,
                         2 * positions * (8 if work == cnp.NPY_DOUBLE else 4))
        if reduction == FC_REDUCTION_NONE:
            result = new_array(op, cnp.PyArray_NDIM(y), cnp.PyArray_DIMS(y), work,
                               positions * (8 if work == cnp.NPY_DOUBLE else 4))
        else:
            result = cnp.PyArray_ZEROS(0, shape, work, 0)
    else:
        kept = <cnp.ndarray>saved
        g = dense(op, <cnp.ndarray>grad, kind, &copied)
        args.diff_dst = cnp.PyArray_DATA(g)
        result = new_array(op, ndim, cnp.PyArray_DIMS(x), work, computed_bytes(x, work))
    args.saved = cnp.PyArray_DATA(kept)
    args.dst = cnp.PyArray_DATA(result)
    if positions != 0:
        plan = _cross_entropy_plans.get(op, &desc, sizeof(desc))
        execute(op, plan, &args, threads, x, result, copied)
    elif grad is None and reduction == FC_REDUCTION_MEAN:
        (<object>result)[()] = np.nan
    result = finish(op, result, None, kind)
    return (result, kept) if grad is None else result
