/* vec_math.h: exponential and the activations, written once in the vocabulary of vec.h.
 *
 *   vec_exp(x)           e^x, within 1.5 ulp. Above the range Inf; below the normal range 0 (there is
 *                        no gradual underflow to rely on); exp(-Inf) = 0, exp(0) = 1
 *   vec_sigmoid(x)       1 / (1 + e^-x), within 3 ulp; 0 and 1 at the ends
 *   vec_tanh(x)          within 4 ulp, also near 0; odd bit for bit, -1 and 1 at the ends
 *   vec_expm1(x)         e^x - 1 for x <= 0, within 3 ulp, also near 0; -1 at the end
 *   vec_log1p(e)         ln(1 + e) for 0 <= e <= 1, within 3 ulp, also near 0
 *   vec_relu(x)          max(x, 0)
 *   vec_gelu(x)          x times the normal distribution up to x. The tail's relative error grows as
 *                        its condition does, with x^2
 *   vec_activate(x, a)   by fc_activation, where that takes no parameters
 *   vec_activate_with(x, a, alpha, beta)   by any fc_activation
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
#define EXPM1_X_MIN (-40.0)
#define LOG1P_TERMS 17 /* of the series of atanh on [0, 1/3] */
static const real exp_poly[] = {
    0x1.ad7e38e167506p-26, 0x1.28ae7908135d8p-22, 0x1.71df27c33abefp-19, 0x1.a01998fd42e01p-16,
    0x1.a01a012882c92p-13, 0x1.6c16c184889e3p-10, 0x1.111111112836cp-7,  0x1.55555555506eap-5,
    0x1.55555555554f7p-3,  0x1.000000000000ap-1};
#define GELU_CENTRE 5
#define GELU_Y_MAX 39 /* the tail is below the smallest number */
static const real gelu_poly[] = {
    0x1.3ede73244fae5p-29, -0x1.00e1714385c62p-27, -0x1.b7d110cdd84c9p-25, 0x1.8791c2e144d3ep-25,
    0x1.bde9f03a1944fp-22, -0x1.71a8b195b283bp-22, -0x1.721064a791439p-19, 0x1.0b95465573c0cp-18,
    0x1.17c7ef7b75348p-16, -0x1.a17702b430aa6p-15, -0x1.f211aa71d4a98p-15, 0x1.1daf372e6e078p-11,
    -0x1.a2503ebcba6d7p-11, -0x1.88590fa4e8409p-9, 0x1.54b4d4f9e7e93p-6, -0x1.1b1c254bf87c4p-4,
    0x1.51f6329ef95dap-3, -0x1.410ed5f877210p-2, 0x1.fb316538770ddp-2, -0x1.54ad03f27c9f7p-1,
    0x1.89d3abe1f95adp-1};
#else
#define EXP_LOG2E 0x1.715476p+0f
#define EXP_LN2_HIGH 0x1.63p-1f /* 9 bits */
#define EXP_LN2_LOW (-0x1.bd0106p-13f)
#define EXP_N_MAX 127
#define EXP_X_MIN (-88.0f) /* n = -127: a zero exponent field */
#define EXP_X_MAX 88.8f    /* n = 128, and past the largest finite result */
#define TANH_X_MAX 9.25f   /* 1 - tanh is below half an ulp */
#define EXPM1_X_MIN (-20.0f)
#define LOG1P_TERMS 8 /* of the series of atanh on [0, 1/3] */
static const real exp_poly[] = {0x1.6a21acp-10f, 0x1.123b6ap-7f, 0x1.5558fap-5f, 0x1.55549p-3f,
                                0x1.fffffcp-2f};
#define GELU_CENTRE 4
#define GELU_Y_MAX 14.5f /* the tail is below the smallest number */
static const real gelu_poly[] = {
    -0x1.fac3c4p-14f, 0x1.a1bd5ap-13f, 0x1.9ba3d8p-10f, -0x1.ce3166p-9f, -0x1.ed6108p-8f,
    0x1.eedaa4p-5f, -0x1.7dffa6p-3f, 0x1.8c6d8cp-2f, -0x1.373e3ap-1f, 0x1.82b4bcp-1f};
#endif
#define EXP_POLY_TERMS ((int)(sizeof exp_poly / sizeof exp_poly[0]))
#define GELU_POLY_TERMS ((int)(sizeof gelu_poly / sizeof gelu_poly[0]))

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

FC_INLINE vec vec_negate(vec x) { return vec_sub(vec_zero(), x); }

FC_INLINE vec vec_expm1(vec x) {
    vec t, m = vec_exp_reduced(vec_max(vec_set1(EXPM1_X_MIN), x), &t), scale = vec_exponent(t);
    return vec_fma(scale, m, vec_sub(scale, vec_set1(1)));
}

