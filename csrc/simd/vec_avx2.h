/* vec_avx2.h: AVX2 with FMA3. */
#include <immintrin.h>

#if FC_REAL_IS_F64
typedef __m256d vec;
#define VLEN 4
#define MM(op) FC_CAT2(_mm256_, FC_CAT2(op, _pd))
#else
typedef __m256 vec;
#define VLEN 8
#define MM(op) FC_CAT2(_mm256_, FC_CAT2(op, _ps))
#endif
/* 6 x 2 accumulators, 2 weights and a broadcast: 15 of 16 registers. */
#define TILE_PIXELS 6

/* A window into this row gives the mask of the first n lanes. */
#if FC_REAL_IS_F64
static const int64_t vec_mask_row[2 * VLEN] = {-1, -1, -1, -1};
#else
static const int32_t vec_mask_row[2 * VLEN] = {-1, -1, -1, -1, -1, -1, -1, -1};
#endif
FC_INLINE __m256i vec_mask(ptrdiff_t n) {
    return _mm256_loadu_si256((const __m256i *)(vec_mask_row + VLEN - n));
}

FC_INLINE vec vec_zero(void) { return MM(setzero)(); }
FC_INLINE vec vec_set1(real s) { return MM(set1)(s); }
FC_INLINE vec vec_load(const real *p) { return MM(loadu)(p); }
FC_INLINE void vec_store(real *p, vec v) { MM(storeu)(p, v); }
FC_INLINE vec vec_load_n(const real *p, ptrdiff_t n) {
    return n >= VLEN ? vec_load(p) : MM(maskload)(p, vec_mask(n));
}
#if FC_REAL_IS_F64
#define VEC_AS_REAL _mm256_castsi256_pd
#define VEC_AS_BITS _mm256_castpd_si256
#else
#define VEC_AS_REAL _mm256_castsi256_ps
#define VEC_AS_BITS _mm256_castps_si256
#endif
#define VEC_LOAD_OR
FC_INLINE vec vec_load_or(const real *p, ptrdiff_t n, vec v) {
    if (n >= VLEN) return vec_load(p);
    if (n <= 0) return v;
    const __m256i mask = vec_mask(n);
    return MM(blendv)(v, MM(maskload)(p, mask), VEC_AS_REAL(mask));
}
/* The upper half of a and the lower of b lie between the halves that each lane is cut from. */
FC_INLINE vec vec_before(vec a, vec b) {
    const __m256i middle = _mm256_permute2x128_si256(VEC_AS_BITS(a), VEC_AS_BITS(b), 0x21);
    return VEC_AS_REAL(_mm256_alignr_epi8(VEC_AS_BITS(b), middle, 16 - sizeof(real)));
}
FC_INLINE vec vec_behind(vec a, vec b) {
    const __m256i middle = _mm256_permute2x128_si256(VEC_AS_BITS(a), VEC_AS_BITS(b), 0x21);
    return VEC_AS_REAL(_mm256_alignr_epi8(middle, VEC_AS_BITS(a), sizeof(real)));
}
#undef VEC_AS_REAL
#undef VEC_AS_BITS
/* Fewer than VLEN lanes, piece by piece: a masked store takes 20 cycles on Zen 1 to Zen 4. Apart, for it is
 * called from a great many places. */
static __attribute__((noinline, unused)) void vec_store_part(real *p, vec v, ptrdiff_t n) {
#if FC_REAL_IS_F64
    __m128d low = _mm256_castpd256_pd128(v);
    if (n & 2) {
        _mm_storeu_pd(p, low);
        low = _mm256_extractf128_pd(v, 1);
    }
    if (n & 1) _mm_store_sd(p + (n & 2), low);
#else
    __m128 low = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, low);
        low = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, low);
        low = _mm_movehl_ps(low, low);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, low);
