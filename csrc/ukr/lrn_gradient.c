/* lrn_gradient.c: the gradient of local response normalisation, vectorised over pixels as lrn.c is.
 * First what each channel's own window gives to all channels in it, then sums of that. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include <math.h>

FC_INLINE real pow_real(real x, double y) {
    return FC_REAL_IS_F64 ? (real)pow(x, y) : (real)powf((float)x, (float)y);
}

/* d^-beta */
FC_INLINE vec power(vec d, double beta) {
    const vec one = vec_set1(1);
    if (beta == 1) return vec_div(one, d);
    if (beta == 0.5 || beta == 0.75) {
        vec root = vec_sqrt(d);
        return vec_div(one, beta == 0.5 ? root : vec_mul(root, vec_sqrt(root)));
    }
    real lane[VLEN];
    vec_store(lane, d);
    for (int i = 0; i < VLEN; i++) lane[i] = pow_real(lane[i], -beta);
    return vec_load(lane);
}

void FC_NAME(lrn_gradient)(const fc_lrn_gradient_args *a);
void FC_NAME(lrn_gradient)(const fc_lrn_gradient_args *a) {
    const real *src = a->src, *grad = a->grad;
    real *dst = a->dst, *shared = a->scratch;
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
            vec d = vec_fma(factor, sum, k), p = power(d, a->beta);
            vec g = vec_mul(vec_load_n(grad + c * a->stride + x, lanes), p);
            vec_store_n(dst + c * a->stride + x, g, lanes);
            vec v = vec_load_n(src + c * a->stride + x, lanes);
            vec_store_n(shared + c * a->width + x, vec_div(vec_mul(g, v), d), lanes);
        }
    }
    const vec twice = vec_set1((real)(-2 * a->factor * a->beta));
    for (ptrdiff_t c = 0; c < a->channels; c++) { /* the windows that c is in */
        ptrdiff_t end = c + a->before + 1, first = end - a->size;
        if (first < 0) first = 0;
        if (end > a->channels) end = a->channels;
        for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
            const ptrdiff_t lanes = a->width - x < VLEN ? a->width - x : VLEN;
            vec sum = vec_zero();
            for (ptrdiff_t j = first; j < end; j++)
                sum = vec_add(sum, vec_load_n(shared + j * a->width + x, lanes));
            vec v = vec_mul(twice, vec_load_n(src + c * a->stride + x, lanes));
            real *at = dst + c * a->stride + x;
            vec_store_n(at, vec_fma(v, sum, vec_load_n(at, lanes)), lanes);
        }
    }
}
