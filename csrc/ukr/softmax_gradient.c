/* softmax_gradient.c: the gradient of softmax and of its logarithm, from the result. Contract in
 * ukr.h. */
#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

FC_INLINE real sum_of_lanes(vec sum) {
    real lane[VLEN];
    vec_store(lane, sum);
    for (int half = VLEN / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    return lane[0];
}

FC_INLINE vec sum_step(vec sum, vec y, vec g, const int logarithm) {
    return logarithm ? vec_add(sum, g) : vec_fma(y, g, sum);
}

FC_INLINE vec last_step(vec sum, vec y, vec g, const int logarithm) {
    return logarithm ? vec_sub(g, vec_mul(vec_exp(y), sum)) : vec_mul(y, vec_sub(g, sum));
}

FC_INLINE void row(const fc_softmax_gradient_args *a, const int logarithm) {
    const real *result = a->result, *grad = a->grad;
    vec sum = vec_zero();
    for (ptrdiff_t l = 0; l < a->length; l += VLEN) { /* lanes past the end add 0 */
        const ptrdiff_t lanes = a->length - l < VLEN ? a->length - l : VLEN;
        sum = sum_step(sum, vec_load_n(result + l, lanes), vec_load_n(grad + l, lanes), logarithm);
    }
    sum = vec_set1(sum_of_lanes(sum));
    for (ptrdiff_t l = 0; l < a->length; l += VLEN) {
        const ptrdiff_t lanes = a->length - l < VLEN ? a->length - l : VLEN;
        vec y = vec_load_n(result + l, lanes), g = vec_load_n(grad + l, lanes);
        vec_store_n((real *)a->dst + l, last_step(sum, y, g, logarithm), lanes);
    }
}

FC_INLINE void columns(const fc_softmax_gradient_args *a, const int logarithm) {
    const real *result = a->result, *grad = a->grad;
    for (ptrdiff_t x = 0; x < a->width; x += VLEN) {
        const ptrdiff_t lanes = a->width - x < VLEN ? a->width - x : VLEN;
        vec sum = vec_zero();
        for (ptrdiff_t l = 0; l < a->length; l++)
            sum = sum_step(sum, vec_load_n(result + l * a->stride + x, lanes),
                           vec_load_n(grad + l * a->stride + x, lanes), logarithm);
        for (ptrdiff_t l = 0; l < a->length; l++) {
            vec y = vec_load_n(result + l * a->stride + x, lanes);
            vec g = vec_load_n(grad + l * a->stride + x, lanes);
            vec_store_n((real *)a->dst + l * a->stride + x, last_step(sum, y, g, logarithm), lanes);
        }
    }
}

FC_INLINE void all(const fc_softmax_gradient_args *a, const int logarithm) {
    if (a->stride == 1 && a->width == 1)
        row(a, logarithm);
    else
        columns(a, logarithm);
}

void FC_NAME(softmax_gradient)(const fc_softmax_gradient_args *a);
void FC_NAME(softmax_gradient)(const fc_softmax_gradient_args *a) {
    if (a->logarithm)
        all(a, 1);
    else
        all(a, 0);
}
