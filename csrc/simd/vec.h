/* vec.h: the small vector vocabulary that every micro-kernel is written in.
 *
 * A kernel source is compiled once per tier and dtype with -DFC_ISA_TAG=<tier> and
 * -DFC_REAL_TAG=<f32|f64>; this header then gives it
 *
 *   real, vec, VLEN      element, vector, elements in a vector
 *   FC_NAME(k)           the symbol of kernel k here, e.g. fc_k_f32_avx512
 *   TILE_PIXELS          pixels of the register tile (x 2 vectors), by the size of the register file
 *
 *   vec_zero()  vec_set1(s)  vec_load(p)  vec_store(p, v)          unaligned
 *   vec_load_n(p, n)  vec_store_n(p, v, n)   first n <= VLEN elements; others read as 0, not written
 *   vec_add  vec_sub  vec_mul  vec_div
 *   vec_fma(a, b, c)     a*b + c, fused where the tier has FMA, rounded twice where it has not:
 *                        one meaning within a tier, so tails round like bodies
 *   vec_max(a, b)        a > b ? a : b  (b when unordered)      vec_min(a, b)   a < b ? a : b
 *   vec_sqrt(a)          correctly rounded
 *   vec_keep_nan(x, r)   x where x is NaN, else r
 *   vec_where_gt(a, b, x, y)   a > b ? x : y  (y when unordered)
 *   vec_exponent(t)      the bits of t shifted into the exponent field: 2^n for t = n + EXP_MAGIC
 *   vec_transpose(r)     VLEN vectors in place: r[i][j] <-> r[j][i]
 *   vec_load_transposed(r, p, stride)   r[i][j] = p[j * stride + i], VLEN rows of VLEN elements
 *   vec_load_columns(r, p, stride, n)   the first n of these vectors, n a constant multiple of 4 or
 *                        VLEN; r is an array of VLEN, of whose rest nothing is said, and of each row
 *                        n to VLEN elements are read
 *   vec_fold(r)          lane i is the sum of the lanes of r[i], VLEN vectors: halves are added until
 *                        one is left
 *   vec_deinterleave(a, b, &even, &odd)
 *   vec_interleave(a, b, &low, &high)   a[0] b[0] a[1] b[1] ... over both
 *   vec_twice(v, &low, &high)   each lane twice: v[0] v[0] v[1] v[1] ... over both
 *   vec_prefetch(p)      asks for p's line; nothing is read, so p may lie beyond the end of a buffer
 *   vec_prefetch_far(p)  the same, into the second-level cache
 *   vec_greatest(x, sofar)   vec_max(x, sofar), but a NaN where x is NaN: none is lost
 *   vec_where_greatest(x, sofar, a, b)   a where vec_greatest takes x, else b: x > sofar or x is NaN
 *   vec_load_or(p, n, v)     vec_load_n(p, n) with the lanes of v behind the first n; n <= 0: all of v
 *   vec_store_lanes(p, v, from, n)   lanes from .. from + n - 1 to p[0 .. n - 1]
 *   vec_bf16_low(p)  vec_bf16_high(p)   the lower and the upper halves of VLEN words, which are
 *                        bfloat16, widened; of float32 alone
 *   vec_store_twos(p, v, n)  v[i] to p[2 * i], i < n; what lies between is not written
 *   vec_before(a, b)         the last lane of a, then b without its last lane
 *   vec_behind(a, b)         a without its first lane, then the first lane of b
 */
#ifndef FC_SIMD_VEC_H
#define FC_SIMD_VEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FC_CAT2_(a, b) a##b
#define FC_CAT2(a, b) FC_CAT2_(a, b)
#define FC_CAT5_(a, b, c, d, e) a##b##c##d##e
#define FC_CAT5(a, b, c, d, e) FC_CAT5_(a, b, c, d, e)
#define FC_NAME(kernel) FC_CAT5(fc_, FC_CAT2(kernel, _), FC_REAL_TAG, _, FC_ISA_TAG)

#define FC_TAG_scalar 0
#define FC_TAG_sse2 1
#define FC_TAG_avx2 2
#define FC_TAG_avx512 3
#define FC_TAG_neon 16
#define FC_TAG_f32 0
#define FC_TAG_f64 1

#define FC_TIER FC_CAT2(FC_TAG_, FC_ISA_TAG)
#define FC_REAL_IS_F64 FC_CAT2(FC_TAG_, FC_REAL_TAG)

#define FC_INLINE static inline __attribute__((always_inline))

#if FC_REAL_IS_F64
typedef double real;
#define EXP_MAGIC 6755399441056767.0 /* 1.5 * 2^52 + 1023 */
#else
typedef float real;
#define EXP_MAGIC 12583039.0f /* 1.5 * 2^23 + 127 */
#endif

#if FC_TIER == FC_TAG_avx512
#include "vec_avx512.h"
#elif FC_TIER == FC_TAG_avx2
#include "vec_avx2.h"
#elif FC_TIER == FC_TAG_sse2
#include "vec_sse2.h"
#elif FC_TIER == FC_TAG_neon
#include "vec_neon.h"
#else
#include "vec_scalar.h"
#endif

FC_INLINE void vec_prefetch(const real *p) { __builtin_prefetch(p); }
FC_INLINE void vec_prefetch_far(const real *p) { __builtin_prefetch(p, 0, 2); }
#ifndef VEC_GREATEST
FC_INLINE vec vec_greatest(vec x, vec sofar) { return vec_keep_nan(x, vec_max(x, sofar)); }
#endif

#ifndef VEC_LOAD_OR
FC_INLINE vec vec_load_or(const real *p, ptrdiff_t n, vec v) {
    if (n >= VLEN) return vec_load(p);
    real lanes[VLEN];
    vec_store(lanes, v);
    for (ptrdiff_t i = 0; i < n; i++) lanes[i] = p[i];
    return vec_load(lanes);
}
#endif

#ifndef VEC_STORE_LANES
FC_INLINE void vec_store_lanes(real *p, vec v, ptrdiff_t from, ptrdiff_t n) {
    real lanes[VLEN];
    vec_store(lanes, v);
    for (ptrdiff_t i = 0; i < n; i++) p[i] = lanes[from + i];
}
#endif

#ifndef VEC_STORE_TWOS
FC_INLINE void vec_store_twos(real *p, vec v, ptrdiff_t n) {
    real lanes[VLEN];
    vec_store(lanes, v);
    for (ptrdiff_t i = 0; i < n; i++) p[2 * i] = lanes[i];
}
#endif

#ifndef VEC_FOLD
FC_INLINE vec vec_fold(const vec r[VLEN]) {
    vec lane[VLEN];
#pragma GCC unroll 16
    for (int i = 0; i < VLEN; i++) lane[i] = r[i];
    vec_transpose(lane);
#pragma GCC unroll 4
    for (int half = VLEN / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) lane[i] = vec_add(lane[i], lane[i + half]);
    return lane[0];
}
#endif

#ifndef VEC_LOAD_COLUMNS
FC_INLINE void vec_load_columns(vec *r, const real *p, ptrdiff_t stride, const int columns) {
    (void)columns;
#pragma GCC unroll 16
    for (int j = 0; j < VLEN; j++) r[j] = vec_load(p + j * stride);
    vec_transpose(r);
}
#endif
FC_INLINE void vec_load_transposed(vec r[VLEN], const real *p, ptrdiff_t stride) {
    vec_load_columns(r, p, stride, VLEN);
}

#endif
