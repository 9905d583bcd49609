/* conv_plane.c: the kernel of depthwise convolution: channel planes, vectorised over pixels.
 *
 *      acc[r][v]   rows x vectors of output pixels, in registers for the whole sum
 *      src         vectors of an input row, one for each kernel column (they differ by one pixel)
 *      weights     one element broadcast to all lanes
 *
 * A vector load that crosses a cache line costs two and a half that do not, and of one 512-bit load
 * for each tap nearly all cross: measured on 3 x 3, 40 % of the FMA peak with everything in the
 * first-level cache. Two things are done about it.
 *
 *   chain   where neighbouring output rows see neighbouring input rows (row_step == tap_step), or
 *           every second one (halves: row_step == 2 tap_step), a vector serves all output rows that
 *           it has a tap in: R rows take R + kh - 1 input rows, not R * kh. Input rows come in
 *           rising order, so each sum keeps its one order.
 *   slide   (AVX-512 alone, which has one-instruction shuffles of two registers) an input row is
 *           loaded once and the vectors of the other kernel columns are cut out of neighbouring
 *           registers. With step 2 the row is first parted into its even and its odd elements.
 *           Kernel columns further than a vector from the first begin another such run.
 *   roll    (elsewhere, 3 x 3 and 5 x 5) rows of a chain without blocks: conv_plane_roll.h
 *
 * Other shapes ("plain") go through the input rows of each output row by itself.
 *
 * Blocks are R = 4 rows of up to 4 vectors (2 where there are 16 registers), or R = 7 rows of one
 * vector, on AVX-512 of two: the maps of the common networks are multiples of 7, and a multiply-add
 * waits for the one before it unless eight others are under way. So a signal of less than 4 rows is
 * taken in blocks of up to 8 vectors there. When rows do not come out even the last block overlaps
 * its predecessor and stores the same values again. Narrow maps: conv_plane_pairs.h.
 */
#include <math.h>

#include "conv_plane_row.h"
#if HAVE_SLIDES
#include "conv_plane_pairs.h"
#else
#include "conv_plane_roll.h"
#endif

/* ---- blocks ---------------------------------------------------------------------------------- */

/* Kernel rows kh >= R, or a kernel of K x K when K is not 0. */
FC_INLINE void chain(const fc_conv_plane_args *a, const columns *c, const real *const *src,
                     vec *acc, const body k) {
    const ptrdiff_t kh = a->kh, kw = k.K ? k.K : a->kw, step = a->tap_step;
    const real *weights = c->weights;
    if (k.K) {
#pragma GCC unroll 20
        for (int i = 0; i < k.H * (k.R - 1) + k.K; i++) {
            const int low = i < k.K ? 0 : (i - k.K) / k.H + 1, high = i / k.H + 1;
            if (i >= k.K - k.H) {
#pragma GCC unroll 8
                for (int v = 0; v < k.V * k.S; v++)
                    vec_prefetch(src[i * step] + c->x * k.S + v * VLEN + AHEAD);
            }
            chain_row(a, c, src[i * step], weights + i * kw, acc, low, high < k.R ? high : k.R, k);
        }
        return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < k.R - 1; i++)
        chain_row(a, c, src[i * step], weights + i * kw, acc, 0, i + 1, k);
    for (ptrdiff_t i = k.R - 1; i < kh; i++)
        chain_row(a, c, src[i * step], weights + i * kw, acc, 0, k.R, k);
#pragma GCC unroll 8
    for (int i = 1; i < k.R; i++)
        chain_row(a, c, src[(kh - 1 + i) * step], weights + (kh - 1 + i) * kw, acc, i, k.R, k);
}

FC_INLINE void plain(const fc_conv_plane_args *a, const columns *c, const real *const *src,
                     vec *acc, const body k) {
    for (ptrdiff_t i = 0; i < a->kh; i++, src += a->tap_step)
#pragma GCC unroll 8
        for (int r = 0; r < k.R; r++)
            chain_row(a, c, src[r * a->row_step], c->weights + (i + r * k.H) * a->kw, acc, r, r + 1,
                      k);
}

