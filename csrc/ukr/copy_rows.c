/* copy_rows.c: rows of planes, or every second pixel of them, side by side: what pixel_tile reads where the
 * pixels of a plane are not one run. Contract in ukr_products.h.
 *
 * A channel at a time, because rows of one plane share pages, and its whole rows at once, because a row
 * of 7 or 14 pixels is hardly more than the masks that cut it off. What the hardware does not foresee is
 * the next plane: each row asks for its like two planes on. */
#include "../simd/vec.h"
#include "load_pixels.h"
#include "ukr.h"

#include <assert.h>

enum { PLANES_AHEAD = 2 };

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

FC_INLINE void copy(const fc_copy_rows_args *a, const int step) {
    const ptrdiff_t ahead = PLANES_AHEAD * a->src_channel;
    for (ptrdiff_t c = 0; c < a->channels; c++) {
        const real *src = (const real *)a->src + c * a->src_channel;
        real *dst = (real *)a->dst + c * a->dst_channel;
        for (ptrdiff_t y = 0; y < a->rows; y++, src += a->src_row, dst += a->pixels)
            for (ptrdiff_t x = 0; x < a->pixels; x += VLEN) {
                const ptrdiff_t lanes = at_most(a->pixels - x, VLEN);
                vec_prefetch(src + x * step + ahead);
                if (step == 2) vec_prefetch(src + x * step + VLEN + ahead);
                vec_store_n(dst + x, load_pixels(src + x * step, lanes, step), lanes);
            }
        for (ptrdiff_t left = a->fill - a->rows * a->pixels; left > 0; left -= VLEN, dst += VLEN)
            vec_store_n(dst, vec_zero(), at_most(left, VLEN));
    }
}

static void copy_apart(const fc_copy_rows_args *a) {
    for (ptrdiff_t c = 0; c < a->channels; c++) {
        const real *src = (const real *)a->src + c * a->src_channel;
        real *dst = (real *)a->dst + c * a->dst_channel;
        for (ptrdiff_t y = 0; y < a->rows; y++, src += a->src_row)
            for (ptrdiff_t x = 0; x < a->pixels; x++) *dst++ = src[x * a->src_step];
        for (ptrdiff_t i = a->rows * a->pixels; i < a->fill; i++) *dst++ = 0;
    }
}

void FC_NAME(copy_rows)(const fc_copy_rows_args *a);
void FC_NAME(copy_rows)(const fc_copy_rows_args *a) {
    if (a->src_step == 1)
        copy(a, 1);
    else if (a->src_step == 2)
        copy(a, 2);
    else
        copy_apart(a);
}
