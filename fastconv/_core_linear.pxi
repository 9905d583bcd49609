# Linear layers. Included by _core.pyx.


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
    cdef Plan plan
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
    plan = linear_plan(
        work, max(rows, 1), features[0], features[1], row_stride, activation, b is not None, False)
    check_shape("linear", plan, max(rows, 1), features[0], 1, 1)
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


cdef Plan linear_plan(
    int kind, int64_t rows, int64_t outputs, int64_t features, int64_t row_stride, int activation,
    bint bias, bint bf16
):
    cdef fc_linear_desc desc
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(kind)
    desc.activation = activation
    desc.has_bias = bias
    desc.weights_bf16 = bf16
    desc.rows, desc.in_features, desc.out_features = rows, features, outputs
    desc.src_row_stride = row_stride
    return _linear_plans.get("linear", &desc, sizeof(desc))


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
