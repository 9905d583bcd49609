/* activate_gradient.c: the gradient of an activation, one pass over the gradient by its result and what
 * the forward pass saved. Contract in ukr_elements.h. */
#include <float.h>

#include "../simd/vec.h"
#include "../simd/vec_math.h"
#include "ukr.h"

/* The smallest number that counts as positive: TINY > y is y <= 0, and false for NaN, where PyTorch
 * lets the gradient of ReLU through. float32 subnormals count as 0 in here. */
#if FC_REAL_IS_F64
#define TINY 0x1p-1074
#define BELOW_THREE 0x1.7ffffffffffffp+1
#else
#define TINY FLT_MIN
#define BELOW_THREE 0x1.7ffffep+1f
#endif
#define ABOVE_MINUS_THREE (-BELOW_THREE)
#define DENSITY ((real)0.39894228040143267794) /* 1 / sqrt(2 pi) */

FC_INLINE vec one_less(vec x) { return vec_sub(vec_set1(1), x); }

/* g (s + x s (1 - s)), s = sigmoid(x) */
FC_INLINE vec silu_gradient(vec g, vec x) {
    vec s = vec_sigmoid(x);
    return vec_mul(g, vec_mul(s, vec_fma(x, one_less(s), vec_set1(1))));
}

/* x <= -3: 0; x < 3: g (x/3 + 1/2); else g. A NaN takes the middle one. */
FC_INLINE vec hardswish_gradient(vec g, vec x) {
    vec middle = vec_mul(g, vec_add(vec_div(x, vec_set1(3)), vec_set1((real)0.5)));
    vec lower = vec_where_gt(vec_set1(ABOVE_MINUS_THREE), x, vec_zero(), middle);
    return vec_where_gt(x, vec_set1(BELOW_THREE), g, lower);
}

FC_INLINE vec gelu_gradient(vec g, vec x) {
    vec power, below = vec_normal(x, &power);
    return vec_mul(g, vec_fma(vec_mul(x, vec_set1(DENSITY)), power, below));
}

/* g (s + 2 x s (1 - s) u'), s = sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3) */
FC_INLINE vec gelu_tanh_gradient(vec g, vec x) {
    vec square = vec_mul(x, x), k2 = vec_set1((real)1.5957691216057308);
    vec cubic = vec_fma(square, vec_set1((real)0.044715), vec_set1(1));
    vec slope = vec_mul(k2, vec_fma(square, vec_set1((real)(3 * 0.044715)), vec_set1(1)));
    vec s = vec_sigmoid(vec_mul(vec_mul(x, k2), cubic));
    return vec_mul(g, vec_fma(vec_mul(x, slope), vec_mul(s, one_less(s)), s));
}

FC_INLINE vec gradient(vec g, vec v, const int activation, real alpha, real beta) {
    const vec zero = vec_zero();
    switch (activation) {
    case FC_ACT_RELU:
        return vec_where_gt(vec_set1(TINY), v, zero, g);
    case FC_ACT_RELU6:
        return vec_where_gt(v, zero, vec_where_gt(vec_set1(6), v, g, zero), zero);
    case FC_ACT_SIGMOID:
        return vec_mul(g, vec_mul(one_less(v), v));
    case FC_ACT_TANH:
        return vec_mul(g, vec_mul(one_less(v), vec_add(vec_set1(1), v)));
    case FC_ACT_SILU:
        return silu_gradient(g, v);
    case FC_ACT_HARDSIGMOID: {
        vec sixth = vec_div(g, vec_set1(6));
        return vec_where_gt(v, zero, vec_where_gt(vec_set1(1), v, sixth, zero), zero);
    }
    case FC_ACT_HARDSWISH:
        return hardswish_gradient(g, v);
    case FC_ACT_GELU:
        return gelu_gradient(g, v);
    case FC_ACT_GELU_TANH:
        return gelu_tanh_gradient(g, v);
    case FC_ACT_LEAKY_RELU:
        return vec_where_gt(v, zero, g, vec_mul(vec_set1(alpha), g));
    case FC_ACT_ELU:
        return vec_where_gt(v, zero, g, vec_mul(g, vec_mul(vec_set1(alpha), vec_exp(v))));
    case FC_ACT_SOFTPLUS: {
        vec z = vec_mul(vec_set1(alpha), v);
        return vec_where_gt(z, vec_set1(beta), g, vec_mul(g, vec_sigmoid(z)));
    }
    default:
        return g;
    }
}

FC_INLINE void all(const fc_activate_gradient_args *a, const int activation) {
    const real *grad = a->grad, *saved = a->saved, alpha = (real)a->alpha, beta = (real)a->beta;
    real *dst = a->dst;
    ptrdiff_t i = 0;
    /* the cheap ones in groups: loads of several vectors are under way at once */
    for (; activation <= FC_ACT_RELU6 && i + 4 * VLEN <= a->count; i += 4 * VLEN) {
        vec v[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            v[k] = gradient(vec_load(grad + i + k * VLEN), vec_load(saved + i + k * VLEN), activation,
                            alpha, beta);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) vec_store(dst + i + k * VLEN, v[k]);
    }
    for (; i + VLEN <= a->count; i += VLEN)
        vec_store(dst + i,
                  gradient(vec_load(grad + i), vec_load(saved + i), activation, alpha, beta));
    const ptrdiff_t left = a->count - i;
    if (left > 0)
        vec_store_n(dst + i,
                    gradient(vec_load_n(grad + i, left), vec_load_n(saved + i, left), activation,
                             alpha, beta),
                    left);
}

void FC_NAME(activate_gradient)(const fc_activate_gradient_args *a);
void FC_NAME(activate_gradient)(const fc_activate_gradient_args *a) {
    switch (a->activation) {
#define FC_CASE(activation) \
    case activation:        \
        all(a, activation); \
        break;
#include "activations.inc"
    default:
        all(a, FC_ACT_NONE);
    }
}
