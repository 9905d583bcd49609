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
 * On AVX-512, 14 rows x 2 vectors issue 28 FMAs (14 cycles) against 16 loads for each product. Few rows
 * take four vectors: with two, the loads would set the pace and there would be too few sums to hide
 * the latency of one. Rows are addressed from one base pointer for every three, as conv_tile's pixels. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <assert.h>
#include <stdbool.h>

/* Sums [row][vector] to where the pieces say, with bias, residual and activation. Apart from the body:
 * forty instantiations need not each carry every activation. */
static __attribute__((noinline)) void finish_pieces(const fc_plane_tile_args *a, const real *sums) {
    for (int r = 0; r < a->rows; r++, sums += a->vectors * VLEN) {
        const vec bias = a->bias ? vec_set1(((const real *)a->bias)[r]) : vec_zero();
        for (int i = 0; i < a->pieces; i++) {
            const fc_plane_piece *piece = &a->piece[i];
            real *dst = (real *)a->dst + r * a->dst_channel + piece->dst_at;
            const real *residual =
                (const real *)a->residual + r * a->residual_channel + piece->residual_at;
            for (ptrdiff_t x = 0; x < piece->lanes; x += VLEN) {
                const ptrdiff_t lanes = piece->lanes - x < VLEN ? piece->lanes - x : VLEN;
                vec v = vec_load_n(sums + piece->lane + x, lanes);
                if (a->bias) v = vec_add(v, bias);
                if (a->residual) v = vec_add(v, vec_load_n(residual + x, lanes));
                v = vec_activate(v, a->activation);
                if (a->dst_pixel == 1) {
                    vec_store_n(dst + x, v, lanes);
                    continue;
                }
                real lane[VLEN];
                vec_store(lane, v);
                for (ptrdiff_t k = 0; k < lanes; k++) dst[(x + k) * a->dst_pixel] = lane[k];
            }
        }
    }
}

/* The body, instantiated for constant rows and vectors: everything unrolls. */
FC_INLINE void tile(const fc_plane_tile_args *a, const int rows, const int vectors) {
    const int third = (rows + 2) / 3; /* base pointers */
    const ptrdiff_t row = a->weights_row;
    vec acc[TILE_PIXELS * 2];
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++) acc[i] = vec_zero();

    const real *base[TILE_PIXELS];
#pragma GCC unroll 16
    for (int i = 0; i < third; i++) base[i] = (const real *)a->weights + 3 * i * row;
    const real *src = a->src;
    for (ptrdiff_t c = a->channels; c > 0; c--, src += a->src_channel)
        for (ptrdiff_t t = 0; t < a->taps; t++) {
            const real *at = src + a->tap[t];
            vec pixels[4];
#pragma GCC unroll 4
            for (int n = 0; n < vectors; n++) pixels[n] = vec_load(at + a->src_at[n]);
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

    const fc_plane_piece *piece = a->piece;
    /* one piece a vector, from its first lane on */
    bool whole = a->activation <= FC_ACT_RELU && a->pieces == vectors && a->dst_pixel == 1;
    for (int n = 0; n < vectors; n++) whole = whole && piece[n].lane == n * VLEN;
    if (!whole) {
        _Alignas(64) real sums[TILE_PIXELS * 2 * VLEN];
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++) vec_store(sums + i * VLEN, acc[i]);
        finish_pieces(a, sums);
        return;
    }
    if (a->bias) {
        const real *bias = a->bias;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
            for (int n = 0; n < vectors; n++)
                acc[r * vectors + n] = vec_add(acc[r * vectors + n], vec_set1(bias[r]));
    }
    if (a->residual) {
        const real *residual = a->residual;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++, residual += a->residual_channel)
#pragma GCC unroll 4
            for (int n = 0; n < vectors; n++)
                acc[r * vectors + n] =
                    vec_add(acc[r * vectors + n],
                            vec_load_n(residual + piece[n].residual_at, piece[n].lanes));
    }
    if (a->activation == FC_ACT_RELU) {
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++) acc[i] = vec_relu(acc[i]);
    }
    real *dst = a->dst;
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, dst += a->dst_channel)
#pragma GCC unroll 4
        for (int n = 0; n < vectors; n++)
            vec_store_n(dst + piece[n].dst_at, acc[r * vectors + n], piece[n].lanes);
}

#define CASE(rows)          \
    case rows:              \
        if (a->vectors > 1) \
            tile(a, rows, 2);  \
        else                \
            tile(a, rows, 1);  \
        break
#define WIDE_CASE(rows)     \
    case rows:              \
        if (a->vectors > 2) \
            tile(a, rows, 4);  \
        else if (a->vectors > 1) \
            tile(a, rows, 2);  \
        else                \
            tile(a, rows, 1);  \
        break

void FC_NAME(plane_tile)(const fc_plane_tile_args *a);
void FC_NAME(plane_tile)(const fc_plane_tile_args *a) {
    assert(a->rows >= 1 && a->rows <= TILE_PIXELS);
    assert(a->vectors == 1 || a->vectors == 2 || (a->vectors == 4 && a->rows <= FC_WIDE_ROWS(TILE_PIXELS)));
    switch (a->rows) {
        WIDE_CASE(1);
        WIDE_CASE(2);
#if TILE_PIXELS >= 12
        WIDE_CASE(3);
        WIDE_CASE(4);
        WIDE_CASE(5);
        WIDE_CASE(6);
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#else
        CASE(3);
        CASE(4);
#endif
#if TILE_PIXELS == 6
        CASE(5);
        CASE(6);
#endif
#if TILE_PIXELS >= 14
        CASE(13);
        CASE(14);
#endif
    default:
        assert(!"plane_tile: no such tile");
    }
}
