/* winograd_output.c: sums of products back to pixels: y = At M A. A vector is output channels of one
 * product, as in winograd_input.c; columns first, so that what lies between is the smaller. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"
#include "winograd_transforms.h"

#include <assert.h>
#include <stdbool.h>

FC_INLINE void transform(const vec *x, vec *y, const int m, const int n) {
    if (n == 4)
        winograd_output_2_4(x, y);
    else if (n == 6 && m == 4)
        winograd_output_4_6(x, y);
    else if (n == 6)
        winograd_output_2_6(x, y);
    else if (m == 6)
        winograd_output_6_8(x, y);
    else
        winograd_output_4_8(x, y);
}

/* One vector of channels of one tile, whose first `cols` columns are stored. */
FC_INLINE void one(const fc_winograd_output_args *a, const real *src, real *dst, ptrdiff_t cols,
                   const int m, const int n) {
    vec columns[8][6];
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
        vec x[8];
#pragma GCC unroll 8
        for (int i = 0; i < n; i++) x[i] = vec_load(src + (i * n + j) * a->src_plane);
        transform(x, columns[j], m, n);
    }
#pragma GCC unroll 6
    for (int i = 0; i < m; i++) {
        vec x[8], y[6];
#pragma GCC unroll 8
        for (int j = 0; j < n; j++) x[j] = columns[j][i];
        transform(x, y, m, n);
#pragma GCC unroll 6
        for (int j = 0; j < m; j++)
            if (j < cols) vec_store(dst + i * a->dst_row + j * a->dst_pixel, y[j]);
    }
}

FC_INLINE void tiles(const fc_winograd_output_args *a, const int m, const int n) {
    for (ptrdiff_t t = 0; t * m < a->cols; t++)
        for (ptrdiff_t c = 0; c < a->channels; c += VLEN)
            one(a, (const real *)a->src + t * a->src_tile + c,
                (real *)a->dst + t * m * a->dst_pixel + c, a->cols - t * m, m, n);
}

void FC_NAME(winograd_output)(const fc_winograd_output_args *a);
void FC_NAME(winograd_output)(const fc_winograd_output_args *a) {
    assert(a->channels % VLEN == 0);
    switch (a->m * 10 + a->n) {
    case 24: tiles(a, 2, 4); break;
    case 26: tiles(a, 2, 6); break;
    case 46: tiles(a, 4, 6); break;
    case 48: tiles(a, 4, 8); break;
    case 68: tiles(a, 6, 8); break;
    default: assert(!"winograd_output: no such transform");
    }
}
