/* channel_moments.c: sums of a piece of a channel, for batch statistics and the gradients of what has
 * a number for each channel. Two passes over a piece that the first-level cache holds. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include "running_sums.h"

/* The two terms of one vector; `centre` is the mean, and a lane behind the last has src at it. */
FC_INLINE void add_terms(vec x, vec g, vec centre, vec *first, vec *second, const int kind) {
    if (kind == FC_MOMENTS_SPREAD) {
        vec d = vec_sub(x, centre);
        *first = vec_add(*first, d);
        *second = vec_fma(d, d, *second);
    } else if (kind == FC_MOMENTS_NORM) {
        *first = vec_add(*first, g);
        *second = vec_fma(g, vec_sub(x, centre), *second);
    } else {
        vec zero = vec_zero();
        *first = vec_add(*first, vec_where_gt(x, zero, zero, vec_mul(g, x)));
    }
}

FC_INLINE real mean_of_run(const real *src, ptrdiff_t length) {
    vec sum[LINES];
    for (int k = 0; k < LINES; k++) sum[k] = vec_zero();
    ptrdiff_t i = 0;
    for (; i + LINES * VLEN <= length; i += LINES * VLEN)
#pragma GCC unroll 16
        for (int k = 0; k < LINES; k++) sum[k] = vec_add(sum[k], vec_load(src + i + k * VLEN));
    for (; i + VLEN <= length; i += VLEN) sum[0] = vec_add(sum[0], vec_load(src + i));
    if (i < length) sum[1] = vec_add(sum[1], vec_load_n(src + i, length - i));
    return sum_of_lines(sum) / (real)length;
}

FC_INLINE void run(const fc_channel_moments_args *a, const int kind) {
    const real *src = a->src, *grad = a->grad;
    real *dst = a->dst;
    const ptrdiff_t length = a->length;
    real middle = 0;
    if (kind == FC_MOMENTS_SPREAD) middle = mean_of_run(src, length);
    if (kind == FC_MOMENTS_NORM) middle = *(const real *)a->mean;
    const vec centre = vec_set1(middle);
    vec first[LINES], second[LINES], none = vec_zero();
    for (int k = 0; k < LINES; k++) first[k] = second[k] = vec_zero();
    ptrdiff_t i = 0;
    for (; i + LINES * VLEN <= length; i += LINES * VLEN)
#pragma GCC unroll 16
        for (int k = 0; k < LINES; k++) {
            const ptrdiff_t at = i + k * VLEN;
            add_terms(vec_load(src + at), kind == FC_MOMENTS_SPREAD ? none : vec_load(grad + at), centre,
                      &first[k], &second[k], kind);
        }
    for (; i + VLEN <= length; i += VLEN)
        add_terms(vec_load(src + i), kind == FC_MOMENTS_SPREAD ? none : vec_load(grad + i), centre,
                  &first[0], &second[0], kind);
    if (i < length) {
        const ptrdiff_t left = length - i;
        add_terms(vec_load_or(src + i, left, centre),
                  kind == FC_MOMENTS_SPREAD ? none : vec_load_n(grad + i, left), centre, &first[1],
                  &second[1], kind);
    }
    const real one = sum_of_lines(first), two = sum_of_lines(second);
    dst[0] = one;
    if (kind != FC_MOMENTS_PRELU) dst[a->dst_plane] = two;
    if (kind == FC_MOMENTS_SPREAD) dst[2 * a->dst_plane] = middle;
}

FC_INLINE void columns(const fc_channel_moments_args *a, const int kind) {
    const real *src = a->src, *grad = a->grad, *mean = a->mean;
    real *dst = a->dst;
    for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
        const ptrdiff_t lanes = a->width - x < VLEN ? a->width - x : VLEN;
        vec centre = vec_zero(), first = vec_zero(), second = vec_zero(), g = vec_zero();
        if (kind == FC_MOMENTS_NORM) centre = vec_load_n(mean + x, lanes);
        if (kind == FC_MOMENTS_SPREAD) {
            for (ptrdiff_t l = 0; l < a->length; l++)
                centre = vec_add(centre, vec_load_n(src + l * a->stride + x, lanes));
            centre = vec_div(centre, vec_set1((real)a->length));
        }
        for (ptrdiff_t l = 0; l < a->length; l++) {
            if (kind != FC_MOMENTS_SPREAD) g = vec_load_n(grad + l * a->stride + x, lanes);
            add_terms(vec_load_n(src + l * a->stride + x, lanes), g, centre, &first, &second, kind);
        }
        vec_store_n(dst + x, first, lanes);
        if (kind != FC_MOMENTS_PRELU) vec_store_n(dst + a->dst_plane + x, second, lanes);
        if (kind == FC_MOMENTS_SPREAD) vec_store_n(dst + 2 * a->dst_plane + x, centre, lanes);
    }
}

FC_INLINE void moments(const fc_channel_moments_args *a, const int kind) {
    if (a->stride == 1 && a->width == 1)
        run(a, kind);
    else
        columns(a, kind);
}

void FC_NAME(channel_moments)(const fc_channel_moments_args *a);
void FC_NAME(channel_moments)(const fc_channel_moments_args *a) {
    if (a->kind == FC_MOMENTS_SPREAD)
        moments(a, FC_MOMENTS_SPREAD);
    else if (a->kind == FC_MOMENTS_NORM)
        moments(a, FC_MOMENTS_NORM);
    else
        moments(a, FC_MOMENTS_PRELU);
}
