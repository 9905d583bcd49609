/* conv_channels.c: depthwise convolution whose vectors are channels, of pixels found through a table.
 * Contract in ukr_products.h.
 *
 * The sums of a block of pixels of one row stay in registers over all taps, and of a row of taps its weights.
 * Each pixel is then loaded once for a row of taps and multiplied for every sum that it is part of: with the
 * last tap of the first and so on, so that each sum takes its taps in order. Windows of 3 and 5 columns, with
 * 1 or 2 columns between them, have bodies for their number; others take a row tap by tap.
 *
 * A row is cut into blocks of FC_CHANNELS_PIXELS, which the maps of most networks are multiples of, and of
 * FEW; what a last block has too many of is not stored. */
#include "../simd/vec.h"
#include "ukr.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>

#define FEW 4

/* What the sums of a vector of channels share. */
typedef struct vector_of {
    const real *weights;
    real *dst;
    ptrdiff_t channel;
    vec bias, least, most;
} vector_of;

FC_INLINE vec load_pixel(const void *const *src, ptrdiff_t channel) {
    return vec_load((const real *)*src + channel);
}

/* K taps of a row of them, side by side, for P sums `step` pixels apart; constants. */
FC_INLINE void taps(vec *sum, const void *const *src, ptrdiff_t channel, const real *weights, const int P,
                    const int K, const ptrdiff_t step) {
    vec w[5];
#pragma GCC unroll 7
    for (int b = 0; b < K; b++) w[b] = vec_load(weights + b * VLEN);
#pragma GCC unroll 24
    for (int x = 0; x < (P - 1) * step + K; x++) {
        const vec pixel = load_pixel(src + x, channel);
#pragma GCC unroll 7
        for (int i = 0; i < P; i++)
            if (x >= i * step && x < i * step + K) sum[i] = vec_fma(pixel, w[x - i * step], sum[i]);
    }
}

/* P pixels, of which n are stored; K columns and `step` between pixels, constants, or K == 0. */
FC_INLINE void block(const fc_conv_channels_args *a, const vector_of *v, const void *const *src, real *dst,
                     ptrdiff_t n, const int P, const int K, const ptrdiff_t step) {
    vec sum[FC_CHANNELS_PIXELS];
#pragma GCC unroll 7
    for (int i = 0; i < P; i++) sum[i] = vec_zero();
    const real *weights = v->weights;
    const ptrdiff_t channel = v->channel;
    for (ptrdiff_t y = 0; y < a->kh; y++, src += a->tap_row, weights += a->kw * VLEN) {
        if (K) {
            taps(sum, src, channel, weights, P, K, step);
            continue;
        }
        for (ptrdiff_t b = 0; b < a->kw; b++) {
            const void *const *tap = src + b * a->tap_col;
            const vec w = vec_load(weights + b * VLEN);
#pragma GCC unroll 7
            for (int i = 0; i < P; i++) sum[i] = vec_fma(load_pixel(tap + i * step, channel), w, sum[i]);
        }
    }
    const vec bias = v->bias, least = v->least, most = v->most;
    const ptrdiff_t dst_pixel = a->dst_pixel;
#pragma GCC unroll 7
    for (int i = 0; i < P; i++) {
        if (i < n) vec_store(dst, vec_min(most, vec_max(least, vec_add(sum[i], bias))));
        dst += dst_pixel;
    }
}

FC_INLINE void convolve(const fc_conv_channels_args *a, const vector_of *v, const int K,
                        const ptrdiff_t step) {
    for (ptrdiff_t y = 0; y < a->rows; y++) {
        const void *const *src = a->src + y * a->row_step;
        real *dst = v->dst + y * a->dst_row;
        for (ptrdiff_t left = a->pixels, width; left > 0; left -= width) {
            const bool few = K && (left <= FEW || left == 2 * FEW || left == 3 * FEW);
            width = few ? FEW : FC_CHANNELS_PIXELS;
            if (few)
                block(a, v, src, dst, left, FEW, K, step);
            else
                block(a, v, src, dst, left, FC_CHANNELS_PIXELS, K, step);
            src += width * step, dst += width * a->dst_pixel;
        }
    }
}

#define WINDOWS(K, step)                                                                    \
    static void convolve_##K##_##step(const fc_conv_channels_args *a, const vector_of *v) { \
        convolve(a, v, K, step);                                                            \
    }
WINDOWS(3, 1)
WINDOWS(3, 2)
WINDOWS(5, 1)
WINDOWS(5, 2)
static void convolve_any(const fc_conv_channels_args *a, const vector_of *v) { convolve(a, v, 0, a->step); }

typedef void (*convolve_fn)(const fc_conv_channels_args *a, const vector_of *v);

static convolve_fn choose(const fc_conv_channels_args *a) {
    if (a->tap_col != 1 || a->step > 2) return convolve_any;
    if (a->kw == 3) return a->step == 1 ? convolve_3_1 : convolve_3_2;
    if (a->kw == 5) return a->step == 1 ? convolve_5_1 : convolve_5_2;
    return convolve_any;
}

void FC_NAME(conv_channels)(const fc_conv_channels_args *a);
void FC_NAME(conv_channels)(const fc_conv_channels_args *a) {
    assert(a->channels >= VLEN && a->activation <= FC_ACT_RELU6);
    const convolve_fn run = choose(a);
    vector_of v = {.least = vec_set1(a->activation == FC_ACT_NONE ? -(real)INFINITY : 0),
                   .most = vec_set1(a->activation == FC_ACT_RELU6 ? 6 : (real)INFINITY),
                   .weights = a->weights};
    for (ptrdiff_t at = 0; at < a->channels; at += VLEN, v.weights += a->kh * a->kw * VLEN) {
        const ptrdiff_t c = at <= a->channels - VLEN ? at : a->channels - VLEN;
        v.channel = a->channel + c;
        v.dst = (real *)a->dst + c;
        v.bias = a->bias ? vec_load((const real *)a->bias + c) : vec_zero();
        run(a, &v);
    }
}
