/* unfold.c: the operations `unfold` and `fold`, which share a descriptor. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_unfold_desc *d, int64_t *oh, int64_t *ow) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->stride_h < 1 || d->stride_w < 1 || d->dilation_h < 1 ||
        d->dilation_w < 1 || d->pad_h < 0 || d->pad_w < 0)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->n < 0 || d->c < 1 || d->ih < 1 || d->iw < 1 || d->kh < 1 || d->kw < 1)
        return FC_ERR_INVALID_SHAPE;
    fc_status status = fc_window_count(d->ih, d->kh, d->pad_h, d->pad_h, d->stride_h,
                                       d->dilation_h, false, oh);
    if (status == FC_OK)
        status = fc_window_count(d->iw, d->kw, d->pad_w, d->pad_w, d->stride_w, d->dilation_w,
                                 false, ow);
    if (status != FC_OK) return status;
    const int64_t image[] = {d->n, d->c, d->ih, d->iw};
    const int64_t columns[] = {d->n, d->c, d->kh, d->kw, *oh, *ow};
    const int64_t rows[] = {*oh, d->stride_h}, cols[] = {*ow, d->stride_w};
    /* a stride runs over the columns of the image, however they lie */
    int64_t step;
    if (!fc_product_fits(image, 4) || !fc_product_fits(columns, 6) || !fc_product_fits(rows, 2) ||
        !fc_product_fits(cols, 2) || !fc_strides_fit(image, d->src_stride, 4) ||
        (*ow > 1 && !fc_mul64(d->stride_w, d->src_stride[3], &step)))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

static void unfold(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_unfold_execute(&plan->unfold, args, threads);
}

static void fold(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_fold_execute(&plan->unfold, args, threads);
}

const fc_operation fc_operation_unfold = {.op = FC_OP_UNFOLD, .execute = unfold};
const fc_operation fc_operation_fold = {.op = FC_OP_FOLD, .execute = fold};

static fc_status create(const fc_unfold_desc *desc, const fc_operation *operation, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t oh, ow;
    fc_status status = check(desc, &oh, &ow);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(operation, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->unfold.desc = *desc;
    fc_window_settle(desc->ih, desc->kh, desc->pad_h, desc->pad_h, &plan->unfold.desc.stride_h,
                     &plan->unfold.desc.dilation_h);
    fc_window_settle(desc->iw, desc->kw, desc->pad_w, desc->pad_w, &plan->unfold.desc.stride_w,
                     &plan->unfold.desc.dilation_w);
    plan->unfold.oh = oh;
    plan->unfold.ow = ow;
    plan->unfold.kernels = fc_registry_kernels(plan->dtype);
    const int64_t image = desc->n * desc->c * desc->ih * desc->iw, depth = desc->c * desc->kh * desc->kw;
    if (operation == &fc_operation_unfold) {
        plan->algorithm = FC_ALGO_UNFOLD;
        plan->reason = "rows of each tap copied";
        const int64_t shape[4] = {desc->n, depth, oh * ow, 1};
        fc_plan_describe(plan, shape, 0.0, image, 0);
    } else {
        plan->algorithm = FC_ALGO_FOLD;
        plan->reason = "rows of each tap added, tap after tap";
        const int64_t shape[4] = {desc->n, desc->c, desc->ih, desc->iw};
        const int64_t count = desc->n * depth * oh * ow;
        fc_plan_describe(plan, shape, (double)count, count, 0);
    }
    *out = plan;
    return FC_OK;
}

fc_status fc_unfold_create(const fc_unfold_desc *desc, fc_plan **plan) {
    return create(desc, &fc_operation_unfold, plan);
}

fc_status fc_fold_create(const fc_unfold_desc *desc, fc_plan **plan) {
    return create(desc, &fc_operation_fold, plan);
}
