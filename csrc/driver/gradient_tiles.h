/* gradient_tiles.h: the gradient of a convolution by its weights, with the register tile of the convolution
 * itself.
 *
 *   diff_dst --pack_pixels--> panels [pixel][output channels]        second-level cache
 *   src --border_rows--> strip of up to 14 lines (gradient_strip.h)  first-level cache
 *   strip x panel --conv_tile--> sums [panel][line][tap][output channels]
 *   sums --unpack_pixels--> dense OIHW, at the end; swapped, the sums are the result
 *
 * conv_tile's "pixels" are lines here, and its sum runs over the pixels of the result, chunk after chunk,
 * in order of (image, row, column): one chain of multiply-adds for each weight, whatever the cuts.
 *
 * Tasks divide the weights, never the sums: panels of output channels, and lines. */
#ifndef FC_DRIVER_GRADIENT_TILES_H
#define FC_DRIVER_GRADIENT_TILES_H

#include "gradient_strip.h"

typedef struct fc_gradient_job {
    const fc_weight_gradient_problem *problem;
    const fc_args *args;
    char *scratch;
    fc_gradient_cut cut;
    int64_t icg, ocg;
    int64_t columns, panels;   /* output channels of a whole panel, panels of a group */
    int64_t panel_parts, line_parts;
    int64_t task_panels;       /* of the largest task */
    int64_t block;             /* lines whose sums are kept together, by task */
    bool staged;               /* diff_dst is copied to lie closer before it is packed */
    size_t diff_bytes, stage_bytes, strip_bytes, sum_bytes;
} fc_gradient_job;

/* How a call is cut; without arguments and scratch. */
fc_gradient_job fc_gradient_job_make(const fc_weight_gradient_problem *problem, int threads);

/* Of a staged channel: off the powers of two. */
static inline int64_t fc_gradient_stage_pitch(int64_t pixels) { return fc_round_up(pixels, 16) + 16; }

/* Most columns of the kernel in a tile of two of its rows. */
static inline int64_t fc_gradient_row_taps(const fc_kernels *k) { return k->tile_pixels / 2; }

size_t fc_gradient_tiles_scratch_bytes(const fc_weight_gradient_problem *problem, int threads);
void fc_gradient_tiles_execute(const fc_weight_gradient_problem *problem, const fc_args *args,
                               void *scratch, int threads);

#endif
