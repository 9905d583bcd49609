/* cross_entropy.c: the operation `cross_entropy` and its gradient. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_cross_entropy_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->reserved != 0 || d->reduction < FC_REDUCTION_NONE ||
        d->reduction > FC_REDUCTION_MEAN || (d->diff_src != 0 && d->diff_src != 1) ||
        !(d->smoothing >= 0 && d->smoothing <= 1))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->outer < 1 || d->classes < 1 || d->inner < 1) return FC_ERR_INVALID_SHAPE;
    if (d->classes > FC_MOST_ELEMENTS) return FC_ERR_OVERFLOW; /* before anything is added to them */
    const int64_t sizes[] = {d->outer, d->classes + 3, d->inner};
    return fc_product_fits(sizes, 3) ? FC_OK : FC_ERR_OVERFLOW;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)threads, (void)packed;
    return fc_cross_entropy_scratch_bytes(&plan->cross_entropy);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    const fc_cross_entropy_desc *d = &plan->cross_entropy.desc;
    return args->indices && args->saved && (!d->has_weights || args->weights) &&
           (!d->diff_src || args->diff_dst);
}

static bool args_valid(const fc_plan *plan, const fc_args *args) {
    const fc_cross_entropy_desc *d = &plan->cross_entropy.desc;
    for (int64_t i = 0; i < d->outer * d->inner; i++) {
        const int64_t target = args->indices[i];
        if ((target < 0 || target >= d->classes) && target != d->ignored) return false;
    }
    return true;
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_cross_entropy_execute(&plan->cross_entropy, args, scratch, threads);
}

const fc_operation fc_operation_cross_entropy = {
    .op = FC_OP_CROSS_ENTROPY,
    .counts_flops = true,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .args_valid = args_valid,
    .execute = execute,
};

fc_status fc_cross_entropy_create(const fc_cross_entropy_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_cross_entropy, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_SOFTMAX;
    plan->reason = "maximum, then exponentials and sum";
    plan->cross_entropy.desc = *desc;
    plan->cross_entropy.kernels = fc_registry_kernels(plan->dtype);
    const int64_t count = desc->outer * desc->classes * desc->inner;
    const bool each = desc->reduction == FC_REDUCTION_NONE;
    const int64_t losses[4] = {each ? desc->outer : 1, each ? desc->inner : 1, 1, 1};
    const int64_t logits[4] = {desc->outer, desc->classes, desc->inner, 1};
    fc_plan_describe(plan, desc->diff_src ? logits : losses, 40.0 * (double)count, count,
                     desc->has_weights ? desc->classes : 0);
    *out = plan;
    return FC_OK;
}
