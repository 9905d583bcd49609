/* conv_plane.c: the kernel of depthwise convolution: one channel plane, vectorised over pixels.
 *
 *      acc[r][v]   rows x vectors of output pixels, in registers for the whole sum
 *      src         vectors of an input row, one for each kernel column (they differ by one pixel)
 *      weights     one element broadcast to all lanes
 *
 * A vector load that crosses a cache line costs two and a half that do not, and of one 512-bit load
 * for each tap nearly all cross: measured on 3 x 3, 40 % of the FMA peak with everything in the
 * first-level cache. Two things are done about it.
 *
 *   chain   where neighbouring output rows see neighbouring input rows (row_step == tap_step), a
 *           vector serves all output rows that it has a tap in: R rows take R + kh - 1 input rows,
 *           not R * kh. Input rows come in rising order, so each sum keeps its one order.
 *   slide   (AVX-512 alone, which has one-instruction shuffles of two registers) an input row is
 *           loaded once and the vectors of the other kernel columns are cut out of neighbouring
 *           registers.
 *
 * Other shapes ("plain") load for each tap.
 *
 * Blocks are R = 4 rows of up to 4 vectors (2 where there are 16 registers), or R = 7 rows of one
 * vector: the maps of the common networks are multiples of 7. When rows do not come out even the
 * last block overlaps its predecessor and stores the same values again.
 */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <assert.h>

#if FC_TIER == FC_TAG_avx512 || FC_TIER == FC_TAG_neon
#define MAX_VECTORS 4
#else
#define MAX_VECTORS 2
#endif
#define ROWS_OF(vectors) ((vectors) == 1 ? 7 : 4)

/* ---- rows without a border: the lanes of a vector that lie inside the row -------------------- */

#if FC_REAL_IS_F64
#define BY_DTYPE(f32, f64) f64
#else
#define BY_DTYPE(f32, f64) f32
#endif

#if FC_TIER == FC_TAG_avx512
#define HAVE_WINDOWS 1
typedef __mmask16 window;
FC_INLINE window window_make(ptrdiff_t first, ptrdiff_t end) {
    return (window)(vec_mask(end) & ~vec_mask(first));
}
FC_INLINE vec window_load(const real *p, window w) {
    return BY_DTYPE(_mm512_maskz_loadu_ps(w, p), _mm512_maskz_loadu_pd((__mmask8)w, p));
}
#define HAVE_SLIDES 1
typedef __m512i slide;
/* Lanes n, n + 1, ... of two vectors end to end. */
FC_INLINE slide slide_make(ptrdiff_t n) {
    return BY_DTYPE(_mm512_add_epi32(_mm512_set1_epi32((int)n),
                                     _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
                                                       13, 14, 15)),
                    _mm512_add_epi64(_mm512_set1_epi64(n),
                                     _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7)));
}
FC_INLINE vec slide_cut(vec low, vec high, slide s) {
    return BY_DTYPE(_mm512_permutex2var_ps(low, s, high), _mm512_permutex2var_pd(low, s, high));
}
#elif FC_TIER == FC_TAG_avx2
#define HAVE_WINDOWS 1
typedef __m256i window;
FC_INLINE window window_make(ptrdiff_t first, ptrdiff_t end) {
    return _mm256_andnot_si256(vec_mask(first), vec_mask(end));
}
FC_INLINE vec window_load(const real *p, window w) {
    return BY_DTYPE(_mm256_maskload_ps(p, w), _mm256_maskload_pd(p, w));
}
#else
#define HAVE_WINDOWS 0
typedef int window;
FC_INLINE vec window_load(const real *p, window w) {
    (void)w;
    return vec_load(p);
}
#endif

#ifndef HAVE_SLIDES
#define HAVE_SLIDES 0
#endif

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Some vectors' width of the map, over output rows [first, end). */
typedef struct columns {
    ptrdiff_t x, first, end;
    ptrdiff_t lanes;                  /* of the last vector; the others are full */
    window window[FC_WINDOW_TAPS][2]; /* by kernel column: of the first and of the last vector */
#if HAVE_SLIDES
    window span[3]; /* of the first and the last vector from column[0] on, and of one more */
    slide slide[FC_WINDOW_TAPS];
#endif
} columns;

FC_INLINE void load_row(vec *x, const real *p, const window *w, const int V, const bool edge) {
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
        if (edge && (v == 0 || v == V - 1))
            x[v] = window_load(p + v * VLEN, w[v == 0 ? 0 : 1]);
        else
            x[v] = vec_load(p + v * VLEN);
    }
}

