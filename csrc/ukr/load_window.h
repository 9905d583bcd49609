/* load_window.h: the lanes of a vector that lie inside a row, for kernels that read rows where they lie,
 * without a border. */
#ifndef FC_UKR_LOAD_WINDOW_H
#define FC_UKR_LOAD_WINDOW_H

#include "../simd/vec.h"
#include "ukr.h"

#if FC_REAL_IS_F64
#define BY_DTYPE(f32, f64) f64
#else
#define BY_DTYPE(f32, f64) f32
#endif

/* window_make(first, end)   lanes [first, end) of a vector
 * window_load(p, w)         these lanes of p[0 .. VLEN - 1]; the others are zero and are not read
 * HAVE_WINDOWS              masked loads: a window costs no more than a whole vector */
#if FC_TIER == FC_TAG_avx512
#define HAVE_WINDOWS 1
typedef __mmask16 window;
FC_INLINE window window_make(ptrdiff_t first, ptrdiff_t end) {
    return (window)(vec_mask(end) & ~vec_mask(first));
}
FC_INLINE vec window_load(const real *p, window w) {
    return BY_DTYPE(_mm512_maskz_loadu_ps(w, p), _mm512_maskz_loadu_pd((__mmask8)w, p));
}
#elif FC_TIER == FC_TAG_avx2
#define HAVE_WINDOWS 1
typedef __m256i window;
FC_INLINE window window_make(ptrdiff_t first, ptrdiff_t end) {
    return _mm256_andnot_si256(vec_mask(first), vec_mask(end));
}
FC_INLINE vec window_load(const real *p, window w) {
    return BY_DTYPE(_mm256_maskload_ps(p, w), _mm256_maskload_pd(p, w));
}
#else
#define HAVE_WINDOWS 0
typedef struct window {
    ptrdiff_t first, end;
} window;
FC_INLINE window window_make(ptrdiff_t first, ptrdiff_t end) { return (window){first, end}; }
FC_INLINE vec window_load(const real *p, window w) {
    if (w.first == 0 && w.end == VLEN) return vec_load(p);
    real lanes[VLEN] = {0};
    for (ptrdiff_t i = w.first; i < w.end; i++) lanes[i] = p[i];
    return vec_load(lanes);
}
#endif

/* The lanes of VLEN elements from `at` on that lie within [0, width). */
FC_INLINE window window_at(ptrdiff_t at, ptrdiff_t width) {
    ptrdiff_t end = fc_max64(0, fc_min64(width - at, VLEN));
    return window_make(fc_max64(0, fc_min64(-at, end)), end);
}

#endif
