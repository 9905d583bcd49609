/* log_sum_exp.c: what a cross-entropy needs of the logits of a tile of positions, and its gradient.
 * Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <math.h>

FC_INLINE ptrdiff_t at_most(ptrdiff_t n) { return n < VLEN ? n : VLEN; }

FC_INLINE real log_real(real x) { return FC_REAL_IS_F64 ? (real)log(x) : (real)logf((float)x); }

FC_INLINE real folded(vec v, const int largest) {
    real lane[VLEN];
    vec_store(lane, v);
    for (int half = VLEN / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lane[i] = !largest ? lane[i] + lane[i + half]
                               : (lane[i + half] > lane[i] ? lane[i + half] : lane[i]);
    return lane[0];
}

FC_INLINE void row(const fc_log_sum_exp_args *a) {
    const real *src = a->src, *weight = a->weights;
    const ptrdiff_t length = a->length;
    vec most = vec_set1(src[0]);
    for (ptrdiff_t l = 0; l < length; l += VLEN)
        most = vec_max(vec_load_or(src + l, length - l, most), most);
    const vec top = vec_set1(folded(most, 1));
    vec sum = vec_zero(), smooth = vec_zero();
    ptrdiff_t l = 0;
    for (; l + VLEN <= length; l += VLEN) {
        vec v = vec_sub(vec_load(src + l), top);
        sum = vec_add(sum, vec_exp(v));
        if (weight) smooth = vec_fma(vec_load(weight + l), v, smooth);
    }
    if (l < length) { /* through memory, so that lanes past the end are 0 */
        real rest[VLEN];
        vec v = vec_sub(vec_load_or(src + l, length - l, top), top);
        vec_store(rest, vec_exp(v));
        sum = vec_add(sum, vec_load_n(rest, length - l));
        if (weight) smooth = vec_fma(vec_load_n(weight + l, length - l), v, smooth);
    }
    real *dst = a->dst;
    vec_store_n(dst, top, 1);
    dst[a->dst_plane] = log_real(folded(sum, 0));
    if (weight) dst[2 * a->dst_plane] = folded(smooth, 0);
}

FC_INLINE void columns(const fc_log_sum_exp_args *a) {
    const real *weight = a->weights;
    real *dst = a->dst;
    for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
        const ptrdiff_t lanes = at_most(a->width - x);
        const real *src = (const real *)a->src + x;
        vec top = vec_load_n(src, lanes), sum = vec_zero(), smooth = vec_zero();
        for (ptrdiff_t l = 1; l < a->length; l++)
            top = vec_max(vec_load_n(src + l * a->stride, lanes), top);
        for (ptrdiff_t l = 0; l < a->length; l++) {
            vec v = vec_sub(vec_load_n(src + l * a->stride, lanes), top);
            sum = vec_add(sum, vec_exp(v));
            if (weight) smooth = vec_fma(vec_set1(weight[l]), v, smooth);
        }
        vec_store_n(dst + x, top, lanes);
        vec_store_n(dst + a->dst_plane + x, sum, lanes);
        if (weight) vec_store_n(dst + 2 * a->dst_plane + x, smooth, lanes);
    }
    for (ptrdiff_t x = 0; x < a->width; x++)
        dst[a->dst_plane + x] = log_real(dst[a->dst_plane + x]);
}

void FC_NAME(log_sum_exp)(const fc_log_sum_exp_args *a);
void FC_NAME(log_sum_exp)(const fc_log_sum_exp_args *a) {
    if (a->stride == 1 && a->width == 1)
        row(a);
    else
        columns(a);
}
