/* linear.c: the operation `linear`. */
#include "plan.h"

#include "registry.h"

static fc_status check(const fc_linear_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || !fc_activation_fused(d->activation) || (d->weights_bf16 & ~1) ||
        d->reserved)
        return FC_ERR_INVALID_ARGUMENT;
    if (d->weights_bf16 && d->dtype != FC_F32) return FC_ERR_UNSUPPORTED;
    if (d->rows < 0 || d->in_features < 1 || d->out_features < 1) return FC_ERR_INVALID_SHAPE;
    const int64_t src[] = {d->rows, d->in_features}, weights[] = {64, d->out_features, d->in_features};
    const int64_t dst[] = {d->rows, d->out_features}, stride[] = {d->src_row_stride, 1};
    if (!fc_product_fits(src, 2) || !fc_product_fits(weights, 3) || !fc_product_fits(dst, 2) ||
        !fc_strides_fit(src, stride, 2))
        return FC_ERR_OVERFLOW;
    return FC_OK;
}

static size_t packed_bytes(const fc_plan *plan) { return fc_linear_packed_bytes(&plan->linear); }

static void pack(const fc_plan *plan, const void *weights, void *packed, int threads) {
    fc_linear_pack(&plan->linear, weights, packed, threads);
}

/* The panels of these weights are the same whatever the batch. */
static uint64_t packing(const fc_plan *plan) {
    if (plan->linear.desc.weights_bf16)
        return fc_packing_id(FC_PACKED_BF16, FC_BF16_PANEL, FC_BF16_RUN);
    return fc_packing_id(FC_PACKED_PANELS, plan->linear.blocking.panel, 1);
}

/* Panels that come unpacked are packed as the driver goes. */
static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    return fc_linear_scratch_bytes(&plan->linear, threads, packed);
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    if (plan->linear.desc.has_bias && !args->bias) return false;
    if (plan->linear.desc.weights_bf16) return args->packed;
    return args->weights || (args->packed && packed_bytes(plan));
}

static void execute(const fc_plan *plan, const fc_args *args, void *scratch, int threads) {
    fc_linear_execute(&plan->linear, args, scratch, threads);
}

static void extents(const fc_plan *plan, fc_extents *e) {
    const fc_linear_desc *d = &plan->linear.desc;
    const int64_t src[] = {d->rows, d->in_features}, stride[] = {d->src_row_stride, 1};
    e->src = fc_extent_strided(src, stride, 2);
    e->dst = fc_extent_of_dst(plan);
}

const fc_operation fc_operation_linear = {
    .op = FC_OP_LINEAR,
    .counts_flops = true,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .packing = packing,
    .scratch_bytes = scratch_bytes,
    .args_complete = args_complete,
    .execute = execute,
    .extents = extents,
};

fc_status fc_linear_create(const fc_linear_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = check(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = fc_plan_new(&fc_operation_linear, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_GEMM;
    plan->linear.desc = *desc;
    plan->linear.kernels = fc_registry_kernels(plan->dtype);
    fc_linear_prepare(&plan->linear);
    plan->reason = desc->weights_bf16 ? "weights of bfloat16: dot products that widen what they read"
                   : plan->linear.dots
                       ? "deep rows: dot products with the weights where they lie"
                       : "shallow rows against weight panels by the register tile";
    const int64_t shape[4] = {desc->rows, desc->out_features, 1, 1};
    const int64_t weights = desc->in_features * desc->out_features;
    fc_plan_describe(plan, shape, 2.0 * (double)desc->rows * (double)weights,
             desc->rows * desc->in_features, weights);
    if (desc->weights_bf16) plan->weight_bytes = packed_bytes(plan);
    *out = plan;
    return FC_OK;
}
