/* activate.c: an activation over a contiguous array. Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

FC_INLINE void activate_all(const fc_activate_args *a, const int activation) {
    const real *src = a->src;
    real *dst = a->dst;
    ptrdiff_t i = 0;
    /* The cheap ones in groups. An exponential alone fills the registers, and the processor looks
     * far enough ahead to overlap several. Groups are loaded before they are stored: dst may be
     * src. */
    for (; activation <= FC_ACT_RELU6 && i + 4 * VLEN <= a->count; i += 4 * VLEN) {
        vec v[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) v[k] = vec_activate(vec_load(src + i + k * VLEN), activation);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) vec_store(dst + i + k * VLEN, v[k]);
    }
    const real alpha = (real)a->alpha, beta = (real)a->beta;
    for (; i + VLEN <= a->count; i += VLEN)
        vec_store(dst + i, vec_activate_with(vec_load(src + i), activation, alpha, beta));
    const ptrdiff_t left = a->count - i;
    if (left > 0)
        vec_store_n(dst + i, vec_activate_with(vec_load_n(src + i, left), activation, alpha, beta),
                    left);
}

void FC_NAME(activate)(const fc_activate_args *a);
void FC_NAME(activate)(const fc_activate_args *a) {
    switch (a->activation) {
#define FC_CASE(activation) \
    case activation:        \
        activate_all(a, activation); \
        break;
#include "activations.inc"
    default:
        activate_all(a, FC_ACT_NONE);
    }
}
