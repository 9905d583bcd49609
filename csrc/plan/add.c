/* add.c: the operations `add` and `scale`: rows added up with an activation, channels scaled. */
#include "plan.h"

#include "registry.h"

/* Rows of dst that do not meet, rows of src that stay addressable. */
static bool rows_fit(int64_t rows, int64_t length, int64_t src_stride, int64_t dst_stride) {
    const int64_t size[] = {rows, length}, src[] = {src_stride, 1}, dst[] = {dst_stride, 1};
    return fc_product_fits(size, 2) && fc_strides_fit(size, src, 2) && fc_strides_fit(size, dst, 2);
}

static fc_extent extent_of_rows(int64_t rows, int64_t length, int64_t row_stride) {
    const int64_t size[] = {rows, length}, stride[] = {row_stride, 1};
    return fc_extent_strided(size, stride, 2);
}

/* ---- add --------------------------------------------------------------------------------------- */

static fc_status check_add(const fc_add_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || !fc_activation_fused(d->activation) || (d->has_residual & ~1))
        return FC_ERR_INVALID_ARGUMENT;
    if (d->rows < 0 || d->length < 0 || (d->rows > 1 && d->dst_row_stride < d->length))
        return FC_ERR_INVALID_SHAPE;
    return rows_fit(d->rows, d->length, d->src_row_stride, d->dst_row_stride) &&
                   (!d->has_residual ||
                    rows_fit(d->rows, d->length, d->residual_row_stride, d->dst_row_stride))
               ? FC_OK
               : FC_ERR_OVERFLOW;
}

static bool add_complete(const fc_plan *plan, const fc_args *args) {
    return !plan->add.desc.has_residual || args->residual;
}

static void execute_add(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_add_execute(&plan->add, args, threads);
}

static void add_extents(const fc_plan *plan, fc_extents *e) {
    const fc_add_desc *d = &plan->add.desc;
    e->src = extent_of_rows(d->rows, d->length, d->src_row_stride);
    e->dst = extent_of_rows(d->rows, d->length, d->dst_row_stride);
    if (d->has_residual) e->residual = extent_of_rows(d->rows, d->length, d->residual_row_stride);
}

const fc_operation fc_operation_add = {
    .op = FC_OP_ADD,
    .args_complete = add_complete,
    .execute = execute_add,
    .extents = add_extents,
    .in_place = FC_IN_PLACE_SRC | FC_IN_PLACE_RESIDUAL,
};

fc_status fc_add_create(const fc_add_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check_add(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_add, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_ELEMENTWISE;
    plan->reason = "one pass over the rows";
    plan->add.desc = *desc;
    plan->add.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->rows, desc->length, 1, 1}, count = desc->rows * desc->length;
    fc_plan_describe(plan, shape, (double)count, count * (1 + desc->has_residual), 0);
    *out = plan;
    return FC_OK;
}

/* ---- scale ------------------------------------------------------------------------------------- */

static fc_status check_scale(const fc_scale_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype)) return FC_ERR_INVALID_ARGUMENT;
    if (d->rows < 0 || d->channels < 0 || d->inner < 0) return FC_ERR_INVALID_SHAPE;
    const int64_t size[] = {d->rows, d->channels, d->inner};
    if (!fc_product_fits(size, 3)) return FC_ERR_OVERFLOW;
    const int64_t length = d->channels * d->inner;
    if (d->rows > 1 && d->dst_row_stride < length) return FC_ERR_INVALID_SHAPE;
    return rows_fit(d->rows, length, d->src_row_stride, d->dst_row_stride) ? FC_OK : FC_ERR_OVERFLOW;
}

static bool scale_complete(const fc_plan *plan, const fc_args *args) {
    (void)plan;
    return args->residual != NULL;
}

static void execute_scale(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    (void)scratch;
    fc_scale_execute(&plan->scale, args, threads);
}

static void scale_extents(const fc_plan *plan, fc_extents *e) {
    const fc_scale_desc *d = &plan->scale.desc;
    e->src = extent_of_rows(d->rows, d->channels * d->inner, d->src_row_stride);
    e->dst = extent_of_rows(d->rows, d->channels * d->inner, d->dst_row_stride);
    e->residual = fc_extent_dense(d->rows * d->channels);
}

const fc_operation fc_operation_scale = {
    .op = FC_OP_SCALE,
    .args_complete = scale_complete,
    .execute = execute_scale,
    .extents = scale_extents,
    .in_place = FC_IN_PLACE_SRC,
};

fc_status fc_scale_create(const fc_scale_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check_scale(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_scale, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_CHANNELWISE;
    plan->reason = "one pass, with the channel's number in a register";
    plan->scale.desc = *desc;
    plan->scale.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->rows, desc->channels, desc->inner, 1};
    const int64_t count = desc->rows * desc->channels * desc->inner;
    fc_plan_describe(plan, shape, (double)count, count + desc->rows * desc->channels, 0);
    *out = plan;
    return FC_OK;
}
