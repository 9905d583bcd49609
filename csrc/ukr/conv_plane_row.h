/* conv_plane_row.h: what conv_plane does with one input row: its vectors, with or without a border, and
 * the products of the kernel row with them. The tiers differ here and nowhere else. */
#ifndef FC_UKR_CONV_PLANE_ROW_H
#define FC_UKR_CONV_PLANE_ROW_H

#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "load_window.h"
#include "ukr.h"

#include <assert.h>

#if FC_TIER == FC_TAG_avx512 || FC_TIER == FC_TAG_neon
#define MAX_VECTORS 4
#else
#define MAX_VECTORS 2
#endif
#define MAX_ROLL_VECTORS 4 /* of rows that roll by under 3 x 3 (conv_plane_roll.h) */
#if FC_TIER == FC_TAG_avx512
#define MAX_ROW_VECTORS 8 /* of a row by itself: a vector alone waits for its last multiply-add */
#define ROWS_OF(vectors) ((vectors) <= 2 ? 7 : 4)
#else
#define MAX_ROW_VECTORS MAX_ROLL_VECTORS
#define ROWS_OF(vectors) ((vectors) == 1 ? 7 : 4)
#endif

#if FC_TIER == FC_TAG_avx512
#define HAVE_SLIDES 1
typedef __m512i slide;
/* Lanes n, n + 1, ... of two vectors end to end, n <= VLEN. */
static const BY_DTYPE(int32_t, int64_t) lane_numbers[2 * VLEN] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
#if !FC_REAL_IS_F64
    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
#endif
};
FC_INLINE slide slide_make(ptrdiff_t n) { return _mm512_loadu_si512(lane_numbers + n); }
FC_INLINE vec slide_cut(vec low, vec high, slide s) {
    return BY_DTYPE(_mm512_permutex2var_ps(low, s, high), _mm512_permutex2var_pd(low, s, high));
}
#else
#define HAVE_SLIDES 0
#endif

/* The even and the odd of two vectors' elements, in the order that takes one shuffle each;
 * part_order puts lanes into their own. */
#if FC_TIER == FC_TAG_avx2
#define HAVE_PARTS 1
FC_INLINE vec part_even(vec low, vec high) {
    return BY_DTYPE(_mm256_shuffle_ps(low, high, 0x88), _mm256_unpacklo_pd(low, high));
}
FC_INLINE vec part_odd(vec low, vec high) {
    return BY_DTYPE(_mm256_shuffle_ps(low, high, 0xdd), _mm256_unpackhi_pd(low, high));
}
FC_INLINE vec part_order(vec v) {
    return BY_DTYPE(_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xd8)),
                    _mm256_permute4x64_pd(v, 0xd8));
}
#else
#define HAVE_PARTS 0
#endif

/* Planes come from caches beyond the first-level one; 3 x 3 with stride 2 is 1.17 times as fast when
 * their rows are called for in advance. */
#define AHEAD (1024 / (ptrdiff_t)sizeof(real))

/* ---- one input row ------------------------------------------------------------------------------ */

#define KNOWN_COLUMNS 5 /* most kernel columns of a body that is compiled for their number */
#define MAX_HALVES 4    /* vectors of a block with step 2 */
#define MAX_LOADS 10    /* vectors of an input row: of 8 side by side, of 4 with step 2 */

/* What is known when a body is compiled.
 *   R, V    rows and vectors of a block         K     kernel of K x K, or 0: any
 *   H       input rows between output rows      S     columns between pixels
 *   edge    taps may lie beyond either end of the input row (AVX2; where there are slides all loads
 *           are masked, which costs little and halves the bodies)
 *   far     kernel columns may lie beyond a vector's reach of the first (where there are slides)
 *   loads   each kernel column is a load of its own: columns of a copy in phases, which follow no order */
typedef struct body {
    int R, V, K, H, S;
    bool edge, far, loads;
} body;

