/* dot_tile.c: the register tile of linear layers: its vectors run along the features.
 *
 *      src      [row][k]      one vector of features per row
 *      weights  [output][k]   one vector of features per output, read where they lie
 *      acc      [row][output] lives in registers for a piece of the depth; folded behind it
 *
 * Both operands are read along the features, so nothing is packed and one row of src takes the
 * weights at the speed of memory. On AVX-512 a tile of 6 rows x 4 outputs issues 24 FMAs (12 cycles
 * on two ports) against 10 loads, so many rows are bound by the FMA units. One or two rows take eight
 * outputs: eight chains or more hide the latency.
 *
 * What each output goes through does not depend on the tile that it falls into: one chain of FMAs, its
 * lanes folded in halves, pieces added in order. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <assert.h>

#define ROWS FC_DOT_ROWS(TILE_PIXELS)
/* Outputs that are folded together: whole vectors of results, and eight for one row. */
#define GROUP (VLEN > 8 ? VLEN : 8)

/* act(dst + bias + residual) over what was just stored. */
static __attribute__((noinline)) void finish_tile(const fc_dot_tile_args *a) {
    const real *bias = a->bias;
    for (ptrdiff_t r = 0; r < a->rows; r++) {
        real *dst = (real *)a->dst + r * a->dst_row;
        const real *residual = a->residual ? (const real *)a->residual + r * a->residual_row : NULL;
        for (ptrdiff_t n = 0; n < a->outputs; n += VLEN) {
            const ptrdiff_t lanes = a->outputs - n < VLEN ? a->outputs - n : VLEN;
            vec v = vec_load_n(dst + n, lanes);
            if (bias) v = vec_add(v, vec_load_n(bias + n, lanes));
            if (residual) v = vec_add(v, vec_load_n(residual + n, lanes));
            vec_store_n(dst + n, vec_activate(v, a->activation), lanes);
        }
    }
}

/* sums[r * GROUP + o]: the lanes of row r times output o over `depth` features. Instantiated for
 * constant rows and outputs: everything unrolls. */
FC_INLINE void tile(const real *src, ptrdiff_t src_row, const real *weights, ptrdiff_t weights_row,
                    ptrdiff_t depth, ptrdiff_t ahead, vec *sums, const int rows, const int outputs) {
    const int thirds = (rows + 2) / 3, panels = (outputs + 2) / 3; /* base pointers, three rows each */
    vec acc[ROWS * 8];
#pragma GCC unroll 32
    for (int i = 0; i < rows * outputs; i++) acc[i] = vec_zero();
    const real *x[(ROWS + 2) / 3], *w[3];
#pragma GCC unroll 4
    for (int i = 0; i < thirds; i++) x[i] = src + 3 * i * src_row;
#pragma GCC unroll 4
    for (int i = 0; i < panels; i++) w[i] = weights + 3 * i * weights_row;

    for (const real *end = src + depth / VLEN * VLEN; x[0] < end;) {
        vec v[ROWS];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) v[r] = vec_load(x[r / 3] + r % 3 * src_row);
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            const real *at = w[o / 3] + o % 3 * weights_row;
            vec u = vec_load(at);
            vec_prefetch_far(at + ahead);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                acc[r * outputs + o] = vec_fma(v[r], u, acc[r * outputs + o]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < thirds; i++) x[i] += VLEN;
#pragma GCC unroll 4
        for (int i = 0; i < panels; i++) w[i] += VLEN;
    }
    const ptrdiff_t rest = depth % VLEN;
    if (rest) {
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) {
            vec u = vec_load_n(w[o / 3] + o % 3 * weights_row, rest);
            /* With 16 registers the mask leaves none for src: it is loaded again for each output. */
            if (TILE_PIXELS < 12) __asm__ volatile("" ::: "memory");
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                acc[r * outputs + o] = vec_fma(vec_load_n(x[r / 3] + r % 3 * src_row, rest), u,
                                               acc[r * outputs + o]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int o = 0; o < outputs; o++) sums[r * GROUP + o] = acc[r * outputs + o];
}

