/* softmax.c: the operation `softmax` and its gradient. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_softmax_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->reserved != 0) return FC_ERR_INVALID_ARGUMENT;
    if (d->outer < 0 || d->length < 0 || d->inner < 0) return FC_ERR_INVALID_SHAPE;
    const int64_t sizes[] = {d->outer, d->length, d->inner};
    return fc_product_fits(sizes, 3) ? FC_OK : FC_ERR_OVERFLOW;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_softmax_scratch_bytes(&plan->softmax, threads);
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_softmax_execute(&plan->softmax, args, scratch, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) { e->src = e->dst = fc_extent_of_dst(plan); }

const fc_operation fc_operation_softmax = {
    .op = FC_OP_SOFTMAX,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
    .extents = extents,
    .in_place = FC_IN_PLACE_SRC,
};

static bool has_diff_dst(const fc_plan *plan, const fc_args *args) {
    (void)plan;
    return args->diff_dst != NULL;
}

static void execute_gradient(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_softmax_gradient_execute(&plan->softmax, args, threads);
}

const fc_operation fc_operation_softmax_gradient = {
    .op = FC_OP_SOFTMAX_GRADIENT,
    .args_complete = has_diff_dst,
    .execute = execute_gradient,
};

static fc_status create(const fc_operation *operation, const fc_softmax_desc *desc,
                        const char *reason, int arrays_read, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(operation, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_SOFTMAX;
    plan->reason = reason;
    plan->softmax.desc = *desc;
    plan->softmax.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->outer, desc->length, desc->inner, 1};
    const int64_t count = desc->outer * desc->length * desc->inner;
    fc_plan_describe(plan, shape, 4.0 * (double)count, arrays_read * count, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_softmax_create(const fc_softmax_desc *desc, fc_plan **out) {
    return create(&fc_operation_softmax, desc, "maximum, exponentials and sum, then one division", 1,
                  out);
}

fc_status fc_softmax_gradient_create(const fc_softmax_desc *desc, fc_plan **out) {
    return create(&fc_operation_softmax_gradient, desc, "a sum, then one pass", 2, out);
}
