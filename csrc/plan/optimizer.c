/* optimizer.c: the entries for parameters and their gradients: checks, and one call of the driver. */
#include "../driver/optimizer.h"

#include <math.h>

#include "../base/memory.h"
#include "check.h"
#include "registry.h"

enum { PARTIALS = 64 }; /* of a norm, on the stack: more come from the pool */

static bool flag(int32_t value) { return value == 0 || value == 1; }

static bool share(double beta) { return beta >= 0 && beta < 1; }

static fc_status check(const fc_optimizer_desc *d) {
    if (d->struct_size != sizeof *d) return FC_ERR_VERSION;
    if (!fc_dtype_known(d->dtype) || d->kind < FC_OPTIMIZER_SGD || d->kind > FC_OPTIMIZER_RMSPROP ||
        !flag(d->maximize) || !flag(d->nesterov) || !flag(d->decoupled) || !flag(d->amsgrad) ||
        !flag(d->centered))
        return FC_ERR_INVALID_ARGUMENT;
    if (!isfinite(d->lr) || !isfinite(d->weight_decay) || !isfinite(d->momentum) ||
        !isfinite(d->dampening) || !isfinite(d->epsilon) || !share(d->beta1) || !share(d->beta2) ||
        d->epsilon < 0)
        return FC_ERR_INVALID_ARGUMENT;
    const bool adam = d->decoupled || d->amsgrad || d->beta1 != 0;
    const bool of_sgd = d->nesterov || d->dampening != 0;
    const bool scaled = d->centered || d->beta2 != 0 || d->epsilon != 0;
    switch (d->kind) {
    case FC_OPTIMIZER_SGD:
        return adam || scaled || (d->nesterov && d->momentum == 0) ? FC_ERR_INVALID_ARGUMENT : FC_OK;
    case FC_OPTIMIZER_ADAM:
        return of_sgd || d->centered || d->momentum != 0 ? FC_ERR_INVALID_ARGUMENT : FC_OK;
    default:
        return of_sgd || adam ? FC_ERR_INVALID_ARGUMENT : FC_OK;
    }
}

/* Whether the optimiser keeps state[i]. */
static bool kept(const fc_optimizer_desc *d, int i) {
    if (d->kind == FC_OPTIMIZER_SGD) return i == 0 && d->momentum != 0;
    if (d->kind == FC_OPTIMIZER_ADAM) return i < 2 || d->amsgrad;
    return i == 0 || (i == 1 ? d->centered != 0 : d->momentum != 0);
}

fc_status fc_optimizer_step(const fc_optimizer_desc *desc, const fc_parameter *parameters, int64_t count,
                            int threads) {
    if (!desc || (!parameters && count)) return FC_ERR_INVALID_ARGUMENT;
    const fc_status status = check(desc);
    if (status != FC_OK) return status;
    int64_t total;
    if (!fc_elements_padded(parameters, count, &total)) return FC_ERR_INVALID_SHAPE;
    for (int64_t i = 0; i < count; i++) {
        const fc_parameter *p = &parameters[i];
        if (p->step < 1) return FC_ERR_INVALID_ARGUMENT;
        if (p->count > 0 && (!p->weights || !p->diff_weights)) return FC_ERR_INVALID_ARGUMENT;
        for (int k = 0; k < 3; k++)
            if (kept(desc, k) ? p->count > 0 && !p->state[k] : p->state[k] != NULL)
                return FC_ERR_INVALID_ARGUMENT;
    }
    fc_optimizer_run(desc, fc_registry_kernels((fc_dtype)desc->dtype), parameters, count, total, threads);
    return FC_OK;
}

static fc_status check_gradients(fc_dtype dtype, int kind, const fc_parameter *parameters, int64_t count,
                                 int64_t *total) {
    if (!fc_dtype_known((int32_t)dtype) || kind < 1 || kind > 2 || (!parameters && count))
        return FC_ERR_INVALID_ARGUMENT;
    if (!fc_elements_padded(parameters, count, total)) return FC_ERR_INVALID_SHAPE;
    for (int64_t i = 0; i < count; i++)
        if (parameters[i].count > 0 && !parameters[i].diff_weights) return FC_ERR_INVALID_ARGUMENT;
    return FC_OK;
}

fc_status fc_gradient_norm(fc_dtype dtype, fc_gradient_norm_kind kind, const fc_parameter *parameters,
                           int64_t count, int threads, double *norm) {
    int64_t total;
    const fc_status status = check_gradients(dtype, (int)kind, parameters, count, &total);
    if (status != FC_OK || !norm) return norm ? status : FC_ERR_INVALID_ARGUMENT;
    double few[PARTIALS], *partial = few;
    const int64_t pieces = fc_gradient_pieces(total);
    if (pieces > PARTIALS) partial = fc_pool_acquire((size_t)pieces * sizeof *partial);
    if (!partial) return FC_ERR_OUT_OF_MEMORY;
    *norm = fc_gradient_norm_run(dtype, kind, fc_registry_kernels(dtype), parameters, count, total,
                                 threads, partial);
    if (partial != few) fc_pool_release(partial);
    return FC_OK;
}

fc_status fc_gradient_limit(fc_dtype dtype, fc_gradient_limit_kind kind, double value,
                            const fc_parameter *parameters, int64_t count, int threads) {
    int64_t total;
    const fc_status status = check_gradients(dtype, (int)kind, parameters, count, &total);
    if (status != FC_OK) return status;
    if (kind == FC_LIMIT_CLAMP && !(value >= 0)) return FC_ERR_INVALID_ARGUMENT;
    fc_gradient_limit_run(dtype, kind, value, fc_registry_kernels(dtype), parameters, count, total,
                          threads);
    return FC_OK;
}
