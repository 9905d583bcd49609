/* vec_sse2.h: the x86-64 baseline. No FMA: multiply, then add. */
#include <emmintrin.h>

#if FC_REAL_IS_F64
typedef __m128d vec;
#define VLEN 2
#define MM(op) FC_CAT2(_mm_, FC_CAT2(op, _pd))
#else
typedef __m128 vec;
#define VLEN 4
#define MM(op) FC_CAT2(_mm_, FC_CAT2(op, _ps))
#endif
/* 4 x 2 accumulators, 2 weights, a broadcast and a product: 12 of 16 registers, no spill. */
#define TILE_PIXELS 4

FC_INLINE vec vec_zero(void) { return MM(setzero)(); }
FC_INLINE vec vec_set1(real s) { return MM(set1)(s); }
FC_INLINE vec vec_load(const real *p) { return MM(loadu)(p); }
FC_INLINE void vec_store(real *p, vec v) { MM(storeu)(p, v); }
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
FC_INLINE vec vec_add(vec a, vec b) { return MM(add)(a, b); }
FC_INLINE vec vec_sub(vec a, vec b) { return MM(sub)(a, b); }
FC_INLINE vec vec_mul(vec a, vec b) { return MM(mul)(a, b); }
FC_INLINE vec vec_div(vec a, vec b) { return MM(div)(a, b); }
FC_INLINE vec vec_fma(vec a, vec b, vec c) { return MM(add)(MM(mul)(a, b), c); }
FC_INLINE vec vec_max(vec a, vec b) { return MM(max)(a, b); }
FC_INLINE vec vec_min(vec a, vec b) { return MM(min)(a, b); }
FC_INLINE vec vec_sqrt(vec a) { return MM(sqrt)(a); }
FC_INLINE vec vec_where_gt(vec a, vec b, vec x, vec y) {
    vec greater = MM(cmpgt)(a, b);
    return MM(or)(MM(and)(greater, x), MM(andnot)(greater, y));
}
FC_INLINE vec vec_keep_nan(vec x, vec r) {
    vec nan = MM(cmpunord)(x, x);
    return MM(or)(MM(and)(nan, x), MM(andnot)(nan, r));
}
#if FC_REAL_IS_F64
FC_INLINE vec vec_exponent(vec t) {
    return _mm_castsi128_pd(_mm_slli_epi64(_mm_castpd_si128(t), 52));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a = _mm_unpacklo_pd(r[0], r[1]), b = _mm_unpackhi_pd(r[0], r[1]);
    r[0] = a;
    r[1] = b;
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    *even = _mm_unpacklo_pd(a, b);
    *odd = _mm_unpackhi_pd(a, b);
}
#else
FC_INLINE vec vec_exponent(vec t) {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(t), 23));
}
FC_INLINE void vec_transpose(vec r[VLEN]) { _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]); }
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    *even = _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0));
    *odd = _mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1));
}
#endif
#undef MM
