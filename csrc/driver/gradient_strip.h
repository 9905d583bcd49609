/* gradient_strip.h: the source under a piece of the result, as the drivers of weight gradients read it.
 *
 * The pixels of the result are cut into chunks: rectangles in order of (image, row, column). A strip holds
 * what a chunk needs of a few `lines` of the source, border included, in one of two forms:
 *
 *   shifted    a line is a channel, and each tap a place in it at which its pixels begin:
 *              [line][image][phase of rows][phase of columns][row][column]
 *   gathered   a line is a channel under one tap: [line][pixel of the chunk]
 *
 * A shifted strip is filled once for all taps; a gathered one makes lines of taps where channels are
 * few, and its pixels follow each other without a gap where rows are short. */
#ifndef FC_DRIVER_GRADIENT_STRIP_H
#define FC_DRIVER_GRADIENT_STRIP_H

#include "driver.h"

typedef struct fc_gradient_cut {
    int64_t images, rows, cols; /* of a whole chunk */
    bool gathered;
    int64_t lines;              /* of a group */
    int64_t taps;               /* places in a line */
    int64_t phases_h, phases_w; /* of a shifted line */
    int64_t phase_rows, pitch;  /* of one phase */
    int64_t image, line;        /* elements from one to the next */
} fc_gradient_cut;

/* A chunk of the result's pixels. */
typedef struct fc_gradient_chunk {
    int64_t n, images, y, rows, x, cols;
} fc_gradient_chunk;

/* Chunks of about `pixels` pixels. */
fc_gradient_cut fc_gradient_cut_make(const fc_weight_gradient_problem *problem, int64_t pixels,
                                     bool gathered);

int64_t fc_gradient_chunks(const fc_weight_gradient_problem *problem, const fc_gradient_cut *cut);
fc_gradient_chunk fc_gradient_chunk_at(const fc_weight_gradient_problem *problem,
                                       const fc_gradient_cut *cut, int64_t index);

/* Where tap `tap` of a shifted line begins, and from row to row of a chunk. */
int64_t fc_gradient_tap(const fc_weight_gradient_problem *problem, const fc_gradient_cut *cut,
                        int64_t tap);

/* Lines [first, first + count) of a group. */
void fc_gradient_fill(const fc_weight_gradient_problem *problem, const fc_gradient_cut *cut,
                      const void *src, int64_t group, int64_t first, int64_t count,
                      fc_gradient_chunk chunk, char *strip);

#endif
