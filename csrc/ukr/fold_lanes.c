/* fold_lanes.c: the lanes of many sums, each into one. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "ukr.h"

void FC_NAME(fold_lanes)(const fc_fold_lanes_args *a);
void FC_NAME(fold_lanes)(const fc_fold_lanes_args *a) {
    const real *src = a->src;
    for (ptrdiff_t i = 0; i < a->count; i += VLEN) {
        const ptrdiff_t sums = a->count - i < VLEN ? a->count - i : VLEN;
        vec r[VLEN];
        for (ptrdiff_t j = 0; j < VLEN; j++)
            r[j] = j < sums ? vec_load(src + (i + j) * VLEN) : vec_zero();
        vec_store_n((real *)a->dst + i, vec_fold(r), sums);
    }
}
