/* conv_pixels.h: the loop that 1x1 and im2col convolution share: output pixels of the whole batch
 * as one list, cut into chunks; a chunk is gathered into pixel-major scratch, multiplied with every
 * weight panel and stored. */
#ifndef FC_DRIVER_CONV_PIXELS_H
#define FC_DRIVER_CONV_PIXELS_H

#include "conv_blocked.h"

/* Fills `scratch` with the source values of output pixels [first, first + count) for one group. */
typedef void (*fc_gather_fn)(const fc_conv_problem *problem, const void *src, int64_t group,
                             int64_t first, int64_t count, void *scratch);

size_t fc_conv_pixels_scratch_bytes(const fc_conv_problem *problem, int threads);

/* Scratch is [blocks][count][block]: 1x1 takes the blocking's own blocks; im2col one block of the
 * whole depth (`whole_depth`). */
void fc_conv_pixels(const fc_conv_problem *problem, const fc_args *args, void *scratch, int threads,
                    fc_gather_fn gather, bool whole_depth);

#endif
