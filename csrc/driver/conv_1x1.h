/* conv_1x1.h: what conv_1x1.c and conv_1x1_last.c have of each other. The latter makes results that lie
 * channels last where they lie:
 *
 *   for each task: some pixels of the list, some weight panels
 *     for each piece of the depth: its weights stay in the first-level cache, its pixels in the second
 *       for each panel, each tile of pixels: conv_tile, from src to dst
 *
 * Sources that lie channels last too are read where they lie, all others gathered first, a pixel's channels
 * side by side. Sums of earlier pieces wait in dst, so a sum takes the same steps however it is cut. */
#ifndef FC_DRIVER_CONV_1X1_H
#define FC_DRIVER_CONV_1X1_H

#include "conv_blocked.h"

/* Whether an image's results, and residuals, are equally far apart, their channels side by side. */
bool fc_1x1_is_last(const fc_conv_problem *problem);

double fc_1x1_last_cost(const fc_conv_problem *problem);
size_t fc_1x1_last_scratch_bytes(const fc_conv_problem *problem, int threads);
void fc_1x1_last_execute(const fc_conv_problem *problem, const fc_args *args, void *scratch, int threads);

/* Source pixels of results [first, first + count) of the list, [blocks of `block` channels][count][block]. */
void fc_1x1_gather(const fc_conv_problem *problem, const void *src, int64_t group, int64_t first,
                   int64_t count, int64_t block, void *scratch);

#endif
