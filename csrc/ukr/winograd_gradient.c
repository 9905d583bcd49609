/* winograd_gradient.c: what a gradient by the taps needs beside winograd_input.c: tiles of the result's
 * gradient to products, A dy At, and sums of products to taps, Gt M G. A vector is channels of one pixel, or
 * of one product. Contracts in ukr_products.h. */
#include "../simd/vec.h"
#include "ukr.h"
#include "winograd_transforms.h"

#include <assert.h>
#include <stdbool.h>

enum { SIDE = 4 }; /* of a tile: m */

FC_INLINE void diff_transform(const vec *x, vec *y, const int n) {
    if (n == 6)
        winograd_diff_4_6(x, y);
    else
        winograd_diff_4_8(x, y);
}

FC_INLINE vec load_lanes(const real *at, ptrdiff_t lanes) {
    return lanes == VLEN ? vec_load(at) : vec_load_n(at, lanes);
}

FC_INLINE void store_lanes(real *at, vec v, ptrdiff_t lanes) {
    if (lanes == VLEN)
        vec_store(at, v);
    else
        vec_store_n(at, v, lanes);
}

/* One vector of channels of a whole tile; `at` elements behind the rows it begins. */
FC_INLINE void whole(const fc_winograd_diff_args *a, ptrdiff_t at, real *dst, ptrdiff_t lanes, const int n) {
    vec between[SIDE][8];
#pragma GCC unroll 4
    for (int j = 0; j < SIDE; j++) {
        vec x[SIDE];
#pragma GCC unroll 4
        for (int i = 0; i < SIDE; i++)
            x[i] = load_lanes((const real *)a->src[i] + at + j * a->src_pixel, lanes);
        diff_transform(x, between[j], n);
    }
#pragma GCC unroll 1
    for (int i = 0; i < n; i++) {
        vec x[SIDE], y[8];
#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j++) x[j] = between[j][i];
        diff_transform(x, y, n);
#pragma GCC unroll 8
        for (int j = 0; j < n; j++) store_lanes(dst + (i * n + j) * a->dst_plane, y[j], lanes);
    }
}

/* A tile at the edge, of rows x cols pixels, has fewer points: those that it keeps of the full transform of
 * its pixels and zeros, but that the point at infinity is the last pixel which they allow for. */
static __attribute__((noinline)) void part(const fc_winograd_diff_args *a, ptrdiff_t at, real *dst,
                                           ptrdiff_t lanes, ptrdiff_t cols, const int n) {
    const int high = fc_winograd_used(n, SIDE, a->rows), wide = fc_winograd_used(n, SIDE, cols);
    vec between[SIDE][8];
    for (int j = 0; j < SIDE; j++) {
        vec x[SIDE];
        for (int i = 0; i < SIDE; i++)
            x[i] = i < a->rows && j < cols
                       ? load_lanes((const real *)a->src[i] + at + j * a->src_pixel, lanes)
                       : vec_zero();
        diff_transform(x, between[j], n);
        between[j][high - 1] = x[high - n + SIDE - 1];
    }
    for (int i = 0; i < high; i++) {
        vec x[SIDE], y[8];
        for (int j = 0; j < SIDE; j++) x[j] = between[j][i];
        diff_transform(x, y, n);
        y[wide - 1] = x[wide - n + SIDE - 1];
        for (int j = 0; j < wide; j++)
            store_lanes(dst + ((i == high - 1 ? n - 1 : i) * n + (j == wide - 1 ? n - 1 : j)) * a->dst_plane,
                        y[j], lanes);
    }
}

FC_INLINE void tiles(const fc_winograd_diff_args *a, const int n) {
    for (ptrdiff_t x = 0, t = 0; x < a->cols; x += SIDE, t++) {
        const ptrdiff_t cols = a->cols - x < SIDE ? a->cols - x : SIDE;
        real *dst = (real *)a->dst + (x + SIDE < a->cols ? t * a->dst_tile : a->dst_last);
        for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
            const ptrdiff_t lanes = a->channels - c < VLEN ? a->channels - c : VLEN;
            const ptrdiff_t at = x * a->src_pixel + c;
            if (a->rows < SIDE || cols < SIDE)
                part(a, at, dst + c, lanes, cols, n);
            else if (lanes == VLEN)
                whole(a, at, dst + c, VLEN, n);
            else
                whole(a, at, dst + c, lanes, n);
        }
    }
}

void FC_NAME(winograd_diff)(const fc_winograd_diff_args *a);
void FC_NAME(winograd_diff)(const fc_winograd_diff_args *a) {
    assert(a->m == SIDE && a->rows >= 1 && a->rows <= SIDE && (a->n == 6 || a->n == 8));
    if (a->n == 6)
        tiles(a, 6);
    else
        tiles(a, 8);
}

FC_INLINE void sums_transform(const vec *x, vec *y, const int r) {
    if (r == 3)
        winograd_sums_6_3(x, y);
    else
        winograd_sums_8_5(x, y);
}

FC_INLINE void sums(const fc_winograd_sums_args *a, const int r) {
    const int n = r + SIDE - 1;
    for (ptrdiff_t s = 0; s < a->lines; s++)
        for (ptrdiff_t e = 0; e < a->count; e += VLEN) {
            const real *src = (const real *)a->src + s * a->count + e;
            real *dst = (real *)a->dst + s * r * r * a->count + e;
            vec columns[8][5];
            for (int j = 0; j < n; j++) {
                vec x[8];
#pragma GCC unroll 8
                for (int i = 0; i < n; i++) x[i] = vec_load(src + (i * n + j) * a->src_plane);
                sums_transform(x, columns[j], r);
            }
            for (int k = 0; k < r; k++) {
                vec x[8], y[5];
#pragma GCC unroll 8
                for (int j = 0; j < n; j++) x[j] = columns[j][k];
                sums_transform(x, y, r);
#pragma GCC unroll 5
                for (int l = 0; l < r; l++) vec_store(dst + (k * r + l) * a->count, y[l]);
            }
        }
}

void FC_NAME(winograd_sums)(const fc_winograd_sums_args *a);
void FC_NAME(winograd_sums)(const fc_winograd_sums_args *a) {
    assert(a->count % VLEN == 0 && a->n == a->r + SIDE - 1 && (a->r == 3 || a->r == 5));
    if (a->r == 3)
        sums(a, 3);
    else
        sums(a, 5);
}
