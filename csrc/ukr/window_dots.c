/* window_dots.c: the weight gradient of depthwise convolution and of few channels, the source read where it
 * lies. Contract in ukr_products.h.
 *
 * Down a strip of columns one vector wide each row of the source is loaded once for each kernel column,
 * and meets the rows of diff that it was a window's row of, which stay in registers: 3x3 is four loads for
 * nine multiply-adds, and two channels of diff at once five for eighteen. plane_dots, whose taps may lie
 * anywhere, needs ten for nine. The sums stay in registers over all rows of all images.
 *
 *   step j:  rows j*step .. j*step + step - 1 of the windows, counted from kernel row `first`
 *            row f of them is kernel row first + q for diff's row j - q/step, q = f, f + step, ...
 *
 * Windows that lie across the upper or lower end of the source, and rows that have no partner yet or no
 * more, take steps that look at each row (`edge`); the others none that look. */
#include "load_window.h"

#include <assert.h>

/* Kernel rows that are summed in one pass: as many as leave registers for what they meet. */
#if TILE_PIXELS >= 12
#define MOST_ROWS(k) 3
#else
#define MOST_ROWS(k) ((k) == 3 ? 3 : (k) == 5 ? 2 : 1)
#endif
/* Where a masked load costs what a load costs, there is no other body. */
#define ALWAYS_MASKED (FC_TIER == FC_TAG_avx512)

/* What is known when a body is compiled: a kernel of K columns, R of its rows, P channels of diff, S
 * columns and rows from window to window. */
typedef struct body {
    int K, R, P, S;
} body;

typedef struct strip {
    const real *src, *diff; /* the image's, at the strip's first column */
    ptrdiff_t top;          /* rows of the first window above the source */
    ptrdiff_t begin, end;   /* rows of diff */
    window lanes, span[8];  /* of diff, and of the vectors of a row of the source */
    bool whole;             /* all of all of them */
} strip;

/* Sets what depends on columns x, x + 1, ... alone. */
FC_INLINE void strip_at(const fc_window_dots_args *a, ptrdiff_t x, strip *s, const body k) {
    const ptrdiff_t lanes = a->cols - x < VLEN ? a->cols - x : VLEN;
    const ptrdiff_t first = x * k.S - a->left, reach = k.S * (lanes - 1) + 1;
    s->lanes = window_make(0, lanes);
    /* and, with step 2, one element more: the last lane of the last vector, which is nobody's */
    s->whole = lanes == VLEN && first >= 0 && first + reach + k.K - 1 < a->width;
#pragma GCC unroll 8
    for (int b = 0; b < k.K; b += k.S) {
        /* with step 2 a pair of kernel columns, or the last one alone, is cut out of two vectors */
        const ptrdiff_t at = first + b, end = at + reach + (k.S == 2 && b + 1 < k.K);
        s->span[b] = window_at(at, fc_min64(a->width, end));
        if (k.S == 2) s->span[b + 1] = window_at(at + VLEN, fc_min64(a->width, end));
    }
}

/* A row of the source under each kernel column. */
FC_INLINE void load_row(const real *row, const strip *s, vec *v, const body k, const bool masked) {
#pragma GCC unroll 8
    for (int b = 0; b < k.K; b += k.S) {
        const vec low = masked ? window_load(row + b, s->span[b]) : vec_load(row + b);
        if (k.S == 1) {
            v[b] = low;
            continue;
        }
        const real *next = row + b + VLEN;
        const vec high = masked ? window_load(next, s->span[b + 1]) : vec_load(next);
        vec odd;
        vec_deinterleave(low, high, &v[b], &odd);
        if (b + 1 < k.K) v[b + 1] = odd;
    }
}

/* A vector of kernel column b under kernel rows low, low + step, ... up to high. */
FC_INLINE void multiply(vec v, const vec *d, vec *acc, const int b, const int low, const int high,
                        const body k) {
    const int back = (k.R - 1) / k.S;
#pragma GCC unroll 8
    for (int q = low; q <= high; q += k.S)
#pragma GCC unroll 2
        for (int o = 0; o < k.P; o++) {
            vec *to = &acc[(o * k.R + q) * k.K + b];
            *to = vec_fma(d[o * (back + 1) + q / k.S], v, *to);
        }
}

