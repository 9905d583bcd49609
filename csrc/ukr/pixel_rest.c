/* pixel_rest.c: what pixel_tile computes, for the few pixels by which a plane outlasts whole vectors:
 * the vectors are output channels here. Contract in ukr_products.h.
 *
 *      weights  [tile][k][lanes]   packed: vectors as they lie; or
 *               [row][k]           not packed: transposed in registers, VLEN rows x VLEN channels
 *      src      [k][pixel]         one element broadcast to all lanes per pixel and k
 *      acc      [vector][pixel]    lives in registers for the whole sum
 *
 * A vector of which four lanes of sixteen are pixels takes pixel_tile as long as a full one, some eight
 * cycles a step on AVX-512. Here each pixel takes half a cycle, and weights that are not packed three
 * more for their transpose. Several vectors take turns, for one pixel's sum alone would wait for itself.
 */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <assert.h>

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/* `rows` rows, VLEN at most, from row r on: bias, residual, activation, and into the planes. Apart from
 * the bodies: sixty of them need not each carry every activation. */
static __attribute__((noinline)) void finish(const fc_pixel_tile_args *a, ptrdiff_t r, ptrdiff_t rows,
                                             real *sums, const int pixels) {
    const vec bias = a->bias ? vec_load_n((const real *)a->bias + r, rows) : vec_zero();
    for (int x = 0; x < pixels; x++) {
        vec v = vec_load(sums + x * VLEN);
        if (a->bias) v = vec_add(v, bias);
        if (a->residual) {
            real other[VLEN] = {0};
            for (ptrdiff_t i = 0; i < rows; i++)
                other[i] = ((const real *)a->residual)[(r + i) * a->residual_channel + x];
            v = vec_add(v, vec_load(other));
        }
        vec_store(sums + x * VLEN, vec_activate(v, a->activation));
    }
    real *dst = (real *)a->dst + r * a->dst_channel;
    for (ptrdiff_t i = 0; i < rows; i++, dst += a->dst_channel)
        for (int x = 0; x < pixels; x++) dst[x] = sums[x * VLEN + i];
}

/* The sums of one vector of rows, out of the registers. */
FC_INLINE void leave(const fc_pixel_tile_args *a, ptrdiff_t r, ptrdiff_t rows, const vec *acc,
                     const int pixels) {
    real sums[FC_REST_MAX_PIXELS * VLEN];
#pragma GCC unroll 16
    for (int x = 0; x < pixels; x++) vec_store(sums + x * VLEN, acc[x]);
    finish(a, r, rows, sums, pixels);
}

/* ---- weights that are not packed ------------------------------------------------------------------ */

/* square[i]: channel i of VLEN rows; of those and the channels that do not exist, zeros. */
FC_INLINE void load_part(vec square[VLEN], const real *weights, ptrdiff_t row, ptrdiff_t rows,
                         ptrdiff_t channels) {
#pragma GCC unroll 16
    for (int i = 0; i < VLEN; i++)
        square[i] = i < rows ? vec_load_n(weights + i * row, channels) : vec_zero();
    vec_transpose(square);
}

FC_INLINE void add_products(vec *acc, const vec square[VLEN], const real *src, ptrdiff_t channel,
                            ptrdiff_t channels, const int pixels) {
#pragma GCC unroll 16
    for (int i = 0; i < VLEN; i++, src += channel)
        if (i < channels) {
#pragma GCC unroll 4
            for (int x = 0; x < pixels; x++) acc[x] = vec_fma(vec_set1(src[x]), square[i], acc[x]);
        }
}

