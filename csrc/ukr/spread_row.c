/* spread_row.c: values spread over their windows. Contract in ukr_elements.h.
 *
 * Windows side by side (step = taps, no border) only repeat values; those of step 1 are whole vectors.
 * Others add to every step-th element, and adaptive ones to spans. */
#include "../simd/vec.h"
#include "ukr.h"

FC_INLINE const real *divided(const fc_spread_row_args *a) {
    const real *src = a->src, *divisor = a->divisor;
    if (!divisor) return src;
    real *line = a->line;
    const vec row = vec_set1((real)a->row_divisor);
    ptrdiff_t i = 0;
    for (; i + VLEN <= a->count; i += VLEN)
        vec_store(line + i, vec_div(vec_load(src + i), vec_mul(row, vec_load(divisor + i))));
    for (; i < a->count; i++) line[i] = src[i] / ((real)a->row_divisor * divisor[i]);
    return line;
}

FC_INLINE void fill(real *dst, ptrdiff_t count, real value) {
    ptrdiff_t i = 0;
    if (count >= VLEN) {
        const vec v = vec_set1(value);
        for (; i + VLEN <= count; i += VLEN) vec_store(dst + i, v);
    }
    for (; i < count; i++) dst[i] = value;
}

FC_INLINE void repeat(const real *line, real *dst, ptrdiff_t count, ptrdiff_t taps) {
    ptrdiff_t i = 0;
    if (taps == 2)
        for (; i + VLEN <= count; i += VLEN) {
            vec low, high;
            vec_twice(vec_load(line + i), &low, &high);
            vec_store(dst + 2 * i, low);
            vec_store(dst + 2 * i + VLEN, high);
        }
    for (; i < count; i++) fill(dst + i * taps, taps, line[i]);
}

FC_INLINE real one_of_step_1(const fc_spread_row_args *a, const real *line, ptrdiff_t x) {
    real sum = 0;
    for (ptrdiff_t b = 0; b < a->taps; b++) {
        const ptrdiff_t i = x + a->pad - b;
        if (i >= 0 && i < a->count) sum += line[i];
    }
    return sum;
}

FC_INLINE void spread_by_1(const fc_spread_row_args *a, const real *line, real *dst) {
    /* pixels of which all windows exist */
    const ptrdiff_t begin = a->taps - 1 - a->pad > 0 ? a->taps - 1 - a->pad : 0;
    const ptrdiff_t end = a->count - a->pad < a->pixels ? a->count - a->pad : a->pixels;
    ptrdiff_t x = 0;
    for (; x < begin && x < a->pixels; x++) dst[x] = one_of_step_1(a, line, x);
    for (; x + VLEN <= end; x += VLEN) {
        vec sum = vec_zero();
        for (ptrdiff_t b = 0; b < a->taps; b++) sum = vec_add(sum, vec_load(line + x + a->pad - b));
        vec_store(dst + x, sum);
    }
    for (; x < a->pixels; x++) dst[x] = one_of_step_1(a, line, x);
}

FC_INLINE void spread(const fc_spread_row_args *a, const real *line, real *dst) {
    fill(dst, a->pixels, 0);
    for (ptrdiff_t b = 0; b < a->taps; b++) {
        const ptrdiff_t from = b - a->pad; /* where window 0 has this tap */
        ptrdiff_t begin = from < 0 ? (-from + a->step - 1) / a->step : 0;
        ptrdiff_t end = from < a->pixels ? (a->pixels - from + a->step - 1) / a->step : 0;
        if (end > a->count) end = a->count;
        for (ptrdiff_t i = begin; i < end; i++) dst[i * a->step + from] += line[i];
    }
}

void FC_NAME(spread_row)(const fc_spread_row_args *a);
void FC_NAME(spread_row)(const fc_spread_row_args *a) {
    const real *line = divided(a);
    real *dst = a->dst;
    if (a->begin) {
        fill(dst, a->pixels, 0);
        for (ptrdiff_t i = 0; i < a->count; i++)
            for (ptrdiff_t x = a->begin[i]; x < a->end[i]; x++) dst[x] += line[i];
    } else if (a->step == a->taps && a->pad == 0 && a->count * a->taps <= a->pixels) {
        repeat(line, dst, a->count, a->taps);
        fill(dst + a->count * a->taps, a->pixels - a->count * a->taps, 0);
    } else if (a->step == 1) {
        spread_by_1(a, line, dst);
    } else {
        spread(a, line, dst);
    }
}