FC_INLINE void store(const fc_conv_plane_args *a, const columns *c, real *dst, const vec *acc,
                     const body k) {
    const vec bias = vec_set1(c->bias), least = vec_set1(c->least), most = vec_set1(c->most);
    const ptrdiff_t lanes = c->lanes, row = a->dst_row;
#pragma GCC unroll 8
    for (int r = 0; r < k.R; r++)
#pragma GCC unroll 8
        for (int v = 0; v < k.V; v++)
            vec_store_n(dst + r * row + v * VLEN,
                        vec_min(most, vec_max(least, vec_add(acc[r * k.V + v], bias))),
                        v == k.V - 1 ? lanes : VLEN);
}

/* The rest of the epilogue, over rows just stored: what the blocks do not carry in each of their
 * instantiations. */
static __attribute__((noinline)) void finish(const fc_conv_plane_args *a, const columns *c,
                                             ptrdiff_t vectors) {
    for (ptrdiff_t y = c->first; y < c->end; y++)
        for (ptrdiff_t v = 0; v < vectors; v++) {
            ptrdiff_t x = c->x + v * VLEN, lanes = v == vectors - 1 ? c->lanes : VLEN;
            real *dst = c->dst + y * a->dst_row + x;
            vec t = vec_load_n(dst, lanes);
            if (c->residual)
                t = vec_add(t, vec_load_n(c->residual + y * a->residual_row + x, lanes));
            vec_store_n(dst, vec_activate(t, a->activation), lanes);
        }
}

typedef enum way {
    PLAIN_ROW, PLAIN, CHAIN, FAR_CHAIN, CHAIN_5, CHAIN_3, HALVES_5, HALVES_3,
    LOADS_ROW, LOADS, LOADS_CHAIN, /* where there are slides: as the first three where there are none */
    WAYS
} way;

/* Rows of a chain's block. With step 2 rows of output share few rows of input, so whole rows of the map,
 * read as they lie in memory, are worth more than many. */
FC_INLINE int chain_rows(int vectors, ptrdiff_t step) {
    return step == 2 && vectors > 2 ? 2 : ROWS_OF(vectors);
}

FC_INLINE void columns_run(const fc_conv_plane_args *a, const columns *c, const way how,
                           const int V, const int S, const bool edge) {
    const body k = {
        .R = how == PLAIN_ROW || how == LOADS_ROW ? 1 : how == PLAIN || how == LOADS ? 4 : chain_rows(V, S),
        .V = V,
        .K = how == CHAIN_3 || how == HALVES_3 ? 3 : how == CHAIN_5 || how == HALVES_5 ? 5 : 0,
        .H = how == HALVES_3 || how == HALVES_5 ? 2 : 1,
        .S = S,
        .edge = edge,
        .far = HAVE_SLIDES && (how == PLAIN_ROW || how == PLAIN || how == FAR_CHAIN),
        .loads = how == LOADS_ROW || how == LOADS || how == LOADS_CHAIN,
    };
#if !HAVE_SLIDES
    if (k.K) {
        roll(a, c, k);
        return;
    }
#endif
    for (ptrdiff_t y = c->first;;) {
        vec acc[16];
#pragma GCC unroll 16
        for (int i = 0; i < k.R * V; i++) acc[i] = vec_zero();
        const real *const *src = c->src + y * a->row_step;
        if (how == PLAIN_ROW || how == PLAIN || how == LOADS_ROW || how == LOADS)
            plain(a, c, src, acc, k);
        else
            chain(a, c, src, acc, k);
        store(a, c, c->dst + y * a->dst_row + c->x, acc, k);
        if (y + k.R >= c->end) break;
        y = y + 2 * k.R <= c->end ? y + k.R : c->end - k.R;
    }
}

typedef void (*columns_fn)(const fc_conv_plane_args *a, const columns *c);

#define RUN(how, V, S, edge)                                                                  \
    static void run_##how##_##V##_##S##_##edge(const fc_conv_plane_args *a, const columns *c) { \
        columns_run(a, c, how, V, S, edge);                                                   \
    }
