/* split_phases.c: rows of a plane copied into interleaved phases, so that a strided window reads
 * whole vectors: phase p of a row holds its elements p, p + step, p + 2 step, ...
 *
 * Contiguous sources of step 1 (a copy) and 2 (one shuffle a vector) go by vectors; steps beyond
 * are rare and bound by the loads of their elements. */
#include "../simd/vec.h"
#include "ukr.h"

#include <assert.h>

FC_INLINE void copy_row(const real *src, real *dst, ptrdiff_t pixels) {
    ptrdiff_t x = 0;
    for (; x + VLEN <= pixels; x += VLEN) vec_store(dst + x, vec_load(src + x));
    if (x < pixels) vec_store_n(dst + x, vec_load_n(src + x, pixels - x), pixels - x);
}

FC_INLINE void split_row_by_2(const real *src, real *dst, ptrdiff_t pixels, ptrdiff_t phase) {
    ptrdiff_t x = 0;
    vec even, odd;
    for (; x + 2 * VLEN <= pixels; x += 2 * VLEN) {
        vec_deinterleave(vec_load(src + x), vec_load(src + x + VLEN), &even, &odd);
        vec_store(dst + x / 2, even);
        vec_store(dst + phase + x / 2, odd);
    }
    ptrdiff_t left = pixels - x;
    if (left > 0) {
        ptrdiff_t low = left < VLEN ? left : VLEN;
        vec high = left > VLEN ? vec_load_n(src + x + VLEN, left - VLEN) : vec_zero();
        vec_deinterleave(vec_load_n(src + x, low), high, &even, &odd);
        vec_store_n(dst + x / 2, even, (left + 1) / 2);
        vec_store_n(dst + phase + x / 2, odd, left / 2);
    }
}

/* One phase of all rows: how many elements it has is worked out once. */
FC_INLINE void split_phase(const fc_split_phases_args *a, ptrdiff_t p, ptrdiff_t rows) {
    const ptrdiff_t stride = a->step * a->src_stride, count = (a->pixels - p + a->step - 1) / a->step;
    const real *src = (const real *)a->src + p * a->src_stride;
    real *dst = (real *)a->dst + p * a->phase;
    for (; rows > 0; rows--, src += a->src_row, dst += a->dst_row)
        for (ptrdiff_t i = 0; i < count; i++) dst[i] = src[i * stride];
}

void FC_NAME(split_phases)(const fc_split_phases_args *a);
void FC_NAME(split_phases)(const fc_split_phases_args *a) {
    assert(a->step >= 1);
    const ptrdiff_t rows = a->rows > 0 ? a->rows : 1;
    if (a->src_stride != 1 || a->step > 2) {
        for (ptrdiff_t p = 0; p < a->step && p < a->pixels; p++) split_phase(a, p, rows);
        return;
    }
    const real *src = a->src;
    real *dst = a->dst;
    for (ptrdiff_t r = 0; r < rows; r++, src += a->src_row, dst += a->dst_row)
        if (a->step == 1)
            copy_row(src, dst, a->pixels);
        else
            split_row_by_2(src, dst, a->pixels, a->phase);
}
