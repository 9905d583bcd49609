# Gradients of convolution by its weights and its bias. That by its input is a transposed convolution.
# Included by _core.pyx.


def conv2d_weight_gradient(
    str op, object grad, object input, object out,
    int64_t channels, int64_t per_group, int64_t kernel_h, int64_t kernel_w,
    int64_t stride_h, int64_t stride_w,
    int64_t top, int64_t bottom, int64_t left, int64_t right,
    int border, int64_t dilation_h, int64_t dilation_w, int64_t groups,
    int precision, int threads, Probe probe,
):
    cdef int kind = float_kind(input), ndim
    cdef cnp.ndarray x, g, result
    cdef cnp.npy_intp[4] kernel
    cdef cnp.npy_intp[4] shape
    cdef cnp.npy_intp[4] dims
    cdef Images src, diff
    cdef int64_t size, copied = 0
    cdef Convolution how
    cdef fc_conv2d_weight_gradient_desc desc
    cdef fc_args args

    # ---- acceptance
    if kind < 0 or kind == cnp.NPY_FLOAT16 or float_kind(grad) != kind or threads < 1:
        return None
    x = <cnp.ndarray>input
    g = <cnp.ndarray>grad
    kernel[0] = channels
    kernel[1] = per_group
    kernel[2] = kernel_h
    kernel[3] = kernel_w
    if channels < 1 or per_group < 1 or kernel_h < 1 or kernel_w < 1:
        return None
    ndim = cnp.PyArray_NDIM(x)
    how = Convolution(
        PADDING_NUMBERS, stride_h, stride_w, top, bottom, left, right, dilation_h, dilation_w, groups,
        border, 0, 0, 0)
    if not convolution_fits(x, kernel, &how, kind, dims, &size) or not same_dims(g, ndim, dims):
        return None
    shape = kernel
    size = array_bytes(4, <const Py_ssize_t *>shape, 8 if kind == cnp.NPY_DOUBLE else 4)
    if size < 0 or out is not None and not usable_out(out, 4, shape, kind, x, g, None, None):
        return None

    # ---- plan
    x = images(op, x, kind, False, &src, &copied)
    g = images(op, g, kind, False, &diff, &copied)
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(kind)
    desc.border = how.border if how.top or how.bottom or how.left or how.right else FC_BORDER_ZEROS
    desc.precision = precision_in_force() if precision == IN_FORCE else precision
    desc.n = src.size[0]
    desc.ic = src.size[1]
    desc.ih = src.size[2]
    desc.iw = src.size[3]
    desc.oc = channels
    desc.kh = kernel_h
    desc.kw = kernel_w
    desc.pad_top = how.top
    desc.pad_bottom = how.bottom
    desc.pad_left = how.left
    desc.pad_right = how.right
    desc.stride_h = effective_stride(
        stride_h, desc.ih + desc.pad_top + desc.pad_bottom, kernel_h, dilation_h)
    desc.stride_w = effective_stride(
        stride_w, desc.iw + desc.pad_left + desc.pad_right, kernel_w, dilation_w)
    desc.dilation_h = effective_dilation(dilation_h, kernel_h)
    desc.dilation_w = effective_dilation(dilation_w, kernel_w)
    desc.groups = groups
    desc.src_stride = src.stride
    desc.diff_dst_stride = diff.stride
    plan = _conv2d_weight_gradient_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, shape[0], shape[1], kernel_h, kernel_w)
    if probe is not None and probe.describe(op, plan, threads, copied, desc.n == 0):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, 4, shape, kind, size)
    memset(&args, 0, sizeof(args))
    args.src = cnp.PyArray_DATA(x)
    args.diff_dst = cnp.PyArray_DATA(g)
    args.dst = cnp.PyArray_DATA(result)
    if probe is not None:
        probe.run(op, plan, &args)
        return probe
    execute(op, plan, &args, threads, <cnp.ndarray>input, result, copied)
    return finish(op, result, out, kind)


def channel_sums(str op, object grad, int axis, object out, int threads, Probe probe):
    """The sum of each element of an axis, whose number is not negative, over all other axes."""
    cdef int kind = float_kind(grad), ndim, i
    cdef cnp.ndarray g, result
    cdef cnp.npy_intp[1] dims
    cdef int64_t size, copied = 0, before = 1, behind = 1
    cdef Images view
    cdef fc_channel_sums_desc desc
    cdef fc_args args

    # ---- acceptance
    if kind < 0 or kind == cnp.NPY_FLOAT16 or threads < 1:
        return None
    g = <cnp.ndarray>grad
    ndim = cnp.PyArray_NDIM(g)
    if axis >= ndim or cnp.PyArray_DIMS(g)[axis] < 1:
        return None
    dims[0] = cnp.PyArray_DIMS(g)[axis]
    size = array_bytes(1, <const Py_ssize_t *>dims, 8 if kind == cnp.NPY_DOUBLE else 4)
    if size < 0 or out is not None and not usable_out(out, 1, dims, kind, g, None, None, None):
        return None

    # ---- plan
    for i in range(ndim):
        if i < axis:
            before *= cnp.PyArray_DIMS(g)[i]
        elif i > axis:
            behind *= cnp.PyArray_DIMS(g)[i]
    memset(&desc, 0, sizeof(desc))
    desc.struct_size = sizeof(desc)
    desc.dtype = engine_dtype(kind)
    desc.c = dims[0]
    if behind == 0:
        before = 0  # nothing to add up
    desc.n = before
    if ndim >= 3 and axis == ndim - 3 and ndim <= 4 and before and is_native(g, kind) and (
            describe_images(g, &view)):
        desc.h = view.size[2]
        desc.w = view.size[3]
        desc.src_stride = view.stride
    else:
        if not (axis == ndim - 1 and row_stride_of(g, kind) > 0):
            g = dense(op, g, kind, &copied)
        desc.h = 1
        desc.w = max(behind, 1)
        if axis == ndim - 1:  # rows of channels are the pixels of one image
            desc.n = min(before, 1)
            desc.w = max(before, 1)
            desc.src_stride[0] = desc.src_stride[2] = desc.src_stride[1] = 1
            desc.src_stride[3] = row_stride_of(g, kind)
        else:
            desc.src_stride[3] = 1
            desc.src_stride[2] = desc.src_stride[1] = desc.w
            desc.src_stride[0] = desc.w * desc.c
    plan = _channel_sums_plans.get(op, &desc, sizeof(desc))
    check_shape(op, plan, 1, desc.c, 1, 1)
    if probe is not None and probe.describe(op, plan, threads, copied, desc.n == 0):
        return probe

    # ---- execution
    if out is not None and is_dense_out(out, kind):
        result = <cnp.ndarray>out
    else:
        result = new_array(op, 1, dims, kind, size)
    memset(&args, 0, sizeof(args))
    args.src = cnp.PyArray_DATA(g)
    args.dst = cnp.PyArray_DATA(result)
    if probe is not None:
        probe.run(op, plan, &args)
        return probe
    execute(op, plan, &args, threads, <cnp.ndarray>grad, result, copied)
    return finish(op, result, out, kind)
