/* transposed_plane.c: transposed convolution of channel planes with columns two apart. Contract in
 * ukr_products.h.
 *
 * Outputs 2i and 2i + 1 are sums over taps of their own, no zero among them; a vector of either is computed
 * beside the other, and the two are stored interleaved, a whole cache line at a time:
 *
 *      even  e0 e1 e2 ...  }  e0 o0 e1 o1 e2 o2 ...  -> dst
 *      odd   o0 o1 o2 ...  }
 *
 * Where taps follow one another the two phases share what they load: of three columns one belongs to the
 * one and two to the other, of five two and three. Which is which follows from the padding, so such
 * kernels have two bodies each; all others are computed tap by tap.
 *
 * A block is R rows of V vectors of either phase, as many sums as hide the latency of a multiply-add.
 * When rows do not come out even the last block overlaps its predecessor and stores the same again. */
#include <assert.h>
#include <math.h>

#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#if FC_TIER == FC_TAG_avx512
#define MOST_VECTORS 4
#define ROWS_OF(V) ((V) == 1 ? 7 : (V) == 2 ? 4 : 2)
#else
#define MOST_VECTORS 2
#define ROWS_OF(V) ((V) == 1 ? 4 : 2)
#endif
#define MOST_SUMS 8 /* of a phase: rows x vectors */

/* The taps of a kernel row: `known` says that they are columns first[q] .. first[q] + taps[q] - 1 of the
 * union of both phases, `all` columns wide. */
typedef struct body {
    bool known;
    int first[2], taps[2], all;
} body;

typedef struct plane {
    const real *src, *weights;
    real *dst;
    real bias, most; /* added; the upper bound of ReLU and ReLU6, */
    bool bounded;    /* if it is one of these */
} plane;

/* Vectors of one source row under one tap, into the sums of a phase. */
FC_INLINE void tap(const real *src, vec w, ptrdiff_t row, vec *acc, const int R, const int V) {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
            acc[r * V + v] = vec_fma(vec_load(src + r * row + v * VLEN), w, acc[r * V + v]);
}

/* One row of the kernel. */
FC_INLINE void kernel_row(const fc_transposed_plane_args *a, const real *src, const real *weights,
                          vec acc[2][MOST_SUMS], const int R, const int V, const body k) {
    if (!k.known) {
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++) {
            const real *from = src + a->column[q];
            for (ptrdiff_t b = 0; b < a->taps[q]; b++, from += a->tap_col)
                tap(from, vec_set1(*weights++), a->src_row, acc[q], R, V);
        }
        return;
    }
    src += a->column[0] - k.first[0];
    vec w[2][3];
#pragma GCC unroll 2
    for (int q = 0; q < 2; q++)
#pragma GCC unroll 3
        for (int b = 0; b < k.taps[q]; b++) w[q][b] = vec_set1(weights[q * k.taps[0] + b]);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++, src += a->src_row) {
        /* Or the compiler keeps an address for each tap of each row, though there are not so many
         * registers. */
        __asm__("" : "+r"(src));
#pragma GCC unroll 4
        for (int v = 0; v < V; v++)
#pragma GCC unroll 3
            for (int u = 0; u < k.all; u++) {
                const vec x = vec_load(src + u + v * VLEN);
#pragma GCC unroll 2
                for (int q = 0; q < 2; q++)
                    if (u >= k.first[q] && u < k.first[q] + k.taps[q])
                        acc[q][r * V + v] = vec_fma(x, w[q][u - k.first[q]], acc[q][r * V + v]);
            }
    }
}

/* R rows from y on of V vectors of either phase from i on; `lanes` elements of the last pair are stored. */
FC_INLINE void block(const fc_transposed_plane_args *a, const plane *p, ptrdiff_t y, ptrdiff_t i,
                     ptrdiff_t lanes, const int R, const int V, const body k) {
    vec acc[2][MOST_SUMS];
#pragma GCC unroll 8
    for (int s = 0; s < R * V; s++) acc[0][s] = acc[1][s] = vec_zero();
    const real *src = p->src + y * a->src_row + i, *weights = p->weights;
    const ptrdiff_t taps = k.known ? k.taps[0] + k.taps[1] : a->taps[0] + a->taps[1];
    for (ptrdiff_t n = 0; n < a->kh; n++, src += a->tap_row, weights += taps)
        kernel_row(a, src, weights, acc, R, V, k);
    const vec bias = vec_set1(p->bias);
#pragma GCC unroll 2
    for (int q = 0; q < 2; q++)
#pragma GCC unroll 8
        for (int s = 0; s < R * V; s++) acc[q][s] = vec_add(acc[q][s], bias);
    if (p->bounded) {
        const vec least = vec_zero(), most = vec_set1(p->most);
#pragma GCC unroll 2
        for (int q = 0; q < 2; q++)
#pragma GCC unroll 8
            for (int s = 0; s < R * V; s++) acc[q][s] = vec_min(most, vec_max(least, acc[q][s]));
    }
    real *row = p->dst + y * a->dst_row + 2 * i;
#pragma GCC unroll 8
    for (int r = 0; r < R; r++, row += a->dst_row)
#pragma GCC unroll 4
        for (int v = 0; v < V; v++) {
            vec low, high;
            vec_interleave(acc[0][r * V + v], acc[1][r * V + v], &low, &high);
            real *dst = row + 2 * v * VLEN;
            if (v < V - 1 || lanes == 2 * VLEN) {
                vec_store(dst, low);
                vec_store(dst + VLEN, high);
                continue;
            }
            vec_store_n(dst, low, lanes < VLEN ? lanes : VLEN);
            if (lanes > VLEN) vec_store_n(dst + VLEN, high, lanes - VLEN);
        }
}

