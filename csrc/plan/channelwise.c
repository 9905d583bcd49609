/* channelwise.c: the operation `channelwise`: batch normalisation with known statistics, PReLU. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_channelwise_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || !fc_activation_fused(d->activation))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->kind == FC_CHANNELWISE_PRELU) {
        if (d->activation != FC_ACT_NONE || !d->has_weights || d->has_bias || d->epsilon != 0)
            return FC_ERR_INVALID_ARGUMENT;
    } else if (d->kind != FC_CHANNELWISE_NORM) {
        return FC_ERR_INVALID_ARGUMENT;
    }
    if (d->outer < 0 || d->channels < 1 || d->inner < 0) return FC_ERR_INVALID_SHAPE;
    const int64_t sizes[] = {d->outer, d->channels, d->inner};
    return fc_product_fits(sizes, 3) ? FC_OK : FC_ERR_OVERFLOW;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)threads, (void)packed;
    return fc_channelwise_scratch_bytes(&plan->channelwise);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    const fc_channelwise_desc *d = &plan->channelwise.desc;
    if (d->kind == FC_CHANNELWISE_NORM && (!args->mean || !args->variance)) return false;
    return (!d->has_weights || args->weights) && (!d->has_bias || args->bias);
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_channelwise_execute(&plan->channelwise, args, scratch, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) { e->src = e->dst = fc_extent_of_dst(plan); }

const fc_operation fc_operation_channelwise = {
    .op = FC_OP_CHANNELWISE,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
    .extents = extents,
    .in_place = FC_IN_PLACE_SRC,
};

fc_status fc_channelwise_create(const fc_channelwise_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_channelwise, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_CHANNELWISE;
    plan->reason = "one pass, with the channel's numbers in registers";
    plan->channelwise.desc = *desc;
    plan->channelwise.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->outer, desc->channels, desc->inner, 1};
    const int64_t count = desc->outer * desc->channels * desc->inner;
    fc_plan_describe(plan, shape, 3.0 * (double)count, count, desc->channels);
    *out = plan;
    return FC_OK;
}
