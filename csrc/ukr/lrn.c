/* lrn.c: local response normalisation, vectorised over pixels. Each window is summed anew, in order:
 * a running sum would let the rounding errors of one channel (or its Inf) reach all that follow.
 * Powers that have roots for an answer (AlexNet's 0.75) take them, others libm. Contract in ukr_elements.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include <math.h>

FC_INLINE real pow_real(real x, double y) {
    return FC_REAL_IS_F64 ? (real)pow(x, y) : (real)powf((float)x, (float)y);
}

typedef enum power { ONE, HALF, THREE_QUARTERS, ANY } power;

FC_INLINE vec divided(vec x, vec d, double beta, const power how) {
    if (how == ONE) return vec_div(x, d);
    if (how == ANY) {
        real lane[VLEN];
        vec_store(lane, d);
        for (int i = 0; i < VLEN; i++) lane[i] = pow_real(lane[i], beta);
        return vec_div(x, vec_load(lane));
    }
    vec root = vec_sqrt(d);
    return vec_div(x, how == HALF ? root : vec_mul(root, vec_sqrt(root)));
}

FC_INLINE void tile(const fc_lrn_args *a, const power how) {
    const real *src = a->src;
    const vec k = vec_set1((real)a->k), factor = vec_set1((real)a->factor);
    for (ptrdiff_t c = 0; c < a->channels; c++) {
        ptrdiff_t first = c - a->before, end = first + a->size;
        if (first < 0) first = 0;
        if (end > a->channels) end = a->channels;
        for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
            const ptrdiff_t lanes = a->width - x < VLEN ? a->width - x : VLEN;
            vec sum = vec_zero();
            for (ptrdiff_t j = first; j < end; j++) {
                vec v = vec_load_n(src + j * a->stride + x, lanes);
                sum = vec_fma(v, v, sum);
            }
            vec d = vec_fma(factor, sum, k), v = vec_load_n(src + c * a->stride + x, lanes);
            vec_store_n((real *)a->dst + c * a->stride + x, divided(v, d, a->beta, how), lanes);
        }
    }
}

void FC_NAME(lrn)(const fc_lrn_args *a);
void FC_NAME(lrn)(const fc_lrn_args *a) {
    if (a->beta == 0.75)
        tile(a, THREE_QUARTERS);
    else if (a->beta == 0.5)
        tile(a, HALF);
    else if (a->beta == 1)
        tile(a, ONE);
    else
        tile(a, ANY);
}
