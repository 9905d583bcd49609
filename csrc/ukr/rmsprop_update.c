/* rmsprop_update.c: a step of RMSprop. Contract in ukr_updates.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include "update_part.h"

typedef struct constants {
    vec sign, weight_decay, alpha, gain, epsilon, momentum, descent;
} constants;

FC_INLINE void step(const fc_rmsprop_update_args *a, ptrdiff_t i, ptrdiff_t n, constants c,
                    const int centered, const int buffered, const int decay) {
    const vec w = load_part(a->weights, i, n);
    vec g = vec_mul(c.sign, load_part(a->grad, i, n));
    if (decay) g = vec_fma(c.weight_decay, w, g);
    vec v = vec_fma(vec_mul(c.gain, g), g, vec_mul(c.alpha, load_part(a->square, i, n)));
    store_part(a->square, i, n, v);
    if (centered) {
        vec m = load_part(a->mean, i, n);
        m = vec_fma(c.gain, vec_sub(g, m), m);
        store_part(a->mean, i, n, m);
        /* not below 0, where rounding may take it; a NaN, which is unordered, stays */
        v = vec_max(vec_zero(), vec_fma(vec_sub(vec_zero(), m), m, v));
    }
    vec d = vec_div(g, vec_add(vec_sqrt(v), c.epsilon));
    if (buffered) {
        d = vec_fma(c.momentum, load_part(a->buffer, i, n), d);
        store_part(a->buffer, i, n, d);
    }
    store_part(a->weights, i, n, vec_fma(c.descent, d, w));
}

FC_INLINE void update(const fc_rmsprop_update_args *a, const int centered, const int buffered,
                      const int decay) {
    const fc_rmsprop_update_args args = *a; /* which no store through `real *` may seem to change */
    const constants c = {
        .sign = vec_set1((real)a->sign),
        .weight_decay = vec_set1((real)a->weight_decay),
        .alpha = vec_set1((real)a->alpha),
        .gain = vec_set1((real)(1 - a->alpha)),
        .epsilon = vec_set1((real)a->epsilon),
        .momentum = vec_set1((real)a->momentum),
        .descent = vec_set1((real)-a->lr),
    };
    ptrdiff_t i = 0;
    for (; i + VLEN <= args.count; i += VLEN) step(&args, i, VLEN, c, centered, buffered, decay);
    if (i < args.count) step(&args, i, args.count - i, c, centered, buffered, decay);
}

FC_INLINE void update_decayed(const fc_rmsprop_update_args *a, const int centered, const int buffered) {
    if (a->weight_decay != 0)
        update(a, centered, buffered, 1);
    else
        update(a, centered, buffered, 0);
}

void FC_NAME(rmsprop_update)(const fc_rmsprop_update_args *a);
void FC_NAME(rmsprop_update)(const fc_rmsprop_update_args *a) {
    if (a->mean && a->buffer)
        update_decayed(a, 1, 1);
    else if (a->mean)
        update_decayed(a, 1, 0);
    else if (a->buffer)
        update_decayed(a, 0, 1);
    else
        update_decayed(a, 0, 0);
}
