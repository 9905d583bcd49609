/* pool2d.c: the operation `pool2d`. */
#include "plan.h"

#include "registry.h"

/* The windows of adaptive pooling as ordinary ones, where they are: all of one size, side by side. */
static fc_pool2d_desc regular(const fc_pool2d_desc *given) {
    fc_pool2d_desc d = *given;
    if (!d.adaptive) return d;
    d.pad_top = d.pad_bottom = d.pad_left = d.pad_right = 0;
    d.dilation_h = d.dilation_w = 1;
    d.ceil_mode = 0;
    d.adaptive = d.ih % d.oh != 0 || d.iw % d.ow != 0;
    /* the largest window, where they differ */
    d.kh = d.adaptive ? fc_min64(d.ih, d.ih / d.oh + 2) : d.ih / d.oh;
    d.kw = d.adaptive ? fc_min64(d.iw, d.iw / d.ow + 2) : d.iw / d.ow;
    d.stride_h = fc_max64(1, d.ih / d.oh);
    d.stride_w = fc_max64(1, d.iw / d.ow);
    return d;
}

static fc_status check_adaptive(const fc_pool2d_desc *d) {
    if (d->kind == FC_POOL_LP || d->oh < 1 || d->ow < 1) return FC_ERR_INVALID_ARGUMENT;
    if (d->n < 0 || d->c < 1 || d->ih < 1 || d->iw < 1) return FC_ERR_INVALID_SHAPE;
    const int64_t rows[] = {d->ih, d->oh}, cols[] = {d->iw, d->ow};
    return fc_product_fits(rows, 2) && fc_product_fits(cols, 2) ? FC_OK : FC_ERR_OVERFLOW;
}

static fc_status check(const fc_pool2d_desc *d, int64_t *oh, int64_t *ow) {
    if (!fc_dtype_known(d->dtype) || d->kind < FC_POOL_MAX || d->kind > FC_POOL_LP ||
        (d->with_indices && d->kind != FC_POOL_MAX) || (d->norm != 0) != (d->kind == FC_POOL_LP) ||
        (d->dst_strided & ~1))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 || d->dilation_w < 1 ||
        d->kh < 1 || d->kw < 1 || d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 ||
        d->pad_right < 0)
        return FC_ERR_INVALID_ARGUMENT;
    /* an average has no meaning for positions between the taps */
    if (d->kind != FC_POOL_MAX && (d->dilation_h != 1 || d->dilation_w != 1))
        return FC_ERR_UNSUPPORTED;
    if (d->direction != FC_FORWARD || d->src_layout != FC_LAYOUT_STRIDED ||
        d->dst_layout != FC_LAYOUT_STRIDED)
        return FC_ERR_UNSUPPORTED;
    /* columns side by side, or channels; positions of maxima are found anywhere */
    if (d->src_stride[3] != 1 && !d->with_indices &&
        (d->src_stride[1] != 1 || d->kind == FC_POOL_LP))
        return FC_ERR_UNSUPPORTED;
    if (d->dst_strided && (d->with_indices || d->kind == FC_POOL_LP || d->src_stride[1] != 1 ||
                           d->src_stride[3] == 1 || d->dst_stride[1] != 1))
        return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->c < 1 || d->ih < 1 || d->iw < 1) return FC_ERR_INVALID_SHAPE;
    /* at most half a window of border: every window then holds a source element */
    if (d->pad_top > d->kh / 2 || d->pad_bottom > d->kh / 2 || d->pad_left > d->kw / 2 ||
        d->pad_right > d->kw / 2)
        return FC_ERR_INVALID_ARGUMENT;
    fc_status status = FC_OK;
    if (d->adaptive) {
        *oh = d->oh;
        *ow = d->ow;
    } else {
        status = fc_window_count(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                 d->dilation_h, d->ceil_mode, oh);
        if (status == FC_OK)
            status = fc_window_count(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w,
                                     d->dilation_w, d->ceil_mode, ow);
    }
    if (status != FC_OK) return status;
    const int64_t src[] = {d->n, d->c, d->ih, d->iw};
    const int64_t window[] = {d->kh, d->kw, d->dilation_h, d->dilation_w};
    const int64_t strides[] = {d->stride_w, 64, d->kw, d->dilation_w};
    const int64_t dst[] = {8, d->n, d->c, *oh, *ow};
    if ((d->dst_strided && !fc_strides_fit(dst + 1, d->dst_stride, 4)) ||
        !fc_product_fits(src, 4) || !fc_product_fits(window, 4) || !fc_product_fits(strides, 4) ||
        !fc_product_fits(dst, 5) || !fc_strides_fit(src, d->src_stride, 4))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return plan->pool_driver->scratch_bytes(&plan->pool, threads);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    return !plan->pool.desc.with_indices || args->indices;
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    plan->pool_driver->execute(&plan->pool, args, scratch, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) {
    const fc_pool2d_desc *d = &plan->pool.desc;
    const int64_t src[] = {d->n, d->c, d->ih, d->iw};
    e->src = fc_extent_strided(src, d->src_stride, 4);
    const int64_t dst[] = {d->n, d->c, plan->pool.oh, plan->pool.ow};
    e->dst = d->dst_strided ? fc_extent_strided(dst, d->dst_stride, 4) : fc_extent_of_dst(plan);
}

