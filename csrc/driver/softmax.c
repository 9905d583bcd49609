/* softmax.c: normalised exponentials along the middle of (outer, length, inner).
 *
 * With inner = 1 every row is a call. Otherwise a call takes a tile of neighbouring columns, wide
 * enough to stream and narrow enough to stay in the second-level cache over its three passes.
 * Columns do not meet in the kernel, so tiles do not show in the result. */
#include "../base/cpu.h"
#include "driver.h"

typedef struct softmax_job {
    const fc_softmax_problem *problem;
    const fc_args *args;
    char *scratch;
    size_t worker_bytes;
    int threads;
    int64_t width, tiles; /* columns of a tile; tiles of one outer index */
    int64_t units, chunk; /* tiles of all outer indices; tiles in a task */
} softmax_job;

static softmax_job cut(const fc_softmax_problem *p, int threads) {
    const fc_softmax_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    softmax_job job = {.problem = p, .width = 1};
    if (d->inner > 1) {
        const int64_t line = FC_CACHE_LINE / bytes;
        const int64_t fits = (int64_t)fc_cpu_caches()->l2 / 4 / (2 * d->length * bytes);
        job.width = fc_min64(d->inner, fc_min64(16 * line, fc_max64(4 * line, fits)));
        job.worker_bytes = (size_t)fc_round_up(2 * job.width * bytes, FC_CACHE_LINE);
    }
    job.tiles = fc_div_up(d->inner, job.width);
    job.units = d->outer * job.tiles;
    /* an exponential, a division and the rest are worth some 40 operations */
    const double unit_flops = 40.0 * (double)d->length * (double)job.width;
    job.threads = fc_threads_for_flops(threads, unit_flops * (double)job.units);
    job.chunk = job.units;
    if (job.threads > 1)
        job.chunk = fc_min64(job.units, fc_max64(fc_div_up(job.units, 8 * job.threads),
                                                 (int64_t)(5e5 / unit_flops) + 1));
    return job;
}

static void run_task(void *context, int64_t task, int worker) {
    const softmax_job *job = context;
    const fc_softmax_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        const int64_t x = unit % job->tiles * job->width;
        const int64_t at = (unit / job->tiles * d->length * d->inner + x) * bytes;
        const fc_softmax_args args = {
            .src = (const char *)job->args->src + at,
            .dst = (char *)job->args->dst + at,
            .scratch = job->scratch + (size_t)worker * job->worker_bytes,
            .length = d->length,
            .stride = d->inner,
            .width = fc_min64(job->width, d->inner - x),
            .logarithm = d->logarithm,
        };
        job->problem->kernels->softmax(&args);
    }
}

size_t fc_softmax_scratch_bytes(const fc_softmax_problem *p, int threads) {
    const softmax_job job = cut(p, threads);
    return job.worker_bytes * (size_t)job.threads;
}

void fc_softmax_execute(const fc_softmax_problem *p, const fc_args *args, void *scratch,
                        int threads) {
    softmax_job job = cut(p, threads);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype, fc_div_up(job.units, job.chunk),
                      run_task, &job);
}

/* The gradient is cut as softmax is; it needs no scratch. */
static void run_gradient_task(void *context, int64_t task, int worker) {
    (void)worker;
    const softmax_job *job = context;
    const fc_softmax_desc *d = &job->problem->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t end = fc_min64(job->units, (task + 1) * job->chunk);
    for (int64_t unit = task * job->chunk; unit < end; unit++) {
        const int64_t x = unit % job->tiles * job->width;
        const int64_t at = (unit / job->tiles * d->length * d->inner + x) * bytes;
        const fc_softmax_gradient_args args = {
            .result = (const char *)job->args->src + at,
            .grad = (const char *)job->args->diff_dst + at,
            .dst = (char *)job->args->dst + at,
            .length = d->length,
            .stride = d->inner,
            .width = fc_min64(job->width, d->inner - x),
            .logarithm = d->logarithm,
        };
        job->problem->kernels->softmax_gradient(&args);
    }
}

void fc_softmax_gradient_execute(const fc_softmax_problem *p, const fc_args *args, int threads) {
    softmax_job job = cut(p, threads);
    job.args = args;
    fc_parallel_tasks(job.threads, (fc_dtype)p->desc.dtype, fc_div_up(job.units, job.chunk),
                      run_gradient_task, &job);
}
