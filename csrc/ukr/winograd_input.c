/* winograd_input.c: tiles of a channel-last strip, transformed: V = Bt d B.
 *
 * A vector is channels of one pixel, so that every transform is whole vectors and any number of tiles
 * will do. Columns of pixels first, a few tiles' worth, for those that two tiles have in common are
 * transformed once; what lies between stays in the first-level cache. Then rows, tile by tile. The sums
 * are those of winograd_transforms.h, element by element: no bit depends on how channels or tiles are
 * cut. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "ukr.h"
#include "winograd_transforms.h"

#include <assert.h>
#include <stdbool.h>

enum {
    TOGETHER = 4, /* tiles whose columns are transformed together */
    MOST_COLUMNS = TOGETHER * 6 + 2
};

FC_INLINE void transform(const vec *x, vec *y, const int n, const int used) {
    switch (n * 10 + used) {
    case 44: winograd_data_4_4(x, y); break;
    case 66: winograd_data_6_6(x, y); break;
    case 64: winograd_data_6_4(x, y); break;
    case 88: winograd_data_8_8(x, y); break;
    case 86: winograd_data_8_6(x, y); break;
    default: winograd_data_8_4(x, y);
    }
}

FC_INLINE ptrdiff_t within(ptrdiff_t i, ptrdiff_t end) { return i < 0 ? 0 : i < end ? i : end; }

/* `count` columns of pixels from `first` on. */
FC_INLINE void columns_of(const fc_winograd_input_args *a, ptrdiff_t first, ptrdiff_t count, ptrdiff_t c,
                          ptrdiff_t lanes, vec (*between)[8], const int n, const int used) {
    const real *src[8];
#pragma GCC unroll 8
    for (int i = 0; i < used; i++)
        src[i] = (const real *)a->src[i] + (first - a->before) * a->src_pixel + c;
    const ptrdiff_t begin = within(a->before - first, count);
    const ptrdiff_t end = within(a->before + a->pixels - first, count);
    for (ptrdiff_t col = begin; col < end; col++) {
        vec x[8];
#pragma GCC unroll 8
        for (int i = 0; i < used; i++)
            x[i] = lanes == VLEN ? vec_load(src[i] + col * a->src_pixel)
                                 : vec_load_n(src[i] + col * a->src_pixel, lanes);
        transform(x, between[col], n, used);
    }
    for (ptrdiff_t col = 0; col < count; col++)
        if (col < begin || col >= end)
            for (int i = 0; i < used; i++) between[col][i] = vec_zero();
}

/* One tile, from its columns. */
FC_INLINE void rows_of(const fc_winograd_input_args *a, vec (*between)[8], real *dst, ptrdiff_t lanes,
                       const int rows, const int n, const int used) {
    for (int i = 0; i < rows; i++) {
        vec x[8], y[8];
#pragma GCC unroll 8
        for (int j = 0; j < used; j++) x[j] = between[j][i];
        transform(x, y, n, used);
        real *at = dst + (i == rows - 1 ? n - 1 : i) * n * a->dst_plane;
#pragma GCC unroll 8
        for (int j = 0; j < used; j++) {
            real *place = at + (j == used - 1 ? n - 1 : j) * a->dst_plane;
            if (lanes == VLEN)
                vec_store(place, y[j]);
            else
                vec_store_n(place, y[j], lanes);
        }
    }
}

/* Calls BODY with the number of points that a tile keeps for a constant. */
#define FOR_USED(used, n, BODY) \
    if ((used) == (n))          \
        BODY(n);                \
    else if ((n) == 8 && (used) == 6) \
        BODY(6);                \
    else                        \
        BODY(4)

FC_INLINE void tiles(const fc_winograd_input_args *a, const int n) {
    const ptrdiff_t count = (a->cols + a->m - 1) / a->m;
    const int high = fc_winograd_used(n, a->m, a->rows);
    const int wide = fc_winograd_used(n, a->m, a->cols - (count - 1) * a->m); /* the last */
    vec between[MOST_COLUMNS][8];
    for (ptrdiff_t t = 0; t < count; t += TOGETHER) {
        const ptrdiff_t end = t + TOGETHER < count ? t + TOGETHER : count;
        const ptrdiff_t columns = (end - 1 - t) * a->m + (end == count ? wide : n);
        for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
            const ptrdiff_t lanes = a->channels - c < VLEN ? a->channels - c : VLEN;
#define COLUMNS(used) columns_of(a, t * a->m, columns, c, lanes, between, n, used)
            FOR_USED(high, n, COLUMNS);
            for (ptrdiff_t i = t; i < end; i++) {
                vec(*from)[8] = between + (i - t) * a->m;
                real *dst = (real *)a->dst + (i == count - 1 ? a->dst_last : i * a->dst_tile) + c;
#define ROWS(used) rows_of(a, from, dst, lanes, high, n, used)
                FOR_USED(i == count - 1 ? wide : n, n, ROWS);
            }
        }
    }
}

void FC_NAME(winograd_input)(const fc_winograd_input_args *a);
void FC_NAME(winograd_input)(const fc_winograd_input_args *a) {
    assert(a->rows >= 1 && a->rows <= a->m && a->m <= 6);
    if (a->n == 4)
        tiles(a, 4);
    else if (a->n == 6)
        tiles(a, 6);
    else if (a->n == 8)
        tiles(a, 8);
    else
        assert(!"winograd_input: no such transform");
}
