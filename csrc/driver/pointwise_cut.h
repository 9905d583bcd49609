/* pointwise_cut.h: how a 1x1 convolution over planes is cut into panels, tiles and tasks. */
#ifndef FC_DRIVER_POINTWISE_CUT_H
#define FC_DRIVER_POINTWISE_CUT_H

#include "driver.h"

typedef struct fc_pointwise_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *scratch;
    size_t worker_bytes;
    int64_t icg, ocg;       /* channels of one group */
    int64_t list, lists;    /* pixels of a list; lists of a group */
    bool merged;            /* the one list of all images */
    bool in_place;          /* whole panels are read where they lie */
    bool by_rows;           /* pixels are copied [channel][pixel], `pitch` elements a channel */
    int64_t width;          /* pixels of a panel */
    ptrdiff_t panel_step;   /* elements from one copied panel to the next */
    int64_t pitch;
    int64_t rest;           /* pixels behind the panels, for pixel_rest */
    size_t panels_bytes;    /* of a worker's copied panels; behind them, its rest */
    int64_t panels, chunks; /* of a list; a chunk of panels is one task's, */
    int64_t tiles, parts;   /* with a part of a group's tiles, */
    int64_t rows, lanes;    /* output channels each, and what holds them where they are packed */
    int64_t block, depth;   /* tiles that meet a panel before the next, and channels of it at a time */
    size_t sums_bytes;      /* of their unfinished sums, behind all else of a worker */
} fc_pointwise_job;

/* A function of the shape, the caches and the thread count alone. */
fc_pointwise_job fc_pointwise_cut(const fc_conv_problem *problem, int threads);

/* Whether tiles are of few rows, as with 16 registers: what they read must be near. */
bool fc_pointwise_tiles_are_low(const fc_conv_problem *problem);

/* Whether whole panels of a list are read where they lie. */
bool fc_pointwise_reads_in_place(const fc_conv_problem *problem, int64_t icg, int64_t tiles, int64_t list);

/* Whether the rows of a plane of the result follow each other. */
bool fc_pointwise_dst_is_flat(const fc_conv_problem *problem);

/* How many of the last pixels of a list are computed by pixel_rest. */
int64_t fc_pointwise_rest(const fc_conv_problem *problem, int64_t icg, int64_t list);

#endif