#if HAVE_WINDOWS && !HAVE_SLIDES
#define EDGES 2
#define RUN_EDGES(how, V, S) RUN(how, V, S, 0) RUN(how, V, S, 1)
#define ENTRY(how, V, S) {run_##how##_##V##_##S##_0, run_##how##_##V##_##S##_1}
#else
#define EDGES 1
#define RUN_EDGES(how, V, S) RUN(how, V, S, 0)
#define ENTRY(how, V, S) {run_##how##_##V##_##S##_0}
#endif
#define RUN_2(how, S) RUN_EDGES(how, 1, S) RUN_EDGES(how, 2, S)
#define RUN_3(how, S) RUN_2(how, S) RUN_EDGES(how, 3, S)
#define RUN_4(how, S) RUN_3(how, S) RUN_EDGES(how, 4, S)
#define RUN_8(how, S) \
    RUN_4(how, S) RUN_EDGES(how, 5, S) RUN_EDGES(how, 6, S) RUN_EDGES(how, 7, S) RUN_EDGES(how, 8, S)
#define OF_2(how, S) ENTRY(how, 1, S), ENTRY(how, 2, S)
#define OF_3(how, S) OF_2(how, S), ENTRY(how, 3, S)
#define OF_4(how, S) OF_3(how, S), ENTRY(how, 4, S)
#define OF_8(how, S) \
    OF_4(how, S), ENTRY(how, 5, S), ENTRY(how, 6, S), ENTRY(how, 7, S), ENTRY(how, 8, S)

#if HAVE_SLIDES
RUN_8(PLAIN_ROW, 1)
RUN_3(PLAIN, 1)
RUN_4(CHAIN, 1)
RUN_3(FAR_CHAIN, 1)
RUN_4(CHAIN_5, 1)
RUN_4(CHAIN_3, 1)
RUN_2(PLAIN_ROW, 2)
RUN_2(PLAIN, 2)
RUN_4(HALVES_5, 2)
RUN_4(HALVES_3, 2)
RUN_8(LOADS_ROW, 1)
RUN_4(LOADS, 1)
RUN_4(LOADS_CHAIN, 1)

static const columns_fn run_table[2][WAYS][MAX_ROW_VECTORS][EDGES] = {
    {[PLAIN_ROW] = {OF_8(PLAIN_ROW, 1)}, [PLAIN] = {OF_3(PLAIN, 1)}, [CHAIN] = {OF_4(CHAIN, 1)},
     [FAR_CHAIN] = {OF_3(FAR_CHAIN, 1)}, [CHAIN_5] = {OF_4(CHAIN_5, 1)},
     [CHAIN_3] = {OF_4(CHAIN_3, 1)}, [LOADS_ROW] = {OF_8(LOADS_ROW, 1)},
     [LOADS] = {OF_4(LOADS, 1)}, [LOADS_CHAIN] = {OF_4(LOADS_CHAIN, 1)}},
    {[PLAIN_ROW] = {OF_2(PLAIN_ROW, 2)}, [PLAIN] = {OF_2(PLAIN, 2)},
     [HALVES_5] = {OF_4(HALVES_5, 2)}, [HALVES_3] = {OF_4(HALVES_3, 2)}},
};
#else
#define RUN_ALL(how) FC_CAT2(RUN_, MAX_VECTORS)(how, 1)
#define ALL(how) [how] = {FC_CAT2(OF_, MAX_VECTORS)(how, 1)}
RUN_ALL(PLAIN_ROW)
RUN_ALL(PLAIN)
RUN_ALL(CHAIN)
RUN_2(CHAIN_5, 1)
RUN_4(CHAIN_3, 1)
/* of copies, which have their border */
#define INNER(how, V) {run_##how##_##V##_1_0}
RUN(HALVES_5, 1, 1, 0) RUN(HALVES_5, 2, 1, 0)
RUN(HALVES_3, 1, 1, 0) RUN(HALVES_3, 2, 1, 0) RUN(HALVES_3, 3, 1, 0) RUN(HALVES_3, 4, 1, 0)
#if HAVE_PARTS
RUN_2(HALVES_5, 2)
RUN_4(HALVES_3, 2)
#endif

