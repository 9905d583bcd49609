/* winograd_output.c: sums of products back to pixels: y = At M A. A vector is output channels of one
 * product, as in winograd_input.c; columns first, so that what lies between is the smaller. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"
#include "winograd_transforms.h"

#include <assert.h>
#include <stdbool.h>

/* m outputs from the `used` of n sums that are kept. */
FC_INLINE void transform(const vec *x, vec *y, const int m, const int n, const int used) {
    switch (m * 100 + n * 10 + used) {
    case 244: winograd_output_2_4_4(x, y); break;
    case 266: winograd_output_2_6_6(x, y); break;
    case 264: winograd_output_2_6_4(x, y); break;
    case 284: winograd_output_2_8_4(x, y); break;
    case 286: winograd_output_2_8_6(x, y); break;
    case 466: winograd_output_4_6_6(x, y); break;
    case 486: winograd_output_4_8_6(x, y); break;
    case 488: winograd_output_4_8_8(x, y); break;
    default: winograd_output_6_8_8(x, y);
    }
}

/* `count` outputs side by side, finished; dst begins `at` elements behind a->dst, with channel `c`. */
FC_INLINE void store_row(const fc_winograd_output_args *a, ptrdiff_t at, ptrdiff_t c, vec *y,
                         const int count) {
    const ptrdiff_t pixel = a->dst_pixel;
    real *dst = (real *)a->dst + at;
    if (a->bias) {
        const vec bias = vec_load((const real *)a->bias + c);
#pragma GCC unroll 6
        for (int j = 0; j < count; j++) y[j] = vec_add(y[j], bias);
    }
    if (a->residual) {
        const real *residual = (const real *)a->residual + at;
#pragma GCC unroll 6
        for (int j = 0; j < count; j++) y[j] = vec_add(y[j], vec_load(residual + j * pixel));
    }
    if (a->activation == FC_ACT_RELU) {
#pragma GCC unroll 6
        for (int j = 0; j < count; j++) y[j] = vec_relu(y[j]);
    }
#pragma GCC unroll 6
    for (int j = 0; j < count; j++) vec_store(dst + j * pixel, y[j]);
}

/* Those of a tile at the edge: apart, so that each kind of them need not carry it. */
static __attribute__((noinline)) void store_few(const fc_winograd_output_args *a, ptrdiff_t at, ptrdiff_t c,
                                                vec *y, ptrdiff_t count) {
    for (ptrdiff_t j = 0; j < count; j++, at += a->dst_pixel) store_row(a, at, c, y + j, 1);
}

/* One vector of channels of a whole tile. */
FC_INLINE void whole(const fc_winograd_output_args *a, const real *src, ptrdiff_t at, ptrdiff_t c,
                     const int m, const int n) {
    vec columns[8][6];
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
        vec x[8];
#pragma GCC unroll 8
        for (int i = 0; i < n; i++) x[i] = vec_load(src + (i * n + j) * a->src_plane);
        transform(x, columns[j], m, n, n);
    }
#pragma GCC unroll 1
    for (int i = 0; i < m; i++) {
        vec x[8], y[6];
#pragma GCC unroll 8
        for (int j = 0; j < n; j++) x[j] = columns[j][i];
        transform(x, y, m, n, n);
        store_row(a, at + i * a->dst_row, c, y, m);
    }
}

/* A tile at the edge, of rows x cols outputs, keeps `high` x `wide` sums; of these the last in either
 * direction is read where the last output that they make is wanted. */
FC_INLINE void columns_of(const fc_winograd_output_args *a, const real *src, vec (*columns)[6],
                          const int wide, bool last, const int m, const int n, const int high) {
    const bool reads = fc_winograd_counts(n - 1, n, m, a->rows);
    for (int j = 0; j < wide; j++) {
        if (j == wide - 1 && !last) {
            for (int i = 0; i < 6; i++) columns[j][i] = vec_zero();
            return;
        }
        const real *at = src + (j == wide - 1 ? n - 1 : j) * a->src_plane;
        vec x[8];
#pragma GCC unroll 8
        for (int i = 0; i < high - 1; i++) x[i] = vec_load(at + i * n * a->src_plane);
        x[high - 1] = reads ? vec_load(at + (n - 1) * n * a->src_plane) : vec_zero();
        transform(x, columns[j], high - n + m, n, high);
    }
}

FC_INLINE void rows_of(const fc_winograd_output_args *a, vec (*columns)[6], ptrdiff_t at, ptrdiff_t c,
                       ptrdiff_t cols, const int m, const int n, const int wide) {
    for (ptrdiff_t i = 0; i < a->rows; i++) {
        vec x[8], y[6];
#pragma GCC unroll 8
        for (int j = 0; j < wide; j++) x[j] = columns[j][i];
        transform(x, y, wide - n + m, n, wide);
        store_few(a, at + i * a->dst_row, c, y, cols);
    }
}

/* Calls BODY with the number of sums that a tile keeps for a constant: at least one output's. */
#define FOR_USED(used, m, n, BODY) \
    if ((used) == (n))             \
        BODY(n);                   \
    else if ((n) == 8 && (used) == 6) \
        BODY(6);                   \
    else if ((m) > 2 && (n) - (m) < 4) \
        BODY(4)

FC_INLINE void part(const fc_winograd_output_args *a, const real *src, ptrdiff_t at, ptrdiff_t c,
                    ptrdiff_t cols, const int m, const int n) {
    const int high = fc_winograd_used(n, m, a->rows), wide = fc_winograd_used(n, m, cols);
    const bool last = fc_winograd_counts(n - 1, n, m, cols);
    vec columns[8][6];
#define COLUMNS(used) columns_of(a, src, columns, wide, last, m, n, used)
    FOR_USED(high, m, n, COLUMNS);
#define ROWS(used) rows_of(a, columns, at, c, cols, m, n, used)
    FOR_USED(wide, m, n, ROWS);
}

FC_INLINE void tiles(const fc_winograd_output_args *a, const int m, const int n) {
    for (ptrdiff_t x = 0, t = 0; x < a->cols; x += m, t++)
        for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
            const ptrdiff_t tile = x + m < a->cols ? t * a->src_tile : a->src_last;
            const real *src = (const real *)a->src + tile + c;
            const ptrdiff_t at = x * a->dst_pixel + c, cols = a->cols - x < m ? a->cols - x : m;
            if (a->rows == m && cols == m)
                whole(a, src, at, c, m, n);
            else
                part(a, src, at, c, cols, m, n);
        }
}

void FC_NAME(winograd_output)(const fc_winograd_output_args *a);
void FC_NAME(winograd_output)(const fc_winograd_output_args *a) {
    assert(a->channels % VLEN == 0 && a->rows >= 1 && a->rows <= a->m);
    switch (a->m * 10 + a->n) {
    case 24: tiles(a, 2, 4); break;
    case 26: tiles(a, 2, 6); break;
    case 46: tiles(a, 4, 6); break;
    case 48: tiles(a, 4, 8); break;
    case 68: tiles(a, 6, 8); break;
    default: assert(!"winograd_output: no such transform");
    }
}
