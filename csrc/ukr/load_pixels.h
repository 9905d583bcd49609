/* load_pixels.h: pixels of a row for the kernels that copy them, every one or every second. */
#ifndef FC_UKR_LOAD_PIXELS_H
#define FC_UKR_LOAD_PIXELS_H

/* The first `pixels` of a vector of pixels `step` (1 or 2) apart; others read as 0. */
FC_INLINE vec load_pixels(const real *src, ptrdiff_t pixels, const int step) {
    if (step == 1) return vec_load_n(src, pixels);
    const ptrdiff_t span = 2 * pixels - 1; /* the last one's neighbour is not ours to read */
    vec even, odd;
    vec_deinterleave(vec_load_n(src, span < VLEN ? span : VLEN),
                     span > VLEN ? vec_load_n(src + VLEN, span - VLEN) : vec_zero(), &even, &odd);
    return even;
}

#endif