static const columns_fn run_table[1 + HAVE_PARTS][WAYS][MAX_ROW_VECTORS][EDGES] = {
    {ALL(PLAIN_ROW), ALL(PLAIN), ALL(CHAIN), [CHAIN_5] = {OF_2(CHAIN_5, 1)},
     [CHAIN_3] = {OF_4(CHAIN_3, 1)},
     [HALVES_5] = {INNER(HALVES_5, 1), INNER(HALVES_5, 2)},
     [HALVES_3] = {INNER(HALVES_3, 1), INNER(HALVES_3, 2), INNER(HALVES_3, 3), INNER(HALVES_3, 4)}},
#if HAVE_PARTS
    {[HALVES_5] = {OF_2(HALVES_5, 2)}, [HALVES_3] = {OF_4(HALVES_3, 2)}},
#endif
};
#endif

/* The kernel's columns are such as the bodies for K x K expect. */
static bool known_columns(const fc_conv_plane_args *a, const columns *c) {
    (void)c;
#if HAVE_SLIDES
    if (c->run < a->kw) return false;
    for (ptrdiff_t b = 1; a->step == 2 && b < a->kw; b++)
        if (a->column[b] != a->column[0] + b) return false;
#endif
    return a->kw <= KNOWN_COLUMNS;
}

/* Kernels of K x K that have bodies of their own. */
static bool has_body(const fc_conv_plane_args *a, bool known) {
    return known && a->kh == a->kw && (a->kh == 3 || a->kh == 5);
}

/* Every second row of input begins a row of output, and columns are taken so too, or stand in a copy. */
static bool sees_halves(const fc_conv_plane_args *a) {
    return a->row_step == 2 * a->tap_step && (a->step == 2 || (!HAVE_SLIDES && !a->width));
}

static way choose(const fc_conv_plane_args *a, bool known, bool far, int vectors) {
    const int rows = chain_rows(vectors, a->step);
    if (HAVE_SLIDES && far && !a->width) {
        const bool chained = a->rows >= rows && a->row_step == a->tap_step && a->kh >= rows;
        return chained ? LOADS_CHAIN : a->rows >= 4 ? LOADS : LOADS_ROW;
    }
    const bool neighbours = a->row_step == a->tap_step && a->step == 1, halves = sees_halves(a);
    if ((!HAVE_SLIDES || a->rows >= rows) && has_body(a, known)) {
        if (neighbours) return a->kh == 3 ? CHAIN_3 : CHAIN_5;
        if (halves) return a->kh == 3 ? HALVES_3 : HALVES_5;
    }
    if (a->rows >= rows && neighbours && a->kh >= rows) return far ? FAR_CHAIN : CHAIN;
    return a->rows >= 4 ? PLAIN : PLAIN_ROW;
}

/* Most vectors of a block. */
static ptrdiff_t most_vectors(const fc_conv_plane_args *a, const columns *c, bool known) {
#if HAVE_SLIDES
    if (a->step == 2)
        return a->rows >= 2 && has_body(a, known) && a->row_step == 2 * a->tap_step ? MAX_HALVES : 2;
    if (a->rows < 4) return MAX_ROW_VECTORS;
    /* four of them spill beside four rows of sums, at three quarters of the speed */
    if (c->run < a->kw && !a->width) return MAX_VECTORS;
    if (c->run < a->kw || a->row_step != a->tap_step || (a->kh < 4 && !has_body(a, known))) return 3;
#endif
    (void)c;
    if (!HAVE_SLIDES && has_body(a, known) && (a->row_step == a->tap_step || sees_halves(a)))
        return a->kh == 3 ? MAX_ROLL_VECTORS : 2;
    return MAX_VECTORS;
}

/* The `vectors` from c->x on: what a row's loads are masked with, and the body that takes them. */
static columns_fn columns_prepare(columns *c, const fc_conv_plane_args *a, int vectors, bool edge,
                                  bool known) {
#if HAVE_SLIDES
    const body k = {.V = vectors, .S = (int)a->step};
    const ptrdiff_t at = a->column[0] + c->x * a->step;
    const ptrdiff_t reach = reach_of(a, c->x, c->run - 1, k);
    for (int i = 0; i < k.S * (vectors + 1); i++)
        c->span[i] = span_at(a, at + i * VLEN, reach);
    (void)edge;
    return run_table[a->step - 1][choose(a, known, c->run < a->kw, vectors)][vectors - 1][0];
#else
    (void)c;
#if HAVE_WINDOWS
    for (ptrdiff_t b = 0; edge && b < a->kw; b++)
        for (int i = 0; i < 2; i++) {
            const ptrdiff_t at = a->column[b] + (c->x + i * (vectors - 1) * VLEN) * a->step;
            c->window[b][i] = window_at(at, a->width);
            if (a->step == 2) c->upper[b][i] = window_at(at + VLEN, a->width);
        }
#endif
    return run_table[a->step - 1][choose(a, known, false, vectors)][vectors - 1][edge];
#endif
}