/* All rows of V vectors from i on. */
FC_INLINE void rows(const fc_transposed_plane_args *a, const plane *p, ptrdiff_t from, ptrdiff_t end,
                    ptrdiff_t i, ptrdiff_t lanes, const int V, const body k) {
    const int R = ROWS_OF(V);
    if (end - from < R) {
        const body single = {.known = false};
        for (ptrdiff_t y = from; y < end; y++) block(a, p, y, i, lanes, 1, V, single);
        return;
    }
    for (ptrdiff_t y = from;;) {
        block(a, p, y, i, lanes, R, V, k);
        if (y + R >= end) return;
        y = y + 2 * R <= end ? y + R : end - R;
    }
}

typedef void (*rows_fn)(const fc_transposed_plane_args *a, const plane *p, ptrdiff_t from, ptrdiff_t end,
                        ptrdiff_t i, ptrdiff_t lanes);

static const body bodies[] = {
    {.known = false},
    {true, {0, 0}, {1, 2}, 2}, /* three columns, odd padding and even */
    {true, {0, 1}, {2, 1}, 2},
    {true, {0, 0}, {2, 3}, 3}, /* five */
    {true, {0, 1}, {3, 2}, 3},
};
enum { BODIES = sizeof bodies / sizeof *bodies };

#define RUN(V, K)                                                                               \
    static void run_##V##_##K(const fc_transposed_plane_args *a, const plane *p, ptrdiff_t from, \
                              ptrdiff_t end, ptrdiff_t i, ptrdiff_t lanes) {                    \
        rows(a, p, from, end, i, lanes, V, bodies[K]);                                          \
    }
#define RUN_ALL(V) RUN(V, 0) RUN(V, 1) RUN(V, 2) RUN(V, 3) RUN(V, 4)
#define ALL(V) {run_##V##_0, run_##V##_1, run_##V##_2, run_##V##_3, run_##V##_4}
RUN_ALL(1)
RUN_ALL(2)
#if MOST_VECTORS == 4
RUN_ALL(3)
RUN_ALL(4)
#endif
static const rows_fn run[MOST_VECTORS][BODIES] = {
    ALL(1), ALL(2),
#if MOST_VECTORS == 4
    ALL(3), ALL(4),
#endif
};

static int choose(const fc_transposed_plane_args *a) {
    if (a->tap_col != 1) return 0;
    const ptrdiff_t least = a->column[0] < a->column[1] ? a->column[0] : a->column[1];
    for (int k = 1; k < BODIES; k++) {
        bool same = true;
        for (int q = 0; q < 2; q++)
            same = same && a->taps[q] == bodies[k].taps[q] && a->column[q] - least == bodies[k].first[q];
        if (same) return k;
    }
    return 0;
}

/* What blocks do not carry in each of their instantiations: other activations, over what was stored. */
static void finish(const fc_transposed_plane_args *a, const plane *p) {
    for (ptrdiff_t y = 0; y < a->rows; y++)
        for (ptrdiff_t x = 0; x < a->pixels; x += VLEN) {
            const ptrdiff_t lanes = a->pixels - x < VLEN ? a->pixels - x : VLEN;
            real *dst = p->dst + y * a->dst_row + x;
            vec_store_n(dst, vec_activate(vec_load_n(dst, lanes), a->activation), lanes);
        }
}

void FC_NAME(transposed_plane)(const fc_transposed_plane_args *a);
void FC_NAME(transposed_plane)(const fc_transposed_plane_args *a) {
    enum { BAND = 28 }; /* rows, whole blocks of 4 and of 7: of wide maps parts take turns */
    const bool relu = a->activation == FC_ACT_RELU || a->activation == FC_ACT_RELU6;
    const ptrdiff_t vectors = ((a->pixels + 1) / 2 + VLEN - 1) / VLEN;
    const ptrdiff_t parts = (vectors + MOST_VECTORS - 1) / MOST_VECTORS;
    const int k = choose(a);
    plane p = {.weights = a->weights, .dst = a->dst, .bounded = relu};
    p.most = a->activation == FC_ACT_RELU6 ? 6 : (real)INFINITY;
    assert(a->pixels >= 1 && a->multiplier >= 1);
    for (ptrdiff_t o = 0; o < a->planes * a->multiplier; o++) {
        p.src = (const real *)a->src + o / a->multiplier * a->src_plane;
        p.bias = a->bias ? ((const real *)a->bias)[o] : 0;
        for (ptrdiff_t y = 0, end; y < a->rows; y = end) {
            end = parts == 1 || a->rows - y < 2 * BAND ? a->rows : y + BAND;
            for (ptrdiff_t from = 0, left = parts; left > 0; left--) {
                const ptrdiff_t width = (vectors - from + left - 1) / left;
                const ptrdiff_t lanes = a->pixels - 2 * (from + width - 1) * VLEN;
                run[width - 1][k](a, &p, y, end, from * VLEN, lanes < 2 * VLEN ? lanes : 2 * VLEN);
                from += width;
            }
        }
        if (!relu && a->activation != FC_ACT_NONE) finish(a, &p);
        p.weights += a->weights_plane;
        p.dst += a->dst_plane;
    }
}
