/* pool_rows.c: the vertical half of pooling. GROUP vectors of a line go down its rows together, so that
 * whole cache lines are read, each once, however many rows there are and wherever these lie. Contract in
 * ukr_elements.h. */
#include "pool_lanes.h"

#include <assert.h>

#define GROUP 4

/* The rows of a line, and what their sums are divided by, if anything. */
typedef struct rows_of {
    ptrdiff_t stride, count;
    const real *divisor;
    double norm;
} rows_of;

FC_INLINE vec pool_load(const real *src, ptrdiff_t lanes, const int kind, double norm) {
    vec v = vec_load_n(src, lanes);
    return kind == FC_POOL_LP ? pool_power(v, norm) : v;
}

/* `vectors` vectors side by side, or a part of one. */
FC_INLINE void pool_down(const real *src, real *dst, const rows_of *w, const int vectors,
                         ptrdiff_t lanes, const int kind) {
    vec v[GROUP];
#pragma GCC unroll 4
    for (int i = 0; i < vectors; i++) v[i] = pool_load(src + i * VLEN, lanes, kind, w->norm);
    for (ptrdiff_t r = 1; r < w->count; r++) {
        src += w->stride;
#pragma GCC unroll 4
        for (int i = 0; i < vectors; i++)
            v[i] = pool_step(v[i], pool_load(src + i * VLEN, lanes, kind, w->norm), kind);
    }
#pragma GCC unroll 4
    for (int i = 0; i < vectors; i++) {
        if (kind == FC_POOL_AVG && w->divisor) v[i] = vec_div(v[i], vec_set1(*w->divisor));
        vec_store_n(dst + i * VLEN, v[i], lanes);
    }
}

FC_INLINE void pool_line(const real *src, real *dst, const rows_of *w, ptrdiff_t pixels,
                         const int kind) {
    if (pixels < VLEN) {
        pool_down(src, dst, w, 1, pixels, kind);
        return;
    }
    ptrdiff_t x = 0;
    for (; x + GROUP * VLEN <= pixels; x += GROUP * VLEN)
        pool_down(src + x, dst + x, w, GROUP, VLEN, kind);
    /* The rest as a whole vector that ends with the line: it computes some pixels again. */
    for (; x < pixels; x += VLEN) {
        const ptrdiff_t at = x + VLEN <= pixels ? x : pixels - VLEN;
        pool_down(src + at, dst + at, w, 1, VLEN, kind);
    }
}

FC_INLINE void pool_planes(const fc_pool_rows_args *a, const int kind) {
    const real *src = a->src, *divisor = a->divisor;
    real *dst = a->dst;
    const ptrdiff_t pixels = a->pixels;
    for (ptrdiff_t p = 0; p < a->planes; p++, src += a->src_plane)
        for (ptrdiff_t l = 0; l < a->lines; l++, dst += a->dst_line) {
            const real *first = src + a->line[l].first;
            const rows_of w = {a->row_stride, a->line[l].rows, divisor ? divisor + l : NULL, a->norm};
            if (w.count > 0)
                pool_line(first, dst, &w, pixels, kind);
            else
                for (ptrdiff_t x = 0; x < pixels; x++) dst[x] = pool_nothing(kind);
        }
}

void FC_NAME(pool_rows)(const fc_pool_rows_args *a);
void FC_NAME(pool_rows)(const fc_pool_rows_args *a) {
    assert(a->pixels >= 1);
    if (a->kind == FC_POOL_MAX)
        pool_planes(a, FC_POOL_MAX);
    else if (a->kind == FC_POOL_AVG)
        pool_planes(a, FC_POOL_AVG);
    else
        pool_planes(a, FC_POOL_LP);
}
