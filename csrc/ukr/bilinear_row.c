/* bilinear_row.c: the vertical half by whole vectors, into a line that stays in the first-level cache;
 * the horizontal half pixel by pixel, since its columns lie anywhere: vectors put together from single
 * elements (stored narrow, loaded wide) took twice as long. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include <math.h>

/* Rounds as the tier's vec_fma does. */
FC_INLINE real fma_one(real a, real b, real c) {
#if FC_TIER == FC_TAG_scalar || FC_TIER == FC_TAG_sse2
    return a * b + c;
#else
    return FC_REAL_IS_F64 ? (real)fma(a, b, c) : (real)fmaf((float)a, (float)b, (float)c);
#endif
}

void FC_NAME(bilinear_row)(const fc_bilinear_row_args *a);
void FC_NAME(bilinear_row)(const fc_bilinear_row_args *a) {
    const real *row0 = a->row[0], *row1 = a->row[1], *weight0 = a->weight[0], *weight1 = a->weight[1];
    const ptrdiff_t *column0 = a->column[0], *column1 = a->column[1];
    real *line = a->line, *dst = a->dst;
    const vec w0 = vec_set1((real)a->row_weight[0]), w1 = vec_set1((real)a->row_weight[1]);
    for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
        const ptrdiff_t lanes = a->width - x < VLEN ? a->width - x : VLEN;
        vec upper = vec_mul(w0, vec_load_n(row0 + x, lanes));
        vec_store_n(line + x, vec_fma(w1, vec_load_n(row1 + x, lanes), upper), lanes);
    }
    for (ptrdiff_t i = 0; i < a->pixels; i++)
        dst[i] = fma_one(weight1[i], line[column1[i]], weight0[i] * line[column0[i]]);
}
