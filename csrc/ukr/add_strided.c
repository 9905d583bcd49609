/* add_strided.c: a row added to every step-th element of another. Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "ukr.h"

void FC_NAME(add_strided)(const fc_add_strided_args *a);
void FC_NAME(add_strided)(const fc_add_strided_args *a) {
    const real *src = a->src;
    real *dst = a->dst;
    if (a->step != 1) {
        for (ptrdiff_t i = 0; i < a->count; i++) dst[i * a->step] += src[i];
        return;
    }
    for (ptrdiff_t i = 0; i < a->count; i += VLEN) {
        const ptrdiff_t lanes = a->count - i < VLEN ? a->count - i : VLEN;
        vec_store_n(dst + i, vec_add(vec_load_n(dst + i, lanes), vec_load_n(src + i, lanes)), lanes);
    }
}
