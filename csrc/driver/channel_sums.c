/* channel_sums.c: each channel's elements added up: the gradient of a bias.
 *
 * Planes whose pixels lie side by side are folded one by one and their sums added in order of images;
 * channels that lie side by side are added row by row. Tasks are channels, so the order is the same for
 * any number of threads. */
#include "driver.h"

typedef struct sums_job {
    const fc_channel_sums_problem *problem;
    const fc_args *args;
    char *scratch;
} sums_job;

enum { COLUMNS = 256 }; /* channels of a task where they lie side by side */

static bool side_by_side(const fc_channel_sums_desc *d) {
    return d->src_stride[1] == 1 && d->src_stride[3] != 1;
}

static const char *row_at(const sums_job *job, int64_t n, int64_t c, int64_t y) {
    const fc_channel_sums_desc *d = &job->problem->desc;
    return (const char *)job->args->src +
           (n * d->src_stride[0] + c * d->src_stride[1] + y * d->src_stride[2]) *
               (int64_t)job->problem->kernels->element_bytes;
}

static void sum_columns(void *context, int64_t task, int worker) {
    (void)worker;
    const sums_job *job = context;
    const fc_channel_sums_desc *d = &job->problem->desc;
    const int64_t c = task * COLUMNS;
    fc_column_sums_args args = {
        .dst = (char *)job->args->dst + c * (int64_t)job->problem->kernels->element_bytes,
        .rows = d->w,
        .count = fc_min64(COLUMNS, d->c - c),
        .src_row = d->src_stride[3],
    };
    for (int64_t n = 0; n < d->n; n++)
        for (int64_t y = 0; y < d->h; y++) {
            args.src = row_at(job, n, c, y);
            job->problem->kernels->column_sums(&args);
            args.accumulate = 1;
        }
}

/* The sums of the rows of a channel, or of its planes where rows join; then of these. */
static void sum_planes(void *context, int64_t c, int worker) {
    const sums_job *job = context;
    const fc_channel_sums_problem *p = job->problem;
    const fc_channel_sums_desc *d = &p->desc;
    const int64_t bytes = (int64_t)p->kernels->element_bytes;
    const bool joined = d->src_stride[2] == d->w, copied = d->src_stride[3] != 1;
    char *row = job->scratch + (int64_t)worker * (d->w + 2) * bytes, *part = row + d->w * bytes;
    fc_column_sums_args add = {.src = part, .dst = part + bytes, .rows = 1, .count = 1};
    for (int64_t n = 0; n < d->n; n++)
        for (int64_t y = 0; y < (joined && !copied ? 1 : d->h); y++) {
            fc_reduce_args reduce = {
                .src = row_at(job, n, c, y),
                .dst = part,
                .rows = 1,
                .count = joined && !copied ? d->h * d->w : d->w,
                .divisor = 1,
                .kind = FC_POOL_AVG,
            };
            if (copied) {
                const fc_border_rows_args copy = {.src = reduce.src,
                                                  .dst = row,
                                                  .rows = 1,
                                                  .cols = d->w,
                                                  .last = d->w,
                                                  .step = d->src_stride[3]};
                p->kernels->border_rows(&copy);
                reduce.src = row;
            }
            p->kernels->reduce_row(&reduce);
            p->kernels->column_sums(&add);
            add.accumulate = 1;
        }
    memcpy((char *)job->args->dst + c * bytes, add.dst, (size_t)bytes);
}

size_t fc_channel_sums_scratch_bytes(const fc_channel_sums_problem *p, int threads) {
    return side_by_side(&p->desc) ? 0
                                  : (size_t)threads * (size_t)(p->desc.w + 2) * p->kernels->element_bytes;
}

void fc_channel_sums_execute(const fc_channel_sums_problem *p, const fc_args *args, void *scratch,
                             int threads) {
    sums_job job = {p, args, scratch};
    const bool columns = side_by_side(&p->desc);
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype,
                      columns ? fc_div_up(p->desc.c, COLUMNS) : p->desc.c,
                      columns ? sum_columns : sum_planes, &job);
}