#endif
}
FC_INLINE void vec_store_n(real *p, vec v, ptrdiff_t n) {
    if (n >= VLEN)
        vec_store(p, v);
    else
        vec_store_part(p, v, n);
}
FC_INLINE vec vec_add(vec a, vec b) { return MM(add)(a, b); }
FC_INLINE vec vec_sub(vec a, vec b) { return MM(sub)(a, b); }
FC_INLINE vec vec_mul(vec a, vec b) { return MM(mul)(a, b); }
FC_INLINE vec vec_div(vec a, vec b) { return MM(div)(a, b); }
FC_INLINE vec vec_fma(vec a, vec b, vec c) { return MM(fmadd)(a, b, c); }
FC_INLINE vec vec_max(vec a, vec b) { return MM(max)(a, b); }
FC_INLINE vec vec_min(vec a, vec b) { return MM(min)(a, b); }
#define VEC_GREATEST
FC_INLINE vec vec_greatest(vec x, vec sofar) {
    return MM(or)(MM(max)(x, sofar), MM(cmp)(x, x, _CMP_UNORD_Q)); /* all bits set are a NaN too */
}
FC_INLINE vec vec_where_greatest(vec x, vec sofar, vec a, vec b) {
    const vec greater = MM(cmp)(x, sofar, _CMP_GT_OQ), nan = MM(cmp)(x, x, _CMP_UNORD_Q);
    return MM(blendv)(b, a, MM(or)(greater, nan));
}
FC_INLINE vec vec_sqrt(vec a) { return MM(sqrt)(a); }
FC_INLINE vec vec_where_gt(vec a, vec b, vec x, vec y) {
    return MM(blendv)(y, x, MM(cmp)(a, b, _CMP_GT_OQ));
}
FC_INLINE vec vec_keep_nan(vec x, vec r) { return MM(blendv)(r, x, MM(cmp)(x, x, _CMP_UNORD_Q)); }
#if FC_REAL_IS_F64
FC_INLINE vec vec_exponent(vec t) {
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(t), 52));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a = _mm256_unpacklo_pd(r[0], r[1]), b = _mm256_unpackhi_pd(r[0], r[1]);
    vec c = _mm256_unpacklo_pd(r[2], r[3]), d = _mm256_unpackhi_pd(r[2], r[3]);
    r[0] = _mm256_permute2f128_pd(a, c, 0x20);
    r[1] = _mm256_permute2f128_pd(b, d, 0x20);
    r[2] = _mm256_permute2f128_pd(a, c, 0x31);
    r[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    vec lo = _mm256_permute2f128_pd(a, b, 0x20), hi = _mm256_permute2f128_pd(a, b, 0x31);
    *even = _mm256_unpacklo_pd(lo, hi);
    *odd = _mm256_unpackhi_pd(lo, hi);
}
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    const vec lo = _mm256_unpacklo_pd(a, b), hi = _mm256_unpackhi_pd(a, b);
    *low = _mm256_permute2f128_pd(lo, hi, 0x20);
    *high = _mm256_permute2f128_pd(lo, hi, 0x31);
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) {
    *low = _mm256_permute4x64_pd(v, 0x50);
    *high = _mm256_permute4x64_pd(v, 0xfa);
}
#else
FC_INLINE vec vec_bf16_low(const uint32_t *p) {
    const __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}
FC_INLINE vec vec_bf16_high(const uint32_t *p) {
    const __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return _mm256_castsi256_ps(_mm256_and_si256(words, _mm256_set1_epi32((int)0xffff0000)));
}
FC_INLINE vec vec_exponent(vec t) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(t), 23));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a[8], b[8];
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 8; i += 4)
#pragma GCC unroll 16
        for (int j = 0; j < 2; j++) {
            b[i + 2 * j] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0x44);
            b[i + 2 * j + 1] = _mm256_shuffle_ps(a[i + j], a[i + j + 2], 0xee);
        }
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
    }
}
/* Each addition halves two vectors into one: 14 shuffles, where a transpose takes 24. */
#define VEC_FOLD
FC_INLINE vec vec_fold(const vec r[VLEN]) {
    vec half[4], quarter[2];
    for (int i = 0; i < 4; i++)
        half[i] = _mm256_add_ps(_mm256_permute2f128_ps(r[i], r[i + 4], 0x20),
                                _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    for (int i = 0; i < 2; i++)
        quarter[i] = _mm256_add_ps(_mm256_shuffle_ps(half[2 * i], half[2 * i + 1], 0x44),
                                   _mm256_shuffle_ps(half[2 * i], half[2 * i + 1], 0xee));
    return _mm256_add_ps(_mm256_shuffle_ps(quarter[0], quarter[1], 0x88),
                         _mm256_shuffle_ps(quarter[0], quarter[1], 0xdd));
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    vec lo = _mm256_permute2f128_ps(a, b, 0x20), hi = _mm256_permute2f128_ps(a, b, 0x31);
    *even = _mm256_shuffle_ps(lo, hi, 0x88);
    *odd = _mm256_shuffle_ps(lo, hi, 0xdd);
}
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    const vec lo = _mm256_unpacklo_ps(a, b), hi = _mm256_unpackhi_ps(a, b);
    *low = _mm256_permute2f128_ps(lo, hi, 0x20);
    *high = _mm256_permute2f128_ps(lo, hi, 0x31);
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) {
    const __m256i lanes = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    *low = _mm256_permutevar8x32_ps(v, lanes);
    *high = _mm256_permutevar8x32_ps(v, _mm256_add_epi32(lanes, _mm256_set1_epi32(4)));
}
#endif
#undef MM
