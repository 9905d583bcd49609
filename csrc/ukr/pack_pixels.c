/* pack_pixels.c: channel planes into pixel-major strips, by transposing VLEN x VLEN squares in
 * registers. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include <stdbool.h>

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/* Where pixel p goes. */
FC_INLINE real *place(const fc_pack_pixels_args *a, ptrdiff_t p, const bool placed) {
    return (real *)a->dst + (placed ? a->place[p] : p * a->block);
}

/* VLEN pixels (fewer at the end) of one channel row, neighbours `step` elements apart. */
FC_INLINE vec load_pixels(const real *src, ptrdiff_t pixels, const int step) {
    if (step == 1) return vec_load_n(src, pixels);
    /* the last pixel's neighbour is not ours to read: 2 * pixels - 1 elements */
    ptrdiff_t elements = 2 * pixels - 1;
    vec even, odd;
    vec_deinterleave(vec_load_n(src, at_most(elements, VLEN)),
                     elements > VLEN ? vec_load_n(src + VLEN, elements - VLEN) : vec_zero(), &even,
                     &odd);
    return even;
}

/* A square that ends within the planes' edge, or neighbours further apart. */
FC_INLINE void pack_partial(const real *src, const fc_pack_pixels_args *a, ptrdiff_t c, ptrdiff_t have,
                            ptrdiff_t want, ptrdiff_t p, ptrdiff_t pixels, const int step,
                            const bool placed) {
    vec square[VLEN];
#pragma GCC unroll 16
    for (int i = 0; i < VLEN; i++)
        square[i] =
            i < have ? load_pixels(src + i * a->channel_stride, pixels, step) : vec_zero();
    vec_transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < VLEN; i++)
        if (i < pixels) vec_store_n(place(a, p + i, placed) + c, square[i], want);
}

FC_INLINE void transpose_planes(const fc_pack_pixels_args *a, const int step, const bool placed) {
    const ptrdiff_t block = a->block, ahead = a->ahead ? a->ahead : VLEN * a->channel_stride;
    /* a pixel or two, by which 7 x 7 and 9 x 9 outlast whole vectors: a square would be nearly empty */
    const ptrdiff_t rest = a->pixels % VLEN;
    const ptrdiff_t end = VLEN > 4 && rest <= 2 ? a->pixels - rest : a->pixels;
    for (ptrdiff_t c = 0; c < block; c += VLEN) {
        const real *src = (const real *)a->src + c * a->channel_stride;
        ptrdiff_t have = at_most(a->channels - c, VLEN), want = at_most(block - c, VLEN);
        ptrdiff_t p = 0;
        if (step == 1 && have == VLEN)
            for (; p + VLEN <= a->pixels; p += VLEN) {
                vec square[VLEN];
                for (int i = 0; i < VLEN; i++) vec_prefetch(src + p + i * a->channel_stride + ahead);
                vec_load_transposed(square, src + p, a->channel_stride);
#pragma GCC unroll 16
                for (int i = 0; i < VLEN; i++) vec_store(place(a, p + i, placed) + c, square[i]);
            }
        for (; p < end; p += VLEN)
            pack_partial(src + p * step, a, c, have, want, p, at_most(end - p, VLEN), step, placed);
        for (; p < a->pixels; p++) {
            real *dst = place(a, p, placed) + c;
            for (ptrdiff_t i = 0; i < want; i++)
                dst[i] = i < have ? src[i * a->channel_stride + p * step] : 0;
        }
    }
}

FC_INLINE void copy_run(const real *src, real *dst, ptrdiff_t count) {
    ptrdiff_t i = 0;
    for (; i + VLEN <= count; i += VLEN) vec_store(dst + i, vec_load(src + i));
    if (i < count) vec_store_n(dst + i, vec_load_n(src + i, count - i), count - i);
}

/* Channels lie side by side already (an NHWC view): pixels are copied, all at once if they may be. */
static void copy_pixels(const fc_pack_pixels_args *a) {
    if (a->channels == a->block) {
        const bool apart = a->place || a->pixel_stride != a->block;
        const ptrdiff_t runs = apart ? a->pixels : 1, length = apart ? a->block : a->pixels * a->block;
        for (ptrdiff_t p = 0; p < runs; p++)
            copy_run((const real *)a->src + p * a->pixel_stride, place(a, p, a->place != NULL), length);
        return;
    }
    for (ptrdiff_t p = 0; p < a->pixels; p++) {
        const real *src = (const real *)a->src + p * a->pixel_stride;
        real *dst = place(a, p, a->place != NULL);
        for (ptrdiff_t c = 0; c < a->block; c += VLEN) {
            ptrdiff_t have = at_most(a->channels - c, VLEN);
            vec v = have > 0 ? vec_load_n(src + c, have) : vec_zero();
            vec_store_n(dst + c, v, at_most(a->block - c, VLEN));
        }
    }
}

static void gather_pixels(const fc_pack_pixels_args *a) {
    for (ptrdiff_t p = 0; p < a->pixels; p++) {
        const real *src = (const real *)a->src + p * a->pixel_stride;
        real *dst = place(a, p, a->place != NULL);
        for (ptrdiff_t c = 0; c < a->block; c++)
            dst[c] = c < a->channels ? src[c * a->channel_stride] : 0;
    }
}

void FC_NAME(pack_pixels)(const fc_pack_pixels_args *a);
void FC_NAME(pack_pixels)(const fc_pack_pixels_args *a) {
    if (a->pixel_stride == 1 && a->place)
        transpose_planes(a, 1, true);
    else if (a->pixel_stride == 1)
        transpose_planes(a, 1, false);
    else if (a->channel_stride == 1)
        copy_pixels(a);
    else if (a->pixel_stride == 2 && !a->place)
        transpose_planes(a, 2, false);
    else
        gather_pixels(a);
}
