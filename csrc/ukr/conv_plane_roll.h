/* conv_plane_roll.h: conv_plane for K x K where output rows see neighbouring input rows, or every second
 * one: where vectors are not slid (conv_plane_row.h).
 *
 * Input rows come one after the other, each is loaded once for all output rows that it has a tap in, and
 * the sums of these stay in registers until their last row has come:
 *
 *      input row i, K = 3     last row of output row y | middle row of y + 1 | first row of y + 2
 *
 * With step 2 (AVX2) a row is parted into its even and its odd elements in registers, in an order of the
 * lanes of its own, which the sums keep until they are stored.
 *
 * What bounds it is the latency of a multiply-add: each sum waits for its last one, and few are under way.
 * So up to 4 vectors stand side by side. Of 28 columns, in the first-level cache of a Zen 3, 4 take 0.7 of
 * the time of 2 and 2; blocks of 4 rows, which load each row one and a half times, take 1.4 times as long. */
#ifndef FC_UKR_CONV_PLANE_ROLL_H
#define FC_UKR_CONV_PLANE_ROLL_H

#include "conv_plane_row.h"

/* Output rows under way. */
#define ROLLED(k) (((k).K + (k).H - 1) / (k).H)

/* Vector v under kernel column b and, with step 2, under b + 1. `p` is where vector 0 begins. */
FC_INLINE void roll_load(vec x[2], const real *p, const columns *c, int b, int v, const body k) {
    if (k.S == 1) {
        x[0] = load_vector(p, c, b, v, k);
        return;
    }
#if HAVE_PARTS
    vec low, high;
    p += 2 * v * VLEN;
    if (k.edge && (v == 0 || v == k.V - 1)) {
        low = window_load(p, c->window[b][v != 0]);
        high = window_load(p + VLEN, c->upper[b][v != 0]);
    } else {
        low = vec_load(p);
        high = vec_load(p + VLEN);
    }
    x[0] = part_even(low, high);
    x[1] = part_odd(low, high);
#endif
}

/* The products of an input row's vectors under `count` kernel columns from b on. The row is kernel row
 * `last` - r * H of the r-th output row under way. */
FC_INLINE void roll_column(const columns *c, const real *p, vec *acc, int b, const int count,
                           const int last, const body k) {
    const real *weights = c->weights + last * k.K + b;
    const int rows = last / k.H + 1 < ROLLED(k) ? last / k.H + 1 : ROLLED(k);
    vec x[MAX_ROLL_VECTORS][2], w[2][5];
    if (k.K == 3) { /* weights wait in registers for one vector after the other */
#pragma GCC unroll 6
        for (int i = 0; i < count * rows; i++)
            w[i % count][i / count] = vec_set1(weights[i % count - i / count * k.H * 3]);
#pragma GCC unroll 4
        for (int v = 0; v < k.V; v++) {
            roll_load(x[v], p, c, b, v, k);
#pragma GCC unroll 6
            for (int i = 0; i < count * rows; i++) {
                vec *sum = &acc[i / count * k.V + v];
                *sum = vec_fma(x[v][i % count], w[i % count][i / count], *sum);
            }
        }
        return;
    }
#pragma GCC unroll 4
    for (int v = 0; v < k.V; v++) roll_load(x[v], p, c, b, v, k);
#pragma GCC unroll 2
    for (int s = 0; s < count; s++)
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
            w[s][r] = vec_set1(weights[s - r * k.H * k.K]);
#pragma GCC unroll 4
            for (int v = 0; v < k.V; v++)
                acc[r * k.V + v] = vec_fma(x[v][s], w[s][r], acc[r * k.V + v]);
        }
}

/* One input row into the sums. */
FC_INLINE void roll_row(const fc_conv_plane_args *a, const columns *c, const real *row, vec *acc,
                        const int last, const body k) {
    const int count = k.S; /* columns at once */
    row += c->x * k.S;
    if (last >= k.K - k.H) {
#pragma GCC unroll 8
        for (int v = 0; v < k.V * k.S; v++) vec_prefetch(row + v * VLEN + AHEAD);
    }
    if (k.K == 3) {
#pragma GCC unroll 3
        for (int b = 0; b + count <= 3; b += count)
            roll_column(c, row + a->column[b], acc, b, count, last, k);
    } else { /* unrolled they would spill */
        for (int b = 0; b + count <= k.K; b += count)
            roll_column(c, row + a->column[b], acc, b, count, last, k);
    }
    if (count == 2) roll_column(c, row + a->column[k.K - 1], acc, k.K - 1, 1, last, k);
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
    vec acc[5 * MAX_ROLL_VECTORS];
    const int last = (ROLLED(k) - 1) * k.V; /* the first sum of the last row under way */
#pragma GCC unroll 20
    for (int i = 0; i < last + k.V; i++) acc[i] = vec_zero();
#pragma GCC unroll 4
    for (int i = 0; i < k.K - k.H; i++, src += a->tap_step) roll_row(a, c, *src, acc, i, k);
    for (ptrdiff_t y = c->first; y < c->end; y++, dst += a->dst_row) {
#pragma GCC unroll 2
        for (int i = k.K - k.H; i < k.K; i++, src += a->tap_step) roll_row(a, c, *src, acc, i, k);
        roll_store(c, dst, acc, k);
#pragma GCC unroll 20
        for (int i = 0; i < last; i++) acc[i] = acc[i + k.V];
#pragma GCC unroll 4
        for (int v = 0; v < k.V; v++) acc[last + v] = vec_zero();
    }
}

#endif
