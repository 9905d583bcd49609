/* pool2d.c: the operation `pool2d`. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_pool2d_desc *d, int64_t *oh, int64_t *ow) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || (d->kind != FC_POOL_MAX && d->kind != FC_POOL_AVG) ||
        d->reserved != 0 || (d->with_indices && d->kind != FC_POOL_MAX))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 || d->dilation_w < 1 ||
        d->kh < 1 || d->kw < 1 || d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 ||
        d->pad_right < 0)
        return FC_ERR_INVALID_ARGUMENT;
    /* an average has no meaning for positions between the taps */
    if (d->kind == FC_POOL_AVG && (d->dilation_h != 1 || d->dilation_w != 1))
        return FC_ERR_UNSUPPORTED;
    if (d->direction != FC_FORWARD || d->src_layout != FC_LAYOUT_STRIDED ||
        d->dst_layout != FC_LAYOUT_STRIDED || d->src_stride[3] != 1)
        return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->c < 1 || d->ih < 1 || d->iw < 1) return FC_ERR_INVALID_SHAPE;
    /* at most half a window of border: every window then holds a source element */
    if (d->pad_top > d->kh / 2 || d->pad_bottom > d->kh / 2 || d->pad_left > d->kw / 2 ||
        d->pad_right > d->kw / 2)
        return FC_ERR_INVALID_ARGUMENT;
    fc_status status = fc_window_count(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                    d->dilation_h, d->ceil_mode, oh);
    if (status == FC_OK)
        status = fc_window_count(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w, d->dilation_w,
                              d->ceil_mode, ow);
    if (status != FC_OK) return status;
    const int64_t src[] = {d->n, d->c, d->ih, d->iw};
    const int64_t window[] = {d->kh, d->kw, d->dilation_h, d->dilation_w};
    const int64_t strides[] = {d->stride_w, 64, d->kw, d->dilation_w};
    const int64_t dst[] = {8, d->n, d->c, *oh, *ow};
    if (!fc_product_fits(src, 4) || !fc_product_fits(window, 4) || !fc_product_fits(strides, 4) ||
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

const fc_operation fc_operation_pool2d = {
    .op = FC_OP_POOL2D,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
};

fc_status fc_pool2d_create(const fc_pool2d_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t oh, ow;
    fc_status status = check(desc, &oh, &ow);
    if (status != FC_OK) return status;
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
