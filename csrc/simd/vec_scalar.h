/* vec_scalar.h: the vocabulary on one element; plain C, the meaning of all the others. */
#include <math.h>

typedef real vec;
#define VLEN 1
#define TILE_PIXELS 4

FC_INLINE vec vec_zero(void) { return 0; }
FC_INLINE vec vec_set1(real s) { return s; }
FC_INLINE vec vec_load(const real *p) { return *p; }
FC_INLINE void vec_store(real *p, vec v) { *p = v; }
#if !FC_REAL_IS_F64
FC_INLINE vec vec_of_bits(uint32_t bits) {
    vec v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
FC_INLINE vec vec_bf16_low(const uint32_t *p) { return vec_of_bits(*p << 16); }
FC_INLINE vec vec_bf16_high(const uint32_t *p) { return vec_of_bits(*p & 0xffff0000); }
#endif
FC_INLINE vec vec_load_n(const real *p, ptrdiff_t n) { return n > 0 ? *p : 0; }
FC_INLINE void vec_store_n(real *p, vec v, ptrdiff_t n) {
    if (n > 0) *p = v;
}
FC_INLINE vec vec_add(vec a, vec b) { return a + b; }
FC_INLINE vec vec_sub(vec a, vec b) { return a - b; }
FC_INLINE vec vec_mul(vec a, vec b) { return a * b; }
FC_INLINE vec vec_div(vec a, vec b) { return a / b; }
FC_INLINE vec vec_fma(vec a, vec b, vec c) { return a * b + c; }
FC_INLINE vec vec_max(vec a, vec b) { return a > b ? a : b; }
FC_INLINE vec vec_min(vec a, vec b) { return a < b ? a : b; }
FC_INLINE vec vec_sqrt(vec a) { return FC_REAL_IS_F64 ? (real)sqrt(a) : (real)sqrtf((float)a); }
FC_INLINE vec vec_where_gt(vec a, vec b, vec x, vec y) { return a > b ? x : y; }
FC_INLINE vec vec_where_greatest(vec x, vec sofar, vec a, vec b) {
    return x > sofar || x != x ? a : b;
}
FC_INLINE vec vec_keep_nan(vec x, vec r) { return x != x ? x : r; }
FC_INLINE vec vec_exponent(vec t) {
#if FC_REAL_IS_F64
    uint64_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits <<= 52;
#else
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits <<= 23;
#endif
    memcpy(&t, &bits, sizeof bits);
    return t;
}
FC_INLINE void vec_transpose(vec r[VLEN]) { (void)r; }
FC_INLINE vec vec_before(vec a, vec b) {
    (void)b;
    return a;
}
FC_INLINE vec vec_behind(vec a, vec b) {
    (void)a;
    return b;
}
FC_INLINE void vec_deinterleave(vec a, vec b, vec *even, vec *odd) {
    *even = a;
    *odd = b;
}
FC_INLINE void vec_interleave(vec a, vec b, vec *low, vec *high) {
    *low = a;
    *high = b;
}
FC_INLINE void vec_twice(vec v, vec *low, vec *high) { *low = *high = v; }
