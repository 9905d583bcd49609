/* vec_avx512.h: AVX-512 F, DQ, BW, VL. */
#include <immintrin.h>

#if FC_REAL_IS_F64
typedef __m512d vec;
#define VLEN 8
#define MM(op) FC_CAT2(_mm512_, FC_CAT2(op, _pd))
#else
typedef __m512 vec;
#define VLEN 16
#define MM(op) FC_CAT2(_mm512_, FC_CAT2(op, _ps))
#endif
/* 14 x 2 accumulators, 2 weights and a broadcast: 31 of 32 registers. */
#define TILE_PIXELS 14

FC_INLINE __mmask16 vec_mask(ptrdiff_t n) { return (__mmask16)((1u << n) - 1); }

FC_INLINE vec vec_zero(void) { return MM(setzero)(); }
FC_INLINE vec vec_set1(real s) { return MM(set1)(s); }
FC_INLINE vec vec_load(const real *p) { return MM(loadu)(p); }
FC_INLINE void vec_store(real *p, vec v) { MM(storeu)(p, v); }
FC_INLINE vec vec_load_n(const real *p, ptrdiff_t n) { return MM(maskz_loadu)(vec_mask(n), p); }
#define VEC_LOAD_OR
FC_INLINE vec vec_load_or(const real *p, ptrdiff_t n, vec v) {
    if (n >= VLEN) return vec_load(p);
    return n > 0 ? MM(mask_loadu)(v, vec_mask(n), p) : v;
}
FC_INLINE void vec_store_n(real *p, vec v, ptrdiff_t n) { MM(mask_storeu)(p, vec_mask(n), v); }
/* Masked lanes are not touched: it does not matter what lies before p. */
#define VEC_STORE_LANES
FC_INLINE void vec_store_lanes(real *p, vec v, ptrdiff_t from, ptrdiff_t n) {
    real *first = (real *)((uintptr_t)p - (uintptr_t)from * sizeof(real));
    MM(mask_storeu)(first, (__mmask16)(vec_mask(n) << from), v);
}
FC_INLINE vec vec_add(vec a, vec b) { return MM(add)(a, b); }
FC_INLINE vec vec_sub(vec a, vec b) { return MM(sub)(a, b); }
FC_INLINE vec vec_mul(vec a, vec b) { return MM(mul)(a, b); }
FC_INLINE vec vec_div(vec a, vec b) { return MM(div)(a, b); }
FC_INLINE vec vec_fma(vec a, vec b, vec c) { return MM(fmadd)(a, b, c); }
FC_INLINE vec vec_max(vec a, vec b) { return MM(max)(a, b); }
FC_INLINE vec vec_min(vec a, vec b) { return MM(min)(a, b); }
FC_INLINE vec vec_sqrt(vec a) { return MM(sqrt)(a); }
#if FC_REAL_IS_F64
FC_INLINE vec vec_where_gt(vec a, vec b, vec x, vec y) {
    return _mm512_mask_mov_pd(y, _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ), x);
}
FC_INLINE vec vec_keep_nan(vec x, vec r) {
    return _mm512_mask_mov_pd(r, _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), x);
}
#define VEC_GREATEST
FC_INLINE vec vec_greatest(vec x, vec sofar) {
    return _mm512_mask_max_pd(x, _mm512_cmp_pd_mask(x, x, _CMP_ORD_Q), x, sofar);
}
FC_INLINE vec vec_where_greatest(vec x, vec sofar, vec a, vec b) {
    const __mmask8 greater = _mm512_cmp_pd_mask(x, sofar, _CMP_GT_OQ);
    return _mm512_mask_mov_pd(b, greater | _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), a);
}
FC_INLINE vec vec_before(vec a, vec b) {
    return _mm512_castsi512_pd(
        _mm512_alignr_epi64(_mm512_castpd_si512(b), _mm512_castpd_si512(a), VLEN - 1));
}
FC_INLINE vec vec_behind(vec a, vec b) {
    return _mm512_castsi512_pd(
        _mm512_alignr_epi64(_mm512_castpd_si512(b), _mm512_castpd_si512(a), 1));
}
FC_INLINE vec vec_exponent(vec t) {
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_castpd_si512(t), 52));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a[8], b[8];
#pragma GCC unroll 16
    for (int i = 0; i < 4; i++) {
        a[2 * i] = _mm512_unpacklo_pd(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_pd(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 2; i++)
#pragma GCC unroll 16
        for (int j = 0; j < 2; j++) {
            b[4 * i + j] = _mm512_shuffle_f64x2(a[4 * i + j], a[4 * i + j + 2], 0x88);
            b[4 * i + j + 2] = _mm512_shuffle_f64x2(a[4 * i + j], a[4 * i + j + 2], 0xdd);
        }
#pragma GCC unroll 16
    for (int j = 0; j < 4; j++) {
        r[j] = _mm512_shuffle_f64x2(b[j], b[j + 4], 0x88);
        r[j + 4] = _mm512_shuffle_f64x2(b[j], b[j + 4], 0xdd);
    }
}
/* Rows come as quarters, straight into the lane where their columns belong: what is left are
 * shuffles within lanes, a third of those of vec_transpose, and no load that straddles two lines. */
#define VEC_LOAD_COLUMNS
FC_INLINE void vec_load_columns(vec *r, const real *p, ptrdiff_t stride, const int columns) {
#pragma GCC unroll 4
    for (int c = 0; c < columns; c += 2) {
        vec half[2]; /* half[i]: columns c, c + 1 of rows i, i + 2, i + 4, i + 6 */
#pragma GCC unroll 16
        for (int i = 0; i < 2; i++) {
            const real *q = p + i * stride + c;
            half[i] = _mm512_castpd128_pd512(_mm_loadu_pd(q));
            half[i] = _mm512_insertf64x2(half[i], _mm_loadu_pd(q + 2 * stride), 1);
            half[i] = _mm512_insertf64x2(half[i], _mm_loadu_pd(q + 4 * stride), 2);
            half[i] = _mm512_insertf64x2(half[i], _mm_loadu_pd(q + 6 * stride), 3);
        }
        r[c] = _mm512_unpacklo_pd(half[0], half[1]);
        r[c + 1] = _mm512_unpackhi_pd(half[0], half[1]);
    }
}
/* Each addition halves two vectors into one: 14 shuffles, where a transpose takes 24. */
#define VEC_FOLD
FC_INLINE vec vec_fold(const vec r[VLEN]) {
    vec half[4], quarter[2];
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) { /* r[i + 4j] and r[i + 4j + 2] */
            const vec a = r[i + 4 * j], b = r[i + 4 * j + 2];
            half[2 * i + j] = _mm512_add_pd(_mm512_shuffle_f64x2(a, b, 0x44),
                                            _mm512_shuffle_f64x2(a, b, 0xee));
        }
    for (int i = 0; i < 2; i++)
        quarter[i] = _mm512_add_pd(_mm512_shuffle_f64x2(half[2 * i], half[2 * i + 1], 0x88),
                                   _mm512_shuffle_f64x2(half[2 * i], half[2 * i + 1], 0xdd));
    return _mm512_add_pd(_mm512_unpacklo_pd(quarter[0], quarter[1]),
                         _mm512_unpackhi_pd(quarter[0], quarter[1]));
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    const __m512i lanes = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    *even = _mm512_permutex2var_pd(a, lanes, b);
    *odd = _mm512_permutex2var_pd(a, _mm512_add_epi64(lanes, _mm512_set1_epi64(1)), b);
}
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    const __m512i lanes = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    *low = _mm512_permutex2var_pd(a, lanes, b);
    *high = _mm512_permutex2var_pd(a, _mm512_add_epi64(lanes, _mm512_set1_epi64(4)), b);
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) {
    *low = _mm512_permutexvar_pd(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3), v);
    *high = _mm512_permutexvar_pd(_mm512_setr_epi64(4, 4, 5, 5, 6, 6, 7, 7), v);
}
#else
FC_INLINE vec vec_bf16_low(const uint32_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_loadu_si512(p), 16));
}
FC_INLINE vec vec_bf16_high(const uint32_t *p) {
    const __m512i mask = _mm512_set1_epi32((int)0xffff0000);
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_loadu_si512(p), mask));
}
FC_INLINE vec vec_where_gt(vec a, vec b, vec x, vec y) {
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), x);
}
FC_INLINE vec vec_keep_nan(vec x, vec r) {
    return _mm512_mask_mov_ps(r, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), x);
}
#define VEC_GREATEST
FC_INLINE vec vec_greatest(vec x, vec sofar) {
    return _mm512_mask_max_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x, sofar);
}
FC_INLINE vec vec_where_greatest(vec x, vec sofar, vec a, vec b) {
    const __mmask16 greater = _mm512_cmp_ps_mask(x, sofar, _CMP_GT_OQ);
    return _mm512_mask_mov_ps(b, greater | _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), a);
}
FC_INLINE vec vec_before(vec a, vec b) {
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(b), _mm512_castps_si512(a), VLEN - 1));
}
FC_INLINE vec vec_behind(vec a, vec b) {
    return _mm512_castsi512_ps(
        _mm512_alignr_epi32(_mm512_castps_si512(b), _mm512_castps_si512(a), 1));
}
FC_INLINE vec vec_exponent(vec t) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(t), 23));
}
FC_INLINE void vec_transpose(vec r[VLEN]) {
    vec a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 8; i++) {
        a[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        a[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 16
        for (int j = 0; j < 2; j++) { /* b[i+q]: rows i..i+3 of columns q, q+4, q+8, q+12 */
            b[i + 2 * j] = _mm512_shuffle_ps(a[i + j], a[i + j + 2], 0x44);
            b[i + 2 * j + 1] = _mm512_shuffle_ps(a[i + j], a[i + j + 2], 0xee);
        }
#pragma GCC unroll 16
    for (int q = 0; q < 4; q++) {
        vec even0 = _mm512_shuffle_f32x4(b[q], b[4 + q], 0x88);
        vec odd0 = _mm512_shuffle_f32x4(b[q], b[4 + q], 0xdd);
        vec even1 = _mm512_shuffle_f32x4(b[8 + q], b[12 + q], 0x88);
        vec odd1 = _mm512_shuffle_f32x4(b[8 + q], b[12 + q], 0xdd);
        r[q] = _mm512_shuffle_f32x4(even0, even1, 0x88);
        r[q + 8] = _mm512_shuffle_f32x4(even0, even1, 0xdd);
        r[q + 4] = _mm512_shuffle_f32x4(odd0, odd1, 0x88);
        r[q + 12] = _mm512_shuffle_f32x4(odd0, odd1, 0xdd);
    }
}
/* All 16 columns: whole rows and 64 shuffles are 0.8 of the time of quarters, whose insertions are as
 * many again (pack_pixels 0.97 ns a pixel against 1.15, unpack_pixels 0.8 against 1.05). */
#define VEC_LOAD_COLUMNS
FC_INLINE void vec_load_columns(vec *r, const real *p, ptrdiff_t stride, const int columns) {
    if (columns == VLEN) {
#pragma GCC unroll 16
        for (int j = 0; j < VLEN; j++) r[j] = vec_load(p + j * stride);
        vec_transpose(r);
        return;
    }
#pragma GCC unroll 4
    for (int c = 0; c < columns; c += 4) {
        vec part[4]; /* part[i]: columns c .. c + 3 of rows i, i + 4, i + 8, i + 12 */
#pragma GCC unroll 16
        for (int i = 0; i < 4; i++) {
            const real *q = p + i * stride + c;
            part[i] = _mm512_castps128_ps512(_mm_loadu_ps(q));
            part[i] = _mm512_insertf32x4(part[i], _mm_loadu_ps(q + 4 * stride), 1);
            part[i] = _mm512_insertf32x4(part[i], _mm_loadu_ps(q + 8 * stride), 2);
            part[i] = _mm512_insertf32x4(part[i], _mm_loadu_ps(q + 12 * stride), 3);
        }
        vec lo01 = _mm512_unpacklo_ps(part[0], part[1]), hi01 = _mm512_unpackhi_ps(part[0], part[1]);
        vec lo23 = _mm512_unpacklo_ps(part[2], part[3]), hi23 = _mm512_unpackhi_ps(part[2], part[3]);
        r[c] = _mm512_shuffle_ps(lo01, lo23, 0x44);
        r[c + 1] = _mm512_shuffle_ps(lo01, lo23, 0xee);
        r[c + 2] = _mm512_shuffle_ps(hi01, hi23, 0x44);
        r[c + 3] = _mm512_shuffle_ps(hi01, hi23, 0xee);
    }
}
/* Each addition halves two vectors into one: 30 shuffles, where a transpose takes 64. */
#define VEC_FOLD
FC_INLINE vec vec_fold(const vec r[VLEN]) {
    vec half[2], quarter[4], eighth[2];
    for (int i = 0; i < 4; i++) { /* r[i], r[i + 4], r[i + 8], r[i + 12] */
        for (int j = 0; j < 2; j++) {
            const vec a = r[i + 8 * j], b = r[i + 8 * j + 4];
            half[j] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44),
                                    _mm512_shuffle_f32x4(a, b, 0xee));
        }
        quarter[i] = _mm512_add_ps(_mm512_shuffle_f32x4(half[0], half[1], 0x88),
                                   _mm512_shuffle_f32x4(half[0], half[1], 0xdd));
    }
    for (int i = 0; i < 2; i++)
        eighth[i] = _mm512_add_ps(_mm512_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0x44),
                                  _mm512_shuffle_ps(quarter[2 * i], quarter[2 * i + 1], 0xee));
    return _mm512_add_ps(_mm512_shuffle_ps(eighth[0], eighth[1], 0x88),
                         _mm512_shuffle_ps(eighth[0], eighth[1], 0xdd));
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    const __m512i lanes =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, lanes, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(lanes, _mm512_set1_epi32(1)), b);
}
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    const __m512i lanes = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *low = _mm512_permutex2var_ps(a, lanes, b);
    *high = _mm512_permutex2var_ps(a, _mm512_add_epi32(lanes, _mm512_set1_epi32(8)), b);
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) {
    const __m512i lanes = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    *low = _mm512_permutexvar_ps(lanes, v);
    *high = _mm512_permutexvar_ps(_mm512_add_epi32(lanes, _mm512_set1_epi32(8)), v);
}
#endif
#define VEC_STORE_TWOS
FC_INLINE void vec_store_twos(real *p, vec v, ptrdiff_t n) {
    vec low, high;
    vec_twice(v, &low, &high);
    const ptrdiff_t most = 2 * n < VLEN ? 2 * n : VLEN;
    MM(mask_storeu)(p, vec_mask(most) & (__mmask16)0x5555, low);
    if (2 * n > VLEN) MM(mask_storeu)(p + VLEN, vec_mask(2 * n - VLEN) & (__mmask16)0x5555, high);
}
#undef MM
