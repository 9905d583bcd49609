/* softmax.c: maximum, exponentials with their sum, then a division, each a pass over the data; or,
 * for the logarithm, the source less the maximum and the sum's logarithm, which libm takes once a
 * row or column.
 *
 * The maximum may miss a NaN: its exponential is NaN, hence the sum, hence every quotient. So does
 * +Inf, by Inf - Inf, and a column of nothing but -Inf. Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <assert.h>
#include <math.h>

FC_INLINE ptrdiff_t lanes_left(ptrdiff_t left) { return left < VLEN ? left : VLEN; }

FC_INLINE real largest(const real *src, ptrdiff_t length) {
    real lane[VLEN];
    if (length < VLEN) {
        for (int i = 0; i < VLEN; i++) lane[i] = src[i < length ? i : 0];
    } else {
        vec v = vec_load(src);
        for (ptrdiff_t l = VLEN; l + VLEN <= length; l += VLEN) v = vec_max(vec_load(src + l), v);
        vec_store(lane, vec_max(vec_load(src + length - VLEN), v));
    }
    for (int half = VLEN / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            if (lane[i + half] > lane[i]) lane[i] = lane[i + half];
    return lane[0];
}

FC_INLINE real log_real(real x) { return FC_REAL_IS_F64 ? (real)log(x) : (real)logf((float)x); }

FC_INLINE real sum_of_lanes(vec sum) {
    real lane[VLEN];
    vec_store(lane, sum);
    for (int half = VLEN / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

FC_INLINE void log_softmax_row(const real *src, real *dst, ptrdiff_t length) {
    const vec most = vec_set1(largest(src, length));
    vec sum = vec_zero();
    ptrdiff_t l = 0;
    for (; l + VLEN <= length; l += VLEN)
        sum = vec_add(sum, vec_exp(vec_sub(vec_load(src + l), most)));
    const ptrdiff_t left = length - l;
    if (left > 0) { /* through memory, so that lanes past the end are 0 */
        real rest[VLEN];
        vec_store(rest, vec_exp(vec_sub(vec_load_n(src + l, left), most)));
        sum = vec_add(sum, vec_load_n(rest, left));
    }
    const vec part = vec_set1(log_real(sum_of_lanes(sum)));
    for (l = 0; l < length; l += VLEN) {
        const ptrdiff_t lanes = lanes_left(length - l);
        vec v = vec_sub(vec_load_n(src + l, lanes), most);
        vec_store_n(dst + l, vec_sub(v, part), lanes);
    }
}

FC_INLINE void softmax_row(const real *src, real *dst, ptrdiff_t length) {
    const vec most = vec_set1(largest(src, length));
    vec sum = vec_zero();
    ptrdiff_t l = 0;
    for (; l + VLEN <= length; l += VLEN) {
        vec v = vec_exp(vec_sub(vec_load(src + l), most));
        vec_store(dst + l, v);
        sum = vec_add(sum, v);
    }
    const ptrdiff_t left = length - l;
    if (left > 0) {
        vec_store_n(dst + l, vec_exp(vec_sub(vec_load_n(src + l, left), most)), left);
        sum = vec_add(sum, vec_load_n(dst + l, left)); /* lanes past the end are 0 */
    }
    const vec total = vec_set1(sum_of_lanes(sum));
    for (l = 0; l + VLEN <= length; l += VLEN)
        vec_store(dst + l, vec_div(vec_load(dst + l), total));
    if (left > 0) vec_store_n(dst + l, vec_div(vec_load_n(dst + l, left), total), left);
}

FC_INLINE void softmax_columns(const fc_softmax_args *a) {
    const real *src = a->src;
    real *dst = a->dst, *most = a->scratch, *sum = most + a->width;
    for (ptrdiff_t x = 0; x < a->width; x++) {
        most[x] = src[x];
        sum[x] = 0;
    }
    for (ptrdiff_t l = 1; l < a->length; l++)
        for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
            ptrdiff_t lanes = lanes_left(a->width - x);
            vec v = vec_load_n(src + l * a->stride + x, lanes);
            vec_store_n(most + x, vec_max(v, vec_load_n(most + x, lanes)), lanes);
        }
    for (ptrdiff_t l = 0; l < a->length; l++)
        for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
            ptrdiff_t lanes = lanes_left(a->width - x);
            vec v = vec_load_n(src + l * a->stride + x, lanes);
            v = vec_exp(vec_sub(v, vec_load_n(most + x, lanes)));
            if (!a->logarithm) vec_store_n(dst + l * a->stride + x, v, lanes);
            vec_store_n(sum + x, vec_add(vec_load_n(sum + x, lanes), v), lanes);
        }
    for (ptrdiff_t x = 0; a->logarithm && x < a->width; x++) sum[x] = log_real(sum[x]);
    for (ptrdiff_t l = 0; a->logarithm && l < a->length; l++)
        for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
            ptrdiff_t lanes = lanes_left(a->width - x);
            vec v = vec_sub(vec_load_n(src + l * a->stride + x, lanes), vec_load_n(most + x, lanes));
            vec_store_n(dst + l * a->stride + x, vec_sub(v, vec_load_n(sum + x, lanes)), lanes);
        }
    for (ptrdiff_t l = 0; !a->logarithm && l < a->length; l++)
        for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
            ptrdiff_t lanes = lanes_left(a->width - x);
            real *at = dst + l * a->stride + x;
            vec_store_n(at, vec_div(vec_load_n(at, lanes), vec_load_n(sum + x, lanes)), lanes);
        }
}

void FC_NAME(softmax)(const fc_softmax_args *a);
void FC_NAME(softmax)(const fc_softmax_args *a) {
    assert(a->length >= 1);
    if (a->stride != 1 || a->width != 1)
        softmax_columns(a);
    else if (a->logarithm)
        log_softmax_row(a->src, a->dst, a->length);
    else
        softmax_row(a->src, a->dst, a->length);
}
