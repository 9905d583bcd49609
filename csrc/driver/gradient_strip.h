/* gradient_strip.h: the source under a piece of the result, as the drivers of weight gradients read it.
 *
 * The pixels of the result are cut into chunks: rectangles in order of (image, row, column). What a chunk
 * needs of a group of the source are `lines`, each with the places of some taps in it:
 *
 *   channels   a line is a channel, and all taps have a place in it
 *   rows       a line is a channel under one row of the kernel, with a place for each of its columns
 *   gathered   a line is a channel under one tap
 *
 * A strip holds lines with their border. Of channels, and of rows of the kernel, it is
 *   [channel][image][phase of rows][phase of columns][row][column]
 * and filled once for all taps; gathered, [line][pixel of the chunk]. Where there is no border and pixels
 * lie side by side, channels and rows are read in place, and there is no strip. */
#ifndef FC_DRIVER_GRADIENT_STRIP_H
#define FC_DRIVER_GRADIENT_STRIP_H

#include "driver.h"

typedef enum fc_gradient_form {
    FC_GRADIENT_CHANNELS = 0,
    FC_GRADIENT_ROWS = 1,
    FC_GRADIENT_GATHERED = 2
} fc_gradient_form;

typedef struct fc_gradient_cut {
    int64_t images, rows, cols; /* of a whole chunk */
    fc_gradient_form form;
    bool in_place;
    int64_t lines;              /* of a group */
    int64_t taps;               /* places in a line */
    int64_t channel_lines;      /* lines of a channel, unless gathered */
    int64_t phases_h, phases_w; /* of a channel in a strip */
    int64_t phase_rows;         /* of one phase */
    int64_t image, row;         /* elements from one to the next of a line */
    int64_t channel;            /* elements of a channel (or gathered line) in the strip, or the source */
} fc_gradient_cut;

/* A chunk of the result's pixels. */
typedef struct fc_gradient_chunk {
    int64_t n, images, y, rows, x, cols;
} fc_gradient_chunk;

/* Chunks of about `pixels` pixels. */
fc_gradient_cut fc_gradient_cut_make(const fc_weight_gradient_problem *problem, int64_t pixels,
                                     fc_gradient_form form, bool in_place);

int64_t fc_gradient_chunks(const fc_weight_gradient_problem *problem, const fc_gradient_cut *cut);
fc_gradient_chunk fc_gradient_chunk_at(const fc_weight_gradient_problem *problem,
                                       const fc_gradient_cut *cut, int64_t index);

/* Where tap (a, b) of the kernel begins in a channel. */
int64_t fc_gradient_tap(const fc_weight_gradient_problem *problem, const fc_gradient_cut *cut, int64_t a,
                        int64_t b);

/* Channels (gathered: lines) [first, first + count) of a group into a strip. */
void fc_gradient_fill(const fc_weight_gradient_problem *problem, const fc_gradient_cut *cut,
                      const void *src, int64_t group, int64_t first, int64_t count,
                      fc_gradient_chunk chunk, char *strip);

/* The same in place: where the first of these channels begins. */
const char *fc_gradient_find(const fc_weight_gradient_problem *problem, const void *src, int64_t group,
                             int64_t first, fc_gradient_chunk chunk);

#endif
