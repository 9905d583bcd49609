/* lrn.c: local response normalisation, in tiles of pixels whose channels stay in the second-level
 * cache while windows slide over them. */
#include "../base/cpu.h"
#include "driver.h"

typedef struct lrn_job {
    const fc_lrn_problem *problem;
    const fc_args *args;
    int64_t width, tiles; /* pixels of a tile; tiles of one outer index */
} lrn_job;

static void run_task(void *context, int64_t task, int worker) {
    (void)worker;
    const lrn_job *job = context;
    const fc_lrn_desc *d = &job->problem->desc;
    const int64_t x = task % job->tiles * job->width;
    const int64_t at = (task / job->tiles * d->channels * d->inner + x) *
                       (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const fc_lrn_args args = {
        .src = (const char *)job->args->src + at,
        .dst = (char *)job->args->dst + at,
        .channels = d->channels,
        .stride = d->inner,
        .width = fc_min64(job->width, d->inner - x),
        .size = d->size,
        .before = d->before,
        .k = d->k,
        .factor = d->alpha / (double)d->size,
        .beta = d->beta,
    };
    job->problem->kernels->lrn(&args);
}

void fc_lrn_execute(const fc_lrn_problem *p, const fc_args *args, int threads) {
    const fc_lrn_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const int64_t line = FC_CACHE_LINE / bytes;
    const int64_t fits = (int64_t)fc_cpu_caches()->l2 / 4 / (d->channels * bytes);
    lrn_job job = {.problem = p, .args = args};
    job.width = fc_min64(d->inner, fc_max64(line, fits / line * line));
    if (threads > 1) /* at least four tiles a thread, where the lines of the cache allow it */
        job.width = fc_min64(
            job.width,
            fc_round_up(fc_max64(1, d->inner * d->outer / (4 * threads)), line));
    job.tiles = fc_div_up(d->inner, job.width);
    fc_parallel_tasks(threads, (fc_dtype)d->dtype, d->outer * job.tiles, run_task, &job);
}

/* ---- gradient ------------------------------------------------------------------------------- */

typedef struct lrn_gradient_job {
    const fc_lrn_problem *problem;
    const fc_args *args;
    char *scratch;
    size_t worker_bytes;
    int64_t width, tiles;
} lrn_gradient_job;

static lrn_gradient_job cut_gradient(const fc_lrn_problem *p) {
    const fc_lrn_desc *d = &p->desc;
    const int64_t bytes = (int64_t)fc_dtype_bytes((fc_dtype)d->dtype), line = FC_CACHE_LINE / bytes;
    const int64_t fits = (int64_t)fc_cpu_caches()->l2 / 2 / (4 * d->channels * bytes);
    lrn_gradient_job job = {.problem = p};
    job.width = fc_min64(d->inner, fc_min64(16 * line, fc_max64(line, fits / line * line)));
    job.tiles = fc_div_up(d->inner, job.width);
    job.worker_bytes = (size_t)fc_round_up(d->channels * job.width * bytes, FC_CACHE_LINE);
    return job;
}

static void run_gradient_task(void *context, int64_t task, int worker) {
    const lrn_gradient_job *job = context;
    const fc_lrn_desc *d = &job->problem->desc;
    const int64_t x = task % job->tiles * job->width;
    const int64_t at = (task / job->tiles * d->channels * d->inner + x) *
                       (int64_t)fc_dtype_bytes((fc_dtype)d->dtype);
    const fc_lrn_gradient_args args = {
        .src = (const char *)job->args->src + at,
        .grad = (const char *)job->args->diff_dst + at,
        .dst = (char *)job->args->dst + at,
        .scratch = job->scratch + (size_t)worker * job->worker_bytes,
        .channels = d->channels,
        .stride = d->inner,
        .width = fc_min64(job->width, d->inner - x),
        .size = d->size,
        .before = d->before,
        .k = d->k,
        .factor = d->alpha / (double)d->size,
        .beta = d->beta,
    };
    job->problem->kernels->lrn_gradient(&args);
}

size_t fc_lrn_gradient_scratch_bytes(const fc_lrn_problem *p, int threads) {
    return cut_gradient(p).worker_bytes * (size_t)threads;
}

void fc_lrn_gradient_execute(const fc_lrn_problem *p, const fc_args *args, void *scratch,
                             int threads) {
    lrn_gradient_job job = cut_gradient(p);
    job.args = args;
    job.scratch = scratch;
    fc_parallel_tasks(threads, (fc_dtype)p->desc.dtype, p->desc.outer * job.tiles,
                      run_gradient_task, &job);
}
