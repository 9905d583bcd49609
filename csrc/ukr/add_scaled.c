/* add_scaled.c: a multiple of a row added to another. Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "ukr.h"

FC_INLINE void add_scaled(const fc_add_scaled_args *a, const int fresh) {
    const real *src = a->src;
    real *dst = a->dst;
    const vec weight = vec_set1((real)a->weight);
    ptrdiff_t i = 0;
    for (; i + VLEN <= a->count; i += VLEN)
        vec_store(dst + i, vec_fma(weight, vec_load(src + i), fresh ? vec_zero() : vec_load(dst + i)));
    if (i < a->count) {
        const ptrdiff_t n = a->count - i;
        const vec sofar = fresh ? vec_zero() : vec_load_n(dst + i, n);
        vec_store_n(dst + i, vec_fma(weight, vec_load_n(src + i, n), sofar), n);
    }
}

void FC_NAME(add_scaled)(const fc_add_scaled_args *a);
void FC_NAME(add_scaled)(const fc_add_scaled_args *a) {
    if (a->fresh)
        add_scaled(a, 1);
    else
        add_scaled(a, 0);
}
