/* unpool.c: the operation `unpool`. */
#include "plan.h"

static fc_status check(const fc_unpool_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype)) return FC_ERR_INVALID_ARGUMENT;
    if (d->planes < 0 || d->src_plane < 1 || d->dst_plane < 1) return FC_ERR_INVALID_SHAPE;
    const int64_t src[] = {8, d->planes, d->src_plane}, dst[] = {d->planes, d->dst_plane};
    return fc_product_fits(src, 3) && fc_product_fits(dst, 2) ? FC_OK : FC_ERR_OVERFLOW;
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    (void)plan;
    return args->indices;
}

static bool args_valid(const fc_plan *plan, const fc_args *args) {
    return fc_unpool_valid(&plan->unpool, args);
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_unpool_execute(&plan->unpool, args, threads);
}

const fc_operation fc_operation_unpool = {
    .op = FC_OP_UNPOOL,
    .args_complete = args_complete,
    .args_valid = args_valid,
    .execute = execute,
};

fc_status fc_unpool_create(const fc_unpool_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_unpool, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_UNPOOL;
    plan->reason = "each plane cleared, then its values put into their places";
    plan->unpool.desc = *desc;
    const int64_t shape[4] = {desc->planes, desc->dst_plane, 1, 1};
    const int64_t count = desc->planes * desc->src_plane;
    fc_plan_describe(plan, shape, 0.0, count, 0);
    *out = plan;
    return FC_OK;
}