/* Kernel column b of one input row, which starts at `row` or is `loaded`, into output rows
 * [low, high). */
FC_INLINE void chain_column(const fc_conv_plane_args *a, const columns *c, const real *row,
                            const vec *loaded, const real *weights, vec *acc, const int low,
                            const int high, const int V, ptrdiff_t b, ptrdiff_t kw,
                            const bool edge) {
    vec x[MAX_VECTORS];
#if HAVE_SLIDES
    (void)a, (void)row, (void)edge;
#pragma GCC unroll 4
    for (int v = 0; v < V; v++)
        x[v] = b == 0 ? loaded[v] : slide_cut(loaded[v], loaded[v + 1], c->slide[b]);
#else
    (void)loaded;
    load_row(x, row + a->column[b] + c->x, c->window[edge ? b : 0], V, edge);
#endif
#pragma GCC unroll 8
    for (int r = low; r < high; r++) {
        vec w = vec_set1(weights[b - r * kw]);
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) acc[r * V + v] = vec_fma(x[v], w, acc[r * V + v]);
    }
}

/* One input row into output rows [low, high) of the block; it is row `i - r` of the kernel for
 * output row r. `weights` points at kernel row i. KW: kernel columns when known, else 0. */
FC_INLINE void chain_row(const fc_conv_plane_args *a, const columns *c, const real *row,
                         const real *weights, vec *acc, const int low, const int high,
                         const int V, const int KW, const bool edge) {
    vec loaded[MAX_VECTORS + 1];
#if HAVE_SLIDES
    const real *start = row + a->column[0] + c->x;
    load_row(loaded, start, c->span, V, edge);
    loaded[V] = window_load(start + V * VLEN, c->span[2]);
#endif
    /* Or the compiler keeps all weights of the kernel in registers, though there are not so many;
     * 3 x 3 with up to 3 vectors on AVX-512 is where there are. */
    if (!(HAVE_SLIDES && KW == 3 && V < MAX_VECTORS)) __asm__("" : "+r"(weights));
    if (KW) {
#pragma GCC unroll 8
        for (int b = 0; b < KW; b++)
            chain_column(a, c, row, loaded, weights, acc, low, high, V, b, KW, edge);
        return;
    }
    chain_column(a, c, row, loaded, weights, acc, low, high, V, 0, a->kw, edge);
    for (ptrdiff_t b = 1; b < a->kw; b++)
        chain_column(a, c, row, loaded, weights, acc, low, high, V, b, a->kw, edge);
}

/* Kernel rows kh >= R, or a kernel of K x K when K is not 0. */
FC_INLINE void chain(const fc_conv_plane_args *a, const columns *c, const real *const *src,
                     vec *acc, const int R, const int V, const int K, const bool edge) {
    const ptrdiff_t kh = K ? K : a->kh, kw = K ? K : a->kw, step = a->row_step;
    const real *weights = a->weights;
    if (K) {
        /* Five columns unrolled make the compiler spill sums where there are 16 registers: on SSE2
         * 0.78 of the speed of a loop. */
        const int KW = K == 3 || HAVE_SLIDES ? K : 0;
#pragma GCC unroll 16
        for (int i = 0; i < R + K - 1; i++)
            chain_row(a, c, src[i * step], weights + i * kw, acc, i < K ? 0 : i - K + 1,
                      i + 1 < R ? i + 1 : R, V, KW, edge);
        return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < R - 1; i++)
        chain_row(a, c, src[i * step], weights + i * kw, acc, 0, i + 1, V, 0, edge);
    for (ptrdiff_t i = R - 1; i < kh; i++)
        chain_row(a, c, src[i * step], weights + i * kw, acc, 0, R, V, 0, edge);
#pragma GCC unroll 8
    for (int i = 1; i < R; i++)
        chain_row(a, c, src[(kh - 1 + i) * step], weights + (kh - 1 + i) * kw, acc, i, R, V, 0,
                  edge);
}

FC_INLINE void plain(const fc_conv_plane_args *a, const columns *c, const real *const *src,
                     vec *acc, const int R, const int V, const bool edge) {
    const real *weights = a->weights;
    for (ptrdiff_t i = 0; i < a->kh; i++, src += a->tap_step) {
        const real *row[8];
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) row[r] = src[r * a->row_step] + c->x;
        for (ptrdiff_t b = 0; b < a->kw; b++) {
            vec w = vec_set1(*weights++);
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
                vec x[MAX_VECTORS];
                load_row(x, row[r] + a->column[b], c->window[edge ? b : 0], V, edge);
#pragma GCC unroll 4
                for (int v = 0; v < V; v++) acc[r * V + v] = vec_fma(x[v], w, acc[r * V + v]);
            }
        }
    }
}

