/* sgd_update.c: a step of gradient descent with momentum. Contract in ukr_updates.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include "update_part.h"

typedef enum buffering { NO_BUFFER, FRESH, RUNNING } buffering;

typedef struct constants {
    vec sign, weight_decay, momentum, gain, descent;
} constants;

FC_INLINE void step(const fc_sgd_update_args *a, ptrdiff_t i, ptrdiff_t n, constants c,
                    const buffering kind, const int nesterov, const int decay) {
    const vec w = load_part(a->weights, i, n);
    vec g = vec_mul(c.sign, load_part(a->grad, i, n));
    if (decay) g = vec_fma(c.weight_decay, w, g);
    vec u = g;
    if (kind != NO_BUFFER) {
        vec b = g;
        if (kind == RUNNING) b = vec_fma(c.momentum, load_part(a->buffer, i, n), vec_mul(c.gain, g));
        store_part(a->buffer, i, n, b);
        u = nesterov ? vec_fma(c.momentum, b, g) : b;
    }
    store_part(a->weights, i, n, vec_fma(c.descent, u, w));
}

FC_INLINE void update(const fc_sgd_update_args *a, const buffering kind, const int nesterov,
                      const int decay) {
    const fc_sgd_update_args args = *a; /* which no store through `real *` may seem to change */
    const constants c = {vec_set1((real)a->sign), vec_set1((real)a->weight_decay),
                         vec_set1((real)a->momentum), vec_set1((real)a->gain), vec_set1((real)-a->lr)};
    ptrdiff_t i = 0;
    for (; i + VLEN <= args.count; i += VLEN) step(&args, i, VLEN, c, kind, nesterov, decay);
    if (i < args.count) step(&args, i, args.count - i, c, kind, nesterov, decay);
}

FC_INLINE void update_decayed(const fc_sgd_update_args *a, const buffering kind, const int nesterov) {
    if (a->weight_decay != 0)
        update(a, kind, nesterov, 1);
    else
        update(a, kind, nesterov, 0);
}

void FC_NAME(sgd_update)(const fc_sgd_update_args *a);
void FC_NAME(sgd_update)(const fc_sgd_update_args *a) {
    if (!a->buffer)
        update_decayed(a, NO_BUFFER, 0);
    else if (a->fresh)
        update_decayed(a, FRESH, a->nesterov != 0); /* once in a training: one body for both */
    else if (a->nesterov)
        update_decayed(a, RUNNING, 1);
    else
        update_decayed(a, RUNNING, 0);
}
