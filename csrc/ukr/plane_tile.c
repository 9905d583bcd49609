/* plane_tile.c: the register tile whose vectors are pixels, for planes whose pixels follow each other.
 *
 *      src      [channel][tap][pixel]   one, two or four vectors of pixels for each product
 *      weights  [row][channel][tap]     one element broadcast to all lanes per row and product
 *      acc      [row][pixel]            lives in registers for the whole sum; a row is an output channel
 *
 * Pixels enter and leave in the order in which NCHW keeps them: nothing is transposed, neither before
 * nor behind. Weights are only ever broadcast, so dense ones are read where they lie. What conv_tile,
 * whose vectors are output channels, loses on few input channels (its transposes outweigh short sums),
 * on few output channels a group and on odd counts of them, this tile does not; it loses the lanes by
 * which a row of output falls short of whole vectors.
 *
 * On AVX-512, 14 rows x 2 vectors issue 28 FMAs (14 cycles) against 16 loads for each product. Fewer
 * rows take three or four vectors: with two, the loads would set the pace and there would be too few
 * sums to hide the latency of one. Rows are addressed from one base pointer for every three, as
 * conv_tile's pixels. One call computes many vectors: the short sums of a stem would else wait for the
 * tile's start and end. What the next channels will read is asked for while there is a load to spare:
 * a strip of many channels lies in the second-level cache, in an order that no prefetcher guesses. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "tile_rows.h"
#include "ukr.h"

#include <assert.h>
#include <stdbool.h>

/* To the sums of vector `n`, the residual. */
FC_INLINE void add_residual(const fc_plane_tile_args *a, ptrdiff_t at, int vectors, int n, ptrdiff_t first,
                            real *sums) {
    const fc_plane_piece *piece = a->piece + a->vector[at + n].first;
    for (ptrdiff_t i = a->vector[at + n].pieces; i > 0; i--, piece++) {
        const real *residual = (const real *)a->residual + first * a->residual_channel + piece->residual_at;
        real *sum = sums + n * VLEN + piece->lane;
        for (int r = 0; r < a->rows; r++, sum += vectors * VLEN, residual += a->residual_channel)
            vec_store_n(sum, vec_add(vec_load_n(sum, piece->lanes), vec_load_n(residual, piece->lanes)),
                        piece->lanes);
    }
}

/* Sums [row][vector], with their bias, to where the pieces say, with residual and activation. Apart from
 * the body: the instantiations need not each carry every activation. One thing after the other: each is
 * a short loop then. */
static __attribute__((noinline)) void finish_pieces(const fc_plane_tile_args *a, ptrdiff_t at,
                                                    int vectors, ptrdiff_t first, real *sums) {
    for (int n = 0; n < vectors && a->residual; n++) add_residual(a, at, vectors, n, first, sums);
    real *end = sums + a->rows * vectors * VLEN;
    if (a->activation == FC_ACT_RELU6) /* the usual one: without the choice in the loop */
        for (real *s = sums; s < end; s += VLEN) vec_store(s, vec_activate(vec_load(s), FC_ACT_RELU6));
    else if (a->activation != FC_ACT_NONE)
        for (real *s = sums; s < end; s += VLEN) vec_store(s, vec_activate(vec_load(s), a->activation));
    for (int n = 0; n < vectors; n++) {
        const fc_plane_piece *piece = a->piece + a->vector[at + n].first;
        for (ptrdiff_t i = a->vector[at + n].pieces; i > 0; i--, piece++) {
            real *dst = (real *)a->dst + first * a->dst_channel + piece->dst_at;
            const real *sum = sums + n * VLEN + piece->lane;
            for (int r = 0; r < a->rows; r++, dst += a->dst_channel, sum += vectors * VLEN) {
                if (a->dst_pixel == 1) {
                    vec_store_n(dst, vec_load_n(sum, piece->lanes), piece->lanes);
                } else if (a->dst_pixel == 2) {
                    vec_store_twos(dst, vec_load_n(sum, piece->lanes), piece->lanes);
                } else {
                    for (ptrdiff_t k = 0; k < piece->lanes; k++) dst[k * a->dst_pixel] = sum[k];
                }
            }
        }
    }
}

/* The vectors [at, at + vectors) of the rows from `first` on, for constant rows and vectors: everything
 * unrolls. */
FC_INLINE void tile(const fc_plane_tile_args *a, const ptrdiff_t at, const ptrdiff_t first,
                    const int rows, const int vectors) {
    const int third = (rows + 2) / 3; /* base pointers */
    const bool spare = rows * vectors >= rows + 3 * vectors; /* loads, beside the multiply-adds */
    const ptrdiff_t row = a->weights_row, gap = a->weights_channel - a->taps;
    vec acc[28];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++) acc[i] = vec_zero();

    const real *base[TILE_PIXELS];
