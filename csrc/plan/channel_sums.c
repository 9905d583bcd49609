/* channel_sums.c: the operation `channel_sums`: the gradient of a bias. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_channel_sums_desc *d) {
    if (!fc_dtype_known(d->dtype)) return FC_ERR_INVALID_ARGUMENT;
    if (d->n < 0 || d->c < 1 || d->h < 1 || d->w < 1) return FC_ERR_INVALID_SHAPE;
    const int64_t src[] = {d->n, d->c, d->h, d->w};
    if (!fc_product_fits(src, 4) || !fc_strides_fit(src, d->src_stride, 4)) return FC_ERR_OVERFLOW;
    return FC_OK;
}

static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    (void)packed;
    return fc_channel_sums_scratch_bytes(&plan->channel_sums, threads);
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    if (plan->channel_sums.desc.n == 0) {
        memset(args->dst, 0, (size_t)plan->dst_bytes);
        return;
    }
    fc_channel_sums_execute(&plan->channel_sums, args, scratch, threads);
}

const fc_operation fc_operation_channel_sums = {
    .op = FC_OP_CHANNEL_SUMS,
    .scratch_bytes = scratch_bytes,
    .execute = execute,
};

fc_status fc_channel_sums_create(const fc_channel_sums_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    if (desc->struct_size != sizeof *desc) return FC_ERR_VERSION;
    const fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_channel_sums, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->channel_sums.desc = *desc;
    plan->channel_sums.kernels = fc_registry_kernels(plan->dtype);
    plan->algorithm = FC_ALGO_CHANNEL_SUMS;
    plan->reason = "channels added up, each by one thread";
    const int64_t shape[4] = {1, desc->c, 1, 1}, count = desc->n * desc->c * desc->h * desc->w;
    fc_plan_describe(plan, shape, (double)count, count, 0);
    *out = plan;
    return FC_OK;
}
