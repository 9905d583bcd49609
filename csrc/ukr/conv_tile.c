/* conv_tile.c: the register tile of direct, 1x1 and im2col convolution and of linear layers.
 *
 *      weights  [k][N]        one or two vectors of output channels, streamed once
 *      src      [pixel][k]    one element broadcast to all lanes per pixel and k
 *      acc      [pixel][N]    lives in registers for the whole sum
 *
 * On AVX-512 the tile is 14 pixels x 2 vectors = 28 accumulators. Per k it issues 28 FMAs (14
 * cycles on two ports) against 16 loads, so it is bound by the FMA units alone; one vector wide it
 * would be bound by the load ports. Any 4 to 14 pixels give enough independent chains to hide the
 * FMA's latency, which is why drivers cut widths into balanced tiles and never mask pixels.
 *
 * Pixels are addressed from one base pointer for every three, [base], [base + s], [base + 2 s]:
 * fourteen pointers would not fit the general registers.
 *
 * Weights are asked for long before their turn: a panel of a deep layer is larger than the first-level
 * cache, all of them than the second, and what the hardware foresees stops at every page. (512 -> 512
 * channels on 7 x 7, 3 x 3: from 76 to 87 % of the peak; where the panel is near, nothing changes.)
 * The last steps of a panel ask for the next one's first.
 */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <assert.h>
#include <math.h>

enum {
    AHEAD = 64,               /* steps of the sum between asking for weights and using them */
    LINE = 64 / sizeof(real)  /* elements of a cache line */
};

extern const int FC_NAME(tile_shape)[2];
const int FC_NAME(tile_shape)[2] = {VLEN, TILE_PIXELS};

/* What needs no more than sums and two clamps is done before the tile is stored: to load again what goes
 * far away would wait for memory. */
static bool finishes_in_registers(const fc_conv_tile_args *a) {
    const bool whole = a->lanes == a->panels * VLEN;
    return (!a->residual || whole) && (a->activation == FC_ACT_NONE || a->activation == FC_ACT_RELU ||
                            a->activation == FC_ACT_RELU6);
}

/* act(dst + bias + residual) over the tile just stored, still in the first-level cache. Apart from
 * the tile's body so that forty instantiations do not each carry every activation. */
static __attribute__((noinline)) void finish_tile(const fc_conv_tile_args *a) {
    const real *bias = a->bias, *residual = a->residual;
    for (ptrdiff_t m = 0; m < a->rows * a->cols; m++) {
        ptrdiff_t at = m / a->cols * a->dst_row + m % a->cols * a->dst_pixel;
        real *dst = (real *)a->dst + at;
        for (ptrdiff_t n = 0; n < a->lanes; n += VLEN) {
            ptrdiff_t lanes = a->lanes - n < VLEN ? a->lanes - n : VLEN;
            vec v = vec_load_n(dst + n, lanes);
            if (bias) v = vec_add(v, vec_load_n(bias + n, lanes));
            if (residual) v = vec_add(v, vec_load_n(residual + at + n, lanes));
            vec_store_n(dst + n, vec_activate(v, a->activation), lanes);
        }
    }
}