const fc_operation fc_operation_pool2d = {
    .op = FC_OP_POOL2D,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
    .extents = extents,
};

/* The windows of a valid descriptor, and the size of the result. */
static fc_status settle(const fc_pool2d_desc *given, fc_pool2d_desc *windows, int64_t *oh,
                        int64_t *ow) {
    if (given->struct_size != sizeof *given) return FC_ERR_VERSION;
    if (given->adaptive < 0 || given->adaptive > 1 ||
        (!given->adaptive && (given->oh || given->ow)))
        return FC_ERR_INVALID_ARGUMENT;
    fc_status status = given->adaptive ? check_adaptive(given) : FC_OK;
    if (status != FC_OK) return status;
    *windows = regular(given);
    status = check(windows, oh, ow);
    if (status != FC_OK) return status;
    fc_window_settle(windows->ih, windows->kh, windows->pad_top, windows->pad_bottom,
                     &windows->stride_h, &windows->dilation_h);
    fc_window_settle(windows->iw, windows->kw, windows->pad_left, windows->pad_right,
                     &windows->stride_w, &windows->dilation_w);
    return FC_OK;
}

fc_status fc_pool2d_create(const fc_pool2d_desc *given, fc_plan **out) {
    if (!given || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t oh, ow;
    fc_pool2d_desc windows;
    fc_status status = settle(given, &windows, &oh, &ow);
    if (status != FC_OK) return status;
    const fc_pool2d_desc *desc = &windows;
    fc_plan *plan = fc_plan_new(&fc_operation_pool2d, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    status = fc_select_pool2d(desc, oh, ow, plan);
    if (status != FC_OK) {
        fc_plan_destroy(plan);
        return status;
    }
    plan->pool.desc = *desc;
    plan->pool.oh = oh;
    plan->pool.ow = ow;
    plan->pool.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->n, desc->c, oh, ow};
    fc_plan_describe(plan, shape,
             (double)(desc->n * desc->c) * (double)(oh * ow) * (double)(desc->kh * desc->kw),
             desc->n * desc->c * desc->ih * desc->iw, 0);
    *out = plan;
    return FC_OK;
}

/* ---- gradient ------------------------------------------------------------------------------------ */

static size_t gradient_scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_pool_gradient_scratch_bytes(&plan->pool, threads);
}

static bool gradient_args_complete(const fc_plan *plan, const fc_args *args) {
    return plan->pool.desc.kind != FC_POOL_LP || (args->input && args->result);
}

static void execute_gradient(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_pool_gradient_execute(&plan->pool, args, scratch, threads);
}

const fc_operation fc_operation_pool2d_gradient = {
    .op = FC_OP_POOL2D_GRADIENT,
    .scratch_bytes = gradient_scratch_bytes,
    .args_complete = gradient_args_complete,
    .execute = execute_gradient,
};

/* One window that is the whole plane, as one of a single row: its rows lie end to end. */
static void flatten(fc_pool2d_desc *d) {
    const int64_t plane = d->ih * d->iw;
    d->ih = d->kh = d->stride_h = 1;
    d->iw = d->kw = d->stride_w = plane;
}

fc_status fc_pool2d_gradient_create(const fc_pool2d_desc *given, fc_plan **out) {
    if (!given || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t oh, ow;
    fc_pool2d_desc windows;
    fc_status status = settle(given, &windows, &oh, &ow);
    if (status != FC_OK) return status;
    /* fc_max_pool_gradient_create does maxima */
    if (windows.kind == FC_POOL_MAX || windows.dst_strided) return FC_ERR_UNSUPPORTED;
    fc_plan *plan = fc_plan_new(&fc_operation_pool2d_gradient, windows.dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_POOL_GRADIENT;
    plan->reason = "each value spread over its window";
    const int64_t shape[4] = {windows.n, windows.c, windows.ih, windows.iw};
    const int64_t planes = windows.n * windows.c;
    fc_plan_describe(plan, shape,
                     (double)planes * (double)(oh * ow) * (double)(windows.kh * windows.kw),
                     planes * oh * ow, 0);
    if (oh == 1 && ow == 1 && windows.kh == windows.ih && windows.kw == windows.iw &&
        !windows.pad_top && !windows.pad_left && !windows.adaptive)
        flatten(&windows);
    plan->pool.desc = windows;
    plan->pool.oh = oh;
    plan->pool.ow = ow;
    plan->pool.kernels = fc_registry_kernels(plan->dtype);
    *out = plan;
    return FC_OK;
}
