/* reduce_row.c: contiguous rows to one value each, for pooling of whole planes.
 *
 * A row is gathered into one vector: four running vectors, then the vectors that are left, then
 * the lanes that are left. Its lanes are folded in halves. VLEN rows at a time are folded together,
 * in that same order, so that grouping changes no bit. Contract in ukr_elements.h. */
#include "pool_lanes.h"

#include <assert.h>

/* Element i of the row lands in lane i mod VLEN. */
FC_INLINE vec gather_row(const real *src, ptrdiff_t count, const int kind) {
    if (count < VLEN) {
        real lanes[VLEN];
        for (int i = 0; i < VLEN; i++) lanes[i] = i < count ? src[i] : pool_nothing(kind);
        return vec_load(lanes);
    }
    vec v = vec_load(src);
    ptrdiff_t i = VLEN;
    if (count >= 4 * VLEN) {
        vec b = vec_load(src + VLEN), c = vec_load(src + 2 * VLEN), d = vec_load(src + 3 * VLEN);
        for (i = 4 * VLEN; i + 4 * VLEN <= count; i += 4 * VLEN) {
            v = pool_step(v, vec_load(src + i), kind);
            b = pool_step(b, vec_load(src + i + VLEN), kind);
            c = pool_step(c, vec_load(src + i + 2 * VLEN), kind);
            d = pool_step(d, vec_load(src + i + 3 * VLEN), kind);
        }
        v = pool_step(pool_step(v, b, kind), pool_step(c, d, kind), kind);
    }
    for (; i + VLEN <= count; i += VLEN) v = pool_step(v, vec_load(src + i), kind);
    if (i < count) {
        /* A maximum may meet an element twice; a sum adds zeros. */
        vec rest = kind == FC_POOL_MAX ? vec_load(src + count - VLEN)
                                       : vec_load_n(src + i, count - i);
        v = pool_step(v, rest, kind);
    }
    return v;
}

FC_INLINE void reduce_rows(const fc_reduce_args *a, const int kind) {
    const real *src = a->src, divisor = (real)a->divisor;
    real *dst = a->dst;
    ptrdiff_t r = 0;
    for (; r + VLEN <= a->rows; r += VLEN, src += VLEN * a->src_row) {
        vec lane[VLEN];
        for (int i = 0; i < VLEN; i++) lane[i] = gather_row(src + i * a->src_row, a->count, kind);
        if (kind == FC_POOL_AVG) {
            vec_store(dst + r, vec_div(vec_fold(lane), vec_set1(divisor)));
            continue;
        }
        vec_transpose(lane);
#pragma GCC unroll 4
        for (int half = VLEN / 2; half > 0; half /= 2)
#pragma GCC unroll 8
            for (int i = 0; i < half; i++) lane[i] = pool_step(lane[i], lane[i + half], kind);
        vec_store(dst + r, lane[0]);
    }
    for (; r < a->rows; r++, src += a->src_row) {
        real lane[VLEN];
        vec_store(lane, gather_row(src, a->count, kind));
        for (int half = VLEN / 2; half > 0; half /= 2)
            for (int i = 0; i < half; i++) lane[i] = pool_step_one(lane[i], lane[i + half], kind);
        dst[r] = kind == FC_POOL_AVG ? lane[0] / divisor : lane[0];
    }
}

void FC_NAME(reduce_row)(const fc_reduce_args *a);
void FC_NAME(reduce_row)(const fc_reduce_args *a) {
    assert(a->count >= 1);
    if (a->kind == FC_POOL_MAX)
        reduce_rows(a, FC_POOL_MAX);
    else
        reduce_rows(a, FC_POOL_AVG);
}
