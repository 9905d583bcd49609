/* exp_scaled.c: the gradient of a cross-entropy by logits, but for the target's own. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

FC_INLINE vec step(vec x, vec top, vec part, vec scale, vec less) {
    return vec_sub(vec_mul(scale, vec_exp(vec_sub(vec_sub(x, top), part))), less);
}

void FC_NAME(exp_scaled)(const fc_exp_scaled_args *a);
void FC_NAME(exp_scaled)(const fc_exp_scaled_args *a) {
    const real *most = a->most, *part = a->log_sum, *scale = a->scale, *spread = a->spread,
               *weight = a->weights;
    const bool one_row = a->stride == 1 && a->width == 1;
    const ptrdiff_t rows = one_row ? 1 : a->length, columns = one_row ? a->length : a->width;
    vec less = vec_zero();
    for (ptrdiff_t x = 0; x < columns; x += VLEN) {
        const ptrdiff_t lanes = columns - x < VLEN ? columns - x : VLEN;
        vec top = vec_set1(*most), log_sum = vec_set1(*part), s = vec_set1(*scale), share = less;
        if (!one_row) {
            top = vec_load_n(most + x, lanes), log_sum = vec_load_n(part + x, lanes);
            s = vec_load_n(scale + x, lanes);
            if (weight) share = vec_load_n(spread + x, lanes);
        } else if (weight) {
            less = vec_mul(vec_set1(*spread), vec_load_n(weight + x, lanes));
        }
        for (ptrdiff_t l = 0; l < rows; l++) {
            const ptrdiff_t at = l * a->stride + x;
            if (!one_row && weight) less = vec_mul(share, vec_set1(weight[l]));
            vec v = vec_load_n((const real *)a->src + at, lanes);
            vec_store_n((real *)a->dst + at, step(v, top, log_sum, s, less), lanes);
        }
    }
}
