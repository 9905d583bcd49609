/* copy_panels.c: rows of pixels into the panels that pixel_tile reads: whole vectors, the ragged end
 * filled with zeros. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "load_pixels.h"
#include "ukr.h"

#include <assert.h>

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/* Whole panels of two vectors; how many pixels that are. Rows begin on pages of their own, which no
 * hardware prefetcher foresees: the next but one is asked for. */
FC_INLINE ptrdiff_t copy_whole(const fc_copy_panels_args *a, const real *src, real *row) {
    ptrdiff_t begin = 0;
    for (; begin + 2 * VLEN <= a->pixels; begin += 2 * VLEN, row += a->panel_step) {
        __builtin_prefetch(src + 2 * a->src_row + begin);
        const vec first = vec_load(src + begin), second = vec_load(src + begin + VLEN);
        vec_store(row, first);
        vec_store(row + VLEN, second);
    }
    return begin;
}

FC_INLINE void copy(const fc_copy_panels_args *a, const int step) {
    for (ptrdiff_t r = 0; r < a->rows; r++) {
        const real *src = (const real *)a->src + r * a->src_row;
        real *row = (real *)a->dst + r * a->dst_row;
        ptrdiff_t begin = 0;
        if (step == 1 && a->panel == 2 * VLEN) {
            begin = copy_whole(a, src, row);
            row += begin / (2 * VLEN) * a->panel_step;
        }
        for (; begin < a->fill; begin += a->panel, row += a->panel_step) {
            const ptrdiff_t end = at_most(begin + a->panel, a->fill);
            for (ptrdiff_t x = begin; x < end; x += VLEN) {
                const ptrdiff_t have = at_most(a->pixels - x, VLEN);
                const vec v = have > 0 ? load_pixels(src + x * step, have, step) : vec_zero();
                vec_store_n(row + x - begin, v, at_most(end - x, VLEN));
            }
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
