/* pool_plane.c: windows of two and three columns, which nearly all are, without a pass through
 * memory between rows and columns. Contract in ukr_elements.h.
 *
 * A line is walked from left to right, vector by vector:
 *
 *      down     the maximum (sum) of the window's rows, one vector of columns
 *      across   its neighbours in the window come out of registers: with step 1 the vectors before
 *               and behind, slid by a lane; with step 2 the even and the odd columns of two vectors
 *
 * Windows are seen from their centre, the second column of three (or of two), which has one column
 * before it. Where the windows begin at column 0 (before == 0) the centres begin at column 1, and the
 * column before the first vector is loaded for itself.
 *
 * Where lines follow each other without a gap, the last vector of a line is stored whole: what it puts
 * into the next line is overwritten when that is computed. Only the very last is cut. */
#include "pool_lanes.h"

#include <assert.h>

#define AHEAD (2048 / (ptrdiff_t)sizeof(real))

/* What is known when a body is compiled: `rows` 0 stands for any number, `single` for lines that are
 * one vector, not quite full. */
typedef struct shape {
    int step, taps, rows, kind;
    bool pairs, single;
} shape;

/* One line: the rows of its windows, where they begin, and where its result goes. */
typedef struct line {
    const real *src;
    ptrdiff_t row, rows;
    ptrdiff_t whole, lanes; /* vectors of columns that lie in the row, and lanes of the next one */
    ptrdiff_t pixels;
    real *dst;
    const real *limit; /* up to here whole vectors may be stored */
    const real *pixel_divisor;
    real divisor;
    bool reciprocal;
} line;

FC_INLINE vec nothing(const int kind) { return vec_set1(pool_nothing(kind)); }

/* Vector k of columns; those beyond the row are nothing. */
FC_INLINE vec down(const line *l, ptrdiff_t k, const shape s) {
    const int kind = s.kind;
    const ptrdiff_t count = s.rows ? s.rows : l->rows, whole = s.single ? 0 : l->whole;
    const real *src = l->src + k * VLEN;
    if (k > whole || (!s.rows && !count)) return nothing(kind);
    if (k < whole) {
        /* The rows that the line before did not have, some lines ahead: planes of the third-level cache
         * arrive at 1.3 times the pace that the CPU's own prefetchers make of two rows in turn. */
        const real *ahead = src + (count - 1) * l->row + AHEAD;
        vec_prefetch(ahead);
        if (s.step == 2) vec_prefetch(ahead - l->row);
        vec v = vec_load(src);
        for (ptrdiff_t r = 1; r < count; r++) v = pool_step(v, vec_load(src + r * l->row), kind);
        return v;
    }
    vec v = vec_load_or(src, l->lanes, nothing(kind));
    for (ptrdiff_t r = 1; r < count; r++)
        v = pool_step(v, vec_load_or(src + r * l->row, l->lanes, nothing(kind)), kind);
    return v;
}

/* The column before the first vector, in all lanes. */
FC_INLINE vec column_before(const line *l, const bool inside, const int kind) {
    if (!inside || !l->rows) return nothing(kind);
    const real *src = l->src - 1;
    real v = *src;
    for (ptrdiff_t r = 1; r < l->rows; r++) v = pool_step_one(v, src[r * l->row], kind);
    return vec_set1(v);
}

FC_INLINE void finish(const line *l, ptrdiff_t k, vec v, const int kind) {
    if (kind != FC_POOL_MAX) {
        const vec d = vec_mul(vec_set1(l->divisor), vec_load(l->pixel_divisor + k * VLEN));
        v = l->reciprocal ? vec_mul(v, d) : vec_div(v, d);
    }
    real *dst = l->dst + k * VLEN;
    if (l->limit - dst >= VLEN)
        vec_store(dst, v);
    else
        vec_store_n(dst, v, l->pixels - k * VLEN);
}

FC_INLINE void line_by_1(const line *l, const bool inside, const shape s) {
    const ptrdiff_t vectors = s.single ? 1 : (l->pixels + VLEN - 1) / VLEN;
    vec before = column_before(l, inside, s.kind), here = down(l, 0, s), behind = here;
    for (ptrdiff_t k = 0; k < vectors; k++) {
        vec v = pool_step(vec_before(before, here), here, s.kind);
        if (s.taps == 3 || k + 1 < vectors) behind = down(l, k + 1, s);
        if (s.taps == 3) v = pool_step(v, vec_behind(here, behind), s.kind);
        finish(l, k, v, s.kind);
        before = here;
        here = behind;
    }
}

