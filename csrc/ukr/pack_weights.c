/* pack_weights.c: one panel of weights into the order conv_tile streams. Dense ones: rows of output
 * channels become columns, by transposing VLEN x VLEN squares in registers. Others, which are flipped
 * or belong to transposed convolutions, are gathered. Contract in ukr_products.h. */
#include "../simd/vec.h"
#include "ukr.h"

/* Sixteen or more rows far apart are more streams than the hardware follows: asked for four lines ahead,
 * 512 x 512 x 3 x 3 weights take 0.40 ms instead of 1.08 (one thread, Zen 5). Into the second-level cache:
 * so many lines on their way into the first one hold up all else (F.conv2d of 512 to 512 at 7 x 7 1.17 times
 * as fast, Zen 4). */
enum { AHEAD = 256 / sizeof(real) };

FC_INLINE ptrdiff_t at_most(ptrdiff_t n, ptrdiff_t limit) { return n < limit ? n : limit; }

/* Where the column of (channel, tap) begins. */
FC_INLINE real *column_at(const fc_pack_weights_args *a, ptrdiff_t channel, ptrdiff_t tap) {
    const ptrdiff_t block = channel / a->block;
    return (real *)a->dst + ((block * a->kh * a->kw + tap) * a->block + channel % a->block) *
                                a->panels * VLEN;
}

/* The columns of k = channel * taps + tap, in order of k. Divisions at each would cost more than the
 * transposing. */
typedef struct column_walk {
    real *at;
    ptrdiff_t taps, block, width; /* width: elements of a column */
    ptrdiff_t tap, place;         /* place: of the channel in its block */
} column_walk;

FC_INLINE real *next_column(column_walk *c) {
    real *column = c->at;
    if (++c->tap < c->taps) {
        c->at += c->block * c->width;
        return column;
    }
    c->tap = 0;
    if (++c->place < c->block) {
        c->at += c->width - (c->taps - 1) * c->block * c->width;
    } else {
        c->place = 0;
        c->at += c->width;
    }
    return column;
}

static void pack_dense(const fc_pack_weights_args *a) {
    const real *src = a->src;
    const ptrdiff_t width = a->panels * VLEN, taps = a->kh * a->kw, depth = a->ic * taps;
    column_walk next = {.at = a->dst, .taps = taps, .block = a->block, .width = width};
    for (ptrdiff_t k = 0; k < depth; k += VLEN) {
        ptrdiff_t ks = at_most(depth - k, VLEN);
        real *column[VLEN];
        for (ptrdiff_t i = 0; i < ks; i++) column[i] = next_column(&next);
        for (ptrdiff_t n = 0; n < width; n += VLEN) {
            vec square[VLEN];
            if (ks == VLEN && n + VLEN <= a->lanes) {
                for (int i = 0; i < VLEN; i++)
                    vec_prefetch_far(src + (n + i) * a->row + k + AHEAD);
                vec_load_transposed(square, src + n * a->row + k, a->row);
#pragma GCC unroll 16
                for (int i = 0; i < VLEN; i++) vec_store(column[i] + n, square[i]);
                continue;
            }
#pragma GCC unroll 16
            for (int i = 0; i < VLEN; i++)
                square[i] =
                    n + i < a->lanes ? vec_load_n(src + (n + i) * a->row + k, ks) : vec_zero();
            vec_transpose(square);
#pragma GCC unroll 16
            for (int i = 0; i < VLEN; i++)
                if (i < ks) vec_store(column[i] + n, square[i]);
        }
    }
}

/* A column from elements `row` apart. */
FC_INLINE void gather_column(const real *src, real *dst, ptrdiff_t row, ptrdiff_t lanes, ptrdiff_t width) {
    ptrdiff_t n = 0;
    if (row == 1) {
        for (; n < width; n += VLEN)
            vec_store(dst + n, n + VLEN <= lanes ? vec_load(src + n)
                               : n < lanes       ? vec_load_n(src + n, lanes - n)
                                                 : vec_zero());
        return;
    }
    for (; n + 8 <= lanes; n += 8)
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) dst[n + i] = src[(n + i) * row];
    for (; n < lanes; n++) dst[n] = src[n * row];
    for (; n < width; n++) dst[n] = 0;
}

/* The panel's weights of one channel of a gradient lie side by side, far from the next channel's: those
 * are asked for in advance. */
static void pack_strided(const fc_pack_weights_args *a) {
    enum { CHANNELS_AHEAD = 3, LINE = 64 / sizeof(real), MOST_LINES = 64 };
    const ptrdiff_t width = a->panels * VLEN, taps = a->kh * a->kw, span = a->lanes * a->row;
    const ptrdiff_t ahead = span > 0 && span <= MOST_LINES * LINE ? span : 0;
    column_walk next = {.at = a->dst, .taps = taps, .block = a->block, .width = width};
    const real *src = a->src;
    for (ptrdiff_t c = 0; c < a->ic; c++, src += a->channel) {
        for (ptrdiff_t i = 0; i < ahead; i += LINE) vec_prefetch_far(src + CHANNELS_AHEAD * a->channel + i);
        const real *row = src;
        for (ptrdiff_t i = 0; i < a->kh; i++, row += a->tap_row) {
            const real *tap = row;
            for (ptrdiff_t k = 0; k < a->kw; k++, tap += a->tap_col)
                gather_column(tap, next_column(&next), a->row, a->lanes, width);
        }
    }
}

void FC_NAME(pack_weights)(const fc_pack_weights_args *a);
void FC_NAME(pack_weights)(const fc_pack_weights_args *a) {
    const ptrdiff_t taps = a->kh * a->kw, columns = a->panels * VLEN;
    if ((a->channel == taps || a->ic == 1) && (a->tap_row == a->kw || a->kh == 1) &&
        (a->tap_col == 1 || a->kw == 1))
        pack_dense(a);
    else
        pack_strided(a);
    /* channels that fill the last block */
    for (ptrdiff_t c = a->ic; c % a->block; c++)
        for (ptrdiff_t tap = 0; tap < taps; tap++)
            memset(column_at(a, c, tap), 0, (size_t)columns * sizeof(real));
}