/* Some vectors' width of the map, over output rows [first, end) of one output plane. */
typedef struct columns {
    const real *const *src;
    const real *weights, *residual;
    real *dst;
    real bias, least, most; /* added; the bounds of ReLU and ReLU6 */
    bool finished;          /* by these: no residual, no other activation */
    ptrdiff_t x, first, end;
    ptrdiff_t lanes; /* of the last vector; the others are full */
#if HAVE_SLIDES
    window span[MAX_LOADS]; /* of the vectors of a row from column[0] on */
    slide slide[KNOWN_COLUMNS];
    ptrdiff_t run; /* kernel columns within reach of the first */
#else
    window window[FC_WINDOW_TAPS][2]; /* by kernel column: of the first and of the last vector */
    window upper[KNOWN_COLUMNS][2];   /* with step 2: of the second halves of what they are made of */
#endif
} columns;

FC_INLINE void multiply(const vec *x, const real *weights, vec *acc, const int low, const int high,
                        ptrdiff_t row, const body k) {
#pragma GCC unroll 8
    for (int r = low; r < high; r++) {
        vec w = vec_set1(weights[-r * k.H * row]);
#pragma GCC unroll 8
        for (int v = 0; v < k.V; v++)
            acc[r * k.V + v] = vec_fma(x[v], w, acc[r * k.V + v]);
    }
}

/* Vector v of an input row under kernel column b, where vector 0 begins at p. */
FC_INLINE vec load_vector(const real *p, const columns *c, ptrdiff_t b, int v, const body k) {
#if !HAVE_SLIDES
    if (k.edge && (v == 0 || v == k.V - 1)) return window_load(p + v * VLEN, c->window[b][v != 0]);
#endif
    (void)c, (void)b, (void)k;
    return vec_load(p + v * VLEN);
}

/* One input row's vectors under kernel column b. */
FC_INLINE void chain_column(const fc_conv_plane_args *a, const columns *c, const real *row,
                            const real *weights, vec *acc, const int low, const int high,
                            ptrdiff_t b, ptrdiff_t kw, const body k) {
    const real *p = row + a->column[b] + c->x;
    vec x[MAX_ROW_VECTORS];
#pragma GCC unroll 8
    for (int v = 0; v < k.V; v++) x[v] = load_vector(p, c, b, v, k);
    multiply(x, weights + b, acc, low, high, kw, k);
}

#if HAVE_SLIDES

/* Kernel columns [first, return value) lie within a vector's reach of the first of them. */
FC_INLINE ptrdiff_t run_end(const fc_conv_plane_args *a, ptrdiff_t first) {
    ptrdiff_t b = first + 1;
    while (b < a->kw && a->column[b] >= a->column[b - 1] &&
           a->column[b] - a->column[first] <= VLEN * a->step)
        b++;
    return b;
}

/* The element after the last that kernel column b of a block has a tap in. */
FC_INLINE ptrdiff_t reach_of(const fc_conv_plane_args *a, ptrdiff_t x, ptrdiff_t b, const body k) {
    const ptrdiff_t reach = a->column[b] + (x + k.V * VLEN - 1) * k.S + 1;
    return a->width ? fc_min64(a->width, reach) : reach;
}

/* The lanes of VLEN elements from `at` on that are loaded: a copy with a border has it before its
 * element 0 too. */
FC_INLINE window span_at(const fc_conv_plane_args *a, ptrdiff_t at, ptrdiff_t reach) {
    return a->width ? window_at(at, reach) : window_make(0, fc_max64(0, fc_min64(reach - at, VLEN)));
}

/* The elements of a row from kernel column `first` on: part[s][v], every S-th from the s-th. `span`
 * is that of the columns, for first == 0, or NULL. */
