# Convolution. Included by _core.pyx.


cdef inline bint border_fits(int border, int64_t size, int64_t before, int64_t after) noexcept:
    """Whether an axis has what a border of these sides shows of it."""
    cdef int64_t most = before if before > after else after
    if border == FC_BORDER_REFLECT:
        return most < size
    return border != FC_BORDER_CIRCULAR or most <= size


# How the padding was given.
cdef enum:
    PADDING_NUMBERS = 0
    PADDING_SAME = 1
    PADDING_SAME_LOWER = 2

PADDING_CODES = {"valid": PADDING_NUMBERS, "same": PADDING_SAME, "same_lower": PADDING_SAME_LOWER}


# A convolution's numbers. From Python they come as they were given, whatever they are; what a named
# padding comes to shows with an input.
cdef struct Convolution:
    int padding
    int64_t stride_h, stride_w
    int64_t top, bottom, left, right
    int64_t dilation_h, dilation_w
    int64_t groups
    int border, activation, algorithm
    int precision  # fc_precision, or IN_FORCE


cdef bint convolution_fits(
    cnp.ndarray x, const cnp.npy_intp *kernel, Convolution *how, int work,
    cnp.npy_intp *dims, int64_t *size
) noexcept:
    """Whether the numbers, the input and weights of shape `kernel`, none of it 0, go together; then
    the sides of a padding that was named, and the shape and bytes of the result."""
    cdef int ndim = cnp.PyArray_NDIM(x), batched = ndim - 3
    cdef cnp.npy_intp *shape = cnp.PyArray_DIMS(x)
    cdef cnp.npy_intp channels
    if ndim != 3 and ndim != 4 or has_zero(x, batched):
        return False
    if (how.stride_h < 1 or how.stride_w < 1 or how.dilation_h < 1 or how.dilation_w < 1
            or how.groups < 1 or how.top < 0 or how.bottom < 0 or how.left < 0 or how.right < 0):
        return False
    if how.padding != PADDING_NUMBERS and not (
            same_sides(shape[batched + 1], kernel[2], how.stride_h, how.dilation_h,
                       how.padding == PADDING_SAME_LOWER, &how.top, &how.bottom)
            and same_sides(shape[batched + 2], kernel[3], how.stride_w, how.dilation_w,
                           how.padding == PADDING_SAME_LOWER, &how.left, &how.right)):
        return False
    channels = shape[batched]
    if (channels % how.groups != 0 or channels // how.groups != kernel[1]
            or kernel[0] % how.groups != 0):
        return False
    if not (border_fits(how.border, shape[batched + 1], how.top, how.bottom)
            and border_fits(how.border, shape[batched + 2], how.left, how.right)):
        return False
    dims[0] = shape[0]
    dims[batched] = kernel[0]
    dims[batched + 1] = window_count(
        shape[batched + 1], how.top, how.bottom, kernel[2], how.stride_h, how.dilation_h, 0)
    dims[batched + 2] = window_count(
        shape[batched + 2], how.left, how.right, kernel[3], how.stride_w, how.dilation_w, 0)
    if dims[batched + 1] < 1 or dims[batched + 2] < 1:
        return False
    size[0] = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    return size[0] >= 0


cdef Plan convolution_plan(
    str op, const Convolution *how, int work, const Images *src, const cnp.npy_intp *kernel,
    const int64_t *weight_stride, bint has_bias, bint has_residual, const int64_t *residual_stride,
    const Images *dst, const cnp.npy_intp *pixels
):
    """The plan of a convolution that fits, of one image where there is none. Weights and a residual
    without strides and a result without `dst` are dense; `pixels` are the rows and columns of the
    result."""
    cdef fc_conv2d_desc desc
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.direction = FC_FORWARD
    desc.src_layout = desc.dst_layout = FC_LAYOUT_STRIDED
    desc.algorithm = how.algorithm
    desc.activation = how.activation
    desc.precision = how.precision
    desc.has_bias = has_bias
    desc.has_residual = has_residual
    # Without a border it does not matter what it holds: one plan.
    if how.top or how.bottom or how.left or how.right:
        desc.border = how.border
    else:
        desc.border = FC_BORDER_ZEROS
    desc.n = max(src.size[0], 1)
    desc.ic = src.size[1]
    desc.ih = src.size[2]
    desc.iw = src.size[3]
    desc.oc = kernel[0]
    desc.kh = kernel[2]
    desc.kw = kernel[3]
    desc.pad_top = how.top
    desc.pad_bottom = how.bottom
    desc.pad_left = how.left
    desc.pad_right = how.right
    desc.stride_h = effective_stride(
        how.stride_h, desc.ih + desc.pad_top + desc.pad_bottom, desc.kh, how.dilation_h)
    desc.stride_w = effective_stride(
        how.stride_w, desc.iw + desc.pad_left + desc.pad_right, desc.kw, how.dilation_w)
    desc.dilation_h = effective_dilation(how.dilation_h, desc.kh)
    desc.dilation_w = effective_dilation(how.dilation_w, desc.kw)
    desc.groups = how.groups
    memcpy(desc.src_stride, src.stride, sizeof(desc.src_stride))
    if weight_stride == NULL:
        desc.weights_prepared = True  # a Conv2d's own
    else:
        desc.weights_strided = True
        memcpy(desc.weight_stride, weight_stride, sizeof(desc.weight_stride))
    if residual_stride != NULL:
        desc.residual_strided = True
        memcpy(desc.residual_stride, residual_stride, sizeof(desc.residual_stride))
    if dst != NULL:
        memcpy(desc.dst_stride, dst.stride, sizeof(desc.dst_stride))
    else:
        desc.dst_stride[3] = 1
        desc.dst_stride[2] = pixels[1]
        desc.dst_stride[1] = desc.dst_stride[2] * pixels[0]
        desc.dst_stride[0] = desc.dst_stride[1] * kernel[0]
    plan = _conv2d_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, kernel[0], pixels[0], pixels[1])
    return plan


