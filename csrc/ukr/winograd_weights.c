/* winograd_weights.c: packed taps, transformed: U = G g Gt, element by element. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "ukr.h"
#include "winograd_transforms.h"

#include <assert.h>

FC_INLINE void transform(const vec *x, vec *y, const int r, const int n) {
    if (r == 3 && n == 4)
        winograd_taps_3_4(x, y);
    else if (r == 3 && n == 6)
        winograd_taps_3_6(x, y);
    else if (r == 3)
        winograd_taps_3_8(x, y);
    else if (n == 6)
        winograd_taps_5_6(x, y);
    else
        winograd_taps_5_8(x, y);
}

FC_INLINE void elements(const fc_winograd_weights_args *a, const int r, const int n) {
    for (ptrdiff_t e = 0; e < a->count; e += VLEN) {
        vec rows[5][8];
#pragma GCC unroll 5
        for (int i = 0; i < r; i++) {
            vec x[5];
#pragma GCC unroll 5
            for (int j = 0; j < r; j++)
                x[j] = vec_load((const real *)a->src + (i * r + j) * a->src_tap + e);
            transform(x, rows[i], r, n);
        }
#pragma GCC unroll 8
        for (int j = 0; j < n; j++) {
            vec x[5], y[8];
#pragma GCC unroll 5
            for (int i = 0; i < r; i++) x[i] = rows[i][j];
            transform(x, y, r, n);
#pragma GCC unroll 8
            for (int i = 0; i < n; i++)
                vec_store((real *)a->dst + (i * n + j) * a->dst_plane + e, y[i]);
        }
    }
}

void FC_NAME(winograd_weights)(const fc_winograd_weights_args *a);
void FC_NAME(winograd_weights)(const fc_winograd_weights_args *a) {
    assert(a->count % VLEN == 0);
    switch (a->r * 10 + a->n) {
    case 34: elements(a, 3, 4); break;
    case 36: elements(a, 3, 6); break;
    case 38: elements(a, 3, 8); break;
    case 56: elements(a, 5, 6); break;
    case 58: elements(a, 5, 8); break;
    default: assert(!"winograd_weights: no such transform");
    }
}