FC_INLINE void store(const fc_conv_plane_args *a, const columns *c, real *dst, const vec *acc,
                     const int R, const int V, const int activation) {
    const vec bias = vec_set1((real)a->bias);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
            vec_store_n(dst + r * a->dst_row + v * VLEN,
                        vec_activate(vec_add(acc[r * V + v], bias), activation),
                        v == V - 1 ? c->lanes : VLEN);
}

/* The rest of the epilogue, over rows just stored: what the blocks do not carry in each of their
 * instantiations. */
static __attribute__((noinline)) void finish(const fc_conv_plane_args *a, const columns *c,
                                             ptrdiff_t vectors) {
    for (ptrdiff_t y = c->first; y < c->end; y++)
        for (ptrdiff_t v = 0; v < vectors; v++) {
            ptrdiff_t x = c->x + v * VLEN, lanes = v == vectors - 1 ? c->lanes : VLEN;
            real *dst = (real *)a->dst + y * a->dst_row + x;
            vec t = vec_load_n(dst, lanes);
            if (a->residual)
                t = vec_add(t, vec_load_n((const real *)a->residual + y * a->residual_row + x,
                                          lanes));
            vec_store_n(dst, vec_activate(t, a->activation), lanes);
        }
}

typedef enum way { PLAIN_ROW, PLAIN, CHAIN, CHAIN_5X5, CHAIN_3X3, WAYS } way;

FC_INLINE void columns_run(const fc_conv_plane_args *a, const columns *c, const way how,
                           const int V, const bool edge) {
    const int R = how == PLAIN_ROW ? 1 : how == PLAIN ? 4 : ROWS_OF(V);
    const bool finished =
        !a->residual && (a->activation == FC_ACT_NONE || a->activation == FC_ACT_RELU ||
                         a->activation == FC_ACT_RELU6);
    for (ptrdiff_t y = c->first;;) {
        vec acc[4 * MAX_VECTORS > 7 ? 4 * MAX_VECTORS : 7];
#pragma GCC unroll 16
        for (int i = 0; i < R * V; i++) acc[i] = vec_zero();
        const real *const *src = (const real *const *)a->src + y * a->row_step;
        if (how == CHAIN_3X3)
            chain(a, c, src, acc, R, V, 3, edge);
        else if (how == CHAIN_5X5)
            chain(a, c, src, acc, R, V, 5, edge);
        else if (how == CHAIN)
            chain(a, c, src, acc, R, V, 0, edge);
        else
            plain(a, c, src, acc, R, V, edge);
        real *dst = (real *)a->dst + y * a->dst_row + c->x;
        if (finished && a->activation == FC_ACT_RELU)
            store(a, c, dst, acc, R, V, FC_ACT_RELU);
        else if (finished && a->activation == FC_ACT_RELU6)
            store(a, c, dst, acc, R, V, FC_ACT_RELU6);
        else
            store(a, c, dst, acc, R, V, FC_ACT_NONE);
        if (y + R >= c->end) break;
        y = y + 2 * R <= c->end ? y + R : c->end - R;
    }
    if (!finished) finish(a, c, V);
}

typedef void (*columns_fn)(const fc_conv_plane_args *a, const columns *c);

#define RUN(how, V, edge)                                                              \
    static void run_##how##_##V##_##edge(const fc_conv_plane_args *a, const columns *c) { \
        columns_run(a, c, how, V, edge);                                               \
    }
#if HAVE_WINDOWS
#define RUN_EDGES(how, V) RUN(how, V, 0) RUN(how, V, 1)
#define ENTRY(how, V) {run_##how##_##V##_0, run_##how##_##V##_1}
#else
#define RUN_EDGES(how, V) RUN(how, V, 0)
#define ENTRY(how, V) {run_##how##_##V##_0}
#endif
#if MAX_VECTORS == 4
#define RUN_WIDTHS(how) RUN_EDGES(how, 1) RUN_EDGES(how, 2) RUN_EDGES(how, 3) RUN_EDGES(how, 4)
#define ENTRIES(how) {ENTRY(how, 1), ENTRY(how, 2), ENTRY(how, 3), ENTRY(how, 4)}
#else
#define RUN_WIDTHS(how) RUN_EDGES(how, 1) RUN_EDGES(how, 2)
#define ENTRIES(how) {ENTRY(how, 1), ENTRY(how, 2)}
#endif

