/* adam_update.c: a step of Adam and its variants. Contract in ukr_updates.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include "update_part.h"

typedef struct constants {
    vec sign, weight_decay, keep, gain1, beta2, gain2, root, epsilon, descent;
} constants;

FC_INLINE void step(const fc_adam_update_args *a, ptrdiff_t i, ptrdiff_t n, constants c, const int decay,
                    const int amsgrad) {
    vec w = load_part(a->weights, i, n);
    vec g = vec_mul(c.sign, load_part(a->grad, i, n));
    if (decay == FC_DECAY_GRADIENT) g = vec_fma(c.weight_decay, w, g);
    if (decay == FC_DECAY_WEIGHTS) w = vec_mul(c.keep, w);
    vec m = load_part(a->mean, i, n);
    m = vec_fma(c.gain1, vec_sub(g, m), m);
    store_part(a->mean, i, n, m);
    vec v = vec_fma(vec_mul(c.gain2, g), g, vec_mul(c.beta2, load_part(a->square, i, n)));
    store_part(a->square, i, n, v);
    if (amsgrad) {
        v = vec_greatest(v, load_part(a->greatest, i, n));
        store_part(a->greatest, i, n, v);
    }
    const vec size = vec_add(vec_div(vec_sqrt(v), c.root), c.epsilon);
    store_part(a->weights, i, n, vec_fma(c.descent, vec_div(m, size), w));
}

FC_INLINE void update(const fc_adam_update_args *a, const int decay, const int amsgrad) {
    const fc_adam_update_args args = *a; /* which no store through `real *` may seem to change */
    const constants c = {
        .sign = vec_set1((real)a->sign),
        .weight_decay = vec_set1((real)a->weight_decay),
        .keep = vec_set1((real)(1 - a->lr * a->weight_decay)),
        .gain1 = vec_set1((real)(1 - a->beta1)),
        .beta2 = vec_set1((real)a->beta2),
        .gain2 = vec_set1((real)(1 - a->beta2)),
        .root = vec_set1((real)a->root),
        .epsilon = vec_set1((real)a->epsilon),
        .descent = vec_set1((real)-a->rate),
    };
    ptrdiff_t i = 0;
    for (; i + VLEN <= args.count; i += VLEN) step(&args, i, VLEN, c, decay, amsgrad);
    if (i < args.count) step(&args, i, args.count - i, c, decay, amsgrad);
}

FC_INLINE void update_decayed(const fc_adam_update_args *a, const int amsgrad) {
    switch (a->decay) {
    case FC_DECAY_GRADIENT:
        update(a, FC_DECAY_GRADIENT, amsgrad);
        break;
    case FC_DECAY_WEIGHTS:
        update(a, FC_DECAY_WEIGHTS, amsgrad);
        break;
    default:
        update(a, FC_DECAY_NONE, amsgrad);
    }
}

void FC_NAME(adam_update)(const fc_adam_update_args *a);
void FC_NAME(adam_update)(const fc_adam_update_args *a) {
    if (a->greatest)
        update_decayed(a, 1);
    else
        update_decayed(a, 0);
}
