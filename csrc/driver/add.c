/* add.c: rows added up and activated, in pieces.
 *
 * The sum is copied, added to and activated by kernels that each do one of these: a piece stays in the
 * first-level cache meanwhile, and so memory sees one pass. With a weight of 1 the kernel's fused product
 * is the plain sum, and the activation is the one that ends convolutions: the bits are theirs. */
#include "driver.h"

enum { PIECE_BYTES = 8192 }; /* of each array: three of them fit the smallest first-level cache */

typedef struct add_job {
    const fc_add_problem *problem;
    const fc_args *args;
    int64_t rows, length; /* one row, where no array has gaps */
    int64_t piece, pieces; /* elements of a piece; pieces of a row */
    int64_t chunk;         /* pieces of all rows in a task */
} add_job;

static void run_piece(const add_job *job, int64_t row, int64_t begin, int64_t count) {
    const fc_add_desc *d = &job->problem->desc;
    const fc_kernels *kernels = job->problem->kernels;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const char *src = (const char *)job->args->src + (row * d->src_row_stride + begin) * bytes;
    char *dst = (char *)job->args->dst + (row * d->dst_row_stride + begin) * bytes;
    fc_activate_args activate = {.src = src, .dst = dst, .count = count};
    if (d->has_residual) {
        const char *other =
            (const char *)job->args->residual + (row * d->residual_row_stride + begin) * bytes;
        if (other == dst) /* then that is what is added to */
            other = src;
        else if (src != dst)
            kernels->activate(&activate); /* by nothing: a copy */
        const fc_add_scaled_args add = {.src = other, .dst = dst, .count = count, .weight = 1};
        kernels->add_scaled(&add);
        activate.src = dst;
    }
    activate.activation = d->activation;
    if (activate.src != dst || d->activation != FC_ACT_NONE) kernels->activate(&activate);
}

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const add_job *job = context;
    const int64_t end = fc_min64(job->rows * job->pieces, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        const int64_t begin = unit % job->pieces * job->piece;
        run_piece(job, unit / job->pieces, begin, fc_min64(job->piece, job->length - begin));
    }
}

void fc_add_execute(const fc_add_problem *p, const fc_args *args, int threads) {
    const fc_add_desc *d = &p->desc;
    add_job job = {.problem = p, .args = args, .rows = d->rows, .length = d->length};
    if (d->src_row_stride == d->length && d->dst_row_stride == d->length &&
        (!d->has_residual || d->residual_row_stride == d->length)) {
        job.rows = 1;
        job.length = d->rows * d->length;
    }
    if (d->rows * d->length == 0) return;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    job.piece = fc_min64(job.length, PIECE_BYTES / bytes);
    job.pieces = fc_div_up(job.length, job.piece);
    const int64_t units = job.rows * job.pieces;
    threads = fc_threads_for_bytes(
        threads, (2.0 + d->has_residual) * (double)(d->rows * d->length) * (double)bytes);
    job.chunk = units;
    if (threads > 1) /* at least 64 KiB a task */
        job.chunk = fc_max64(fc_div_up(units, 8 * threads), fc_div_up(65536, job.piece * bytes));
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, fc_div_up(units, job.chunk), run_task, &job);
}