RUN_WIDTHS(PLAIN_ROW)
RUN_WIDTHS(PLAIN)
RUN_WIDTHS(CHAIN)
RUN_WIDTHS(CHAIN_5X5)
RUN_WIDTHS(CHAIN_3X3)

static const columns_fn run_table[WAYS][MAX_VECTORS][1 + HAVE_WINDOWS] = {
    ENTRIES(PLAIN_ROW), ENTRIES(PLAIN), ENTRIES(CHAIN), ENTRIES(CHAIN_5X5), ENTRIES(CHAIN_3X3)};

/* A row of the source can be cut by slides: all kernel columns within one vector of the first. */
static bool columns_slide(const fc_conv_plane_args *a) {
    if (!HAVE_SLIDES) return true;
    if (a->kw > FC_WINDOW_TAPS) return false;
    for (ptrdiff_t b = 1; b < a->kw; b++)
        if (a->column[b] < a->column[b - 1] || a->column[b] - a->column[0] > VLEN) return false;
    return true;
}

static way choose(const fc_conv_plane_args *a, bool chained, int vectors) {
    const int rows = ROWS_OF(vectors);
    if (chained && a->rows >= rows) {
        if (a->kh == 3 && a->kw == 3) return CHAIN_3X3;
        if (a->kh == 5 && a->kw == 5) return CHAIN_5X5;
        if (a->kh >= rows) return CHAIN;
    }
    return a->rows >= 4 ? PLAIN : PLAIN_ROW;
}

/* The lanes of VLEN elements from `at` on that lie within [0, width). */
#if HAVE_WINDOWS
FC_INLINE window window_at(ptrdiff_t at, ptrdiff_t width) {
    ptrdiff_t end = fc_max64(0, fc_min64(width - at, VLEN));
    return window_make(fc_max64(0, fc_min64(-at, end)), end);
}
#endif

static void columns_prepare(columns *c, const fc_conv_plane_args *a, bool chained, int vectors,
                            bool edge) {
#if HAVE_SLIDES
    if (chained) {
        const ptrdiff_t at = a->column[0] + c->x, last = at + vectors * VLEN;
        const ptrdiff_t reach = last + a->column[a->kw - 1] - a->column[0];
        c->span[2] = window_at(last, a->width ? fc_min64(a->width, reach) : reach);
        if (edge) {
            c->span[0] = window_at(at, a->width);
            c->span[1] = window_at(last - VLEN, a->width);
        }
        return;
    }
#endif
#if HAVE_WINDOWS
    for (ptrdiff_t b = 0; edge && b < a->kw; b++) {
        const ptrdiff_t at = a->column[b] + c->x;
        c->window[b][0] = window_at(at, a->width);
        c->window[b][1] = window_at(at + (vectors - 1) * VLEN, a->width);
    }
#endif
    (void)c, (void)a, (void)chained, (void)vectors, (void)edge;
}

void FC_NAME(conv_plane)(const fc_conv_plane_args *a);
void FC_NAME(conv_plane)(const fc_conv_plane_args *a) {
    assert(!a->width || (HAVE_WINDOWS && a->kw <= FC_WINDOW_TAPS));
    const ptrdiff_t vectors = (a->pixels + VLEN - 1) / VLEN;
    const bool chained = a->row_step == a->tap_step && a->rows >= 4 && columns_slide(a);
    columns c;
#if HAVE_SLIDES
    for (ptrdiff_t b = 0; chained && b < a->kw; b++)
        c.slide[b] = slide_make(a->column[b] - a->column[0]);
#endif
    /* One group of vectors runs down all rows; several take turns every few rows (whole blocks of 4
     * and of 7), so that the source is read as it lies in memory. */
    const ptrdiff_t band = vectors <= MAX_VECTORS ? a->rows : 28;
    for (c.first = 0; c.first < a->rows; c.first = c.end) {
        c.end = a->rows - c.first < 2 * band ? a->rows : c.first + band;
        for (ptrdiff_t from = 0, width; from < vectors; from += width) {
            const ptrdiff_t left = vectors - from;
            width = left >= 2 * MAX_VECTORS ? MAX_VECTORS
                    : left > MAX_VECTORS    ? (left + 1) / 2
                                            : left;
            const bool edge = a->width && (from == 0 || width == left);
            const way how = choose(a, chained, (int)width);
            c.x = from * VLEN;
            c.lanes = width == left ? a->pixels - (vectors - 1) * VLEN : VLEN;
            columns_prepare(&c, a, how > PLAIN, (int)width, edge);
            run_table[how][width - 1][edge](a, &c);
        }
    }
}
