/* column_sums.c: rows added up, column by column. Contract in ukr_products.h. Four vectors wide, so that four
 * sums hide each other's latency and a row is read by whole cache lines. */
#include "../simd/vec.h"
#include "ukr.h"

FC_INLINE void sum(const fc_column_sums_args *a, ptrdiff_t x, ptrdiff_t lanes, const int vectors) {
    const real *src = (const real *)a->src + x;
    real *dst = (real *)a->dst + x;
    vec acc[4];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        acc[v] = !a->accumulate ? vec_zero() : vectors > 1 ? vec_load(dst + v * VLEN) : vec_load_n(dst, lanes);
    for (ptrdiff_t r = 0; r < a->rows; r++, src += a->src_row)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            acc[v] = vec_add(acc[v], vectors > 1 ? vec_load(src + v * VLEN) : vec_load_n(src, lanes));
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++)
        if (vectors > 1)
            vec_store(dst + v * VLEN, acc[v]);
        else
            vec_store_n(dst, acc[v], lanes);
}

void FC_NAME(column_sums)(const fc_column_sums_args *a);
void FC_NAME(column_sums)(const fc_column_sums_args *a) {
    ptrdiff_t x = 0;
    for (; x + 4 * VLEN <= a->count; x += 4 * VLEN) sum(a, x, VLEN, 4);
    for (; x < a->count; x += VLEN) sum(a, x, a->count - x < VLEN ? a->count - x : VLEN, 1);
}
