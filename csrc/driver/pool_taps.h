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

#endif
