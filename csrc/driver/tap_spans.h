/* tap_spans.h: which taps of a window meet the image, so that products with a border of zeros can be
 * left out. A span is a range of output rows (or columns) that are computed with one range of taps.
 *
 * The spans are a function of the shape of one image alone: where a product is left out must not depend
 * on threads or strips, since an infinite weight on a border's zero is NaN only where it is computed. */
#ifndef FC_DRIVER_TAP_SPANS_H
#define FC_DRIVER_TAP_SPANS_H

#include "driver.h"

typedef struct fc_tap_span {
    int64_t from, to;    /* outputs */
    int64_t first, last; /* taps [first, last); none when all lie on the border */
} fc_tap_span;

/* The spans of a map's rows and columns, in order, in tiles of conv_tile. Neighbours whose taps differ
 * are put together where short tiles would cost more than the products left out. */
typedef struct fc_tap_spans {
    fc_tap_span *rows, *cols;
    int64_t row_count, col_count;
} fc_tap_spans;

/* In fc_tap_spans_bytes of `memory`. */
fc_tap_spans fc_tap_spans_set(const fc_conv_problem *problem, void *memory);
size_t fc_tap_spans_bytes(const fc_conv_problem *problem);

/* An estimate of the part of all products that is computed. */
double fc_tap_spans_share(const fc_conv_problem *problem);

#endif