/* `squares` * VLEN rows from row r on, of which the last may be fewer. */
FC_INLINE void sum_rows(const fc_pixel_tile_args *a, ptrdiff_t r, const int squares,
                        const int pixels) {
    const ptrdiff_t row = a->weights_row, rows = a->rows - r;
    const real *weights = (const real *)a->weights + r * row, *src = a->src;
    vec acc[2 * 4];
#pragma GCC unroll 8
    for (int i = 0; i < squares * pixels; i++) acc[i] = vec_zero();
    ptrdiff_t left = a->depth;
    if (rows >= squares * VLEN)
        for (; left >= VLEN; left -= VLEN, weights += VLEN, src += VLEN * a->src_channel)
#pragma GCC unroll 2
            for (int s = 0; s < squares; s++) {
                vec square[VLEN];
                vec_load_transposed(square, weights + s * VLEN * row, row);
                add_products(acc + s * pixels, square, src, a->src_channel, VLEN, pixels);
            }
    for (; left > 0; left -= VLEN, weights += VLEN, src += VLEN * a->src_channel)
        for (int s = 0; s < squares; s++) {
            vec square[VLEN];
            const ptrdiff_t channels = at_most(left, VLEN);
            load_part(square, weights + s * VLEN * row, row, rows - s * VLEN, channels);
            add_products(acc + s * pixels, square, src, a->src_channel, channels, pixels);
        }
#pragma GCC unroll 2
    for (int s = 0; s < squares; s++)
        leave(a, r + s * VLEN, at_most(rows - s * VLEN, VLEN), acc + s * pixels, pixels);
}

FC_INLINE void all_rows(const fc_pixel_tile_args *a, const int pixels) {
    ptrdiff_t r = 0;
    for (; r + VLEN < a->rows; r += 2 * VLEN) sum_rows(a, r, 2, pixels);
    for (; r < a->rows; r += VLEN) sum_rows(a, r, 1, pixels);
}

/* ---- packed weights ------------------------------------------------------------------------------- */

/* `vectors` of rows, numbered over all tiles from `first` on. */
FC_INLINE void sum_vectors(const fc_pixel_tile_args *a, ptrdiff_t first, const int vectors,
                           const int pixels) {
    const ptrdiff_t lanes = a->weights_channel, each = lanes / VLEN; /* vectors of a tile */
    const real *weights[4], *src = a->src;
    vec acc[24];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        weights[v] = (const real *)a->weights + (first + v) / each * a->depth * lanes +
                     (first + v) % each * VLEN;
#pragma GCC unroll 24
    for (int i = 0; i < vectors * pixels; i++) acc[i] = vec_zero();
    for (ptrdiff_t k = 0; k < a->depth * lanes; k += lanes, src += a->src_channel) {
        vec w[4];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) w[v] = vec_load(weights[v] + k);
#pragma GCC unroll 16
        for (int x = 0; x < pixels; x++) {
            const vec pixel = vec_set1(src[x]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                acc[v * pixels + x] = vec_fma(pixel, w[v], acc[v * pixels + x]);
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        const ptrdiff_t tile = (first + v) / each, place = (first + v) % each * VLEN;
        const ptrdiff_t r = tile * a->tile_rows + place;
        const ptrdiff_t rows = at_most(a->rows - r, at_most(a->tile_rows - place, VLEN));
        if (rows > 0) leave(a, r, rows, acc + v * pixels, pixels);
    }
}

FC_INLINE void all_tiles(const fc_pixel_tile_args *a, const int pixels) {
    const int together = pixels <= 2 ? 4 : 2;
    const ptrdiff_t count =
        (a->rows + a->tile_rows - 1) / a->tile_rows * (a->weights_channel / VLEN);
    ptrdiff_t v = 0;
    for (; v + together <= count; v += together) sum_vectors(a, v, together, pixels);
    for (; v < count; v++) sum_vectors(a, v, 1, pixels);
}

#define CASE(pixels)            \
    case pixels:                \
        all_tiles(a, pixels);   \
        break

static void run_packed(const fc_pixel_tile_args *a) {
    switch (a->pixels) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
    default:
        assert(!"pixel_rest: too many pixels");
    }
}
#undef CASE

void FC_NAME(pixel_rest)(const fc_pixel_tile_args *a);
void FC_NAME(pixel_rest)(const fc_pixel_tile_args *a) {
    assert(!a->pieces);
    if (a->tile_rows) {
        run_packed(a);
        return;
    }
    assert(a->weights_channel == 1);
    switch (a->pixels) {
    case 1:
        all_rows(a, 1);
        break;
    case 2:
        all_rows(a, 2);
        break;
    case 3:
        all_rows(a, 3);
        break;
    case 4:
        all_rows(a, 4);
        break;
    default:
        assert(!"pixel_rest: too many pixels");
    }
}
