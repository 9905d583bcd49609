/* winograd_input.c: tiles of a channel-last strip, transformed: V = Bt d B.
 *
 * A vector is channels of one pixel, so that every transform is whole vectors and any number of tiles
 * will do. Rows first, then columns: n*n vectors lie in the first-level cache in between, because
 * they would not fit the registers. The sums are those of winograd_transforms.h, element by element:
 * no bit depends on how channels or tiles are cut. Contract in ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"
#include "winograd_transforms.h"

#include <assert.h>
#include <stdbool.h>

FC_INLINE void transform(const vec *x, vec *y, const int n) {
    if (n == 4)
        winograd_data_4(x, y);
    else if (n == 6)
        winograd_data_6(x, y);
    else
        winograd_data_8(x, y);
}

/* One vector of channels of one tile. */
FC_INLINE void one(const fc_winograd_input_args *a, const real *src, real *dst, ptrdiff_t lanes,
                   const int n, const bool whole) {
    vec rows[8][8];
#pragma GCC unroll 8
    for (int i = 0; i < n; i++) {
        vec x[8];
#pragma GCC unroll 8
        for (int j = 0; j < n; j++) {
            const real *at = src + i * a->src_row + j * a->src_pixel;
            x[j] = whole ? vec_load(at) : vec_load_n(at, lanes);
        }
        transform(x, rows[i], n);
    }
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
        vec x[8], y[8];
#pragma GCC unroll 8
        for (int i = 0; i < n; i++) x[i] = rows[i][j];
        transform(x, y, n);
#pragma GCC unroll 8
        for (int i = 0; i < n; i++) {
            real *at = dst + (i * n + j) * a->dst_plane;
            if (whole)
                vec_store(at, y[i]);
            else
                vec_store_n(at, y[i], lanes);
        }
    }
}

FC_INLINE void tiles(const fc_winograd_input_args *a, const int n) {
    for (ptrdiff_t t = 0; t < a->tiles; t++) {
        const real *src = (const real *)a->src + t * a->step * a->src_pixel;
        real *dst = (real *)a->dst + t * a->dst_tile;
        ptrdiff_t c = 0;
        for (; c + VLEN <= a->channels; c += VLEN) one(a, src + c, dst + c, VLEN, n, true);
        if (c < a->channels) one(a, src + c, dst + c, a->channels - c, n, false);
    }
}

void FC_NAME(winograd_input)(const fc_winograd_input_args *a);
void FC_NAME(winograd_input)(const fc_winograd_input_args *a) {
    if (a->n == 4)
        tiles(a, 4);
    else if (a->n == 6)
        tiles(a, 6);
    else if (a->n == 8)
        tiles(a, 8);
    else
        assert(!"winograd_input: no such transform");
}
