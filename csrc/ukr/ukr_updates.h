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

/* adam_update: i < count,
 *   g = sign * grad[i], + weight_decay * weights[i] of FC_DECAY_GRADIENT
 *   w = weights[i], * (1 - lr * weight_decay) of FC_DECAY_WEIGHTS
 *   mean[i] = m = mean[i] + (1 - beta1) * (g - mean[i])
 *   square[i] = v = beta2 * square[i] + (1 - beta2) * g * g
 *   with greatest: greatest[i] = v = max(greatest[i], v)
 *   weights[i] = w - rate * (m / (sqrt(v) / root + epsilon)) */
typedef enum fc_decay { FC_DECAY_NONE, FC_DECAY_GRADIENT, FC_DECAY_WEIGHTS } fc_decay;

typedef struct fc_adam_update_args {
    void *weights, *mean, *square, *greatest; /* greatest: or NULL */
    const void *grad;
    ptrdiff_t count;
    double lr, sign, weight_decay, beta1, beta2, epsilon;
    double rate, root; /* lr over the correction of mean; the root of that of square */
    int decay;         /* fc_decay */
} fc_adam_update_args;

/* rmsprop_update: i < count,
 *   g = sign * grad[i] + weight_decay * weights[i]
 *   square[i] = v = alpha * square[i] + (1 - alpha) * g * g
 *   with mean: mean[i] = m = mean[i] + (1 - alpha) * (g - mean[i]);  v = max(0, v - m * m)
 *   d = g / (sqrt(v) + epsilon)
 *   with buffer: buffer[i] = d = momentum * buffer[i] + d
 *   weights[i] -= lr * d
 * Where weight_decay is 0 its product is left out. */
typedef struct fc_rmsprop_update_args {
    void *weights, *square, *mean, *buffer; /* mean, buffer: or NULL */
    const void *grad;
    ptrdiff_t count;
    double lr, sign, weight_decay, alpha, epsilon, momentum;
} fc_rmsprop_update_args;

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
