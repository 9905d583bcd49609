/* gradient_limit.c: an array scaled, or clamped, where it lies. Contract in ukr_updates.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include "update_part.h"

FC_INLINE vec limited(vec x, vec value, const int kind) {
    if (kind == FC_LIMIT_SCALE) return vec_mul(value, x);
    /* x second: a NaN passes */
    return vec_min(value, vec_max(vec_sub(vec_zero(), value), x));
}

FC_INLINE void limit(const fc_gradient_limit_args *a, const int kind) {
    real *dst = a->dst;
    const vec value = vec_set1((real)a->value);
    const ptrdiff_t count = a->count;
    ptrdiff_t i = 0;
    for (; i + VLEN <= count; i += VLEN) vec_store(dst + i, limited(vec_load(dst + i), value, kind));
    if (i < count) vec_store_n(dst + i, limited(vec_load_n(dst + i, count - i), value, kind), count - i);
}

void FC_NAME(gradient_limit)(const fc_gradient_limit_args *a);
void FC_NAME(gradient_limit)(const fc_gradient_limit_args *a) {
    if (a->kind == FC_LIMIT_SCALE)
        limit(a, FC_LIMIT_SCALE);
    else
        limit(a, FC_LIMIT_CLAMP);
}
