/* unary.c: the operation `unary`: an activation over an array; and its gradient. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_unary_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->activation < FC_ACT_NONE || d->activation >= FC_ACT_COUNT ||
        d->reserved != 0)
        return FC_ERR_INVALID_ARGUMENT;
    const bool one = d->activation >= FC_ACT_LEAKY_RELU, two = d->activation == FC_ACT_SOFTPLUS;
    if ((d->alpha != 0 && !one) || (d->beta != 0 && !two) || (two && d->alpha == 0))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->count < 0) return FC_ERR_INVALID_SHAPE;
    return d->count <= FC_MOST_ELEMENTS ? FC_OK : FC_ERR_OVERFLOW;
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_unary_execute(&plan->unary, args, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) { e->src = e->dst = fc_extent_of_dst(plan); }

const fc_operation fc_operation_unary = {
    .op = FC_OP_UNARY,
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
    fc_unary_gradient_execute(&plan->unary, args, threads);
}

const fc_operation fc_operation_unary_gradient = {
    .op = FC_OP_UNARY_GRADIENT,
    .args_complete = has_diff_dst,
    .execute = execute_gradient,
};

static fc_status create(const fc_operation *operation, const fc_unary_desc *desc, int arrays_read,
                        fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(operation, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_ELEMENTWISE;
    plan->reason = "one pass over the elements";
    plan->unary.desc = *desc;
    plan->unary.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->count, 1, 1, 1};
    fc_plan_describe(plan, shape, (double)desc->count, arrays_read * desc->count, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_unary_create(const fc_unary_desc *desc, fc_plan **out) {
    return create(&fc_operation_unary, desc, 1, out);
}

fc_status fc_unary_gradient_create(const fc_unary_desc *desc, fc_plan **out) {
    return create(&fc_operation_unary_gradient, desc, 2, out);
}
