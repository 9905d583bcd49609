/* pack_weights.c: one panel of dense weights into the order conv_tile streams: rows of output
 * channels become columns, by transposing VLEN x VLEN squares in registers. Contract in ukr.h. */
#include "../simd/vec.h"
#include "ukr.h"

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

void FC_NAME(pack_weights)(const fc_pack_weights_args *a);
void FC_NAME(pack_weights)(const fc_pack_weights_args *a) {
    const real *src = a->src;
    real *dst = a->dst;
    const ptrdiff_t columns = a->panels * VLEN, depth = a->ic * a->taps;
    ptrdiff_t channel = 0, tap = 0; /* of k */
    for (ptrdiff_t k = 0; k < depth; k += VLEN) {
        ptrdiff_t ks = at_most(depth - k, VLEN);
        real *row[VLEN];
        for (ptrdiff_t i = 0; i < ks; i++) {
            ptrdiff_t block = channel / a->block;
            row[i] = dst + ((block * a->taps + tap) * a->block + channel % a->block) * columns;
            if (++tap == a->taps) {
                tap = 0;
                channel++;
            }
        }
        for (ptrdiff_t n = 0; n < columns; n += VLEN) {
            vec square[VLEN];
#pragma GCC unroll 16
            for (int i = 0; i < VLEN; i++)
                square[i] =
                    n + i < a->lanes ? vec_load_n(src + (n + i) * a->row + k, ks) : vec_zero();
            vec_transpose(square);
#pragma GCC unroll 16
            for (int i = 0; i < VLEN; i++)
                if (i < ks) vec_store(row[i] + n, square[i]);
        }
    }
    /* channels that fill the last block */
    for (; channel % a->block; channel++)
        for (tap = 0; tap < a->taps; tap++)
            memset(dst + ((channel / a->block * a->taps + tap) * a->block + channel % a->block) *
                             columns,
                   0, (size_t)columns * sizeof(real));
}
