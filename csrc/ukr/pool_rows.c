/* pool_rows.c: the vertical half of pooling. Windows of two and three rows, nearly all there are,
 * have their own loops; each vector of a line is loaded `rows` times, from the first-level cache
 * where neighbouring lines share rows. Contract in ukr.h. */
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

FC_INLINE void pool_line(const real *src, real *dst, ptrdiff_t row, ptrdiff_t rows,
                         ptrdiff_t pixels, const int kind, double norm) {
    if (pixels < VLEN) {
        vec_store_n(dst, pool_down(src, row, rows, pixels, kind, norm), pixels);
        return;
    }
    ptrdiff_t x = 0;
    for (; x + VLEN <= pixels; x += VLEN)
        vec_store(dst + x, pool_down(src + x, row, rows, VLEN, kind, norm));
    /* The rest as a whole vector that ends with the line: it computes some pixels again. */
    x = pixels - VLEN;
    if (pixels % VLEN) vec_store(dst + x, pool_down(src + x, row, rows, VLEN, kind, norm));
}

FC_INLINE void pool_planes(const fc_pool_rows_args *a, const int kind) {
    const real *src = a->src;
    real *dst = a->dst;
    const ptrdiff_t row = a->row_stride, pixels = a->pixels;
    for (ptrdiff_t p = 0; p < a->planes; p++, src += a->src_plane)
        for (ptrdiff_t l = 0; l < a->lines; l++, dst += a->dst_line) {
            const real *first = src + a->line[l].first;
            const ptrdiff_t rows = a->line[l].rows;
            if (rows == 2)
                pool_line(first, dst, row, 2, pixels, kind, a->norm);
            else if (rows == 3)
                pool_line(first, dst, row, 3, pixels, kind, a->norm);
            else if (rows > 0)
                pool_line(first, dst, row, rows, pixels, kind, a->norm);
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
