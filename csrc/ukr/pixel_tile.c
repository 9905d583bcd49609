/* pixel_tile.c: the register tile with its roles swapped, for planes whose pixels follow each other.
 *
 *      src      [k][pixel]    one or two vectors of pixels, streamed once
 *      weights  [row][k]      one element broadcast to all lanes per row and k
 *      acc      [row][pixel]  lives in registers for the whole sum; a row is an output channel
 *
 * Pixels enter and leave in the order in which NCHW keeps them: nothing is transposed, before or
 * behind. Weights are only ever broadcast, so they are read where they lie, and nothing is packed.
 *
 * On AVX-512 a tile of 14 rows x 2 vectors issues 28 FMAs (14 cycles on two ports) against 16 loads
 * a channel; one vector wide, 15 loads stand against 7 cycles, which is 93 % of the peak. Rows are
 * addressed from one base pointer for every three, as the pixels of conv_tile are. Contract in ukr_products.h.
 */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "tile_rows.h"
#include "ukr.h"

#include <assert.h>
#include <math.h>

/* The end of a sum that leaves in pieces, or through an activation that needs the registers: `sums`
 * are [row][vectors * VLEN], still in the first-level cache. */
static __attribute__((noinline)) void finish_tile(const fc_pixel_tile_args *a, const real *sums,
                                                  ptrdiff_t sums_row) {
    const fc_pixel_piece whole = {.pixels = a->pixels};
    const fc_pixel_piece *piece = a->pieces ? a->pieces : &whole;
    for (ptrdiff_t left = a->pixels; left > 0; left -= piece->pixels, piece++) {
        const real *from = sums + a->pixels - left;
        for (ptrdiff_t r = 0; r < a->rows; r++)
            for (ptrdiff_t x = 0; x < piece->pixels; x += VLEN) {
                const ptrdiff_t lanes = piece->pixels - x < VLEN ? piece->pixels - x : VLEN;
                vec v = vec_load_n(from + r * sums_row + x, lanes);
                if (a->bias) v = vec_add(v, vec_set1(((const real *)a->bias)[r]));
                if (a->residual)
                    v = vec_add(v, vec_load_n((const real *)a->residual + piece->residual +
                                                  r * a->residual_channel + x,
                                              lanes));
                vec_store_n((real *)a->dst + piece->dst + r * a->dst_channel + x,
                            vec_activate(v, a->activation), lanes);
            }
    }
}

/* The lines that the end reads and writes come while the sum is made, unless it is short; the first of a row
 * has come with the panel before. */
FC_INLINE void ask_for_rows(const void *rows, ptrdiff_t row, const fc_pixel_tile_args *a) {
    if (a->depth < 32) return;
    const real *last = (const real *)rows + a->pixels - 1;
    for (int r = 0; r < a->rows; r++) __builtin_prefetch(last + r * row);
}

static const real zeros[TILE_PIXELS * 2 * VLEN];

/* The body, instantiated for constant rows and vectors: everything unrolls. */
FC_INLINE void tile(const fc_pixel_tile_args *a, const int rows, const int vectors) {
    const int third = (rows + 2) / 3; /* base pointers */
    vec acc[TILE_PIXELS * 2];
    const real *begin = a->begin ? a->begin : zeros;
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++) acc[i] = vec_load(begin + i * VLEN);
    ask_for_rows(a->dst, a->dst_channel, a);
    if (a->residual) ask_for_rows(a->residual, a->residual_channel, a);

    const real *src = a->src, *base[TILE_PIXELS];
    const ptrdiff_t row = a->weights_row;
#pragma GCC unroll 16
    for (int i = 0; i < third; i++) base[i] = (const real *)a->weights + 3 * i * row;
    const char *ahead = a->ahead;
    for (ptrdiff_t k = a->depth; k > 0; k--) {
        vec pixels[2];
#pragma GCC unroll 2
        for (int n = 0; n < vectors; n++) pixels[n] = vec_load(src + n * VLEN);
        src += a->src_channel;
        __builtin_prefetch(ahead);
        ahead += a->ahead_step;
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            vec w = vec_set1(base[r / 3][r % 3 * row]);
#pragma GCC unroll 2
            for (int n = 0; n < vectors; n++) {
                vec *sum = &acc[r * vectors + n];
                *sum = vec_fma(w, pixels[n], *sum);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < third; i++) base[i] += a->weights_channel;
    }

    if (a->sums || a->pieces || a->activation > FC_ACT_RELU6) {
        real here[TILE_PIXELS * 2 * VLEN], *sums = a->sums ? a->sums : here;
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++) vec_store(sums + i * VLEN, acc[i]);
        if (!a->sums) finish_tile(a, sums, vectors * VLEN);
        return;
    }
    const real *bias = a->bias, *residual = a->residual;
    const ptrdiff_t last = a->pixels - (vectors - 1) * VLEN; /* pixels of the last vector */
    real *dst = a->dst;
    if (bias) {
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++)
            acc[i] = vec_add(acc[i], vec_set1(bias[i / vectors]));
    }
    if (residual) {
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++)
            acc[i] = vec_add(acc[i], vec_load_n(residual + i / vectors * a->residual_channel +
                                                    i % vectors * VLEN,
                                                i % vectors < vectors - 1 ? VLEN : last));
    }
    if (a->activation != FC_ACT_NONE) {
        const vec most = vec_set1(a->activation == FC_ACT_RELU6 ? 6 : (real)INFINITY);
#pragma GCC unroll 32
        for (int i = 0; i < rows * vectors; i++) acc[i] = vec_min(most, vec_relu(acc[i]));
    }
#pragma GCC unroll 32
    for (int i = 0; i < rows * vectors; i++)
        vec_store_n(dst + i / vectors * a->dst_channel + i % vectors * VLEN, acc[i],
                    i % vectors < vectors - 1 ? VLEN : last);
}

#define CASE(rows)              \
    case rows:                  \
        if (a->pixels > VLEN)   \
            tile(a, rows, 2);   \
        else                    \
            tile(a, rows, 1);   \
        break;

void FC_NAME(pixel_tile)(const fc_pixel_tile_args *a);
void FC_NAME(pixel_tile)(const fc_pixel_tile_args *a) {
    assert(a->pixels >= 1 && a->pixels <= 2 * VLEN);
    switch (a->rows) {
        FC_TILE_ROWS(CASE)
    default:
        assert(!"pixel_tile: no such tile");
    }
}
