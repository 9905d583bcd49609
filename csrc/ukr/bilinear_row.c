/* bilinear_row.c: the vertical half by whole vectors, into a line that stays in the first-level cache;
 * the horizontal half picks its columns one by one. Contract in ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

void FC_NAME(bilinear_row)(const fc_bilinear_row_args *a);
void FC_NAME(bilinear_row)(const fc_bilinear_row_args *a) {
    const real *row0 = a->row[0], *row1 = a->row[1], *weight0 = a->weight[0], *weight1 = a->weight[1];
    real *line = a->line, *dst = a->dst;
    const vec w0 = vec_set1((real)a->row_weight[0]), w1 = vec_set1((real)a->row_weight[1]);
    for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
        const ptrdiff_t lanes = a->width - x < VLEN ? a->width - x : VLEN;
        vec upper = vec_mul(w0, vec_load_n(row0 + x, lanes));
        vec_store_n(line + x, vec_fma(w1, vec_load_n(row1 + x, lanes), upper), lanes);
    }
    for (ptrdiff_t i = 0; i < a->pixels; i += VLEN) {
        const ptrdiff_t lanes = a->pixels - i < VLEN ? a->pixels - i : VLEN;
        real left[VLEN], right[VLEN];
        for (ptrdiff_t k = 0; k < VLEN; k++) {
            const ptrdiff_t at = k < lanes ? i + k : i;
            left[k] = line[a->column[0][at]];
            right[k] = line[a->column[1][at]];
        }
        vec sum = vec_mul(vec_load_n(weight0 + i, lanes), vec_load(left));
        sum = vec_fma(vec_load_n(weight1 + i, lanes), vec_load(right), sum);
        vec_store_n(dst + i, sum, lanes);
    }
}
