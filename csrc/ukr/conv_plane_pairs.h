/* conv_plane_pairs.h: conv_plane with step 2 on maps so narrow that two rows of output fit one
 * vector: 7 x 7 from 14 x 14. AVX-512 alone, whose shuffles take any lanes of two registers.
 *
 *      lanes          0 .. pixels - 1      | pixels .. 2 pixels - 1
 *      output         row y                | row y + 1
 *      tap (a, b)     of input row low[a]  | of input row high[a]
 *
 * Either input row is one masked load; kernel column b is one shuffle of the two, which also zeroes the
 * lanes whose tap lies beside the row. The last pair of rows overlaps its predecessor when rows do not
 * come out even, and stores the same values again. */
#ifndef FC_UKR_CONV_PLANE_PAIRS_H
#define FC_UKR_CONV_PLANE_PAIRS_H

#include "conv_plane_row.h"

typedef struct pairs {
    slide cut[FC_WINDOW_TAPS]; /* by kernel column */
    window inside[FC_WINDOW_TAPS];
    window row, upper; /* lanes of an input row, of the second output row */
} pairs;

/* With step 1 the chain is as fast: 0.022 ms against 0.026 for 960 maps of 7 x 7; with step 2 it is not:
 * 0.022 against 0.017 for 576 maps of 14 x 14. */
static bool pairs_fit(const fc_conv_plane_args *a) {
    return a->step == 2 && a->width > 0 && a->width <= VLEN && 2 * a->pixels <= VLEN && a->rows >= 2 &&
           a->kw <= FC_WINDOW_TAPS;
}

static void pairs_prepare(pairs *t, const fc_conv_plane_args *a) {
    t->row = window_make(0, a->width);
    t->upper = window_make(a->pixels, 2 * a->pixels);
    for (ptrdiff_t b = 0; b < a->kw; b++) {
        BY_DTYPE(int32_t, int64_t) from[VLEN] = {0};
        uint32_t inside = 0;
        for (ptrdiff_t x = 0; x < a->pixels; x++) {
            const ptrdiff_t at = a->column[b] + x * a->step;
            if (at < 0 || at >= a->width) continue;
            from[x] = (BY_DTYPE(int32_t, int64_t))at;
            from[x + a->pixels] = (BY_DTYPE(int32_t, int64_t))(VLEN + at);
            inside |= (1u << x) | (1u << (x + a->pixels));
        }
        t->cut[b] = _mm512_loadu_si512(from);
        t->inside[b] = (window)inside;
    }
}

FC_INLINE vec pairs_cut(vec low, vec high, slide cut, window inside) {
    return BY_DTYPE(_mm512_maskz_permutex2var_ps(inside, low, cut, high),
                    _mm512_maskz_permutex2var_pd((__mmask8)inside, low, cut, high));
}

/* Rows y, y + 2, ... of P pairs. K: kernel columns, or 0: any number. */
FC_INLINE void pairs_block(const fc_conv_plane_args *a, const columns *c, const pairs *t,
                           ptrdiff_t y, const int P, const int K) {
    const ptrdiff_t kw = K ? K : a->kw, pixels = a->pixels;
    const real *weights = c->weights;
    const real *const *src[4];
    ptrdiff_t first[4];
    vec acc[4];
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
        first[p] = fc_min64(y + 2 * p, a->rows - 2);
        src[p] = c->src + first[p] * a->row_step;
        acc[p] = vec_zero();
    }
    for (ptrdiff_t i = 0; i < a->kh; i++, weights += kw) {
        vec row[4][2];
#pragma GCC unroll 4
        for (int p = 0; p < P; p++) {
            row[p][0] = window_load(src[p][i * a->tap_step], t->row);
            row[p][1] = window_load(src[p][i * a->tap_step + a->row_step], t->row);
        }
#pragma GCC unroll 5
        for (ptrdiff_t b = 0; b < kw; b++) {
            const slide cut = t->cut[b];
            const window inside = t->inside[b];
            const vec w = vec_set1(weights[b]);
#pragma GCC unroll 4
            for (int p = 0; p < P; p++)
                acc[p] = vec_fma(pairs_cut(row[p][0], row[p][1], cut, inside), w, acc[p]);
        }
    }
    const vec bias = vec_set1(c->bias), least = vec_set1(c->least), most = vec_set1(c->most);
#pragma GCC unroll 4
    for (int p = 0; p < P; p++) {
        const vec sum = vec_min(most, vec_max(least, vec_add(acc[p], bias)));
        real *dst = c->dst + first[p] * a->dst_row;
        if (a->dst_row == pixels) {
            vec_store_n(dst, sum, 2 * pixels);
        } else {
            vec_store_n(dst, sum, pixels);
            BY_DTYPE(_mm512_mask_storeu_ps(dst + a->dst_row - pixels, t->upper, sum),
                     _mm512_mask_storeu_pd(dst + a->dst_row - pixels, (__mmask8)t->upper, sum));
        }
    }
}

/* All rows of one output plane. */
static void pairs_run(const fc_conv_plane_args *a, const columns *c, const pairs *t) {
    for (ptrdiff_t y = 0; y < a->rows; y += 8) {
        if (a->rows - y <= 4)
            pairs_block(a, c, t, y, 2, 0);
        else if (a->kw == 3)
            pairs_block(a, c, t, y, 4, 3);
        else
            pairs_block(a, c, t, y, 4, 0);
    }
}

#endif