/* ln(1 + e) = 2 atanh(s), s = e / (2 + e). Twice s, which does not underflow before e does. */
FC_INLINE vec vec_log1p(vec e) {
    vec twice = vec_div(vec_add(e, e), vec_add(vec_set1(2), e));
    vec square = vec_mul(vec_mul(twice, vec_set1((real)0.25)), twice);
    vec sum = vec_set1((real)1 / (2 * LOG1P_TERMS - 1));
#pragma GCC unroll 32
    for (int k = LOG1P_TERMS - 2; k >= 0; k--)
        sum = vec_fma(sum, square, vec_set1((real)1 / (2 * k + 1)));
    return vec_mul(twice, sum);
}

/* x / (1 + e^-x): the quotient, not the product, keeps the tail's last bits. */
FC_INLINE vec vec_silu(vec x) {
    return vec_div(x, vec_add(vec_set1(1), vec_exp(vec_negate(x))));
}

FC_INLINE vec vec_hardsigmoid(vec x) {
    vec six = vec_set1(6);
    return vec_div(vec_min(six, vec_relu(vec_add(x, vec_set1(3)))), six);
}

/* The normal distribution F up to x, and *power = e^(-x^2 / 2). The tail F(-y) = R(y) e^(-y^2 / 2) for
 * y = |x|, with R from tools/fit_gelu.py; what y * y loses in rounding is given back where there is FMA.
 * F(x) = 1 - F(-x). */
FC_INLINE vec vec_normal(vec x, vec *power) {
    vec y = vec_min(vec_set1(GELU_Y_MAX), vec_max(vec_negate(x), x)), centre = vec_set1(GELU_CENTRE);
    vec reach = vec_add(y, centre), s = vec_div(vec_sub(y, centre), reach);
    vec ratio = vec_set1(gelu_poly[0]);
#pragma GCC unroll 32
    for (int i = 1; i < GELU_POLY_TERMS; i++) ratio = vec_fma(ratio, s, vec_set1(gelu_poly[i]));
    vec half = vec_set1((real)-0.5), square = vec_mul(y, y);
    vec lost = vec_fma(y, y, vec_negate(square));
    vec rounded = vec_exp(vec_mul(half, square));
    *power = vec_fma(vec_mul(half, lost), rounded, rounded);
    vec tail = vec_mul(vec_div(ratio, reach), *power);
    return vec_where_gt(x, vec_zero(), vec_sub(vec_set1(1), tail), tail);
}

FC_INLINE vec vec_gelu(vec x) {
    vec power;
    return vec_mul(x, vec_normal(x, &power));
}

/* 0.5 x (1 + tanh u) = x / (1 + e^(-2u)), 2u = sqrt(8/pi) (x + 0.044715 x^3) */
FC_INLINE vec vec_gelu_tanh(vec x) {
    vec cubic = vec_fma(vec_mul(x, x), vec_set1((real)0.044715), vec_set1(1));
    vec twice = vec_mul(vec_mul(x, vec_set1((real)1.5957691216057308)), cubic);
    return vec_div(x, vec_add(vec_set1(1), vec_exp(vec_negate(twice))));
}

/* ln(1 + e^z) / beta, z = beta x; the sum of max(z, 0) and ln(1 + e^-|z|) overflows nowhere. */
FC_INLINE vec vec_softplus(vec x, real beta, real threshold) {
    vec z = vec_mul(vec_set1(beta), x), small = vec_exp(vec_min(vec_negate(z), z));
    vec soft = vec_div(vec_add(vec_max(z, vec_zero()), vec_log1p(small)), vec_set1(beta));
    return vec_where_gt(z, vec_set1(threshold), x, soft);
}

/* The cheap ones first, so that an epilogue pays one predictable branch for them. */
FC_INLINE vec vec_activate(vec x, int activation) {
    if (activation == FC_ACT_NONE) return x;
    if (activation == FC_ACT_RELU) return vec_relu(x);
    if (activation == FC_ACT_RELU6) return vec_min(vec_set1(6), vec_relu(x));
    switch (activation) {
    case FC_ACT_SIGMOID:
        return vec_sigmoid(x);
    case FC_ACT_TANH:
        return vec_tanh(x);
    case FC_ACT_SILU:
        return vec_silu(x);
    case FC_ACT_HARDSIGMOID:
        return vec_hardsigmoid(x);
    case FC_ACT_HARDSWISH:
        return vec_mul(x, vec_hardsigmoid(x));
    case FC_ACT_GELU:
        return vec_gelu(x);
    default:
        return vec_gelu_tanh(x);
    }
}

FC_INLINE vec vec_activate_with(vec x, int activation, real alpha, real beta) {
    switch (activation) {
    case FC_ACT_LEAKY_RELU:
        return vec_where_gt(x, vec_zero(), x, vec_mul(vec_set1(alpha), x));
    case FC_ACT_ELU:
        return vec_where_gt(x, vec_zero(), x, vec_mul(vec_set1(alpha), vec_expm1(x)));
    case FC_ACT_SOFTPLUS:
        return vec_softplus(x, alpha, beta);
    default:
        return vec_activate(x, activation);
    }
}

#endif
