/* pool_lanes.h: the step that every pooling kernel repeats. */
#ifndef FC_UKR_POOL_LANES_H
#define FC_UKR_POOL_LANES_H

#include <math.h>

#include "../simd/vec.h"
#include "ukr.h"

/* The next element into a running maximum or sum. */
FC_INLINE vec pool_step(vec sofar, vec x, const int kind) {
    return kind == FC_POOL_MAX ? vec_greatest(x, sofar) : vec_add(sofar, x);
}

/* The same for one element. */
FC_INLINE real pool_step_one(real sofar, real x, const int kind) {
    if (kind != FC_POOL_MAX) return sofar + x;
    return x > sofar || x != x ? x : sofar;
}

/* x^norm. Squares, the usual ones, by multiplication; others lane by lane in libm. */
FC_INLINE vec pool_power(vec x, double norm) {
    if (norm == 1) return x;
    if (norm == 2) return vec_mul(x, x);
    real lane[VLEN];
    vec_store(lane, x);
    for (int i = 0; i < VLEN; i++)
        lane[i] = FC_REAL_IS_F64 ? (real)pow(lane[i], norm)
                                 : (real)powf((float)lane[i], (float)norm);
    return vec_load(lane);
}

FC_INLINE vec pool_root(vec x, double norm) {
    return norm == 2 ? vec_sqrt(x) : pool_power(x, 1 / norm);
}

/* What a window without a single element gives. */
FC_INLINE real pool_nothing(const int kind) { return kind == FC_POOL_MAX ? -(real)INFINITY : 0; }

#endif
