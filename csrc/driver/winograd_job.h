/* winograd_job.h: how conv_winograd.c cuts a call, and in which order the tiles of a unit lie. */
#ifndef FC_DRIVER_WINOGRAD_JOB_H
#define FC_DRIVER_WINOGRAD_JOB_H

#include "conv_blocked.h"

typedef struct fc_winograd_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    int m, n;
    int64_t tile_rows, tile_cols;        /* of an image */
    int64_t columns, strips;             /* cuts of tile_cols and of the batch's tile rows */
    int64_t units, parts;                /* parts: pieces that a unit's weight panels are dealt into */
    int64_t block;                       /* channels of a strip, or read at once */
    int64_t slots;                       /* rows of a strip */
    bool in_place;                       /* channels lie side by side; the strip is a row of zeros */
    bool rows_follow;                    /* source rows follow each other, whole, and are packed together */
    bool straight;                       /* tiles are finished where dst wants them */
    char *values_at, *worker_at;
    size_t values_bytes;                 /* V of a unit */
    size_t strip_bytes, products_bytes, pixels_bytes, worker_bytes;
} fc_winograd_job;

/* A call of F(m, kh) in units of at most `most` tiles or one row of them, before anything else is decided;
 * with what fc_winograd_values needs. */
fc_winograd_job fc_winograd_frame(const fc_conv_problem *problem, int m, int64_t most);

/* Cuts a call of F(m, kh): a function of the shape, the caches and the thread count alone. */
fc_winograd_job fc_winograd_cut(const fc_conv_problem *problem, int m, int threads);

/* Elements of a plane of V or M, `channels` to each of so many tiles. */
int64_t fc_winograd_plane(const fc_conv_problem *problem, int64_t tiles, int64_t channels);

/* A rectangle of tiles. Those that keep fewer points lie last, lest they hinder products:
 *
 *            whole columns   the last, when it is cut short
 *   whole rows     0               1
 *   others         2               3      the order of the four blocks, row by row within each
 *
 * Rows cut short are the last ones of their images. */
typedef struct fc_winograd_unit {
    int64_t group;
    int64_t col, cols; /* tiles */
    int64_t row, rows; /* tile rows over the batch */
    int64_t tiles;
    int64_t whole_rows, whole_cols;
    int64_t pixels; /* of a row */
    bool joined;    /* blocks 0 and 2 alone would take longer than with block 1, whose products are not wanted */
} fc_winograd_unit;

fc_winograd_unit fc_winograd_unit_at(const fc_winograd_job *job, int64_t index);

/* Row `row` of a unit: where it lies in its image, and where its tiles do among the unit's. */
typedef struct fc_winograd_row {
    int64_t image, y, pixels; /* its first pixel row, and how many it has */
    int64_t first, last;      /* tiles: the first and the last */
} fc_winograd_row;

fc_winograd_row fc_winograd_row_at(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t row);

/* Runs of a unit's tiles whose product (i, j) is wanted: one or two. */
typedef struct fc_winograd_runs {
    int count;
    int64_t first[2], tiles[2];
} fc_winograd_runs;

fc_winograd_runs fc_winograd_runs_of(const fc_winograd_job *job, const fc_winograd_unit *unit, int i,
                                     int j);

/* Zeros in all planes for `channels` of the tiles of block 1 whose products are made, but not wanted:
 * nothing else writes them. `pitch` elements from tile to tile. */
void fc_winograd_clear_joined(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t plane,
                              int64_t pitch, int64_t channels, char *values);

/* V of one unit, channels [c, c + job->block), to `values`: planes `plane` elements apart, tiles `pitch`. */
void fc_winograd_values(const fc_winograd_job *job, const fc_winograd_unit *unit, int64_t c, char *strip,
                        int64_t plane, int64_t pitch, char *values);

#endif