/* A function for each size: what surrounds a tile then takes none of its registers. */
typedef void tile_fn(const real *src, ptrdiff_t src_row, const real *weights, ptrdiff_t weights_row,
                     ptrdiff_t depth, ptrdiff_t ahead, vec *sums);

#define TILE(rows, outputs)                                                                         \
    static __attribute__((noinline)) void dot_tile_##rows##_##outputs(                              \
        const real *src, ptrdiff_t src_row, const real *weights, ptrdiff_t weights_row,             \
        ptrdiff_t depth, ptrdiff_t ahead, vec *sums) {                                              \
        tile(src, src_row, weights, weights_row, depth, ahead, sums, rows, outputs);                \
    }
#define TILES(rows) TILE(rows, 1) TILE(rows, 2) TILE(rows, 3) TILE(rows, 4)
#define NAMES(rows) dot_tile_##rows##_1, dot_tile_##rows##_2, dot_tile_##rows##_3, dot_tile_##rows##_4
TILES(1) TILE(1, 8)
TILES(2)
#if ROWS >= 3
TILES(3)
#endif
#if ROWS >= 6
TILE(2, 8)
TILES(4)
TILES(5)
TILES(6)
#endif

/* By rows, then by one to four outputs and by eight: none where the sums outnumber the registers. */
static tile_fn *const tile_of[ROWS][5] = {
    {NAMES(1), dot_tile_1_8},
#if ROWS >= 6
    {NAMES(2), dot_tile_2_8}, {NAMES(3), NULL}, {NAMES(4), NULL}, {NAMES(5), NULL}, {NAMES(6), NULL},
#else
    {NAMES(2), NULL},
#if ROWS >= 3
    {NAMES(3), NULL},
#endif
#endif
};

#if !FC_REAL_IS_F64
/* Rows at once. Three gain nothing where weights come from a cache; a panel's piece always does but for
 * the first rows. */
#define BF16_ROWS (TILE_PIXELS >= 6 ? 2 : 1)

/* sums[r * GROUP + o] += the lanes of row r times output o of a panel of bfloat16, whole runs. */
FC_INLINE void bf16_tile(const real *src, ptrdiff_t src_row, const uint32_t *weights, ptrdiff_t depth,
                         ptrdiff_t ahead, vec *sums, const int rows) {
    enum { O = FC_BF16_PANEL, WORDS = FC_BF16_RUN / 2 };
    vec acc[BF16_ROWS * O];
#pragma GCC unroll 32
    for (int i = 0; i < rows * O; i++) acc[i] = sums[i / O * GROUP + i % O];
    for (const real *end = src + depth; src < end; src += FC_BF16_RUN, weights += O * WORDS) {
#pragma GCC unroll 8
        for (int i = 0; i < O * WORDS; i += 16) __builtin_prefetch(weights + ahead + i, 0, 2);
#pragma GCC unroll 2
        for (int high = 0; high < 2; high++)
            for (int i = 0; i < WORDS; i += VLEN) {
                vec v[BF16_ROWS];
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++) v[r] = vec_load(src + r * src_row + high * WORDS + i);
#pragma GCC unroll 8
                for (int o = 0; o < O; o++) {
                    const uint32_t *at = weights + o * WORDS + i;
                    const vec u = high ? vec_bf16_high(at) : vec_bf16_low(at);
#pragma GCC unroll 8
                    for (int r = 0; r < rows; r++) acc[r * O + o] = vec_fma(v[r], u, acc[r * O + o]);
                }
            }
    }
#pragma GCC unroll 32
    for (int i = 0; i < rows * O; i++) sums[i / O * GROUP + i % O] = acc[i];
}

typedef void bf16_tile_fn(const real *src, ptrdiff_t src_row, const uint32_t *weights, ptrdiff_t depth,
                          ptrdiff_t ahead, vec *sums);

#define BF16_TILE(rows)                                                                             \
    static __attribute__((noinline)) void bf16_tile_##rows(                                         \
        const real *src, ptrdiff_t src_row, const uint32_t *weights, ptrdiff_t depth,               \
        ptrdiff_t ahead, vec *sums) {                                                               \
        bf16_tile(src, src_row, weights, depth, ahead, sums, rows);                                 \
    }
BF16_TILE(1)
#if BF16_ROWS >= 2
BF16_TILE(2)
#else
#define bf16_tile_2 bf16_tile_1
#endif

