/* pool_columns.c: the horizontal half of pooling. Steps 1 and 2 go by vectors; with step 2 one
 * shuffle of two loads serves two neighbouring taps. Longer steps are rare and go pixel by pixel.
 * Contract in ukr_elements.h.
 *
 * Where lines follow each other without a gap, the last vector of a line is stored whole: what it
 * puts into the next line is overwritten when that is computed. Only the very last is cut. */
#include "pool_lanes.h"

#include <assert.h>

FC_INLINE vec pool_across(const real *src, ptrdiff_t taps, ptrdiff_t tap_step, const int step,
                          const int kind) {
    vec even, odd, v = vec_zero();
    if (step == 1) {
        v = vec_load(src);
        for (ptrdiff_t t = 1; t < taps; t++) v = pool_step(v, vec_load(src + t * tap_step), kind);
    } else if (tap_step == 1) {
        for (ptrdiff_t t = 0; t < taps; t += 2) {
            vec_deinterleave(vec_load(src + t), vec_load(src + t + VLEN), &even, &odd);
            v = t ? pool_step(v, even, kind) : even;
            if (t + 1 < taps) v = pool_step(v, odd, kind);
        }
    } else {
        for (ptrdiff_t t = 0; t < taps; t++, src += tap_step) {
            vec_deinterleave(vec_load(src), vec_load(src + VLEN), &even, &odd);
            v = t ? pool_step(v, even, kind) : even;
        }
    }
    return v;
}

FC_INLINE void pool_lines(const fc_pool_columns_args *a, ptrdiff_t taps, ptrdiff_t tap_step,
                          const int step, const int kind) {
    const real *src = a->src, *line_divisor = a->line_divisor, *pixel_divisor = a->pixel_divisor;
    const ptrdiff_t pixels = a->pixels;
    real *dst = a->dst;
    const bool dense = a->dst_line == pixels;
    const real *end = dst + a->planes * a->lines * pixels;
    for (ptrdiff_t p = 0; p < a->planes; p++)
        for (ptrdiff_t l = 0; l < a->lines; l++, src += a->src_line, dst += a->dst_line) {
            const real *limit = dense ? end : dst + pixels;
            for (ptrdiff_t x = 0; x < pixels; x += VLEN) {
                vec v = pool_across(src + x * step, taps, tap_step, step, kind);
                if (kind != FC_POOL_MAX) {
                    vec d = vec_mul(vec_set1(line_divisor[l]), vec_load(pixel_divisor + x));
                    v = a->reciprocal ? vec_mul(v, d) : vec_div(v, d);
                }
                if (kind == FC_POOL_LP)
                    v = pool_root(vec_mul(v, vec_set1((real)a->window)), a->norm);
                if (limit - (dst + x) >= VLEN)
                    vec_store(dst + x, v);
                else
                    vec_store_n(dst + x, v, pixels - x);
            }
        }
}

FC_INLINE void pool_lines_by(const fc_pool_columns_args *a, const int step, const int kind) {
    if (a->tap_step == 1 && a->taps == 2)
        pool_lines(a, 2, 1, step, kind);
    else if (a->tap_step == 1 && a->taps == 3)
        pool_lines(a, 3, 1, step, kind);
    else if (a->tap_step == 1)
        pool_lines(a, a->taps, 1, step, kind);
    else
        pool_lines(a, a->taps, a->tap_step, step, kind);
}

FC_INLINE void pool_pixels(const fc_pool_columns_args *a, const int kind) {
    const real *src = a->src, *line_divisor = a->line_divisor, *pixel_divisor = a->pixel_divisor;
    real *dst = a->dst;
    for (ptrdiff_t p = 0; p < a->planes; p++)
        for (ptrdiff_t l = 0; l < a->lines; l++, src += a->src_line, dst += a->dst_line)
            for (ptrdiff_t x = 0; x < a->pixels; x++) {
                const real *from = src + x * a->step;
                real v = *from;
                for (ptrdiff_t t = 1; t < a->taps; t++)
                    v = pool_step_one(v, from[t * a->tap_step], kind);
                if (kind != FC_POOL_MAX) {
                    real d = line_divisor[l] * pixel_divisor[x];
                    v = a->reciprocal ? v * d : v / d;
                }
                if (kind == FC_POOL_LP) {
                    real lane[VLEN];
                    vec_store(lane, pool_root(vec_set1(v * (real)a->window), a->norm));
                    v = lane[0];
                }
                dst[x] = v;
            }
}

FC_INLINE void pool_kind(const fc_pool_columns_args *a, const int kind) {
    if (a->step == 1)
        pool_lines_by(a, 1, kind);
    else if (a->step == 2)
        pool_lines_by(a, 2, kind);
    else
        pool_pixels(a, kind);
}

void FC_NAME(pool_columns)(const fc_pool_columns_args *a);
void FC_NAME(pool_columns)(const fc_pool_columns_args *a) {
    assert(a->taps >= 1 && a->step >= 1);
    if (a->kind == FC_POOL_MAX)
        pool_kind(a, FC_POOL_MAX);
    else if (a->kind == FC_POOL_AVG)
        pool_kind(a, FC_POOL_AVG);
    else
        pool_kind(a, FC_POOL_LP);
}
