/* vec_neon.h: AArch64 Advanced SIMD. */
#include <arm_neon.h>

#if FC_REAL_IS_F64
typedef float64x2_t vec;
#define VLEN 2
#define MM(op) FC_CAT2(op, _f64)
#else
typedef float32x4_t vec;
#define VLEN 4
#define MM(op) FC_CAT2(op, _f32)
#endif
/* 12 x 2 accumulators, 2 weights and a broadcast: 27 of 32 registers. */
#define TILE_PIXELS 12

FC_INLINE vec vec_set1(real s) { return MM(vdupq_n)(s); }
FC_INLINE vec vec_zero(void) { return vec_set1(0); }
FC_INLINE vec vec_load(const real *p) { return MM(vld1q)(p); }
FC_INLINE void vec_store(real *p, vec v) { MM(vst1q)(p, v); }
FC_INLINE vec vec_load_n(const real *p, ptrdiff_t n) {
    if (n >= VLEN) return vec_load(p);
    real lanes[VLEN] = {0};
    for (ptrdiff_t i = 0; i < n; i++) lanes[i] = p[i];
    return vec_load(lanes);
}
FC_INLINE void vec_store_n(real *p, vec v, ptrdiff_t n) {
    if (n >= VLEN) {
        vec_store(p, v);
        return;
    }
    real lanes[VLEN];
    vec_store(lanes, v);
    for (ptrdiff_t i = 0; i < n; i++) p[i] = lanes[i];
}
FC_INLINE vec vec_add(vec a, vec b) { return MM(vaddq)(a, b); }
FC_INLINE vec vec_sub(vec a, vec b) { return MM(vsubq)(a, b); }
FC_INLINE vec vec_mul(vec a, vec b) { return MM(vmulq)(a, b); }
FC_INLINE vec vec_div(vec a, vec b) { return MM(vdivq)(a, b); }
FC_INLINE vec vec_fma(vec a, vec b, vec c) { return MM(vfmaq)(c, a, b); }
/* FMAX passes either NaN on; the vocabulary wants b when unordered, as x86 does. */
FC_INLINE vec vec_max(vec a, vec b) { return MM(vbslq)(MM(vcgtq)(a, b), a, b); }
FC_INLINE vec vec_min(vec a, vec b) { return MM(vbslq)(MM(vcltq)(a, b), a, b); }
FC_INLINE vec vec_sqrt(vec a) { return MM(vsqrtq)(a); }
FC_INLINE vec vec_where_gt(vec a, vec b, vec x, vec y) { return MM(vbslq)(MM(vcgtq)(a, b), x, y); }
FC_INLINE vec vec_keep_nan(vec x, vec r) { return MM(vbslq)(MM(vceqq)(x, x), r, x); }
FC_INLINE vec vec_where_greatest(vec x, vec sofar, vec a, vec b) {
    return MM(vbslq)(MM(vcgtq)(x, sofar), a, MM(vbslq)(MM(vceqq)(x, x), b, a));
}
#if FC_REAL_IS_F64
FC_INLINE vec vec_exponent(vec t) {
    return vreinterpretq_f64_u64(vshlq_n_u64(vreinterpretq_u64_f64(t), 52));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a = vzip1q_f64(r[0], r[1]), b = vzip2q_f64(r[0], r[1]);
    r[0] = a;
    r[1] = b;
}
#else
FC_INLINE vec vec_bf16_low(const uint32_t *p) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vld1q_u32(p), 16));
}
FC_INLINE vec vec_bf16_high(const uint32_t *p) {
    return vreinterpretq_f32_u32(vandq_u32(vld1q_u32(p), vdupq_n_u32(0xffff0000)));
}
FC_INLINE vec vec_exponent(vec t) {
    return vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(t), 23));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a = vzip1q_f32(r[0], r[2]), b = vzip2q_f32(r[0], r[2]);
    vec c = vzip1q_f32(r[1], r[3]), d = vzip2q_f32(r[1], r[3]);
    r[0] = vzip1q_f32(a, c);
    r[1] = vzip2q_f32(a, c);
    r[2] = vzip1q_f32(b, d);
    r[3] = vzip2q_f32(b, d);
}
#endif
FC_INLINE vec vec_before(vec a, vec b) { return MM(vextq)(a, b, VLEN - 1); }
FC_INLINE vec vec_behind(vec a, vec b) { return MM(vextq)(a, b, 1); }
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    *even = MM(vuzp1q)(a, b);
    *odd = MM(vuzp2q)(a, b);
}
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    *low = MM(vzip1q)(a, b);
    *high = MM(vzip2q)(a, b);
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) {
    *low = MM(vzip1q)(v, v);
    *high = MM(vzip2q)(v, v);
}
#undef MM
