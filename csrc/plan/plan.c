#include "plan.h"

#include "../base/memory.h"
#include "registry.h"

#include <string.h>

fc_plan *fc_plan_new(const fc_operation *operation, int32_t dtype) {
    fc_plan *plan = fc_alloc_zero(sizeof *plan);
    if (!plan) return NULL;
    plan->operation = operation;
    plan->dtype = (fc_dtype)dtype;
    plan->isa = fc_registry_kernels(plan->dtype)->isa;
    return plan;
}

void fc_plan_describe(fc_plan *plan, const int64_t dst_shape[4], double flops, int64_t src_elements,
                      int64_t weight_elements) {
    const uint64_t bytes = fc_dtype_bytes(plan->dtype);
    uint64_t dst_elements = 1;
    for (int i = 0; i < 4; i++) {
        plan->dst_shape[i] = dst_shape[i];
        dst_elements *= (uint64_t)dst_shape[i];
    }
    plan->flops = flops < 0x1p63 ? (uint64_t)flops : UINT64_C(1) << 63; /* of no real machine */
    plan->src_bytes = (uint64_t)src_elements * bytes;
    plan->dst_bytes = dst_elements * bytes;
    plan->weight_bytes = (uint64_t)weight_elements * bytes;
}

void fc_plan_destroy(fc_plan *plan) {
    if (plan && plan->operation->destroy) plan->operation->destroy(plan);
    fc_free(plan);
}

size_t fc_plan_packed_bytes(const fc_plan *plan) {
    return plan->operation->packed_bytes ? plan->operation->packed_bytes(plan) : 0;
}

void fc_plan_query(const fc_plan *plan, fc_plan_info *info) {
    fc_plan_info now = {
        .struct_size = info->struct_size,
        .op = plan->operation->op,
        .algorithm = plan->algorithm,
        .isa = plan->isa,
        .dtype = plan->dtype,
        .reason = plan->reason,
        .flops = plan->flops,
        .src_bytes = plan->src_bytes,
        .dst_bytes = plan->dst_bytes,
        .weight_bytes = plan->weight_bytes,
        .packed_weight_bytes = fc_plan_packed_bytes(plan),
        .estimate = plan->estimate,
    };
    if (plan->conv_driver) now.precision = fc_precision_of(plan->conv_driver, &plan->conv.desc);
    if (now.packed_weight_bytes && plan->operation->packing) {
        now.packing = plan->operation->packing(plan);
        if (plan->conv_driver) now.packed_window = plan->conv.window;
    }
    memcpy(now.refusal, plan->refusal, sizeof now.refusal);
    memcpy(now.dst_shape, plan->dst_shape, sizeof now.dst_shape);
    fc_copy_info(info, &now, info->struct_size, sizeof now);
}

int fc_plan_threads(const fc_plan *plan, int offered) {
    const int threads = offered < 1 ? 1 : offered;
    if (plan->conv_driver && plan->conv_driver->threads)
        return plan->conv_driver->threads(&plan->conv, threads);
    const int by_bytes = fc_threads_for_bytes(
        threads, (double)(plan->src_bytes + plan->weight_bytes + plan->dst_bytes));
    if (!plan->operation->counts_flops) return by_bytes;
    /* few rows against many weights and depthwise windows are bound by what they read */
    const int by_flops = fc_threads_for_flops(threads, (double)plan->flops);
    return by_flops > by_bytes ? by_flops : by_bytes;
}

/* None where there is nothing to write: the drivers may count on work to cut up. */
static size_t scratch_bytes(const fc_plan *plan, int threads, bool packed) {
    if (plan->dst_bytes == 0 || !plan->operation->scratch_bytes) return 0;
    return plan->operation->scratch_bytes(plan, threads, packed);
}

size_t fc_plan_scratch_bytes(const fc_plan *plan, int threads, int packed) {
    return scratch_bytes(plan, fc_plan_threads(plan, threads), packed);
}

fc_status fc_plan_pack(const fc_plan *plan, const void *weights, void *packed, int threads) {
    if (!weights || !packed) return FC_ERR_INVALID_ARGUMENT;
    if (!fc_plan_packed_bytes(plan)) return FC_ERR_UNSUPPORTED;
    plan->operation->pack(plan, weights, packed, threads);
    return FC_OK;
}

fc_status fc_execute(const fc_plan *plan, const fc_args *args, int threads) {
    if (!plan || !args) return FC_ERR_INVALID_ARGUMENT;
    if (args->struct_size != sizeof *args) return FC_ERR_VERSION;
    if (plan->dst_bytes == 0) return FC_OK;
    if (!args->src || !args->dst ||
        (plan->operation->args_complete && !plan->operation->args_complete(plan, args)))
        return FC_ERR_INVALID_ARGUMENT;
    if (plan->operation->args_valid && !plan->operation->args_valid(plan, args))
        return FC_ERR_INVALID_ARGUMENT;

    threads = fc_plan_threads(plan, threads);
    const size_t bytes = scratch_bytes(plan, threads, args->packed != NULL);
    char none; /* drivers add 0 to the address of scratch that they do not need */
    void *scratch = bytes ? fc_pool_acquire_scratch(bytes) : &none;
    if (!scratch) return FC_ERR_OUT_OF_MEMORY;
    plan->operation->execute(plan, args, scratch, threads);
    if (bytes) fc_pool_release(scratch);
    return FC_OK;
}
