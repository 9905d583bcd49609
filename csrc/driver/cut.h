/* cut.h: how the rows of a result are cut into strips, for the caches and for the threads, and
 * which rows of the source they need. */
#ifndef FC_CUT_H
#define FC_CUT_H

#include "../base/status.h"

/* Rounded down, for b > 0. */
static inline int64_t fc_floor_div(int64_t a, int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
}

/* Whether a tap reads rows (or columns) phase, phase + stride, ... when the first tap is at `first`. */
static inline bool fc_phase_is_read(int64_t phase, int64_t first, int64_t taps, int64_t dilation,
                                    int64_t stride) {
    for (int64_t t = 0; t < fc_min64(taps, stride); t++) {
        const int64_t at = first + t * dilation;
        if (at - fc_floor_div(at, stride) * stride == phase) return true;
    }
    return false;
}

/* What a strip costs: `row` for each of its rows, `fixed` for what it has in common with its
 * neighbours and must convert once more. Any unit. */
typedef struct fc_strip_cost {
    double row, fixed;
} fc_strip_cost;

/* Into how many strips to cut each of `images` maps of `rows` rows, at most `most` rows high: as few
 * as the caches allow on one thread; on several, the number for which the busiest thread has least to
 * do. A strip has at least one row, and neighbours differ by at most one (fc_split). */
int64_t fc_cut_strips(int64_t images, int64_t rows, int64_t most, int threads, fc_strip_cost cost);

/* Into how many parts to deal the `panels` of each of `units` units: the fewest that leave the busiest
 * thread with as little as can be; 1 when there are units enough. */
int64_t fc_cut_parts(int64_t units, int64_t panels, int threads);

#endif
