/* update_part.h: a vector of an array, or the part of one at its end. `n` is VLEN as a constant in the
 * loop over whole vectors. */
FC_INLINE vec load_part(const void *p, ptrdiff_t i, ptrdiff_t n) {
    return n == VLEN ? vec_load((const real *)p + i) : vec_load_n((const real *)p + i, n);
}

FC_INLINE void store_part(void *p, ptrdiff_t i, ptrdiff_t n, vec v) {
    if (n == VLEN)
        vec_store((real *)p + i, v);
    else
        vec_store_n((real *)p + i, v, n);
}