/* Step j. `d` holds the rows of diff that are at hand, [channel][rows back]. */
FC_INLINE void step(const fc_window_dots_args *a, const strip *s, ptrdiff_t j, vec *d, vec *acc,
                    const body k, const bool masked, const bool edge) {
    const int back = (k.R - 1) / k.S; /* rows of diff at hand but for the newest */
    const int rows = k.S < k.R ? k.S : k.R;
    const real *diff = s->diff + j * a->diff_row;
#pragma GCC unroll 2
    for (int o = 0; o < k.P; o++) {
        vec *own = d + o * (back + 1);
#pragma GCC unroll 8
        for (int i = back; i > 0; i--) own[i] = own[i - 1];
        if (edge && j >= s->end) continue;
        own[0] = masked ? window_load(diff + o * a->diff_channel, s->lanes)
                        : vec_load(diff + o * a->diff_channel);
    }
#pragma GCC unroll 2
    for (int f = 0; f < rows; f++) {
        const ptrdiff_t r = j * k.S + f - s->top;
        const real *row = s->src + r * a->src_row;
        vec v[8];
        if (edge && (r < 0 || r >= a->height))
#pragma GCC unroll 8
            for (int b = 0; b < k.K; b++) v[b] = vec_zero();
        else if (edge || k.S == 2)
            load_row(row, s, v, k, masked);
        if (edge) {
#pragma GCC unroll 8
            for (int q = f; q < k.R; q += k.S) {
                if (j - q / k.S < s->begin || j - q / k.S >= s->end) continue;
#pragma GCC unroll 8
                for (int b = 0; b < k.K; b++) multiply(v[b], d, acc, b, q, q, k);
            }
            continue;
        }
#pragma GCC unroll 8
        for (int b = 0; b < k.K; b++) { /* a kernel column at a time: it takes one register */
            if (k.S == 1) v[b] = masked ? window_load(row + b, s->span[b]) : vec_load(row + b);
            multiply(v[b], d, acc, b, f, k.R - 1, k);
        }
    }
}

/* All rows of a strip. */
FC_INLINE void run_strip(const fc_window_dots_args *a, const strip *s, ptrdiff_t src_ahead,
                         ptrdiff_t diff_ahead, vec *acc, const body k, const bool masked) {
    const int back = (k.R - 1) / k.S;
    vec d[8];
#pragma GCC unroll 8
    for (int i = 0; i < k.P * (back + 1); i++) d[i] = vec_zero();
    /* all rows of steps [from, to) have their partners and lie in the source */
    const ptrdiff_t from = fc_max64(s->begin + back, (s->top + k.S - 1) / k.S);
    const ptrdiff_t room = a->height + s->top - (fc_min64(k.S, k.R) - 1);
    const ptrdiff_t to = fc_min64(s->end, room > 0 ? (room + k.S - 1) / k.S : 0);
    ptrdiff_t j = s->begin;
    const ptrdiff_t last = s->end + back;
    for (; j < last && (j < from || to <= from); j++) step(a, s, j, d, acc, k, masked, true);
    for (; j < to; j++) {
        step(a, s, j, d, acc, k, masked, false);
#pragma GCC unroll 2
        for (int f = 0; f < k.S; f++)
            vec_prefetch_far(s->src + (j * k.S + f - s->top) * a->src_row + src_ahead);
#pragma GCC unroll 2
        for (int o = 0; o < k.P; o++)
            vec_prefetch_far(s->diff + o * a->diff_channel + j * a->diff_row + diff_ahead);
    }
    for (; j < last; j++) step(a, s, j, d, acc, k, masked, true);
}

/* Kernel rows first .. first + R - 1 against channels o .. o + P - 1. */
FC_INLINE void dots(const fc_window_dots_args *a, const ptrdiff_t first, const ptrdiff_t o,
                    const body k) {
    real *dst = (real *)a->dst + (o * a->dst_channel + first * k.K) * VLEN;
    vec acc[21];
#pragma GCC unroll 32
    for (int i = 0; i < k.P * k.R * k.K; i++)
        acc[i] = vec_load(dst + (i / (k.R * k.K) * a->dst_channel + i % (k.R * k.K)) * VLEN);
    strip s = {.top = a->top - first};
    ptrdiff_t known = -1; /* the column that s is set for */
    for (ptrdiff_t i = 0; i < a->images; i++) {
        const bool last = i + 1 == a->images;
        for (ptrdiff_t y = 0; y < a->rows; y += a->block)
            for (ptrdiff_t x = 0; x < a->cols; x += VLEN) {
                if (x != known) strip_at(a, x, &s, k);
                known = x;
                s.src = (const real *)a->src + i * a->src_image + (x * k.S - a->left);
                s.diff = (const real *)a->diff + o * a->diff_channel + i * a->diff_image + x;
                s.begin = y, s.end = fc_min64(y + a->block, a->rows);
                const ptrdiff_t src_ahead = last ? a->src_ahead : a->src_image;
                const ptrdiff_t diff_ahead = last ? a->diff_ahead : a->diff_image;
                if (ALWAYS_MASKED || !s.whole)
                    run_strip(a, &s, src_ahead, diff_ahead, acc, k, true);
                else
                    run_strip(a, &s, src_ahead, diff_ahead, acc, k, false);
            }
    }
#pragma GCC unroll 32
    for (int i = 0; i < k.P * k.R * k.K; i++)
        vec_store(dst + (i / (k.R * k.K) * a->dst_channel + i % (k.R * k.K)) * VLEN, acc[i]);
}

