/* planar_strip.h: the strips of conv_planar.c: how source rows lie in them, and how they are filled. */
#ifndef FC_PLANAR_STRIP_H
#define FC_PLANAR_STRIP_H

#include "driver.h"

typedef struct fc_planar_job {
    fc_conv_problem problem; /* laid on its side */
    const fc_args *args;
    char *scratch;
    const ptrdiff_t *tap;
    int64_t taps;               /* entries of `tap`: of a channel, or of all of them when few */
    int64_t icg, ocg;
    int64_t lead, head, pitch;  /* elements: left of column 0, before row 0, of a row of a phase */
    int64_t phase;              /* elements of a phase of a whole strip */
    int64_t channel;            /* elements of a channel */
    bool flat;
    int64_t cols, blocks;       /* columns of output of a block, blocks in a row of them */
    int64_t rows, runs;         /* of output in a strip, and pieces that an image's rows are dealt into */
    int64_t tiles, parts;       /* of a group's output channels, and pieces they are dealt into */
    int64_t vectors;            /* of a block, at most */
    size_t tap_bytes, table_bytes, worker_bytes;
} fc_planar_job;

static inline int64_t fc_planar_window_rows(const fc_conv2d_desc *d) {
    return (d->kh - 1) * d->dilation_h + 1;
}
static inline int64_t fc_planar_window_cols(const fc_conv2d_desc *d) {
    return (d->kw - 1) * d->dilation_w + 1;
}

static inline int64_t fc_planar_src_rows(const fc_conv2d_desc *d, int64_t rows) {
    return (rows - 1) * d->stride_h + fc_planar_window_rows(d);
}

/* A rectangle of output of one group of one image. */
typedef struct fc_planar_block {
    int64_t n, group;
    int64_t y, rows, x, cols;
} fc_planar_block;

/* The source rows of a block, channel by channel, as far as taps read them. With one block in a row,
 * what lies left and right of the source's columns has to be zero since the worker's first task. */
void fc_planar_fill_strip(const fc_planar_job *job, fc_planar_block b, char *strip);

#endif