FC_INLINE void load_parts(vec part[2][MAX_ROW_VECTORS + 1], const real *row,
                          const fc_conv_plane_args *a, const columns *c, const window *span,
                          ptrdiff_t first, ptrdiff_t end, const body k) {
    const ptrdiff_t at = a->column[first] + c->x * k.S;
    const ptrdiff_t reach = span ? 0 : reach_of(a, c->x, end - 1, k);
    vec x[MAX_LOADS];
#pragma GCC unroll 10
    for (int i = 0; i < k.S * (k.V + 1); i++) {
        const real *p = row + at + i * VLEN;
        x[i] = window_load(p, span ? span[i] : span_at(a, at + i * VLEN, reach));
    }
#pragma GCC unroll 9
    for (int v = 0; v <= k.V; v++) {
        if (k.S == 2)
            vec_deinterleave(x[2 * v], x[2 * v + 1], &part[0][v], &part[1][v]);
        else
            part[0][v] = x[v];
    }
}

FC_INLINE void multiply_cut(const vec *from, slide cut, const real *weights, vec *acc,
                            const int low, const int high, ptrdiff_t row, const body k) {
#pragma GCC unroll 8
    for (int v = 0; v < k.V; v++) {
        const vec x = slide_cut(from[v], from[v + 1], cut);
#pragma GCC unroll 8
        for (int r = low; r < high; r++)
            acc[r * k.V + v] =
                vec_fma(x, vec_set1(weights[-r * k.H * row]), acc[r * k.V + v]);
    }
}

/* One input row into output rows [low, high) of the block; it is row `i - r * H` of the kernel for
 * output row r. `weights` points at kernel row i. */
FC_INLINE void chain_row(const fc_conv_plane_args *a, const columns *c, const real *row,
                         const real *weights, vec *acc, const int low, const int high,
                         const body k) {
    vec part[2][MAX_ROW_VECTORS + 1];
    if (k.loads) {
        for (ptrdiff_t b = 0; b < a->kw; b++)
            chain_column(a, c, row, weights, acc, low, high, b, a->kw, k);
        return;
    }
    if (k.K) {
        /* Or the compiler keeps all weights of the kernel in registers, though there are not so
         * many; 3 x 3 with up to 3 vectors is where there are. */
        if (!(k.K == 3 && k.V < MAX_VECTORS)) __asm__("" : "+r"(weights));
        load_parts(part, row, a, c, c->span, 0, k.K, k);
#pragma GCC unroll 8
        for (int b = 0; b < k.K; b++) {
            const vec *from = part[k.S == 2 ? b & 1 : 0];
            if (b < k.S)
                multiply(from, weights + b, acc, low, high, k.K, k);
            else
                multiply_cut(from, c->slide[b], weights + b, acc, low, high, k.K, k);
        }
        return;
    }
    ptrdiff_t first = 0, end = k.far ? c->run : a->kw;
    load_parts(part, row, a, c, c->span, first, end, k);
    for (;;) {
        multiply(part[0], weights + first, acc, low, high, a->kw, k);
        for (ptrdiff_t b = first + 1; b < end; b++) {
            const ptrdiff_t beyond = a->column[b] - a->column[first];
            multiply_cut(part[k.S == 2 ? beyond & 1 : 0], slide_make(beyond / k.S), weights + b, acc,
                         low, high, a->kw, k);
        }
        if (!k.far || end == a->kw) return;
        first = end;
        end = run_end(a, first);
        load_parts(part, row, a, c, NULL, first, end, k);
    }
}

#else

/* One input row into output rows [low, high) of the block; it is row `i - r * H` of the kernel for
 * output row r. `weights` points at kernel row i. */
FC_INLINE void chain_row(const fc_conv_plane_args *a, const columns *c, const real *row,
                         const real *weights, vec *acc, const int low, const int high,
                         const body k) {
    for (ptrdiff_t b = 0; b < a->kw; b++)
        chain_column(a, c, row, weights, acc, low, high, b, a->kw, k);
}

#endif

#endif
