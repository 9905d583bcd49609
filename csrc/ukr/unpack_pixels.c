/* unpack_pixels.c: pixel-major results back into channel planes, with bias, residual and
 * activation on the way: after the transpose a vector runs along one channel's row, so the
 * residual is a plain load and the bias a broadcast. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

#include <stdbool.h>

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

FC_INLINE void load_square(vec square[VLEN], const real *src, ptrdiff_t src_pixel, ptrdiff_t pixels,
                           ptrdiff_t channels) {
    if (pixels == VLEN && channels == VLEN) {
        vec_load_transposed(square, src, src_pixel);
        return;
    }
#pragma GCC unroll 16
    for (int i = 0; i < VLEN; i++)
        square[i] = i < pixels ? vec_load_n(src + i * src_pixel, channels) : vec_zero();
    vec_transpose(square);
}

/* Channels side by side (channels last): rows are finished as they lie. */
static void unpack_channels(const fc_unpack_pixels_args *a) {
    const real *bias = a->bias, *residual = a->residual;
    for (ptrdiff_t p = 0; p < a->pixels; p++)
        for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
            const ptrdiff_t channels = at_most(a->channels - c, VLEN);
            vec v = vec_load_n((const real *)a->src + p * a->src_pixel + c, channels);
            if (bias) v = vec_add(v, vec_load_n(bias + c, channels));
            if (residual) v = vec_add(v, vec_load_n(residual + p * a->residual_pixel + c, channels));
            vec_store_n((real *)a->dst + p * a->pixel_stride + c, vec_activate(v, a->activation),
                        channels);
        }
}

/* A pixel or two, by which 7 x 7 and 9 x 9 outlast whole vectors: a square would be nearly empty. */
FC_INLINE void unpack_rest(const fc_unpack_pixels_args *a, ptrdiff_t first, const int activation) {
    for (ptrdiff_t p = first; p < a->pixels; p++)
        for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
            const ptrdiff_t channels = at_most(a->channels - c, VLEN);
            vec v = vec_load_n((const real *)a->src + p * a->src_pixel + c, channels);
            if (a->bias) v = vec_add(v, vec_load_n((const real *)a->bias + c, channels));
            real lane[VLEN];
            if (a->residual) {
                const real *residual = (const real *)a->residual + c * a->residual_stride + p;
                for (ptrdiff_t i = 0; i < VLEN; i++)
                    lane[i] = i < channels ? residual[i * a->residual_stride] : 0;
                v = vec_add(v, vec_load(lane));
            }
            vec_store(lane, vec_activate(v, activation));
            real *dst = (real *)a->dst + c * a->channel_stride + p;
            for (ptrdiff_t i = 0; i < channels; i++) dst[i * a->channel_stride] = lane[i];
        }
}

/* `pixels` of channel c from pixel p on, finished. */
FC_INLINE void store_row(const fc_unpack_pixels_args *a, vec v, ptrdiff_t c, ptrdiff_t p, ptrdiff_t pixels,
                         const int activation, const ptrdiff_t pixel_stride) {
    const real *bias = a->bias, *residual = a->residual;
    if (bias) v = vec_add(v, vec_set1(bias[c]));
    if (residual) v = vec_add(v, vec_load_n(residual + c * a->residual_stride + p, pixels));
    v = vec_activate(v, activation);
    real *row = (real *)a->dst + c * a->channel_stride + p * pixel_stride;
    if (pixel_stride == 1) {
        vec_store_n(row, v, pixels);
        return;
    }
    if (pixel_stride == 2) {
        vec_store_twos(row, v, pixels);
        return;
    }
    real lane[VLEN];
    vec_store(lane, v);
    for (ptrdiff_t k = 0; k < pixels; k++) row[k * pixel_stride] = lane[k];
}

/* pixel_stride elements between the pixels, 1 where it is known. Where the activation is not, rows are
 * finished one by one: each carries all of them. */
FC_INLINE void unpack(const fc_unpack_pixels_args *a, const int activation,
                      const ptrdiff_t pixel_stride, const bool known) {
    const ptrdiff_t rest = a->pixels % VLEN;
    const ptrdiff_t end = pixel_stride == 1 && VLEN > 4 && rest <= 2 ? a->pixels - rest : a->pixels;
    if (end < a->pixels) unpack_rest(a, end, activation);
    for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
        ptrdiff_t channels = at_most(a->channels - c, VLEN);
        for (ptrdiff_t p = 0; p < end; p += VLEN) {
            ptrdiff_t pixels = at_most(end - p, VLEN);
            vec square[VLEN];
            load_square(square, (const real *)a->src + p * a->src_pixel + c, a->src_pixel, pixels, channels);
            if (known) {
#pragma GCC unroll 16
                for (int i = 0; i < VLEN; i++) {
                    if (i >= channels) break;
                    store_row(a, square[i], c + i, p, pixels, activation, pixel_stride);
                }
                continue;
            }
#pragma GCC unroll 1
            for (ptrdiff_t i = 0; i < channels; i++)
                store_row(a, square[i], c + i, p, pixels, activation, pixel_stride);
        }
    }
}

void FC_NAME(unpack_pixels)(const fc_unpack_pixels_args *a);
void FC_NAME(unpack_pixels)(const fc_unpack_pixels_args *a) {
    /* a lone channel's pixels may lie side by side where those of the residual do not */
    if (a->pixel_stride != 1 || (a->residual && a->residual_pixel != 1)) {
        if (a->channel_stride == 1 && (!a->residual || a->residual_stride == 1))
            unpack_channels(a);
        else if (a->pixel_stride == 2 && a->activation == FC_ACT_NONE) /* a phase of a strided gradient */
            unpack(a, FC_ACT_NONE, 2, true);
        else
            unpack(a, a->activation, a->pixel_stride, false);
        return;
    }
    switch (a->activation) {
    case FC_ACT_NONE:
        unpack(a, FC_ACT_NONE, 1, true);
        break;
    case FC_ACT_RELU:
        unpack(a, FC_ACT_RELU, 1, true);
        break;
    default:
        unpack(a, a->activation, 1, false);
    }
}
