/* cut.h: how the rows of a result are cut into strips, for the caches and for the threads. */
#ifndef FC_CUT_H
#define FC_CUT_H

#include "../base/status.h"

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
