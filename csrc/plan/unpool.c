/* unpool.c: the operation `unpool`. */
#include "plan.h"

#include "registry.h"

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

static bool max_pool_args_valid(const fc_plan *plan, const fc_args *args) {
    return fc_max_pool_gradient_valid(&plan->unpool, args);
}

static void execute_max_pool_gradient(const fc_plan *plan, const fc_args *args, void *scratch,
                                      int threads) {
    (void)scratch;
    fc_max_pool_gradient_execute(&plan->unpool, args, threads);
}

const fc_operation fc_operation_max_pool_gradient = {
    .op = FC_OP_MAX_POOL_GRADIENT,
    .args_complete = args_complete,
    .args_valid = max_pool_args_valid,
    .execute = execute_max_pool_gradient,
};

static void execute_gradient(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_unpool_gradient_execute(&plan->unpool, args, threads);
}

const fc_operation fc_operation_unpool_gradient = {
    .op = FC_OP_UNPOOL_GRADIENT,
    .args_complete = args_complete,
    .args_valid = args_valid,
    .execute = execute_gradient,
};

/* A plan of `operation` from `src_plane` elements of a plane to `dst_plane`. */
static fc_status create(const fc_unpool_desc *desc, const fc_operation *operation,
                        fc_algorithm algorithm, const char *reason, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(operation, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = algorithm;
    plan->reason = reason;
    plan->unpool.desc = *desc;
    plan->unpool.kernels = fc_registry_kernels(plan->dtype);
    const bool back = algorithm == FC_ALGO_UNPOOL_GRADIENT;
    const int64_t small = desc->src_plane, large = desc->dst_plane;
    const int64_t shape[4] = {desc->planes, back ? small : large, 1, 1};
    fc_plan_describe(plan, shape, 0.0, desc->planes * (back ? large : small), 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_unpool_create(const fc_unpool_desc *desc, fc_plan **out) {
    return create(desc, &fc_operation_unpool, FC_ALGO_UNPOOL,
                  "each plane cleared, then its values put into their places", out);
}

fc_status fc_max_pool_gradient_create(const fc_unpool_desc *desc, fc_plan **out) {
    return create(desc, &fc_operation_max_pool_gradient, FC_ALGO_MAX_POOL_GRADIENT,
                  "each plane cleared, then its values added to their places", out);
}

fc_status fc_unpool_gradient_create(const fc_unpool_desc *desc, fc_plan **out) {
    return create(desc, &fc_operation_unpool_gradient, FC_ALGO_UNPOOL_GRADIENT,
                  "values read from where they were put", out);
}
