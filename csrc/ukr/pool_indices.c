/* pool_indices.c: maxima with their positions. Beside the greatest values of a vector of windows goes a
 * vector of the numbers of their taps, blended by the same comparison; positions are made of these at the
 * end. A number is only moved, never computed with, so it may lie in a lane of either type. Contract in
 * ukr.h.
 *
 * The last vector of a line is stored whole: what it puts into the next line is overwritten when that is
 * computed. Only the very last is cut. */
#include <math.h>

#include "../simd/vec.h"
#include "ukr.h"

#include <assert.h>

#if FC_REAL_IS_F64
typedef int64_t number;
#else
typedef int32_t number;
#endif

/* What a line has of its own. */
typedef struct line {
    const real *src;
    ptrdiff_t rows;
    real *dst;
    int64_t *indices;
    int64_t origin;
} line;

FC_INLINE void put_indices(int64_t *to, vec numbers, const int64_t *ramp, int64_t first,
                           ptrdiff_t count) {
    number lane[VLEN];
    memcpy(lane, &numbers, sizeof lane);
    if (count >= VLEN)
        for (int i = 0; i < VLEN; i++) to[i] = ramp[i] + first + lane[i];
    else
        for (ptrdiff_t i = 0; i < count; i++) to[i] = ramp[i] + first + lane[i];
}

/* `rows` and `taps` 0 stand for any number. */
FC_INLINE void pool_line(const fc_pool_indices_args *a, const line *l, const int64_t *ramp,
                         ptrdiff_t left, const int rows, const int taps) {
    const ptrdiff_t row = a->row_stride, pixels = a->pixels, step = a->step;
    const ptrdiff_t down = rows ? rows : l->rows, across = taps ? taps : a->taps;
    const ptrdiff_t *column = a->column;
    const real *numbers = a->number, *start = a->start;
    for (ptrdiff_t x = 0; x < pixels; x += VLEN) {
        vec best = vec_set1(-(real)INFINITY), where = vec_load(start + x);
        const real *src = l->src + x, *here = numbers;
#pragma GCC unroll 3
        for (ptrdiff_t r = 0; r < down; r++, src += row, here += across)
#pragma GCC unroll 3
            for (ptrdiff_t t = 0; t < across; t++) {
                const vec v = vec_load(src + column[t]);
                where = vec_where_greatest(v, best, vec_set1(here[t]), where);
                best = vec_where_greatest(v, best, v, best);
            }
        const ptrdiff_t room = left - x;
        put_indices(l->indices + x, where, ramp, l->origin + x * step, room);
        if (room >= VLEN)
            vec_store(l->dst + x, best);
        else
            vec_store_n(l->dst + x, best, room);
    }
}

FC_INLINE void pool_planes(const fc_pool_indices_args *a, const int taps) {
    int64_t ramp[VLEN];
    for (int i = 0; i < VLEN; i++) ramp[i] = i * a->step;
    const real *src = a->src;
    line l = {.dst = a->dst, .indices = a->indices};
    ptrdiff_t left = a->planes * a->lines * a->pixels; /* elements that may be written */
    for (ptrdiff_t p = 0; p < a->planes; p++, src += a->src_plane)
        for (ptrdiff_t i = 0; i < a->lines; i++) {
            l.src = src + (a->line[i].first - a->first);
            l.rows = a->line[i].rows;
            l.origin = a->origin[i];
            if (taps == 2 && l.rows == 2)
                pool_line(a, &l, ramp, left, 2, 2);
            else if (taps == 3 && l.rows == 3)
                pool_line(a, &l, ramp, left, 3, 3);
            else
                pool_line(a, &l, ramp, left, 0, 0);
            l.dst += a->pixels, l.indices += a->pixels, left -= a->pixels;
        }
}

void FC_NAME(pool_indices)(const fc_pool_indices_args *a);
void FC_NAME(pool_indices)(const fc_pool_indices_args *a) {
    assert(a->taps >= 1 && a->pixels >= 1);
    if (a->taps == 2)
        pool_planes(a, 2);
    else if (a->taps == 3)
        pool_planes(a, 3);
    else
        pool_planes(a, 0);
}
