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
#if FC_REAL_IS_F64
FC_INLINE vec vec_load_n(const real *p, ptrdiff_t n) {
    return n >= VLEN ? vec_load(p) : n > 0 ? _mm_load_sd(p) : vec_zero();
}
FC_INLINE void vec_store_n(real *p, vec v, ptrdiff_t n) {
    if (n >= VLEN)
        vec_store(p, v);
    else if (n > 0)
        _mm_store_sd(p, v);
}
#else
FC_INLINE vec vec_load_n(const real *p, ptrdiff_t n) {
    if (n >= VLEN) return vec_load(p);
    if (n <= 0) return vec_zero();
    if (n == 1) return _mm_load_ss(p);
    const vec two = _mm_loadl_pi(vec_zero(), (const __m64 *)(const void *)p);
    return n == 2 ? two : _mm_movelh_ps(two, _mm_load_ss(p + 2));
}
FC_INLINE void vec_store_n(real *p, vec v, ptrdiff_t n) {
    if (n >= VLEN) {
        vec_store(p, v);
        return;
    }
    if (n >= 2) _mm_storel_pi((__m64 *)(void *)p, v);
    if (n == 3) _mm_store_ss(p + 2, _mm_movehl_ps(v, v));
    if (n == 1) _mm_store_ss(p, v);
}
#endif
/* A window into this row gives the mask of the first n lanes. */
#if FC_REAL_IS_F64
static const int64_t vec_mask_row[2 * VLEN] = {-1, -1};
#else
static const int32_t vec_mask_row[2 * VLEN] = {-1, -1, -1, -1};
#endif
#define VEC_LOAD_OR
FC_INLINE vec vec_load_or(const real *p, ptrdiff_t n, vec v) {
    if (n >= VLEN) return vec_load(p);
    if (n <= 0) return v;
    const vec mask = MM(loadu)((const real *)(const void *)(vec_mask_row + VLEN - n));
    return MM(or)(vec_load_n(p, n), MM(andnot)(mask, v));
}
FC_INLINE vec vec_add(vec a, vec b) { return MM(add)(a, b); }
FC_INLINE vec vec_sub(vec a, vec b) { return MM(sub)(a, b); }
FC_INLINE vec vec_mul(vec a, vec b) { return MM(mul)(a, b); }
FC_INLINE vec vec_div(vec a, vec b) { return MM(div)(a, b); }
FC_INLINE vec vec_fma(vec a, vec b, vec c) { return MM(add)(MM(mul)(a, b), c); }
FC_INLINE vec vec_max(vec a, vec b) { return MM(max)(a, b); }
FC_INLINE vec vec_min(vec a, vec b) { return MM(min)(a, b); }
#define VEC_GREATEST
FC_INLINE vec vec_greatest(vec x, vec sofar) {
    return MM(or)(MM(max)(x, sofar), MM(cmpunord)(x, x)); /* all bits set are a NaN too */
}
FC_INLINE vec vec_where_greatest(vec x, vec sofar, vec a, vec b) {
    const vec taken = MM(or)(MM(cmpgt)(x, sofar), MM(cmpunord)(x, x));
    return MM(or)(MM(and)(taken, a), MM(andnot)(taken, b));
}
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
FC_INLINE vec vec_before(vec a, vec b) { return _mm_shuffle_pd(a, b, 1); }
FC_INLINE vec vec_behind(vec a, vec b) { return _mm_shuffle_pd(a, b, 1); }
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    *even = _mm_unpacklo_pd(a, b);
    *odd = _mm_unpackhi_pd(a, b);
}
#else
FC_INLINE vec vec_bf16_low(const uint32_t *p) {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_loadu_si128((const __m128i *)(const void *)p), 16));
}
FC_INLINE vec vec_bf16_high(const uint32_t *p) {
    const __m128i words = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm_castsi128_ps(_mm_and_si128(words, _mm_set1_epi32((int)0xffff0000)));
}
FC_INLINE vec vec_exponent(vec t) {
    return _mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(t), 23));
}
FC_INLINE void vec_transpose(vec r[VLEN]) { _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]); }
FC_INLINE vec vec_before(vec a, vec b) {
    return _mm_shuffle_ps(_mm_shuffle_ps(a, b, _MM_SHUFFLE(0, 0, 3, 3)), b,
                          _MM_SHUFFLE(2, 1, 2, 0));
}
FC_INLINE vec vec_behind(vec a, vec b) {
    const vec turned = _mm_move_ss(a, b);
    return _mm_shuffle_ps(turned, turned, _MM_SHUFFLE(0, 3, 2, 1));
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    *even = _mm_shuffle_ps(a, b, _MM_SHUFFLE(2, 0, 2, 0));
    *odd = _mm_shuffle_ps(a, b, _MM_SHUFFLE(3, 1, 3, 1));
}
#endif
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    *low = MM(unpacklo)(a, b);
    *high = MM(unpackhi)(a, b);
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) {
    *low = MM(unpacklo)(v, v);
    *high = MM(unpackhi)(v, v);
}
#undef MM
