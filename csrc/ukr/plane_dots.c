/* plane_dots.c: the weight gradient of depthwise convolution and of small groups. Contract in ukr_products.h.
 *
 * A vector of the result's gradient meets the vectors of the source under several taps: nine taps of one
 * channel are ten loads for nine multiply-adds, three taps of four channels seven for twelve. The sums
 * stay in registers over all rows; lanes are folded by the driver, once. */
#include "../simd/vec.h"
#include "ukr.h"

FC_INLINE void dots(const fc_plane_dots_args *a, const ptrdiff_t first, const ptrdiff_t channel,
                    const int channels, const int taps) {
    real *dst = (real *)a->dst + (channel * a->dst_channel + first) * VLEN;
    vec acc[FC_DOTS_CHANNELS * FC_DOTS_SHARED > FC_DOTS_TAPS ? FC_DOTS_CHANNELS * FC_DOTS_SHARED
                                                             : FC_DOTS_TAPS];
#pragma GCC unroll 16
    for (int i = 0; i < channels * taps; i++)
        acc[i] = vec_load(dst + (i / taps * a->dst_channel + i % taps) * VLEN);
    const ptrdiff_t ahead = a->rows * a->diff_row;
    for (ptrdiff_t i = 0; i < a->images && a->cols <= VLEN; i++) { /* a vector a row */
        const real *src = (const real *)a->src + i * a->src_image;
        const real *diff = (const real *)a->diff + channel * a->diff_channel + i * a->diff_image;
        for (ptrdiff_t r = 0; r < a->rows; r++, src += a->src_row, diff += a->diff_row) {
            vec d[FC_DOTS_CHANNELS];
#pragma GCC unroll 4
            for (int o = 0; o < channels; o++) {
                d[o] = vec_load_n(diff + o * a->diff_channel, a->cols);
                vec_prefetch_far(diff + o * a->diff_channel + ahead);
            }
#pragma GCC unroll 16
            for (int t = 0; t < taps; t++) {
                const vec s = vec_load_n(src + a->tap[first + t], a->cols);
#pragma GCC unroll 4
                for (int o = 0; o < channels; o++)
                    acc[o * taps + t] = vec_fma(d[o], s, acc[o * taps + t]);
            }
        }
    }
    for (ptrdiff_t i = 0; i < a->images && a->cols > VLEN; i++)
        for (ptrdiff_t r = 0; r < a->rows; r++) {
            const real *src[FC_DOTS_TAPS], *diff[FC_DOTS_CHANNELS];
#pragma GCC unroll 16
            for (int t = 0; t < taps; t++)
                src[t] = (const real *)a->src + a->tap[first + t] + i * a->src_image + r * a->src_row;
#pragma GCC unroll 4
            for (int o = 0; o < channels; o++)
                diff[o] = (const real *)a->diff + (channel + o) * a->diff_channel + i * a->diff_image +
                          r * a->diff_row;
            ptrdiff_t x = 0;
            for (; x + VLEN <= a->cols; x += VLEN) {
                vec d[FC_DOTS_CHANNELS];
#pragma GCC unroll 4
                for (int o = 0; o < channels; o++) {
                    d[o] = vec_load(diff[o] + x);
                    vec_prefetch_far(diff[o] + x + ahead);
                }
#pragma GCC unroll 16
                for (int t = 0; t < taps; t++) {
                    const vec s = vec_load(src[t] + x);
#pragma GCC unroll 4
                    for (int o = 0; o < channels; o++)
                        acc[o * taps + t] = vec_fma(d[o], s, acc[o * taps + t]);
                }
            }
            const ptrdiff_t left = a->cols - x;
            if (left == 0) continue;
            vec d[FC_DOTS_CHANNELS];
#pragma GCC unroll 4
            for (int o = 0; o < channels; o++) d[o] = vec_load_n(diff[o] + x, left);
#pragma GCC unroll 16
            for (int t = 0; t < taps; t++) {
                const vec s = vec_load_n(src[t] + x, left);
#pragma GCC unroll 4
                for (int o = 0; o < channels; o++)
                    acc[o * taps + t] = vec_fma(d[o], s, acc[o * taps + t]);
            }
        }
#pragma GCC unroll 16
    for (int i = 0; i < channels * taps; i++)
        vec_store(dst + (i / taps * a->dst_channel + i % taps) * VLEN, acc[i]);
}

static void shared_taps(const fc_plane_dots_args *a, ptrdiff_t channel) {
    for (ptrdiff_t t = 0; t < a->taps; t += FC_DOTS_SHARED) switch (a->taps - t) {
        case 1: dots(a, t, channel, FC_DOTS_CHANNELS, 1); break;
        case 2: dots(a, t, channel, FC_DOTS_CHANNELS, 2); break;
        default: dots(a, t, channel, FC_DOTS_CHANNELS, FC_DOTS_SHARED);
        }
}

/* Passes of nine would leave a last one of few: they are made equal. */
static void own_taps(const fc_plane_dots_args *a, ptrdiff_t channel) {
    ptrdiff_t passes = (a->taps + FC_DOTS_TAPS - 1) / FC_DOTS_TAPS;
    for (ptrdiff_t t = 0; passes > 0; passes--) {
        const ptrdiff_t taps = (a->taps - t + passes - 1) / passes;
        switch (taps) {
        case 1: dots(a, t, channel, 1, 1); break;
        case 2: dots(a, t, channel, 1, 2); break;
        case 3: dots(a, t, channel, 1, 3); break;
        case 4: dots(a, t, channel, 1, 4); break;
        case 5: dots(a, t, channel, 1, 5); break;
        case 6: dots(a, t, channel, 1, 6); break;
        case 7: dots(a, t, channel, 1, 7); break;
        case 8: dots(a, t, channel, 1, 8); break;
        default: dots(a, t, channel, 1, FC_DOTS_TAPS);
        }
        t += taps;
    }
}

void FC_NAME(plane_dots)(const fc_plane_dots_args *a);
void FC_NAME(plane_dots)(const fc_plane_dots_args *a) {
    ptrdiff_t o = 0;
    for (; o + FC_DOTS_CHANNELS <= a->channels; o += FC_DOTS_CHANNELS) shared_taps(a, o);
    for (; o < a->channels; o++) own_taps(a, o);
}
