/* channel_gradient.c: the gradient by the source of batch normalisation and PReLU, one pass. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

FC_INLINE void rows(const fc_channel_gradient_args *a, const int kind) {
    const real *src = a->src, *grad = a->grad, *mean = a->mean, *scale = a->scale, *slope = a->slope,
               *bias = a->bias;
    real *dst = a->dst;
    const ptrdiff_t count = a->count;
    for (ptrdiff_t r = 0; r < a->rows; r++, src += count, grad += count, dst += count) {
        const ptrdiff_t c = a->by_column ? 0 : (a->first + r) % a->channels;
        vec s = vec_set1(scale[c]), m = vec_zero(), k = vec_zero(), b = vec_zero();
        if (kind == FC_GRADIENT_NORM) m = vec_set1(mean[c]), k = vec_set1(slope[c]), b = vec_set1(bias[c]);
        for (ptrdiff_t i = 0; i < count; i += VLEN) {
            const ptrdiff_t lanes = count - i < VLEN ? count - i : VLEN;
            if (a->by_column) {
                s = vec_load_n(scale + i, lanes);
                if (kind == FC_GRADIENT_NORM) {
                    m = vec_load_n(mean + i, lanes), k = vec_load_n(slope + i, lanes);
                    b = vec_load_n(bias + i, lanes);
                }
            }
            vec g = vec_load_n(grad + i, lanes), v = vec_mul(s, g);
            if (kind == FC_GRADIENT_NORM) {
                vec x = vec_load_n(src + i, lanes);
                v = vec_fma(s, g, vec_fma(k, vec_sub(x, m), b));
            } else if (kind == FC_GRADIENT_PRELU) {
                v = vec_where_gt(vec_load_n(src + i, lanes), vec_zero(), g, v);
            }
            vec_store_n(dst + i, v, lanes);
        }
    }
}

void FC_NAME(channel_gradient)(const fc_channel_gradient_args *a);
void FC_NAME(channel_gradient)(const fc_channel_gradient_args *a) {
    if (a->kind == FC_GRADIENT_NORM)
        rows(a, FC_GRADIENT_NORM);
    else if (a->kind == FC_GRADIENT_PRELU)
        rows(a, FC_GRADIENT_PRELU);
    else
        rows(a, FC_GRADIENT_SCALE);
}
