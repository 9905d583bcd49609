/* pool_taps.h: the part of a pooling window that meets the image, in one direction. */
#ifndef FC_DRIVER_POOL_TAPS_H
#define FC_DRIVER_POOL_TAPS_H

#include "../base/status.h"

/* The distance from a window's first tap to just past its last. */
static inline int64_t fc_taps_span(int64_t taps, int64_t dilation) {
    return (taps - 1) * dilation + 1;
}

/* The taps [*begin, *end) of a window at `start` that lie in [0, size). */
static inline void fc_taps_inside(int64_t start, int64_t taps, int64_t dilation, int64_t size,
                                  int64_t *begin, int64_t *end) {
    *begin = start >= 0 ? 0 : fc_min64(taps, fc_div_up(-start, dilation));
    *end = taps;
    if (start + fc_taps_span(taps, dilation) > size)
        *end = fc_max64(*begin, start < size ? fc_div_up(size - start, dilation) : 0);
}

/* Where the window of output row y begins, and its taps [*begin, *end) that lie in the image. One of
 * adaptive pooling reaches from its share's first pixel to its last, whole or in part. */
static inline int64_t fc_window_rows(const fc_pool2d_desc *d, int64_t oh, int64_t y, int64_t *begin,
                                     int64_t *end) {
    const int64_t start = d->adaptive ? y * d->ih / oh : y * d->stride_h - d->pad_top;
    if (d->adaptive)
        *begin = 0, *end = fc_div_up((y + 1) * d->ih, oh) - start;
    else
        fc_taps_inside(start, d->kh, d->dilation_h, d->ih, begin, end);
    return start;
}

/* The same of output column x. */
static inline int64_t fc_window_cols(const fc_pool2d_desc *d, int64_t ow, int64_t x, int64_t *begin,
                                     int64_t *end) {
    const int64_t start = d->adaptive ? x * d->iw / ow : x * d->stride_w - d->pad_left;
    if (d->adaptive)
        *begin = 0, *end = fc_div_up((x + 1) * d->iw, ow) - start;
    else
        fc_taps_inside(start, d->kw, d->dilation_w, d->iw, begin, end);
    return start;
}

/* What a window counts in one direction. A window may overhang the border too; there it counts only
 * as far as the border reaches. */
static inline int64_t fc_counted(const fc_pool2d_desc *d, int64_t start, int64_t taps, int64_t size,
                                 int64_t border) {
    if (d->count_include_pad) return fc_min64(start + taps, size + border) - start;
    return fc_min64(start + taps, size) - fc_max64(start, 0);
}

static inline int64_t fc_counted_rows(const fc_pool2d_desc *d, int64_t oh, int64_t y) {
    int64_t begin, end, start = fc_window_rows(d, oh, y, &begin, &end);
    return d->adaptive ? end : fc_counted(d, start, d->kh, d->ih, d->pad_bottom);
}

static inline int64_t fc_counted_cols(const fc_pool2d_desc *d, int64_t ow, int64_t x) {
    int64_t begin, end, start = fc_window_cols(d, ow, x, &begin, &end);
    return d->adaptive ? end : fc_counted(d, start, d->kw, d->iw, d->pad_right);
}

#endif
