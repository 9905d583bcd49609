/* interpolate.c: the operation `interpolate`. */
#include <math.h>
#include <string.h>

#include "plan.h"
#include "registry.h"

static fc_status check(const fc_interpolate_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->mode < FC_INTERPOLATE_NEAREST ||
        d->mode > FC_INTERPOLATE_BILINEAR_CORNERS || d->doubling < 0 || d->doubling > 1 ||
        !(d->scale_h >= 0) || !(d->scale_w >= 0) || isinf(d->scale_h) || isinf(d->scale_w))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->src_stride[3] != 1) return FC_ERR_UNSUPPORTED;
    if (d->n < 0 || d->c < 1 || d->ih < 1 || d->iw < 1 || d->oh < 1 || d->ow < 1)
        return FC_ERR_INVALID_SHAPE;
    const int64_t src[] = {d->n, d->c, d->ih, d->iw}, dst[] = {8, d->n, d->c, d->oh, d->ow};
    /* where a pixel comes from fits an integer */
    const double most = (double)FC_MOST_ELEMENTS;
    return fc_product_fits(src, 4) && fc_product_fits(dst, 5) &&
                   fc_strides_fit(src, d->src_stride, 4) &&
                   d->scale_h * ((double)d->oh + 1) < most && d->scale_w * ((double)d->ow + 1) < most
               ? FC_OK
               : FC_ERR_OVERFLOW;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_interpolate_scratch_bytes(&plan->interpolate, threads);
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_interpolate_execute(&plan->interpolate, args, scratch, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) {
    const fc_interpolate_desc *d = &plan->interpolate.desc;
    const int64_t src[] = {d->n, d->c, d->ih, d->iw};
    e->src = fc_extent_strided(src, d->src_stride, 4);
    e->dst = fc_extent_of_dst(plan);
}

const fc_operation fc_operation_interpolate = {
    .op = FC_OP_INTERPOLATE,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
    .extents = extents,
};

static size_t gradient_scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_interpolate_gradient_scratch_bytes(&plan->interpolate, threads);
}

static void execute_gradient(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_interpolate_gradient_execute(&plan->interpolate, args, scratch, threads);
}

const fc_operation fc_operation_interpolate_gradient = {
    .op = FC_OP_INTERPOLATE_GRADIENT,
    .scratch_bytes = gradient_scratch_bytes,
    .execute = execute_gradient,
};

fc_status fc_interpolate_gradient_create(const fc_interpolate_desc *given, fc_plan **out) {
    if (!given || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (given->struct_size != sizeof *given) return FC_ERR_VERSION;
    fc_interpolate_desc desc = *given;
    memset(desc.src_stride, 0, sizeof desc.src_stride);
    desc.src_stride[3] = 1;
    fc_status status = check(&desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_interpolate_gradient, desc.dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_INTERPOLATE_GRADIENT;
    plan->reason = "rows added up by where they came from, then columns";
    plan->interpolate.desc = desc;
    plan->interpolate.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc.n, desc.c, desc.ih, desc.iw};
    const int64_t count = desc.n * desc.c * desc.oh * desc.ow;
    fc_plan_describe(plan, shape, 6.0 * (double)count, count, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_interpolate_create(const fc_interpolate_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_interpolate, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    const bool between = desc->mode >= FC_INTERPOLATE_BILINEAR;
    plan->algorithm = between ? FC_ALGO_BILINEAR : FC_ALGO_NEAREST;
    plan->reason = between ? "rows blended two by two, then columns" : "pixels picked by tables";
    plan->interpolate.desc = *desc;
    plan->interpolate.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->n, desc->c, desc->oh, desc->ow};
    const int64_t images = desc->n * desc->c, count = images * desc->oh * desc->ow;
    fc_plan_describe(plan, shape, between ? 6.0 * (double)count : 0.0, images * desc->ih * desc->iw, 0);
    *out = plan;
    return FC_OK;
}