/* A map of several groups of vectors. They take turns every few rows (whole blocks of 4 and of 7), so
 * that the source is read as it lies in memory. */
static void wide_plane(const fc_conv_plane_args *a, columns *c, ptrdiff_t vectors, ptrdiff_t most,
                       bool known) {
    const ptrdiff_t band = 28;
    for (c->first = 0; c->first < a->rows; c->first = c->end) {
        c->end = a->rows - c->first < 2 * band ? a->rows : c->first + band;
        for (ptrdiff_t from = 0, width; from < vectors; from += width) {
            const ptrdiff_t left = vectors - from;
            width = left >= 2 * most ? most : left > most ? (left + 1) / 2 : left;
            c->x = from * VLEN;
            c->lanes = width == left ? a->pixels - (vectors - 1) * VLEN : VLEN;
            const ptrdiff_t begin = a->column[0] + c->x * a->step;
            const ptrdiff_t end = a->column[a->kw - 1] + (c->x + width * VLEN) * a->step;
            const bool edge = a->width && (begin < 0 || end > a->width);
            columns_prepare(c, a, (int)width, edge, known)(a, c);
            if (!c->finished) finish(a, c, width);
        }
    }
}

void FC_NAME(conv_plane)(const fc_conv_plane_args *a);
void FC_NAME(conv_plane)(const fc_conv_plane_args *a) {
    assert(!a->width || HAVE_SLIDES || (HAVE_WINDOWS && a->kw <= FC_WINDOW_TAPS));
    assert(a->step == 1 || ((HAVE_SLIDES || HAVE_PARTS) && a->step == 2 && a->width));
    const ptrdiff_t vectors = (a->pixels + VLEN - 1) / VLEN;
    columns c = {.end = a->rows, .lanes = a->pixels - (vectors - 1) * VLEN};
#if HAVE_SLIDES
    c.run = run_end(a, 0);
#endif
    const bool known = known_columns(a, &c);
    const ptrdiff_t most = most_vectors(a, &c, known);
    c.least = a->activation == FC_ACT_RELU || a->activation == FC_ACT_RELU6 ? 0 : -(real)INFINITY;
    c.most = a->activation == FC_ACT_RELU6 ? 6 : (real)INFINITY;
    c.finished = a->activation == FC_ACT_NONE || a->activation == FC_ACT_RELU ||
                 a->activation == FC_ACT_RELU6;
    if (a->residual) c.finished = false, c.least = -(real)INFINITY, c.most = (real)INFINITY;
#if HAVE_SLIDES
    for (ptrdiff_t b = 1; known && b < a->kw; b++)
        c.slide[b] = slide_make((a->column[b] - a->column[0]) / a->step);
    const bool paired = pairs_fit(a);
    pairs pair = {.row = 0};
    if (paired) pairs_prepare(&pair, a);
#endif
    columns_fn run = NULL;
    if (vectors <= most) run = columns_prepare(&c, a, (int)vectors, a->width != 0, known);
    c.weights = a->weights;
    for (ptrdiff_t o = 0; o < a->planes * a->multiplier; o++, c.weights += a->kh * a->kw) {
        c.src = (const real *const *)a->src + o / a->multiplier * a->table;
        c.dst = (real *)a->dst + o * a->dst_plane;
        c.residual = a->residual ? (const real *)a->residual + o * a->residual_plane : NULL;
        c.bias = a->bias ? ((const real *)a->bias)[o] : 0;
#if HAVE_SLIDES
        if (paired) {
            pairs_run(a, &c, &pair);
            if (!c.finished) finish(a, &c, 1);
            continue;
        }
#endif
        if (!run) {
            wide_plane(a, &c, vectors, most, known);
            continue;
        }
        run(a, &c);
        if (!c.finished) finish(a, &c, vectors);
    }
}
