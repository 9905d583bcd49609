/* ukr_updates.h: the contracts of the kernels of optimisers. The rules for all kernels are in ukr.h,
 * but that arrays here are read and written in place. */
#ifndef FC_UKR_UPDATES_H
#define FC_UKR_UPDATES_H

#include "../base/status.h"

/* sgd_update: i < count,
 *   g = sign * grad[i] + weight_decay * weights[i]
 *   without buffer: u = g. Else b = fresh ? g : momentum * buffer[i] + gain * g;  buffer[i] = b;
 *                   u = nesterov ? g + momentum * b : b
 *   weights[i] -= lr * u
 * Where weight_decay is 0 its product is left out. A fresh buffer is not read. */
typedef struct fc_sgd_update_args {
    void *weights, *buffer; /* buffer: or NULL */
    const void *grad;
    ptrdiff_t count;
    double lr, sign, weight_decay, momentum, gain;
    int fresh, nesterov;
} fc_sgd_update_args;

/* gradient_norm: *dst = sum of src[i]^2, or the greatest |src[i]| of which NaN is greater than all; 0 of
 * none. A sum is one in double of those of FC_NORM_RUN elements, whose orders are fixed. */
#define FC_NORM_RUN 1024

typedef struct fc_gradient_norm_args {
    const void *src;
    double *dst;
    ptrdiff_t count;
    int kind; /* fc_gradient_norm_kind */
} fc_gradient_norm_args;

/* gradient_limit: dst[i] = value * dst[i], or min(max(dst[i], -value), value) of which NaN stays. */
typedef struct fc_gradient_limit_args {
    void *dst;
    ptrdiff_t count;
    double value;
    int kind; /* fc_gradient_limit_kind */
} fc_gradient_limit_args;

#endif
