/* split_phases.c: rows of a plane copied into interleaved phases, so that a strided window reads
 * whole vectors: phase p of a row holds its elements p, p + step, p + 2 step, ...
 *
 * Contiguous sources of step 1 (a copy) and 2 (one shuffle a vector) go by vectors, and those of steps
 * up to MOST_STEP as transposed squares of VLEN pieces of the row, `step` apart. Others are rare and
 * bound by the loads of their elements. */
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

/* Twice into even and odd ones. */
FC_INLINE void split_row_by_4(const real *src, real *dst, ptrdiff_t pixels, ptrdiff_t phase) {
    for (ptrdiff_t x = 0; x < pixels; x += 4 * VLEN) {
        const ptrdiff_t left = pixels - x;
        vec r[4], even[2], odd[2];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            const ptrdiff_t n = left - i * VLEN;
            r[i] = n >= VLEN ? vec_load(src + x + i * VLEN)
                   : n > 0   ? vec_load_n(src + x + i * VLEN, n)
                             : vec_zero();
        }
        vec_deinterleave(r[0], r[1], &even[0], &odd[0]);
        vec_deinterleave(r[2], r[3], &even[1], &odd[1]);
        vec_deinterleave(even[0], even[1], &r[0], &r[2]);
        vec_deinterleave(odd[0], odd[1], &r[1], &r[3]);
        if (left >= 4 * VLEN) {
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) vec_store(dst + i * phase + x / 4, r[i]);
        } else {
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) vec_store_n(dst + i * phase + x / 4, r[i], (left + 3 - i) / 4);
        }
    }
}

enum { MOST_STEP = 16 };

/* Phases [0, phases) of VLEN * step elements, of each of which VLEN are readable from there on, into the
 * first `count` columns; phases <= most <= VLEN. What a constant `most` leaves out is not computed. */
FC_INLINE void split_square(const real *src, real *dst, ptrdiff_t step, ptrdiff_t phase,
                            ptrdiff_t phases, ptrdiff_t count, const int most) {
    vec r[VLEN];
    vec_load_columns(r, src, step, most);
#pragma GCC unroll 16
    for (int p = 0; p < most; p++)
        if (p < phases) vec_store_n(dst + p * phase, r[p], count);
}

/* `count` <= VLEN columns of all phases; of src, (VLEN - 1) * step + round_up(step, VLEN) elements are
 * read. */
FC_INLINE void split_columns(const real *src, real *dst, ptrdiff_t step, ptrdiff_t phase,
                             ptrdiff_t count) {
    for (ptrdiff_t p = 0; p < step; p += VLEN) {
        const ptrdiff_t phases = step - p < VLEN ? step - p : VLEN;
        if (VLEN > 4 && phases <= 4)
            split_square(src + p, dst + p * phase, step, phase, phases, count, VLEN < 4 ? VLEN : 4);
        else if (VLEN > 8 && phases <= 8)
            split_square(src + p, dst + p * phase, step, phase, phases, count, VLEN < 8 ? VLEN : 8);
        else
            split_square(src + p, dst + p * phase, step, phase, phases, count, VLEN);
    }
}

/* A row by squares, of which the last ones lie in a copy: they would read on behind the row. */
FC_INLINE void split_row(const real *src, real *dst, ptrdiff_t pixels, ptrdiff_t step,
                         ptrdiff_t phase) {
    const ptrdiff_t columns = pixels / step; /* that all phases have */
    const ptrdiff_t reach = (VLEN - 1) * step + (step + VLEN - 1) / VLEN * VLEN;
    ptrdiff_t x = 0;
    for (; x * step + reach <= pixels; x += VLEN)
        split_columns(src + x * step, dst + x, step, phase, VLEN);
    while (x < columns) {
        real rest[VLEN * MOST_STEP + VLEN];
        const ptrdiff_t count = columns - x < VLEN ? columns - x : VLEN;
        copy_row(src + x * step, rest, count * step);
        for (ptrdiff_t i = count * step; i < reach; i++) rest[i] = 0;
        split_columns(rest, dst + x, step, phase, count);
        x += count;
    }
    for (ptrdiff_t p = 0; p < pixels - columns * step; p++)
        dst[p * phase + columns] = src[columns * step + p];
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
    if (a->src_stride != 1 || a->step > MOST_STEP) {
        for (ptrdiff_t p = 0; p < a->step && p < a->pixels; p++) split_phase(a, p, rows);
        return;
    }
    const real *src = a->src;
    real *dst = a->dst;
    for (ptrdiff_t r = 0; r < rows; r++, src += a->src_row, dst += a->dst_row)
        if (a->step == 1)
            copy_row(src, dst, a->pixels);
        else if (a->step == 2)
            split_row_by_2(src, dst, a->pixels, a->phase);
        else if (a->step == 4)
            split_row_by_4(src, dst, a->pixels, a->phase);
        else
            split_row(src, dst, a->pixels, a->step, a->phase);
}