/* The sums of a group over a piece of the depth, of which each panel stays in the first-level cache. What
 * is left of src behind whole runs is read from a copy: nothing lies behind it. */
static void bf16_group(const fc_dot_tile_args *a, ptrdiff_t first, ptrdiff_t k, ptrdiff_t depth,
                       ptrdiff_t outputs, vec *sums) {
    const ptrdiff_t left = depth % FC_BF16_RUN, whole = depth - left;
    const real *src = (const real *)a->src + k;
    const uint32_t *weights = a->weights;
    real rest[ROWS * FC_BF16_RUN] = {0};
    for (int r = 0; r < a->rows; r++)
        memcpy(rest + r * FC_BF16_RUN, src + r * a->src_row + whole, (size_t)left * sizeof(real));
    for (int i = 0; i < a->rows * GROUP; i++) sums[i] = vec_zero();
    weights += (first * a->weights_row + k * FC_BF16_PANEL) / 2;
    for (ptrdiff_t o = 0; o < outputs; o += FC_BF16_PANEL) {
        for (int r = 0; r < a->rows; r += BF16_ROWS) {
            bf16_tile_fn *const of = a->rows - r >= 2 ? bf16_tile_2 : bf16_tile_1;
            vec *const to = sums + r * GROUP + o;
            of(src + r * a->src_row, a->src_row, weights, whole, a->ahead, to);
            if (left)
                of(rest + r * FC_BF16_RUN, FC_BF16_RUN, weights + whole * FC_BF16_PANEL / 2, FC_BF16_RUN,
                   a->ahead, to);
        }
        weights += FC_BF16_PANEL * a->weights_row / 2;
    }
}
#endif

/* The same of weights as they lie. */
static void real_group(const fc_dot_tile_args *a, ptrdiff_t first, ptrdiff_t k, ptrdiff_t depth,
                       ptrdiff_t outputs, vec *sums) {
    tile_fn *const *of = tile_of[a->rows - 1];
    const real *weights = (const real *)a->weights + first * a->weights_row + k;
    for (int o = 0; o < outputs;) {
        const bool eight = of[4] && outputs - o >= 8;
        const int step = eight ? 8 : outputs - o < 4 ? (int)outputs - o : 4;
        of[eight ? 4 : step - 1]((const real *)a->src + k, a->src_row, weights + o * a->weights_row,
                                 a->weights_row, depth, a->ahead, sums + o);
        o += step;
    }
}

void FC_NAME(dot_tile)(const fc_dot_tile_args *a);
void FC_NAME(dot_tile)(const fc_dot_tile_args *a) {
    assert(a->rows >= 1 && a->rows <= ROWS && a->outputs >= 1 && a->depth >= 1);
    assert(!a->bf16 || !FC_REAL_IS_F64);
    vec sums[ROWS * GROUP];
    for (int i = 0; i < a->rows * GROUP; i++) sums[i] = vec_zero();
    for (ptrdiff_t first = 0; first < a->outputs; first += GROUP) {
        const int outputs = (int)(a->outputs - first < GROUP ? a->outputs - first : GROUP);
        for (ptrdiff_t k = 0; k < a->depth; k += FC_DOT_PIECE) {
            const ptrdiff_t depth = a->depth - k < FC_DOT_PIECE ? a->depth - k : FC_DOT_PIECE;
#if !FC_REAL_IS_F64
            if (a->bf16)
                bf16_group(a, first, k, depth, outputs, sums);
            else
#endif
                real_group(a, first, k, depth, outputs, sums);
            for (int r = 0; r < a->rows; r++)
                for (int n = 0; n < outputs; n += VLEN) {
                    const int lanes = outputs - n < VLEN ? outputs - n : VLEN;
                    real *dst = (real *)a->dst + r * a->dst_row + first + n;
                    vec v = vec_fold(sums + r * GROUP + n);
                    if (k || a->accumulate) v = vec_add(vec_load_n(dst, lanes), v);
                    vec_store_n(dst, v, lanes);
                }
        }
    }
    if (a->bias || a->residual || a->activation != FC_ACT_NONE) finish_tile(a);
}
