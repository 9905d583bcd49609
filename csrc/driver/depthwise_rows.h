/* depthwise_rows.h: how the depthwise driver is cut, and the input rows that its kernel finds: the table of
 * pointers, and rows copied with their border. */
#ifndef FC_DEPTHWISE_ROWS_H
#define FC_DEPTHWISE_ROWS_H

#include "driver.h"

typedef struct fc_depthwise_job {
    const fc_conv_problem *problem;
    const fc_args *args;
    char *scratch;
    fc_conv_plane_args plane; /* what all calls of the kernel have in common */
    int64_t multiplier;       /* output channels of a plane */
    size_t column_bytes, worker_bytes, table_bytes, zero_bytes;
    int threads;
    bool in_place;
    bool bordered;              /* the border holds other than zeros: it is copied like the image */
    size_t spread_bytes;        /* rows of output that are spread over dst afterwards, or 0 */
    int64_t strip_rows, strips; /* output rows of a strip; strips of a plane */
    int64_t src_rows;           /* rows that a full strip's windows span, border included */
    int64_t filled_rows;        /* of these, most that lie in the image */
    int64_t filled_cols;        /* columns of a source row that any window reads */
    int64_t lead, phase, pitch; /* elements: before column 0, of a phase, of a bordered row */
    int64_t planes;             /* planes of a call of the kernel; 1 when strips > 1 */
    int64_t units, chunk;       /* strips of all planes; units in a task */
    int64_t class_rows;         /* classes of output rows that share input rows */
} fc_depthwise_job;

static inline int64_t fc_window_rows(const fc_conv2d_desc *d) {
    return (d->kh - 1) * d->dilation_h + 1;
}
static inline int64_t fc_window_cols(const fc_conv2d_desc *d) {
    return (d->kw - 1) * d->dilation_w + 1;
}
static inline int64_t fc_floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

/* How many threads are worth waking. */
int fc_depthwise_threads(const fc_conv_problem *problem, int requested);

/* Points the table of a plane at padded source rows [first, first + rows). Rows of the image are
 * `row_bytes` apart from `origin`, which is image row max(0, first - pad_top); where the border is
 * copied too, all rows are, from row `first` on. */
void fc_depthwise_table(const fc_depthwise_job *job, const void **table, const void *zeros,
                        const char *origin, int64_t row_bytes, int64_t first, int64_t rows);

/* Copies what padded rows [first, first + rows) of `planes` planes hold into their buffers: the rows of
 * the image, or, where the border holds other than zeros, all of them. */
void fc_depthwise_fill(const fc_depthwise_job *job, const char *src, int64_t planes, int64_t first,
                       int64_t rows, char *buffer);

#endif
