/* conv2d_weight_gradient.c: the operation `conv2d_weight_gradient`. */
#include "plan.h"

#include "registry.h"

static bool border_fits(int32_t border, int64_t size, int64_t before, int64_t after) {
    const int64_t most = fc_max64(before, after);
    return border == FC_BORDER_REFLECT    ? most < size
           : border == FC_BORDER_CIRCULAR ? most <= size
                                          : true;
}

static fc_status check(const fc_conv2d_weight_gradient_desc *d, int64_t *oh, int64_t *ow) {
    if (!fc_dtype_known(d->dtype) || d->border < FC_BORDER_ZEROS || d->border >= FC_BORDER_COUNT ||
        d->precision < FC_PRECISION_STRICT ||
        d->precision >= FC_PRECISION_COUNT || d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 ||
        d->dilation_w < 1 || d->groups < 1 || d->pad_top < 0 || d->pad_bottom < 0 || d->pad_left < 0 ||
        d->pad_right < 0)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->n < 0 || d->ic < 1 || d->ih < 1 || d->iw < 1 || d->oc < 1 || d->kh < 1 || d->kw < 1 ||
        d->ic % d->groups || d->oc % d->groups ||
        !border_fits(d->border, d->ih, d->pad_top, d->pad_bottom) ||
        !border_fits(d->border, d->iw, d->pad_left, d->pad_right))
        return FC_ERR_INVALID_SHAPE;
    fc_status status = fc_window_count(d->ih, d->kh, d->pad_top, d->pad_bottom, d->stride_h,
                                       d->dilation_h, false, oh);
    if (status == FC_OK)
        status = fc_window_count(d->iw, d->kw, d->pad_left, d->pad_right, d->stride_w, d->dilation_w,
                                 false, ow);
    if (status != FC_OK) return status;
    const int64_t padded_h = d->ih + d->pad_top + d->pad_bottom;
    const int64_t padded_w = d->iw + d->pad_left + d->pad_right;
    /* what a worker keeps: lines of strips, panels of 32 or 64, sums of them */
    const int64_t strips[] = {64, d->n, padded_h, padded_w};
    const int64_t weights[] = {64, d->oc, 2, d->ic, d->kh, d->kw};
    const int64_t src[] = {d->n, d->ic, d->ih, d->iw};
    const int64_t diff[] = {d->n, d->oc, *oh, *ow}, panels[] = {64, d->n, d->oc, *oh, *ow};
    const int64_t work[] = {d->oc, d->ic, d->kh, d->kw, *oh, *ow};
    int64_t step;
    if (!fc_product_fits(strips, 4) || !fc_product_fits(weights, 6) || !fc_product_fits(src, 4) ||
        !fc_product_fits(panels, 5) || !fc_product_fits(work, 6) ||
        !fc_strides_fit(src, d->src_stride, 4) || !fc_strides_fit(diff, d->diff_dst_stride, 4) ||
        !fc_mul64(fc_min64(d->stride_h, padded_h), d->src_stride[2], &step) ||
        !fc_mul64(fc_min64(d->stride_w, padded_w), d->src_stride[3], &step))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_weight_gradient_scratch_bytes(&plan->weight_gradient, threads);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    (void)plan;
    return args->diff_dst != NULL;
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    if (plan->weight_gradient.desc.n == 0) {
        memset(args->dst, 0, (size_t)plan->dst_bytes);
        return;
    }
    fc_weight_gradient_execute(&plan->weight_gradient, args, scratch, threads);
}

const fc_operation fc_operation_conv2d_weight_gradient = {
    .op = FC_OP_CONV2D_WEIGHT_GRADIENT,
    .counts_flops = true,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
};

fc_status fc_conv2d_weight_gradient_create(const fc_conv2d_weight_gradient_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (desc->struct_size != sizeof *desc) return FC_ERR_VERSION;
    int64_t oh, ow;
    fc_status status = check(desc, &oh, &ow);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_conv2d_weight_gradient, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    fc_weight_gradient_problem *p = &plan->weight_gradient;
    fc_conv2d_weight_gradient_desc *d = &p->desc;
    *d = *desc;
    fc_window_settle(d->ih, d->kh, d->pad_top, d->pad_bottom, &d->stride_h, &d->dilation_h);
    fc_window_settle(d->iw, d->kw, d->pad_left, d->pad_right, &d->stride_w, &d->dilation_w);
    p->oh = oh;
    p->ow = ow;
    p->kernels = fc_registry_kernels(plan->dtype);
    fc_weight_gradient_prepare(p);
    switch (p->way) {
    case FC_GRADIENT_BY_WINDOWS:
        plan->algorithm = FC_ALGO_GRADIENT_WINDOWS;
        plan->reason = "few channels: vectors along the pixels, windows read in place";
        break;
    case FC_GRADIENT_BY_DOTS:
        plan->algorithm = FC_ALGO_GRADIENT_DOTS;
        plan->reason = "few output channels in a group: vectors along the pixels";
        break;
    case FC_GRADIENT_BY_WINOGRAD:
        plan->algorithm = FC_ALGO_GRADIENT_WINOGRAD;
        plan->reason = "window of stride 1: fewer products by transforms";
        break;
    default:
        plan->algorithm = FC_ALGO_GRADIENT_TILES;
        plan->reason = "register tiles of source lines by output channels";
    }
    const int64_t icg = desc->ic / desc->groups;
    const int64_t shape[4] = {desc->oc, icg, desc->kh, desc->kw};
    const int64_t pixels = desc->n * oh * ow;
    fc_plan_describe(plan, shape, 2.0 * (double)pixels * (double)(desc->oc * icg * desc->kh * desc->kw),
                     desc->n * desc->ic * desc->ih * desc->iw + pixels * desc->oc, 0);
    *out = plan;
    return FC_OK;
}