def conv2d(
    str op, object input, object weight, object bias, object residual, object out,
    int64_t stride_h, int64_t stride_w,
    int padding, int64_t top, int64_t bottom, int64_t left, int64_t right,
    int border, int64_t dilation_h, int64_t dilation_w, int64_t groups,
    int activation, int algorithm, int precision, int threads, Probe probe,
):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim
    cdef cnp.ndarray x, w, result
    cdef cnp.ndarray b = None
    cdef cnp.ndarray r = None
    cdef cnp.npy_intp *kernel
    cdef cnp.npy_intp dims[4]
    cdef Images src, dst
    cdef int64_t weight_stride[5]
    cdef int64_t size, copied = 0
    cdef Convolution how
    cdef fc_args args
    cdef bint empty, direct_out = False

    # ---- acceptance
    if kind < 0 or float_kind(weight) != kind or threads < 1:
        return None
    x = <cnp.ndarray>input
    w = <cnp.ndarray>weight
    if cnp.PyArray_NDIM(w) != 4 or has_zero(w, 0):
        return None
    ndim = cnp.PyArray_NDIM(x)
    kernel = cnp.PyArray_DIMS(w)
    how = Convolution(
        padding, stride_h, stride_w, top, bottom, left, right, dilation_h, dilation_w, groups,
        border, activation, algorithm,
        precision_in_force() if precision == IN_FORCE else precision)
    if not convolution_fits(x, kernel, &how, work, dims, &size):
        return None
    if bias is not None:
        if float_kind(bias) != kind:
            return None
        b = <cnp.ndarray>bias
        if not same_dims(b, 1, kernel):
            return None
    if residual is not None:
        if float_kind(residual) != kind:
            return None
        r = <cnp.ndarray>residual
        if not same_dims(r, ndim, dims):
            return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, w, b, r):
        return None

    # ---- plan
    x = images(op, x, kind, False, &src, &copied)
    w = weights(op, w, kind, groups, weight_stride, &copied)
    if b is not None:
        b = dense(op, b, kind, &copied)
    if r is not None:
        r = dense(op, r, kind, &copied)
    empty = src.size[0] == 0
    if out is not None:
        direct_out = writable_images(<cnp.ndarray>out, kind, &dst)
    plan = convolution_plan(
        op, &how, work, &src, kernel, weight_stride, b is not None, r is not None, NULL,
        &dst if direct_out else NULL, &dims[ndim - 2])
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    result = <cnp.ndarray>out if direct_out else new_array(op, ndim, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.weights = cnp.PyArray_DATA(w)
        if b is not None:
            args.bias = cnp.PyArray_DATA(b)
        if r is not None:
            args.residual = cnp.PyArray_DATA(r)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


def conv_transpose2d(
    str op, object input, object weight, object bias, object out,
    int64_t stride_h, int64_t stride_w,
    int64_t top, int64_t bottom, int64_t left, int64_t right,
    int64_t extra_h, int64_t extra_w, int64_t dilation_h, int64_t dilation_w, int64_t groups,
    int activation, int precision, int threads, Probe probe,
):
    cdef int kind = float_kind(input), work = compute_kind(kind), ndim, batched
    cdef cnp.ndarray x, w, result
    cdef cnp.ndarray b = None
    cdef cnp.npy_intp *kernel
    cdef cnp.npy_intp channels
    cdef cnp.npy_intp dims[4]
    cdef Images src, dst
    cdef int64_t weight_stride[5]
    cdef int64_t size, copied = 0
    cdef fc_conv_transpose2d_desc desc
    cdef fc_args args
    cdef bint empty, direct_out = False

    # ---- acceptance
    if kind < 0 or float_kind(weight) != kind:
        return None
    x = <cnp.ndarray>input
    w = <cnp.ndarray>weight
    ndim = cnp.PyArray_NDIM(x)
    if ndim != 3 and ndim != 4 or cnp.PyArray_NDIM(w) != 4:
        return None
    batched = ndim - 3
    if has_zero(x, batched) or has_zero(w, 0):
        return None
    if (stride_h < 1 or stride_w < 1 or dilation_h < 1 or dilation_w < 1 or groups < 1
            or top < 0 or bottom < 0 or left < 0 or right < 0 or threads < 1
            or extra_h < 0 or extra_w < 0):
        return None
    if (extra_h >= max(stride_h, dilation_h) or extra_w >= max(stride_w, dilation_w)):
        return None
    kernel = cnp.PyArray_DIMS(w)
    if (kernel[0] != cnp.PyArray_DIMS(x)[batched] or kernel[0] % groups != 0
            or kernel[1] > INT64_MAX // groups):
        return None
    channels = kernel[1] * groups
    dims[0] = cnp.PyArray_DIMS(x)[0]
    dims[batched] = channels
    dims[batched + 1] = transposed_size(
        cnp.PyArray_DIMS(x)[batched + 1], top, bottom, kernel[2], stride_h, dilation_h, extra_h)
    dims[batched + 2] = transposed_size(
        cnp.PyArray_DIMS(x)[batched + 2], left, right, kernel[3], stride_w, dilation_w, extra_w)
    if dims[batched + 1] < 1 or dims[batched + 2] < 1:
        return None
    size = array_bytes(ndim, <const Py_ssize_t *>dims, 8 if work == cnp.NPY_DOUBLE else 4)
    if size < 0:
        return None
    if bias is not None:
        if float_kind(bias) != kind:
            return None
        b = <cnp.ndarray>bias
        if not same_dims(b, 1, &channels):
            return None
    if out is not None and not usable_out(out, ndim, dims, kind, x, w, b, None):
        return None

    # ---- plan
    x = images(op, x, kind, False, &src, &copied)
    w = weights(op, w, kind, groups, weight_stride, &copied)
    if b is not None:
        b = dense(op, b, kind, &copied)
    empty = src.size[0] == 0
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(work)
    desc.activation = activation
    desc.precision = precision_in_force() if precision == IN_FORCE else precision
    desc.has_bias = b is not None
    desc.n = 1 if empty else src.size[0]
    desc.ic = kernel[0]
    desc.ih = src.size[2]
    desc.iw = src.size[3]
    desc.oc = channels
    desc.kh = kernel[2]
    desc.kw = kernel[3]
    desc.pad_top = top
    desc.pad_bottom = bottom
    desc.pad_left = left
    desc.pad_right = right
    desc.output_pad_h = extra_h
    desc.output_pad_w = extra_w
    desc.stride_h = stride_h
    desc.stride_w = stride_w
    desc.dilation_h = dilation_h
    desc.dilation_w = dilation_w
    desc.groups = groups
    memcpy(desc.src_stride, src.stride, sizeof(desc.src_stride))
    desc.weights_strided = True
    desc.weight_stride = weight_stride
    if out is not None:
        direct_out = writable_images(<cnp.ndarray>out, kind, &dst)
    if direct_out:
        memcpy(desc.dst_stride, dst.stride, sizeof(desc.dst_stride))
    else:
        desc.dst_stride[3] = 1
        desc.dst_stride[2] = dims[batched + 2]
        desc.dst_stride[1] = desc.dst_stride[2] * dims[batched + 1]
        desc.dst_stride[0] = desc.dst_stride[1] * channels
    plan = _conv_transpose2d_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, desc.n, channels, dims[batched + 1], dims[batched + 2])
    if probe is not None and probe.describe(op, plan, threads, copied, empty):
        return probe

    # ---- execution
    result = <cnp.ndarray>out if direct_out else new_array(op, ndim, dims, work, size)
    if not empty:
        memset(&args, 0, sizeof(args))
        args.src = cnp.PyArray_DATA(x)
        args.weights = cnp.PyArray_DATA(w)
        if b is not None:
            args.bias = cnp.PyArray_DATA(b)
        args.dst = cnp.PyArray_DATA(result)
        if probe is not None:
            probe.run(op, plan, &args)
            return probe
        execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)