/* The body, instantiated for constant rows, cols and panels: everything unrolls. */
FC_INLINE void tile(const fc_conv_tile_args *a, const int rows, const int cols, const int panels,
                    const bool finished) {
    const int third = (cols + 2) / 3; /* base pointers a row */
    vec acc[TILE_PIXELS * 2];
    real *dst = a->dst;

#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int x = 0; x < cols; x++)
#pragma GCC unroll 2
            for (int n = 0; n < panels; n++) {
                ptrdiff_t left = a->lanes - n * VLEN;
                acc[(r * cols + x) * panels + n] =
                    a->accumulate ? vec_load_n(dst + r * a->dst_row + x * a->dst_pixel + n * VLEN,
                                               left < 0 ? 0 : (left < VLEN ? left : VLEN))
                                  : vec_zero();
            }

    const ptrdiff_t s = a->src_pixel;
    const real *weights = a->weights;
    const ptrdiff_t ahead = a->ahead;
    for (ptrdiff_t c0 = 0; c0 < a->count[0]; c0++, weights += a->skip[0])
        for (ptrdiff_t c1 = 0; c1 < a->count[1]; c1++, weights += a->skip[1])
            for (ptrdiff_t c2 = 0; c2 < a->count[2]; c2++) {
                const real *origin = (const real *)a->src + c0 * a->step[0] + c1 * a->step[1] +
                                     c2 * a->step[2];
                const real *base[TILE_PIXELS];
#pragma GCC unroll 16
                for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
                    for (int x = 0; x < third; x++)
                        base[r * third + x] = origin + r * a->src_row + 3 * x * s;

                for (const real *end = origin + a->run; base[0] < end;) {
                    vec w[2];
#pragma GCC unroll 2
                    for (int n = 0; n < panels; n++) w[n] = vec_load(weights + n * VLEN);
#pragma GCC unroll 4
                    for (int n = 0; n < panels * VLEN; n += LINE)
                        vec_prefetch(weights + AHEAD * panels * VLEN + n);
                    vec_prefetch_far(weights + ahead);
                    weights += panels * VLEN;
#pragma GCC unroll 16
                    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
                        for (int x = 0; x < cols; x++) {
                            vec v = vec_set1(base[r * third + x / 3][x % 3 * s]);
#pragma GCC unroll 2
                            for (int n = 0; n < panels; n++) {
                                vec *sum = &acc[(r * cols + x) * panels + n];
                                *sum = vec_fma(v, w[n], *sum);
                            }
                        }
#pragma GCC unroll 16
                    for (int i = 0; i < rows * third; i++) base[i]++;
                }
            }

    if (finished) {
#pragma GCC unroll 2
        for (int n = 0; n < panels; n++) {
            const ptrdiff_t left = a->lanes - n * VLEN;
            /* a sum with -0 is what it was */
            const vec bias = a->bias ? vec_load_n((const real *)a->bias + n * VLEN,
                                                  left < 0 ? 0 : (left < VLEN ? left : VLEN))
                                     : vec_set1(-(real)0.0);
#pragma GCC unroll 16
            for (int i = 0; i < rows * cols; i++) acc[i * panels + n] = vec_add(acc[i * panels + n], bias);
        }
        if (a->residual) {
            const real *residual = a->residual;
#pragma GCC unroll 32
            for (int i = 0; i < rows * cols * panels; i++)
                acc[i] = vec_add(acc[i], vec_load(residual + i / panels / cols * a->dst_row +
                                                  i / panels % cols * a->dst_pixel + i % panels * VLEN));
        }
        if (a->activation != FC_ACT_NONE) {
            const vec most = vec_set1(a->activation == FC_ACT_RELU6 ? 6 : (real)INFINITY);
#pragma GCC unroll 32
            for (int i = 0; i < rows * cols * panels; i++) acc[i] = vec_min(most, vec_relu(acc[i]));
        }
    }
    if (a->lanes == panels * VLEN) {
#pragma GCC unroll 32
        for (int i = 0; i < rows * cols * panels; i++)
            vec_store(dst + i / panels / cols * a->dst_row + i / panels % cols * a->dst_pixel +
                          i % panels * VLEN,
                      acc[i]);
        return;
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 16
        for (int x = 0; x < cols; x++)
#pragma GCC unroll 2
            for (int n = 0; n < panels; n++) {
                ptrdiff_t left = a->lanes - n * VLEN;
                vec_store_n(dst + r * a->dst_row + x * a->dst_pixel + n * VLEN,
                            acc[(r * cols + x) * panels + n],
                            left < 0 ? 0 : (left < VLEN ? left : VLEN));
            }
}

#define CASE(rows, cols)                                     \
    case (rows) * 16 + (cols):                               \
        if (a->panels == 2)                                  \
            tile(a, rows, cols, 2, finished);                \
        else                                                 \
            tile(a, rows, cols, 1, finished);                \
        break

void FC_NAME(conv_tile)(const fc_conv_tile_args *a);
void FC_NAME(conv_tile)(const fc_conv_tile_args *a) {
    assert(a->rows * a->cols <= TILE_PIXELS && a->lanes <= a->panels * VLEN);
    const bool epilogue = a->bias || a->residual || a->activation != FC_ACT_NONE;
    const bool finished = epilogue && finishes_in_registers(a);
    switch (a->rows * 16 + a->cols) {
        CASE(1, 1);
        CASE(1, 2);
        CASE(1, 3);
        CASE(1, 4);
        CASE(2, 1);
        CASE(2, 2);
#if TILE_PIXELS >= 6
        CASE(1, 5);
        CASE(1, 6);
        CASE(2, 3);
#endif
#if TILE_PIXELS >= 12
        CASE(1, 7);
        CASE(1, 8);
        CASE(1, 9);
        CASE(1, 10);
        CASE(1, 11);
        CASE(1, 12);
        CASE(2, 4);
        CASE(2, 5);
        CASE(2, 6);
#endif
#if TILE_PIXELS >= 14
        CASE(1, 13);
        CASE(1, 14);
        CASE(2, 7);
#endif
    default:
        assert(!"conv_tile: no such tile");
    }
    if (epilogue && !finished) finish_tile(a);
}
