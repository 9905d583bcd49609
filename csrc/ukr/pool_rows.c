/* pool_rows.c: the vertical half of pooling. Windows of two and three rows, nearly all there are,
 * have their own loops; each vector of a line is loaded `rows` times, from the first-level cache
 * where neighbouring lines share rows. Contract in ukr_elements.h. */
#include "pool_lanes.h"

#include <assert.h>

FC_INLINE vec pool_load(const real *src, ptrdiff_t lanes, const int kind, double norm) {
    vec v = vec_load_n(src, lanes);
    return kind == FC_POOL_LP ? pool_power(v, norm) : v;
}

FC_INLINE vec pool_down(const real *src, ptrdiff_t row, ptrdiff_t rows, ptrdiff_t lanes,
                        const int kind, double norm) {
    vec v = pool_load(src, lanes, kind, norm);
    for (ptrdiff_t r = 1; r < rows; r++)
        v = pool_step(v, pool_load(src + r * row, lanes, kind, norm), kind);
    return v;
}

/* The rows of a line, and what their sums are divided by, if anything. */
typedef struct rows_of {
    ptrdiff_t stride, count;
    const real *divisor;
    double norm;
} rows_of;

FC_INLINE vec pool_lanes(const real *src, const rows_of *w, const int rows, ptrdiff_t lanes,
                         const int kind) {
    vec v = pool_down(src, w->stride, rows ? rows : w->count, lanes, kind, w->norm);
    return kind == FC_POOL_AVG && w->divisor ? vec_div(v, vec_set1(*w->divisor)) : v;
}

FC_INLINE void pool_line(const real *src, real *dst, const rows_of *w, const int rows,
                         ptrdiff_t pixels, const int kind) {
    if (pixels < VLEN) {
        vec_store_n(dst, pool_lanes(src, w, rows, pixels, kind), pixels);
        return;
    }
    ptrdiff_t x = 0;
    for (; x + VLEN <= pixels; x += VLEN)
        vec_store(dst + x, pool_lanes(src + x, w, rows, VLEN, kind));
    /* The rest as a whole vector that ends with the line: it computes some pixels again. */
    x = pixels - VLEN;
    if (pixels % VLEN) vec_store(dst + x, pool_lanes(src + x, w, rows, VLEN, kind));
}

FC_INLINE void pool_planes(const fc_pool_rows_args *a, const int kind) {
    const real *src = a->src, *divisor = a->divisor;
    real *dst = a->dst;
    const ptrdiff_t pixels = a->pixels;
    for (ptrdiff_t p = 0; p < a->planes; p++, src += a->src_plane)
        for (ptrdiff_t l = 0; l < a->lines; l++, dst += a->dst_line) {
            const real *first = src + a->line[l].first;
            const rows_of w = {a->row_stride, a->line[l].rows, divisor ? divisor + l : NULL, a->norm};
            if (w.count == 2)
                pool_line(first, dst, &w, 2, pixels, kind);
            else if (w.count == 3)
                pool_line(first, dst, &w, 3, pixels, kind);
            else if (w.count > 0)
                pool_line(first, dst, &w, 0, pixels, kind);
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
