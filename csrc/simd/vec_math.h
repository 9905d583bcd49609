/* vec_math.h: exponential and the activations, written once in the vocabulary of vec.h.
 *
 *   vec_exp(x)           e^x, within 1.5 ulp. Above the range Inf; below the normal range 0 (there is
 *                        no gradual underflow to rely on); exp(-Inf) = 0, exp(0) = 1
 *   vec_sigmoid(x)       1 / (1 + e^-x), within 3 ulp; 0 and 1 at the ends
 *   vec_tanh(x)          within 4 ulp, also near 0; odd bit for bit, -1 and 1 at the ends
 *   vec_relu(x)          max(x, 0)
 *   vec_activate(x, a)   by fc_activation
 *
 * NaN goes in and NaN comes out of all of them: vec_max(a, b) and vec_min(a, b) give b when
 * unordered, so every clamp below has x second.
 *
 * Exponential: n = round(x / ln 2), r = x - n ln 2, e^x = 2^n e^r with |r| <= ln 2 / 2. ln 2 comes in
 * two parts of which n * EXP_LN2_HIGH is exact, so that tiers without FMA lose nothing. e^r is
 * 1 + r + r^2 c(r); c is the minimax polynomial of the relative error of e^r on |r| <= 0.3475
 * (Remez; 3.1e-9 for float32, 3.7e-18 for float64 before its coefficients are rounded). */
#ifndef FC_SIMD_VEC_MATH_H
#define FC_SIMD_VEC_MATH_H

#include "fastconv.h"
#include "vec.h"

#if FC_REAL_IS_F64
#define EXP_LOG2E 0x1.71547652b82fep+0
#define EXP_LN2_HIGH 0x1.62e42feep-1 /* 32 bits */
#define EXP_LN2_LOW 0x1.a39ef35793c76p-33
#define EXP_N_MAX 1023
#define EXP_X_MIN (-709.0) /* n = -1023: a zero exponent field */
#define EXP_X_MAX 709.9    /* n = 1024, and past the largest finite result */
#define TANH_X_MAX 19.5    /* 1 - tanh is below half an ulp */
static const real exp_poly[] = {
    0x1.ad7e38e167506p-26, 0x1.28ae7908135d8p-22, 0x1.71df27c33abefp-19, 0x1.a01998fd42e01p-16,
    0x1.a01a012882c92p-13, 0x1.6c16c184889e3p-10, 0x1.111111112836cp-7,  0x1.55555555506eap-5,
    0x1.55555555554f7p-3,  0x1.000000000000ap-1};
#else
#define EXP_LOG2E 0x1.715476p+0f
#define EXP_LN2_HIGH 0x1.63p-1f /* 9 bits */
#define EXP_LN2_LOW (-0x1.bd0106p-13f)
#define EXP_N_MAX 127
#define EXP_X_MIN (-88.0f) /* n = -127: a zero exponent field */
#define EXP_X_MAX 88.8f    /* n = 128, and past the largest finite result */
#define TANH_X_MAX 9.25f   /* 1 - tanh is below half an ulp */
static const real exp_poly[] = {0x1.6a21acp-10f, 0x1.123b6ap-7f, 0x1.5558fap-5f, 0x1.55549p-3f,
                                0x1.fffffcp-2f};
#endif
#define EXP_POLY_TERMS ((int)(sizeof exp_poly / sizeof exp_poly[0]))

/* e^r - 1 for the remainder of x after n ln 2; *t receives n + EXP_MAGIC. */
FC_INLINE vec vec_exp_reduced(vec x, vec *t) {
    *t = vec_fma(x, vec_set1(EXP_LOG2E), vec_set1(EXP_MAGIC));
    vec n = vec_sub(*t, vec_set1(EXP_MAGIC));
    vec r = vec_fma(n, vec_set1(-EXP_LN2_HIGH), x);
    r = vec_fma(n, vec_set1(-EXP_LN2_LOW), r);
    vec c = vec_set1(exp_poly[0]);
#pragma GCC unroll 16
    for (int i = 1; i < EXP_POLY_TERMS; i++) c = vec_fma(c, r, vec_set1(exp_poly[i]));
    return vec_fma(vec_mul(r, r), c, r);
}

FC_INLINE vec vec_exp(vec x) {
    x = vec_min(vec_set1(EXP_X_MAX), vec_max(vec_set1(EXP_X_MIN), x));
    vec t, m = vec_exp_reduced(x, &t);
    /* 2^(EXP_N_MAX + 1) is not a number of the type, though e^x may still be one. Such a result is
     * made from half of it: `over` is 1 then, otherwise 0. */
    vec most = vec_min(vec_set1(EXP_MAGIC + EXP_N_MAX), t), over = vec_sub(t, most);
    vec result = vec_mul(vec_add(m, vec_set1(1)), vec_exponent(most));
    return vec_fma(result, over, result);
}

FC_INLINE vec vec_relu(vec x) {
    /* x > 0 rather than 0 > x: where subnormals count as zero, a negative one must become 0 */
    return vec_keep_nan(x, vec_max(x, vec_zero()));
}

FC_INLINE vec vec_sigmoid(vec x) {
    vec one = vec_set1(1);
    return vec_div(one, vec_add(one, vec_exp(vec_sub(vec_zero(), x))));
}

/* tanh |x| = e / (e + 2), e = expm1(2 |x|): no cancellation near 0. */
FC_INLINE vec vec_tanh(vec x) {
    vec twice = vec_add(x, x);
    vec y = vec_min(vec_set1(2 * TANH_X_MAX), vec_max(vec_sub(vec_zero(), twice), twice));
    vec t, m = vec_exp_reduced(y, &t), scale = vec_exponent(t);
    vec e = vec_fma(scale, m, vec_sub(scale, vec_set1(1)));
    vec size = vec_div(e, vec_add(e, vec_set1(2)));
    /* The sign comes back by clamping 2x, which is at least as large as tanh |x|; keeps -0. */
    return vec_max(vec_sub(vec_zero(), size), vec_min(size, twice));
}

/* The cheap ones first, so that an epilogue pays one predictable branch for them. */
FC_INLINE vec vec_activate(vec x, int activation) {
    if (activation == FC_ACT_NONE) return x;
    if (activation == FC_ACT_RELU) return vec_relu(x);
    if (activation == FC_ACT_RELU6) return vec_min(vec_set1(6), vec_relu(x));
    return activation == FC_ACT_SIGMOID ? vec_sigmoid(x) : vec_tanh(x);
}

#endif
