/* copy_panels.c: rows of pixels into the panels that pixel_tile reads: whole vectors, the ragged end
 * filled with zeros. Contract in ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

#include <assert.h>

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/* VLEN elements `step` apart, of which `have` exist. */
FC_INLINE vec load_elements(const real *src, ptrdiff_t have, const int step) {
    if (have <= 0) return vec_zero();
    if (step == 1) return vec_load_n(src, at_most(have, VLEN));
    /* the last one's neighbour is not ours to read */
    const ptrdiff_t span = 2 * at_most(have, VLEN) - 1;
    vec even, odd;
    vec_deinterleave(vec_load_n(src, at_most(span, VLEN)),
                     span > VLEN ? vec_load_n(src + VLEN, span - VLEN) : vec_zero(), &even, &odd);
    return even;
}

FC_INLINE void copy(const fc_copy_panels_args *a, const int step) {
    for (ptrdiff_t r = 0; r < a->rows; r++) {
        const real *src = (const real *)a->src + r * a->src_row;
        real *row = (real *)a->dst + r * a->dst_row;
        for (ptrdiff_t begin = 0; begin < a->fill; begin += a->panel, row += a->panel_step) {
            const ptrdiff_t end = at_most(begin + a->panel, a->fill);
            for (ptrdiff_t x = begin; x < end; x += VLEN)
                vec_store_n(row + x - begin, load_elements(src + x * step, a->pixels - x, step),
                            at_most(end - x, VLEN));
        }
    }
}

static void copy_apart(const fc_copy_panels_args *a) {
    for (ptrdiff_t r = 0; r < a->rows; r++) {
        const real *src = (const real *)a->src + r * a->src_row;
        real *row = (real *)a->dst + r * a->dst_row;
        for (ptrdiff_t x = 0; x < a->fill; x++)
            row[x / a->panel * a->panel_step + x % a->panel] =
                x < a->pixels ? src[x * a->src_step] : 0;
    }
}

void FC_NAME(copy_panels)(const fc_copy_panels_args *a);
void FC_NAME(copy_panels)(const fc_copy_panels_args *a) {
    assert(a->panel >= 1 && a->pixels <= a->fill);
    if (a->src_step == 1)
        copy(a, 1);
    else if (a->src_step == 2)
        copy(a, 2);
    else
        copy_apart(a);
}
