/* gradient_norm.c: the sum of squares, or the greatest magnitude, of an array. Contract in ukr_updates.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include "running_sums.h"
#include "update_part.h"

FC_INLINE real sum_squares(const real *src, ptrdiff_t count) {
    vec sum[LINES];
    for (int k = 0; k < LINES; k++) sum[k] = vec_zero();
    ptrdiff_t i = 0;
    for (; i + LINES * VLEN <= count; i += LINES * VLEN)
#pragma GCC unroll 16
        for (int k = 0; k < LINES; k++) {
            const vec x = vec_load(src + i + k * VLEN);
            sum[k] = vec_fma(x, x, sum[k]);
        }
    for (int k = 0; i < count; i += VLEN, k++) {
        const vec x = load_part(src, i, count - i < VLEN ? count - i : VLEN);
        sum[k] = vec_fma(x, x, sum[k]);
    }
    return sum_of_lines(sum);
}

FC_INLINE vec magnitude(vec x) { return vec_max(vec_sub(vec_zero(), x), x); }

FC_INLINE real greatest(const real *src, ptrdiff_t count) {
    vec most[LINES];
    for (int k = 0; k < LINES; k++) most[k] = vec_zero();
    ptrdiff_t i = 0;
    for (; i + LINES * VLEN <= count; i += LINES * VLEN)
#pragma GCC unroll 16
        for (int k = 0; k < LINES; k++)
            most[k] = vec_greatest(magnitude(vec_load(src + i + k * VLEN)), most[k]);
    for (; i < count; i += VLEN)
        most[0] = vec_greatest(magnitude(load_part(src, i, count - i < VLEN ? count - i : VLEN)), most[0]);
    for (int k = 1; k < LINES; k++) most[0] = vec_greatest(most[k], most[0]);
    real lane[VLEN], found = 0;
    vec_store(lane, most[0]);
    for (int k = 0; k < VLEN; k++)
        if (lane[k] > found || lane[k] != lane[k]) found = lane[k];
    return found;
}

void FC_NAME(gradient_norm)(const fc_gradient_norm_args *a);
void FC_NAME(gradient_norm)(const fc_gradient_norm_args *a) {
    const real *src = a->src;
    if (a->kind == FC_NORM_GREATEST) {
        *a->dst = (double)greatest(src, a->count);
        return;
    }
    double sum = 0;
    for (ptrdiff_t i = 0; i < a->count; i += FC_NORM_RUN)
        sum += (double)sum_squares(src + i, a->count - i < FC_NORM_RUN ? a->count - i : FC_NORM_RUN);
    *a->dst = sum;
}
