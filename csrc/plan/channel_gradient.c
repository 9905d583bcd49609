/* channel_gradient.c: the operation `channel_gradient`: batch normalisation with the batch's statistics,
 * and the gradients of channelwise operations. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_channel_gradient_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->kind < FC_CHANNEL_BATCH_NORM ||
        d->kind > FC_CHANNEL_PRELU_GRADIENT || !fc_activation_fused(d->activation))
        return FC_ERR_INVALID_ARGUMENT;
    const bool forward = d->kind == FC_CHANNEL_BATCH_NORM, prelu = d->kind == FC_CHANNEL_PRELU_GRADIENT;
    if ((d->activation != FC_ACT_NONE || d->has_bias) && !forward) return FC_ERR_INVALID_ARGUMENT;
    if (prelu && !d->has_weights) return FC_ERR_INVALID_ARGUMENT;
    if (d->outer < 1 || d->channels < 1 || d->inner < 1) return FC_ERR_INVALID_SHAPE;
    const int64_t sizes[] = {d->outer, d->channels, d->inner};
    return fc_product_fits(sizes, 3) ? FC_OK : FC_ERR_OVERFLOW;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)threads, (void)packed;
    return fc_channel_gradient_scratch_bytes(&plan->channel_gradient);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    const fc_channel_gradient_desc *d = &plan->channel_gradient.desc;
    if ((d->has_weights && !args->weights) || (d->has_bias && !args->bias)) return false;
    if (d->kind == FC_CHANNEL_BATCH_NORM)
        return args->channel_dst[0] && args->channel_dst[1] && args->channel_dst[2];
    return args->diff_dst &&
           (d->kind == FC_CHANNEL_PRELU_GRADIENT || (args->mean && args->variance));
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_channel_gradient_execute(&plan->channel_gradient, args, scratch, threads);
}

const fc_operation fc_operation_channel_gradient = {
    .op = FC_OP_CHANNEL_GRADIENT,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
};

fc_status fc_channel_gradient_create(const fc_channel_gradient_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_channel_gradient, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_CHANNELWISE;
    plan->reason = "sums of pieces of channels, then one pass";
    plan->channel_gradient.desc = *desc;
    plan->channel_gradient.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->outer, desc->channels, desc->inner, 1};
    const int64_t count = desc->outer * desc->channels * desc->inner;
    const int64_t arrays = desc->kind == FC_CHANNEL_BATCH_NORM ? 1 : 2;
    fc_plan_describe(plan, shape, 6.0 * (double)count, arrays * count, desc->channels);
    *out = plan;
    return FC_OK;
}