#pragma GCC unroll 16
    for (int i = 0; i < third; i++) base[i] = (const real *)a->weights + (first + 3 * i) * row;
    const real *src[4];
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) src[n] = (const real *)a->src + a->vector[at + n].src_at;
    /* eight steps ahead, in whole channels */
    const ptrdiff_t ahead = a->taps >= 8 ? a->src_channel : a->src_channel * (8 / (a->taps + !a->taps));
    const ptrdiff_t *tap = a->tap, *end = a->tap + a->taps;
    for (ptrdiff_t c = a->channels; c > 0; c--) {
        for (const ptrdiff_t *t = tap; t < end; t++) {
            vec pixels[4];
#pragma GCC unroll 4
            for (int n = 0; n < vectors; n++) pixels[n] = vec_load(src[n] + *t);
            if (spare && ahead)
#pragma GCC unroll 4
                for (int n = 0; n < vectors; n++) vec_prefetch(src[n] + *t + ahead);
#pragma GCC unroll 16
            for (int r = 0; r < rows; r++) {
                vec w = vec_set1(base[r / 3][r % 3 * row]);
#pragma GCC unroll 4
                for (int n = 0; n < vectors; n++)
                    acc[r * vectors + n] = vec_fma(w, pixels[n], acc[r * vectors + n]);
            }
#pragma GCC unroll 16
            for (int i = 0; i < third; i++) base[i]++;
        }
#pragma GCC unroll 16
        for (int i = 0; i < third; i++) base[i] += gap;
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++) src[n] += a->src_channel;
    }

    if (a->bias) {
        const real *bias = (const real *)a->bias + first;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int n = 0; n < vectors; n++)
                acc[r * vectors + n] = vec_add(acc[r * vectors + n], vec_set1(bias[r]));
    }
    if (a->residual || a->activation > FC_ACT_RELU || a->dst_pixel != 1) {
        _Alignas(64) real sums[28 * VLEN];
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++) vec_store(sums + i * VLEN, acc[i]);
        finish_pieces(a, at, vectors, first, sums);
        return;
    }
    if (a->activation == FC_ACT_RELU) {
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++) acc[i] = vec_relu(acc[i]);
    }
#pragma GCC unroll 4
    for (int n = 0; n < vectors; n++) {
        const fc_plane_piece *piece = a->piece + a->vector[at + n].first;
        for (ptrdiff_t i = a->vector[at + n].pieces; i > 0; i--, piece++) {
            real *dst = (real *)a->dst + first * a->dst_channel + piece->dst_at;
            if (piece->lanes == VLEN) {
#pragma GCC unroll 16
                for (int r = 0; r < rows; r++, dst += a->dst_channel)
                    vec_store(dst, acc[r * vectors + n]);
            } else {
#pragma GCC unroll 16
                for (int r = 0; r < rows; r++, dst += a->dst_channel)
                    vec_store_lanes(dst, acc[r * vectors + n], piece->lane, piece->lanes);
            }
        }
    }
}

FC_INLINE void tiles(const fc_plane_tile_args *a, const ptrdiff_t at, const int rows,
                     const int vectors) {
    for (ptrdiff_t i = 0; i < a->tiles; i++) tile(a, at, i * rows, rows, vectors);
}

/* All vectors, as many at once as the registers hold; all rows of some before the next, so that their
 * pixels are at hand. */
FC_INLINE void all(const fc_plane_tile_args *a, const int rows) {
    const int width = FC_PLANE_WIDTH(TILE_PIXELS, rows);
    ptrdiff_t at = 0;
    for (; a->vectors - at >= width; at += width) tiles(a, at, rows, width);
    switch (a->vectors - at) {
    case 3:
        if (width > 3) tiles(a, at, rows, 3);
        break;
    case 2:
        if (width > 2) tiles(a, at, rows, 2);
        break;
    case 1:
        tiles(a, at, rows, 1);
    }
}

#define CASE(rows)    \
    case rows:        \
        all(a, rows); \
        break;

void FC_NAME(plane_tile)(const fc_plane_tile_args *a);
void FC_NAME(plane_tile)(const fc_plane_tile_args *a) {
    assert(a->rows >= 1 && a->rows <= TILE_PIXELS && a->vectors >= 1 && a->tiles >= 1);
    switch (a->rows) {
        FC_TILE_ROWS(CASE)
    default:
        assert(!"plane_tile: no such tile");
    }
}
