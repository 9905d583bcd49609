#include "plan.h"

#include "../base/memory.h"
#include "registry.h"

#include <string.h>

static size_t packed_bytes(const fc_plan *plan) {
    if (plan->op == FC_OP_CONV2D)
        return plan->conv_driver->packed_bytes ? plan->conv_driver->packed_bytes(&plan->conv) : 0;
    return plan->op == FC_OP_LINEAR ? fc_linear_packed_bytes(&plan->linear) : 0;
}

/* A plan with the fields all operations share. */
static fc_plan *new_plan(fc_op op, int32_t dtype) {
    fc_plan *plan = fc_alloc_zero(sizeof *plan);
    if (!plan) return NULL;
    plan->op = op;
    plan->dtype = (fc_dtype)dtype;
    plan->isa = fc_registry_kernels(plan->dtype)->isa;
    return plan;
}

static void describe(fc_plan *plan, const int64_t dst_shape[4], double flops, int64_t src_elements,
                     int64_t weight_elements) {
    const uint64_t bytes = fc_dtype_bytes(plan->dtype);
    uint64_t dst_elements = 1;
    for (int i = 0; i < 4; i++) {
        plan->dst_shape[i] = dst_shape[i];
        dst_elements *= (uint64_t)dst_shape[i];
    }
    plan->flops = (uint64_t)flops;
    plan->src_bytes = (uint64_t)src_elements * bytes;
    plan->dst_bytes = dst_elements * bytes;
    plan->weight_bytes = (uint64_t)weight_elements * bytes;
}

