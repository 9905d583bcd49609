/* conv_lanes.c: depthwise convolution whose vectors are channels. Contract in ukr_products.h.
 *
 * A block of up to LANES_PIXELS sums stays in registers over all taps: one row of so many pixels, or two
 * rows of half as many, so that a map of 7 x 7 too has enough sums under way to hide the latency of a
 * multiply-add. A tap is one load of weights and one multiply-add for each sum, which reads its pixel
 * straight from memory: whole vectors on their own boundaries, of which two a cycle can be read, as many
 * as multiply-adds can begin. Rows are cut into blocks of nearly one width. */
#include "../simd/vec.h"
#include "ukr.h"

/* Sums of a block: with a vector of weights, and one of pixels where a tier cannot multiply from memory,
 * they fill 16 registers; where there are 32 more would not be faster. */
#define LANES_PIXELS 14

FC_INLINE void block(const fc_conv_lanes_args *a, const real *src, real *dst, const int R, const int C) {
    vec acc[LANES_PIXELS];
#pragma GCC unroll 14
    for (int i = 0; i < R * C; i++) acc[i] = vec_zero();
    const real *weights = a->weights;
    const ptrdiff_t row = a->row_step, col = a->tap_col, kw = a->kw;
    for (ptrdiff_t i = 0; i < a->kh; i++, src += a->tap_row) {
        const real *p = src;
        for (ptrdiff_t b = 0; b < kw; b++, p += col, weights += VLEN) {
            const vec w = vec_load(weights);
#pragma GCC unroll 2
            for (int r = 0; r < R; r++)
#pragma GCC unroll 14
                for (int c = 0; c < C; c++)
                    acc[r * C + c] = vec_fma(vec_load(p + r * row + c * VLEN), w, acc[r * C + c]);
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < R; r++)
#pragma GCC unroll 14
        for (int c = 0; c < C; c++) vec_store(dst + r * a->dst_row + c * VLEN, acc[r * C + c]);
}

typedef void (*block_fn)(const fc_conv_lanes_args *a, const real *src, real *dst);

#define BLOCK(R, C)                                                                                      \
    static void conv_lanes_##R##_##C(const fc_conv_lanes_args *a, const real *src, real *dst) { \
        block(a, src, dst, R, C);                                                                        \
    }
#define HALF(R) BLOCK(R, 1) BLOCK(R, 2) BLOCK(R, 3) BLOCK(R, 4) BLOCK(R, 5) BLOCK(R, 6) BLOCK(R, 7)
HALF(1)
HALF(2)
BLOCK(1, 8)
BLOCK(1, 9)
BLOCK(1, 10)
BLOCK(1, 11)
BLOCK(1, 12)
BLOCK(1, 13)
BLOCK(1, 14)

#define NAMED(R, C) conv_lanes_##R##_##C
#define HALF_NAMED(R) \
    NAMED(R, 1), NAMED(R, 2), NAMED(R, 3), NAMED(R, 4), NAMED(R, 5), NAMED(R, 6), NAMED(R, 7)

/* by rows and columns of a block, each from 1 on */
static const block_fn blocks[2][LANES_PIXELS] = {
    {HALF_NAMED(1), NAMED(1, 8), NAMED(1, 9), NAMED(1, 10), NAMED(1, 11), NAMED(1, 12), NAMED(1, 13),
     NAMED(1, 14)},
    {HALF_NAMED(2)}};

void FC_NAME(conv_lanes)(const fc_conv_lanes_args *a);
void FC_NAME(conv_lanes)(const fc_conv_lanes_args *a) {
    const ptrdiff_t across = (a->pixels + LANES_PIXELS - 1) / LANES_PIXELS;
    const ptrdiff_t narrow = a->pixels / across, wider = a->pixels % across;
    const ptrdiff_t most = 2 * a->pixels <= LANES_PIXELS ? 2 : 1;
    for (ptrdiff_t y = 0, rows; y < a->rows; y += rows) {
        rows = a->rows - y < most ? 1 : most;
        const real *src = (const real *)a->src + y * a->row_step;
        real *dst = (real *)a->dst + y * a->dst_row;
        for (ptrdiff_t i = 0; i < across; i++) {
            const ptrdiff_t width = narrow + (i < wider);
            blocks[rows - 1][width - 1](a, src, dst);
            src += width * VLEN;
            dst += width * VLEN;
        }
    }
}
