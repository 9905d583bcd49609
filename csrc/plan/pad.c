/* pad.c: the operation `pad`. */
#include "plan.h"

#include "registry.h"

#include <string.h>

static fc_status check(const fc_pad_desc *d, int64_t out[FC_PAD_RANK]) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->border < FC_BORDER_ZEROS || d->border >= FC_BORDER_COUNT ||
        d->rank < 1 || d->rank > FC_PAD_RANK)
        return FC_ERR_INVALID_ARGUMENT;
    for (int i = 0; i < FC_PAD_RANK; i++) {
        const bool used = i >= FC_PAD_RANK - d->rank;
        if (!used && (d->size[i] != 1 || d->before[i] || d->after[i])) return FC_ERR_INVALID_ARGUMENT;
        if (d->size[i] < 0) return FC_ERR_INVALID_SHAPE;
        if (!fc_add64(d->size[i], d->before[i], &out[i]) || !fc_add64(out[i], d->after[i], &out[i]) ||
            d->before[i] < -FC_MOST_ELEMENTS || d->before[i] > FC_MOST_ELEMENTS)
            return FC_ERR_OVERFLOW;
        if (out[i] < 0) return FC_ERR_INVALID_SHAPE;
        if (d->border == FC_BORDER_ZEROS) continue;
        const int64_t most = fc_max64(d->before[i], d->after[i]);
        if (d->before[i] < 0 || d->after[i] < 0 || (most && d->size[i] < 1) ||
            (d->border == FC_BORDER_REFLECT && most && most >= d->size[i]) ||
            (d->border == FC_BORDER_CIRCULAR && most > d->size[i]))
            return FC_ERR_INVALID_SHAPE;
    }
    return fc_product_fits(d->size, FC_PAD_RANK) && fc_product_fits(out, FC_PAD_RANK) &&
                   fc_strides_fit(d->size, d->src_stride, FC_PAD_RANK)
               ? FC_OK
               : FC_ERR_OVERFLOW;
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_pad_execute(&plan->pad, args, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) {
    e->src = fc_extent_strided(plan->pad.desc.size, plan->pad.desc.src_stride, FC_PAD_RANK);
    e->dst = fc_extent_of_dst(plan);
}

const fc_operation fc_operation_pad = {.op = FC_OP_PAD, .execute = execute, .extents = extents};

static void execute_gradient(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_pad_gradient_execute(&plan->pad, args, threads);
}

const fc_operation fc_operation_pad_gradient = {.op = FC_OP_PAD_GRADIENT, .execute = execute_gradient};

fc_status fc_pad_gradient_create(const fc_pad_desc *given, fc_plan **out) {
    if (!given || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (given->struct_size != sizeof *given) return FC_ERR_VERSION;
    fc_pad_desc desc = *given;
    memset(desc.src_stride, 0, sizeof desc.src_stride);
    int64_t size[FC_PAD_RANK];
    fc_status status = check(&desc, size);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_pad_gradient, desc.dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_PAD_GRADIENT;
    plan->reason = "rows added to where they were copied from";
    plan->pad.desc = desc;
    plan->pad.kernels = fc_registry_kernels(plan->dtype);
    memcpy(plan->pad.out, size, sizeof size);
    int64_t shape[4] = {1, desc.size[5], desc.size[6], desc.size[7]}, count = 1;
    for (int i = 0; i < 5; i++) shape[0] *= desc.size[i];
    for (int i = 0; i < FC_PAD_RANK; i++) count *= size[i];
    fc_plan_describe(plan, shape, 0.0, count, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_pad_create(const fc_pad_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t size[FC_PAD_RANK];
    fc_status status = check(desc, size);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_pad, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_PAD;
    plan->reason = "rows copied with their border";
    plan->pad.desc = *desc;
    memcpy(plan->pad.out, size, sizeof size);
    int64_t shape[4] = {1, size[5], size[6], size[7]}, count = 1;
    for (int i = 0; i < 5; i++) shape[0] *= size[i];
    for (int i = 0; i < FC_PAD_RANK; i++) count *= desc->size[i];
    fc_plan_describe(plan, shape, 0.0, count, 0);
    *out = plan;
    return FC_OK;
}
