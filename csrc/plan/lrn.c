/* lrn.c: the operation `lrn` and its gradient. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_lrn_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->size < 1 || d->before < 0 || d->before >= d->size)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->outer < 0 || d->channels < 1 || d->inner < 0) return FC_ERR_INVALID_SHAPE;
    const int64_t sizes[] = {d->outer, d->channels, d->inner};
    return d->size <= FC_MOST_ELEMENTS && fc_product_fits(sizes, 3) ? FC_OK : FC_ERR_OVERFLOW;
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_lrn_execute(&plan->lrn, args, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) { e->src = e->dst = fc_extent_of_dst(plan); }

const fc_operation fc_operation_lrn = {
    .op = FC_OP_LRN,
    .counts_flops = true,
    .execute = execute,
    .extents = extents,
};

static bool has_diff_dst(const fc_plan *plan, const fc_args *args) {
    (void)plan;
    return args->diff_dst != NULL;
}

static size_t gradient_scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_lrn_gradient_scratch_bytes(&plan->lrn, threads);
}

static void execute_gradient(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_lrn_gradient_execute(&plan->lrn, args, scratch, threads);
}

const fc_operation fc_operation_lrn_gradient = {
    .op = FC_OP_LRN_GRADIENT,
    .counts_flops = true,
    .scratch_bytes = gradient_scratch_bytes,
    .args_complete = has_diff_dst,
    .execute = execute_gradient,
};

static fc_status create(const fc_operation *operation, const fc_lrn_desc *desc, int arrays_read,
                        fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(operation, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_LRN;
    plan->reason = "windows of channels summed pixel by pixel";
    plan->lrn.desc = *desc;
    plan->lrn.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->outer, desc->channels, desc->inner, 1};
    const int64_t count = desc->outer * desc->channels * desc->inner;
    const double taps = (double)fc_min64(desc->size, desc->channels);
    fc_plan_describe(plan, shape, (2.0 * taps + 3.0) * (double)count * arrays_read,
                     arrays_read * count, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_lrn_create(const fc_lrn_desc *desc, fc_plan **out) {
    return create(&fc_operation_lrn, desc, 1, out);
}

fc_status fc_lrn_gradient_create(const fc_lrn_desc *desc, fc_plan **out) {
    return create(&fc_operation_lrn_gradient, desc, 2, out);
}