typedef void dots_fn(const fc_window_dots_args *a, ptrdiff_t first, ptrdiff_t o);

/* A function for each body. */
#define DOTS(k, r, p, s) \
    static __attribute__((noinline)) void dots_##k##_##r##_##p##_##s(                       \
        const fc_window_dots_args *a, ptrdiff_t first, ptrdiff_t o) {                       \
        dots(a, first, o, (body){k, r, p, s});                                              \
    }
DOTS(3, 3, 1, 1) DOTS(3, 3, 1, 2)
#if TILE_PIXELS >= 12
DOTS(3, 3, 2, 1) DOTS(3, 3, 2, 2)
DOTS(5, 3, 1, 1) DOTS(5, 2, 1, 1) DOTS(5, 3, 1, 2) DOTS(5, 2, 1, 2)
DOTS(7, 3, 1, 1) DOTS(7, 2, 1, 1) DOTS(7, 3, 1, 2) DOTS(7, 2, 1, 2)
#elif VLEN == 1
DOTS(5, 2, 1, 1) DOTS(5, 1, 1, 1) DOTS(5, 2, 1, 2) DOTS(5, 1, 1, 2)
DOTS(7, 1, 1, 1) DOTS(7, 1, 1, 2)
#endif

static dots_fn *body_of(ptrdiff_t k, ptrdiff_t rows, ptrdiff_t channels, ptrdiff_t step) {
#if TILE_PIXELS >= 12
    if (k == 3 && channels == 2) return step == 1 ? dots_3_3_2_1 : dots_3_3_2_2;
    if (k == 5 && rows == 3) return step == 1 ? dots_5_3_1_1 : dots_5_3_1_2;
    if (k == 5) return step == 1 ? dots_5_2_1_1 : dots_5_2_1_2;
    if (k == 7 && rows == 3) return step == 1 ? dots_7_3_1_1 : dots_7_3_1_2;
    if (k == 7) return step == 1 ? dots_7_2_1_1 : dots_7_2_1_2;
#elif VLEN == 1
    if (k == 5 && rows == 2) return step == 1 ? dots_5_2_1_1 : dots_5_2_1_2;
    if (k == 5) return step == 1 ? dots_5_1_1_1 : dots_5_1_1_2;
    if (k == 7) return step == 1 ? dots_7_1_1_1 : dots_7_1_1_2;
#endif
    (void)k, (void)rows, (void)channels;
    return step == 1 ? dots_3_3_1_1 : dots_3_3_1_2;
}

void FC_NAME(window_dots)(const fc_window_dots_args *a);
void FC_NAME(window_dots)(const fc_window_dots_args *a) {
    assert(a->k >= 3 && a->k % 2 == 1 && a->k <= FC_WINDOW_DOTS_LARGEST(TILE_PIXELS, VLEN));
    assert(a->step == 1 || a->step == 2);
    const ptrdiff_t at_once = FC_WINDOW_DOTS_CHANNELS(TILE_PIXELS, a->k);
    for (ptrdiff_t o = 0; o < a->channels; o += at_once) {
        const ptrdiff_t channels = fc_min64(at_once, a->channels - o);
        ptrdiff_t passes = (a->k + MOST_ROWS(a->k) - 1) / MOST_ROWS(a->k);
        for (ptrdiff_t first = 0; passes > 0; passes--) { /* of equal height, or one more */
            const ptrdiff_t rows = (a->k - first + passes - 1) / passes;
            body_of(a->k, rows, channels, a->step)(a, first, o);
            first += rows;
        }
    }
}