fc_status fc_conv2d_create(const fc_conv2d_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t oh, ow;
    fc_status status = fc_check_conv2d(desc, &oh, &ow);
    if (status != FC_OK) return status;
    fc_plan *plan = new_plan(FC_OP_CONV2D, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    status = fc_select_conv2d(desc, oh, ow, plan);
    if (status != FC_OK) {
        fc_plan_destroy(plan);
        return status;
    }
    plan->conv.desc = *desc;
    plan->conv.oh = oh;
    plan->conv.ow = ow;
    plan->conv.kernels = fc_registry_kernels(plan->dtype);
    plan->conv_driver->prepare(&plan->conv);
    const int64_t shape[4] = {desc->n, desc->oc, oh, ow};
    const int64_t weights = desc->oc * (desc->ic / desc->groups) * desc->kh * desc->kw;
    describe(plan, shape, 2.0 * (double)(desc->n * oh * ow) * (double)weights,
             desc->n * desc->ic * desc->ih * desc->iw, weights);
    *out = plan;
    return FC_OK;
}

fc_status fc_pool2d_create(const fc_pool2d_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    int64_t oh, ow;
    fc_status status = fc_check_pool2d(desc, &oh, &ow);
    if (status != FC_OK) return status;
    fc_plan *plan = new_plan(FC_OP_POOL2D, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    status = fc_select_pool2d(desc, oh, ow, plan);
    if (status != FC_OK) {
        fc_plan_destroy(plan);
        return status;
    }
    plan->pool.desc = *desc;
    plan->pool.oh = oh;
    plan->pool.ow = ow;
    plan->pool.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->n, desc->c, oh, ow};
    describe(plan, shape,
             (double)(desc->n * desc->c) * (double)(oh * ow) * (double)(desc->kh * desc->kw),
             desc->n * desc->c * desc->ih * desc->iw, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_linear_create(const fc_linear_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = fc_check_linear(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = new_plan(FC_OP_LINEAR, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_GEMM;
    plan->reason = "rows against weight panels by the register tile";
    plan->linear.desc = *desc;
    plan->linear.kernels = fc_registry_kernels(plan->dtype);
    fc_linear_prepare(&plan->linear);
    const int64_t shape[4] = {desc->rows, desc->out_features, 1, 1};
    const int64_t weights = desc->in_features * desc->out_features;
    describe(plan, shape, 2.0 * (double)desc->rows * (double)weights,
             desc->rows * desc->in_features, weights);
    *out = plan;
    return FC_OK;
}

fc_status fc_unary_create(const fc_unary_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = fc_check_unary(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = new_plan(FC_OP_UNARY, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_ELEMENTWISE;
    plan->reason = "one pass over the elements";
    plan->unary.desc = *desc;
    plan->unary.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->count, 1, 1, 1};
    describe(plan, shape, (double)desc->count, desc->count, 0);
    *out = plan;
    return FC_OK;
}

fc_status fc_softmax_create(const fc_softmax_desc *desc, fc_plan **out) {
    if (!desc || !out) return FC_ERR_INVALID_ARGUMENT;
    *out = NULL;
    fc_status status = fc_check_softmax(desc);
    if (status != FC_OK) return status;
    fc_plan *plan = new_plan(FC_OP_SOFTMAX, desc->dtype);
    if (!plan) return FC_ERR_OUT_OF_MEMORY;
    plan->algorithm = FC_ALGO_SOFTMAX;
    plan->reason = "maximum, exponentials and sum, then one division";
    plan->softmax.desc = *desc;
    plan->softmax.kernels = fc_registry_kernels(plan->dtype);
    const int64_t shape[4] = {desc->outer, desc->length, desc->inner, 1};
    const int64_t count = desc->outer * desc->length * desc->inner;
    describe(plan, shape, 4.0 * (double)count, count, 0);
    *out = plan;
    return FC_OK;
}

void fc_plan_destroy(fc_plan *plan) { fc_free(plan); }

void fc_plan_query(const fc_plan *plan, fc_plan_info *info) {
    fc_plan_info now = {
        .struct_size = info->struct_size,
        .op = plan->op,
        .algorithm = plan->algorithm,
        .isa = plan->isa,
        .dtype = plan->dtype,
        .reason = plan->reason,
        .flops = plan->flops,
        .src_bytes = plan->src_bytes,
        .dst_bytes = plan->dst_bytes,
        .weight_bytes = plan->weight_bytes,
        .packed_weight_bytes = packed_bytes(plan),
    };
    memcpy(now.refusal, plan->refusal, sizeof now.refusal);
    memcpy(now.dst_shape, plan->dst_shape, sizeof now.dst_shape);
    fc_copy_info(info, &now, info->struct_size, sizeof now);
}

int fc_plan_threads(const fc_plan *plan, int offered) {
    const int threads = offered < 1 ? 1 : offered;
    const int by_bytes = fc_threads_for_bytes(
        threads, (double)(plan->src_bytes + plan->weight_bytes + plan->dst_bytes));
    if (plan->op == FC_OP_CONV2D || plan->op == FC_OP_LINEAR) {
        /* few rows against many weights and depthwise windows are bound by what they read */
        int by_flops = fc_threads_for_flops(threads, (double)plan->flops);
        return by_flops > by_bytes ? by_flops : by_bytes;
    }
    return by_bytes;
}

/* Scratch of the operation itself, the packing of weights apart. */
static size_t working_bytes(const fc_plan *plan, int threads, bool packed) {
    switch (plan->op) {
    case FC_OP_CONV2D:
        return plan->conv_driver->scratch_bytes(&plan->conv, threads);
    case FC_OP_POOL2D:
        return plan->pool_driver->scratch_bytes
                   ? plan->pool_driver->scratch_bytes(&plan->pool, threads)
                   : 0;
    case FC_OP_LINEAR:
        return fc_linear_scratch_bytes(&plan->linear, threads, packed);
    case FC_OP_SOFTMAX:
        return fc_softmax_scratch_bytes(&plan->softmax, threads);
    case FC_OP_UNARY:
        break;
    }
    return 0;
}

/* Convolutions pack unpacked weights into scratch, before their own; linear packs as it goes. */
static size_t packing_bytes(const fc_plan *plan, bool packed) {
    if (plan->op != FC_OP_CONV2D || packed) return 0;
    return (size_t)fc_round_up((int64_t)packed_bytes(plan), FC_CACHE_LINE);
}

size_t fc_plan_scratch_bytes(const fc_plan *plan, int threads, int packed) {
    return packing_bytes(plan, packed) + working_bytes(plan, fc_plan_threads(plan, threads), packed);
}

size_t fc_plan_packed_bytes(const fc_plan *plan) { return packed_bytes(plan); }

fc_status fc_plan_pack(const fc_plan *plan, const void *weights, void *packed, int threads) {
    if (!weights || !packed) return FC_ERR_INVALID_ARGUMENT;
    if (!packed_bytes(plan)) return FC_ERR_UNSUPPORTED;
    if (plan->op == FC_OP_CONV2D)
        plan->conv_driver->pack(&plan->conv, weights, packed, threads);
    else
        fc_linear_pack(&plan->linear, weights, packed, threads);
    return FC_OK;
}

static bool args_complete(const fc_plan *plan, const fc_args *args) {
    if (!args->src || !args->dst) return false;
    switch (plan->op) {
    case FC_OP_CONV2D:
        if (plan->conv.desc.has_bias && !args->bias) return false;
        if (plan->conv.desc.has_residual && !args->residual) return false;
        return args->weights || (args->packed && packed_bytes(plan));
    case FC_OP_LINEAR:
        if (plan->linear.desc.has_bias && !args->bias) return false;
        return args->weights || args->packed;
    case FC_OP_POOL2D:
        return !plan->pool.desc.with_indices || args->indices;
    default:
        return true;
    }
}

static bool nothing_to_do(const fc_plan *plan) { return plan->dst_bytes == 0; }

fc_status fc_execute(const fc_plan *plan, const fc_args *args, int threads) {
    if (!plan || !args) return FC_ERR_INVALID_ARGUMENT;
    if (args->struct_size != sizeof *args) return FC_ERR_VERSION;
    if (nothing_to_do(plan)) return FC_OK;
    if (!args_complete(plan, args)) return FC_ERR_INVALID_ARGUMENT;

    threads = fc_plan_threads(plan, threads);
    const size_t packing = packing_bytes(plan, args->packed != NULL);
    const size_t bytes = packing + working_bytes(plan, threads, args->packed != NULL);
    char *scratch = NULL;
    if (bytes && !(scratch = fc_pool_acquire(bytes))) return FC_ERR_OUT_OF_MEMORY;

    switch (plan->op) {
    case FC_OP_CONV2D: {
        fc_args ready = *args;
        if (packing) {
            plan->conv_driver->pack(&plan->conv, args->weights, scratch, threads);
            ready.packed = scratch;
        }
        plan->conv_driver->execute(&plan->conv, &ready, scratch + packing, threads);
        break;
    }
    case FC_OP_POOL2D:
        plan->pool_driver->execute(&plan->pool, args, scratch, threads);
        break;
    case FC_OP_LINEAR:
        fc_linear_execute(&plan->linear, args, scratch, threads);
        break;
    case FC_OP_UNARY:
        fc_unary_execute(&plan->unary, args, threads);
        break;
    case FC_OP_SOFTMAX:
        fc_softmax_execute(&plan->softmax, args, scratch, threads);
        break;
    }
    if (scratch) fc_pool_release(scratch);
    return FC_OK;
}
