/* border_rows.c: rows of a plane into a strip that carries the border. Contract in ukr_products.h.
 *
 * Rows as narrow as a vector are a load and a store each, zeros on the right included: what the load does
 * not read is zero. */
#include "../simd/vec.h"
#include "load_pixels.h"
#include "ukr.h"

FC_INLINE ptrdiff_t clamped(ptrdiff_t n) { return n < 0 ? 0 : n < VLEN ? n : VLEN; }

FC_INLINE void copy_rows(const fc_border_rows_args *a, const int step) {
    const real *src = a->src;
    real *dst = a->dst;
    for (ptrdiff_t r = 0; r < a->rows; r++, src += a->src_row, dst += a->dst_row) {
        for (ptrdiff_t x = 0; x < a->first; x += VLEN)
            vec_store_n(dst + x, vec_zero(), clamped(a->first - x));
        ptrdiff_t x = a->first;
        for (; x + VLEN <= a->last; x += VLEN) {
            const real *at = src + (x - a->first) * step;
            vec_prefetch_far(at + a->ahead);
            if (step == 2) vec_prefetch_far(at + a->ahead + VLEN);
            vec_store(dst + x, step == 1 ? vec_load(at) : load_pixels(at, VLEN, step));
        }
        for (; x < a->cols; x += VLEN) {
            const ptrdiff_t pixels = clamped(a->last - x);
            const vec v = pixels ? load_pixels(src + (x - a->first) * step, pixels, step) : vec_zero();
            vec_store_n(dst + x, v, clamped(a->cols - x));
        }
    }
}

static void gather_rows(const fc_border_rows_args *a) {
    const real *src = a->src;
    real *dst = a->dst;
    for (ptrdiff_t r = 0; r < a->rows; r++, src += a->src_row, dst += a->dst_row) {
        for (ptrdiff_t x = 0; x < a->first; x++) dst[x] = 0;
        for (ptrdiff_t x = a->first; x < a->last; x++) dst[x] = src[(x - a->first) * a->step];
        for (ptrdiff_t x = a->last; x < a->cols; x++) dst[x] = 0;
    }
}

void FC_NAME(border_rows)(const fc_border_rows_args *a);
void FC_NAME(border_rows)(const fc_border_rows_args *a) {
    if (a->step == 1)
        copy_rows(a, 1);
    else if (a->step == 2)
        copy_rows(a, 2);
    else
        gather_rows(a);
}
