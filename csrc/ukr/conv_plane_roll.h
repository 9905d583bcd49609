/* conv_plane_roll.h: conv_plane for K x K where output rows see neighbouring input rows, or every second
 * one: where vectors are not slid (conv_plane_row.h).
 *
 * Input rows come one after the other, each is loaded once for all output rows that it has a tap in, and
 * the sums of these stay in registers until their last row has come:
 *
 *      input row i, K = 3     last row of output row y | middle row of y + 1 | first row of y + 2
 *
 * Three by three weights stay in registers too. With step 2 (AVX2) a row is parted into its even and its
 * odd elements in registers, in an order of the lanes of its own, which the sums keep until they are
 * stored.
 *
 * Measured on Zen 3, 3 x 3 in the first-level cache, against blocks of 4 rows of 2 vectors, whose rows are
 * loaded one and a half times: 1.4 times as fast. */
#ifndef FC_UKR_CONV_PLANE_ROLL_H
#define FC_UKR_CONV_PLANE_ROLL_H

#include "conv_plane_row.h"

/* Sums under way: of so many output rows. */
#define ROLLED(k) (((k).K + (k).H - 1) / (k).H)

/* Kernel columns b and, with step 2, b + 1. */
FC_INLINE void roll_load(vec x[2][MAX_VECTORS], const real *row, const fc_conv_plane_args *a,
                         const columns *c, ptrdiff_t b, const body k) {
    if (k.S == 1) {
        load_column(x[0], row, a, c, b, k);
        return;
    }
#if HAVE_PARTS
    const real *p = row + a->column[b] + c->x * k.S;
#pragma GCC unroll 4
    for (int v = 0; v < k.V; v++) {
        vec low, high;
        if (k.edge && (v == 0 || v == k.V - 1)) {
            low = window_load(p + 2 * v * VLEN, c->window[b][v != 0]);
            high = window_load(p + (2 * v + 1) * VLEN, c->upper[b][v != 0]);
        } else {
            low = vec_load(p + 2 * v * VLEN);
            high = vec_load(p + (2 * v + 1) * VLEN);
        }
        x[0][v] = part_even(low, high);
        x[1][v] = part_odd(low, high);
    }
#endif
}

/* One input row into the sums: it is kernel row `last` - r * H of the r-th output row under way. */
FC_INLINE void roll_row(const fc_conv_plane_args *a, const columns *c, const real *row, const vec *held,
                        vec *acc, const int last, const body k) {
    const real *weights = c->weights;
    /* Or the compiler keeps all weights of the kernel in registers, though there are not so many. */
    if (k.K != 3) __asm__("" : "+r"(weights));
#pragma GCC unroll 3
    for (int b = 0; b < k.K; b += k.S) {
        vec x[2][MAX_VECTORS];
        roll_load(x, row, a, c, b, k);
#pragma GCC unroll 2
        for (int s = 0; s < k.S; s++) {
            if (b + s >= k.K) break;
#pragma GCC unroll 5
            for (int r = 0; r < ROLLED(k); r++) {
                const int i = last - r * k.H;
                if (i < 0) break;
                const vec w = k.K == 3 ? held[i * 3 + b + s] : vec_set1(weights[i * k.K + b + s]);
#pragma GCC unroll 4
                for (int v = 0; v < k.V; v++) 
                    acc[r * k.V + v] = vec_fma(x[s][v], w, acc[r * k.V + v]);
            }
        }
    }
}

FC_INLINE void roll_store(const columns *c, real *dst, const vec *sum, const body k) {
    const vec bias = vec_set1(c->bias), least = vec_set1(c->least), most = vec_set1(c->most);
#pragma GCC unroll 4
    for (int v = 0; v < k.V; v++) {
        vec t = vec_min(most, vec_max(least, vec_add(sum[v], bias)));
#if HAVE_PARTS
        if (k.S == 2) t = part_order(t);
#endif
        vec_store_n(dst + v * VLEN, t, v == k.V - 1 ? c->lanes : VLEN);
    }
}

/* Output rows [first, end) of `columns`. */
FC_INLINE void roll(const fc_conv_plane_args *a, const columns *c, const body k) {
    const real *const *src = c->src + c->first * a->row_step;
    real *dst = c->dst + c->first * a->dst_row + c->x;
    vec acc[5 * MAX_VECTORS], held[9];
#pragma GCC unroll 9
    for (int i = 0; i < 9; i++) held[i] = vec_set1(c->weights[i]);
#pragma GCC unroll 20
    for (int i = 0; i < ROLLED(k) * k.V; i++) acc[i] = vec_zero();
#pragma GCC unroll 4
    for (int i = 0; i < k.K - k.H; i++, src += a->tap_step) roll_row(a, c, *src, held, acc, i, k);
    for (ptrdiff_t y = c->first; y < c->end; y++, dst += a->dst_row) {
#pragma GCC unroll 2
        for (int i = k.K - k.H; i < k.K; i++, src += a->tap_step)
            roll_row(a, c, *src, held, acc, i, k);
        roll_store(c, dst, acc, k);
#pragma GCC unroll 20
        for (int i = 0; i < (ROLLED(k) - 1) * k.V; i++) acc[i] = acc[i + k.V];
#pragma GCC unroll 4
        for (int v = 0; v < k.V; v++) acc[(ROLLED(k) - 1) * k.V + v] = vec_zero();
    }
}

#endif
