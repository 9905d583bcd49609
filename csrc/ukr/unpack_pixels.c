/* unpack_pixels.c: pixel-major results back into channel planes, with bias, residual and
 * activation on the way: after the transpose a vector runs along one channel's row, so the
 * residual is a plain load and the bias a broadcast. Contract in ukr.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

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

FC_INLINE void unpack(const fc_unpack_pixels_args *a, const int activation) {
    const real *src = a->src, *bias = a->bias, *residual = a->residual;
    real *dst = a->dst;
    for (ptrdiff_t c = 0; c < a->channels; c += VLEN) {
        ptrdiff_t channels = at_most(a->channels - c, VLEN);
        for (ptrdiff_t p = 0; p < a->pixels; p += VLEN) {
            ptrdiff_t pixels = at_most(a->pixels - p, VLEN);
            vec square[VLEN];
            load_square(square, src + p * a->src_pixel + c, a->src_pixel, pixels, channels);
#pragma GCC unroll 16
            for (int i = 0; i < VLEN; i++) {
                if (i >= channels) break;
                vec v = square[i];
                if (bias) v = vec_add(v, vec_set1(bias[c + i]));
                if (residual)
                    v = vec_add(v, vec_load_n(residual + (c + i) * a->residual_stride + p, pixels));
                vec_store_n(dst + (c + i) * a->channel_stride + p, vec_activate(v, activation),
                            pixels);
            }
        }
    }
}

void FC_NAME(unpack_pixels)(const fc_unpack_pixels_args *a);
void FC_NAME(unpack_pixels)(const fc_unpack_pixels_args *a) {
    switch (a->activation) {
    case FC_ACT_NONE:
        unpack(a, FC_ACT_NONE);
        break;
    case FC_ACT_RELU:
        unpack(a, FC_ACT_RELU);
        break;
    default:
        unpack(a, a->activation);
    }
}