FC_INLINE void line_by_2(const line *l, const bool inside, const shape s) {
    const ptrdiff_t vectors = s.single ? 1 : (l->pixels + VLEN - 1) / VLEN;
    vec before = column_before(l, inside, s.kind), even, odd;
    for (ptrdiff_t k = 0; k < vectors; k++) {
        vec_deinterleave(down(l, 2 * k, s), down(l, 2 * k + 1, s), &even, &odd);
        vec v = pool_step(vec_before(before, odd), even, s.kind);
        if (s.taps == 3) v = pool_step(v, odd, s.kind);
        finish(l, k, v, s.kind);
        before = odd;
    }
}

/* Windows that neither overlap nor leave gaps. */
FC_INLINE void line_of_pairs(const line *l, const shape s) {
    const ptrdiff_t vectors = s.single ? 1 : (l->pixels + VLEN - 1) / VLEN;
    vec even, odd;
    for (ptrdiff_t k = 0; k < vectors; k++) {
        vec_deinterleave(down(l, 2 * k, s), down(l, 2 * k + 1, s), &even, &odd);
        finish(l, k, pool_step(even, odd, s.kind), s.kind);
    }
}

FC_INLINE void pool_line(const line *l, const bool inside, const shape s) {
    if (s.pairs)
        line_of_pairs(l, s);
    else if (s.step == 2)
        line_by_2(l, inside, s);
    else
        line_by_1(l, inside, s);
}

FC_INLINE shape with_rows(shape s, const int rows) {
    s.rows = rows;
    return s;
}

FC_INLINE void planes(const fc_pool_plane_args *a, const shape s) {
    const ptrdiff_t count = a->planes, lines = a->lines, src_plane = a->src_plane;
    const ptrdiff_t dst_line = a->dst_line;
    const fc_pool_line *rows = a->line;
    const real *line_divisor = a->line_divisor;
    const bool inside = !s.pairs && !a->before;
    const ptrdiff_t centre = inside ? 1 : 0; /* column of the first vector */
    const real *src = (const real *)a->src + centre;
    line l = {.row = a->row_stride,
              .whole = (a->width - centre) / VLEN,
              .lanes = (a->width - centre) % VLEN,
              .pixels = a->pixels,
              .dst = a->dst,
              .pixel_divisor = a->pixel_divisor,
              .reciprocal = a->reciprocal};
    const bool dense = dst_line == l.pixels;
    l.limit = l.dst + count * lines * l.pixels;
    for (ptrdiff_t p = 0; p < count; p++, src += src_plane)
        for (ptrdiff_t i = 0; i < lines; i++, l.dst += dst_line) {
            l.src = src + rows[i].first;
            l.rows = rows[i].rows;
            if (!dense) l.limit = l.dst + l.pixels;
            if (s.kind != FC_POOL_MAX) l.divisor = line_divisor[i];
            if (l.rows == 2)
                pool_line(&l, inside, with_rows(s, 2));
            else if (l.rows == 3)
                pool_line(&l, inside, with_rows(s, 3));
            else
                pool_line(&l, inside, with_rows(s, 0));
        }
}

FC_INLINE void planes_of(const fc_pool_plane_args *a, const int step, const int taps,
                         const bool pairs) {
    const bool single = VLEN > 1 && a->pixels <= VLEN && a->width - (!pairs && !a->before) < VLEN;
    if (a->kind == FC_POOL_MAX && single)
        planes(a, (shape){step, taps, 0, FC_POOL_MAX, pairs, true});
    else if (a->kind == FC_POOL_MAX)
        planes(a, (shape){step, taps, 0, FC_POOL_MAX, pairs, false});
    else
        planes(a, (shape){step, taps, 0, FC_POOL_AVG, pairs, false});
}

void FC_NAME(pool_plane)(const fc_pool_plane_args *a);
void FC_NAME(pool_plane)(const fc_pool_plane_args *a) {
    assert((a->taps == 2 || a->taps == 3) && (a->step == 1 || a->step == 2));
    assert((a->before == 0 || a->before == 1) && a->width >= 1);
    if (a->step == 2 && a->taps == 2 && !a->before)
        planes_of(a, 2, 2, true);
    else if (a->step == 2 && a->taps == 2)
        planes_of(a, 2, 2, false);
    else if (a->step == 2)
        planes_of(a, 2, 3, false);
    else if (a->taps == 2)
        planes_of(a, 1, 2, false);
    else
        planes_of(a, 1, 3, false);
}
